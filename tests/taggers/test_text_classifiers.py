"""A TextClassifier gives flair's own labels and probabilities, on every kind of document that is supported."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import torch
from flair.data import Dictionary, Sentence
from flair.embeddings import (
    DocumentLMEmbeddings,
    DocumentPoolEmbeddings,
    DocumentRNNEmbeddings,
    DocumentTFIDFEmbeddings,
    FlairEmbeddings,
)
from flair.models import MultitaskModel, TextClassifier

import assembler.runtime
from assembler import assemble, verify
from assembler.cli.main import main
from assembler.core.errors import ModelError, ParityError, SourceError
from assembler.flair import OnnxTextClassifier
from assembler.flair.text_classifier import _softmax
from assembler.initialisation import write_spec
from assembler.parts import registry
from assembler.runtime import Tagger

from .conftest import HARD

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from flair.embeddings import DocumentEmbeddings

    from .conftest import Bench

SENTENCES = [list(words) for words in HARD]


def models(bench: Bench) -> list[FlairEmbeddings]:
    """Return embeddings whose order by name is not that of the list."""
    return [
        FlairEmbeddings(bench.language_model(), name="forward"),
        FlairEmbeddings(bench.language_model(forward=False), name="backward"),
    ]


def classifier(
    document: DocumentEmbeddings, *labels: str, thresholds: float | dict[str, float] | None = None
) -> TextClassifier:
    dictionary = Dictionary(add_unk=False)
    for label in labels or ("GOOD", "BAD", "O", "MIXED"):
        dictionary.add_item(label)
    model = TextClassifier(
        document,
        label_type="mood",
        label_dictionary=dictionary,
        multi_label=thresholds is not None,
        multi_label_threshold=0.5 if thresholds is None else thresholds,
    )
    for name, parameter in model.named_parameters():
        if ".lm." not in name:
            parameter.data.normal_(0, 0.7)
    return model.eval()


def assembled(bench: Bench, model: TextClassifier) -> tuple[TextClassifier, Path]:
    model.save(bench.folder / "classifier.pt")
    spec = bench.folder / "classifier.yaml"
    spec.write_text(write_spec(str(bench.folder / "classifier.pt"), bench.folder), encoding="utf-8")
    return TextClassifier.load(bench.folder / "classifier.pt"), assemble(spec, bench.folder / "classifier.onnx").path


def compare(source: TextClassifier, path: Path, sentences: Sequence[list[str]] = SENTENCES) -> set[int]:
    """Assert that labels, their order and probabilities are flair's; return how many labels the sentences have."""
    whole = [Sentence(list(words)) for words in sentences]
    source.predict(whole, label_name="chosen")
    source.predict(whole, label_name="all", return_probabilities_for_all_classes=True)
    model = assembler.runtime.TextClassifier(path)
    names = [label for label in model.tasks[0].labels if label != "O"]
    for size in (1, 3, 32):
        for sentence, result in zip(whole, model.classify(sentences, batch_size=size), strict=True):
            expected = sentence.get_labels("chosen")
            assert [label.value for label in result.labels] == [label.value for label in expected]
            for ours, theirs in zip(result.labels, expected, strict=True):
                assert abs(ours.score - theirs.score) <= 1e-5
            given = dict(zip(model.tasks[0].labels, result.probabilities, strict=True))
            assert [label.value for label in sentence.get_labels("all")] == names
            for label in sentence.get_labels("all"):
                assert abs(given[label.value] - label.score) <= 1e-5
    return {len(sentence.get_labels("chosen")) for sentence in whole}


@pytest.mark.parametrize("mode", ["none", "linear", "nonlinear"])
@pytest.mark.parametrize("pooling", ["mean", "max", "min"])
def test_pooled_documents_get_flairs_labels(bench: Bench, pooling: str, mode: str) -> None:
    compare(*assembled(bench, classifier(DocumentPoolEmbeddings(models(bench), pooling=pooling, fine_tune_mode=mode))))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rnn_type": "LSTM", "bidirectional": True},
        {"rnn_layers": 2, "bidirectional": True, "reproject_words_dimension": 5},
        {"rnn_type": "LSTM", "rnn_layers": 2, "reproject_words": False},
        {"reproject_words": False, "bidirectional": True, "dropout": 0.0},
    ],
)
def test_documents_of_recurrent_layers_get_flairs_labels(bench: Bench, options: dict[str, Any]) -> None:
    compare(*assembled(bench, classifier(DocumentRNNEmbeddings(models(bench), hidden_size=6, **options))))


