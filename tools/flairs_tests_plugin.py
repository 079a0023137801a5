"""A plugin of pytest that runs flair's own tests without downloads, with flair's models or with assembled ones.

`run_flairs_tests.py` starts it. In the assembled run each model that flair loads, and each that a test lets predict, is
saved, assembled and loaded inside flair; the test goes on with that. Models that cannot be assembled stay flair's.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import flair
import flairs_tests_stand_ins as stand_ins
import pytest
from flair.embeddings import WordEmbeddings
from flair.embeddings.transformer import TransformerEmbeddings
from flair.models import MultitaskModel, SequenceTagger, TextClassifier, TokenClassifier
from flair.nn import Classifier, DefaultClassifier, Model
from flair.trainers import ModelTrainer

from assembler import assemble
from assembler.core.errors import SourceError
from assembler.flair.assembled import Assembled
from assembler.initialisation import Further, write_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

_ASSEMBLED = os.environ["FLAIRS_TESTS_SIDE"] == "assembled"
_RESULTS = Path(os.environ["FLAIRS_TESTS_RESULTS"])
_STAND_INS = Path(os.environ["FLAIRS_TESTS_STAND_INS"])
_CLASSES = (SequenceTagger, TextClassifier, TokenClassifier, MultitaskModel)
#: The codes of models that cannot be assembled: their class, or an option; or they hold objects that need `--trust`.
_CANNOT = ("R005", "R003")
#: What the libraries say where a download fails.
_NO_NETWORK = ("offline", "couldn't connect", "LocalEntryNotFound", "needs a download", "not the path to a directory")


class NeedsDownloadError(OSError):
    """A test would download something."""


class State:
    """What the running test has done."""

    alone = False
    wanted_network = False
    assembled = 0
    left = ""
    results: dict[str, dict[str, Any]] = {}  # noqa: RUF012 - there is one state


def _refused(*_: object, **__: object) -> Any:  # noqa: ANN401 - raises
    State.wanted_network = True
    message = "needs a download"
    raise NeedsDownloadError(message)


def _stood_in(name: object, *_: object, **__: object) -> Any:  # noqa: ANN401 - what flair's own returns
    """Return the stand-in of what would be downloaded."""
    text = str(name)
    for end, file in stand_ins.FILES.items():
        if text == end or text.endswith(f"/{end}"):
            return _STAND_INS / file
    if Path(text).exists():
        return Path(text)
    return _refused()


def _without_downloads() -> None:
    socket.getaddrinfo = _refused
    for name, module in [*sys.modules.items()]:
        if name.startswith("flair"):
            for function in ("cached_path", "hf_download"):
                if hasattr(module, function):
                    setattr(module, function, _stood_in)
    encoder, table = TransformerEmbeddings.__init__, WordEmbeddings.__init__

    @wraps(encoder)
    def encoder_init(self: Any, model: str = "", *words: Any, **options: Any) -> None:  # noqa: ANN401 - flair's own
        encoder(self, str(_STAND_INS / "encoder") if model in stand_ins.ENCODERS else model, *words, **options)

    @wraps(table)
    def table_init(self: Any, embeddings: str | None, *words: Any, **options: Any) -> None:  # noqa: ANN401 - flair's own
        if embeddings != stand_ins.TABLE:
            table(self, embeddings, *words, **options)
            return
        known = json.loads((_STAND_INS / "words.json").read_text(encoding="utf-8"))
        places = {word: place for place, word in enumerate(known)}
        table(self, None, vocab=places, embedding_length=50, name=stand_ins.TABLE)
        stand_ins.fill_table(self)

    TransformerEmbeddings.__init__ = encoder_init  # type: ignore[method-assign]
    WordEmbeddings.__init__ = table_init  # type: ignore[method-assign]


@contextmanager
def _left_alone() -> Iterator[None]:
    """Let models be flair's in the block."""
    before, State.alone = State.alone, True
    try:
        yield
    finally:
        State.alone = before


def _in_its_place(model: Any) -> Any:  # noqa: ANN401 - any of flair's
    """Return a model assembled and loaded inside flair, or itself where it cannot be assembled."""
    if not isinstance(model, _CLASSES) or isinstance(model, Assembled) or State.alone:
        return model
    folder = Path(tempfile.mkdtemp(dir=_RESULTS.parent))
    with _left_alone():
        checkpoint, spec = folder / "model.pt", folder / "model.yaml"
        model.save(checkpoint)
        try:
            written = write_spec(str(checkpoint), folder, further=Further(probabilities=True, embeddings=True))
        except SourceError as err:
            if err.problems[0].code not in _CANNOT:
                raise
            State.left = err.problems[0].message
            return model
        spec.write_text(written, encoding="utf-8")
        assemble(spec, folder / "model.onnx")
    State.assembled += 1
    return Classifier.load(folder / "model.onnx")


def _assembled_models() -> None:
    load = Model.load.__func__  # type: ignore[attr-defined]

    def loading(cls: type[Model[Any]], model_path: Any) -> Any:  # noqa: ANN401 - flair's signature
        return _in_its_place(load(cls, model_path))

    Model.load = classmethod(loading)  # type: ignore[method-assign, assignment]
    for cls in (SequenceTagger, DefaultClassifier, MultitaskModel):
        cls.predict = _predicting(cls.predict)  # type: ignore[method-assign]
    ModelTrainer.train_custom = _training(ModelTrainer.train_custom)  # type: ignore[method-assign]


def _training(real: Callable[..., Any]) -> Callable[..., Any]:
    """Return the trainer's loop, in which models stay flair's: it loads weights and losses of what it has saved."""

    @wraps(real)
    def train(*words: Any, **options: Any) -> Any:  # noqa: ANN401 - flair's signature
        with _left_alone():
            return real(*words, **options)

    return train


def _predicting(real: Callable[..., Any]) -> Callable[..., Any]:
    """Return `predict` of a model that a test has trained: it is assembled as it is at the time.

    Where the loss is wanted, which is in training and evaluation, flair's own predicts.
    """

    @wraps(real)
    def predict(self: Any, *words: Any, **options: Any) -> Any:  # noqa: ANN401 - flair's signature
        if State.alone or options.get("return_loss") or (model := _in_its_place(self)) is self:
            return real(self, *words, **options)
        return model.predict(*words, **options)

    return predict


def pytest_configure() -> None:
    """Stand in for downloads, and in the assembled run for flair's models."""
    _without_downloads()
    if not _STAND_INS.exists():
        stand_ins.make_stand_ins(_STAND_INS, Path.cwd())
    if _ASSEMBLED:
        _assembled_models()


def pytest_runtest_setup() -> None:
    """Begin a test."""
    State.wanted_network, State.assembled, State.left = False, 0, ""
    flair.set_seed(5)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Record what became of a test; one that failed for want of a download is skipped."""
    report = yield
    text = str(call.excinfo.value) + call.excinfo.type.__name__ if call.excinfo is not None else ""
    if report.failed and (State.wanted_network or any(each in text for each in _NO_NETWORK)):
        report.outcome, report.longrepr = "skipped", (str(item.path), 0, "Skipped: needs a download")
    if report.when == "call" or report.outcome != "passed":
        known = State.results.get(item.nodeid, {"outcome": "passed"})
        if known["outcome"] == "passed":
            State.results[item.nodeid] = {
                "outcome": report.outcome,
                "assembled": State.assembled,
                "left": State.left,
                "why": text[:200] if report.outcome == "failed" else "",
            }
    return report


def pytest_sessionfinish() -> None:
    """Write the results."""
    _RESULTS.write_text(json.dumps(State.results), encoding="utf-8")
