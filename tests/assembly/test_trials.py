"""A spec tells its proof what to try; without, the proof looks for sizes that the parts accept."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnx.parser
import pytest

from assembler.core.errors import ModelError, ParityError, SpecError
from assembler.proof.stepwise_gaps import gap
from assembler.workflows.checking import check

if TYPE_CHECKING:
    from pathlib import Path

    from tests.assembly.conftest import Workshop

#: Rows of 32: the product of the open sizes must be a multiple of it.
ROWS = "rows (float[b, h, w] x) => (float[rows, 32] y) <int64[2] s = {-1, 32}> { y = Reshape(x, s) }"
#: Any size but one.
PICKED = "picked (float[n] x) => (float[m] y) <int64[1] i = {1}> { y = Gather(x, i) }"
SCALED = "scaled (float[n, 4] x) => (float[n, 4] y) <float k = {1e7}> { y = Mul(x, k) }"
SUM = "summed (float[n, 4] x) => (float[n, 1] y) <int64[1] a = {1}> { y = ReduceSum(x, a) }"


def stack(folder: Path, text: str, shape: str, proof: str = "", *, dtype: str = "float32") -> Path:
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]>\n{text}')
    onnx.save(model, folder / "part.onnx")
    spec = folder / "stack.yaml"
    spec.write_text(
        "version: 1\nname: stack\nsources: {s: {onnx: part.onnx}}\n"
        f"inputs: {{x: {{type: {dtype}, shape: {shape}}}}}\n"
        f"graph: {{p: {{kind: onnx, weights: s, inputs: {{x: x}}}}}}\noutputs: {{y: p.y}}\n"
        + (f"proof: {{{proof}}}\n" if proof else ""),
        encoding="utf-8",
    )
    return spec


def test_sizes_that_the_parts_accept_are_looked_for_and_said(shop: Workshop, tmp_path: Path) -> None:
    proven = shop.build(stack(tmp_path, ROWS, "[b, h, w]")).proven
    assert proven is not None
    assert proven.cases == 3
    (note,) = [note for note in proven.notes if "looked for" in note]
    assert re.search(r"found: b 4, h 4, w 4; b 8, h 8, w 8; b 16, h 16, w 16 \(\d+ tried\)$", note), note


def test_sizes_that_some_parts_refuse_are_left_out_and_said(shop: Workshop, tmp_path: Path) -> None:
    proven = shop.build(stack(tmp_path, PICKED, "[n]")).proven
    assert proven is not None
    assert proven.cases == 2
    assert "refused by the parts, and left out: dynamic dims of 1" in proven.notes


def test_where_no_size_is_accepted_the_hint_says_what_to_write(shop: Workshop, tmp_path: Path) -> None:
    never = ROWS.replace("{-1, 32}", "{-1, 999983}")
    with pytest.raises(ModelError, match=r"M007.*\n.*proof: \{sizes: \{b: 32, h: 32, w: 32\}, .*cases: file.npz"):
        shop.build(stack(tmp_path, never, "[b, h, w]"))
    assert not (tmp_path / "stack.onnx").exists()


@pytest.mark.parametrize(
    ("sizes", "cases"),
    [
        ("b: 2, h: 4, w: 4", {"b 2, h 4, w 4"}),
        ("b: [1, 3], h: 32, w: 1", {"b 1, h 32, w 1", "b 3, h 32, w 1"}),
        (
            "b: 1, h: {range: [30, 100], multiple_of: 32}, w: 1",
            {"b 1, h 32, w 1", "b 1, h 64, w 1", "b 1, h 96, w 1"},
        ),
    ],
)
def test_sizes_of_the_spec_are_tried_and_no_others(
    shop: Workshop, tmp_path: Path, sizes: str, cases: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[str] = set()
    dims = __import__("assembler.proof.part_reference", fromlist=["Dims"]).Dims

    def named(case: str) -> object:
        seen.add(case)
        return dims(case)

    monkeypatch.setattr("assembler.proof.part_reference.Dims", named)
    assert shop.build(stack(tmp_path, ROWS, "[b, h, w]", f"sizes: {{{sizes}}}")).proven is not None
    assert seen == cases


def test_a_size_of_the_spec_that_a_part_refuses_is_a_problem(shop: Workshop, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"M007 the part 'p': .* does not run"):
        shop.build(stack(tmp_path, ROWS, "[b, h, w]", "sizes: {b: 5, h: 5, w: 5}"))


def test_values_of_the_spec_are_the_only_ones_drawn(shop: Workshop, tmp_path: Path) -> None:
    only = "only (int64[n] x) => (int64[n] y) <int64[9] t = {0, 0, 0, 0, 0, 0, 0, 0, 7}> { y = Gather(t, x) }"
    spec = stack(tmp_path, only, "[n]", "inputs: {x: {values: [8]}}", dtype="int64")
    assert shop.build(spec).proven is not None
    spec = stack(tmp_path, only, "[n]", "inputs: {x: {values: [9]}}", dtype="int64")
    with pytest.raises(ModelError, match="M007"):
        shop.build(spec)


def test_a_range_of_the_proof_may_have_fractions(shop: Workshop, tmp_path: Path) -> None:
    log = "log (float[n] x) => (float[n] y) <float b = {-0.5}> { z = Add(x, b)\n y = Log(z) }"  # NaN below 0.5
    spec = stack(tmp_path, log, "[n]", "inputs: {x: {range: [0.75, 1.5]}}")
    assert shop.build(spec).proven is not None


def saved(folder: Path, **arrays: object) -> None:
    np.savez(folder / "cases.npz", **{key.replace("__", "/"): value for key, value in arrays.items()})  # type: ignore[arg-type]


def test_cases_are_run_and_what_they_expect_is_compared(shop: Workshop, tmp_path: Path) -> None:
    x = np.arange(64, dtype=np.float32).reshape(1, 2, 32)
    saved(tmp_path, first__x=x, first__y=x.reshape(2, 32), second__x=x)
    spec = stack(tmp_path, ROWS, "[b, h, w]", "cases: cases.npz")
    proven = shop.build(spec).proven
    assert proven is not None
    assert proven.cases == 5  # with three of random values, whose sizes were looked for
    saved(tmp_path, first__x=x, first__y=x.reshape(2, 32) + 1)
    with pytest.raises(ParityError, match=r"P002 .* what the case 'first' expects\n  y: differs by 1"):
        shop.build(spec)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((1, 2, 32), np.float64)}, "the case: the input 'x' is float32, but its array is float64"),
        ({"x": np.zeros((2, 32), np.float32)}, "is float32[b, h, w], but its array has the shape [2, 32]"),
        ({"a__y": np.zeros((2, 32), np.float32)}, "the case 'a' has no array for the input 'x'"),
        ({"xs": np.zeros(2, np.float32)}, "the array 'xs' has the name of no input and no output"),
        ({"x": np.array([None, {}], object)}, "is not a file of arrays"),
    ],
)
def test_cases_that_do_not_fit_are_a_problem(
    shop: Workshop, tmp_path: Path, arrays: dict[str, object], message: str
) -> None:
    saved(tmp_path, **arrays)
    with pytest.raises(SpecError, match=f"W026 proof: cases: .*{re.escape(message)}"):
        shop.build(stack(tmp_path, ROWS, "[b, h, w]", "cases: cases.npz"))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and more", b"\x93NUMPY\x01\x00", b"text\n"])
def test_a_file_that_holds_no_arrays_is_a_problem(shop: Workshop, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "cases.npz").write_bytes(content)
    with pytest.raises(SpecError, match=r"W026 proof: cases: .*cases.npz (is not a file of arrays|holds no array)"):
        shop.build(stack(tmp_path, ROWS, "[b, h, w]", "cases: cases.npz"))


def test_a_missing_file_of_cases_is_a_problem(shop: Workshop, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"W026 proof: cases: .*cases.npz cannot be read: No such file"):
        shop.build(stack(tmp_path, ROWS, "[b, h, w]", "cases: cases.npz"))


def test_a_strict_check_opens_no_cases_outside(tmp_path: Path) -> None:
    path = stack(tmp_path, ROWS, "[b, h, w]", "cases: /etc/passwd")
    assert [problem.code for problem in check(path, strict=True).problems] == ["W018"]


def test_what_the_proof_is_told_to_try_is_checked_with_the_spec(tmp_path: Path) -> None:
    proof = "sizes: {q: 3, h: {range: [33, 40], multiple_of: 32}}, inputs: {z: {range: [0, 1]}, x: {range: [3, 1]}}"
    found = [(p.code, p.message) for p in check(stack(tmp_path, ROWS, "[b, h, w]", proof)).problems]
    assert found == [
        ("W011", "proof: no input has a dim 'q'"),
        ("W020", "proof: no size of 'h' is in its range"),
        ("W001", "proof: there is no input 'z'"),
        ("W020", "proof: the range of 'x' begins at 3, above its end, 1"),
    ]


def test_outputs_may_differ_by_a_share_of_their_size(shop: Workshop, tmp_path: Path) -> None:
    assert shop.build(stack(tmp_path, SCALED, "[n, 4]")).proven is not None
    large = np.array([1e6], np.float32)
    assert not gap("t", large, large + np.float32(1.0), 1e-5).differs
    assert gap("t", large, large + np.float32(2.0), 1e-5).differs
    half = np.array([1.0], np.float16)
    assert not gap("t", half, half + np.float16(1e-3), 1e-5).differs
    assert gap("t", half, half + np.float16(1e-2), 1e-5).differs
    whole = np.array([10**6], np.int64)
    assert gap("t", whole, whole + 1, 1e-5).differs


def test_a_part_that_is_random_is_named(shop: Workshop, tmp_path: Path) -> None:
    noisy = "noisy (float[n, 4] x) => (float[n, 4] y) { r = RandomNormalLike(x)\n y = Add(x, r) }"
    with pytest.raises(ParityError, match="'p' has RandomNormalLike, which is random: such a part cannot be proven"):
        shop.build(stack(tmp_path, noisy, "[n, 4]"))


CUT = {
    "whole": "whole (float[n, 4] x) => (float[n, 4] y, float[n, 4] h) { h = Relu(x)\n y = Neg(h) }",
    "first": "first (float[n, 4] x) => (float[n, 4] h) { h = Relu(x) }",
    "second": "second (float[n, 4] h) => (float[n, 4] y) { y = Neg(h) }",
}


def cut(folder: Path, proof: str = "against: whole", outputs: str = "y: b.y", **other: str) -> Path:
    """Write a stack of two parts that a whole model was cut into."""
    for name, text in {**CUT, **other}.items():
        model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]>\n{text}')
        onnx.save(model, folder / f"{name}.onnx")
    spec = folder / "cut.yaml"
    spec.write_text(
        "version: 1\nname: cut\n"
        "sources: {whole: {onnx: whole.onnx}, first: {onnx: first.onnx}, second: {onnx: second.onnx}}\n"
        "inputs: {x: {type: float32, shape: [n, 4]}}\ngraph:\n"
        "  a: {kind: onnx, weights: first, inputs: {x: x}}\n  b: {kind: onnx, weights: second, inputs: {h: a.h}}\n"
        f"outputs: {{{outputs}}}\nproof: {{{proof}}}\n",
        encoding="utf-8",
    )
    return spec


def test_a_stack_that_was_cut_out_of_a_whole_model_is_proven_against_it(shop: Workshop, tmp_path: Path) -> None:
    proven = shop.build(cut(tmp_path)).proven
    assert proven is not None
    assert proven.against == "whole"
    assert not any("not that they belong together" in note for note in proven.notes)


def test_parts_that_are_not_the_whole_models_are_found(shop: Workshop, tmp_path: Path) -> None:
    other = CUT["second"].replace("Neg", "Abs")
    with pytest.raises(
        ParityError, match=r"P002 the model does not compute what 'whole' computes \(dynamic dims of 1\)"
    ):
        shop.build(cut(tmp_path, second=other))
    assert not (tmp_path / "cut.onnx").exists()


def test_outputs_that_the_whole_model_lacks_are_compared_with_the_parts(shop: Workshop, tmp_path: Path) -> None:
    assert shop.build(cut(tmp_path, outputs="y: b.y, inner: a.h")).proven is not None


@pytest.mark.parametrize(
    ("outputs", "whole", "message"),
    [
        ("z: b.y", CUT["whole"], "W012 proof: 'whole' has none of the stack's outputs: it has y, h"),
        (
            "y: b.y",
            CUT["whole"].replace("x", "image"),
            "W012 proof: 'whole' has the input 'image', which the stack has not",
        ),
    ],
)
def test_a_whole_model_with_other_ports_is_told(
    shop: Workshop, tmp_path: Path, outputs: str, whole: str, message: str
) -> None:
    with pytest.raises(SpecError, match=re.escape(message)):
        shop.build(cut(tmp_path, outputs=outputs, whole=whole))
