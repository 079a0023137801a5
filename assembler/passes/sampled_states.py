"""The states of a loop over random characters: the factors of the products in it.

No text is needed: on the trained taggers, states over random characters served the rounding of weights nearly as well
as those over text of the tagger's own language (docs/performance.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from assembler.onnx_model.nesting import read_by
from assembler.passes.rewriting import changed

if TYPE_CHECKING:
    from assembler.onnx_model.graph_reader import Floats
    from assembler.passes.rewriting import Rewriting

#: The number of lanes, and the characters of each.
_LANES, _CHARACTERS = 32, 32


def sampled_states(rewriting: Rewriting, loop: onnx.NodeProto, hidden: int, characters: int) -> Floats:
    """Return states of a language model, float32 [samples, hidden]. The same model gives the same characters.

    Args:
        rewriting: The model with the loop.
        loop: The `Scan` of a language model, which begins with states of zeros.
        hidden: Its hidden states.
        characters: How many characters it has: their ids are below.
    """
    from assembler.onnx_model.sessions import open_session, run

    ids = np.random.default_rng(0).integers(0, characters, (_CHARACTERS, _LANES))
    start = np.zeros((_LANES, hidden), np.float32)
    what = f"the loop {loop.name}"
    session = open_session(_alone(rewriting, loop).SerializeToString(), what)
    [states] = run(session, {"start": start, "ids": ids}, what).values()
    return cast("Floats", states).reshape(-1, hidden)


def _alone(rewriting: Rewriting, loop: onnx.NodeProto) -> onnx.ModelProto:
    """Return a model of nothing but the loop."""
    copy = changed(loop, [*["start"] * (len(loop.input) - 1), "ids"])
    read = ((name, rewriting.array(name)) for name in sorted(read_by(loop)))
    graph = helper.make_graph(
        [copy],
        "loop",
        [
            helper.make_tensor_value_info("start", TensorProto.FLOAT, [None, None]),
            helper.make_tensor_value_info("ids", TensorProto.INT64, [None, None]),
        ],
        [helper.make_tensor_value_info(copy.output[-1], TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in read if array is not None],
    )
    opset = helper.make_opsetid("", rewriting.opset)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8)
