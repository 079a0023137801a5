"""`check --strict` opens nothing outside a spec's folder, shows nothing of it, and hangs on nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from onnx import TensorProto, helper, load, save
from onnx.onnx_ml_pb2 import DESCRIPTOR

import assembler.core.regular_files as files
from assembler.core.problems import Guesses, Known, suggest
from assembler.onnx_file.external_data import PATHS
from assembler.workflows.checking import check

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "hunter2-do-not-show"  # noqa: S105 - what must not be printed

HEAD = """version: 1
name: stranger
inputs: {{x: {{type: float32, shape: [rows, 2]}}, w: {{type: int64, shape: [rows]}}}}
sources: {{lm: {{onnx: {onnx}}}, tagger: {{flair: {flair}}}}}
graph:
  lm: {{kind: onnx, weights: lm, inputs: {{x: x}}}}
  table: {{kind: embedding, weights: tagger.embeddings.0, keep: {keep}, inputs: {{words: w}}}}
outputs: {{y: lm.y, t: table.rows}}
proof: {{sentences: {sentences}, gold: {gold}}}
"""
PLACES = {"onnx": "lm.onnx", "flair": "tagger.pt", "keep": "words.txt", "sentences": "de.txt", "gold": "gold.tsv"}
LINES = {"onnx": 4, "flair": 4, "keep": 7, "sentences": 9, "gold": 9}


def model(path: Path) -> None:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 2])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 2])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a stranger's spec, whole; beside it lies what must not be read."""
    inside = tmp_path / "inside"
    (inside / "sub").mkdir(parents=True)
    model(inside / "lm.onnx")
    (inside / "words.txt").write_text("a\n", encoding="utf-8")
    (inside / "de.txt").write_text("a b\n", encoding="utf-8")
    (inside / "gold.tsv").write_text("a\tX\n", encoding="utf-8")
    (tmp_path / "secret").write_text(f"{SECRET}\n", encoding="utf-8")
    (inside / "link").symlink_to("../secret")
    (inside / "door").symlink_to("..")
    (inside / "absolute").symlink_to(tmp_path / "secret")
    (inside / "chain").symlink_to("sub/back")
    (inside / "sub" / "back").symlink_to("../link")
    (inside / "self").symlink_to("/proc/self")
    return inside


def written(folder: Path, **places: str) -> Path:
    path = folder / "stack.yaml"
    path.write_text(HEAD.format(**{**PLACES, **places}), encoding="utf-8")
    return path