@pytest.mark.parametrize("chosen", [slice(0, 2), slice(0, 1), slice(1, 2)])
def test_documents_of_language_models_get_flairs_labels(bench: Bench, chosen: slice) -> None:
    compare(*assembled(bench, classifier(DocumentLMEmbeddings(models(bench)[chosen]))))


@pytest.mark.parametrize("opset", [13, 18, 22])
@pytest.mark.parametrize("pooling", ["mean", "max", "min", None])
def test_documents_are_the_same_at_every_opset(bench: Bench, pooling: str | None, opset: int) -> None:
    parts = models(bench)
    document = DocumentPoolEmbeddings(parts, pooling=pooling) if pooling else DocumentLMEmbeddings(parts)
    classifier(document).save(bench.folder / "classifier.pt")
    text = write_spec(str(bench.folder / "classifier.pt"), bench.folder)
    spec = bench.folder / "classifier.yaml"
    spec.write_text(text.replace("version: 1\n", f"version: 1\nopset: {opset}\n"), encoding="utf-8")
    path = assemble(spec, bench.folder / "classifier.onnx").path
    compare(TextClassifier.load(bench.folder / "classifier.pt"), path)


@pytest.mark.parametrize("thresholds", [0.5, {"default": 0.3, "BAD": 0.7}, {"default": 0.9}])
def test_any_number_of_labels_above_their_thresholds(bench: Bench, thresholds: float | dict[str, float]) -> None:
    model = classifier(DocumentPoolEmbeddings(models(bench)), "BAD", "O", "GOOD", "MIXED", thresholds=thresholds)
    model.decoder.weight.data *= 30  # so that sentences differ
    counts = compare(*assembled(bench, model))
    assert len(counts) > 1


def test_a_label_at_its_threshold_is_not_given() -> None:
    from assembler.interface.tasks import SentenceTask
    from assembler.runtime.classifications import labels_of

    about: dict[str, Any] = {"name": "mood", "label_type": "mood", "labels": ("A", "B", "O"), "skipped": ("O",)}
    about |= {"thresholds": (0.5, 0.25, 0.0), "probabilities": "probabilities"}
    task = SentenceTask(multi_label=True, **about)
    assert [label.value for label in labels_of(task, [0.5, 0.2500001, 0.9])] == ["B"]
    one = SentenceTask(multi_label=False, **about)
    assert [label.value for label in labels_of(one, [0.4, 0.4, 0.2])] == ["A"]
    assert labels_of(one, [0.3, 0.3, 0.4]) == ()


def test_a_sentence_without_tokens_has_no_label(bench: Bench) -> None:
    _, path = assembled(bench, classifier(DocumentPoolEmbeddings(models(bench))))
    model = assembler.runtime.TextClassifier(path)
    [empty, full] = model.classify([[""], ["ja"]])
    assert (empty.tokens, empty.labels, empty.probabilities) == ((), (), ())
    assert len(full.probabilities) == 4
    assert list(model.stream(iter([[""], ["ja"]]), batch_size=1, window=1)) == [empty, full]


def test_a_wrong_pooling_is_found(bench: Bench) -> None:
    classifier(DocumentPoolEmbeddings(models(bench), pooling="max")).save(bench.folder / "classifier.pt")
    text = write_spec(str(bench.folder / "classifier.pt"), bench.folder)
    spec = bench.folder / "classifier.yaml"
    spec.write_text(text.replace("pooling: max", "pooling: min"), encoding="utf-8")
    with pytest.raises(ParityError, match="P001 the model does not reproduce the tags and scores of 'tag") as caught:
        assemble(spec, bench.folder / "classifier.onnx")
    assert "batches of 1, class 0 of" in str(caught.value)
    assert not (bench.folder / "classifier.onnx").exists()


