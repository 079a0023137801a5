"""A dim that a file declares is a promise to hosts: one that a run contradicts is not written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest

from assembler.core.errors import ParityError
from assembler.proof.dims import Dims

if TYPE_CHECKING:
    from pathlib import Path

    from tests.assembly.conftest import Workshop

#: Gives as many rows as there are positive numbers: how many these are, no shape tells.
POSITIVE = """
<ir_version: 8, opset_import: ["" : 17]>
positive (float[n, 4] x) => (float[found, 1] y) {
    zero = Constant<value_float = 0.0>()
    above = Greater(x, zero)
    flat = Constant<value_ints = [-1]>()
    flags = Reshape(above, flat)
    chosen = Compress(x, flags)
    shape = Constant<value_ints = [-1, 1]>()
    y = Reshape(chosen, shape)
}
"""

SUMMED = """\
  s: {kind: onnx, weights: s, inputs: {x: p.y}}
"""


def stack(folder: Path, dims: str, *, summed: bool = False) -> Path:
    """Write a stack of an exported part whose number of rows follows from its values."""
    onnx.save(onnx.parser.parse_model(POSITIVE), folder / "p.onnx")
    total = """
<ir_version: 8, opset_import: ["" : 17]>
total (float[m, 1] x) => (float[1, 1] y) { y = ReduceSum<keepdims = 1>(x) }
"""
    onnx.save(onnx.parser.parse_model(total), folder / "s.onnx")
    sources, part, output = "p: {onnx: p.onnx}", "", "p.y"
    if summed:
        sources, part, output = f"{sources}, s: {{onnx: s.onnx}}", SUMMED, "s.y"
    spec = folder / "stack.yaml"
    spec.write_text(
        f"version: 1\nname: t\nsources: {{{sources}}}\ninputs: {{x: {{type: float32, shape: [n, 4]}}}}\n"
        f"graph:\n  p: {{kind: onnx, weights: p, inputs: {{x: x}}, dims: {{{dims}}}}}\n{part}"
        f"outputs: {{y: {output}}}\n",
        encoding="utf-8",
    )
    return spec


def test_a_false_name_of_a_dim_fails_the_proof(shop: Workshop, tmp_path: Path) -> None:
    with pytest.raises(ParityError, match=r"P006 a run contradicts declared dims") as caught:
        shop.build(stack(tmp_path, "found: n"))
    assert re.search(
        r"'n' is (\d+) by x \[n, 4\], and (?!\1\b)(\d+) in p\.y \[n, 1\], which is \[\2, 1\]", str(caught.value)
    )
    assert not (tmp_path / "stack.onnx").exists()


def test_a_false_name_between_parts_fails_it_too(shop: Workshop, tmp_path: Path) -> None:
    with pytest.raises(ParityError, match=r"P006 .*\n.* in p\.y \[n, 1\]"):
        shop.build(stack(tmp_path, "found: n", summed=True))


def test_an_open_dim_is_proven(shop: Workshop, tmp_path: Path) -> None:
    assert shop.build(stack(tmp_path, "")).proven is not None


def test_a_taggers_file_is_held_against_its_runs_too(
    shop: Workshop, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assembler.core.tensors import TensorType
    from assembler.surgery import joining

    own = joining.value_info

    def false(name: str, type_: TensorType) -> onnx.ValueInfoProto:
        if name == "scores" and type_.dims:
            type_ = TensorType(type_.dtype, (type_.dims[0], type_.dims[0]))
        return own(name, type_)

    monkeypatch.setattr(joining, "value_info", false)
    with pytest.raises(ParityError, match=r"P006 .*\n.*'sentences' is 1 by the input .*, and \d+ in the output scores"):
        shop.build(shop.spec(folder))


def test_fixed_sizes_ranks_and_names_are_compared() -> None:
    dims = Dims("run")
    dims.meet("a", ("n", 2, None), np.zeros((3, 2, 9)))
    dims.meet("b", None, np.zeros(7))
    dims.meet("c", ("m", "n"), np.zeros((3, 3)))
    assert dims.wrong == []
    dims.meet("d", (4,), np.zeros(5))
    dims.meet("e", ("n",), np.zeros((3, 1)))
    dims.meet("f", ("m",), np.zeros(4))
    assert dims.wrong == [
        "  run: d [4] is [5]: declared is 4, found 5",
        "  run: e [n] has 2 axes: [3, 1]",
        "  run: 'm' is 3 by c [m, n], and 4 in f [m], which is [4]",
    ]
