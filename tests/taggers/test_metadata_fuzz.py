"""Whatever the metadata of a tagger say, of every kind of vocabulary and task, they are read or refused with a code."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING

import pytest
from flair.data import Dictionary
from flair.embeddings import DocumentRNNEmbeddings, FlairEmbeddings
from flair.models import TextClassifier

from assembler import assemble
from assembler.initialisation import write_spec
from assembler.workflows.inspection import model_header

from .conftest import ROOT
from .encoders import encoder
from .test_pieces import pieces
from .test_tasks import second_on, written

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from flair.nn import Model

    from .conftest import Bench

TOOL = ROOT / "tools" / "fuzz_metadata.py"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_metadata", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz_metadata"] = module
    spec.loader.exec_module(module)
    return module


def saved(bench: Bench, model: Model) -> Path:
    model.save(bench.folder / "model.pt")
    spec = bench.folder / "model.yaml"
    spec.write_text(write_spec(str(bench.folder / "model.pt"), bench.folder), encoding="utf-8")
    return spec


def of_an_encoder(bench: Bench) -> Path:
    return saved(bench, bench.tagger(encoder(bench.folder, "bert", use_context=5), crf=False))


def of_pieces(bench: Bench) -> Path:
    return saved(bench, bench.tagger(pieces(bench.folder)))


def of_texts(bench: Bench) -> Path:
    dictionary = Dictionary(add_unk=False)
    for label in ("GOOD", "BAD"):
        dictionary.add_item(label)
    embeddings = DocumentRNNEmbeddings([FlairEmbeddings(bench.language_model(), name="lm")], hidden_size=4)
    return saved(bench, TextClassifier(embeddings, label_type="mood", label_dictionary=dictionary).eval())


def of_several_tasks(bench: Bench) -> Path:
    tagger = bench.tagger()
    tagger.save(bench.folder / "ner.pt")
    second_on(tagger).save(bench.folder / "pos.pt")
    return written(bench.folder, bench.folder / "ner.pt", bench.folder / "pos.pt")


@pytest.mark.parametrize("made", [of_an_encoder, of_pieces, of_texts, of_several_tasks])
def test_changed_metadata_are_read_or_refused(bench: Bench, tool: ModuleType, made) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    path = assemble(made(bench), bench.folder / "model.onnx", proof=False).path
    seen = tool.fuzzed(model_header(path).metadata, 2000, 5)
    assert {"read", "M013"} <= set(seen) <= {"read", "M013", "M014", "M019"}
