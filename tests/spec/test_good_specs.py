"""`tests/good` holds specs that look odd and are right."""

from __future__ import annotations

from pathlib import Path

import pytest

from assembler.core.tensors import TensorType
from assembler.parts.registry import built_in_kinds
from assembler.spec.reading import load_spec
from assembler.wiring.graph import wire
from assembler.workflows.checking import check

GOOD = Path(__file__).parents[1] / "good"
SPECS = sorted(GOOD.glob("*.yaml"))
OURS = Path(__file__).parents[2] / "specs"
EXAMPLES = Path(__file__).parents[2] / "examples" / "specs"


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_an_odd_but_right_spec_has_no_problems(path: Path) -> None:
    assert check(path).problems == ()


def test_the_specs_of_the_repository_have_no_problems_even_for_a_pull_request() -> None:
    found = check(OURS, strict=True)
    assert found.problems == ()
    assert {Path(file).stem for file in found.files} >= {"demo-pos", "demo-text", "striping"}


def test_the_specs_of_released_taggers_lack_their_pins_alone() -> None:
    assert check(EXAMPLES).problems == ()
    found = check(EXAMPLES, strict=True)
    assert {Path(file).stem for file in found.files} == {"de-pos", "upos-multi", "upos-multi-fast"}
    assert sorted(problem.code for problem in found.problems) == ["W018"] * 3 + ["W024"] * 3


def test_words_that_yaml_1_1_takes_for_booleans_and_times_are_text() -> None:
    spec = load_spec(GOOD / "text-that-looks-otherwise.yaml")
    assert (spec.name, spec.description) == ("no", "on")
    assert spec.inputs["on"].type == TensorType("float32", ("no", "off"))
    assert spec.graph["y"].parameters["value"] == ["1:30", "off", "2001-01-01"]


def test_a_number_with_an_exponent_and_no_point_is_a_number() -> None:
    within = load_spec(GOOD / "text-that-looks-otherwise.yaml").proof.scores_within
    assert within == 1e-5
    assert isinstance(within, float)


def test_keys_that_begin_with_x_are_neither_sources_inputs_ports_nor_parts() -> None:
    spec = load_spec(GOOD / "own-keys.yaml")
    names = (list(spec.sources), list(spec.inputs), list(spec.graph), list(spec.outputs))
    assert names == (["lm"], ["ids"], ["real", "lm"], ["y"])
    assert [connection.port for connection in spec.graph["real"].connections] == ["tensor"]
    assert dict(spec.graph["real"].parameters) == {"to": "float32"}


def test_the_glue_chain_uses_every_kind_that_needs_no_checkpoint() -> None:
    spec = load_spec(GOOD / "glue-chain.yaml")
    used = {node.kind for node in spec.graph.values()}
    needing_none = {name for name, kind in built_in_kinds().items() if not kind.weights}
    assert used == needing_none - {"text_tokens", "text_plain", "if"} | {"onnx"}


def test_types_follow_the_glue_chain_to_its_end() -> None:
    tensors = wire(load_spec(GOOD / "glue-chain.yaml")).tensors
    assert str(tensors["turned.tensor"]) == "float32[4, rows, 3]"
    assert str(tensors["shifted.tensor"]) == "float32[4, rows, 3]"
    assert str(tensors["rows.rows"]) == "float32[wanted, 3]"
    assert str(tensors["twice.rows"]) == "float32[wanted, 6]"
    assert str(tensors["top.tensor"]) == "float32[wanted]"
    assert str(tensors["best.tensor"]) == "int64[wanted]"
    assert str(tensors["tokens.rows"]) == "float32[wanted, 6]"
    assert str(tensors["pooled.documents"]) == "float32[documents, 6]"


def test_the_place_of_a_value_in_a_flow_mapping_is_that_of_its_first_character() -> None:
    path = GOOD / "quoted-keys.yaml"
    spec = load_spec(path)
    lines = path.read_text(encoding="utf-8").splitlines()
    kind_mark = spec.graph["real"].kind_mark
    assert lines[kind_mark.line - 1][kind_mark.column - 1 :].startswith('"cast"')
    mark = spec.graph["real"].mark
    assert lines[mark.line - 1][mark.column - 1 :].startswith('"real"')
