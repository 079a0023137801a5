"""Cases for the parts that read code points, with the expected outputs computed in plain Python."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from assembler.runtime.alphabet import Alphabet
from assembler.runtime.text import NULL
from assembler.runtime.texts import Texts
from assembler.runtime.token import Token

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from assembler.core.arrays import Array
    from assembler.interface.language_model_inputs import Characters

_SEED = 20211
_SEPARATORS = re.compile("[ \0]+")
#: Space, padding, white space that separates nothing, a half of a surrogate pair, the last code point.
_LETTERS = " \0 \0ab\t\n\u00a0\u200b\u3000é\ud83d\U0010ffff"
#: Texts with a branch of their own: nothing, separators alone, at the beginning, at the end, in between, one letter.
_TEXTS = ("", " ", "\0", "a", " a", "a ", "\0a", "a  b", " a \0 b ", "ab" * 20, "a b c d e f g", "\0\0\0\0", "\t \n")
#: The most characters of a dictionary that are looked up.
_MOST_CHARACTERS = 4096
_WIDTH = 64


def token_texts() -> list[list[str]]:
    """Return batches of texts: none, empty ones, one alone, all together, and random ones."""
    draw = np.random.default_rng(_SEED)
    drawn = ["".join(draw.choice([*_LETTERS], length)) for length in (0, 1, 2, 3, 5, 8, 13, 21, 40) for _ in range(4)]
    return [[], [""], ["", " "], *([text] for text in _TEXTS), [*_TEXTS], drawn]


def code_points(texts: Sequence[str], width: int = 0) -> Array:
    """Return texts as a model takes them, int32 [texts, characters]; 0 is U+0000 here, because it separates."""
    rows = np.zeros((len(texts), max([width, *map(len, texts)])), np.int32)
    for row, text in zip(rows, texts, strict=True):
        row[: len(text)] = [ord(letter) for letter in text]
    return rows


def found_tokens(texts: Sequence[str]) -> dict[str, Array]:
    """Return the tokens of texts, port by port (`parts.text_tokens`)."""
    rows = [[token for token in _SEPARATORS.split(text) if token] for text in texts or [""]]
    joined = [" ".join(tokens) for tokens in rows]
    most = max(1, *map(len, rows))
    starts, ends = (np.zeros((len(rows), most), np.int64) for _ in range(2))
    for row, tokens in enumerate(rows):
        place = 0
        for number, token in enumerate(tokens):
            starts[row, number], ends[row, number] = place, place + len(token)
            place += len(token) + 1
    counts = np.array([len(tokens) for tokens in rows], np.int64)
    return {
        "text": code_points(joined, 1).astype(np.int64),
        "sizes": np.array([*map(len, joined)], np.int64),
        "starts": starts.ravel(),
        "ends": ends.ravel(),
        "counts": counts[: len(texts)],
        "lengths": np.maximum(counts, 1),
    }


def known(about: Characters) -> tuple[int, int]:
    """Return how many characters of a dictionary are looked up, and how many it has."""
    own = {item for item in about.dictionary if len(item) == 1}
    return min(len(own), _MOST_CHARACTERS), len(own)


def looked_up(about: Characters) -> list[int]:
    """Return code points that distinguish the entries of a dictionary: its own, their neighbours, and strange ones."""
    own = [*dict.fromkeys(ord(item) for item in about.dictionary if len(item) == 1)][:_MOST_CHARACTERS]
    first = {code // 256 * 256 for code in own}
    pages = {page + place for page in first for place in (-1, 0, 255, 256)}
    strange = {32, 0xD7FF, 0xD800, 0xDFFF, 0xE000, 0xFFFF, 0x10FFFF, NULL, max(own, default=0) + 1}
    found = [code or NULL for code in own]
    return found + sorted((pages | strange) - {*found} - {0, -1})


def token_cases() -> Iterator[tuple[Mapping[str, Array], Mapping[str, Array]]]:
    """Yield batches of texts, and their tokens; each also wider than its longest text."""
    for texts in token_texts():
        for width in (0, 50):
            yield {"text": code_points(texts, width)}, found_tokens(texts)


def plain_cases() -> Iterator[tuple[Mapping[str, Array], Mapping[str, Array]]]:
    """Yield batches of texts with their tokens, and the texts that language models on untokenised text read."""
    for texts in token_texts():
        tokens = found_tokens(texts)
        rows = [_spaced(text) for text in texts or [""]]
        widths = np.zeros((len(rows), max(1, *map(len, rows), 0)), np.int64)
        for row, words in zip(widths, rows, strict=True):
            row[: len(words)] = [*map(len, words)]
        found = Texts.of(rows, widths, tokenized=False)
        expected = {
            "text": code_points(found.texts, 1).astype(np.int64),
            "sizes": np.array([*map(len, found.texts)], np.int64),
            "starts": found.begins.ravel(),
            "ends": found.ends.ravel(),
            "extents": found.extents,
        }
        yield {"text": code_points(texts), **{port: tokens[port] for port in ("starts", "ends", "lengths")}}, expected


def _spaced(text: str) -> list[Token]:
    """Return the tokens of a text with the spaces after each."""
    pieces = re.split("([ \0]+)", text.strip(" \0"))
    gaps = [*pieces[1::2], ""]
    return [Token(token, gap.count(" ")) for token, gap in zip(pieces[::2], gaps, strict=True) if token]


#: Texts whose lower case has another length, or depends on what is around a letter.
_CASED = (
    "\u0130",
    "x\u0130Y\u0130 \u0130",
    "\u0391\u03a3",
    "\u03a3",
    "\u0391\u03a3\u0301.\u0391 \u0391\u0301\u03a3",
    "\u1e9e A",
)


def character_cases(
    about: Characters, *, extended: bool = False
) -> Iterator[tuple[Mapping[str, Array], Mapping[str, Array]]]:
    """Yield texts with their sizes, and a language model's inputs for them (`parts.text_characters`).

    Args:
        about: How the model reads a text.
        extended: Whether texts come with extents beyond their ends.
    """
    codes = looked_up(about)
    rows = [codes[begin : begin + _WIDTH] for begin in range(0, len(codes), _WIDTH)]
    cased = [[*map(ord, text)] for text in _CASED] if about.lowercase else []
    batches: list[list[list[int]]] = [rows, [rows[0][:3], [], rows[-1], rows[0][:1]], [[]], *([cased] if cased else [])]
    for texts in batches:
        sizes = np.array([*map(len, texts)], np.int64)
        given = np.zeros((len(texts), max(1, int(sizes.max()))), np.int64)
        for row, text in zip(given, texts, strict=True):
            row[: len(text)] = text
        inputs, extents = {"text": given, "sizes": sizes}, np.zeros(len(texts), np.int64)
        if extended:
            extents = np.maximum(sizes + np.arange(len(texts)) % 4 - 1, 0)
            inputs["extents"] = extents
        yield inputs, _read(about, texts, extents.tolist())


def _read(about: Characters, texts: Sequence[Sequence[int]], extents: Sequence[int]) -> dict[str, Array]:
    alphabet = Alphabet(about.dictionary)
    start, end = (alphabet.encode(marker) for marker in (about.start_marker, about.end_marker))
    written = ["".join("\0" if code == NULL else chr(code) for code in text) for text in texts]
    letters = [text.lower() for text in written] if about.lowercase else written
    lengths = np.array([*map(max, map(len, letters), extents)], np.int64) + len(start) + len(end)
    width = max(1 + len(start) + len(end), int(lengths.max()))
    framed = np.full((len(texts), width), about.padding, np.int64)
    for row, text in zip(framed, letters, strict=True):
        ids = alphabet.encode(text if about.direction == "forward" else text[::-1])
        row[: len(start) + len(text) + len(end)] = np.concatenate([start, ids, end])
    return {"characters": np.ascontiguousarray(framed.T), "lengths": lengths}
