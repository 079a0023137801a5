"""Raw text is split as flair splits it, and results have the places of their tokens in it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from flair.data import Sentence
from hypothesis import given
from hypothesis import strategies as st

from assembler.core.errors import ModelError
from assembler.runtime import Tagger, tokenize

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flair.models import SequenceTagger

    from tests.assembly.conftest import Outcome

TEXTS = (
    "Berlin ist groß.",
    "Der Hund bellt, z.B. nachts! 😀 Wir (alle) sehen's: don't, 3.5%",
    "  zwei  Lücken\tund\u00a0mehr\u3000hier \n",
    "zero\u200bwidth \ufeffmark\u200c, flag 🏳\ufe0f\u200d🌈.",
    "quotes \u0084so\u0093 and \u0081none\x80",
    "e\u0301te\u0301 in Zu\u0308rich",
    "\u200b",
    "",
)


def assert_flairs_tokens(text: str) -> None:
    sentence = Sentence(text)
    [tokens] = tokenize([text], "segtok")
    assert tokens == tuple(token.text for token in sentence)
    assert [token.spaces for token in tokens] == [token.whitespace_after for token in sentence]
    for token in tokens:
        start, end = token.place
        inside = [letter for letter in text[start:end] if letter not in "\u200b\u200c\ufe0f\ufeff\u2028\u2029"]
        restored = [_restored(letter) for letter in inside]
        assert "".join(restored) == token


def _restored(letter: str) -> str:
    return letter.encode("latin-1").decode("windows-1252", "ignore") if "\x80" <= letter <= "\x99" else letter


@pytest.mark.parametrize("text", TEXTS)
def test_segtok_finds_flairs_tokens_and_their_places(text: str) -> None:
    assert_flairs_tokens(text)


@given(
    text=st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("ab .,'\u200b\u0084\u0081😀"), max_size=30)
)
def test_segtok_finds_flairs_tokens_in_any_text(text: str) -> None:
    assert_flairs_tokens(text)


def test_white_space_alone_separates_where_it_is_asked_for() -> None:
    [tokens] = tokenize(["  don't \t\u200bstop.\u00a0😀 "], "whitespace")
    assert tokens == ("don't", "\u200bstop.", "😀")
    assert [token.place for token in tokens] == [(2, 7), (9, 15), (16, 17)]
    assert [token.spaces for token in tokens] == [2, 1, 0]


def test_raw_text_is_tagged_as_flair_tags_it(tagger: SequenceTagger, built: Path) -> None:
    sentences = [Sentence(text) for text in TEXTS[:6]]
    tagger.predict(sentences, label_name="found", force_token_predictions=True)
    results = Tagger(built).tag(TEXTS, tokenizer="segtok")
    assert [result.tokens for result in results[:6]] == [tuple(token.text for token in s) for s in sentences]
    assert [result.labels for result in results[:6]] == [
        tuple(token.get_label("found").value for token in sentence) for sentence in sentences
    ]
    assert results[0].offsets == ((0, 6), (7, 10), (11, 15), (15, 16))
    assert results[0].as_dict()["offsets"] == [[0, 6], [7, 10], [11, 15], [15, 16]]
    assert [results[6].tokens, results[7].tokens] == [(), ()]
    streamed = list(Tagger(built).stream(iter(TEXTS), tokenizer="segtok"))
    assert [result.labels for result in streamed] == [result.labels for result in results]


def test_given_tokens_have_no_offsets(built: Path) -> None:
    [result] = Tagger(built).tag([["der", "hund"]])
    assert result.offsets == ()
    assert "offsets" not in result.as_dict()


def test_the_command_line_splits_raw_text(cli: Callable[..., Outcome], built: Path, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("\ufeffBerlin ist groß.\r\n\nJa, 😀!\n", encoding="utf-8")
    given = cli("tag", built, tmp_path / "text.txt", "--tokenizer", "segtok", "--format", "json")
    found = json.loads(given.out)
    assert [sentence["tokens"] for sentence in found] == [["Berlin", "ist", "groß", "."], [], ["Ja", ",", "😀", "!"]]
    assert found[1]["offsets"] == []
    assert found[2]["offsets"] == [[0, 2], [2, 3], [4, 5], [5, 6]]
    columns = cli("tag", built, tmp_path / "text.txt", "--tokenizer", "whitespace").out
    assert [line.split()[0] for line in columns.splitlines() if line] == ["Berlin", "ist", "groß.", "Ja,", "😀!"]


def test_an_unknown_tokenizer_is_named(built: Path, cli: Callable[..., Outcome]) -> None:
    with pytest.raises(ValueError, match="tokenizer: expected one of segtok, whitespace, got 'spacy'"):
        Tagger(built).tag(["a"], tokenizer="spacy")
    assert cli("tag", built, "--tokenizer", "spacy").code == 2


def test_what_is_no_text_is_named(built: Path) -> None:
    with pytest.raises(TypeError, match=r"text 1: expected a string, .* got list: \['b'\]"):
        Tagger(built).tag(["a", ["b"]], tokenizer="whitespace")
    with pytest.raises(TypeError, match="texts: expected a list of texts, got the string 'a b'"):
        Tagger(built).tag("a b", tokenizer="whitespace")
    with pytest.raises(TypeError, match="texts: expected a list of texts, got NoneType: None"):
        Tagger(built).tag(None, tokenizer="whitespace")
    with pytest.raises(TypeError, match="sentences: expected a list of lists of tokens, got NoneType: None"):
        Tagger(built).tag(None)
    with pytest.raises(TypeError, match="sentence 0: expected a list of tokens, got str"):
        Tagger(built).tag(["Berlin ist groß."])


def test_a_missing_library_is_named_with_its_remedy(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "segtok.segmenter", None)
    with pytest.raises(ModelError, match=r"M018 the tokenizer 'segtok' needs the library segtok\n.*\[segtok\]"):
        Tagger(built).tag(["a"], tokenizer="segtok")


def test_the_command_line_offers_what_the_run_time_knows() -> None:
    from assembler.cli import tag
    from assembler.runtime import tokenization

    assert tag.TOKENIZERS == tokenization.TOKENIZERS
