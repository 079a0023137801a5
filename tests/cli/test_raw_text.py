"""Text that was not split into tokens is noticed, once, on stderr."""

from __future__ import annotations

import pytest

from assembler.cli.raw_text import noticed


@pytest.mark.parametrize(
    ("lines", "note"),
    [
        (["Das ist gut .", "ein\tWort"], "text:2: note: it has a tab"),
        (["Das ist gut. Sie kam an. Wir auch."], "text:1: note: it looks like several sentences"),
        (["Das ist es .", "Sie kam heute."], "text:2: note: punctuation comes right after a word"),
        (["她" * 300], "text:1: note: it is one token, for it has no space"),
    ],
)
def test_raw_text_is_noticed_once(lines: list[str], note: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert [*noticed(iter(lines * 3), "text")] == lines * 3
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(note)
    assert told.err.count("note:") == 1
    assert "--tokenizer segtok" in told.err


@pytest.mark.parametrize("line", ["Das ist gut .", "Am 3. Mai kam er .", "", "z. B. hier", "U.S. shares ."])
def test_tokens_are_passed_without_a_word(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert [*noticed(iter([line]), "text")] == [line]
    assert capsys.readouterr().err == ""
