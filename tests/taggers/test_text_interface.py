"""Models that take text give flair's own labels: with tables of words, cased and spaced texts, several heads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from flair.data import Sentence
from flair.embeddings import (
    DocumentLMEmbeddings,
    DocumentPoolEmbeddings,
    DocumentRNNEmbeddings,
    FlairEmbeddings,
)
from flair.embeddings.token import HashEmbeddings
from flair.models import MultitaskModel, SequenceTagger, TextClassifier

from assembler import ParityError, SourceError, assemble
from assembler.initialisation import write_spec
from assembler.parts import word_look_up
from assembler.runtime import Tagger, Token
from assembler.runtime.text import encode_text

from .conftest import HARD, compare, english_sentences
from .test_embeddings import one_hot, words
from .test_tasks import assert_tags_are, second_on
from .test_text_classifiers import classifier
from .test_text_classifiers import compare as compare_labels
from .test_untokenised import TEXTS, flair_labels, flair_scores, untokenised

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from flair.embeddings import DocumentEmbeddings

    from .conftest import Bench

#: A text cannot hold a token with a space.
SENTENCES = [list(words) for words in HARD if " " not in words]
SENTENCES += [
    ["DIE", "Hund", "HUND", "1999", "2024", "3.5", "\u0661\u0662", "İSTANBUL", "X", "x" * 5000, "der"],
    [
        "\u0391\u03a3",
        "\u03a3",
        "\u1f48\u0394\u03a5\u03a3\u03a3\u0395\u038e\u03a3",
        "STRAẞE",
        "\u200b",
        "\u200bx",
        "e\u0301",
        "ja\0",
        "unbekannt",
    ],
]


def build(bench: Bench, *checkpoints: str, changed: Callable[[str], str] = str) -> Path:
    spec = bench.folder / "text.yaml"
    spec.write_text(changed(write_spec([str(bench.folder / name) for name in checkpoints], bench.folder, text=True)))
    return assemble(spec, bench.folder / "text.onnx").path


def in_text(bench: Bench, tagger: SequenceTagger, changed: Callable[[str], str] = str) -> tuple[SequenceTagger, Tagger]:
    tagger.save(bench.folder / "tagger.pt")
    path = build(bench, "tagger.pt", changed=changed)
    assert [entry.name for entry in onnx.load(path).graph.input] == ["text"]
    assert {node.domain for node in onnx.load(path).graph.node} == {""}
    return type(tagger).load(bench.folder / "tagger.pt"), Tagger(path)


def test_tables_of_words_beside_language_models(bench: Bench) -> None:
    lower = FlairEmbeddings(bench.language_model(), name="f", is_lower=True)
    backward = FlairEmbeddings(bench.language_model(forward=False), name="b", is_lower=True)
    compare(*in_text(bench, bench.tagger(words(), one_hot(), words("b", 3), lower, backward)), SENTENCES)


def test_a_tagger_on_words_and_language_models_tags_a_corpus_as_flair_does(bench: Bench) -> None:
    sentences = [[token.replace(" ", "\u00a0") for token in tokens] for tokens in english_sentences()[::8]]
    seen = dict.fromkeys(token for tokens in sentences for token in tokens)
    known = {word.lower() if number % 3 else word for number, word in enumerate(seen) if number % 4}
    known |= {"##", "####", "0.0", "00,000"}
    parts = [FlairEmbeddings(bench.language_model(forward=forward), name=str(forward)) for forward in (True, False)]
    tagger = bench.tagger(words(vocabulary=tuple(sorted(known))), *parts)
    compare(*in_text(bench, tagger), sentences, batch_sizes=(32,))


def test_a_table_alone_and_one_that_was_cut(bench: Bench) -> None:
    compare(*in_text(bench, bench.tagger(words(stable=True))), SENTENCES)
    (bench.folder / "kept.txt").write_text("die\nhund\n0000\n")
    source, model = in_text(
        bench,
        bench.tagger(words()),
        lambda text: text.replace("text_embedding\n", "text_embedding\n    keep: kept.txt\n"),
    )
    compare(source, model, [["die", "hund", "HUND", "2024"], ["nie"]])
    assert model.metadata["vocabularies"]["table"]["cut"] == {"kept": 3, "of": 10}  # type: ignore[index]
    assert model.tag([["x"]])[0].scores == pytest.approx(model.tag([["unknown"]])[0].scores, abs=1e-6)


def test_a_look_up_that_takes_the_hash_for_the_word_is_not_written(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(word_look_up, "_is", lambda emit, *_: emit.initializer("always", np.array([[1]], np.bool_)))
    with pytest.raises(ParityError, match=r"P010 the part 'table' does not decode.*: the row of a word"):
        in_text(bench, bench.tagger(words()))
    assert not (bench.folder / "text.onnx").exists()


@pytest.mark.parametrize("second", [True, False])
def test_untokenised_text_of_lists(bench: Bench, *, second: bool) -> None:
    compare(*in_text(bench, untokenised(bench, lower=second, second=second)), SENTENCES)


def test_untokenised_text_keeps_the_spaces_between_tokens(bench: Bench) -> None:
    source, model = in_text(bench, untokenised(bench, lower=True))
    whole = [Sentence(text) for text in TEXTS]
    source.predict(whole, force_token_predictions=True)
    tokens = [[Token(token.text, token.whitespace_after) for token in sentence] for sentence in whole]
    assert any(token.spaces == 0 for sentence in tokens for token in sentence[:-1])
    for size in (1, 3, 32):
        for sentence, result in zip(whole, model.tag(tokens, batch_size=size, force_tokens=True), strict=True):
            named = [pair for pair in zip(result.labels, result.scores, strict=True) if pair[0] not in {"O", "_"}]
            assert [label for label, _ in named] == [label for _, label in flair_labels(sentence)]
            assert [score for _, score in named] == pytest.approx(flair_scores(sentence), abs=1e-5)
    session = ort.InferenceSession(str(bench.folder / "text.onnx"), providers=["CPUExecutionProvider"])
    codes = [ord(letter) for letter in "  Berlin\0,  nein\0 "]
    [scores] = session.run(["scores"], {"text": np.array([codes], np.int32)})
    [expected] = model.tag([[Token("Berlin", 0), Token(",", 2), Token("nein", 0)]])
    assert scores[0].tolist() == pytest.approx(expected.scores, abs=1e-6)
    assert scores[0].tolist() != pytest.approx(model.tag([["Berlin", ",", "nein"]])[0].scores, abs=1e-5)


def test_several_taggers_in_one_file(bench: Bench) -> None:
    first = bench.tagger(words(), FlairEmbeddings(bench.language_model(), name="f"))
    first.save(bench.folder / "ner.pt")
    second_on(first).save(bench.folder / "pos.pt")
    path = build(bench, "ner.pt", "pos.pt")
    kinds = [node.op_type for node in onnx.load(path).graph.node]
    assert kinds.count("LSTM") == 1 + 2 + 2 or "Scan" in kinds
    model = Tagger(path)
    assert [task.name for task in model.tasks] == ["ner", "pos"]
    for name, task in (("ner", "ner"), ("pos", "pos")):
        assert_tags_are(task, SequenceTagger.load(bench.folder / f"{name}.pt"), model, SENTENCES)
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    assert names[:4] == ["ner_labels", "ner_scores", "lengths", "ner_prediction"]
    outputs = dict(zip(names, session.run(names, {"text": encode_text(SENTENCES)}), strict=True))
    for tokens, row, tagged in zip(SENTENCES, outputs["pos_labels"], model.tag(SENTENCES), strict=True):
        assert row[: len(tokens)].tolist() == [*tagged.tasks["pos"].labels]
    assert len(outputs["ner_span_label"]) == sum(len(tagged.spans) for tagged in model.tag(SENTENCES))


def lms(bench: Bench) -> list[FlairEmbeddings]:
    forward = FlairEmbeddings(bench.language_model(), name="forward")
    return [forward, FlairEmbeddings(bench.language_model(forward=False), name="backward")]


DOCUMENTS: dict[str, Callable[[Bench], DocumentEmbeddings]] = {
    "pool": lambda bench: DocumentPoolEmbeddings([*lms(bench), words()], fine_tune_mode="nonlinear"),
    "rnn": lambda bench: DocumentRNNEmbeddings([words(), *lms(bench)], hidden_size=5, bidirectional=True),
    "lm": lambda bench: DocumentLMEmbeddings(lms(bench)),
}


@pytest.mark.parametrize(
    ("document", "thresholds"), [("pool", {"default": 0.3, "BAD": 0.7}), ("rnn", None), ("lm", {"default": 0.5})]
)
def test_classifiers_of_sentences(bench: Bench, document: str, thresholds: dict[str, float] | None) -> None:
    model = classifier(DOCUMENTS[document](bench), "BAD", "O", "GOOD", "MIXED", thresholds=thresholds)
    model.decoder.weight.data *= 5
    model.save(bench.folder / "classifier.pt")
    path = build(bench, "classifier.pt")
    source = TextClassifier.load(bench.folder / "classifier.pt")
    assert len(compare_labels(source, path, SENTENCES)) > (1 if thresholds else 0)
    compare_words(source, path, [*SENTENCES, []])


def compare_words(source: TextClassifier, path: Path, sentences: Sequence[list[str]]) -> None:
    """Compare the labels and scores that a model gives as text with flair's own."""
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    assert names == ["labels", "scores", "lengths", "probabilities"]
    outputs = dict(zip(names, session.run(names, {"text": encode_text(sentences)}), strict=True))
    assert outputs["lengths"].tolist() == [*map(len, sentences)]
    width = outputs["labels"].shape[1]
    for row, tokens in enumerate(sentences):
        sentence = Sentence(tokens)
        if tokens:
            source.predict(sentence)
        labels = sentence.get_labels("mood")
        assert outputs["labels"][row].tolist() == [label.value for label in labels] + [""] * (width - len(labels))
        scores = [label.score for label in labels] + [0.0] * (width - len(labels))
        assert outputs["scores"][row].tolist() == pytest.approx(scores, abs=1e-5)
    assert not outputs["probabilities"][-1].any()
    for shape in ((0, 3), (2, 0)):
        empty = session.run(names, {"text": np.zeros(shape, np.int32)})
        assert [array.shape for array in empty] == [(shape[0], 1), (shape[0], 1), (shape[0],), (shape[0], 4)]