OUTSIDE = [
    "../secret", "sub/../../secret", "none/../../secret", "link", "door/secret", "chain", "absolute", "sub/back",
    "./././../secret", "door/inside/../secret", "/etc/passwd", "/dev/zero", "/proc/self/environ", "self/environ",
    "self/cwd/../secret", "lm.onnx/../../secret",
]  # fmt: skip


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Return the real paths of all that is opened to be read."""
    names: list[str] = []
    real = os.open

    def spy(*words: object, **more: object) -> int:
        descriptor = real(*words, **more)  # type: ignore[arg-type]
        names.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        return descriptor

    monkeypatch.setattr(files.os, "open", spy)
    return names


@pytest.mark.parametrize("location", OUTSIDE)
@pytest.mark.parametrize("key", PLACES)
def test_no_key_of_a_strangers_spec_opens_a_file_outside(
    folder: Path, opened: list[str], key: str, location: str
) -> None:
    path = written(folder, **{key: location})
    result = check(path, strict=True)
    (wrong,) = [problem for problem in result.problems if problem.code == "W018"]
    assert wrong.message == f"the path '{location}' leaves the folder of the spec"
    assert wrong.line == LINES[key]
    assert SECRET not in "\n".join([*map(str, result.problems), *result.notes])
    assert opened
    assert all(Path(name).is_relative_to(folder) for name in opened), opened


def test_links_that_stay_inside_are_followed_also_when_strict(folder: Path) -> None:
    (folder / "sub" / "gold").symlink_to("../gold.tsv")
    (folder / "here").symlink_to("sub")
    assert check(written(folder, gold="here/gold"), strict=True).problems == ()
    (folder / "gold.tsv").write_text("a\n", encoding="utf-8")
    (wrong,) = check(written(folder, gold="here/gold"), strict=True).problems
    assert (wrong.code, "has no token and label: 'a'" in wrong.message) == ("W031", True)


def test_without_strict_a_file_outside_is_read_but_its_lines_are_not_shown(folder: Path) -> None:
    (wrong,) = check(written(folder, gold="../secret")).problems
    assert wrong.message == "proof: line 1 of the gold text ../secret has no token and label"
    assert check(written(folder, onnx="../inside/lm.onnx", gold="../inside/gold.tsv")).problems == ()


@pytest.mark.parametrize("key", PLACES)
@pytest.mark.parametrize("what", ["fifo", "folder", "/dev/zero", "socket"])
@pytest.mark.parametrize("strict", [False, True])
def test_what_is_no_regular_file_is_a_problem_and_never_read(
    folder: Path, opened: list[str], key: str, what: str, *, strict: bool
) -> None:
    if what.startswith("/"):
        (folder / "it").symlink_to(what)
    elif what == "fifo":
        os.mkfifo(folder / "it")
    elif what == "folder":
        (folder / "it").mkdir()
    else:
        import socket

        here = Path.cwd()
        with socket.socket(socket.AF_UNIX) as listening:
            os.chdir(folder)
            try:
                listening.bind("it")
            finally:
                os.chdir(here)
    result = check(written(folder, **{key: "it"}), strict=strict)
    (wrong,) = result.problems
    expected = {"onnx": "R001", "flair": "R001", "keep": "W021", "sentences": "W014", "gold": "W031"}
    assert wrong.code == ("W018" if strict and what.startswith("/") else expected[key])
    assert wrong.line == LINES[key]
    assert not any(name in {"/dev/zero", str(folder / "it")} for name in opened)


def test_a_gold_text_without_end_is_refused_by_its_size(folder: Path) -> None:
    with (folder / "gold.tsv").open("wb") as stream:
        stream.truncate(1 << 40)
    (wrong,) = check(written(folder), strict=True).problems
    assert wrong.code == "W031"
    assert "cannot be read: it is larger than 33554432 bytes" in wrong.message


@pytest.mark.parametrize("location", ["x" * 300, "a/" * 3000 + "x", "~/secret", "~root/secret", "de.txt/x", "loop"])
def test_a_path_that_no_file_can_have_is_no_bug(folder: Path, location: str) -> None:
    (folder / "loop").symlink_to("loop")
    for strict in (False, True):
        result = check(written(folder, gold=location), strict=strict)
        (wrong,) = result.problems
        assert wrong.code == "W031"
        assert "cannot be read: " in wrong.message
        check(written(folder, onnx=location, keep=location, sentences=location), strict=strict)


def test_whether_a_name_is_a_file_outside_is_not_told(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    (folder / "up").symlink_to(outside)
    found = []
    for there in (False, True):
        if there:
            (outside / "model").write_text("here")
        found.append([str(problem) for problem in check(written(folder, flair="up/model"), strict=True).problems])
    assert found[0] == found[1]
    assert "W018" in found[0][0]


# --- the spec itself, and folders


@pytest.mark.parametrize("content", [f"{SECRET}\n", f"{SECRET}: [1\n", f"*{SECRET}\n", f"version: 1\nname: {SECRET}\n"])
@pytest.mark.parametrize("named", ["file", "folder", "relative", "linked folder"])
def test_a_spec_that_is_a_link_to_elsewhere_shows_nothing_of_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, opened: list[str], content: str, named: str
) -> None:
    secret = folder.parent / "private" / "secret.yaml"
    secret.parent.mkdir()
    secret.write_text(content, encoding="utf-8")
    for name in ("link", "door", "absolute", "chain", "self"):
        (folder / name).unlink()
    (folder / "spec.yaml").symlink_to("../private/secret.yaml")
    (folder / "closed").symlink_to("../private")
    monkeypatch.chdir(folder)
    given = {
        "file": folder / "spec.yaml",
        "folder": folder,
        "relative": Path("spec.yaml"),
        "linked folder": Path("closed/secret.yaml"),
    }
    (wrong,) = check(given[named], strict=True).problems
    assert (wrong.code, wrong.message) == ("W018", "is reached by a link that leads elsewhere")
    assert SECRET not in str(wrong)
    assert str(secret) not in opened
    assert check(folder / "closed", strict=True).problems[0].code == "W018"


def test_a_folder_is_walked_without_following_its_links(folder: Path) -> None:
    (folder.parent / "other.yaml").write_text(SECRET, encoding="utf-8")
    (folder / "round").symlink_to(".")
    os.mkfifo(folder / "pipe.yaml")
    written(folder)
    result = check(folder, strict=True)
    assert result.files == (str(folder / "stack.yaml"),)
    assert result.problems == ()


@pytest.mark.parametrize("command", ["check", "build", "graph", "bench"])
def test_a_spec_that_is_a_fifo_or_a_device_is_refused_at_once(tmp_path: Path, command: str) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    for name in ("pipe.yaml", "zero.yaml"):
        words = [sys.executable, "-m", "assembler", command, str(tmp_path / name)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
        assert (done.returncode, "Y002 cannot be read: it is no regular file" in done.stdout + done.stderr) == (1, True)


# --- external data


def with_tensor(tensor: TensorProto, where: str) -> object:
    """Return a model that has the tensor somewhere."""
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])
    constant = helper.make_node("Constant", [], ["y"], value=tensor)
    if where == "initializer":
        graph = helper.make_graph([helper.make_node("Relu", ["t"], ["y"])], "g", [], [y], [tensor])
        return helper.make_model(graph)
    if where == "attribute":
        return helper.make_model(helper.make_graph([constant], "g", [], [y]))
    if where == "branch":
        inner = helper.make_graph([constant], "inner", [], [y])
        flag = helper.make_tensor_value_info("flag", TensorProto.BOOL, [])
        node = helper.make_node("If", ["flag"], ["y"], then_branch=inner, else_branch=inner)
        return helper.make_model(helper.make_graph([node], "g", [flag], [y]))
    if where == "function":
        opset = [helper.make_opsetid("", 17)]
        function = helper.make_function("own", "F", [], ["y"], [constant], opset)
        graph = helper.make_graph([helper.make_node("F", [], ["y"], domain="own")], "g", [], [y])
        return helper.make_model(graph, functions=[function], opset_imports=[*opset, helper.make_opsetid("own", 1)])
    sparse = helper.make_sparse_tensor(tensor, helper.make_tensor("i", TensorProto.INT64, [2], [0, 1]), [2])
    if where == "sparse initializer":
        return helper.make_model(helper.make_graph([], "g", [], [y], sparse_initializer=[sparse]))
    node = helper.make_node("Constant", [], ["y"], sparse_value=sparse)
    return helper.make_model(helper.make_graph([node], "g", [], [y]))


WHERE = ["initializer", "attribute", "branch", "function", "sparse initializer", "sparse attribute"]


def external(location: str, **more: str) -> TensorProto:
    tensor = TensorProto(name="t", data_type=TensorProto.FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **more}.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize(
    ("location", "more", "words"),
    [
        ("../secret", {}, "leaves its folder"),
        ("sub/../../secret", {}, "leaves its folder"),
        ("/etc/passwd", {}, "leaves its folder"),
        ("", {}, "leaves its folder"),
        ("C:\\secret", {}, "leaves its folder"),
        ("sub\\..\\secret", {}, "differs between systems"),
        ("link", {}, "link on the way"),
        ("inner", {}, "link on the way"),
        ("door/secret", {}, "link on the way"),
        ("pipe", {}, "it is no regular file"),
        ("sub", {}, "Is a directory"),
        ("x" * 300, {}, "File name too long"),
        ("words.txt", {"offset": "100"}, "has 2 bytes, but a tensor needs those from 100 to 100"),
        ("words.txt", {"length": "8"}, "has 2 bytes, but a tensor needs those from 0 to 8"),
        ("words.txt", {"offset": "-1"}, "the offset of its external data, '-1', is not a number"),
        ("words.txt", {"length": "1e3"}, "the length of its external data, '1e3', is not a number"),
        ("words.txt", {"offset": "9" * 40}, "is not a number"),
    ],
)
def test_external_data_is_judged_wherever_a_model_names_it(
    folder: Path, opened: list[str], where: str, location: str, more: dict[str, str], words: str
) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "inner").symlink_to("words.txt")
    (folder / "lm.onnx").write_bytes(with_tensor(external(location, **more), where).SerializeToString())
    found = [problem for problem in check(written(folder), strict=True).problems if problem.code[0] == "R"]
    assert [words in problem.message for problem in found] == [True], found
    assert all(Path(name).is_relative_to(folder) for name in opened)
    assert str(folder / "pipe") not in opened


def test_the_fields_that_lead_to_tensors_are_those_of_onnx() -> None:
    """Whatever a newer onnx adds."""
    messages = DESCRIPTOR.message_types_by_name
    reaching = {"TensorProto"}
    while True:
        more = {
            name
            for name, message in messages.items()
            if any(field.message_type and field.message_type.name in reaching for field in message.fields)
        }
        if more <= reaching:
            break
        reaching |= more
    paths = {
        name: {
            field.number: field.message_type.name
            for field in messages[name].fields
            if field.message_type and field.message_type.name in reaching
        }
        for name in reaching - {"TensorProto"}
    }
    assert paths == PATHS


def test_a_header_without_end_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from assembler.onnx_file import header

    proto = load(folder / "lm.onnx")
    proto.graph.node.extend(helper.make_node("Relu", ["x"], [f"n{number}"]) for number in range(50))
    save(proto, folder / "lm.onnx")
    assert check(written(folder)).problems == ()
    few = header.Allowance()
    few._fields = 100
    monkeypatch.setattr("assembler.onnx_subgraphs.peeking.Allowance", lambda: few)
    (wrong,) = check(written(folder)).problems
    assert wrong.code == "R012"
    assert wrong.message.endswith("is too large to be examined: its header has more fields than are read")


def test_a_file_is_read_once_for_all_parts_that_name_it(folder: Path, opened: list[str]) -> None:
    parts = "".join(f"  p{number}: {{kind: onnx, weights: lm, inputs: {{x: x}}}}\n" for number in range(20))
    outputs = ", ".join(f"o{number}: p{number}.y" for number in range(20))
    text = HEAD.format(**PLACES).replace("outputs: {", f"{parts}outputs: {{{outputs}, ")
    (folder / "stack.yaml").write_text(text, encoding="utf-8")
    assert check(folder / "stack.yaml").problems == ()
    assert opened.count(str(folder / "lm.onnx")) == 1


# --- many mistakes


def compared(monkeypatch: pytest.MonkeyPatch, text: str, path: Path) -> tuple[int, int]:
    """Return how many names were compared for the problems of a spec, and how long these are as text."""
    import difflib

    count = 0
    real = difflib.get_close_matches

    def counting(word: str, names: list[str], **more: object) -> list[str]:
        nonlocal count
        count += len(names)
        return real(word, names, **more)  # type: ignore[arg-type]

    monkeypatch.setattr("difflib.get_close_matches", counting)
    path.write_text(text, encoding="utf-8")
    problems = check(path, strict=True).problems
    return count, sum(len(str(problem)) for problem in problems)


@pytest.mark.parametrize("what", ["outputs", "inputs", "sources", "dims", "keys", "kinds", "ports"])
def test_many_mistakes_cost_and_say_no_more_than_in_proportion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def spec(count: int) -> str:
        node = "{{kind: softmax, inputs: {{tensor: {}}}}}"
        many = range(count)
        inputs = "".join(f"  i{n}: {{type: float32, shape: [d{n}]}}\n" for n in many)
        graph = "".join(f"  p{n}: {node.format(f'q{n}.out' if what == 'inputs' else f'i{n}')}\n" for n in many)
        outputs = "".join(f"  o{n}: {'r' if what == 'outputs' else 'p'}{n}.tensor\n" for n in many)
        more = sources = ""
        if what == "dims":
            graph += "".join(f"  s{n}: {{kind: reshape, shape: [e{n}], inputs: {{tensor: i{n}}}}}\n" for n in many)
        if what == "keys":
            more = "".join(f"descripton{n}: 1\n" for n in many)
        if what == "kinds":
            graph = "".join(f"  p{n}: {{kind: sofmax, inputs: {{tensor: i{n}}}}}\n" for n in many)
        if what == "ports":
            graph = "".join(f"  p{n}: {{kind: softmax, inputs: {{tensors: i{n}}}}}\n" for n in many)
        if what == "sources":
            sources = "sources:\n" + "".join(f"  s{n}: {{flair: x.pt}}\n" for n in many)
            graph = "".join(f"  p{n}: {{kind: char_lm, weights: t{n}, inputs: {{tensor: i{n}}}}}\n" for n in many)
        return f"version: 1\nname: a\n{more}{sources}inputs:\n{inputs}graph:\n{graph}outputs:\n{outputs}"

    small = compared(monkeypatch, spec(40), tmp_path / "a.yaml")
    large = compared(monkeypatch, spec(320), tmp_path / "a.yaml")
    assert small[1] > 0
    assert large[0] <= 25_000
    assert large[1] <= 24 * small[1]


def test_guesses_end_and_names_are_listed_in_part() -> None:
    known, guesses = Known(f"part{number:04}" for number in range(5000)), Guesses()
    assert guesses.suggest("prat0007", known) == "did you mean 'part0007'?"
    for _ in range(4):
        guesses.nearest("zzz", known)
    assert guesses.spent
    hint = guesses.suggest("prat0007", known, what="parts")
    assert hint.startswith("parts: part0000, part0001, ")
    assert hint.endswith("part0039 and 4960 more")
    assert guesses.suggest("PART0007", known) == "did you mean 'part0007'?"
    assert suggest("x", ["b", "a"]) == "known names: a, b"
