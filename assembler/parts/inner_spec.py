"""`spec`: another spec as a part; its ports are the inputs and outputs of the spec."""

from __future__ import annotations

from assembler.parts.kind import Kind
from assembler.parts.onnx_subgraph import build, check, ports
from assembler.parts.port_dims import DIMS

KIND = Kind(
    name="spec",
    summary="The stack of another spec. Its ports are the inputs and outputs of that spec, by their names there; its "
    "profile and its proof do not count here, nor what its inputs mean to a host.",
    ports=ports,
    build=build,
    check=check,
    parameters={"dims": DIMS},
    weights=True,
    new_dims=("dims",),
    foreign=True,
    takes="stack",
    example={"kind": "spec", "weights": "encoder", "inputs": {"ids": "ids"}},
)
