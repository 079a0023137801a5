"""Values of every type that ONNX Runtime carries: as inputs, outputs and edges they are proven, or refused by name."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import ml_dtypes
import numpy as np
import onnx
import onnx.parser
import pytest

from assembler.core.element_types import numpy_type, packed, unpacked
from assembler.core.errors import ModelError, ParityError
from assembler.isolation.frames import DamagedFrameError, Frame
from assembler.isolation.model_runs import run_session
from assembler.isolation.scope import isolated
from assembler.isolation.session import IsolatedSession
from assembler.onnx_model.sessions import open_session, run_all
from assembler.proof.value_gaps import value_gap
from assembler.runtime.engine import ort

if TYPE_CHECKING:
    from pathlib import Path

    from assembler.core.arrays import RuntimeValue
    from tests.assembly.conftest import Workshop

NUMBERS = {
    "float16": 10, "bfloat16": 16, "float8e4m3fn": 17, "float8e4m3fnuz": 18, "float8e5m2": 19, "float8e5m2fnuz": 20,
    "uint4": 21, "int4": 22,
}  # fmt: skip
ROWS = np.array([[1, -2, 3, -4], [0.5, 0, 2, 8]], np.float32)
SPLIT = "(float[n, 4] x) => (seq(float[m, 4]) rows) { rows = SplitToSequence<axis = 0>(x) }"
CONCAT = """(seq(float[m, 4]) rows) => (float[k, 4] y, seq(float[m, 4]) again) {
    y = ConcatFromSequence<axis = 0>(rows)
    again = Identity(rows)
}"""
CLASSIFIER = """(float[n, 2] x) => (int64[n] label, seq(map(int64, float)) chances) {
    label, scores = ai.onnx.ml.LinearClassifier<
        classlabels_ints = [3, 4], coefficients = [0.5, 1.0, -1.0, 2.0], intercepts = [0.0, 0.1],
        post_transform = "SOFTMAX">(x)
    chances = ai.onnx.ml.ZipMap<classlabels_int64s = [3, 4]>(scores)
}"""


def stack(
    folder: Path,
    parts: dict[str, tuple[str, str]],
    outputs: str,
    inputs: str = "x: {type: float32, shape: [n, 4]}",
    more: str = "",
) -> Path:
    """Write a spec of exported files: for each part its graph, and what feeds it."""
    for name, (graph, _) in parts.items():
        text = f'<ir_version: 10, opset_import: ["": 21, "ai.onnx.ml": 1]>\n{name} {graph}'
        onnx.save(onnx.parser.parse_model(text), folder / f"{name}.onnx")
    sources = ", ".join(f"{name}: {{onnx: {name}.onnx}}" for name in parts)
    graph = ", ".join(f"{name}: {{kind: onnx, weights: {name}, inputs: {{{fed}}}}}" for name, (_, fed) in parts.items())
    spec = folder / "stack.yaml"
    spec.write_text(
        f"version: 1\nname: stack\nsources: {{{sources}}}\ninputs: {{{inputs}}}\n"
        f"graph: {{{graph}}}\noutputs: {{{outputs}}}\n{more}",
        encoding="utf-8",
    )
    return spec


def proven(shop: Workshop, spec: Path, **inputs: RuntimeValue) -> dict[str, RuntimeValue]:
    built = shop.build(spec)
    assert built.proven is not None
    assert built.proven.largest == 0
    return run_all(open_session(built.path, "the model"), inputs, "the model")


def through(name: str) -> str:
    """Return a graph whose input and output are of an element type."""
    return f"""({name}[n, 4] x) => ({name}[n, 4] y) {{
        wide = Cast<to = 1>(x)
        some = Abs(wide)
        y = Cast<to = {NUMBERS[name]}>(some)
    }}"""


@pytest.mark.parametrize("name", NUMBERS)
def test_an_element_type_is_an_input_an_edge_and_an_output(shop: Workshop, tmp_path: Path, name: str) -> None:
    parts = {"a": (through(name), "x: x"), "b": (through(name), "x: a.y")}
    spec = stack(tmp_path, parts, "y: b.y, between: a.y", f"x: {{type: {name}, shape: [n, 4]}}")
    rows = np.array([[1, 2, 3, 0]] if name == "uint4" else [[1, -2, 3, -4]]).astype(numpy_type(name))
    given = proven(shop, spec, x=rows)
    for array in given.values():
        assert isinstance(array, np.ndarray)
        assert array.dtype == rows.dtype
        assert array.tolist() == np.abs(rows.astype(np.float32)).astype(numpy_type(name)).tolist()


@pytest.mark.parametrize("name", ["bfloat16", "float8e5m2", "int4"])
def test_cast_makes_what_a_part_takes(shop: Workshop, tmp_path: Path, name: str) -> None:
    graph = f"({name}[n, 4] x) => (float[n, 4] y) {{ y = Cast<to = 1>(x) }}"
    spec = stack(tmp_path, {"a": (graph, "x: c.tensor")}, "y: a.y")
    text = spec.read_text(encoding="utf-8")
    spec.write_text(text.replace("graph: {", f"graph: {{c: {{kind: cast, to: {name}, inputs: {{tensor: x}}}}, "))
    rows = np.array([[1, -2, 3, -4]], np.float32)
    np.testing.assert_array_equal(proven(shop, spec, x=rows)["y"], rows)


@pytest.mark.parametrize("name", ["bfloat16", "float8e4m3fn", "int4"])
def test_a_case_of_a_type_that_numpy_lacks_is_read_by_its_bytes(shop: Workshop, tmp_path: Path, name: str) -> None:
    rows = np.array([[1, 2, 3, 0]]).astype(numpy_type(name))
    more = "proof: {cases: cases.npz}\n"
    parts = {"a": (through(name), "x: x")}
    spec = stack(tmp_path, parts, "y: a.y", f"x: {{type: {name}, shape: [n, 4]}}", more)
    np.savez(tmp_path / "cases.npz", x=rows, y=rows)
    assert shop.build(spec).proven is not None
    np.savez(tmp_path / "cases.npz", x=rows, y=np.flip(rows))
    with pytest.raises(ParityError, match=r"P002 the parts do not compute what the case expects"):
        shop.build(spec)


def test_a_sequence_is_an_edge_and_an_output(shop: Workshop, tmp_path: Path) -> None:
    spec = stack(
        tmp_path, {"a": (SPLIT, "x: x"), "b": (CONCAT, "rows: a.rows")}, "y: b.y, rows: a.rows, again: b.again"
    )
    given = proven(shop, spec, x=ROWS)
    np.testing.assert_array_equal(given["y"], ROWS)
    assert [row.tolist() for row in given["rows"]] == [[row] for row in ROWS.tolist()]  # type: ignore[union-attr]
    assert len(given["again"]) == 2  # type: ignore[arg-type]
    declared = onnx.load(tmp_path / "stack.onnx").graph.output[1].type
    assert declared.sequence_type.elem_type.tensor_type.elem_type == onnx.TensorProto.FLOAT


def test_a_part_of_kind_operator_takes_a_tensor_from_a_sequence(shop: Workshop, tmp_path: Path) -> None:
    spec = stack(tmp_path, {"a": (SPLIT, "x: x")}, "y: at.tensor")
    part = "{kind: operator, op: SequenceAt, inputs: {input_sequence: a.rows}, constants: {position: -1}}"
    spec.write_text(spec.read_text(encoding="utf-8").replace("graph: {", f"graph: {{at: {part}, "), encoding="utf-8")
    np.testing.assert_array_equal(proven(shop, spec, x=ROWS)["y"], ROWS[-1:])


def test_a_sequence_of_texts_is_an_output(shop: Workshop, tmp_path: Path) -> None:
    graph = """(string[n] x) => (seq(string[m, k]) words, int64[n] counts) {
        split, counts = StringSplit<delimiter = " ">(x)
        words = SplitToSequence<axis = 0>(split)
    }"""
    spec = stack(tmp_path, {"a": (graph, "x: x")}, "words: a.words, counts: a.counts", "x: {type: string, shape: [n]}")
    given = proven(shop, spec, x=np.array(["one two", "three"], object))
    assert [row.tolist() for row in given["words"]] == [[["one", "two"]], [["three", ""]]]  # type: ignore[union-attr]


def test_a_classifier_gives_its_chances_as_maps(shop: Workshop, tmp_path: Path) -> None:
    inputs = "x: {type: float32, shape: [n, 2]}"
    spec = stack(tmp_path, {"a": (CLASSIFIER, "x: x")}, "label: a.label, chances: a.chances", inputs)
    given = proven(shop, spec, x=np.array([[1, 0]], np.float32))
    (chances,) = given["chances"]  # type: ignore[misc]
    assert isinstance(chances, dict)
    assert [*chances] == [3, 4]
    assert sum(chances.values()) == pytest.approx(1)
    assert given["label"] == [max(chances, key=chances.__getitem__)]


@pytest.mark.parametrize("held", ["Optional(x)", "Optional<type = float[n, 4]>()"])
def test_an_optional_is_an_output_with_or_without_a_value(shop: Workshop, tmp_path: Path, held: str) -> None:
    graph = f"(float[n, 4] x) => (optional(float[n, 4]) maybe, float[n, 4] y) {{ maybe = {held}\n y = Identity(x) }}"
    spec = stack(tmp_path, {"a": (graph, "x: x")}, "maybe: a.maybe, y: a.y")
    maybe = proven(shop, spec, x=ROWS)["maybe"]
    assert maybe is None if held.endswith("()") else np.array_equal(maybe, ROWS)  # type: ignore[arg-type]


def test_an_optional_is_an_edge(shop: Workshop, tmp_path: Path) -> None:
    first = "(float[n, 4] x) => (optional(float[n, 4]) maybe) { maybe = Optional(x) }"
    second = "(optional(float[n, 4]) maybe) => (float[n, 4] y) { y = OptionalGetElement(maybe) }"
    spec = stack(tmp_path, {"a": (first, "x: x"), "b": (second, "maybe: a.maybe")}, "y: b.y")
    np.testing.assert_array_equal(proven(shop, spec, x=ROWS)["y"], ROWS)


def test_what_onnx_runtime_has_no_values_of_is_refused_by_name(shop: Workshop, tmp_path: Path) -> None:
    graph = "(float[n, 4] x) => (float4e2m1[n, 4] y) { y = Cast<to = 23>(x) }"
    spec = stack(tmp_path, {"a": (graph, "x: x")}, "y: a.y")
    text = onnx.load(tmp_path / "a.onnx")
    text.opset_import[0].version, text.ir_version = 23, 11
    onnx.save(text, tmp_path / "a.onnx")
    with pytest.raises(ModelError, match=r"M006 the part 'a'.* Could not find an implementation for Cast"):
        shop.build(spec)


@pytest.mark.parametrize("fed", ["string[n] x", "seq(string[n]) x"])
def test_an_output_beyond_numpy_is_read_beside_a_text(shop: Workshop, tmp_path: Path, fed: str) -> None:
    first = (
        "one = Identity(x)" if fed.startswith("string") else "at = Constant<value_int = 0>() one = SequenceAt(x, at)"
    )
    graph = f"({fed}) => (bfloat16[n] y) {{ {first} number = Cast<to = 1>(one) y = Cast<to = 16>(number) }}"
    more = 'proof: {inputs: {x: {values: ["1", "2.5"]}}}\n'
    type_ = "string" if fed.startswith("string") else "sequence(string)"
    spec = stack(tmp_path, {"a": (graph, "x: x")}, "y: a.y", f"x: {{type: {type_}, shape: [n]}}", more)
    texts = np.array(["1", "2.5", "-3"], object)
    y = proven(shop, spec, x=texts if fed.startswith("string") else [texts])["y"]
    assert isinstance(y, np.ndarray)
    assert y.dtype == numpy_type("bfloat16")
    assert y.astype(np.float32).tolist() == [1, 2.5, -3]


def test_a_sequence_that_the_model_gives_otherwise_fails_the_proof(
    shop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = IsolatedSession.run_all

    def wrong(self: IsolatedSession, *given: object) -> list[RuntimeValue]:
        values = run(self, *given)  # type: ignore[arg-type]
        if self._what == "the assembled model":
            values[0] = [*values[0][:-1], values[0][-1] + 1]  # type: ignore[index, operator]
        return values

    spec = stack(tmp_path, {"a": (SPLIT, "x: x")}, "rows: a.rows")
    monkeypatch.setattr(IsolatedSession, "run_all", wrong)
    with pytest.raises(ParityError, match=r"rows\[0\]: differs by 1"):
        shop.build(spec)


@pytest.mark.parametrize(
    ("source", "model", "said"),
    [
        ([ROWS], [ROWS, ROWS], "a sequence of 1, the model a sequence of 2"),
        (ROWS, None, "the source has a tensor, the model nothing"),
        ({"a": 1.0}, {"b": 1.0}, r"a map of \['a'\], the model a map of \['b'\]"),
        ({"a": 1.0, "b": 2.0}, {"a": 1.0, "b": 3.0}, r"y\['b'\]: differs by 1: the source has 2.0, the model 3.0"),
        ([{1: "x"}], [{1: "z"}], r"y\[0\]\[1\]: differs by inf: the source has x, the model z"),
        ([ROWS], [ROWS.astype(np.float64)], r"y\[0\]: differs by inf: the source has float32\[2, 4\]"),
    ],
)
def test_values_are_compared_element_by_element(source: RuntimeValue, model: RuntimeValue, said: str) -> None:
    import re

    entry = value_gap("y", source, model)
    assert entry.differs
    assert re.search(said, str(entry)), entry
    assert not value_gap("y", source, source).differs


def test_maps_of_many_keys_that_differ_in_the_last_one_differ() -> None:
    source = dict.fromkeys(range(1000), 1.0)
    assert value_gap("y", source, {**dict.fromkeys(range(999), 1.0), 5000: 1.0}).differs
    assert not value_gap("y", source, dict(source)).differs


@pytest.mark.parametrize("name", ["bfloat16", "float8e4m3fn", "int4", "uint4"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3)])
def test_bits_are_packed_as_onnx_runtime_holds_them(name: str, shape: tuple[int, ...]) -> None:
    array = np.arange(6)[: int(np.prod(shape))].reshape(shape).astype(numpy_type(name))
    if name == "int4" and array.size > 1:
        array.flat[1] = -8
    bits = packed(array)
    assert bits.shape == shape
    again = unpacked(name, bits.tobytes(), shape)
    assert again.dtype == array.dtype
    assert again.tolist() == array.tolist()
    assert packed(np.array([1, 2, 3], ml_dtypes.uint4)).tolist() == [0x21, 0x03, 0]


def test_both_processes_give_the_same_values(tmp_path: Path) -> None:
    text = """<ir_version: 10, opset_import: ["": 21]>
    a (bfloat16[n] x) => (seq(float[n]) some, bfloat16[n] y) {
        wide = Cast<to = 1>(x)
        some = SequenceConstruct(wide, wide)
        y = Identity(x)
    }"""
    path = tmp_path / "a.onnx"
    onnx.save(onnx.parser.parse_model(text), path)
    x = np.array([1, 2.5], ml_dtypes.bfloat16)
    here = run_session(ort.InferenceSession(str(path)), ["some", "y"], {"x": x})
    with isolated():
        there = run_all(open_session(path, "the model"), {"x": x}, "the model")
    for given in (here, there):
        assert [array.tolist() for array in given["some"]] == [[1, 2.5], [1, 2.5]]  # type: ignore[union-attr]
        assert given["y"].tolist() == [1, 2.5]  # type: ignore[union-attr]
        assert given["y"].dtype == x.dtype  # type: ignore[union-attr]


def test_values_of_any_nesting_travel_between_the_processes() -> None:
    values: dict[str, RuntimeValue] = {
        "tensor": ROWS,
        "tensor#1": np.array(["a"], object),
        "list": [np.array([1, 2], ml_dtypes.float8_e5m2), np.float32(3)],
        "maps": [{1: 0.5, 2: 1.5}, {}],
        "named": {"a": 1.0},
        "nothing": None,
    }
    stream = io.BytesIO()
    Frame({"act": "run"}, {"model": np.arange(3)}, values).write(stream)
    stream.seek(0)
    again = Frame.read(stream)
    assert again.arrays["model"].tolist() == [0, 1, 2]
    assert again.values["maps"] == values["maps"]
    assert again.values["named"] == {"a": 1.0}
    assert again.values["nothing"] is None
    np.testing.assert_array_equal(again.values["tensor"], ROWS)
    assert again.values["tensor#1"].tolist() == ["a"]  # type: ignore[union-attr]
    first, second = again.values["list"]  # type: ignore[misc]
    assert first.dtype == ml_dtypes.float8_e5m2  # type: ignore[union-attr]
    assert second == 3


def test_a_name_like_that_of_an_element_is_its_own_value() -> None:
    values: dict[str, RuntimeValue] = {"list#2": np.array(1), "list": [np.array(2), np.array(3)]}
    stream = io.BytesIO()
    Frame({}, {}, values).write(stream)
    stream.seek(0)
    assert Frame.read(stream).values == values


@pytest.mark.parametrize("described", ['{"y": "other"}', '{"y": 3}', '{"y": {"map": 1}}', '{"y": {}}', "[1]"])
def test_a_description_of_values_that_is_none_is_told(described: str) -> None:
    stream = io.BytesIO()
    Frame({}, {}, {"y": None}).write(stream)
    whole = stream.getvalue().replace(b'{"y": null}', described.encode())
    size = len(whole) - 16
    with pytest.raises(DamagedFrameError):
        Frame.read(io.BytesIO(size.to_bytes(8, "little") + whole[8:]))