def test_a_tagger_and_a_classifier_of_a_multitask_model(bench: Bench) -> None:
    tagger = bench.tagger(*lms(bench))
    mood = classifier(DocumentPoolEmbeddings(list(tagger.embeddings.embeddings)))
    model = MultitaskModel([tagger, mood], task_ids=["ner", "mood"])
    model.save(bench.folder / "both.pt")
    path = build(bench, "both.pt")
    source = MultitaskModel.load(bench.folder / "both.pt")
    assert_tags_are("ner", source.tasks["ner"], Tagger(path), SENTENCES)
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    [labels] = session.run(["mood_labels"], {"text": encode_text(SENTENCES)})
    whole = [Sentence(tokens) for tokens in SENTENCES]
    source.tasks["mood"].predict(whole)
    assert labels[:, 0].tolist() == [next((label.value for label in each.get_labels("mood")), "") for each in whole]


def test_labels_of_the_least_probable_class_do_not_pass_the_proof(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assembler.parts import sentence_labels

    classifier(DocumentLMEmbeddings(lms(bench))).save(bench.folder / "classifier.pt")
    right = sentence_labels._largest
    monkeypatch.setattr(sentence_labels, "_largest", lambda emit, about, given, filled: right(
        emit, about, emit.op("Neg", [given], "turned"), filled
    ))  # fmt: skip
    with pytest.raises(
        ParityError, match=r"P001 the model does not give the labels and spans of 'tagger'\n.*: the labels"
    ):
        build(bench, "classifier.pt")


def test_what_text_cannot_feed_is_refused_with_the_reason(bench: Bench) -> None:
    bench.tagger(HashEmbeddings(7, 3)).save(bench.folder / "hash.pt")
    message = r"R005 .*embedding 0 of the tagger \(HashEmbeddings\) finds its rows by a digest.*\n.*--interface indices"
    with pytest.raises(SourceError, match=message):
        write_spec(str(bench.folder / "hash.pt"), bench.folder, text=True)
