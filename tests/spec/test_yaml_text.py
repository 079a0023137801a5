"""YAML text to values and places, safely whatever the text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from assembler.core.errors import SpecError
from assembler.spec.yaml_text import MAXIMUM_BYTES, MAXIMUM_DEPTH, MAXIMUM_VALUES, Document, parse, read_text

if TYPE_CHECKING:
    from pathlib import Path

    from assembler.core.problems import Mark, Problem
    from assembler.spec.yaml_text import KeyPath


def problems(text: str) -> tuple[Problem, ...]:
    with pytest.raises(SpecError) as caught:
        parse(text, "a.yaml")
    return caught.value.problems


def codes(text: str) -> list[str]:
    return [problem.code for problem in problems(text)]


def text_at(document: Document, path: KeyPath, *, key: bool = False) -> str:
    mark = document.key_mark(path) if key else document.mark(path)
    return document.text.splitlines()[mark.line - 1][mark.column - 1 :]


# Scalars


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("tRUE", "tRUE"),
        ("null", None),
        ("~", None),
        ("", None),
        ("nULL", "nULL"),
        ("7", 7),
        ("-7", -7),
        ("007", 7),
        ("0o17", "0o17"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2001-01-01", "2001-01-01"),
        ("٣", "٣"),
        ("1e-5", 1e-5),
        ("1.e5", 1e5),
        (".5", 0.5),
        ("1e999", "1e999"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("=", "="),
        ("'7'", "7"),
        ('"true"', "true"),
        ("|\n  7", "7\n"),
        (">-\n  null", "null"),
    ],
)
def test_a_scalar_means_what_yaml_1_2_says(text: str, value: object) -> None:
    root = parse(f"a: {text}\n", "a.yaml").root
    assert root == {"a": value}
    assert isinstance(root, dict)
    assert type(root["a"]) is type(value)


def test_a_number_of_a_hundred_thousand_digits_stays_text() -> None:
    digits = "9" * 100_000
    assert parse(f"a: {digits}", "a.yaml").root == {"a": digits}
    assert parse(f"a: {'9' * 40}", "a.yaml").root == {"a": int("9" * 40)}
    assert parse(f"a: {'9' * 41}", "a.yaml").root == {"a": "9" * 41}


def test_a_merge_key_is_a_key_like_any_other() -> None:
    assert parse("<<: {a: 1}", "a.yaml").root == {"<<": {"a": 1}}


# What the language does not have


def test_tags_are_refused_and_nothing_is_constructed() -> None:
    found = problems("a: !!python/object/apply:os.system [exit 1]\nb: !mine x\n")
    assert [(p.code, p.line, p.column) for p in found] == [("Y003", 1, 4), ("Y003", 2, 4)]
    assert "python/object/apply:os.system" in found[0].message


def test_each_anchor_and_alias_is_named() -> None:
    found = problems("a: &first [1]\nb: *first\n")
    assert [(p.code, p.line, p.column, p.message.split(":")[0]) for p in found] == [
        ("Y005", 1, 4, "'&first'"),
        ("Y005", 2, 4, "'*first'"),
    ]


def test_an_alias_bomb_of_a_thousand_million_million_entries_is_refused_before_it_is_built() -> None:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 8)}]" for n in range(1, 17)]
    found = problems("\n".join(lines))
    assert {problem.code for problem in found} == {"Y005"}
    assert len(found) == 17 + 16 * 8


def test_an_anchor_that_refers_to_itself_is_refused() -> None:
    assert codes("a: &a [*a]") == ["Y005", "Y005"]


@pytest.mark.parametrize("bomb", ["[" * 10_000, "{a: " * 10_000, "- " * 10_000, "? " * 10_000, "[" * 200_000])
def test_ten_thousand_nested_levels_are_a_problem_and_no_recursion(bomb: str) -> None:
    found = problems(f"x: 1\ny:\n  {bomb}")
    assert [problem.code for problem in found] == ["Y006"]
    assert "deeper than 24 levels" in found[0].message


def test_the_deepest_nesting_allowed_is_read() -> None:
    parse("[" * MAXIMUM_DEPTH + "]" * MAXIMUM_DEPTH, "a.yaml")
    assert codes("[" * (MAXIMUM_DEPTH + 1) + "]" * (MAXIMUM_DEPTH + 1)) == ["Y006"]


@pytest.mark.parametrize(("entry", "values"), [("k{}: 1\n", 2), ("k{}: {{q: [1, x]}}\n", 6)])
def test_a_text_of_too_many_values_is_refused_where_they_begin_to_be_too_many(entry: str, values: int) -> None:
    most = (MAXIMUM_VALUES - 1) // values  # the mapping around them is one
    text = "".join(entry.format(number) for number in range(most))
    parse(text, "a.yaml")
    (found,) = problems(text + "last: [1, 2, 3, 4, 5]\n" * 40)
    assert (found.code, found.line) == ("Y006", most + 1)
    assert found.message == "holds more than 30000 keys and values, the most a spec may have"


def test_a_key_twice_is_refused_however_it_is_quoted_and_both_lines_are_named() -> None:
    (found,) = problems("a: 1\nb: 2\n\"a\": 3\n'c': 4\n")
    assert (found.code, found.line, found.column) == ("Y004", 3, 1)
    assert found.message == "the key 'a' occurs twice; first in line 1"


@pytest.mark.parametrize("key", ["1", "1.5", "true", "null", "~", "[a]", "{a: b}"])
def test_a_key_that_is_no_text_is_refused(key: str) -> None:
    (found,) = problems(f"? {key}\n: x\n")
    assert (found.code, found.line, found.column) == ("Y008", 1, 3)
    assert found.hint == "put the key in quotes"


def test_duplicate_keys_and_keys_that_are_no_text_are_reported_together() -> None:
    assert codes("a: 1\na: 2\n3: 4\nb: {c: 1, c: 2}\n") == ["Y004", "Y008", "Y004"]


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n---\n", "a: 1\n---\nb: 2\n"])
def test_anything_but_one_document_is_refused(text: str) -> None:
    assert codes(text) == ["Y007"]


@pytest.mark.parametrize("text", [r'a: "\UFFFFFFFF"', r'a: "\U00110000"', f"%YAML 1.{'1' * 5000}\n---\na: 1"])
def test_numbers_in_escapes_and_directives_that_pyyaml_chokes_on_are_a_problem(text: str) -> None:
    (found,) = problems(text)
    assert (found.code, found.file) == ("Y001", "a.yaml")
    assert "too large" in found.message


def test_a_character_that_yaml_forbids_is_named_with_its_place() -> None:
    (found,) = problems("a: 1\r\n😀b: \x07\r\n")
    assert (found.code, found.line, found.column) == ("Y001", 2, 5)
    assert "U+0007" in found.message


def test_a_tab_for_indentation_gets_a_hint() -> None:
    (found,) = problems("a:\n\tb: 1\n")
    assert (found.code, found.line, found.column) == ("Y001", 2, 1)
    assert found.hint == "a tab cannot indent YAML: use spaces"


# Places


def test_columns_count_code_points_behind_emoji_and_wide_characters() -> None:
    document = parse("{'😀': '数千', größe: 'é', z: [ab, '🧑‍🚀', c]}", "a.yaml")
    assert text_at(document, ("z",), key=True).startswith("z: [ab")
    assert text_at(document, ("z", 2)) == "c]}"
    assert document.mark(("z", 2)).column == document.text.index("c]}") + 1


def test_places_are_the_same_with_windows_line_ends_and_a_byte_order_mark(tmp_path: Path) -> None:
    text = "version: 1\ngraph:\n  a: {kind: x}\n"
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert read_text(path).startswith("version: 1\r\n")
    windows = parse(read_text(path), "a.yaml")
    plain = parse(text, "a.yaml")
    assert windows.values == plain.values
    assert windows.keys == plain.keys
    assert plain.mark(("graph", "a", "kind")).line == 3
    assert plain.mark(("graph", "a", "kind")).column == 13


def test_a_path_that_is_not_there_has_the_place_of_what_is_around_it() -> None:
    document = parse("a:\n  b: 1\n", "a.yaml")
    assert document.mark(("a", "c", "d")) == document.mark(("a",))
    assert document.key_mark(("a", "c")) == document.mark(("a",))
    assert (document.mark(()).line, document.mark(()).column) == (1, 1)


_WORDS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=8)


@given(st.dictionaries(_WORDS, st.lists(_WORDS, min_size=1, max_size=4), min_size=1), st.sampled_from(["\n", "\r\n"]))
def test_every_place_points_at_the_first_character_of_its_key_or_value(entries: dict[str, list[str]], end: str) -> None:
    def quoted(word: str) -> str:
        return "'" + word.replace("'", "''") + "'"

    lines = [f"{quoted(key)}: [{', '.join(quoted(word) for word in words)}]" for key, words in entries.items()]
    document = parse(end.join(lines), "a.yaml")
    assert document.root == entries
    for key, words in entries.items():
        assert text_at(document, (key,), key=True).startswith(quoted(key))
        assert text_at(document, (key,)).startswith("[")
        for index, word in enumerate(words):
            assert text_at(document, (key, index)).startswith(quoted(word))


# Any text at all

_ALPHABET = st.sampled_from(
    [*"{}[]:,-?!&*|>'\"%@`#~ \t\n\r\\aeU0x1.<=", "\ufeff", "\x85", "\u2028", "😀", "\x00", "\ud800"]
)


@given(st.one_of(st.text(), st.text(_ALPHABET, max_size=60), st.lists(st.text(_ALPHABET, max_size=9)).map("\n".join)))
@example('"\\UFFFFFFFF"')
@example("%YAML 1." + "1" * 5000)
@example("%TAG ! x\n---\n!a b")
@example("!%FF")
@example("a: \ud800")
@example('"\\ud800"')
def test_any_text_is_read_or_refused_with_a_problem(text: str) -> None:
    found: tuple[Problem, ...] = ()
    places: list[Mark] = []
    try:
        places = list(parse(text, "a.yaml").values.values())
    except SpecError as err:
        found = err.problems
    assert bool(found) != bool(places)
    assert all(problem.code.startswith("Y") and problem.file == "a.yaml" for problem in found)
    assert all(mark.line >= 1 and mark.column >= 1 for mark in places)


_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**9), 10**9), _WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_WORDS, inner, max_size=4)),
    max_leaves=12,
)


@given(_JSON)
def test_what_is_written_as_json_is_read_back(value: object) -> None:
    import json

    text = json.dumps(value, ensure_ascii=False)
    assume(text.count("[") + text.count("{") < MAXIMUM_DEPTH)
    assert parse(text, "a.yaml").root == value


# Files


def test_a_file_that_is_not_utf_8_is_refused_at_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes("version: 1\nname: größe\n".encode("latin-1"))
    with pytest.raises(SpecError, match="is not UTF-8: byte 0xf6") as caught:
        read_text(path)
    (found,) = caught.value.problems
    assert (found.code, found.file, found.line, found.column) == ("Y002", str(path), 2, 9)
    assert found.hint == "save the file as UTF-8"


def test_a_file_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be read: No such file") as caught:
        read_text(tmp_path / "none.yaml")
    assert caught.value.problems[0].code == "Y002"


def test_a_file_of_one_byte_too_many_is_refused_and_one_less_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_bytes(b"#" * MAXIMUM_BYTES)
    assert len(read_text(path)) == MAXIMUM_BYTES
    path.write_bytes(b"#" * (MAXIMUM_BYTES + 1))
    with pytest.raises(SpecError, match="larger than 1048576 bytes") as caught:
        read_text(path)
    assert caught.value.problems[0].code == "Y006"