def test_a_wrong_layer_is_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    import dataclasses

    known = registry.kinds()["document_rnn"]

    def build(part, emit) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        weights = dataclasses.replace(part.weights, reprojection=None)
        known.build(dataclasses.replace(part, weights=weights), emit)

    monkeypatch.setitem(registry._installed(), "document_rnn", dataclasses.replace(known, build=build))
    classifier(DocumentRNNEmbeddings(models(bench), hidden_size=6)).save(bench.folder / "classifier.pt")
    spec = bench.folder / "classifier.yaml"
    spec.write_text(write_spec(str(bench.folder / "classifier.pt"), bench.folder), encoding="utf-8")
    with pytest.raises(ParityError, match="the first part whose output diverges is 'document'"):
        assemble(spec, bench.folder / "classifier.onnx")


def test_the_command_line_prints_the_labels_of_each_sentence(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    def call(*words: str) -> str:
        with pytest.raises(SystemExit) as left:
            main([*words])
        assert left.value.code == 0
        return capsys.readouterr().out

    model, text = str(bench.folder / "classifier.onnx"), bench.folder / "text.txt"
    _, path = assembled(bench, classifier(DocumentPoolEmbeddings(models(bench)), thresholds=0.4))
    text.write_text("der Hund\n\nja\n", encoding="utf-8")
    results = assembler.runtime.TextClassifier(path).classify([["der", "Hund"], [], ["ja"]])
    said = [", ".join(f"{label.value} {label.score:.4f}" for label in result.labels) or "-" for result in results]
    assert call("tag", model, str(text)).splitlines() == [f"{said[0]}  der Hund", "-  ", f"{said[2]}  ja"]
    records = json.loads(call("tag", model, str(text), "--format", "json"))
    assert records == [json.loads(json.dumps(result.as_dict())) for result in results]
    shown = call("inspect", model)
    assert "Labels of sentences, of the type mood, as flair's own classifier gives them." in shown
    assert "labels (4, mood)" in shown
    assert "78 cases" in shown
    assert verify(path).found[-1].startswith("8 sentences have the tags that the file carries as the source's")
    assert "78 sentences, 3 classes each, no label differs, scores within " in call(
        str(bench.folder / "classifier.yaml"), "-o", model
    )


def test_a_classifier_is_no_tagger(bench: Bench) -> None:
    _, path = assembled(bench, classifier(DocumentPoolEmbeddings(models(bench))))
    words = r"M014 the model labels sentences, not tokens: mood\n.*assembler\.runtime\.TextClassifier"
    with pytest.raises(ModelError, match=words):
        Tagger(path)


def test_a_tagger_and_a_classifier_share_one_file(bench: Bench) -> None:
    tagger = bench.tagger()
    text = classifier(DocumentLMEmbeddings(list(tagger.embeddings.embeddings)))
    MultitaskModel([tagger, text], ["names", "mood"]).save(bench.folder / "multi.pt")
    spec = bench.folder / "multi.yaml"
    spec.write_text(write_spec(str(bench.folder / "multi.pt"), bench.folder), encoding="utf-8")
    assert spec.read_text(encoding="utf-8").count("kind: char_lm") == 2
    assert "\"Tags and labels of the types ner, mood, as flair's own models" in spec.read_text(encoding="utf-8")
    path = assemble(spec, bench.folder / "multi.onnx").path
    compare(MultitaskModel.load(bench.folder / "multi.pt").tasks["mood"], path)
    assert [task.name for task in Tagger(path).tasks] == ["ner"]
    assert verify(path).found[-1].endswith("for each of its tasks, ner, mood")


def test_documents_that_cannot_be_assembled_are_refused(bench: Bench) -> None:
    document = DocumentTFIDFEmbeddings([Sentence("ja nein"), Sentence("nein")])
    model = classifier(document)
    torch.save({**model._get_state_dict(), "document_embeddings": document.to_params()}, bench.folder / "classifier.pt")
    with pytest.raises(SourceError, match=r"R00[35] "):
        write_spec(str(bench.folder / "classifier.pt"), bench.folder)


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        ({"__cls__": "flair.embeddings.document.DocumentCNNEmbeddings"}, "R005 .* uses DocumentCNNEmbeddings"),
        ({"__cls__": "x.TransformerDocumentEmbeddings"}, "R005 .* uses TransformerDocumentEmbeddings"),
        ({}, "R005 .* uses embeddings without a class"),
        (3, "R006 .* the embeddings of the classifier are a int"),
        ({"__cls__": "DocumentPoolEmbeddings", "embeddings": 3}, "R006 .* the embeddings of the tagger are a int"),
        ({"__cls__": "DocumentLMEmbeddings"}, "R006 .* the language models of the classifier are a NoneType"),
        (
            {"__cls__": "DocumentLMEmbeddings", "flair_embeddings": [{"__cls__": "WordEmbeddings"}]},
            "R005 .* the language models of the classifier hold WordEmbeddings",
        ),
    ],
)
def test_what_stands_in_for_documents_is_refused(bench: Bench, stored: object, words: str) -> None:
    state = {"__cls__": "TextClassifier", "document_embeddings": stored, "state_dict": {}}
    torch.save(state, bench.folder / "classifier.pt")
    with pytest.raises(SourceError, match=words):
        write_spec(str(bench.folder / "classifier.pt"), bench.folder)


