"""Tries the architectures of encoders that torch exports: in a tagger, with a tokeniser of its kind, against flair.

    python tools/try_encoders.py              # all of them; a few minutes
    python tools/try_encoders.py albert xlnet

Each is made at random and tiny, saved by flair, assembled, and compared with flair's own `predict` on hard sentences: tags,
and scores within 1e-5. The table in docs/encoders.md is what this prints.
"""

from __future__ import annotations

import sys
import tempfile
import time
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import flair
import torch

from assembler.core.errors import AssemblerError

#: The makes whose options are not the usual ones, because flair or their tokeniser has no others.
_OPTIONS = {
    "canine": {"use_context_separator": False},
    "gemma": {"allow_long_sentences": False},
    "gemma2": {"allow_long_sentences": False},
    "ibert": {"use_context_separator": False},
    "xlnet": {"allow_long_sentences": False},
}
_LONGEST = 200


def of_tests(module: str) -> Any:  # noqa: ANN401 - a module of the tests, which is on no path
    """Return a module of the tests that has the makes, or the comparison."""
    tests = str(Path(__file__).resolve().parents[1] / "tests")
    if tests not in sys.path:
        sys.path.insert(0, tests)
    return import_module(f"taggers.{module}")


def tried(architecture: str) -> str:
    """Return what comes of an architecture, in words."""
    torch.manual_seed(11)
    comparison, makes = of_tests("conftest"), of_tests("exported_encoders")
    sentences = [*of_tests("test_transformers").TEXT, *comparison.HARD]
    with tempfile.TemporaryDirectory() as folder:
        bench = comparison.Bench(Path(folder))
        try:
            embedding = makes.exported_encoder(bench.folder, architecture, **_OPTIONS.get(architecture, {}))
        except Exception as err:  # noqa: BLE001 - whatever flair fails at is what is asked
            return f"flair 0.15.1 does not make it: {' '.join(str(err).split())[:_LONGEST]}"
        try:
            comparison.compare(*bench.assembled(bench.tagger(embedding, crf=False)), sentences)
        except AssemblerError as err:
            problem = err.problems[0]
            return f"refused ({problem.code}): {' '.join(problem.message.split())[:_LONGEST]}"
        except AssertionError as err:
            return f"DIFFERS: {' '.join(str(err).split())[:_LONGEST]}"
        return "works"


def main() -> None:
    """Print a row for each architecture."""
    warnings.simplefilter("ignore")
    all_makes = of_tests("exported_encoders").MAKES
    flair.device = torch.device("cpu")
    flair.logger.setLevel("ERROR")
    print("| architecture | tokeniser | tried | seconds |\n|---|---|---|---|")
    for architecture in sys.argv[1:] or all_makes:
        begun, make = time.perf_counter(), all_makes[architecture]
        result = tried(architecture)
        tokenizer = f"{make.tokenizer} (`{make.cls}`)"
        print(f"| {architecture} | {tokenizer} | {result} | {time.perf_counter() - begun:.0f} |", flush=True)


if __name__ == "__main__":
    main()
