"""Tries the decoders of a written model alone, on numbers that no text causes.

Real text has some tags, few transitions and no ties. So the parts that decide on emissions, name classes, read spans or
find tokens are cut out of the written file, and run on sequences in which each class follows each, on equal, large and
infinite emissions, on empty texts and odd ones. The loaded model decides on the same cases.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import helper

from assembler.core.errors import ParityError
from assembler.core.problems import Problem
from assembler.core.tensors import TensorType
from assembler.onnx_model.sessions import open_session, run
from assembler.proof.section import read_section
from assembler.proof.stepwise_gaps import gap
from assembler.surgery.joining import tensor_names, value_info

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from assembler.core.arrays import Array
    from assembler.core.values import Value
    from assembler.onnx_model.fragment import Fragment
    from assembler.onnx_model.sessions import OpenSession
    from assembler.proof.section import Section
    from assembler.spec.stack_spec import Spec
    from assembler.wiring.graph import Wiring

#: How far scores may differ: they are sums and a softmax of the same numbers.
_SCORES = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One batch.

    Attributes:
        inputs: The inputs of the part, by port.
        expected: The outputs that it must compute, by port.
        inside: Where a token is, bool [sentences, tokens]; values elsewhere are not compared. `None` for everything.
        shown: Describes a sequence of the batch in words.
    """

    inputs: Mapping[str, Array]
    expected: Mapping[str, Array]
    inside: Array | None = None
    shown: Callable[[tuple[int, ...]], str] | None = None


@dataclass(frozen=True, slots=True)
class Tried:
    """The cases of one decoder. They come from the source, so they are the same on every machine.

    Attributes:
        part: The part.
        sequences: The sequences or texts.
        met: How many of all possible things the cases covered, by name: `transitions`.
    """

    part: str
    sequences: int
    met: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return the figures."""
        return ", ".join(
            [f"{self.sequences} sequences", *(f"{some} of {every} {what}" for what, (some, every) in self.met.items())]
        )

    def record(self) -> dict[str, Value]:
        """Return its entry in the metadata."""
        met: dict[str, Value] = {}
        for what, (some, every) in self.met.items():
            met |= {what: some, f"of_{what}": every}
        return {"part": self.part, "sequences": self.sequences, **met}


@dataclass(frozen=True, slots=True, eq=False)
class Decoder:
    """One part with its cases.

    Attributes:
        tried: The cases in words.
        fed: Where it is cut out: for each port that cases name the `node.port`, or the input of the model.
        rules: The meaning of each of its ports, for the message.
        cases: The batches.
    """

    tried: Tried
    fed: Mapping[str, str]
    rules: Mapping[str, str]
    cases: Sequence[Case]


@dataclass(frozen=True, slots=True, eq=False)
class Decoders:
    """The decoders of a stack, with the tensors of the file between which each of them is.

    Attributes:
        spec: The spec.
        parts: The decoders.
        tensors: For each `node.port` the name of its tensor in the file.
        types: The element type and the rank of each of them.
    """

    spec: Spec
    parts: Sequence[Decoder]
    tensors: Mapping[str, str]
    types: Mapping[str, TensorType]

    @classmethod
    def of(cls, wiring: Wiring, parts: Sequence[Decoder], fragments: Mapping[str, Fragment]) -> Decoders:
        """Find where decoders are in the joined model."""
        tensors = {name: name for name in wiring.spec.inputs} | tensor_names(wiring, fragments)
        return cls(wiring.spec, parts, tensors, {text: _open(wiring.tensors[text]) for text in tensors})

    def prove(self, path: Path) -> None:
        """Compare each decoder of a written model with the source's.

        Raises:
            ParityError: One computes something else (P010).
            ModelError: It cannot be run (M006, M007).
        """
        for part in self.parts:
            node = part.tried.part
            fed = {port: self.tensors[text] for port, text in part.fed.items()}
            given = {port: self.tensors[f"{node}.{port}"] for port in part.rules}
            section = read_section(path, [*fed.values()], [*given.values()])
            if not section.outputs:
                continue
            if section.foreign:
                message = f"the part '{node}' reads {', '.join(sorted(section.foreign))} beside what the spec feeds it"
                raise ParityError(self._problem(message))
            session = open_session(self._model(section), f"the part '{node}' of the model")
            for case in part.cases:
                self._compare(session, part, case, (fed, given))

    def _compare(
        self, session: OpenSession, part: Decoder, case: Case, names: tuple[Mapping[str, str], Mapping[str, str]]
    ) -> None:
        fed, given = names
        node = part.tried.part
        inputs = {fed[port]: array for port, array in case.inputs.items() if port in fed}
        outputs = run(session, inputs, f"the part '{node}' of the model")
        for port, expected in case.expected.items():
            if given[port] not in outputs:
                continue
            source, model = (_inside(array, case.inside) for array in (expected, outputs[given[port]]))
            found = gap(f"{node}.{port}", source, model, _SCORES)
            if found.differs:
                shown = "" if case.shown is None else case.shown(found.index)
                message = f"the part '{node}' does not decode as its source does: {part.rules[port]}\n  {found}{shown}"
                raise ParityError(self._problem(message))

    def _problem(self, message: str) -> Problem:
        hint = "nothing was written; compare the spec with `assemble init` of the same source, or report it"
        return Problem.at(self.spec.proof.mark, "P010", message, hint)

    def _model(self, section: Section) -> bytes:
        """Return a section as a separate model."""
        types = {self.tensors[text]: type_ for text, type_ in self.types.items()}
        graph = onnx.GraphProto(name="decoder")
        graph.node.extend(section.nodes)
        graph.initializer.extend(section.initializers)
        graph.input.extend(value_info(name, types[name]) for name in sorted(section.inputs))
        graph.output.extend(value_info(name, TensorType(types[name].dtype, None)) for name in sorted(section.outputs))
        model = helper.make_model(graph, opset_imports=section.opsets)
        model.ir_version = helper.find_min_ir_version_for(section.opsets, ignore_unknown=True)
        return bytes(model.SerializeToString())


def _open(known: TensorType) -> TensorType:
    return TensorType(known.dtype, None if known.dims is None else (None,) * len(known.dims))


def _inside(array: Array, inside: Array | None) -> Array:
    """Return an array without the values after the sequences' ends, as long as its shape is right."""
    if inside is None or array.shape[:2] != inside.shape:
        return array
    return np.where(inside, array, np.zeros((), array.dtype))
