"""`flair`: a flair checkpoint, from a file or by a name that flair knows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from assembler.core.errors import SourceError
from assembler.core.problems import Known, Mark, Problem
from assembler.flair_checkpoints.model_names import SUFFIXES, is_name, lacking
from assembler.forms.form import Misnamed, SourceForm
from assembler.forms.source import Source

if TYPE_CHECKING:
    from pathlib import Path

    from assembler.core.problems import Guesses
    from assembler.flair_checkpoints.opened_checkpoint import FlairSource
    from assembler.forms.source import Setting

#: What a source can hold: a tagger, several tasks, or a language model, which is named by its source alone.
_PATH = re.compile(r"[^.]+(\.tasks\.[^.]+)?(\.(embeddings\.(0|[1-9][0-9]*)|head|crf|document))?", re.ASCII)


def misnamed(path: str, guesses: Guesses) -> Misnamed | None:
    """Return what is wrong with a path that no checkpoint has."""
    if _PATH.fullmatch(path):
        return None
    return Misnamed(f"no flair source has a part '{path}'", _nearest(path, guesses))


def _nearest(path: str, guesses: Guesses) -> str:
    """Return a hint that suggests the intended path, with the number and the task of the path that was written."""
    task = re.match(r"[^.]+\.tasks\.[^.]+(?=\.)", path)
    model = task.group() if task else path.partition(".")[0]
    number = re.search(r"[0-9]+$", path)
    known = (f"embeddings.{int(number.group()) if number else 0}", "head", "crf", "document")
    return guesses.suggest(path, Known(f"{model}.{part}" for part in known), what="its parts can be")


def open_flair_source(source: Source, setting: Setting) -> FlairSource:
    """Load a checkpoint, if flair is installed.

    Raises:
        SourceError: flair or torch is not installed (R008); else as `open_flair`.
    """
    try:
        from assembler.flair_checkpoints.opened_checkpoint import open_flair
    except ModuleNotFoundError as err:
        raise lacking_package(source, err) from err
    return open_flair(source, setting.folder, trust=setting.trust)


def named(path: Path) -> Source:
    """Return the source of a file that no spec names."""
    return Source("checkpoint", "flair", str(path), None, Mark(str(path), 1, 1))


def lacking_package(source: Source, err: ModuleNotFoundError) -> Exception:
    """Return the problem of a package that reading checkpoints needs (R008), or the error itself for any other."""
    if err.name is None or err.name.partition(".")[0] not in {"flair", "torch"}:
        return err
    message = f"source '{source.name}': reading a flair checkpoint needs the package '{err.name}'"
    hint = "install this package with its extra 'flair': pip install '.[flair]'"
    return SourceError(Problem.at(source.mark, "R008", message, hint))


FORM = SourceForm(
    name="flair",
    title="a flair checkpoint",
    location={
        "type": "string",
        "description": "A flair checkpoint: a path relative to this file, or a name that flair knows.",
        "examples": ["weights/demo-pos.pt"],
    },
    open=open_flair_source,
    keys={
        "revision": {
            "type": "string",
            "description": "The revision of a hub model, so that an update on the hub changes nothing.",
            "examples": ["refs/pr/4"],
        }
    },
    example={"flair": "de-pos.pt"},
    gives=frozenset(
        {"char_lm", "transformer", "embedding", "piece_embedding", "tagger_head", "crf"}
        | {"word_layers", "document_rnn", "text_head", "number_head"}
    ),
    reference=True,
    heads=frozenset({"head", "crf"}),
    packages=("flair", "torch"),
    suffixes=SUFFIXES,
    is_name=is_name,
    lacking=lacking,
    misnamed=misnamed,
)
