"""Types and dims of whole graphs: what clashes is told by both ends, and names do not matter."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from assembler.core.errors import SpecError
from assembler.core.tensors import TensorType, Variable
from assembler.spec.reading import parse_spec
from assembler.wiring.graph import wire
from assembler.wiring.unify import Unifier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assembler.core.problems import Problem
    from assembler.wiring.graph import Wiring

Json = dict[str, object]

# Specs of glue parts, right and wrong: types and dims clash, parts are unused, unfed or go in circles. Names are made
# so that none can be a part of another word.
_DIMS = [f"DIM{index}Z" for index in range(3)]
_NODES = [f"NODE{index}Z" for index in range(6)]
_INPUTS = ["IN0Z", "IN1Z"]
_KINDS = ["cast", "softmax", "argmax", "concat", "arithmetic", "reshape", "gather", "transpose"]
_OUTPUT = {"concat": "rows", "gather": "rows"}


def often(draw: st.DrawFn) -> bool:
    """Return True but for one time in thirty: specs that are wrong everywhere would say nothing about right ones."""
    return draw(st.integers(0, 29)) > 0


def part(draw: st.DrawFn, kind: str, known: Mapping[str, int], dims: list[str]) -> tuple[Json, int]:
    """Draw a part that reads some of the tensors known, whose ranks are given; return it and its own rank."""
    names = list(known)
    first = draw(st.sampled_from(names))
    second = draw(st.sampled_from([first, first, *names]))
    entry: Json = {"kind": kind, "inputs": {"tensor": first}}
    rank = known[first]
    if kind == "cast":
        entry["to"] = draw(st.sampled_from(["float32", "float32", "int64"]))
    elif kind == "argmax":
        rank -= 1
    elif kind == "concat":
        entry["inputs"] = [first, second]
    elif kind == "arithmetic":
        entry |= {"operator": "add", "inputs": {"left": first, "right": second}}
        rank = max(rank, known[second])
    elif kind == "gather":
        entry["inputs"] = {"states": first, "indices": draw(st.sampled_from(["AT0Z", "AT0Z", "AT0Z", second]))}
        rank = 2
    elif kind == "reshape":
        entry["shape"] = [draw(st.sampled_from([*dims, -1])), 6]
        rank = 2
    elif kind == "transpose":
        length = rank if often(draw) else draw(st.integers(1, 4))
        entry["order"] = draw(st.permutations(range(max(length, 1))))
        rank = len(cast("list[int]", entry["order"]))
    if not often(draw):
        entry["inputs"] = {}
    return entry, max(rank, 0)


@st.composite
def specs(draw: st.DrawFn) -> Json:
    """Draw a spec whose names are all known."""
    dims = st.sampled_from([*_DIMS, 1, 2, 6])
    kinds = draw(st.lists(st.sampled_from(_KINDS), min_size=1, max_size=len(_NODES)))
    texts = [f"{node}.{_OUTPUT.get(kind, 'tensor')}" for node, kind in zip(_NODES, kinds, strict=False)]
    inputs: dict[str, Json] = {
        name: {
            "type": "float32" if often(draw) else "int64",
            "shape": draw(st.lists(dims, min_size=1, max_size=3)),
        }
        for name in _INPUTS
    }
    inputs["AT0Z"] = {"type": "int64", "shape": [draw(dims)]}
    ranks = {name: len(cast("list[object]", entry["shape"])) for name, entry in inputs.items() if name != "AT0Z"}
    ranks |= {} if often(draw) else dict.fromkeys(texts, 2)  # now and then a part may read one after it
    used = sorted({str(dim) for entry in inputs.values() for dim in cast("list[object]", entry["shape"])} & {*_DIMS})
    graph: dict[str, Json] = {}
    for node, kind, text in zip(_NODES, kinds, texts, strict=False):
        graph[node], ranks[text] = part(draw, kind, ranks, used)
    written = json.dumps(graph)
    if often(draw):
        inputs = {name: entry for name, entry in inputs.items() if f'"{name}"' in written}
    outputs = texts if often(draw) else texts[-1:]
    return {
        "version": 1,
        "name": "drawn",
        "inputs": inputs,
        "graph": graph,
        "outputs": {f"OUT{index}Z": text for index, text in enumerate(outputs)},
    }


def problems(text: str) -> tuple[Problem, ...]:
    try:
        wire(parse_spec(text, "drawn.yaml"))
    except SpecError as err:
        return err.problems
    return ()


def dump(spec: Json) -> str:
    """Return the spec with each value on a line of its own, so that a longer name moves no line."""
    return json.dumps(spec, indent=1)


def rename(text: str, names: Mapping[str, str]) -> str:
    return re.sub(r"\b[A-Z]+\dZ\b", lambda match: names.get(match[0], match[0]), text)


def renamed_back(text: str | None, names: Mapping[str, str]) -> str:
    back = {new: old for old, new in names.items()}
    return re.sub(r"[A-Za-z0-9]+Z(?=_|\b)", lambda match: back.get(match[0], match[0]), text or "")


def places(found: tuple[Problem, ...]) -> list[tuple[str, int | None]]:
    return sorted((problem.code, problem.line) for problem in found)


_LONG = {name: f"renamed{'x' * index}{name[:-2]}Z" for index, name in enumerate(_NODES)}


@given(specs())
def test_renaming_parts_changes_problems_in_nothing_but_the_names(spec: Json) -> None:
    text = dump(spec)
    before, after = problems(text), problems(rename(text, _LONG))
    event("accepted" if not before else ", ".join(sorted({problem.code for problem in before})))

    def told(found: tuple[Problem, ...]) -> list[tuple[object, ...]]:
        return sorted((p.code, p.line, renamed_back(p.message, _LONG), renamed_back(p.hint, _LONG)) for p in found)

    assert told(before) == told(after)


_ODD_NAMES = st.one_of(
    st.sampled_from(["tensor", "rows", "inferred", "joined", "axis_0", "axis_1", "states", "tokens", "_", "kind"]),
    st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_]{0,6}\Z").filter(lambda name: name not in {*_INPUTS, "AT0Z"}),
)


@given(specs(), st.lists(_ODD_NAMES, min_size=len(_NODES), max_size=len(_NODES), unique=True))
def test_a_spec_is_accepted_or_refused_whatever_its_parts_are_called(spec: Json, names: list[str]) -> None:
    text = dump(spec)
    odd = rename(text, dict(zip(_NODES, names, strict=True)))
    assert places(problems(text)) == places(problems(odd))


@given(specs(), st.lists(_ODD_NAMES, min_size=len(_DIMS), max_size=len(_DIMS), unique=True))
def test_a_spec_is_accepted_or_refused_whatever_its_dims_are_called(spec: Json, names: list[str]) -> None:
    text = dump(spec)
    odd = rename(text, dict(zip(_DIMS, names, strict=True)))
    assert places(problems(text)) == places(problems(odd))


@given(specs())
def test_each_clash_names_both_ends_of_its_edge_and_stands_at_the_reference(spec: Json) -> None:
    text = dump(spec)
    lines = text.splitlines()
    graph = cast("dict[str, Json]", spec["graph"])
    for problem in problems(text):
        if problem.code not in {"W003", "W004"}:
            continue
        found = re.match(r"(\S+) → (\w+)\.(\w+): .+ cannot feed .+: .+", problem.message)
        assert found, problem
        source, node, _port = found.groups()
        assert problem.line
        assert problem.column
        assert lines[problem.line - 1][problem.column - 1 :].startswith(f'"{source}"')
        assert source in json.dumps(graph[node]["inputs"])


@given(specs())
def test_every_tensor_of_an_accepted_spec_has_a_type_without_variables(spec: Json) -> None:
    text = dump(spec)
    if problems(text):
        return
    wiring = wire(parse_spec(text, "drawn.yaml"))
    assert set(wiring.tensors) >= {str(text) for text in cast("Json", spec["outputs"]).values()}
    for tensor in wiring.tensors.values():
        assert not any(isinstance(dim, Variable) for dim in tensor.dims or ())
    placed = {name: index for index, name in enumerate(wiring.order)}
    for edges in wiring.edges.values():
        for edge in edges:
            assert placed.get(edge.reference.owner, -1) < placed[edge.node]


# By hand


def wired(graph: str, inputs: str = "x: {type: float32, shape: [rows, 4]}", output: str = "y.tensor") -> Wiring:
    text = f"version: 1\nname: a\ninputs:\n  {inputs}\ngraph:\n{graph}\noutputs: {{out: {output}}}\n"
    return wire(parse_spec(text, "a.yaml"))


def test_dims_of_one_name_are_one_size_and_of_two_names_are_not() -> None:
    graph = "  y: {kind: arithmetic, operator: add, inputs: {left: a, right: b}}"
    both = "a: {{type: float32, shape: [rows, 3]}}\n  b: {{type: float32, shape: [{}, 3]}}"
    assert str(wired(graph, both.format("rows")).tensors["y.tensor"]) == "float32[rows, 3]"
    assert str(wired(graph, both.format("1")).tensors["y.tensor"]) == "float32[rows, 3]"
    expected = r"b → y\.right: .* axis 0 is 'lines' here and 'rows' from a → y\.left \(line 7\)"
    with pytest.raises(SpecError, match=expected):
        wired(graph, both.format("lines"))


def test_a_fixed_size_and_a_dynamic_one_clash_with_a_hint() -> None:
    graph = "  y: {kind: arithmetic, operator: add, inputs: {left: a, right: b}}"
    with pytest.raises(SpecError, match="axis 0 is 7 here and 'rows'") as caught:
        wired(graph, "a: {type: float32, shape: [rows]}\n  b: {type: float32, shape: [7]}")
    assert caught.value.problems[0].hint == "one is a fixed size, the other changes from run to run: give both the same"


def test_a_new_dim_gets_a_name_that_no_input_and_no_other_part_has() -> None:
    graph = (
        "  y: {kind: reshape, shape: [-1, 2], inputs: {tensor: x}}\n"
        "  z: {kind: reshape, shape: [-1, 2], inputs: {tensor: x}}\n"
        "  both: {kind: concat, inputs: [y.tensor, y.tensor]}"
    )
    tensors = wired(graph, "x: {type: float32, shape: [inferred, 4]}", "z.tensor, o: both.rows").tensors
    assert str(tensors["y.tensor"]) == "float32[y_inferred, 2]"
    assert str(tensors["z.tensor"]) == "float32[z_inferred, 2]"
    assert str(tensors["both.rows"]) == "float32[y_inferred, 4]"


def test_names_of_new_dims_never_meet() -> None:
    unifier = Unifier(["tokens", "a_tokens"])
    given_out = [unifier.fresh("a", "tokens"), unifier.fresh("a", "tokens"), unifier.fresh("b", "tokens")]
    assert given_out == ["a_tokens_", "a_tokens__", "b_tokens"]
    assert unifier.fresh("a", "rows") == "rows"


def test_two_reshapes_to_one_unnamed_size_do_not_add_up() -> None:
    graph = (
        "  a: {kind: reshape, shape: [-1, 2], inputs: {tensor: x}}\n"
        "  b: {kind: reshape, shape: [-1, 2], inputs: {tensor: x}}\n"
        "  y: {kind: arithmetic, operator: add, inputs: {left: a.tensor, right: b.tensor}}"
    )
    with pytest.raises(SpecError, match=r"b\.tensor → y\.right: .*axis 0 is 'b_inferred' here and 'inferred' from a"):
        wired(graph)


def test_all_clashes_of_a_graph_are_told_at_once() -> None:
    graph = (
        "  a: {kind: gather, inputs: {states: x, indices: x}}\n"
        "  b: {kind: transpose, order: [0, 1, 2], inputs: {tensor: x}}\n"
        "  y: {kind: arithmetic, operator: add, inputs: {left: a.rows, right: b.tensor}}"
    )
    with pytest.raises(SpecError) as caught:
        wired(graph)
    assert [problem.message.partition(": ")[0] for problem in caught.value.problems] == [
        "x → a.indices",
        "x → b.tensor",
    ]


def test_what_is_not_known_fits_everything() -> None:
    meeting = Unifier([]).meet("a")
    pattern = TensorType("float32", (Variable("n"), 3))
    spec = parse_spec("version: 1\nname: a\ngraph: {a: {kind: onnx, weights: l}}\noutputs: {y: a.b}\n", "a.yaml")
    mark = spec.graph["a"].mark
    for source in (TensorType(None, None), TensorType("float32", None), TensorType(None, (None, None))):
        meeting.accept("x → a.in", mark, source, pattern)
    meeting.accept("y → a.in", mark, TensorType("float32", ("rows", 3)), pattern)
    assert meeting.give(TensorType("int64", (Variable("n"),))) == TensorType("int64", ("rows",))
