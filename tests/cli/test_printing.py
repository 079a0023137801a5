"""What a model says of itself cannot steer a terminal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len

from assembler import assemble
from assembler.cli.columns import write_columns
from assembler.cli.main import main
from assembler.cli.printing import json_text, print_problems
from assembler.core.problems import Problem
from assembler.runtime import ClassifiedSentence, Span, TaggedSentence
from assembler.runtime.classifications import Classification, Label
from assembler.runtime.sentence import TaskTags

if TYPE_CHECKING:
    from pathlib import Path

    from assembler.cli.columns import Result

EVIL = "a\nb\tc\x1b[31m\x9b1m\u202ed\x7f\ud800"
WRITTEN_OUT = r"a\nb\tc\x1b[31m\x9b1m\u202ed\x7f\ud800"

SPEC = """version: 1
name: fine
description: "{}"
graph: {{one: {{kind: constant, value: [1], dtype: int64}}}}
outputs: {{y: one.tensor}}
"""


def built(folder: Path, description: str) -> Path:
    folder.mkdir()
    (folder / "spec.yaml").write_text(SPEC.format(description), encoding="utf-8")
    return assemble(folder / "spec.yaml", folder / "model.onnx").path


def printed(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    with pytest.raises(SystemExit) as left:
        main([str(word) for word in words])
    assert left.value.code == 0
    return capsys.readouterr().out


def test_inspect_and_diff_escape_what_steers_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil, plain = built(tmp_path / "a", r"\e]0;evil\a"), built(tmp_path / "b", "plain")
    capsys.readouterr()
    shown = printed(capsys, "inspect", evil)
    assert "\n\\x1b]0;evil\\x07\n" in shown
    assert not set(shown) & {"\x1b", "\x07"}
    difference = printed(capsys, "diff", evil, plain)
    assert "evil" in difference
    assert not set(difference) & {"\x1b", "\x07"}


def tagged(label: str, task: str) -> TaggedSentence:
    tags = TaskTags((label,), (0.5,), (Span(0, 1, label, 0.5),))
    return TaggedSentence(("x",), tags.labels, tags.scores, tags.spans, task, ((f"{task}2", tags),))


def classified(label: str, task: str) -> ClassifiedSentence:
    found = Classification((Label(label, 0.5),), (0.5,))
    return ClassifiedSentence(("x",), found.labels, found.probabilities, task, ((f"{task}2", found),))


@pytest.mark.parametrize("result", [tagged(EVIL, EVIL), classified(EVIL, EVIL)])
def test_a_label_and_a_task_end_no_line_and_no_column(result: Result, capsys: pytest.CaptureFixture[str]) -> None:
    write_columns([result])
    shown = capsys.readouterr().out
    like = tagged("L", "T") if isinstance(result, TaggedSentence) else classified("L", "T")
    write_columns([like])
    assert shown.count("\n") == capsys.readouterr().out.count("\n")
    assert shown.replace("\n", "").isprintable()
    assert shown.count(WRITTEN_OUT) == (8 if isinstance(result, TaggedSentence) else 4)


TOKENS = ("x\ty", "a\nb", "c\rd", "e\x0bf\x0c", "g\u2028h\x85", "ä\u00a0😀", "plain")


def test_a_token_ends_no_line_and_no_column(capsys: pytest.CaptureFixture[str]) -> None:
    labels = ("L",) * len(TOKENS)
    spans = (Span(0, len(TOKENS), "P", 0.5),)
    sentence = TaggedSentence(TOKENS, labels, (0.5,) * len(TOKENS), spans, "t")
    write_columns([sentence])
    *rows, span, last = capsys.readouterr().out.splitlines()
    shown = [r"x\ty", r"a\nb", r"c\rd", r"e\x0bf\x0c", r"g\u2028h\x85", r"ä\xa0😀", "plain"]
    assert [row.split() for row in rows] == [[token, "L", "0.5000"] for token in shown]
    assert {cell_len(row[: row.index("  L  ") + 2]) for row in rows} == {14}
    assert (span, last) == (f"# P 0.5000 [0, 7) {' '.join(shown)}", "")
    write_columns([ClassifiedSentence(TOKENS, (Label("L", 0.5),), (0.5,), "t")])
    assert capsys.readouterr().out == f"L 0.5000  {' '.join(shown)}\n"
    assert json.loads(json_text(sentence.as_dict()))["tokens"] == list(TOKENS)


@pytest.mark.parametrize("result", [tagged(EVIL, EVIL), classified(EVIL, EVIL)])
def test_json_escapes_what_steers_a_terminal_and_means_the_same(result: Result) -> None:
    text = json_text(result.as_dict())
    assert text.isprintable()
    assert json.loads(text) == json.loads(json.dumps(result.as_dict()))
    assert json_text(["\U000e0001ä😀"]) == '["\\udb40\\udc01ä😀"]'


def test_a_problem_has_no_line_that_a_name_made(capsys: pytest.CaptureFixture[str]) -> None:
    print_problems([Problem("W001", f"no '{EVIL}'", f"is it '{EVIL}'?", f"{EVIL}.yaml", 1, 2)], err=False)
    assert capsys.readouterr().out == (
        f"{WRITTEN_OUT}.yaml:1:2: W001 no '{WRITTEN_OUT}'\n    hint: is it '{WRITTEN_OUT}'?\n"
    )
    print_problems([Problem("P001", "tags differ:\n  'a'\na.yaml: fine\n    hint: --trust", "mend it")], err=False)
    assert capsys.readouterr().out == ("P001 tags differ:\n  'a'\n  a.yaml: fine\n  hint: --trust\n    hint: mend it\n")


def test_a_description_ends_no_section_of_inspect(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil = built(tmp_path / "a", r"plain\n\nproof\n  equal to all\n\tx")
    capsys.readouterr()
    shown = printed(capsys, "inspect", evil)
    assert "\nplain\n  \n  proof\n    equal to all\n  \\tx\n" in shown
    assert printed(capsys, "diff", evil, built(tmp_path / "b", "x")).count("\n  + ") > 0


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    "place", ["name: {}", "sources: {{{}: {{flair: x}}}}", "inputs: {{x: {{type: {}, shape: [n]}}}}"]
)
def test_check_shows_the_names_of_a_spec_on_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str, form: str
) -> None:
    name = r'"a\nb.yaml:1:1: W001 forged\e[31m\u009b1m"'
    path = tmp_path / "spec.yaml"
    path.write_text(f"version: 1\n{place.format(name)}\ngraph: {{}}\noutputs: {{y: x}}\n", encoding="utf-8")
    with pytest.raises(SystemExit) as left:
        main(["check", "--format", form, str(path)])
    assert left.value.code == 1
    shown = capsys.readouterr().out
    assert shown.replace("\n", "").isprintable()
    assert not [line for line in shown.splitlines() if line.startswith("b.yaml")]


def test_wrong_usage_escapes_the_words_of_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["inspect", "no\x1b[31m\x9b"])
    assert left.value.code == 2
    assert r"no\x1b[31m\x9b" in capsys.readouterr().err