@pytest.mark.parametrize(
    ("key", "value"), [("hidden_size", 10**9), ("rnn_layers", 10**6), ("reproject_words_dimension", 10**9)]
)
def test_a_classifier_that_declares_more_than_it_holds_is_damaged(bench: Bench, key: str, value: int) -> None:
    state = classifier(DocumentRNNEmbeddings(models(bench), hidden_size=6))._get_state_dict()
    state["document_embeddings"][key] = value
    torch.save(state, bench.folder / "classifier.pt", pickle_protocol=4)
    with pytest.raises(SourceError, match=r"R006 source 'tagger': the checkpoint declares "):
        write_spec(str(bench.folder / "classifier.pt"), bench.folder)


@pytest.mark.parametrize("threshold", [{"default": "high"}, {"other": 0.5}, "half"])
def test_a_threshold_that_is_no_number_is_damaged(bench: Bench, threshold: object) -> None:
    state = classifier(DocumentPoolEmbeddings(models(bench)), thresholds=0.5)._get_state_dict()
    state["multi_label_threshold"] = threshold
    torch.save(state, bench.folder / "classifier.pt", pickle_protocol=4)
    with pytest.raises(SourceError, match=r"R006 source 'tagger': "):
        write_spec(str(bench.folder / "classifier.pt"), bench.folder)


def test_reversed_gradients_are_refused(bench: Bench) -> None:
    state = classifier(DocumentPoolEmbeddings(models(bench)))._get_state_dict()
    torch.save({**state, "inverse_model": True}, bench.folder / "classifier.pt", pickle_protocol=4)
    with pytest.raises(SourceError, match=r"R005 .* reversed gradients"):
        write_spec(str(bench.folder / "classifier.pt"), bench.folder)


def test_names_of_weights_from_before_0_12_are_read(bench: Bench) -> None:
    """Such a checkpoint has no class, and its embeddings another name (text_classification_model.py 80)."""
    state = classifier(DocumentPoolEmbeddings(models(bench)))._get_state_dict()
    state["state_dict"] = {
        name.replace("embeddings.", "document_embeddings.", 1) if name.startswith("embeddings.") else name: tensor
        for name, tensor in state["state_dict"].items()
    }
    del state["__cls__"]
    torch.save(state, bench.folder / "old.pt", pickle_protocol=4)
    spec = bench.folder / "old.yaml"
    spec.write_text(write_spec(str(bench.folder / "old.pt"), bench.folder), encoding="utf-8")
    compare(TextClassifier.load(bench.folder / "old.pt"), assemble(spec, bench.folder / "old.onnx").path)


@pytest.mark.parametrize("thresholds", [None, 0.5])
def test_inside_flair_labels_and_evaluation_are_flairs(bench: Bench, thresholds: float | None) -> None:
    model = classifier(DocumentPoolEmbeddings(models(bench)), thresholds=thresholds)
    model.decoder.weight.data *= 30
    source, path = assembled(bench, model)
    tagger = OnnxTextClassifier.load(path)
    ours, theirs = [[Sentence(list(words)) for words in (*HARD, ())] for _ in range(2)]
    for options in ({}, {"return_probabilities_for_all_classes": True, "label_name": "all"}):
        assert tagger.predict(ours, **options) is source.predict(theirs, **options) is None
        name = options.get("label_name", "mood")
        for one, other in zip(ours, theirs, strict=True):
            found, expected = one.get_labels(name), other.get_labels(name)
            assert [label.value for label in found] == [label.value for label in expected]
            assert [label.score for label in found] == pytest.approx([label.score for label in expected], abs=1e-5)
    for number, sentence in enumerate(ours + theirs):
        sentence.add_label("gold", ("GOOD", "BAD")[number % 2])
    results = [each.evaluate(ours[:-1], "gold", return_loss=False) for each in (tagger, source)]
    assert results[0].main_score == results[1].main_score
    assert results[0].detailed_results == results[1].detailed_results


