"""The pages say what the code does."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest

from assembler.runtime import Interface, encode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent

READ_AND_RUN = "a class of flair's: how its checkpoints are read, and its adapter inside flair"

#: The names that several rooms may share: the rooms, and the job.
SHARED = {
    "bounds": ("onnx_subgraphs runtime", "refuses files without a bound: those of sources, and models"),
    "form": (
        "flair_checkpoints forms inner_specs onnx_subgraphs",
        "the definition of a form of source, and each of o",
    ),
    "graph": ("cli wiring", "a command has a module of its name; the other wires the graph that it draws"),
    "header": ("inner_specs onnx_file", "the ports of a source: of a spec, and of an ONNX file"),
    "number_head": ("parts runtime", "the head that rates texts: in the graph, and read by a host"),
    "peeking": ("inner_specs onnx_subgraphs", "reads the ports of sources without their weights, for two forms"),
    "prefixed_sequence_tagger": ("flair flair_checkpoints.models", READ_AND_RUN),
    "process": ("confinement isolation", "our end of a separate process: for pickles, and for graphs"),
    "reading": ("inner_specs spec", "reads a spec: one within another, and the outermost"),
    "registry": ("forms parts", "lists what the package has and what others add"),
    "schema": ("cli spec", "a command has a module of its name; the other makes the schema that it prints"),
    "sequence_tagger": ("flair flair_checkpoints.models", READ_AND_RUN),
    "session": ("isolation runtime", "a loaded model: in the separate process, and in ours"),
    "spans": ("parts runtime", "reads spans from tags as flair does: in the graph, and for a host"),
    "tars_tagger": ("flair flair_checkpoints.models", READ_AND_RUN),
    "text_classifier": ("flair flair_checkpoints.models", READ_AND_RUN),
    "token_classifier": ("flair flair_checkpoints.models", READ_AND_RUN),
}

SENTENCES = [
    ["Zoë", "mag", "😀👩‍👩‍👧", "."],
    ["e\u0301te\u0301"],
    ["a"],
    ["Привет", "x" * 50, "日本", "\U0001f3f3\ufe0f"],
]


def interface(*, with_whitespace: bool, marker: str) -> tuple[dict[str, object], dict[str, list[str]]]:
    def model(direction: str) -> dict[str, object]:
        return {
            "direction": direction,
            "start_marker": marker,
            "end_marker": " ",
            "with_whitespace": with_whitespace,
            "lowercase": False,
            "padding": 2,
        }

    inputs = []
    for name in ("forward", "backward"):
        inputs.append({"name": name, "fill": "characters", "language_model": f"{name}_lm"})
        inputs.append({"name": f"{name}Indices", "fill": "indices", "language_model": f"{name}_lm"})
    inputs.append({"name": "characterLengths", "fill": "character_lengths", "language_model": "forward_lm"})
    inputs.append({"name": "lengths", "fill": "token_lengths"})
    face: dict[str, object] = {
        "inputs": inputs,
        "outputs": [],
        "language_models": {"forward_lm": model("forward"), "backward_lm": model("backward")},
        "tags": {"label_type": "upos", "spans": False},
    }
    characters = ["<unk>", "\n", " ", *"abcdeghmoxZë.", "😀", "👩", "\u0301", "日"]
    return face, {"forward_lm": characters, "backward_lm": characters}


@pytest.mark.parametrize("with_whitespace", [True, False])
@pytest.mark.parametrize("marker", ["\n", "", "<x>"])
def test_the_javascript_of_the_host_page_feeds_what_our_runtime_feeds(marker: str, *, with_whitespace: bool) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed")
    page = (ROOT / "docs" / "hosts.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```js\n(function feeds.*?)```", page, re.DOTALL)
    face, dictionaries = interface(with_whitespace=with_whitespace, marker=marker)
    script = f"""
