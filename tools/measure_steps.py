"""Measure one step of a model's language models: a character of each of some lanes.

    assemble full.yaml -o full.onnx --profile cpu
    python tools/measure_steps.py full.onnx --lanes 1 24 48 60 72

The model reads lanes of one character over and over, and one token; its seconds are shared out among the steps of all
language models. GFLOP/s are those of the recurrent products.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from assembler.runtime import Tagger
from assembler.runtime.fill.of_language_models import Characters, Indices
from assembler.runtime.session import Session


def feeds(tagger: Tagger, positions: int, lanes: int) -> dict[str, np.ndarray]:
    """Return inputs of some lanes, of which one token is read."""
    given: dict[str, np.ndarray] = {}
    for entry in tagger.interface.inputs:
        if isinstance(entry, Characters):
            given[entry.name] = np.ones((positions, lanes), np.int64)
        elif isinstance(entry, Indices):
            given[entry.name] = np.array([lanes], np.int64)
        else:
            given[entry.name] = np.ones(1, np.int64)
    return given


def milliseconds(session: Session, given: dict[str, np.ndarray], output: str, rounds: int) -> float:
    """Return the fastest of some runs, after one that does not count."""
    taken = []
    for _ in range(rounds + 1):
        begin = time.perf_counter()
        session.run([output], given)
        taken.append(time.perf_counter() - begin)
    return 1000 * min(taken[1:])


def main() -> None:
    """Print a line for each number of lanes, with threads that spin, that sleep, and with one thread."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--hidden", type=int, default=2048)
    parser.add_argument("--lanes", type=int, nargs="+", default=[1, 12, 24, 36, 48, 60, 72])
    parser.add_argument("--positions", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    tagger = Tagger(options.model)
    models = len(tagger.interface.language_models)
    ways = {
        "two threads": Session.open(options.model, threads=2),
        "no spinning": Session.open(options.model, threads=2, spin=False),
        "one thread": Session.open(options.model, threads=1),
    }
    sys.stdout.write("lanes" + "".join(f"  {name:>22}" for name in ways) + "\n")
    for lanes in options.lanes:
        given = feeds(tagger, options.positions, lanes)
        cells = []
        for session in ways.values():
            step = milliseconds(session, given, tagger.tasks[0].prediction, options.rounds) / options.positions / models
            cells.append(f"{step:9.4f} ms {8 * lanes * options.hidden**2 / step / 1e6:5.0f} G/s")
        sys.stdout.write(f"{lanes:5}" + "".join(f"  {cell:>22}" for cell in cells) + "\n")


if __name__ == "__main__":
    main()
