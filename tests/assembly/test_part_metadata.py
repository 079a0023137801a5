"""What exported files say of themselves is kept in the assembled model, under the names of their parts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import onnx
import onnx.parser

from assembler.description.part_metadata import LONGEST, MOST, describe_part_metadata
from assembler.onnx_file.header import OnnxHeader
from assembler.runtime.metadata import Metadata
from assembler.workflows.inspection import inspect

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from tests.assembly.conftest import Outcome, Workshop

GRAPH = '<ir_version: 8, opset_import: ["": 17]> a (float[n] x) => (float[n] y) { y = Abs(x) }'
SPEC = """version: 1
name: stack
sources: {SOURCES}
inputs: {x: {type: float32, shape: [n]}}
graph: {PARTS}
outputs: {y: LAST.y}
"""


class File:
    """Weights that have a header alone."""

    def __init__(self, metadata: dict[str, str]) -> None:
        self.header = OnnxHeader({}, {}, 17, metadata)

    def facts(self) -> dict[str, int]:
        return {}

    def run(self, _inputs: object) -> None:
        return None


def exported(path: Path, **metadata: str) -> Path:
    model = onnx.parser.parse_model(GRAPH)
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, path)
    return path


def stack(shop: Workshop, folder: Path, *files: Path) -> Path:
    """Return the model of a chain of files."""
    names = [path.stem for path in files]
    sources = ", ".join(f"{name}: {{onnx: {path.name}}}" for name, path in zip(names, files, strict=True))
    feeds = ["x", *(f"{name}.y" for name in names)]
    parts = ", ".join(
        f"{name}: {{kind: onnx, weights: {name}, inputs: {{x: {feed}}}}}"
        for name, feed in zip(names, feeds, strict=False)
    )
    spec = folder / f"stack_of_{'_'.join(names)}.yaml"
    text = SPEC.replace("SOURCES", sources).replace("PARTS", parts).replace("LAST", names[-1])
    spec.write_text(text, encoding="utf-8")
    return shop.build(spec).path


def record(path: Path) -> Any:  # noqa: ANN401 - JSON
    entries = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    return json.loads(entries.get("assembler.part_metadata", "null"))


def test_each_part_keeps_its_own_entries(shop: Workshop, tmp_path: Path) -> None:
    one = exported(tmp_path / "one.onnx", names="{0: 'cat'}", author="somebody")
    two = exported(tmp_path / "two.onnx", names="{0: 'dog'}")
    three = exported(tmp_path / "three.onnx")
    path = stack(shop, tmp_path, one, two, three)
    assert record(path) == {
        "one": {"entries": {"author": "somebody", "names": "{0: 'cat'}"}},
        "two": {"entries": {"names": "{0: 'dog'}"}},
    }


def test_a_model_of_files_without_metadata_has_no_such_entry(shop: Workshop, tmp_path: Path) -> None:
    path = stack(shop, tmp_path, exported(tmp_path / "one.onnx"))
    assert "assembler.part_metadata" not in {entry.key for entry in onnx.load(path).metadata_props}


def test_entries_of_an_assembled_part_are_no_entries_of_the_model(shop: Workshop, tmp_path: Path) -> None:
    inner = stack(shop, tmp_path, exported(tmp_path / "one.onnx", author="somebody"))
    outer = stack(shop, tmp_path, inner)
    about = Metadata.read({entry.key: entry.value for entry in onnx.load(outer).metadata_props}, "outer")
    assert about.entries["spec"]["name"] == "stack"  # type: ignore[index]
    assert [part["id"] for part in about.entries["parts"]] == [inner.stem]  # type: ignore[attr-defined]
    entries = record(outer)[inner.stem]["entries"]
    assert json.loads(entries["assembler.parts"])[0]["id"] == "one"
    assert json.loads(entries["assembler.part_metadata"]) == {"one": {"entries": {"author": "somebody"}}}


def test_what_is_too_long_is_left_out_and_named() -> None:
    long, some = "x" * (LONGEST + 1), "y" * (LONGEST - 10)
    many = {f"key{number:02}": some for number in range(MOST // LONGEST + 3)}
    found: Any = describe_part_metadata({"a": File({"long": long, "short": "z"}), "b": File(many), "c": File({})})
    assert found["a"] == {"entries": {"short": "z"}, "left_out": {"long": LONGEST + 1}}
    assert set(found["b"]["entries"]) | set(found["b"]["left_out"]) == set(many)
    assert found["b"]["left_out"] == {"key16": len(some), "key17": len(some), "key18": len(some)}
    assert len(json.dumps(found)) < MOST + LONGEST
    assert "c" not in found


def test_inspect_shows_the_entries_of_parts_on_one_line_each(shop: Workshop, tmp_path: Path, cli: Any) -> None:  # noqa: ANN401
    path = stack(shop, tmp_path, exported(tmp_path / "one.onnx", names="first\nsecond", stride="32"))
    assert inspect(path).part_metadata == [("one", "names", "first\nsecond"), ("one", "stride", "32")]
    shown: Outcome = cli("inspect", path)
    lines = shown.out.splitlines()
    start = lines.index("metadata of parts")
    assert [line.split() for line in lines[start + 1 : start + 3]] == [
        ["one", "names", "first\\nsecond"],
        ["one", "stride", "32"],
    ]


def test_parts_within_specs_keep_theirs_under_the_path_of_their_names(shop: Workshop, tmp_path: Path) -> None:
    exported(tmp_path / "one.onnx", author="first")
    exported(tmp_path / "two.onnx", author="second")
    inputs = "inputs: {x: {type: float32, shape: [n]}}\n"
    parts = {
        "inner": "one: {kind: onnx, weights: one, inputs: {x: x}}",
        "outer": "held: {kind: spec, weights: inner, inputs: {x: x}}",
        "chosen": "p: {kind: if, then: outer, else: two, inputs: {condition: c, x: x}}",
    }
    sources = {"inner": "one: {onnx: one.onnx}", "outer": "inner: {spec: inner.yaml}"}
    sources["chosen"] = "outer: {spec: outer.yaml}, two: {onnx: two.onnx}"
    for name, part in parts.items():
        fed = inputs.replace("}}\n", "}, c: {type: bool, shape: []}}\n") if name == "chosen" else inputs
        text = f"version: 1\nname: {name}\nsources: {{{sources[name]}}}\n{fed}graph: {{{part}}}\n"
        last = part.partition(":")[0]
        (tmp_path / f"{name}.yaml").write_text(f"{text}outputs: {{y: {last}.y}}\n", encoding="utf-8")
    path = shop.build(tmp_path / "chosen.yaml").path
    assert record(path) == {
        "p.then.held.one": {"entries": {"author": "first"}},
        "p.else": {"entries": {"author": "second"}},
    }
    assert ("p.then.held.one", "author", "first") in inspect(path).part_metadata
