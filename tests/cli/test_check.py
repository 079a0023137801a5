"""`assemble check`: exit codes, formats, folders, and nothing heavy imported."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import pytest

from assembler.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
GOOD = ROOT / "tests" / "good"
BAD = ROOT / "tests" / "bad"

FINE = """version: 1
name: fine
graph: {one: {kind: constant, value: 1, dtype: int64}}
outputs: {y: one.tensor}
"""
WRONG = FINE.replace("one.tensor", "two.tensor")


class Result(NamedTuple):
    code: object
    out: str
    err: str


class Assemble(Protocol):
    def __call__(self, *words: str | Path) -> Result: ...


@pytest.fixture
def assemble(capsys: pytest.CaptureFixture[str]) -> Iterator[Assemble]:
    """Run the command line in this process."""
    before = signal.getsignal(signal.SIGTERM)

    def run(*words: str | Path) -> Result:
        with pytest.raises(SystemExit) as left:
            main([str(word) for word in words])
        return Result(left.value.code, *capsys.readouterr())

    yield run
    signal.signal(signal.SIGTERM, before)


def test_a_spec_without_problems_is_reported_on_stdout_with_code_0(assemble: Assemble) -> None:
    assert assemble("check", GOOD / "one-input.yaml") == (0, "1 spec: no problems\n", "")


def test_problems_are_on_stdout_with_place_and_hint_and_the_code_is_1(assemble: Assemble, tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(WRONG, encoding="utf-8")
    result = assemble("check", path)
    assert result.code == 1
    assert result.err == ""
    assert result.out == (
        f"{path}:3:9: W006 the part 'one' feeds no output of the model\n"
        "    hint: feed it on, name it under 'outputs', or remove it\n"
        f"{path}:4:14: W009 the output 'y': there is no part 'two'\n"
        "    hint: parts: one\n"
        "1 spec: 2 problems\n"
    )


def test_json_has_the_same_records(assemble: Assemble, tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(WRONG, encoding="utf-8")
    result = assemble("check", "--format", "json", path)
    assert (result.code, result.err) == (1, "")
    told = json.loads(result.out)
    assert told["files"] == [str(path)]
    assert told["notes"] == []
    assert told["problems"][1] == {
        "code": "W009",
        "message": "the output 'y': there is no part 'two'",
        "hint": "parts: one",
        "file": str(path),
        "line": 4,
        "column": 14,
    }


def test_json_of_a_spec_without_problems_is_json_too(assemble: Assemble) -> None:
    path = GOOD / "one-input.yaml"
    result = assemble("check", "--format=json", path)
    assert (result.code, result.err) == (0, "")
    assert json.loads(result.out) == {"files": [str(path)], "problems": [], "notes": []}


def test_a_folder_means_all_specs_below_it_sorted(assemble: Assemble, tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    names = ["b.yaml", "deep/a.yml", "deep/er/c.yaml"]
    for name in [*names, "notes.txt", "deep/data.json"]:
        (tmp_path / name).write_text(FINE, encoding="utf-8")
    result = assemble("check", "--format", "json", tmp_path)
    assert result.code == 0
    assert json.loads(result.out)["files"] == [str(tmp_path / name) for name in names]


def test_several_specs_are_checked_even_if_the_first_is_wrong(assemble: Assemble, tmp_path: Path) -> None:
    for name in ("a.yaml", "c.yaml"):
        (tmp_path / name).write_text(WRONG, encoding="utf-8")
    (tmp_path / "b.yaml").write_text(FINE, encoding="utf-8")
    result = assemble("check", *sorted(tmp_path.iterdir()))
    assert result.code == 1
    assert result.out.count("W009") == 2
    assert result.out.endswith("3 specs: 4 problems\n")


def test_a_folder_without_a_spec_is_a_problem(assemble: Assemble, tmp_path: Path) -> None:
    result = assemble("check", tmp_path)
    assert result.code == 1
    assert f"{tmp_path}: Y002 holds no spec\n    hint: specs end in .yaml or .yml\n" in result.out


@pytest.mark.parametrize(
    "words", [["check"], ["check", "none.yaml"], ["check", "--stric", "."], ["check", "--format", "xml", "."]]
)
def test_wrong_usage_is_told_on_stderr_with_code_2(assemble: Assemble, words: list[str]) -> None:
    result = assemble(*words)
    assert (result.code, result.out) == (2, "")
    assert "Error: " in result.err


def test_a_path_that_is_not_there_is_named(assemble: Assemble) -> None:
    assert "'none.yaml' does not exist" in assemble("check", "none.yaml").err


def test_paths_that_leave_the_folder_are_a_problem_only_when_strict(assemble: Assemble, tmp_path: Path) -> None:
    path = tmp_path / "outside.yaml"
    path.write_text(FINE + "proof: {sentences: ../de.txt}\n", encoding="utf-8")
    assert assemble("check", path).code == 0
    result = assemble("check", "--strict", path)
    assert result.code == 1
    assert f"{path}:5:20: W018 the path '../de.txt' leaves the folder of the spec\n" in result.out
    path.write_text(FINE + "proof: {sentences: below/../de.txt}\n", encoding="utf-8")
    (tmp_path / "below").mkdir()
    (tmp_path / "de.txt").write_text("Hallo .\n", encoding="utf-8")
    assert assemble("check", "--strict", path).code == 0


def test_an_absolute_path_is_a_problem_when_strict_wherever_it_leads(assemble: Assemble, tmp_path: Path) -> None:
    path = tmp_path / "absolute.yaml"
    path.write_text(FINE + f"proof: {{sentences: {tmp_path / 'de.txt'}}}\n", encoding="utf-8")
    assert assemble("check", path).code == 0
    assert f"{path}:5:20: W018 " in assemble("check", "--strict", path).out


def test_a_link_that_leaves_the_folder_is_a_problem_when_strict(assemble: Assemble, tmp_path: Path) -> None:
    folder = tmp_path / "specs"
    folder.mkdir()
    (folder / "linked").symlink_to(tmp_path)
    path = folder / "a.yaml"
    path.write_text(FINE + "proof: {sentences: linked/de.txt}\n", encoding="utf-8")
    assert assemble("check", path).code == 0
    assert "W018" in assemble("check", "--strict", path).out


def test_a_link_to_itself_is_no_bug_when_strict(assemble: Assemble, tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    path = tmp_path / "a.yaml"
    path.write_text(FINE + "proof: {sentences: a}\n", encoding="utf-8")
    result = assemble("check", "--strict", path)
    assert (result.code, "W018" in result.out, "W014" in result.out) == (1, False, True)
    path.write_text(FINE + "proof: {sentences: a/../../de.txt}\n", encoding="utf-8")
    assert "W018 the path 'a/../../de.txt' leaves the folder" in assemble("check", "--strict", path).out


_LOCATIONS = [r"a\0b.onnx", r"\ud800.onnx", "a" * 300, r"\e[31mred.onnx", ""]


@pytest.mark.parametrize("location", _LOCATIONS)
@pytest.mark.parametrize("more", [[], ["--strict"], ["--format", "json"]])
def test_names_that_no_file_can_have_are_no_bug_and_steer_no_terminal(
    assemble: Assemble, tmp_path: Path, location: str, more: list[str]
) -> None:
    path = tmp_path / "a.yaml"
    text = 'version: 1\nname: a\nsources: {{lm: {{onnx: "{}"}}}}\ngraph: {{lm: {{kind: onnx, weights: lm}}}}\n'
    path.write_text(text.format(location) + "outputs: {y: lm.y}\n", encoding="utf-8")
    result = assemble("check", *more, path)
    assert result.code in {0, 1}
    assert "\x1b" not in result.out + result.err
    assert "\0" not in result.out + result.err


def test_what_could_not_be_checked_is_noted_on_stderr_and_in_json(assemble: Assemble) -> None:
    path = GOOD / "unicode.yaml"
    note = f"{path}: the ports of 'lm' are not checked: {GOOD / 'モデル/größe.onnx'} is not here"
    assert assemble("check", path) == (0, "1 spec: no problems\n", f"assemble: {note}\n")
    result = assemble("check", "--format", "json", path)
    assert (json.loads(result.out)["notes"], result.err) == ([note], "")


def test_all_bad_specs_at_once_give_code_1_in_both_formats(assemble: Assemble) -> None:
    text, records = assemble("check", BAD), assemble("check", "--format", "json", BAD)
    assert text.code == records.code == 1
    problems = json.loads(records.out)["problems"]
    assert text.out.endswith(f" specs: {len(problems)} problems\n")
    for problem in problems:
        assert f"{problem['code']} " in text.out
        assert set(problem) == {"code", "message", "hint", "file", "line", "column"}


def test_a_misspelled_command_is_told_with_the_nearest(assemble: Assemble) -> None:
    result = assemble("chek", "specs")
    assert (result.code, result.out) == (2, "")
    assert "'chek' is neither a command nor a spec that is here. Did you mean 'check'?" in result.err


def test_a_folder_given_for_a_spec_points_to_check(assemble: Assemble) -> None:
    result = assemble(GOOD)
    assert (result.code, result.out) == (2, "")
    assert f"'{GOOD}' is a folder. `assemble check {GOOD}` checks the specs in it; `assemble SPEC`" in result.err


def test_a_word_that_is_near_no_command_points_to_the_help(assemble: Assemble) -> None:
    result = assemble("zzzzz")
    assert result.code == 2
    assert "`assemble --help` lists the commands." in result.err


def test_the_schema_command_prints_and_writes_the_same(assemble: Assemble, tmp_path: Path) -> None:
    path = tmp_path / "stack.json"
    printed = assemble("schema")
    written = assemble("schema", "-o", path)
    assert printed.code == written.code == 0
    assert path.read_text(encoding="utf-8") == printed.out


_HEAVY = ("onnx", "torch", "flair", "numpy", "onnxruntime", "onnx_graphsurgeon", "transformers", "matplotlib", "scipy")

_PROGRAM = """
import sys
from assembler.cli.main import main
try:
    main(["check", "--strict", *sys.argv[1:]])
