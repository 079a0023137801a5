"""Compares the dims that a file declares with the sizes in runs. A name has one size throughout a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from assembler.core.errors import ParityError
from assembler.core.problems import Problem
from assembler.onnx_model.sessions import run
from assembler.proof.batch_plan import width
from assembler.runtime.context import InContext
from assembler.runtime.metadata import Metadata
from assembler.runtime.shapes import FixedShapes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from assembler.core.arrays import Array, RuntimeValues
    from assembler.core.problems import Mark
    from assembler.core.tensors import Dim
    from assembler.onnx_model.sessions import OpenSession
    from assembler.spec.stack_spec import Spec

    #: The declared dims of a tensor; `None` if not even their number is known.
    Declared = Sequence[Dim] | None

#: The sentences of runs whose inputs are filled from text: one, a small odd number, more than flair's own 32.
_SIZES = (1, 5, 33)
_MOST_LINES = 5
_HINT = "nothing was written; give different names to dims that can differ, under 'dims' of the part or in the input"


class Dims:
    """The sizes that named dims have in one run."""

    def __init__(self, case: str) -> None:
        """Begin a run, of which nothing is known yet."""
        self._case = case
        self._sizes: dict[str, tuple[int, str]] = {}
        self.wrong: list[str] = []

    def meet(self, tensor: str, declared: Declared, array: Array) -> None:
        """Compare the declared dims of a tensor with its sizes."""
        if declared is None:
            return
        shown = f"{tensor} [{', '.join('?' if dim is None else str(dim) for dim in declared)}]"
        if len(declared) != array.ndim:
            self.wrong.append(f"  {self._case}: {shown} has {array.ndim} axes: {[*array.shape]}")
            return
        for dim, size in zip(declared, array.shape, strict=True):
            if isinstance(dim, int) and dim != size:
                self.wrong.append(f"  {self._case}: {shown} is {[*array.shape]}: declared is {dim}, found {size}")
            elif dim is not None and not isinstance(dim, int):
                known, where = self._sizes.setdefault(str(dim), (size, shown))
                if known != size:
                    found = f"'{dim}' is {known} by {where}, and {size} in {shown}, which is {[*array.shape]}"
                    self.wrong.append(f"  {self._case}: {found}")


def require_dims(mark: Mark, wrong: Iterable[str]) -> None:
    """Refuse declared dims that runs contradict.

    Raises:
        ParityError: There are some (P006).
    """
    lines = [*dict.fromkeys(wrong)]
    if lines:
        message = "\n".join(["a run contradicts declared dims", *lines[:_MOST_LINES]])
        raise ParityError(Problem.at(mark, "P006", message, _HINT))


def check_dims(
    session: OpenSession,
    spec: Spec,
    sentences: Sequence[Sequence[str]],
    cases: Sequence[tuple[str, RuntimeValues]] | None,
) -> None:
    """Compare the dims of a file's inputs and outputs with runs of the file.

    Args:
        session: The written model.
        spec: Its spec.
        sentences: The sentences of the proof.
        cases: Named inputs; `None` where all inputs are filled from the sentences.

    Raises:
        ParityError: A run contradicts a dim (P006).
        ModelError: The model cannot be run (M007, M012 to M014).
    """
    inputs: dict[str, Declared] = {
        port.name: port.shape for port in session.get_inputs() if port.type.startswith("tensor(")
    }
    outputs: dict[str, Declared] = {port.name: port.shape for port in session.get_outputs()}
    wrong: list[str] = []
    for case, feeds in _sentence_cases(session, spec.name, sentences) if cases is None else cases:
        dims = Dims(case)
        for name, declared in inputs.items():
            value = feeds[name]
            if isinstance(value, np.ndarray):
                dims.meet(f"the input {name}", declared, value)
        for name, array in run(session, feeds, "the assembled model").items():
            dims.meet(f"the output {name}", outputs[name], array)
        wrong += dims.wrong
    require_dims(spec.proof.mark, wrong)


def _sentence_cases(
    session: OpenSession, name: str, sentences: Sequence[Sequence[str]]
) -> Iterator[tuple[str, Mapping[str, Array]]]:
    """Yield inputs filled from the shortest sentences, the longest of these first. Their content does not matter."""
    interface = Metadata.read(session.get_modelmeta().custom_metadata_map, name).interface
    declared = {
        port.name: tuple(size if isinstance(size, int) else None for size in port.shape)
        for port in session.get_inputs()
    }
    shapes = FixedShapes.declared(interface, declared, name)
    short = sorted(sentences, key=width)[: max(_SIZES)][::-1]
    for size in dict.fromkeys(shapes.most(size) for size in _SIZES):
        batch = [InContext(tuple(token for token in tokens if token)) for tokens in short[:size]]
        whole = shapes.whole(batch)
        yield f"{len(whole)} sentences", shapes.filled(whole)
