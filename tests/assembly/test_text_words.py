"""The graph finds words in a table as flair does, and takes no other word for one that has its hash."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assembler.core.errors import SpecError
from assembler.interface.table_inputs import Words
from assembler.parts import letters
from assembler.parts.word_index import WordIndex
from assembler.proof.word_cases import same_hashes
from assembler.runtime.text import encode_text
from assembler.runtime.vocabulary import Vocabulary
from assembler.spec.reading import parse_spec
from assembler.surgery.emission import emit_parts
from assembler.surgery.joining import join
from assembler.weights.tables import TableWeights
from assembler.wiring.graph import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    LookUp = Callable[[np.ndarray], list[int]]

SPEC = """\
version: 1
name: words
opset: {opset}
sources: {tagger: {flair: tagger.pt}}
inputs:
  text: {type: int32, shape: [sentences, characters]}
graph:
  tokens: {kind: text_tokens, inputs: {text: text}}
  table:
    kind: text_embedding
    weights: tagger.embeddings.0
    inputs: {text: tokens.text, sizes: tokens.sizes, starts: tokens.starts, ends: tokens.ends}
outputs:
  rows: table.rows
  words: table.words
"""
WORDS = (
    "der", "die", "hund", "Hund", "#.#", "0000", "x", "istanbul", "i\u0307stanbul", "\u0661\u0662", "ja",
    "\u1f40\u03b4\u03c5\u03c3\u03c3\u03b5\u03cd\u03c2", "\u03c3", "\u03b1\u03c2", "ß", "straße", "##", "00.00",
    "2024", "😀", "\ud83d", "\0", "a\0b", "New York", "", "der", "\u200bx", "x" * 40, "\u03ac\u0345", "#",
)  # fmt: skip
HARD = (
    "DER", "Der", "İSTANBUL", "istanbul", "\u0391\u03a3", "\u03b1\u03c2", "\u0391\u03a3\u0391",
    "\u1f48\u0394\u03a5\u03a3\u03a3\u0395\u038e\u03a3", "\u03a3", "\u0391\u0301\u03a3", "\u0391.\u03a3", ".\u03a3",
    "\u0391\u03a3.\u0391", "ẞ", "STRAẞE", "STRASSE", "1.5", "\u0661.\u0662", "\u0661\u0662", "1999", "2024",
    "\U0001d7d9\U0001d7da", "12", "²", "😀", "👩‍👩‍👧", "\ud83d", "\0", "a\0b", "A\0B", "\u200bX", "\u200bx\u200b",
    "x" * 40, "X" * 40, "x" * 41, "y" * 5000, "New", "York", "dér", "de\u0301r", "\u0386\u0345", "#", "##", "#.#",
    "##.##", "DŽ", "ǅ", "K", "Å", "\u00a0", "ﬁ", "\u0131", "I\u0307",
)  # fmt: skip


def table(words: Sequence[str], rule: str) -> TableWeights:
    unknown = len(words) if rule == "word" else 0
    about = Words("word" if rule == "word" else "exact", tuple(words), unknown, "", len(words) + 1)
    rows = np.arange(len(words) + 1, dtype=np.float32)[:, np.newaxis]
    return TableWeights(rows, about, lambda inputs: {"rows": rows[inputs["words"]]})


def look_up(words: Sequence[str], rule: str = "word", opset: int = 17) -> LookUp:
    weights = {"table": table(words, rule)}
    wiring = wire(parse_spec(SPEC.replace("{opset}", str(opset)), "words.yaml"), weights)
    model = join(wiring, emit_parts(wiring))
    for tensor in model.proto.graph.initializer:
        if tensor.name in model.weights:
            from onnx import numpy_helper

            tensor.CopyFrom(numpy_helper.from_array(model.weights[tensor.name], tensor.name))
    assert {node.domain for node in model.proto.graph.node} == {""}
    session = ort.InferenceSession(model.proto.SerializeToString(), providers=["CPUExecutionProvider"])

    def run(text: np.ndarray) -> list[int]:
        rows, found = session.run(["rows", "words"], {"text": text})
        assert rows[:, 0].tolist() == found.tolist()
        return found.tolist()

    return run


def rows_in_python(words: Sequence[str], rule: str, tokens: Sequence[str]) -> list[int]:
    about = table(words, rule).words
    return Vocabulary("table", rule, about.words, about.unknown, "", 0).rows_of(tokens)


@pytest.fixture(scope="module", params=["word", "exact"])
def found(request: pytest.FixtureRequest) -> tuple[str, LookUp]:
    return request.param, look_up(WORDS, request.param)


def test_hard_words_are_found_as_python_finds_them(found: tuple[str, LookUp]) -> None:
    rule, run = found
    expected = rows_in_python(WORDS, rule, HARD)
    assert run(encode_text([HARD])) == expected
    assert run(encode_text([[word] for word in HARD])) == expected
    assert len(set(expected)) > (15 if rule == "word" else 8)


@pytest.mark.parametrize("opset", [13, 18, 22])
def test_words_are_found_at_every_opset(opset: int) -> None:
    assert look_up(WORDS, "word", opset)(encode_text([HARD])) == rows_in_python(WORDS, "word", HARD)


def test_words_of_the_table_are_found_but_for_those_with_a_space(found: tuple[str, LookUp]) -> None:
    rule, run = found
    own = [word for word in WORDS if word and " " not in word]
    assert run(encode_text([own])) == rows_in_python(WORDS, rule, own)
    assert run(encode_text([["New", "York"]])) == [len(WORDS) if rule == "word" else 0] * 2


_LETTERS = st.characters(exclude_characters=" ", exclude_categories=()) | st.sampled_from(
    "derDERİ\u03a3\u03c3\u03c2\u0391\u03ac.'\u0345\u06610#x"
)


@given(st.lists(st.lists(st.text(_LETTERS, min_size=1, max_size=6) | st.sampled_from(HARD), max_size=5), min_size=1))
def test_random_words_are_found_as_python_finds_them(found: tuple[str, LookUp], batch: list[list[str]]) -> None:
    rule, run = found
    width = max(1, *map(len, batch))
    given_rows = np.array(run(encode_text(batch))).reshape(len(batch), width).tolist()
    for row, tokens in zip(given_rows, batch, strict=True):
        assert row[: len(tokens)] == rows_in_python(WORDS, rule, tokens)


def hashes(index: WordIndex, word: str) -> list[int]:
    pairs = zip(index.powers.tolist(), index.primes, strict=True)
    return [sum(ord(letter) * power for letter, power in zip(word, row, strict=False)) % prime for row, prime in pairs]


def test_a_token_with_all_hashes_of_a_word_is_not_that_word() -> None:
    words = ("Hund", "\U00080000\U00080000", "Katze")
    index = WordIndex.of(words)
    steps = same_hashes(index)
    other = "".join(chr(0x80000 + step) for step in steps)
    assert hashes(index, other) == hashes(index, words[1])
    assert other != words[1]
    assert look_up(words)(encode_text([[words[1], other, "Hund"]])) == [1, 3, 0]


def test_words_of_the_table_with_some_hashes_in_common_are_all_found() -> None:
    letters_of = np.random.default_rng(1).integers(0x4E00, 0x9FFF, (30_000, 4)).tolist()
    names = list(dict.fromkeys("".join(map(chr, row)) for row in letters_of))
    index = WordIndex.of(names)
    assert index.widest > 4
    by_key: dict[tuple[int, ...], list[str]] = {}
    for word in names:
        by_key.setdefault(tuple(hashes(index, word)[2:]), []).append(word)
    twins = [word for group in by_key.values() if len(group) > 1 for word in group]
    assert len(twins) > 10
    numbers = {word: number for number, word in enumerate(names)}
    some = [*twins, *names[:2000]]
    assert look_up(names)(encode_text([some, *([word] for word in twins)]))[: len(some)] == [numbers[w] for w in some]


def test_bases_under_which_two_words_have_the_same_hashes_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []

    class Draw:
        def integers(self, *_: object) -> int:
            drawn.append(None)
            return 2 if len(drawn) <= 16 * 4 else 3

    monkeypatch.setattr(np.random, "default_rng", lambda _: Draw())
    same = ("".join(map(chr, (102, 100))), "".join(map(chr, (100, 101))))
    assert [first + 2 * second for first, second in (map(ord, word) for word in same)] == [302, 302]
    drawn.clear()
    index = WordIndex.of(same)
    assert len(index.primes) == 2 + 2 * 2  # bases of 2 were tried sixteen times, then keys became longer
    assert index.powers[:, 0].tolist() == [3] * 6


@pytest.mark.parametrize("words", [(), ("",), ("a",)])
def test_tables_of_no_words_and_of_one(words: tuple[str, ...]) -> None:
    rows = look_up(words)(encode_text([["a", "A", "aa"], ["b"]]))
    known, unknown = (words.index("a") if "a" in words else len(words)), len(words)
    assert rows == [known, known, unknown, unknown, unknown, unknown]


def test_numbers_that_are_no_code_point_are_in_no_word(found: tuple[str, LookUp]) -> None:
    rule, run = found
    strange = [-1, -(2**31), 2**31 - 1, 0x110001]
    unknown = len(WORDS) if rule == "word" else 0
    assert run(np.array([[code, 0] for code in strange], np.int32)) == [unknown] * 4


@pytest.mark.parametrize("shape", [(0, 0), (0, 4), (1, 0), (2, 3)])
def test_batches_without_tokens(found: tuple[str, LookUp], shape: tuple[int, int]) -> None:
    assert len(found[1](np.zeros(shape, np.int32))) == max(1, shape[0])


def test_the_facts_on_letters_are_those_of_python() -> None:
    every = [chr(code) for code in range(sys.maxunicode + 1)]
    steps, contexts = letters.lower_steps(), letters.sigma_contexts()
    lowered = {letter: letter.lower() for letter in every}
    assert [letter for letter, lower in lowered.items() if len(lower) > 1] == ["\u0130"]
    assert all(ord(lower[0]) - ord(letter) == steps.get(ord(letter), 0) for letter, lower in lowered.items())
    assert {ord(letter) for letter in every if letter.isspace()} == {*letters.white_space()}
    assert {ord(letter) for letter in every if letter.isdecimal()} == {*letters.decimal_digits()}
    # "\u03a3" ends a word beside all letters that are not listed, as beside a stop
    others = "".join(letter + "\u03a3" for letter in every if ord(letter) not in contexts)
    assert "\u03c2" not in others.lower()


def test_a_table_whose_rows_are_digests_is_refused() -> None:
    about = Words("hash", (), 0, "md5", 7)
    weights = TableWeights(np.zeros((7, 2), np.float32), about, partial(dict))
    with pytest.raises(SpecError, match=r"W020 table: the table finds its rows by a digest of the text"):
        wire(parse_spec(SPEC.replace("{opset}", "17"), "words.yaml"), {"table": weights})