def test_what_needs_weights_in_torch_is_refused(bench: Bench) -> None:
    _, path = assembled(bench, classifier(DocumentPoolEmbeddings(models(bench))))
    tagger = OnnxTextClassifier.load(path)
    assert tagger.predict([]) == []
    with pytest.raises(NotImplementedError, match="an assembled model gives no loss"):
        tagger.predict(Sentence("ja"), return_loss=True)
    with pytest.raises(
        ModelError, match="M032 the model was built without an output of the embeddings of the task 'mo"
    ):
        tagger.predict(Sentence("ja"), embedding_storage_mode="cpu")
    with pytest.raises(NotImplementedError, match="an assembled model gives no training"):
        tagger.forward_loss([Sentence("ja")])
    with pytest.raises(ValueError, match="there is no task 'x' in the model, which has mood"):
        OnnxTextClassifier.load(path, task="x")
    with pytest.raises(TypeError, match="expected the path of an assembled model, got dict"):
        OnnxTextClassifier.load({})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("multi_label_threshold", 0.1),
        ("multi_label_threshold", 0.4),
        ("multi_label_threshold", {"default": 0.1, "BAD": 0.99}),
        ("multi_label_threshold", {"default": 0.99, "MIXED": 0.0}),
        ("multi_label", False),
    ],
)
@pytest.mark.parametrize("everything", [False, True])
def test_what_is_set_after_loading_decides_as_in_flair(
    bench: Bench, name: str, value: object, *, everything: bool
) -> None:
    source, path = assembled(bench, classifier(DocumentPoolEmbeddings(models(bench)), thresholds=0.5))
    given = []
    for each in (source, OnnxTextClassifier.load(path)):
        setattr(each, name, value)
        sentences = [Sentence(list(words)) for words in HARD]
        each.predict(sentences, return_probabilities_for_all_classes=everything)
        given.append([[(label.value, pytest.approx(label.score, abs=1e-4)) for label in s.labels] for s in sentences])
    assert given[1] == given[0]
    assert any(given[0])


def test_a_threshold_without_a_default_is_refused_as_in_flair(bench: Bench) -> None:
    _, path = assembled(bench, classifier(DocumentPoolEmbeddings(models(bench)), thresholds=0.5))
    with pytest.raises(ValueError, match='should have a "default" key'):
        OnnxTextClassifier.load(path).multi_label_threshold = {"a": 0.1}


def test_names_that_are_set_after_loading_are_given(bench: Bench) -> None:
    source, path = assembled(bench, classifier(DocumentPoolEmbeddings(models(bench))))
    other = Dictionary(add_unk=False)
    for index in range(len(source.label_dictionary)):
        other.add_item(f"other {index}")
    given = []
    for each in (source, OnnxTextClassifier.load(path)):
        each.label_dictionary = other
        sentence = Sentence(["Wien", "!"])
        each.predict(sentence)
        given.append([label.value for label in sentence.labels])
    assert given[1] == given[0]
    assert given[0][0].startswith("other ")


def test_what_cannot_be_followed_cannot_be_set(bench: Bench) -> None:
    _, path = assembled(bench, classifier(DocumentPoolEmbeddings(models(bench))))
    model = OnnxTextClassifier.load(path)
    with pytest.raises(NotImplementedError, match=r"'multi_label' cannot be set: the classes of this model share one"):
        model.multi_label = True
    with pytest.raises(NotImplementedError, match=r"'decoder' cannot be set: it is settled in an assembled model"):
        model.decoder = None
    model.note = "a user's own"
    assert model.note == "a user's own"


def test_probabilities_that_cannot_tell_the_best_are_refused() -> None:
    assert _softmax([0.5, 0.5 - 1e-3, 0.1]) == pytest.approx([0.4741, 0.4722, 0.0527], abs=1e-3)
    assert _softmax([1.0, 0.1, 0.2])[0] == pytest.approx(1, abs=1e-5)
    with pytest.raises(NotImplementedError, match="this model cannot tell: its probabilities are too near to 1"):
        _softmax([1.0, 1.0])
