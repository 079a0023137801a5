"""Runs a written model with every tensor between its parts as an output."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx

from assembler.core.tensors import TensorType
from assembler.onnx_model.sessions import open_session, run_all
from assembler.surgery.joining import value_info

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from assembler.core.arrays import RuntimeValue, RuntimeValues
    from assembler.wiring.graph import Wiring


def tapped_outputs(
    path: Path, wiring: Wiring, tensors: Mapping[str, str], inputs: RuntimeValues
) -> dict[str, RuntimeValue]:
    """Return what flows between the parts of a written model.

    Args:
        path: The model. A copy with more outputs is written beside it, where its external data is found, and removed.
        wiring: Its wiring.
        tensors: For each `node.port` the name of its tensor in the file.
        inputs: The inputs of the run.

    Returns:
        The values by `node.port`.
    """
    model = onnx.load(path, load_external_data=False)
    present = {output.name for output in model.graph.output}
    produced = {name for node in model.graph.node for name in node.output}
    for text, name in tensors.items():
        if name in produced - present:
            model.graph.output.append(value_info(name, TensorType(wiring.tensors[text].dtype, None)))
            present.add(name)
    copy = path.with_name(f"{path.name}.tapped.partial")
    try:
        onnx.save(model, copy)
        given = run_all(open_session(copy, "the assembled model"), inputs, "the assembled model")
    finally:
        copy.unlink(missing_ok=True)
    return {text: given[name] for text, name in tensors.items() if name in given}
