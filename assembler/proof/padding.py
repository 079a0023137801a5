"""Finds the places of tensors that nothing reads: after the ends of texts, of sentences and of pieces.

A profile may leave other numbers there than the source. A report that named such numbers would blame the wrong part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from assembler.wiring.origins import fed_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.core.arrays import Array, Arrays
    from assembler.wiring.graph import Wiring

#: The rules of the inputs that say which places are read.
_COUNTS = ("token_lengths", "character_lengths")
_MASK = "subtoken_mask"
_ROWS_RANK = 2


class Padding:
    """The places that are read in one run, by the lengths and masks that are fed to the parts."""

    def __init__(self, wiring: Wiring, values: Arrays) -> None:
        """Find the places.

        Args:
            wiring: The wiring.
            values: The inputs of the run, and the source's tensors between the parts.
        """
        self._wiring = wiring
        self._own: dict[str, tuple[tuple[int, ...], Array]] = {}
        self._named: dict[tuple[str, ...], Array] = {}
        for text, axes, mask in _masks(wiring, values):
            self._own.setdefault(text, (axes, mask))
            dims = wiring.tensors[text].dims or ()
            names = [dims[axis] for axis in axes if axis < len(dims)]
            if len(names) == len(axes) and all(isinstance(name, str) for name in names):
                self._named.setdefault(tuple(map(str, names)), mask)

    def hidden(self, text: str, array: Array) -> Array:
        """Return a tensor with zeros where nothing is read. A tensor of another shape is returned unchanged.

        Args:
            text: The tensor, `node.port`.
            array: The model's values.
        """
        for axes, mask in self._masks_of(text):
            if max(axes) < array.ndim and mask.shape == tuple(array.shape[axis] for axis in axes):
                places = mask if list(axes) == sorted(axes) else mask.T
                shape = [size if axis in axes else 1 for axis, size in enumerate(array.shape)]
                array = np.where(places.reshape(shape), array, np.zeros((), array.dtype))
        return array

    def _masks_of(self, text: str) -> Iterator[tuple[tuple[int, ...], Array]]:
        """Yield the axes and the mask of a tensor: its own, else those of the tensors whose dims it shares by name."""
        if text in self._own:
            yield self._own[text]
            return
        dims = list(self._wiring.tensors[text].dims or ())
        for names, mask in self._named.items():
            if all(dims.count(name) == 1 for name in names):
                yield tuple(dims.index(name) for name in names), mask


def _masks(wiring: Wiring, values: Arrays) -> Iterator[tuple[str, tuple[int, ...], Array]]:
    """Yield tensors, the axes of texts and of places in them, and what is read there: bool [texts, places]."""
    for node in wiring.order:
        for port in wiring.outputs[node]:
            text, axes = f"{node}.{port.name}", port.padded
            if axes and text in values and values[text].ndim > 1:
                mask = _mask(wiring, node, values, values[text].shape[axes[1]])
                if mask is not None:
                    yield text, axes, mask
                    yield from _rows(wiring, node, mask)


def _mask(wiring: Wiring, node: str, values: Arrays, places: int) -> Array | None:
    fed = {fed_port(wiring, edge).fill: values.get(edge.reference.text) for edge in wiring.edges[node]}
    mask = fed.get(_MASK)
    if mask is not None:
        return np.asarray(mask != 0)
    lengths = next((fed[rule] for rule in _COUNTS if fed.get(rule) is not None), None)
    return None if lengths is None else np.asarray(np.arange(places) < lengths.astype(np.int64)[:, np.newaxis])


def _rows(wiring: Wiring, node: str, mask: Array) -> Iterator[tuple[str, tuple[int, ...], Array]]:
    """Yield the embeddings of a head that come as rows: as many of each sentence as the longest has tokens."""
    for edge in wiring.edges[node]:
        text = edge.reference.text
        if fed_port(wiring, edge).expects == "embeddings" and wiring.tensors[text].rank == _ROWS_RANK:
            yield text, (0,), mask.ravel()