except SystemExit as left:
    print("code", left.code)
print("modules", *sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_check_imports_neither_onnx_torch_flair_nor_numpy() -> None:
    """But for a spec with a part of the kind `operator`, which needs the schemas that onnx has of its operators."""
    good = [path for path in sorted(GOOD.glob("*.yaml")) if "kind: operator" not in path.read_text(encoding="utf-8")]
    command = [sys.executable, "-c", _PROGRAM, str(ROOT / "specs"), str(BAD), *map(str, good)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    code, modules = run.stdout.splitlines()[-2:]
    assert code == "code 1"
    loaded = set(modules.split())
    assert {"modules", "assembler", "yaml", "jsonschema", "networkx"} <= loaded
    assert loaded.isdisjoint(_HEAVY)


def test_the_installed_command_gives_the_exit_code_to_the_shell(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(WRONG, encoding="utf-8")
    command = [sys.executable, "-c", "from assembler.cli.main import main; main()", "check"]
    for spec, code in ((GOOD / "one-input.yaml", 0), (path, 1), (tmp_path / "none", 2)):
        assert subprocess.run([*command, str(spec)], capture_output=True, check=False).returncode == code


@pytest.mark.parametrize("command", ["build", "check", "graph", "bench"])
@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        (
            "my tagger.pt",
            b"PK\x03\x04",
            "is no spec but a checkpoint\n    hint: `assemble init '{}' -o 'my tagger.yaml'`",
        ),
        (
            "lm",
            b"\x80\x02\x8a\nl\xfc\x9c",
            "is no spec but a checkpoint\n    hint: `assemble init {} -o lm.yaml` writes",
        ),
        (
            "old.bin",
            b"\x00" * (1 << 21),
            "is no spec but a checkpoint\n    hint: `assemble init {} -o old.yaml` writes",
        ),
        (
            "m.onnx",
            b"\x08\x08\x12\x09",
            "is no spec but an ONNX model\n    hint: `assemble inspect {}` shows what is in",
        ),
        ("cut.onnx", b"x\x00", "is no spec but an ONNX model\n    hint: `assemble inspect {}` shows what is in it, `"),
    ],
)
def test_a_checkpoint_or_a_model_given_for_a_spec_is_recognised(
    assemble: Assemble, tmp_path: Path, command: str, name: str, data: bytes, told: str
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    result = assemble(command, path)
    assert result.code == 1
    if command == "bench" and name.endswith(".onnx"):  # which measures models too
        assert f"{path}: M011 is not an ONNX model" in result.err
        return
    assert f"{path}: Y002 {told.format(path)}" in result.out + result.err


def test_text_is_a_spec_whatever_its_name(assemble: Assemble, tmp_path: Path) -> None:
    path = tmp_path / "spec.onnx"
    path.write_text(FINE, encoding="utf-8")
    assert assemble("check", path).code == 0


def test_sentences_that_are_missing_beside_the_spec_are_a_problem(assemble: Assemble, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(FINE + "proof: {sentences: texts/de.txt}\n", encoding="utf-8")
    result = assemble("check", path)
    assert result.code == 1
    told = f"{path}:5:20: W014 proof: the sentences {tmp_path / 'texts' / 'de.txt'} are not there\n    hint: paths are"
    assert told in result.out
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "de.txt").write_text("Hallo .\n", encoding="utf-8")
    assert assemble("check", path).code == 0


@pytest.mark.parametrize(("location", "told"), [("sub/a.pt", True), ("de-pos", False), ("flair/de-pos", False)])
def test_a_checkpoint_that_is_not_here_is_noted(
    assemble: Assemble, tmp_path: Path, location: str, *, told: bool
) -> None:
    path = tmp_path / "two-heads.yaml"
    text = (GOOD / "two-heads.yaml").read_text(encoding="utf-8").replace("{flair: pos.pt}", f"{{flair: {location}}}")
    path.write_text(text, encoding="utf-8")
    result = assemble("check", path)
    note = f"assemble: {path}: the source 'pos' is not checked: {tmp_path / location} is not here\n"
    assert (result.code, result.err) == (0, note if told else "")


def test_a_file_that_cannot_be_looked_at_is_a_problem_and_the_others_are_checked(
    assemble: Assemble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "b.yaml").write_text(FINE, encoding="utf-8")
    (tmp_path / "gone.yaml").symlink_to("nowhere.yaml")
    (tmp_path / ".#b.yaml").symlink_to("somebody@machine.1")
    (tmp_path / "late.yaml").write_text(FINE, encoding="utf-8")
    walk = os.walk

    def walked(path: Path, onerror: Callable[[OSError], None]) -> Iterator[tuple[str, list[str], list[str]]]:
        yield from walk(path)
        (tmp_path / "late.yaml").unlink()
        yield str(path), [], ["vanished.yaml"]
        onerror(PermissionError(13, "Permission denied", str(path / "closed")))

    monkeypatch.setattr(os, "walk", walked)
    result = assemble("check", tmp_path)
    assert result.code == 1
    assert result.out == (
        f"{tmp_path}/closed: Y002 cannot be read: Permission denied\n"
        f"{tmp_path}/gone.yaml: Y002 cannot be read: No such file or directory\n"
        f"{tmp_path}/late.yaml: Y002 cannot be read: No such file or directory\n"
        f"{tmp_path}/vanished.yaml: Y002 cannot be read: No such file or directory\n"
        "2 specs: 4 problems\n"
    )
