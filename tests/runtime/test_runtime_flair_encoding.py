"""The ids and the positions of a batch are those that flair reads, for any text."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assembler.runtime import Interface, Token, encode
from assembler.runtime.batching import read_sentences

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from numpy.typing import NDArray

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    flair_data: ModuleType = pytest.importorskip("flair.data")
    flair_embeddings: ModuleType = pytest.importorskip("flair.embeddings")
    flair_models: ModuleType = pytest.importorskip("flair.models")
    torch: ModuleType = pytest.importorskip("torch")

CHARACTERS = ("\n", " ", *"abcdefghijklmnopqrstuvwxyzäöüABI.,İ̇", "😀", "あ", "ש", "\t", "ab")
HARD = [
    ["Er", "sagt", "😀👩‍👩‍👧", "🇩🇪", "."],
    ["e\u0301te", "\u0301", "\u00ad", "\u200d", "\ufeff"],
    ["İstanbul", "İİ", "DİYARBAKIR", "ΣΑΣ", "ß"],
    ["x"],
    ["a" * 5000],
    ["ab"] * 1700,
    ["あいう", "שלום", "ሰላም", "𒀀𒁹", "\U0001d518\U0001d52b"],
    ["\ud83d", "a\ude00b", "\udfff\ud800"],
    ["a\tb", "c\nd", "\n", "\t"],
    [" ", "a", "  ", " b ", "\u3000", "\u00a0"],
    ["", "a", "", "", "b", ""],
    ["\0", "\U0010ffff", "\x85"],
]
VARIANTS = list(product([True, False], [True, False], [True, False], ["\n", "", "ab"]))


@dataclass(frozen=True)
class Reference:
    """What flair reads of one batch: the ids it feeds, and the place each token's state is taken from."""

    characters: NDArray[np.int64]
    positions: list[list[int]]


class Recorder:
    """A flair embedding whose states are their own places, so that a token's vector says where it came from."""

    def __init__(
        self,
        *,
        forward: bool,
        whitespace: bool,
        lower: bool,
        marker: str,
        unknown: bool = True,
        tokenized: bool = True,
    ) -> None:
        """Make a language model and watch what it is fed."""
        self.dictionary = flair_data.Dictionary(add_unk=unknown)
        for character in CHARACTERS:
            self.dictionary.add_item(character)
        self.model = flair_models.LanguageModel(
            self.dictionary,
            is_forward_lm=forward,
            hidden_size=2,
            nlayers=1,
            embedding_size=2,
            document_delimiter=marker,
        )
        self.embedding = flair_embeddings.FlairEmbeddings(
            self.model, with_whitespace=whitespace, is_lower=lower, tokenized_lm=tokenized
        )
        self.interface = self._interface(whitespace=whitespace, lower=lower, tokenized=tokenized)
        self.chunks: list[NDArray[np.int64]] = []
        self.model.forward = self._record

    def _record(self, characters: object, hidden: object, **_: object) -> tuple[object, object]:
        self.chunks.append(characters.numpy())  # type: ignore[attr-defined]
        length, sentences = self.chunks[-1].shape
        first = sum(chunk.size for chunk in self.chunks[:-1])
        return torch.arange(first, first + length * sentences).reshape(length, sentences, 1), hidden

    def _interface(self, *, whitespace: bool, lower: bool, tokenized: bool) -> Interface:
        inputs = [
            {"name": fill, "fill": fill, "language_model": "lm"}
            for fill in ("characters", "indices", "character_lengths")
        ]
        model = {
            "direction": "forward" if self.model.is_forward_lm else "backward",
            "start_marker": self.model.document_delimiter,
            "end_marker": " ",
            "with_whitespace": whitespace,
            "lowercase": lower,
            "tokenized": tokenized,
            "padding": self.dictionary.get_idx_for_item(" "),
        }
        interface = {"inputs": inputs, "outputs": [], "language_models": {"lm": model}, "tags": None}
        return Interface.from_metadata(interface, {"lm": self.dictionary.get_items()})

    def read(self, sentences: list[list[str]]) -> Reference:
        """Return what flair reads of the sentences."""
        return self.read_spaced([flair_data.Sentence(tokens) for tokens in sentences])

    def read_spaced(self, read: list[object]) -> Reference:
        """Return what flair reads from its own sentences, whose tokens have the spaces after them."""
        self.chunks.clear()
        self.embedding.embed(read)
        positions = [[int(token.get_embedding()[0]) for token in sentence] for sentence in read]
        return Reference(np.concatenate(self.chunks), positions)


def _assert_equal(recorder: Recorder, sentences: list[list[str]]) -> None:
    tokens = list(read_sentences(sentences))
    arrays = encode(recorder.interface, tokens)
    expected = recorder.read(sentences)
    np.testing.assert_array_equal(arrays["characters"], expected.characters)
    indices = arrays["indices"].reshape(len(sentences), -1)
    assert [list(row[: len(sentence)]) for row, sentence in zip(indices, tokens, strict=True)] == expected.positions
    assert indices.min() >= 0
    assert indices.max() < expected.characters.size
    assert arrays["character_lengths"].max() == len(expected.characters)


