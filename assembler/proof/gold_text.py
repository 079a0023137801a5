"""Reads gold text, on which a lossy profile must keep its source's accuracy. `check` imports this too."""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from assembler.core.errors import SpecError
from assembler.core.problems import Problem
from assembler.core.regular_files import decoded
from assembler.spec.files import read_named, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.spec.stack_spec import Spec

#: Columns of CoNLL-U; of two columns, the second is the label; of any other number, as in IOB2 files, the third.
_CONLLU, _PLAIN = 10, 2
_FORMS = "CoNLL-U (column 4), columns with the label in the third, or token and label with a tab between"


@dataclass(frozen=True, slots=True)
class GoldSentence:
    """A sentence that a person has labelled: its tokens, and a label for each."""

    tokens: tuple[str, ...]
    labels: tuple[str, ...]


def read_gold(spec: Spec) -> tuple[GoldSentence, ...]:
    """Return the gold text of a spec's proof, if it names any.

    Blocks of lines with empty lines between are sentences. CoNLL-U's comments, ranges (`3-4`) and empty nodes (`3.1`)
    are skipped.

    Raises:
        SpecError: The file cannot be read or holds no sentence, a line is of another form or has no label, or
            `accuracy_loss` is set without a file (W031).
    """
    if spec.proof.gold is None:
        if spec.proof.accuracy_loss is not None:
            raise gold_error(spec, "proof: 'accuracy_loss' without 'gold' measures nothing", "name a file of gold text")
        return ()
    path = spec.folder / spec.proof.gold
    try:
        text = decoded(read_named(spec, spec.proof.gold), "utf-8-sig")
    except (OSError, UnicodeDecodeError) as err:
        reason = (err.strerror or str(err)) if isinstance(err, OSError) else "it is not UTF-8"
        message = f"proof: the gold text {path} cannot be read: {reason}"
        raise gold_error(spec, message, "paths are relative to the spec") from err
    found = tuple(_sentences(spec, text))
    if not found:
        raise gold_error(spec, f"proof: the gold text {path} holds no sentence", f"expected is {_FORMS}")
    return found


def gold_error(spec: Spec, message: str, hint: str) -> SpecError:
    """Return the error of a gold text (W031)."""
    return SpecError(Problem.at(spec.proof.gold_mark, "W031", message, hint))


def _sentences(spec: Spec, text: str) -> Iterator[GoldSentence]:
    rows: list[tuple[str, str]] = []
    for number, ended in enumerate(chain(io.StringIO(text, newline="\n"), [""]), start=1):
        line = ended.removesuffix("\n")
        cells = line.split("\t")
        if cells == [""]:
            if rows:
                yield GoldSentence(*zip(*rows, strict=True))
            rows = []
        elif len(cells) > 1 or not line.startswith("#"):  # a token "#" has a label after it, a comment has none
            pair = _pair(cells)
            if pair is not None and not all(part.strip() for part in pair):
                words = shown(spec, str(spec.proof.gold), f"{line!r:.80}")
                message = f"proof: line {number} of the gold text {spec.proof.gold} has no token and label{words}"
                raise gold_error(spec, message, f"expected is {_FORMS}")
            rows += [] if pair is None else [pair]


def _pair(cells: list[str]) -> tuple[str, str] | None:
    """Return a token and its label, empty if they are missing, or `None` for a row that is not a token."""
    if len(cells) <= _PLAIN:
        return cells[0], cells[1] if len(cells) == _PLAIN else ""
    if not cells[0].isdecimal():  # 3-4 and 3.1
        known = cells[0].replace("-", "").replace(".", "").isdecimal()
        return None if known else ("", "")
    return cells[1], cells[3 if len(cells) == _CONLLU else 2]
