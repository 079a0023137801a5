"""The task of the confined process: unpickles a checkpoint, and answers with its models' plain states.

Whatever the pickle runs, it runs here. So nothing that this module answers is believed: the other process reads the
state as it reads any stranger's file, and compares what its models compute.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from flair.models import MultitaskModel

from assembler.conversion.answers import answers_of
from assembler.core.errors import AssemblerError
from assembler.flair_checkpoints.form import named
from assembler.flair_checkpoints.opened_checkpoint import read_flair
from assembler.flair_checkpoints.trust import load_checkpoint
from assembler.flair_checkpoints.written_state import language_model_state, names_of, state_of
from assembler.isolation.frames import Frame
from assembler.sources.opened_file import OpenedFile

if TYPE_CHECKING:
    from typing import BinaryIO

    from assembler.flair_checkpoints.opened_checkpoint import FlairSource
    from assembler.forms.source import Source

_LONGEST = 2000


def answer(file: BinaryIO, request: Frame, answers: BinaryIO) -> None:
    """Write the names of the embeddings and what the models compute, then the state as torch writes one.

    If that fails, the one message says why.
    """
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    source = named(Path(str(request.words["name"])))
    try:
        opened = read_flair(source, OpenedFile(source.location, "", file), trust=True)
        found = answers_of(opened, request.words["sentences"])
        names = [names_of(model) for model in opened.models()]
        state = _state(source, opened, file)
    except AssemblerError as err:
        problem = err.problems[0]
        Frame({"failed": problem.message[:_LONGEST], "code": problem.code, "hint": problem.hint}).write(answers)
        return
    except BaseException as err:  # noqa: BLE001 - the pickle's own code raises anything, and may end the process
        text = f"{type(err).__name__}: {err}"
        Frame({"failed": text[:_LONGEST], "code": "R006", "hint": None}).write(answers)
        return
    Frame({"names": names, **found.words()}).write(answers)
    torch.save(state, answers, pickle_protocol=4)


def _state(source: Source, opened: FlairSource, file: BinaryIO) -> dict[str, Any]:
    if opened.language_model is not None:
        return language_model_state(opened.language_model)
    if not opened.tasks:
        return state_of(source, opened.tagger)
    file.seek(0)
    whole: Any = load_checkpoint(source, file, source.location, trust=True)
    state = whole._get_state_dict() if isinstance(whole, MultitaskModel) else dict(whole)  # type: ignore[no-untyped-call]  # noqa: SLF001
    return {**state, "model_states": {task: state_of(source, model.tagger) for task, model in opened.tasks.items()}}
