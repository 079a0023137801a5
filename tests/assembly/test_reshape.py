"""The kind `reshape`: shapes with several dims, compared with numpy's reshape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from assembler import SpecError
from assembler.spec.reading import parse_spec
from assembler.wiring.graph import wire

if TYPE_CHECKING:
    from pathlib import Path

    from tests.assembly.conftest import Workshop


def text(arriving: str, shape: str) -> str:
    return (
        f"version: 1\nname: shaped\ninputs:\n  x: {{type: float32, shape: {arriving}}}\n"
        f"graph:\n  r: {{kind: reshape, shape: {shape}, inputs: {{tensor: x}}}}\noutputs: {{y: r.tensor}}\n"
    )


@pytest.mark.parametrize(
    ("arriving", "shape", "operators", "wanted"),
    [
        ("[a, b, 4]", "[1, a, b, 4]", "Unsqueeze", lambda a, b: (1, a, b, 4)),
        ("[a, 1, b, 1]", "[a, b]", "Squeeze", lambda a, b: (a, b)),
        ("[1, a, b]", "[a, 1, b, 1]", "Squeeze Unsqueeze", lambda a, b: (a, 1, b, 1)),
        ("[a, b, 4]", "[a, b, 2, 2]", "Shape Gather Gather Concat Reshape", lambda a, b: (a, b, 2, 2)),
        ("[a, 6, b]", "[b, 3, -1, a]", "Shape Gather Gather Concat Reshape", lambda a, b: (b, 3, 2, a)),
        ("[a, 6, b]", "[0, 2, 3, b]", "Reshape", lambda a, b: (a, 2, 3, b)),
        ("[a, b]", "[b, a, 1]", "Shape Gather Gather Concat Reshape", lambda a, b: (b, a, 1)),
    ],
)  # fmt: skip
def test_a_shape_has_any_number_of_the_dims_that_arrive(
    shop: Workshop, tmp_path: Path, arriving: str, shape: str, operators: str, wanted: object
) -> None:
    spec = tmp_path / "shaped.yaml"
    spec.write_text(text(arriving, shape), encoding="utf-8")
    path = shop.build(spec).path
    assert [node.op_type for node in onnx.load(path).graph.node] == operators.split()
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    declared = session.get_outputs()[0].shape
    for a, b in ((2, 3), (3, 1), (0, 5), (5, 0)):
        if 0 in (a, b) and ("-1" in shape or "0" in shape):  # nothing can be inferred of no values
            continue
        sizes = [{"a": a, "b": b}.get(each.strip("[] "), each.strip("[] ")) for each in arriving.split(",")]
        x = np.arange(np.prod([*map(int, sizes)]), dtype=np.float32).reshape([*map(int, sizes)])
        [given] = session.run(None, {"x": x})
        assert given.shape == wanted(a, b)  # type: ignore[operator]
        assert (given == x.reshape(given.shape)).all()
        known = {"a": a, "b": b}
        assert all(
            known.get(dim, dim) == size
            for dim, size in zip(declared, given.shape, strict=True)
            if "_" not in str(dim) and dim != "inferred"
        )


@pytest.mark.parametrize(
    ("arriving", "shape", "message"),
    [
        ("[a, b, 4]", "[1, a, b, 5]", r"a · b · 4 values arrive as float32\[a, b, 4\], the shape holds a · b · 5$"),
        ("[a, b, 4]", "[a, 4]", r"a · b · 4 values arrive as float32\[a, b, 4\], the shape holds a · 4$"),
        ("[a, b]", "[a, b, a]", "a · b values arrive .* the shape holds a · a · b$"),
        ("[a, b]", "[a, a, -1]", r"the shape has the dim 'a' 2 times, float32\[a, b\] has it 1 times$"),
        ("[a, b, 6]", "[a, b, -1, 4]", r"a · b · 6 values arrive .*, which a · b · 4 does not divide$"),
        ("[3, 5]", "[-1, 2]", r"15 values arrive as float32\[3, 5\], which 2 does not divide$"),
        ("[a, b]", "[a, -1, -1]", "more than one size is to be inferred: -1, -1$"),
    ],
)  # fmt: skip
def test_a_shape_that_the_values_cannot_fill_is_refused(arriving: str, shape: str, message: str) -> None:
    with pytest.raises(SpecError, match=f"(?m)r: {message}") as caught:
        wire(parse_spec(text(arriving, shape), "shaped.yaml"))
    assert [problem.code for problem in caught.value.problems] == ["W020"]
