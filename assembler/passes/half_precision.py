"""Pass: large float32 weights are stored in half precision.

They become float32 again when the model is loaded (ONNX Runtime folds the `Cast`), so nothing is computed in half
precision. The file is half as large, and the speed is the same.

Requires: any model. Does: each large float32 initializer becomes a float16 one and a `Cast`. Ensures: weights differ by
at most a 2048th of themselves, and by 3e-8 where they are tiny; a weight that half precision cannot hold stays float32,
and so does one that a loop's body reads, because there an engine may support only initializers (OpenVINO).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from onnx import helper

from assembler.onnx_model.nesting import read_inside
from assembler.passes.rewriting import Rewriting

if TYPE_CHECKING:
    from assembler.onnx_model.model import Model

_FLOAT32 = 1


@dataclass(frozen=True, slots=True)
class Halve:
    """The pass.

    Attributes:
        least_values: Weights of fewer values stay float32.
    """

    least_values: int = 2**12

    def __call__(self, model: Model) -> Model:
        """Return the model with its large weights in half precision."""
        rewriting = Rewriting(model)
        limit = float(np.finfo(np.float16).max)
        inside = {tensor for node in rewriting.nodes() for tensor in read_inside(node)}
        for name, array in model.weights.items():
            if name in inside or array.dtype != np.float32 or array.size < self.least_values:
                continue
            if np.abs(array).max() <= limit:
                half = rewriting.add(rewriting.scope(f"{name}/half"), array.astype(np.float16))
                cast = helper.make_node("Cast", [half], [name], name=f"{name}/cast", to=_FLOAT32)
                rewriting.compute(name, [cast])
        return rewriting.model()
