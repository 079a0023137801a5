"""Finds the tokens of a text among the words of a table (flair 0.15.1, embeddings/token.py 317-328 and 1156)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from assembler.parts.code_tables import emit_numbers
from assembler.parts.letters import decimal_digits
from assembler.parts.lower_case import emit_lower_case, emit_moved
from assembler.parts.word_index import KEY_BASE, WordIndex

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.interface.table_inputs import Words
    from assembler.onnx_model.emitter import Emitter

_INT64, _SPACE = "int64", 32


@dataclass(frozen=True, slots=True)
class _Spelled:
    """Tensors of a spelling of the texts, or of several spellings one below another.

    Attributes:
        text: The code points, int64 `[texts, characters]`, with a space between two tokens and 0 after the last.
        starts: Where tokens start, int64 `[texts, tokens]`.
        ends: Where they end; where they start, for a place after a text's last token.
    """

    text: str
    starts: str
    ends: str


def emit_look_up(emit: Emitter, words: Words) -> str:
    """Return the row of each token, int64 `[total_tokens]`: that of an unknown word where there is none.

    The inputs are those that a part of kind `text_tokens` gives: `text`, `sizes`, `starts` and `ends`.
    """
    index = WordIndex.of(words.words)
    sizes = emit.input("sizes")
    shape = emit.op("Concat", [emit.op("Shape", [sizes], "texts"), emit.integers("rest", [-1])], "grid_shape", axis=0)
    grids = [emit.op("Reshape", [emit.input(name), shape], f"{name}_grid") for name in ("starts", "ends")]
    written = _Spelled(emit.input("text"), *grids)
    spellings = [written] if words.rule == "exact" else _spellings(emit, written, sizes)
    found = _found(emit, index, spellings[0] if len(spellings) == 1 else _stacked(emit, spellings))
    unknown = emit.number("unknown", words.unknown, _INT64)
    none = emit.number("nothing_found", 0, _INT64)
    by_spelling = emit.op("Reshape", [found, emit.integers("by_spelling", [len(spellings), -1])], "found_by_spelling")
    for place in reversed(range(len(spellings))):
        rows = emit.op(
            "Gather", [by_spelling, emit.number(f"spelling_{place}", place, _INT64)], f"rows_{place}", axis=0
        )
        missing = emit.op("Less", [rows, none], f"missing_{place}")
        unknown = emit.op("Where", [missing, unknown, rows], f"row_{place}")
    return unknown


def _spellings(emit: Emitter, written: _Spelled, sizes: str) -> list[_Spelled]:
    """Return the texts as written, in lower case, and then with each digit as "#" and as "0"."""
    lowered = emit_lower_case(emit, written.text, sizes)
    starts = emit_moved(emit, lowered, written.starts, "starts")
    ends = emit_moved(emit, lowered, written.ends, "ends")
    digits = emit_numbers(emit, lowered.text, decimal_digits(), "digits/table/", "flags", "int8")
    digits = emit.op("Cast", [digits], "digits/here", to=9)
    texts = [lowered.text]
    for name, letter in (("hash", "#"), ("zero", "0")):
        sign = emit.number(f"digits/{name}", ord(letter), _INT64)
        texts.append(emit.op("Where", [digits, sign, lowered.text], f"digits/as_{name}"))
    return [_widened(emit, written, lowered.text), *(_Spelled(text, starts, ends) for text in texts)]


def _widened(emit: Emitter, written: _Spelled, like: str) -> _Spelled:
    """Return the texts as written, as wide as the lower-cased ones."""
    widths = [emit.op("Shape", [text], f"widened/{name}") for name, text in (("from", written.text), ("to", like))]
    room = emit.op("Sub", [widths[1], widths[0]], "widened/room")
    pads = emit.op("Concat", [emit.integers("widened/front", [0, 0]), room], "widened/pads", axis=0)
    return _Spelled(emit.op("Pad", [written.text, pads], "widened/text"), written.starts, written.ends)


def _stacked(emit: Emitter, spellings: list[_Spelled]) -> _Spelled:
    return _Spelled(
        emit.op("Concat", [each.text for each in spellings], "stacked/text", axis=0),
        emit.op("Concat", [each.starts for each in spellings], "stacked/starts", axis=0),
        emit.op("Concat", [each.ends for each in spellings], "stacked/ends", axis=0),
    )


def _found(emit: Emitter, index: WordIndex, spelled: _Spelled) -> str:
    """Return the row of each token of a spelling, int64 `[texts, tokens]`, or -1."""
    tokens, places = _places(emit, spelled)
    hashes = [_hash(emit, spelled, index, places, which) for which in range(len(index.primes))]
    word = _word(emit, index, hashes)
    none = emit.number("found/none", -1, _INT64)
    known = emit.op("Greater", [word, none], "found/known")
    word = emit.op("Max", [word, emit.number("found/first", 0, _INT64)], "found/word")
    same = emit.op("And", [known, _is(emit, index, spelled, (tokens, places), word)], "found/same")
    rows = emit.op("Gather", [emit.initializer("index/rows", index.rows), word], "found/rows", axis=0)
    return emit.op("Where", [same, emit.op("Cast", [rows], "found/row", to=7), none], "found")


def _places(emit: Emitter, spelled: _Spelled) -> tuple[str, str]:
    """Return for each character the token that it is in, and its place there, int64 `[texts, characters]`.

    A space has a place of the token before or after it, and what is after a text's end one of its last token.
    """
    is_space = emit.op("Equal", [spelled.text, emit.number("place/space", _SPACE, _INT64)], "place/is_space")
    spaces = emit.op("Cast", [is_space], "place/spaces", to=7)
    tokens = emit.op("CumSum", [spaces, emit.number("place/axis", 1, _INT64)], "place/token")
    starts = emit.op("GatherElements", [spelled.starts, tokens], "place/start", axis=1)
    shape = emit.op("Shape", [spelled.text], "place/shape")
    width = emit.op("Gather", [shape, emit.number("place/width_at", 1, _INT64)], "place/width", axis=0)
    zero = emit.number("place/zero", 0, _INT64)
    columns = emit.op("Range", [zero, width, emit.number("place/step", 1, _INT64)], "place/columns")
    return tokens, emit.op("Max", [emit.op("Sub", [columns, starts], "place/within"), zero], "place")


def _hash(emit: Emitter, spelled: _Spelled, index: WordIndex, places: str, which: int) -> str:
    """Return one hash of each token, int64 `[texts, tokens]`. Of a token that is too long for a word, it is another."""
    name = f"hash_{which}"
    last = emit.number(f"{name}/last", index.powers.shape[1] - 1, _INT64)
    power = emit.op("Min", [places, last], f"{name}/place")
    power = emit.op("Gather", [emit.initializer(f"{name}/powers", index.powers[which]), power], f"{name}/power", axis=0)
    power = emit.op("Cast", [power], f"{name}/factor", to=7)
    prime = emit.number(f"{name}/prime", index.primes[which], _INT64)
    letters = emit.op("Mod", [spelled.text, prime], f"{name}/letters")
    terms = emit.op("Mod", [emit.op("Mul", [letters, power], f"{name}/products"), prime], f"{name}/terms")
    return emit.op("Mod", [_sums(emit, terms, spelled, name), prime], name)


def _sums(emit: Emitter, terms: str, spelled: _Spelled, name: str) -> str:
    """Return the sum of the terms of each token's characters, int64 `[texts, tokens]`."""
    axis = emit.number(f"{name}/axis", 1, _INT64)
    sums = emit.op("CumSum", [terms, axis], f"{name}/sums")
    sums = emit.op("Pad", [sums, emit.integers(f"{name}/pads", [0, 1, 0, 0])], f"{name}/sums_before")
    ends, starts = (
        emit.op("GatherElements", [sums, places], f"{name}/at_{side}", axis=1)
        for side, places in (("end", spelled.ends), ("start", spelled.starts))
    )
    return emit.op("Sub", [ends, starts], f"{name}/sum")


