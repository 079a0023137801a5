"""A TokenClassifier gives flair's own labels and spans, whose rules are not those of a SequenceTagger."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from flair.data import Dictionary, Sentence
from flair.embeddings import FlairEmbeddings, StackedEmbeddings
from flair.models import TokenClassifier
from flair.nn import Classifier, PrototypicalDecoder
from hypothesis import given
from hypothesis import strategies as st

from assembler import assemble
from assembler.core.errors import SourceError
from assembler.flair import OnnxSequenceTagger
from assembler.initialisation import write_spec
from assembler.runtime import Tagger, decode_classifier_spans

from .conftest import HARD

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Bench

TAGS = (
    "O",
    "_",
    "O-",
    "",
    "B-PER",
    "I-PER",
    "E-PER",
    "S-PER",
    "B-LOC",
    "I-LOC",
    "E-LOC",
    "S-LOC",
    "I-",
    "<unk>",
    "NOUN",
)


def classifier(bench: Bench, labels: tuple[str, ...], *, spans: bool, encoding: str = "BIOES") -> TokenClassifier:
    dictionary = Dictionary(add_unk=False)
    for label in labels:
        dictionary.add_item(label)
    dictionary.span_labels = spans
    embeddings = StackedEmbeddings(
        [
            FlairEmbeddings(bench.language_model(forward=False), name="backward"),
            FlairEmbeddings(bench.language_model(), name="forward"),
        ]
    )
    model = TokenClassifier(embeddings, dictionary, "ner", span_encoding=encoding)
    model.decoder.weight.data.normal_(0, 1)
    return model.eval()


def assembled(bench: Bench, model: TokenClassifier) -> tuple[TokenClassifier, Path]:
    model.save(bench.folder / "classifier.pt")
    spec = bench.folder / "classifier.yaml"
    spec.write_text(write_spec(str(bench.folder / "classifier.pt"), bench.folder), encoding="utf-8")
    return TokenClassifier.load(bench.folder / "classifier.pt"), assemble(spec, bench.folder / "classifier.onnx").path


def spans_of(sentence: Sentence, name: str) -> list[tuple[int, int, str, float]]:
    return [
        (span[0].idx - 1, span[-1].idx, span.get_label(name).value, span.get_label(name).score)
        for span in sentence.get_spans(name)
    ]


@pytest.mark.parametrize("encoding", ["BIOES", "BIO"])
def test_spans_are_those_of_flairs_predict(bench: Bench, encoding: str) -> None:
    source, path = assembled(bench, classifier(bench, ("PER", "LOC"), spans=True, encoding=encoding))
    whole = [Sentence(list(words)) for words in HARD]
    source.predict(whole)
    for size in (1, 32):
        results = Tagger(path).tag([list(words) for words in HARD], batch_size=size)
        for sentence, result in zip(whole, results, strict=True):
            found = [(span.start, span.end, span.label, span.score) for span in result.spans]
            assert found == spans_of(sentence, "ner")
    assert sum(len(sentence.get_spans("ner")) for sentence in whole) > 10


def test_labels_and_scores_are_those_of_flairs_predict(bench: Bench) -> None:
    source, path = assembled(bench, classifier(bench, ("N", "V", "O", "_"), spans=False))
    whole = [Sentence(list(words)) for words in HARD]
    source.predict(whole)
    seen = set()
    for sentence, result in zip(whole, Tagger(path).tag([list(words) for words in HARD]), strict=True):
        assert result.spans == ()
        for token, label, score in zip(sentence, result.labels, result.scores, strict=True):
            seen.add(label)
            theirs = token.get_label("ner", zero_tag_value="O")
            assert theirs.value == label
            assert label == "O" or abs(theirs.score - score) <= 1e-5
    assert {"O", "_"} & seen


def test_inside_flair_a_blank_label_is_written_as_the_classifier_writes_it(bench: Bench) -> None:
    """A SequenceTagger leaves `_` out, a TokenClassifier does not."""
    source, path = assembled(bench, classifier(bench, ("O", "_"), spans=False))
    ours, theirs = [[Sentence(list(words)) for words in HARD] for _ in range(2)]
    OnnxSequenceTagger.load(path).predict(ours)
    source.predict(theirs)
    labels = [[[label.value for label in token.labels] for s in each for token in s] for each in (ours, theirs)]
    assert labels[0] == labels[1]
    assert ["_"] in labels[0]
    assert [] in labels[0]


@given(st.lists(st.sampled_from(TAGS), min_size=1, max_size=12))
def test_any_tags_make_flairs_spans(tags: list[str]) -> None:
    """The loop of word_tagger_model.py 124-165, on a classifier that has no weights."""
    model = TokenClassifier.__new__(TokenClassifier)
    torch.nn.Module.__init__(model)
    model.span_prediction_problem, model._label_type = True, "tag"
    sentence = Sentence(["x"] * len(tags))
    for token, tag in zip(sentence, tags, strict=True):
        if tag != "O":  # DefaultClassifier.predict does not write it
            token.add_label("tag", tag, 0.5)
    model._post_process_batch_after_prediction([sentence], "tag")
    found = [(span.start, span.end, span.label, span.score) for span in decode_classifier_spans(tags)]
    assert found == spans_of(sentence, "tag")


def test_the_label_of_a_span_is_that_of_its_last_token() -> None:
    [span] = decode_classifier_spans(["B-PER", "E-LOC", "E-ORG"])
    assert (span.start, span.end, span.label, span.score) == (0, 3, "ORG", 1.0)


def test_several_labels_a_token_are_refused(bench: Bench) -> None:
    model = classifier(bench, ("N", "V"), spans=False)
    model.multi_label = True
    model.save(bench.folder / "classifier.pt")
    with pytest.raises(SourceError, match=r"R005 .*: the classifier of tokens gives several labels to each"):
        write_spec(str(bench.folder / "classifier.pt"), bench.folder)


def test_a_decoder_of_its_own_is_refused(bench: Bench) -> None:
    model = classifier(bench, ("N", "V"), spans=False)
    model.decoder, model._custom_decoder = PrototypicalDecoder(2, model.embeddings.embedding_length), True
    model.save(bench.folder / "classifier.pt")
    for trust in (False, True):
        with pytest.raises(SourceError, match=r"R005 .*: the classifier has a decoder of its own"):
            write_spec(str(bench.folder / "classifier.pt"), bench.folder, trust=trust)


@pytest.mark.filterwarnings("ignore:Call to deprecated class:DeprecationWarning")
def test_a_checkpoint_under_the_old_name_of_the_class_is_read(bench: Bench) -> None:
    model, path = assembled(bench, classifier(bench, ("N", "V", "O"), spans=False))
    old = bench.folder / "old.pt"
    torch.save({**model._get_state_dict(), "__cls__": "WordTagger"}, old, pickle_protocol=4)
    spec = bench.folder / "old.yaml"
    spec.write_text(write_spec(str(old), bench.folder), encoding="utf-8")
    found = Tagger(assemble(spec, bench.folder / "old.onnx").path).tag(HARD)
    own = [Sentence(list(words)) for words in HARD]
    Classifier.load(old).predict(own)
    for sentence, result in zip(own, found, strict=True):
        assert [token.get_label("ner", zero_tag_value="O").value for token in sentence] == list(result.labels)
    assert found == Tagger(path).tag(HARD)
