"""What `init` writes is read back as the text that it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assembler.initialisation.naming import quoted
from assembler.spec.yaml_text import parse

LIKE_SOMETHING_ELSE = ["null", "Null", "NULL", "TRUE", "True", "false", "FALSE", "1e5", "1.0", "12", ".5", "0"]


@pytest.mark.parametrize("text", [*LIKE_SOMETHING_ELSE, "~", "", "---", "a: b", "#", "a, b", "\x7f", "\x85", "\ufeff"])
def test_what_would_be_read_as_something_else_is_quoted(text: str) -> None:
    assert quoted(text).startswith('"')
    assert parse(f"{{a: {quoted(text)}}}", "").root == {"a": text}


@pytest.mark.parametrize(
    "text", ["weights/demo-pos.pt", "../a.pt", "flair/ner-english", "refs/pr/4", "a@b", "nul", "1e5.pt", "..."]
)
def test_plain_names_stay_plain(text: str) -> None:
    assert quoted(text) == text
    assert parse(f"a: {text}", "").root == {"a": text}


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_any_text_is_read_back(text: str) -> None:
    assert parse(f"a: {quoted(text)}", "").root == {"a": text}
    assert parse(f"{{a: {quoted(text)}, b: 1}}", "").root == {"a": text, "b": 1}
