"""What a kind of part is: its parameters, its ports and its builder.

A kind is one module with one `Kind` in it. Third parties publish theirs through the entry-point group
`assembler.kinds`; `docs/kinds.md` shows one. A kind module is imported by `assemble check`, which answers in half a
second: it imports onnx, numpy or torch inside its builder, if it needs them at all, never at its top.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from assembler.core.tensors import UNKNOWN, TensorType
from assembler.weights.protocol import sort_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from assembler.core.arrays import Arrays, RuntimeValues
    from assembler.core.values import Value
    from assembler.onnx_model.emitter import Emitter
    from assembler.weights.protocol import Weights


@dataclass(frozen=True, slots=True)
class Port:
    """A place where a tensor enters or leaves a part.

    Attributes:
        name: The port's name, unique among the part's inputs, or among its outputs.
        type: For an input, the pattern that its tensor must fit: a `str` dim is a variable of this part, and is the
            same size wherever the part uses it. For an output, the type in terms of the same variables; a variable that
            no input binds is a new dynamic dim.
        variadic: The port takes a list of one or more tensors.
        fill: For an input port that a host feeds directly, the rule for filling it; one of `fill_rules.RULES`.
        gives: For an output port that a host reads, the meaning of its values: `prediction`, `scores` or `labels` of
            each token, its `class_probabilities`, the `probabilities` of the classes of each sentence, its
            `sentence_labels` and their `sentence_scores`, its `numbers`, `lengths` of sentences, the `embeddings`
            that a head reads, or of spans `span_sentence`, `_start`, `_end`, `_label` and `_score`.
        optional: Whether an input port may be left out.
        about: For an input port whose `fill` depends on the part that feeds another port: that port. Indices, for
            example, are places in the states that feed it.
        expects: For an input port that must be fed the same values as in a loaded model: `embeddings` means all of the
            model's embeddings, joined in its order.
        rows_of: For an output port, what its leading axes count: the `characters` of texts, the `subtokens` of pieces,
            or `parts`, whose rows follow one part after another.
        joins: For an output port, the variadic port whose tensors it joins one after another.
        padded: For an output port with meaningless numbers after the ends of texts: the axis of the texts, and that of
            the places in a text. The lengths or the mask that are fed say how many places are real.
        tries: For an input port of one number: the values that a proof gives it, one after another, where an input of
            the model feeds it and the spec says nothing else.
        any_value: For an input port whose type names no element type: whether it takes sequences, maps and optionals
            too, and not tensors alone.
        on_request: For an output port: whether the model's description leaves it out where the spec does not name it.
    """

    name: str
    type: TensorType = UNKNOWN
    variadic: bool = False
    fill: str | None = None
    gives: str | None = None
    optional: bool = False
    about: str | None = None
    expects: Literal["embeddings"] | None = None
    rows_of: Literal["characters", "subtokens", "parts"] | None = None
    joins: str | None = None
    padded: tuple[int, int] | None = None
    tries: tuple[int, ...] = ()
    any_value: bool = False
    on_request: bool = False


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of one part. `None` means that they are not known, because the file that names them is missing."""

    inputs: tuple[Port, ...] | None
    outputs: tuple[Port, ...] | None


