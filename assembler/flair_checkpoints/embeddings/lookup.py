"""Reads the table of embeddings whose rows are looked up word by word."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from assembler.flair_checkpoints.torch_layers import array_of
from assembler.weights.tables import TableWeights

if TYPE_CHECKING:
    from assembler.core.arrays import Arrays
    from assembler.interface.table_inputs import Words


@torch.no_grad()
def table_of(layer: torch.nn.Embedding, norm: torch.nn.LayerNorm | None, words: Words) -> TableWeights:
    """Return a table with normalised rows. Each row is normalised by itself, so the result is the same as flair's."""

    @torch.no_grad()
    def run(inputs: Arrays) -> Arrays:
        rows = layer(torch.from_numpy(np.array(inputs["words"])))
        return {"rows": array_of(rows if norm is None else norm(rows))}

    return TableWeights(array_of(layer.weight if norm is None else norm(layer.weight)), words, run)
