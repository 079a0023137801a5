"""The ports of a spec that is a part: its inputs and outputs, from its wiring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.tensors import Dim, Open, TensorType, Variable
from assembler.onnx_file.header import OnnxHeader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assembler.core.arrays import Arrays
    from assembler.wiring.graph import Wiring


class StackHeader:
    """The ports of a spec, as far as they are known without weights."""

    sort = "stack"

    def __init__(self, header: OnnxHeader) -> None:
        """Keep the ports."""
        self.header = header
        self.inputs, self.outputs, self.opset = header.inputs, header.outputs, header.opset

    def facts(self) -> Mapping[str, int]:
        """Return nothing: the sizes are in the types."""
        return {}

    def run(self, inputs: Arrays) -> Arrays | None:  # noqa: ARG002 - the protocol's signature
        """Return `None`: a header cannot be run."""
        return None


def header_of(wiring: Wiring, opset: int) -> OnnxHeader:
    """Return the ports of a wired spec. Its dims are variables, because the outer stack has its own names for them.

    Args:
        wiring: The wiring.
        opset: The opset that it names, or 0.
    """
    spec = wiring.spec
    return OnnxHeader(
        {name: _outside(entry.type) for name, entry in spec.inputs.items()},
        {name: _outside(wiring.tensors[output.reference.text]) for name, output in spec.outputs.items()},
        opset,
        {},
    )


def _outside(type_: TensorType) -> TensorType:
    return type_ if type_.dims is None else TensorType(type_.dtype, tuple(map(_variable, type_.dims)))


def _variable(dim: Dim) -> Dim:
    if isinstance(dim, str):
        return Variable(dim, told=True)
    return Variable(dim.name) if isinstance(dim, Open) else dim
