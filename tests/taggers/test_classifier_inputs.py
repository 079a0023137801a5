"""Classifiers of texts take what taggers take: inputs of fixed sizes, sentences that share lanes, raw text."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING

import pytest
from flair.data import Sentence
from flair.embeddings import DocumentLMEmbeddings, DocumentPoolEmbeddings, DocumentRNNEmbeddings
from flair.models import TextClassifier as FlairTextClassifier

from assembler import assemble, verify
from assembler.cli.main import main
from assembler.core.errors import ModelError
from assembler.initialisation import write_spec
from assembler.runtime import Tagger, TextClassifier
from assembler.runtime.session import Session

from .encoders import encoder
from .test_pieces import pieces
from .test_text_classifiers import classifier, models

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from flair.embeddings import DocumentEmbeddings
    from numpy.typing import NDArray

    from assembler.runtime.fill.rule import Encoded

    from .conftest import Bench

TOKENS = 8
CHARACTERS = 60
SENTENCES = [["der", "Hund", "bellt"], ["ja"], [], ["wir", "sehen", "uns", "😀", "am", "Bahnhof"], ["x"] * TOKENS]
DOCUMENTS = {
    "document_pool": DocumentPoolEmbeddings,
    "document_rnn": partial(DocumentRNNEmbeddings, hidden_size=6),
    "lm": DocumentLMEmbeddings,
}


def document(bench: Bench, name: str) -> DocumentEmbeddings:
    made: DocumentEmbeddings = DOCUMENTS[name](models(bench))
    return made


def written(bench: Bench, made: DocumentEmbeddings) -> str:
    """Return the spec of a classifier on these documents, whose checkpoint is written beside it."""
    classifier(made).save(bench.folder / "classifier.pt")
    return write_spec(str(bench.folder / "classifier.pt"), bench.folder)


def fixed(text: str, *, sentences: int, tokens: int = TOKENS) -> str:
    """Return a spec whose named dims are numbers; a sentence is two pieces of a transformer at most."""
    sizes = {"characters": CHARACTERS, "sentences": sentences, "total_tokens": sentences * tokens}
    sizes |= {"pieces": 2 * sentences, "subtokens": 26}
    head, graph = text.split("\ngraph:", 1)
    for name, size in sizes.items():
        head = re.sub(rf"(shape: \[[^\]]*)\b{name}\b", rf"\g<1>{size}", head)
    assert "shape: [" in head
    assert not re.search(r"shape: \[[^\]]*(characters|sentences|tokens|pieces)", head)
    return f"{head}\ngraph:{graph}"


def build(bench: Bench, text: str, name: str, profile: str | None = None) -> Path:
    spec = bench.folder / f"{name}.yaml"
    spec.write_text(text, encoding="utf-8")
    result = assemble(spec, bench.folder / f"{name}.onnx", profile=profile)
    assert result.proven.cases > 30
    return result.path


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("count", [1, 4])
def test_a_classifier_of_fixed_sizes_is_proven_and_classifies_the_same(bench: Bench, name: str, count: int) -> None:
    text = written(bench, document(bench, name))
    expected = TextClassifier(build(bench, text, "free")).classify(SENTENCES)
    path = build(bench, fixed(text, sentences=count), "fixed")
    assert "have the tags that the file carries" in verify(path).found[-1]
    for size in (None, 1, 3):
        given = TextClassifier(path).classify(SENTENCES, batch_size=size)
        assert [[label.value for label in each.labels] for each in given] == [
            [label.value for label in each.labels] for each in expected
        ]
        for ours, theirs in zip(given, expected, strict=True):
            assert ours.probabilities == pytest.approx(theirs.probabilities, abs=1e-6)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("pooling", ["first", "last", "first_last", "mean"])
def test_a_transformer_of_fixed_sizes_is_proven_and_classifies_the_same(bench: Bench, pooling: str, count: int) -> None:
    options = {"subtoken_pooling": pooling, "use_context": False, "allow_long_sentences": True, "longest": 26}
    text = written(bench, DocumentPoolEmbeddings([encoder(bench.folder, "bert", **options)]))
    long = ["Donaudampfschifffahrt", "bellt", "\u200b", "Washington"]
    sentences = [long, ["ja"], [], ["der", "Hund"], ["x"] * 8, ["2024"] * 8]
    expected = TextClassifier(build(bench, text, "free")).classify(sentences)
    path = build(bench, fixed(text, sentences=count), "fixed")
    given = TextClassifier(path).classify(sentences)
    for ours, theirs in zip(given, expected, strict=True):
        assert ours.probabilities == pytest.approx(theirs.probabilities, abs=1e-6)
    with pytest.raises(ModelError, match=r"M019 a sentence has [3-9] pieces; the model takes 2"):
        TextClassifier(path).classify([["ja"], ["Donaudampfschifffahrt"] * 8])


def test_word_pieces_and_an_encoder_of_fixed_sizes_tag_the_same(bench: Bench) -> None:
    tagger = bench.tagger(pieces(bench.folder), encoder(bench.folder, "bert", use_context=False), crf=False)
    tagger.save(bench.folder / "tagger.pt")
    text = write_spec(str(bench.folder / "tagger.pt"), bench.folder)
    expected = Tagger(build(bench, text, "free")).tag(SENTENCES)
    given = Tagger(build(bench, fixed(text, sentences=3), "fixed")).tag(SENTENCES)
    for ours, theirs in zip(given, expected, strict=True):
        assert ours.labels == theirs.labels
        assert ours.scores == pytest.approx(theirs.scores, abs=1e-6)


def test_a_text_that_has_no_room_is_a_problem(bench: Bench) -> None:
    model = TextClassifier(build(bench, fixed(written(bench, document(bench, "document_pool")), sentences=2), "fixed"))
    with pytest.raises(ModelError, match=r"M019 a sentence has 9 tokens; the model takes 8"):
        model.classify([["a"] * 9])
    with pytest.raises(ModelError, match=r"M019 a sentence has \d+ characters, markers included; the model takes 60"):
        model.classify([["a" * 60]])


@pytest.mark.parametrize("name", DOCUMENTS)
def test_texts_share_lanes_where_the_language_models_let_them(
    bench: Bench, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = build(bench, written(bench, document(bench, name)), "cpu", "cpu")
    model, sentences = TextClassifier(path), [["ja"] * (1 + number % 7) for number in range(150)]
    alone = model.classify(sentences, batch_size=1)
    sizes: list[int] = []
    run = Session.run

    def counted(session: Session, names: Sequence[str], feeds: Mapping[str, Encoded]) -> list[NDArray[np.generic]]:
        sizes.append(feeds["forward"].shape[1])
        return run(session, names, feeds)

    monkeypatch.setattr(Session, "run", counted)
    together = model.classify(sentences)
    assert len(sizes) == 2
    assert max(sizes) < 75
    for one, other in zip(together, alone, strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-6)


def test_raw_text_is_split_and_its_tokens_know_their_places(bench: Bench) -> None:
    path = build(bench, written(bench, document(bench, "document_pool")), "free")
    model, texts = TextClassifier(path), ["Der  Hund bellt.", "", "Ja!"]
    found = model.classify(texts, tokenizer="segtok")
    plain = model.classify([["Der", "Hund", "bellt", "."], [], ["Ja", "!"]])
    assert [each.tokens for each in found] == [each.tokens for each in plain]
    assert [each.probabilities for each in found] == [each.probabilities for each in plain]
    assert found[0].offsets == ((0, 3), (5, 9), (10, 15), (15, 16))
    assert (plain[0].offsets, found[1].offsets) == ((), ())
    assert found[0].as_dict()["offsets"] == [[0, 3], [5, 9], [10, 15], [15, 16]]
    assert list(model.stream(iter(texts), tokenizer="segtok", batch_size=1, window=1)) == found
    with pytest.raises(ValueError, match="tokenizer: expected one of segtok, whitespace, got 'x'"):
        model.stream(texts, tokenizer="x")


def test_raw_text_is_labelled_as_flair_labels_it(bench: Bench) -> None:
    model = TextClassifier(build(bench, written(bench, document(bench, "document_rnn")), "free"))
    sentence = Sentence("Der Hund bellt, ja!")
    FlairTextClassifier.load(bench.folder / "classifier.pt").predict(sentence)
    [found] = model.classify(["Der Hund bellt, ja!"], tokenizer="segtok")
    assert [label.value for label in found.labels] == [label.value for label in sentence.get_labels("mood")]
    assert found.labels[0].score == pytest.approx(sentence.get_labels("mood")[0].score, abs=1e-5)


def test_the_command_line_classifies_raw_text_in_fixed_sizes(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    path = build(bench, fixed(written(bench, document(bench, "document_rnn")), sentences=4), "fixed")
    text = bench.folder / "text.txt"
    text.write_text("Der Hund bellt.\n\nJa!\n", encoding="utf-8")
    results = TextClassifier(path).classify(["Der Hund bellt.", "", "Ja!"], tokenizer="segtok")
    with pytest.raises(SystemExit) as left:
        main(["tag", str(path), str(text), "--tokenizer", "segtok", "--format", "json"])
    assert left.value.code == 0
    records = json.loads(capsys.readouterr().out)
    assert [record["labels"] for record in records] == [each.as_dict()["labels"] for each in results]
    assert [record["offsets"] for record in records] == [[[0, 3], [4, 8], [9, 14], [14, 15]], [], [[0, 2], [2, 3]]]
