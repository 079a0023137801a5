"""The JSON Schema that editors use: valid itself, explained throughout, and the same as the one that checks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from jsonschema import Draft202012Validator

import assembler
from assembler.core.errors import SpecError
from assembler.forms.registry import built_in_forms
from assembler.parts.kind import Kind, Port, Ports
from assembler.parts.registry import built_in_kinds
from assembler.spec.reading import parse_spec
from assembler.spec.schema import build_schema, schema_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from assembler.onnx_model.emitter import Emitter
    from assembler.parts.kind import PartView

Json = dict[str, object]

KINDS = built_in_kinds()
FORMS = built_in_forms()
SCHEMA = cast("Json", build_schema(KINDS, FORMS))
FILE = Path(assembler.__file__).parent / "spec" / "stack.v1.schema.json"


def properties(schema: object, path: str = "") -> Iterator[tuple[str, Json]]:
    """Yield every property, those of nested schemas too; `if` describes nothing, it asks."""
    if isinstance(schema, list):
        for index, item in enumerate(schema):
            yield from properties(item, f"{path}[{index}]")
    elif isinstance(schema, dict):
        for name, item in schema.get("properties", {}).items():
            yield f"{path}/{name}", item
        for key, item in schema.items():
            if key not in {"if", "examples", "default", "const", "enum"}:
                yield from properties(item, f"{path}/{key}")


PROPERTIES = dict(properties(SCHEMA))


def test_the_schema_is_valid_draft_2020_12() -> None:
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(SCHEMA)


def test_the_walk_over_properties_sees_all_levels() -> None:
    names = {path.rpartition("/")[2] for path in PROPERTIES}
    assert names >= {"version", "graph", "kind", "weights", "axis", "order", "hidden_size", "sha256", "fill", "against"}
    assert len(PROPERTIES) > 60


@pytest.mark.parametrize("path", PROPERTIES)
def test_every_property_has_a_description_and_an_example_that_is_valid(path: str) -> None:
    schema = PROPERTIES[path]
    description, examples = schema.get("description"), schema.get("examples")
    assert isinstance(description, str)
    assert description.endswith(".")
    assert isinstance(examples, list)
    assert examples
    for example in examples:
        Draft202012Validator(schema).validate(example)


def test_the_file_that_editors_use_is_the_schema_of_the_built_in_kinds() -> None:
    """Mend it with `assemble schema -o assembler/spec/stack.v1.schema.json`, without third-party kinds installed."""
    assert FILE.read_text(encoding="utf-8") == schema_text(build_schema(KINDS, FORMS))


def test_the_text_of_the_schema_is_the_schema() -> None:
    assert json.loads(schema_text(build_schema(KINDS, FORMS))) == SCHEMA


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_example_of_a_kind_is_a_valid_node_of_it(kind: Kind) -> None:
    spec = {"version": 1, "name": "example", "graph": {"part": dict(kind.example)}, "outputs": {"y": "part.y"}}
    assert kind.example["kind"] == kind.name
    Draft202012Validator(SCHEMA).validate(spec)
    assert parse_spec(json.dumps(spec), "example.yaml").graph["part"].kind == kind.name


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_node_without_a_required_parameter_or_with_one_too_many_is_refused(kind: Kind) -> None:
    node = dict(kind.example)
    for name in [*kind.required, *(["weights"] if kind.weights else [])]:
        less = {key: value for key, value in node.items() if key != name}
        assert f"S002 'graph.part': the key '{name}' is missing" in refusal(less)
    assert "S001 'graph.part': unknown key 'colour'" in refusal({**node, "colour": 1})


def refusal(node: Mapping[str, object]) -> str:
    spec = {"version": 1, "name": "example", "graph": {"part": dict(node)}, "outputs": {"y": "part.y"}}
    with pytest.raises(SpecError) as caught:
        parse_spec(json.dumps(spec), "example.yaml")
    return str(caught.value)


def test_a_kind_of_a_third_party_brings_its_own_fragment() -> None:
    def ports(_part: PartView) -> Ports:
        return Ports((Port("tensor"),), (Port("tensor"),))

    def build(part: PartView, emit: Emitter) -> None:
        raise NotImplementedError(part, emit)

    speed: Mapping[str, object] = {"type": "integer", "maximum": 9, "description": "How fast.", "examples": [3]}
    kind = Kind(
        name="spin",
        summary="Spins.",
        ports=ports,
        build=build,
        parameters={"speed": cast("Mapping[str, int]", speed)},
        required=("speed",),
        example={"kind": "spin", "speed": 3, "inputs": {"tensor": "a"}},
    )
    schema = cast("Json", build_schema({**KINDS, "spin": kind}, FORMS))
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    spec: Json = {"version": 1, "name": "a", "graph": {"a": dict(kind.example)}, "outputs": {"y": "a.tensor"}}
    validator.validate(spec)
    spec["graph"] = {"a": {"kind": "spin", "speed": 10}}
    assert [error.message for error in validator.iter_errors(spec)] == ["10 is greater than the maximum of 9"]
    spec["graph"] = {"a": {"kind": "cast", "to": "int64", "speed": 3}}
    assert not validator.is_valid(spec)


@pytest.mark.parametrize(
    ("key", "value"), [("opset", 18.0), ("opset", True), ("version", 1.5), ("name", "a\n"), ("name", "../a")]
)
def test_what_would_be_misread_behind_the_schema_is_refused(key: str, value: object) -> None:
    graph = {"a": {"kind": "constant", "value": 1, "dtype": "int64"}}
    spec = {"version": 1, "name": "a", "graph": graph, "outputs": {"y": "a.tensor"}}
    parse_spec(json.dumps(spec), "a.yaml")
    with pytest.raises(SpecError, match=f"'{key}': got"):
        parse_spec(json.dumps({**spec, key: value}), "a.yaml")


def test_problems_of_the_schema_come_by_place_each_once() -> None:
    text = "version: 1\nname: a\ngraph:\n  b: {kind: cast, to: flat}\n  a: {}\noutputs: {}\nextra: 1\n"
    with pytest.raises(SpecError) as caught:
        parse_spec(text, "a.yaml")
    found = [(p.code, p.line, p.column) for p in caught.value.problems]
    assert found == [("S004", 4, 23), ("S002", 5, 3), ("S004", 6, 10), ("S001", 7, 1)]
