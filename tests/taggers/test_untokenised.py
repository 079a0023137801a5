"""Language models on untokenised text (`tokenized_lm=False`) read the white space that stood between the tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from flair.data import Sentence
from flair.embeddings import FlairEmbeddings

from assembler import SpecError, assemble
from assembler.flair import OnnxSequenceTagger
from assembler.runtime import Tagger, Token
from assembler.workflows.inspection import inspect

from .conftest import HARD, compare

if TYPE_CHECKING:
    from flair.models import SequenceTagger

    from .conftest import Bench

TEXTS = (
    "Berlin, nein! (Das ist 3.5-mal so groß.)",
    "zwei  Räume   hier",
    "am Ende ein Leerraum  ",
    "😀👩‍👩‍👧 İstanbul",
    "ja",
)
#: After white space at the end of a sentence, flair's states depend on the batch.
LISTS = (
    *(words for words in HARD if words[-1].strip()),
    ("a", " ", "  ", "b"),
    ("a", "", "b"),
    ("", "x", "", ""),
    ("der", " Hund"),
    ("der ", "Hund"),
)


def untokenised(bench: Bench, *, lower: bool = False, second: bool = False) -> SequenceTagger:
    return bench.tagger(
        FlairEmbeddings(bench.language_model(), name="f", tokenized_lm=False, is_lower=lower),
        FlairEmbeddings(bench.language_model(forward=False), name="b", tokenized_lm=second, is_lower=lower),
    )


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("second", [True, False])
def test_lists_of_tokens_are_tagged_as_flair_tags_them(bench: Bench, *, lower: bool, second: bool) -> None:
    compare(*bench.assembled(untokenised(bench, lower=lower, second=second)), LISTS)


def flair_labels(sentence: Sentence) -> list[tuple[str, str]]:
    return [(label.unlabeled_identifier, label.value) for label in sentence.get_labels()]


def flair_scores(sentence: Sentence) -> list[float]:
    return [label.score for label in sentence.get_labels()]


def test_inside_flair_the_spaces_are_those_of_the_sentence(bench: Bench) -> None:
    source, _ = bench.assembled(untokenised(bench))
    model = OnnxSequenceTagger.load(bench.folder / "tagger.onnx")
    theirs, ours = ([Sentence(text) for text in TEXTS] for _ in range(2))
    source.predict(theirs, force_token_predictions=True)
    model.predict(ours, force_token_predictions=True)
    assert any(token.whitespace_after == 0 for sentence in ours for token in sentence.tokens[:-1])
    assert list(map(flair_labels, ours)) == list(map(flair_labels, theirs))
    for our, their in zip(ours, theirs, strict=True):
        assert flair_scores(our) == pytest.approx(flair_scores(their), abs=1e-5)


def test_the_runtime_takes_tokens_that_know_their_spaces(bench: Bench) -> None:
    source, model = bench.assembled(untokenised(bench))
    sentence = Sentence(TEXTS[0])
    tokens = [Token(token.text, token.whitespace_after) for token in sentence]
    source.predict(sentence, force_token_predictions=True, label_name="tag")
    spaced, joined = model.tag([tokens, [str(token) for token in tokens]])
    assert [label for label in spaced.labels if label != "O"] == [label.value for label in sentence.get_labels("tag")]
    found = [score for label, score in zip(spaced.labels, spaced.scores, strict=True) if label != "O"]
    assert found == pytest.approx([label.score for label in sentence.get_labels("tag")], abs=1e-5)
    assert joined.scores != pytest.approx(spaced.scores, abs=1e-5)


def test_the_file_and_the_spec_say_what_is_read(bench: Bench) -> None:
    bench.assembled(untokenised(bench, second=True))
    shown = dict(inspect(bench.folder / "tagger.onnx").language_models)
    assert shown["forward_lm"].endswith(", on untokenised text")
    assert "untokenised" not in shown["backward_lm"]
    models = {model.name: model.tokenized for model in Tagger(bench.folder / "tagger.onnx").interface.language_models}
    assert models == {"forward_lm": False, "backward_lm": True}


def test_texts_of_both_kinds_cannot_share_their_lengths(bench: Bench) -> None:
    bench.assembled(untokenised(bench, second=True))
    spec = bench.folder / "tagger.yaml"
    text = spec.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("  backwardCharacterLengths:")]
    text = "\n".join(lines).replace("lengths: backwardCharacterLengths", "lengths: forwardCharacterLengths")
    spec.write_text(text.replace("[backward_characters, ", "[forward_characters, ") + "\n", encoding="utf-8")
    with pytest.raises(SpecError, match=r"W013 .*\n.*they differ in one of: .*tokenized; give each"):
        assemble(spec, bench.folder / "other.onnx")
