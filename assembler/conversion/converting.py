"""Converts an object pickle to flair's plain form, and compares the two."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from assembler.confinement.process import ConfinedError, Order, ask
from assembler.conversion.answers import Answers, answers_of
from assembler.core.atomic_files import staged
from assembler.core.errors import ParityError, SourceError
from assembler.core.problems import Problem
from assembler.flair_checkpoints.form import named
from assembler.flair_checkpoints.kept_names import with_names
from assembler.flair_checkpoints.opened_checkpoint import read_flair
from assembler.flair_checkpoints.pickles import OtherFormError, RefusalError, read_checkpoint
from assembler.flair_checkpoints.rebuilding import rebuilt
from assembler.flair_checkpoints.written_state import names_of
from assembler.isolation.frames import DamagedFrameError, Frame
from assembler.isolation.limits import Limits
from assembler.proof.builtin_sample import drawn_sentences
from assembler.sources.opened_file import OpenedFile, open_source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from assembler.confinement.promises import Held
    from assembler.flair_checkpoints.opened_checkpoint import FlairSource
    from assembler.forms.source import Source

_TASK = "assembler.conversion.confined_task"
_SENTENCES = 32
#: The answer: a state in torch's form, which may hold what the pickle stored once several times, and the labels.
_TIMES_LARGER, _BESIDE = 4, 1 << 26
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Converted:
    """What was written.

    Attributes:
        path: The file.
        size: Its bytes.
        digest: Its SHA-256.
        held: What was in force while the old file was read.
        limits: The memory and the time that its process could take.
        compared: How many answers of the old file's models and the new one's are equal.
        order_is_kept: Whether flair itself joins the embeddings of the new file in the order of the old one.
    """

    path: Path
    size: int
    digest: str
    held: Held
    limits: Limits
    compared: int
    order_is_kept: bool


@dataclass(frozen=True, slots=True)
class _Answer:
    names: list[list[str]]
    answers: Answers
    state: dict[str, Any]


def convert(old: Path, new: Path, *, unconfined: bool = False) -> Converted:
    """Write the plain form of an object pickle, which is unpickled by a confined process.

    Args:
        old: The object pickle. It is read only.
        new: The file to write; it appears when everything was compared.
        unconfined: Whether the pickle may be read where less than all promises can be kept.

    Raises:
        SourceError: The old file cannot be read or assembled (R001, R005, R006, R013), is plain already (R016), not
            everything that is promised can be kept here (R017), or the process gave no answer (R018).
        ParityError: The new file's models compute something else than the old one's (P011).
    """
    source = named(old)
    _require_linux(source)
    limits = Limits.of_this_machine()
    kept: list[Held] = []

    def accept(held: Held) -> None:
        kept.append(held)
        if held.missing() and not unconfined:
            raise _too_little(source, held)

    with _copied(source, old) as file:
        size = file.seek(0, os.SEEK_END)
        request = Frame({"name": old.name, "sentences": drawn_sentences(_SENTENCES)})
        order = Order(_TASK, file, request, accept, _TIMES_LARGER * size + _BESIDE)
        try:
            answer = ask(order, limits, lambda stream: _read(source, stream))
        except ConfinedError as err:
            raise _unanswered(source, err) from err
    with staged(new) as stage:
        order_is_kept = _write(source, answer, stage.stream)
        opened = _opened(source, new, stage.stream)
        difference = answer.answers.difference(answers_of(opened, drawn_sentences(_SENTENCES)))
        if difference is not None:
            message = f"the new file's models compute something else than the old one's: {difference}"
            raise ParityError(Problem("P011", message, "please report it; nothing was written", str(old)))
        digest, written = _digest(stage.stream), stage.stream.tell()
    return Converted(new, written, digest, kept[0], limits, len(answer.answers.labels), order_is_kept)


def _digest(stream: BinaryIO) -> str:
    """Return the SHA-256 of a file; its stream is then at the end."""
    stream.seek(0)
    digest = hashlib.sha256()
    while piece := stream.read(_PIECE):
        digest.update(piece)
    return digest.hexdigest()


def _require_linux(source: Source) -> None:
    if sys.platform != "linux":
        message = f"object pickles are converted by a confined process, which only Linux has; this is {sys.platform}"
        raise _problem(source, "R017", message, "convert the file on Linux, or build from it with --trust")


@contextmanager
def _copied(source: Source, old: Path) -> Iterator[BinaryIO]:
    """Yield a private copy of an object pickle that has a descriptor."""
    opened = open_source(source, old)
    try:
        stream = opened.stream()
        _require_objects(source, stream)
        with tempfile.TemporaryFile(prefix="assemble-") as copy:
            stream.seek(0)
            shutil.copyfileobj(stream, copy, _PIECE)
            copy.flush()
            yield copy
    finally:
        opened.close()


def _require_objects(source: Source, stream: BinaryIO) -> None:
    try:
        read_checkpoint(stream)
    except OtherFormError as err:
        raise _problem(source, err.code, str(err), err.hint) from err
    except RefusalError:
        return
    message = "the checkpoint is plain data already; there is nothing to convert"
    raise _problem(source, "R016", message, "assemble init reads it as it is, without --trust")


def _read(source: Source, stream: BinaryIO) -> _Answer:
    """Read the answer of the confined process, of which nothing is believed."""
    words = Frame.read(stream).words
    if "failed" in words:
        code = str(words.get("code"))
        hint = words.get("hint")
        known = code if code in {"R005", "R006"} else "R006"
        text = str(words["failed"]).removeprefix("source 'checkpoint': ").strip().splitlines()
        raise _problem(source, known, text[0] if text else "no reason is given", str(hint) if hint else None)
    try:
        names = [[str(name) for name in each] for each in words["names"]]
        answers = Answers.read(words)
    except (LookupError, TypeError, ValueError) as err:
        message = "its words are none"
        raise DamagedFrameError(message) from err
    with tempfile.TemporaryFile(prefix="assemble-") as copy:
        while piece := stream.read(_PIECE):
            copy.write(piece)
        size = copy.seek(0, os.SEEK_END)
        try:
            state = rebuilt(read_checkpoint(copy), size)
        except RefusalError as err:
            message = f"its state is no plain checkpoint: {err}"
            raise DamagedFrameError(message) from err
    if not isinstance(state, dict) or not all(type(key) is str for key in state):
        message = f"its state is a {type(state).__name__}"
        raise DamagedFrameError(message)
    return _Answer(names, answers, state)


def _write(source: Source, answer: _Answer, stream: BinaryIO) -> bool:
    """Write the state, with the names of embeddings if flair's own are others; return whether flair's order is right.

    The file is written from values that were read safely: none of its bytes come from the other process.
    """
    torch.save(answer.state, stream, pickle_protocol=4)
    models = _opened(source, source.location, stream).models()
    flairs = [names_of(model) for model in models]
    if flairs == answer.names:
        return True
    if [len(names) for names in flairs] != [len(names) for names in answer.names]:
        raise _problem(source, "R018", "the confined process names other embeddings than it sends", None)
    stream.seek(0)
    stream.truncate()
    torch.save(with_names(answer.state, answer.names), stream, pickle_protocol=4)
    return all(_order(one) == _order(two) for one, two in zip(flairs, answer.names, strict=True))


def _order(names: list[str]) -> list[int]:
    """Return the places of embeddings in the order in which flair joins them."""
    return sorted(range(len(names)), key=names.__getitem__)


def _opened(source: Source, name: Path | str, stream: BinaryIO) -> FlairSource:
    stream.flush()
    return read_flair(source, OpenedFile(str(name), "", stream), trust=False)


def _too_little(source: Source, held: Held) -> SourceError:
    missing = ", ".join(each.value for each in held.missing())
    message = f"an object pickle can run any code, and this system does not keep it from all that it should: {missing}"
    hint = "a newer kernel with Landlock and seccomp does; --unconfined converts the file all the same"
    return _problem(source, "R017", message, hint)


def _unanswered(source: Source, err: ConfinedError) -> SourceError:
    message = f"the confined process that read the file gave no plain checkpoint: {err}"
    return _problem(source, "R018", message, "the file does something else than to hold a model, or is damaged")


def _problem(source: Source, code: str, message: str, hint: str | None) -> SourceError:
    return SourceError(Problem(code, message, hint, source.location))
