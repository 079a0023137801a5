"""Operators that onnx's reference evaluator gets wrong, computed by numpy.

RE is onnx 1.23's reference/ops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx.reference.op_run import OpRun

if TYPE_CHECKING:
    from assembler.core.arrays import Array


class GatherElements(OpRun):
    """`GatherElements`: onnx's fails on an axis that is counted from the end, and on more than 64 values along it.

    It removes the axis -1 as `shape[:-1] + shape[0:]`, and chooses by `np.choose` (RE/op_gather_elements.py 19-33).
    """

    def _run(self, data: Array, indices: Array, axis: int | None = None) -> tuple[Array]:
        axis = (axis or 0) % data.ndim
        within = tuple(slice(None if place == axis else size) for place, size in enumerate(indices.shape))
        return (np.take_along_axis(data[within], indices.astype(np.int64), axis),)


#: All of them.
OPERATORS: tuple[type[OpRun], ...] = (GatherElements,)