@dataclass(frozen=True, slots=True)
class PartView:
    """What a kind sees of one node of the graph.

    Attributes:
        node: The node's id.
        parameters: The node's parameters, already validated by the schema.
        inputs: The types of the tensors that feed it, by port; empty when only the ports' names are needed.
        weights: The weights from the source, or `None` before the sources are read.
        opset: The version of the default operator domain, which the spec names.
    """

    node: str
    parameters: Mapping[str, Value]
    inputs: Mapping[str, Sequence[TensorType]] = field(default_factory=dict)
    weights: Weights | None = None
    opset: int = 17

    def arriving(self, port: str) -> TensorType:
        """Return the type of the tensor that feeds a port, or the unknown type."""
        types = self.inputs.get(port, ())
        return types[0] if types else UNKNOWN

    def fact(self, name: str) -> int | None:
        """Return a size that the weights fix, or that a parameter declares, or `None` before either is known."""
        if self.weights is not None and name in (facts := self.weights.facts()):
            return facts[name]
        declared = self.parameters.get(name)
        return declared if isinstance(declared, int) else None


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong with the parameters of a part beyond what their schema can say.

    Attributes:
        path: The parameter, and keys or indices into it.
        message: The value that was found and the value that was expected.
        hint: What to do about it.
    """

    path: tuple[str | int, ...]
    message: str
    hint: str | None = None


def _no_complaint(_part: PartView) -> tuple[Complaint, ...]:
    return ()


class Builder(Protocol):
    """Emits the operators of one part."""

    def __call__(self, part: PartView, emit: Emitter) -> None:
        """Read the inputs with `emit.inputs(port)`, add operators, and end with `emit.output(port, tensor)`."""


class Runner(Protocol):
    """Runs one part alone, as its sources do."""

    def __call__(self, part: PartView, inputs: Arrays) -> RuntimeValues:
        """Return what its output ports give."""


@dataclass(frozen=True, slots=True)
class Cases:
    """What the runs of a proof must meet of a part that computes in several ways.

    Attributes:
        wanted: The ways, in words.
        of: Returns the one that a run was, from what the part was fed and what it gave.
        hint: What makes a proof meet them.
    """

    wanted: tuple[str, ...]
    of: Callable[[PartView, Arrays, RuntimeValues], str]
    hint: str


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of part.

    Attributes:
        name: The word that a spec writes after `kind:`.
        summary: One sentence for the schema, the editor and the documentation.
        ports: Returns the ports of a part of this kind.
        build: Emits its operators.
        parameters: A JSON Schema for each parameter; each has a description and examples.
        required: The parameters that a spec must give.
        weights: Whether parts of this kind need weights.
        check: Checks the parameters of a part and the types that feed it; its complaints are reported as W020.
        example: A node of this kind, for the schema and the documentation.
        takes: The sort of weights (`Weights.sort`) that its parts take, or several of them; `None` for any.
        view: Returns what a part takes of the weights that it names, or `None` where the weights lack it. Without
            `view`, a part takes weights of the sort as a whole.
        dims: The parameters whose lists contain names of dims of the model's inputs.
        new_dims: The parameters whose mappings contain names of dims that the inputs need not have.
        foreign: Whether a file or a spec decides which operators its parts have, so that some engines may not support
            them.
        sources: The parameters that name weights as `weights` does, for kinds whose parts take more than one source.
            Such a part is given all of them, as `SeveralWeights`.
        run: Runs a part alone for the proof, where its weights do not do so by themselves.
        cases: What a proof must meet of each part.
    """

    name: str
    summary: str
    ports: Callable[[PartView], Ports]
    build: Builder
    parameters: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    weights: bool = False
    check: Callable[[PartView], Iterable[Complaint]] = _no_complaint
    example: Mapping[str, Value] = field(default_factory=dict)
    takes: str | frozenset[str] | None = None
    view: Callable[[Weights], Weights | None] | None = None
    dims: tuple[str, ...] = ()
    new_dims: tuple[str, ...] = ()
    foreign: bool = False
    sources: tuple[str, ...] = ()
    run: Runner | None = None
    cases: Cases | None = None

    @property
    def sorts(self) -> frozenset[str] | None:
        """The sorts of weights that its parts take, or several of them; `None` for any."""
        return frozenset({self.takes}) if isinstance(self.takes, str) else self.takes

    def taken(self, weights: Weights) -> Weights | None:
        """Return what a part of this kind takes of the weights that it names, or `None` if they do not fit."""
        if self.view is not None:
            return self.view(weights)
        return weights if self.sorts is None or sort_of(weights) in self.sorts else None