class Tensor {{ constructor(type, data, dims) {{ Object.assign(this, {{type, data: [...data].map(Number), dims}}); }} }}
{code}
const [face, dictionaries, sentences] = JSON.parse(require("fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(feeds({{Tensor}}, face, dictionaries, sentences)));
"""
    given = json.dumps([face, dictionaries, SENTENCES])
    done = subprocess.run([node, "-e", script], input=given, capture_output=True, text=True, check=True)
    expected = encode(Interface.from_metadata(face, dictionaries), SENTENCES)
    found = json.loads(done.stdout)
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert found[name]["dims"] == list(array.shape), name
        assert found[name]["data"] == array.ravel().tolist(), name
        assert found[name]["type"] == "int64"


def codes_in_the_source() -> Iterator[str]:
    for path in sorted((ROOT / "assembler").rglob("*.py")):
        yield from re.findall(r'"([YSWKRMPT]\d{3})"', path.read_text(encoding="utf-8"))


def test_every_code_is_explained_and_every_explained_code_exists() -> None:
    explained = re.findall(
        r"^\| ([A-Z]\d{3}) \|", (ROOT / "docs" / "problems.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert len(explained) == len(set(explained))
    assert sorted(explained) == sorted(set(codes_in_the_source()))


def test_generated_pages_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "write_docs.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.stdout == ""
    assert done.returncode == 0


def test_the_spec_in_the_readme_is_the_demo_spec() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown, _ = re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL)
    assert shown == (ROOT / "specs" / "demo-pos.yaml").read_text(encoding="utf-8")


def exported(path: Path, given: str, made: str, weight: NDArray[np.float32]) -> None:
    values = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N", size])
        for name, size in zip((given, made), weight.shape, strict=True)
    ]
    node = onnx.helper.make_node("MatMul", [given, "weight"], [made])
    graph = onnx.helper.make_graph(
        [node], "g", values[:1], values[1:], [onnx.numpy_helper.from_array(weight, "weight")]
    )
    opsets = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), path)


def test_the_stack_of_onnx_files_in_the_readme_builds_and_runs(tmp_path: Path) -> None:
    from assembler import assemble
    from assembler.runtime.session import Session

    _, shown = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    random = np.random.default_rng(5)
    first, second = random.normal(size=(8, 4)).astype(np.float32), random.normal(size=(4, 3)).astype(np.float32)
    exported(tmp_path / "encoder.onnx", "x", "features", first)
    exported(tmp_path / "classifier.onnx", "features", "logits", second)
    (tmp_path / "stack.yaml").write_text(shown, encoding="utf-8")
    path = assemble(tmp_path / "stack.yaml", tmp_path / "stack.onnx").path
    measured = random.normal(size=(5, 8)).astype(np.float32)
    logits, classes = Session.open(path).run(("logits", "class"), {"measured": measured})
    np.testing.assert_allclose(logits, measured @ first @ second, rtol=1e-5)
    assert classes.tolist() == logits.argmax(axis=1).tolist()


def test_the_readme_shows_what_check_says_of_that_spec_with_a_wrong_edge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assembler import check

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [shown] = re.findall(r"\$ assemble check broken\.yaml\n(.*?)\n1 spec: 2 problems", readme, re.DOTALL)
    demo = (ROOT / "specs" / "demo-pos.yaml").read_text(encoding="utf-8")
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "de.txt").write_text("Hallo .\n", encoding="utf-8")
    (tmp_path / "broken.yaml").write_text(demo.replace("[forward_words.rows,", "[forward_lm.states,"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert "\n".join(map(str, check("broken.yaml").problems)) == shown


def test_the_commands_in_the_readme_have_the_options_that_it_shows() -> None:
    from assembler.cli.main import COMMANDS, cli

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"^(?:\$ )?assemble ([^|\n#]*)", readme, re.MULTILINE)
    assert len(shown) > 10
    for line in shown:
        words = line.replace("&& assemble", "").split()
        command = cli.get_command(None, words[0] if words[0] in COMMANDS else "build")
        known = {option for each in command.params for option in each.opts}
        assert not {word for word in words if word.startswith("-")} - known, line


def test_the_kind_on_the_page_about_kinds_works(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "kinds.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    spec = """
version: 1
name: scaled
inputs: {x: {type: float32, shape: [n]}}
graph:
  big: {kind: scale, inputs: {tensor: x}, by: 2.5}
outputs: {y: big.tensor}
"""
    (tmp_path / "spec.yaml").write_text(spec, encoding="utf-8")
    script = f"""
{code}
from assembler import assemble, register
register(KIND)
print(assemble({str(tmp_path / "spec.yaml")!r}, {str(tmp_path / "m.onnx")!r}).proven.against)
import numpy as np, onnxruntime
session = onnxruntime.InferenceSession({str(tmp_path / "m.onnx")!r})
print(session.run(None, {{"x": np.array([1, 2], np.float32)}})[0].tolist())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["each part alone", "[2.5, 5.0]"], done.stderr


def loaded_by(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = {"torch", "flair", "onnx", "onnxruntime", "onnx_graphsurgeon", "numpy", "networkx", "jsonschema", "yaml"}
    assert not loaded_by("import assembler") & heavy


def test_importing_the_runtime_loads_numpy_at_most() -> None:
    heavy = {"torch", "flair", "onnx", "onnx_graphsurgeon", "networkx", "jsonschema", "yaml", "click"}
    assert not loaded_by("import assembler.runtime") & heavy


def test_the_public_names_are_all_there() -> None:
    import assembler

    for name in assembler.__all__:
        assert getattr(assembler, name).__doc__, name
    with pytest.raises(AttributeError, match="module 'assembler' has no attribute 'nothing'"):
        _ = assembler.nothing


def test_two_modules_of_one_name_do_the_same_job() -> None:
    """A module is named by its job."""
    package = ROOT / "assembler"
    rooms: dict[str, list[str]] = defaultdict(list)
    for path in sorted(package.rglob("*.py")):
        if path.stem not in {"__init__", "__main__"}:
            rooms[path.stem].append(".".join(path.parent.relative_to(package).parts))
    shared = {name: " ".join(sorted(found)) for name, found in rooms.items() if len(found) > 1}
    assert shared == {name: found for name, (found, _) in SHARED.items()}, "name a module by its job, or add it here"
