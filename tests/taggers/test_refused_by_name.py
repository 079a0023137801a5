"""Nobody is advised to run a pickle whose model is refused anyway, and old tables of words need no gensim."""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from assembler import SourceError
from assembler.flair_checkpoints.form import named
from assembler.flair_checkpoints.trust import load_checkpoint
from assembler.initialisation import write_spec

from .conftest import HARD, FlairEmbeddings, SequenceTagger, compare

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .conftest import Bench


class Unknown:
    """An object, which makes the file no plain data."""


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"__cls__": "RelationClassifier"}, "R005 source 'tagger': the checkpoint is RelationClassifier"),
        ({"__cls__": "Lemmatizer"}, "R005 source 'tagger': the checkpoint is Lemmatizer"),
        ({"__cls__": "TextPairRegressor"}, "R005 source 'tagger': the checkpoint is TextPairRegressor"),
        (
            {"__cls__": "TextClassifier", "document_embeddings": {"__cls__": "DocumentTFIDFEmbeddings"}},
            "R005 source 'tagger': the classifier uses DocumentTFIDFEmbeddings",
        ),
        (
            {"__cls__": "SequenceTagger", "embeddings": {"__cls__": "PooledFlairEmbeddings"}},
            "R005 source 'tagger': the tagger uses PooledFlairEmbeddings, which changes while it predicts",
        ),
        ({"__cls__": "SequenceTagger", "embeddings": {"__cls__": "FlairEmbeddings"}}, "R003 .*Unknown"),
    ],
)
@pytest.mark.parametrize("old_form", [True, False])
def test_a_model_that_is_refused_is_refused_before_anybody_trusts_it(
    tmp_path: Path, state: dict[str, Any], said: str, *, old_form: bool
) -> None:
    path = tmp_path / "model.pt"
    torch.save({"other": Unknown(), **state}, path, pickle_protocol=4, _use_new_zipfile_serialization=not old_form)
    with pytest.raises(SourceError, match=said):
        write_spec(str(path), tmp_path)


def test_a_decoder_of_objects_is_refused_by_its_name(tmp_path: Path) -> None:
    from flair.nn.decoder import PrototypicalDecoder

    torch.save({"__cls__": "TextClassifier", "decoder": PrototypicalDecoder(2, 3)}, tmp_path / "decoder.pt")
    with pytest.raises(SourceError, match=r"R005 .*a decoder of its own instead of a linear layer"):
        write_spec(str(tmp_path / "decoder.pt"), tmp_path)


def test_an_object_that_torch_saved_is_called_what_it_is(bench: Bench, tmp_path: Path) -> None:
    torch.save(bench.tagger(), tmp_path / "object.pt")
    with pytest.raises(SourceError, match=r"R003 .*SequenceTagger.*\n.*as older flair and a plain torch.save write"):
        write_spec(str(tmp_path / "object.pt"), tmp_path)


@pytest.fixture
def _gensim() -> Iterator[types.ModuleType]:
    """A package `gensim` with the classes and the layout of gensim 3, while a file is written."""
    package, models, keyed = (types.ModuleType(n) for n in ("gensim", "gensim.models", "gensim.models.keyedvectors"))

    class Word2VecKeyedVectors:
        pass

    class Vocab:
        def __init__(self, **attributes: int) -> None:
            vars(self).update(attributes)

    for cls in (Word2VecKeyedVectors, Vocab):
        cls.__module__, cls.__qualname__ = keyed.__name__, cls.__name__
        setattr(keyed, cls.__name__, cls)
    modules = {each.__name__: each for each in (package, models, keyed)}
    sys.modules.update(modules)
    yield keyed
    for name in modules:
        sys.modules.pop(name, None)


def test_tables_of_gensim_are_read_without_it(bench: Bench, tmp_path: Path, _gensim: Any) -> None:  # noqa: ANN401, PT019
    from flair.embeddings import StackedEmbeddings, WordEmbeddings

    words = {"der": 0, "hund": 1, "das": 2}
    vectors = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    new = WordEmbeddings(None, vocab=words, embedding_length=4, name="glove")
    new.embedding.weight.data[:3] = torch.from_numpy(vectors)
    new.embedding.weight.data[3] = 0
    tagger = bench.tagger(new, FlairEmbeddings(bench.language_model(), name="forward"))
    path = tmp_path / "old.pt"
    state = tagger._get_state_dict()
    table = _gensim.Word2VecKeyedVectors()
    entries = {word: _gensim.Vocab(index=row, count=9) for word, row in words.items()}
    vars(table).update(vectors=vectors, vector_size=4, vocab=entries, index2word=list(words))
    old = vars(new).copy()
    for key in ("embedding", "vocab", "_modules", "layer_norm", "stable"):
        old.pop(key, None)
    old |= {"_modules": {}, "precomputed_word_embeddings": table}
    legacy = object.__new__(WordEmbeddings)
    legacy.__dict__.update(old)
    stack = StackedEmbeddings.__new__(StackedEmbeddings)
    stack.__dict__.update(vars(tagger.embeddings))
    stack.__dict__["embeddings"] = [legacy, tagger.embeddings.embeddings[1]]
    stack.__dict__["_modules"] = {"list_embedding_0": legacy, "list_embedding_1": tagger.embeddings.embeddings[1]}
    del state["state_dict"]["embeddings.list_embedding_0.embedding.weight"]  # which was no module then
    state |= {"embeddings": stack}
    torch.save(state, path)
    for name in ("gensim.models.keyedvectors", "gensim.models", "gensim"):
        sys.modules.pop(name)
    with path.open("rb") as stream:
        loaded: Any = load_checkpoint(named(path), stream, path.name, trust=True)
    assert loaded["embeddings"].embeddings[0].vocab == words
    np.testing.assert_array_equal(loaded["embeddings"].embeddings[0].embedding.weight.detach()[:3], vectors)
    spec = tmp_path / "old.yaml"
    spec.write_text(write_spec(str(path), tmp_path, trust=True), encoding="utf-8")
    from assembler import assemble
    from assembler.runtime import Tagger

    model = Tagger(assemble(spec, tmp_path / "old.onnx", trust=True).path)
    compare(tagger, model, HARD)
    assert isinstance(tagger, SequenceTagger)
