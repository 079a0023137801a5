"""Cuts a table of words down to those that a spec keeps.

A cut table is not equal to its source: dropped words are looked up like words that the table never had. So the file
declares the words that were kept, and a proof says how many sentences it had to leave out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from assembler.core.errors import SpecError
from assembler.core.problems import Problem
from assembler.runtime.vocabulary import Vocabulary
from assembler.spec.files import read_named, shown
from assembler.weights.tables import Cut, TableWeights

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from assembler.core.arrays import Arrays
    from assembler.interface.table_inputs import Words
    from assembler.spec.stack_spec import Node, Spec

#: How many of the words that a table lacks are named.
_SHOWN = 5


def cut_as_told(spec: Spec, node: Node, weights: TableWeights) -> TableWeights:
    """Return the table of a node with the words that `keep` or `keep_first` keep, in the table's order.

    Raises:
        SpecError: The file of words cannot be read, is empty, or names words that the table lacks; or there is nothing
            to cut (W021).
    """
    first, file = node.parameters.get("keep_first"), node.parameters.get("keep")
    if first is None and file is None:
        return weights
    total = len(weights.words.words)
    key = "keep" if file is not None else "keep_first"
    if weights.words.rule == "hash":
        raise _problem(spec, node, key, "its rows are found by a hash, there are no words to cut")
    if isinstance(first, int):
        if first >= total:
            raise _problem(spec, node, key, f"{key} is {first}, the table has {total} words", "leave it out")
        return _cut(weights, range(first))
    return _cut(weights, _rows_of(spec, node, weights.words, _read(spec, node, str(file))))


def _problem(spec: Spec, node: Node, key: str, message: str, hint: str | None = None) -> SpecError:
    mark = spec.document.mark(("graph", node.name, key))
    return SpecError(Problem.at(mark, "W021", f"{node.name}: {message}", hint))


def _read(spec: Spec, node: Node, location: str) -> list[str]:
    path = spec.folder / location
    try:
        text = read_named(spec, location).decode()
        words = [line.removesuffix("\r") for line in text.split("\n")]  # a word may hold any other break of a line
    except (OSError, UnicodeDecodeError) as err:
        reason = err.strerror if isinstance(err, OSError) else "it is not UTF-8"
        raise _problem(spec, node, "keep", f"the words to keep, {path}, cannot be read: {reason}") from err
    words = [word for word in dict.fromkeys(words) if word]
    if not words:
        message = f"the file {path} holds no word"
        raise _problem(spec, node, "keep", message, "one a line, as the table spells it")
    return words


def _rows_of(spec: Spec, node: Node, words: Words, kept: Sequence[str]) -> list[int]:
    row_of = {word: row for row, word in enumerate(words.words) if word}
    lacking = [word for word in kept if word not in row_of]
    if lacking:
        first = ", ".join(f"'{word}'" for word in lacking[:_SHOWN]) + (", …" if len(lacking) > _SHOWN else "")
        words_of_it = shown(spec, str(node.parameters["keep"]), first)
        message = f"the table lacks {len(lacking)} of the {len(kept)} words to keep{words_of_it}"
        raise _problem(spec, node, "keep", message, "write words as the table spells them, one a line")
    return sorted(row_of[word] for word in kept)


def _cut(weights: TableWeights, rows: Iterable[int]) -> TableWeights:
    """Return the table with some rows, and with the row of unknown words, which stays before or after them."""
    whole, unknown = weights.words, weights.words.unknown
    kept = np.unique([*rows, unknown])
    listed = [int(row) for row in kept if row < len(whole.words)]

    def run(inputs: Arrays) -> Arrays:
        return weights.reference({"words": kept[np.asarray(inputs["words"], dtype=np.int64)]})

    words = replace(
        whole,
        words=tuple(whole.words[row] for row in listed),
        unknown=int(np.searchsorted(kept, unknown)),
        rows=len(kept),
        of=len(whole.words),
    )
    return TableWeights(weights.table[kept], words, run, Cut(whole, frozenset(kept.tolist())))


def sentences_that_keep(sentences: Sequence[Sequence[str]], tables: Iterable[TableWeights]) -> list[Sequence[str]]:
    """Return the sentences without dropped words, whose words are all found as in the source."""
    left = list(sentences)
    for cut in (table.cut for table in tables if table.cut is not None):
        whole = cut.whole
        vocabulary = Vocabulary("", whole.rule, whole.words, whole.unknown, whole.method, whole.rows)
        left = [tokens for tokens in left if cut.rows.issuperset(vocabulary.rows_of(tokens))]
    return left