@pytest.fixture(scope="module")
def recorder() -> Callable[..., Recorder]:
    made: dict[tuple[bool, bool, bool, str], Recorder] = {}

    def make(*variant: bool | str) -> Recorder:
        if variant not in made:
            forward, whitespace, lower, marker = variant
            made[variant] = Recorder(forward=forward, whitespace=whitespace, lower=lower, marker=marker)
        return made[variant]

    return make


@pytest.mark.parametrize("variant", VARIANTS)
def test_hard_sentences_are_read_as_flair_reads_them(recorder: Callable[..., Recorder], variant: tuple) -> None:
    for tokens in HARD:
        _assert_equal(recorder(*variant), [tokens])
    _assert_equal(recorder(*variant), HARD)


tokens_of_any_kind = st.text(
    st.one_of(st.characters(), st.sampled_from(CHARACTERS[:-1]), st.sampled_from("\ud800\udfffİ\u0307\t\n ")),
    max_size=6,
)


@settings(deadline=None)
@given(
    variant=st.sampled_from(VARIANTS),
    sentences=st.lists(
        st.lists(tokens_of_any_kind, min_size=1, max_size=6).filter(any),
        min_size=1,
        max_size=5,
    ),
)
def test_any_sentences_are_read_as_flair_reads_them(
    recorder: Callable[..., Recorder], variant: tuple, sentences: list[list[str]]
) -> None:
    _assert_equal(recorder(*variant), sentences)


def test_an_unknown_character_gets_id_0_where_the_dictionary_has_no_unknown() -> None:
    recorder = Recorder(forward=True, whitespace=True, lower=False, marker="\n", unknown=False)
    _assert_equal(recorder, [["\ud800", "日", "a"]])
    assert encode(recorder.interface, [["日"]])["characters"].T.tolist() == [[0, 0, 1]]


# --- language models on untokenised text


def _assert_untokenised(recorder: Recorder, sentences: list[list[str]], spaces: list[list[int]] | None = None) -> None:
    """Compare, but for the spaces that a text is continued by where flair itself finds no state."""
    read = [flair_data.Sentence(tokens) for tokens in sentences]
    tokens: list[tuple[str, ...]] = list(read_sentences(sentences))
    if spaces is not None:
        for sentence, counts in zip(read, spaces, strict=True):
            for token, count in zip(sentence, counts, strict=False):
                token.whitespace_after = count
        tokens = [tuple(Token(token.text, token.whitespace_after) for token in sentence) for sentence in read]
    try:
        expected = recorder.read_spaced(read)
    except IndexError:  # a position after the text, caused by white space at its end
        assert any(sentence[-1] != sentence[-1].rstrip() or spaces for sentence in tokens)
        encode(recorder.interface, tokens)
        return
    arrays = encode(recorder.interface, tokens)
    length = len(expected.characters)
    np.testing.assert_array_equal(arrays["characters"][:length], expected.characters)
    assert set(arrays["characters"][length:].flat) <= {recorder.dictionary.get_idx_for_item(" ")}
    indices = arrays["indices"].reshape(len(sentences), -1)
    assert [list(row[: len(sentence)]) for row, sentence in zip(indices, tokens, strict=True)] == expected.positions
    assert (arrays["character_lengths"].max(), indices.min()) >= (length, 0)


@pytest.fixture(scope="module")
def untokenised() -> Callable[..., Recorder]:
    made: dict[tuple[bool, bool, bool, str], Recorder] = {}

    def make(*variant: bool | str) -> Recorder:
        if variant not in made:
            forward, whitespace, lower, marker = variant
            made[variant] = Recorder(
                forward=forward, whitespace=whitespace, lower=lower, marker=marker, tokenized=False
            )
        return made[variant]

    return make


@pytest.mark.parametrize("variant", VARIANTS)
def test_untokenised_text_of_a_list_is_read_as_flair_reads_it(
    untokenised: Callable[..., Recorder], variant: tuple
) -> None:
    for tokens in HARD:
        _assert_untokenised(untokenised(*variant), [tokens])
    _assert_untokenised(untokenised(*variant), [tokens for tokens in HARD if tokens[-1].strip()])


@settings(deadline=None)
@given(
    variant=st.sampled_from(VARIANTS),
    tokens=st.lists(tokens_of_any_kind, min_size=1, max_size=6).filter(any),
    spaces=st.none() | st.lists(st.integers(0, 3), min_size=6, max_size=6),
)
def test_any_untokenised_sentence_is_read_as_flair_reads_it_alone(
    untokenised: Callable[..., Recorder], variant: tuple, tokens: list[str], spaces: list[int] | None
) -> None:
    _assert_untokenised(untokenised(*variant), [tokens], None if spaces is None else [spaces])


@settings(deadline=None)
@given(
    variant=st.sampled_from(VARIANTS),
    sentences=st.lists(
        st.lists(tokens_of_any_kind, min_size=1, max_size=5).map(lambda tokens: [*tokens, "x"]), min_size=1, max_size=4
    ),
    spaces=st.none() | st.lists(st.lists(st.integers(0, 2), min_size=6, max_size=6), min_size=4, max_size=4),
)
def test_untokenised_sentences_do_not_depend_on_their_batch(
    untokenised: Callable[..., Recorder], variant: tuple, sentences: list[list[str]], spaces: list[list[int]] | None
) -> None:
    counts = None if spaces is None else [[*given[:5], 0] for given in spaces[: len(sentences)]]
    _assert_untokenised(untokenised(*variant), sentences, counts)
