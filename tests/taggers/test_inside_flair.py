"""An assembled model inside flair sets the labels, spans and scores that flair's own tagger sets."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from flair.data import Sentence
from flair.models import SequenceTagger

from assembler import ModelError
from assembler.flair import OnnxSequenceTagger

from .conftest import HARD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .conftest import Bench


def pair(bench: Bench, **options: object) -> tuple[SequenceTagger, OnnxSequenceTagger]:
    source, _ = bench.assembled(bench.tagger(**options))  # type: ignore[arg-type]
    return source, OnnxSequenceTagger.load(bench.folder / "tagger.onnx")


def sentences() -> list[Sentence]:
    return [Sentence(list(words)) for words in HARD]


def labels(batch: Sequence[Sentence]) -> list[list[tuple[str, str, float]]]:
    return [
        [(label.unlabeled_identifier, label.value, pytest.approx(label.score, abs=1e-5)) for label in s.get_labels()]
        for s in batch
    ]


@pytest.mark.parametrize("options", [{"crf": True}, {"crf": False}, {"spans": False, "labels": ("A", "O", "_", "B")}])
@pytest.mark.parametrize("force", [True, False])
def test_predict_sets_what_flair_sets(bench: Bench, options: dict[str, object], *, force: bool) -> None:
    source, model = pair(bench, **options)
    theirs, ours = sentences(), sentences()
    assert source.predict(theirs, force_token_predictions=force) is None
    assert model.predict(ours, force_token_predictions=force) is None
    assert labels(ours) == labels(theirs)
    assert any(labels(ours))


def test_old_labels_of_the_type_are_replaced_and_others_stay(bench: Bench) -> None:
    source, model = pair(bench)
    results = []
    for tagger in (source, model):
        sentence = Sentence(["der", "Hund"])
        sentence[0].add_label("pos", "DET")
        tagger.predict(sentence, label_name="mine")
        tagger.predict([sentence], label_name="mine", mini_batch_size=1)
        results.append(labels([sentence]))
    assert results[0] == results[1]


def test_empty_input_returns_what_flair_returns(bench: Bench) -> None:
    source, model = pair(bench)
    for given in ([], [Sentence([])], [Sentence([]), Sentence(["a"])]):
        assert model.predict(list(given)) == source.predict(list(given))


def test_evaluate_gives_flairs_scores(bench: Bench) -> None:
    source, model = pair(bench)
    results = []
    for tagger in (source, model):
        gold = sentences()
        for sentence in gold:
            sentence[0:1].add_label("ner", "PER")
        result = tagger.evaluate(gold, gold_label_type="ner", **({"return_loss": False} if tagger is source else {}))
        results.append((result.main_score, result.detailed_results, result.classification_report))
    assert results[0] == results[1]


def test_what_needs_torch_weights_is_refused_with_the_reason(bench: Bench) -> None:
    _, model = pair(bench)
    with pytest.raises(ModelError, match="M032 the model was built without an output of the probabilities of all clas"):
        model.predict(sentences(), return_probabilities_for_all_classes=True)
    with pytest.raises(NotImplementedError, match="an assembled model gives no loss"):
        model.predict(sentences(), return_loss=True)
    with pytest.raises(
        ModelError, match="M032 the model was built without an output of the embeddings of the task 'ner"
    ):
        model.predict(sentences(), embedding_storage_mode="cpu")
    with pytest.raises(ValueError, match="embedding_storage_mode: expected 'none', 'cpu' or 'gpu', got 'disk'"):
        model.predict(sentences(), embedding_storage_mode="disk")
    with pytest.raises(NotImplementedError, match="an assembled model gives no loss"):
        model.evaluate(sentences(), "ner", return_loss=True)
    with pytest.raises(NotImplementedError, match="an assembled model gives no training"):
        model.forward_loss(sentences())
    with pytest.raises(NotImplementedError, match="an assembled model gives no forward pass in torch"):
        model.forward(None)
    with pytest.raises(NotImplementedError, match="an assembled model gives no checkpoint in torch; `save` copies the"):
        model._get_state_dict()


def test_it_holds_no_torch_weights(bench: Bench) -> None:
    _, model = pair(bench)
    assert isinstance(model, SequenceTagger)
    assert list(model.parameters()) == []
    assert model.label_type == "ner"
    assert model.tag_format == "BIOES"


def test_a_file_that_is_no_model_of_ours_is_refused(bench: Bench) -> None:
    (bench.folder / "x.onnx").write_text("no model")
    with pytest.raises(ModelError, match="M011"):
        OnnxSequenceTagger.load(bench.folder / "x.onnx")
    with pytest.raises(TypeError, match="expected the path of an assembled model, got dict"):
        OnnxSequenceTagger.load({})


def test_loading_needs_no_onnx_package(bench: Bench) -> None:
    pair(bench)
    script = f"""
import sys
from assembler.flair import OnnxSequenceTagger
OnnxSequenceTagger.load({str(bench.folder / "tagger.onnx")!r})
print("onnx" in sys.modules, "onnx_graphsurgeon" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-2:] == ["False", "False"]


@pytest.mark.parametrize("options", [{"crf": True}, {"spans": False, "labels": ("A", "O", "_", "B")}])
@pytest.mark.parametrize("spans", [False, True])
def test_what_is_set_after_loading_decides_as_in_flair(
    bench: Bench, options: dict[str, object], *, spans: bool
) -> None:
    theirs, ours = sentences(), sentences()
    for tagger, batch in zip(pair(bench, **options), (theirs, ours), strict=True):
        tagger.predict_spans = spans
        tagger.tag_type = "mine"
        tagger.predict(batch)
    assert labels(ours) == labels(theirs)
    assert any(labels(ours))
    assert [sentence.get_labels("mine") for sentence in ours] == [sentence.get_labels() for sentence in ours]


@pytest.mark.parametrize("name", ["use_crf", "label_dictionary", "tag_format", "embeddings"])
def test_what_cannot_be_followed_cannot_be_set(bench: Bench, name: str) -> None:
    _, model = pair(bench)
    with pytest.raises(NotImplementedError, match=f"'{name}' cannot be set: it is settled in an assembled model"):
        setattr(model, name, None)
