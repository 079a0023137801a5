"""Trained models and whole corpora: not one tag may differ from flair's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from assembler.runtime import Tagger

if TYPE_CHECKING:
    from pathlib import Path

    from flair.models import SequenceTagger

    from tests.assembly.conftest import Workshop

COUNTS = {"de-gsd-dev.conllu": 799, "de-pud.conllu": 1000}


def shared_file(shop: Workshop, name: str) -> Path:
    path = shop.shared / name
    if not path.is_file():
        pytest.skip(f"{path} is not here: real models and corpora stand beside the repository, not in it")
    return path


def forms(path: Path) -> list[list[str]]:
    """Return the word forms of each sentence of a CoNLL-U file; multiword lines and empty nodes are left out."""
    blocks = path.read_text(encoding="utf-8").strip().split("\n\n")
    rows = [[line.split("\t") for line in block.splitlines() if not line.startswith("#")] for block in blocks]
    return [[cells[1] for cells in block if cells[0].isdigit()] for block in rows]


@pytest.fixture(scope="module")
def source(shop: Workshop) -> SequenceTagger:
    from flair.models import SequenceTagger

    return SequenceTagger.load(shared_file(shop, "models/de-pos-small.pt"))


@pytest.fixture(scope="module")
def model(shop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the model of the spec that `init` writes."""
    from assembler.initialisation import write_spec

    folder = tmp_path_factory.mktemp("real")
    spec = folder / "de-pos-small.yaml"
    spec.write_text(write_spec(str(shared_file(shop, "models/de-pos-small.pt")), folder), encoding="utf-8")
    return shop.build(spec).path


@pytest.mark.parametrize("corpus", COUNTS)
def test_every_tag_of_a_corpus_is_flairs_own(shop: Workshop, source: SequenceTagger, model: Path, corpus: str) -> None:
    sentences = forms(shared_file(shop, f"corpora/{corpus}"))
    assert len(sentences) == COUNTS[corpus]
    expected = shop.flair_tags(source, sentences)
    given = Tagger(model).tag(sentences)
    assert [result.labels for result in given] == [tuple(label for label, _ in row) for row in expected]
    scores = [score for row in expected for _, score in row]
    assert len(scores) > 10_000
    np.testing.assert_allclose([s for r in given for s in r.scores], scores, rtol=0, atol=1e-5)


def test_the_reference_of_the_proof_is_what_flairs_predict_gives(shop: Workshop, source: SequenceTagger) -> None:
    from assembler.flair_checkpoints.models.sequence_tagger import predict

    sentences = forms(shared_file(shop, "corpora/de-gsd-dev.conllu"))[:200]
    reference = predict(source, sentences, 32)
    expected = shop.flair_tags(source, sentences)
    assert [list(zip(row.labels, row.scores, strict=True)) for row in reference] == expected


TWO = """\
version: 1
name: two
sources:
  a: {{flair: {a}}}
  b: {{flair: {b}}}
inputs:
  forward:  {{type: int64, shape: [characters, sentences]}}
  backward: {{type: int64, shape: [characters, sentences]}}
  counts:   {{type: int64, shape: [sentences]}}
graph:
  first:  {{kind: char_lm, weights: a, inputs: {{characters: forward, lengths: counts}}}}
  second: {{kind: char_lm, weights: b, inputs: {{characters: backward, lengths: counts}}}}
outputs:
  forward_states: first.states
  backward_states: second.states
"""


def stored(path: Path, name: str) -> np.ndarray:
    graph = onnx.load(path).graph
    return next(numpy_helper.to_array(tensor) for tensor in graph.initializer if tensor.name == name)


def assert_own_weights(path: Path, state: dict[str, object], part: str) -> None:
    """Compare the embedding table and the recurrent weights of one part with those of its checkpoint."""
    from assembler.parts.recurrent import _reorder

    np.testing.assert_array_equal(stored(path, f"{part}/embedding/table"), state["encoder.weight"].numpy())
    expected = _reorder(state["rnn.weight_hh_l0"].numpy(), "LSTM")
    np.testing.assert_array_equal(stored(path, f"{part}/lstm_0/R")[0], expected)


def test_two_trained_language_models_of_one_shape_keep_their_own_weights(shop: Workshop, tmp_path: Path) -> None:
    from flair.models import LanguageModel

    paths = [shared_file(shop, f"models/de-{way}.pt") for way in ("forward", "backward")]
    spec = shop.spec(tmp_path, TWO.format(a=paths[0], b=paths[1]))
    built = shop.build(spec).path
    first, second = (LanguageModel.load_language_model(path, has_decoder=False).state_dict() for path in paths)
    assert first["rnn.weight_hh_l0"].shape == second["rnn.weight_hh_l0"].shape
    assert_own_weights(built, first, "first")
    assert_own_weights(built, second, "second")


def test_two_small_language_models_of_one_shape_keep_their_own_weights(shop: Workshop, tmp_path: Path) -> None:
    models = [shop.language_model(seed=1, hidden=16), shop.language_model(forward=False, seed=2, hidden=16)]
    for name, model in zip("ab", models, strict=True):
        shop.save(model, tmp_path / f"{name}.pt")
    built = shop.build(shop.spec(tmp_path, TWO.format(a="a.pt", b="b.pt"))).path
    assert_own_weights(built, models[0].state_dict(), "first")
    assert_own_weights(built, models[1].state_dict(), "second")
    ids = np.random.default_rng(0).integers(0, 30, (9, 3))
    given = shop.run(built, {"forward": ids, "backward": ids, "counts": np.array([9, 9, 9])})
    assert np.abs(given["forward_states"] - given["backward_states"]).max() > 0.1