def _word(emit: Emitter, index: WordIndex, hashes: Sequence[str]) -> str:
    """Return the place in the index of the word with all hashes, int64 `[texts, tokens]`, or -1."""
    bucket = _joined(emit, hashes[:2], index.primes[1], "bucket")
    begins = emit.op("Gather", [emit.initializer("index/begins", index.begins), bucket], "bucket/begins", axis=0)
    begins = emit.op("Cast", [begins], "bucket/begin", to=7)
    last = emit.integers("bucket/axis", [2])
    own = emit.initializer("bucket/places", np.arange(index.widest, dtype=np.int64))
    slots = emit.op("Add", [emit.op("Unsqueeze", [begins, last], "bucket/column"), own], "bucket/slots")
    none = emit.number("bucket/none", -1, _INT64)
    found = slots
    for number, keys in enumerate(index.keys):
        key = _joined(emit, hashes[2 + 2 * number : 4 + 2 * number], KEY_BASE, f"key_{number}")
        known = emit.op("Gather", [emit.initializer(f"index/keys_{number}", keys), slots], f"key_{number}/all", axis=0)
        column = emit.op("Unsqueeze", [key, last], f"key_{number}/column")
        same = emit.op("Equal", [emit.op("Cast", [known], f"key_{number}/known", to=7), column], f"key_{number}/same")
        found = emit.op("Where", [same, found, none], f"key_{number}/found")
    return emit.reduce_max(found, 2, "word")


def _joined(emit: Emitter, hashes: Sequence[str], base: int, name: str) -> str:
    """Return the first hash times a number, plus the second."""
    high = emit.op("Mul", [hashes[0], emit.number(f"{name}/base", base, _INT64)], f"{name}/high")
    return emit.op("Add", [high, hashes[1]], name)


def _is(emit: Emitter, index: WordIndex, spelled: _Spelled, places: tuple[str, str], word: str) -> str:
    """Return whether tokens have the code points of words of the index, bool `[texts, tokens]`."""
    tokens, within = places
    offsets = emit.initializer("index/offsets", index.offsets)
    begin = emit.op("Cast", [emit.op("Gather", [offsets, word], "word/begins", axis=0)], "word/begin", to=7)
    following = emit.op("Add", [word, emit.number("word/one", 1, _INT64)], "word/following")
    end = emit.op("Cast", [emit.op("Gather", [offsets, following], "word/ends", axis=0)], "word/end", to=7)
    length = emit.op("Sub", [end, begin], "word/length")
    own = emit.op("Sub", [spelled.ends, spelled.starts], "token/length")
    as_long = emit.op("Equal", [length, own], "word/as_long")
    at = emit.op("Add", [emit.op("GatherElements", [begin, tokens], "word/own_begin", axis=1), within], "word/places")
    last = emit.number("word/last", len(index.codes) - 1, _INT64)
    at = emit.op("Min", [at, last], "word/place")
    codes = emit.op("Gather", [emit.initializer("index/codes", index.codes), at], "word/codes", axis=0)
    equal = emit.op("Equal", [emit.op("Cast", [codes], "word/code", to=7), spelled.text], "word/equal")
    other = emit.op("Cast", [emit.op("Not", [equal], "word/differs")], "word/different", to=7)
    wrong = _sums(emit, other, spelled, "differences")
    right = emit.op("Equal", [wrong, emit.number("differences/none", 0, _INT64)], "word/right")
    return emit.op("And", [as_long, right], "word/is")
