"""Measures how far a model's outputs are from those of its parts, run one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from assembler.proof.tolerances import allowed

if TYPE_CHECKING:
    from assembler.core.arrays import Array


@dataclass(frozen=True, slots=True)
class Gap:
    """How far a tensor of the model is from the reference.

    Attributes:
        tensor: `node.port`, or the name of an output.
        largest: The absolute difference that exceeds the allowed one by most; infinite if shapes, types or text
            differ.
        index: Where it is.
        source: The reference's value there, or its shape.
        model: The model's value there, or its shape.
        differs: Whether it is more than is allowed.
    """

    tensor: str
    largest: float
    index: tuple[int, ...]
    source: str
    model: str
    differs: bool

    def __str__(self) -> str:
        """Return one line with the figures on both sides."""
        place = f" at {list(self.index)}" if self.index else ""
        sides = f"the source has {self.source}, the model {self.model}"
        return f"{self.tensor}: differs by {self.largest:.3g}{place}: {sides}"


def gap(tensor: str, source: Array, model: Array, within: float = 0.0) -> Gap:
    """Compare two tensors.

    Args:
        tensor: What they are called.
        source: The source's.
        model: The model's.
        within: How far floats may differ, in addition to the share of their size that their type allows (`tolerances`).
    """
    if source.shape != model.shape or source.dtype != model.dtype:
        shapes = (f"{source.dtype}{list(source.shape)}", f"{model.dtype}{list(model.shape)}")
        return Gap(tensor, np.inf, (), *shapes, differs=True)
    if source.size == 0:
        return Gap(tensor, 0.0, (), "nothing", "nothing", differs=False)
    if source.dtype.kind in "OUSb":
        distance = np.where(source == model, 0.0, np.inf)
    else:
        wide = np.complex128 if source.dtype.kind == "c" else np.float64
        theirs, ours = source.astype(wide), model.astype(wide)
        with np.errstate(invalid="ignore"):
            distance = np.abs(theirs - ours)
        same = (source == model) | (np.isnan(theirs) & np.isnan(ours))
        distance = np.where(same, 0.0, np.where(np.isnan(distance), np.inf, distance))
    excess = distance - allowed(source, within)
    flat = int(np.argmax(excess))
    index = tuple(int(axis) for axis in np.unravel_index(flat, source.shape))
    values = str(source[index]), str(model[index])
    return Gap(tensor, float(distance.flat[flat]), index, *values, differs=bool(excess.flat[flat] > 0))
