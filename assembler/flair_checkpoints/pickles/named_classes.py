"""The classes that a pickle names, read from its operations without running any: what can be said of a file unread."""

from __future__ import annotations

import os
import pickletools
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO

from assembler.flair_checkpoints.pickles.archive import BEGINNING, read_archive
from assembler.flair_checkpoints.pickles.rejections import RefusalError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A released checkpoint has some hundred thousand operations before its tables of words.
_MOST_OPERATIONS = 1 << 20
#: The pickles before that of the value in torch's form before zip: a number, a version, the writer's machine.
_PICKLES = 4
_TEXTS = frozenset({"SHORT_BINUNICODE", "BINUNICODE", "UNICODE"})
_REMEMBER = frozenset({"MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT"})
_RECALL = frozenset({"BINGET", "LONG_BINGET", "GET"})
_CLASS = "__cls__"


def named_classes(stream: BinaryIO) -> list[str]:
    """Return the classes that a checkpoint names, dotted, and those it stores under `__cls__`, in their order.

    Nothing is run, and what cannot be followed ends the list: it serves messages, and decides nothing that is safe.

    Args:
        stream: The file, which must be able to seek.
    """
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    pickles = _PICKLES
    if stream.read(len(BEGINNING)) == BEGINNING:
        try:
            stream.seek(read_archive(stream, size).pickle.start)
        except RefusalError:
            return []
        pickles = 1
    else:
        stream.seek(0)
    found: dict[str, None] = {}
    try:
        for _ in range(pickles):
            found.update(dict.fromkeys(_of_pickle(stream)))
    except (ValueError, LookupError, UnicodeDecodeError, OverflowError, MemoryError, EOFError):  # as pickletools has it
        pass
    return list(found)


def _of_pickle(stream: BinaryIO) -> Iterator[str]:
    """Yield the names in one pickle. `None` is remembered in the place of each value that is no text."""
    last: list[str | None] = [None, None]  # the last two values
    memo: dict[int, str | None] = {}
    for operation, argument, _ in islice(pickletools.genops(stream), _MOST_OPERATIONS):
        name = operation.name
        if name in _REMEMBER:
            memo[len(memo) if argument is None else int(argument)] = last[1]
            continue
        if name == "GLOBAL":
            yield str(argument).replace(" ", ".")
        elif name == "STACK_GLOBAL" and None not in last:
            yield f"{last[0]}.{last[1]}"
        text = argument if name in _TEXTS else memo.get(int(argument or 0)) if name in _RECALL else None
        if last[1] == _CLASS and text is not None:
            yield text
        last = [last[1], text]
