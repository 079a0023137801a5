"""The spec as values: what a person wrote, checked against the schema, each with its place."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from assembler.forms.source import Nesting, Setting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assembler.core.problems import Mark
    from assembler.core.tensors import TensorType
    from assembler.core.values import Value
    from assembler.forms.source import Source
    from assembler.spec.yaml_text import Document


@dataclass(frozen=True, slots=True)
class Input:
    """A named dynamic input of the model.

    Attributes:
        name: Its public name.
        type: Its element type and dims.
        fill: How a host fills it, where the spec says so; `None` means that the wiring tells.
        range: The least and the greatest value that a proof on random values draws, or `None`.
        mark: Where its name stands.
    """

    name: str
    type: TensorType
    fill: str | None
    range: tuple[int, int] | None
    mark: Mark


@dataclass(frozen=True, slots=True)
class Reference:
    """A tensor by name: `node.port`, or the name of an input of the model.

    Attributes:
        text: As written.
        mark: Where it stands.
        is_input: Whether an input has just this name, which may have dots in it.
    """

    text: str
    mark: Mark
    is_input: bool = False

    @property
    def owner(self) -> str:
        """The node, or the input."""
        return self.text if self.is_input else self.text.partition(".")[0]

    @property
    def port(self) -> str | None:
        """The port of the node, or `None` where the reference has no dot."""
        return None if self.is_input else self.text.partition(".")[2] or None


@dataclass(frozen=True, slots=True)
class Connection:
    """What feeds one input port of a node; several references for a list.

    Attributes:
        port: The port, or `None` where the spec gives a bare list for the kind's only port.
        references: What feeds it.
        listed: Whether the spec wrote a list.
        mark: Where the port's name stands.
    """

    port: str | None
    references: tuple[Reference, ...]
    listed: bool
    mark: Mark


@dataclass(frozen=True, slots=True)
class Node:
    """One part of the graph.

    Attributes:
        name: Its id.
        kind: The name of its kind.
        weights: `source` or `source.path.to.part`, or `None`.
        connections: What feeds its ports.
        parameters: Its other keys.
        mark: Where its id stands.
        kind_mark: Where its kind stands.
        weights_mark: Where its weights stand, or its id where it has none.
    """

    name: str
    kind: str
    weights: str | None
    connections: tuple[Connection, ...]
    parameters: Mapping[str, Value]
    mark: Mark
    kind_mark: Mark
    weights_mark: Mark


@dataclass(frozen=True, slots=True)
class Output:
    """A named output of the model, and what feeds it."""

    name: str
    reference: Reference
    mark: Mark


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a proof draws for one input.

    Attributes:
        range: The least and the greatest value, or `None`.
        values: The values to choose from, or `None`.
    """

    range: tuple[float, float] | None
    values: tuple[int | float | str | bool, ...] | None


@dataclass(frozen=True, slots=True)
class Trials:
    """What a proof tries of a stack whose inputs are not filled from text.

    Attributes:
        sizes: For each dim the sizes it has, one after the other.
        inputs: For each input what is drawn for it.
        cases: A file of arrays, relative to the spec: inputs, and outputs that are expected; or `None`.
        cases_mark: Where `cases` stands, or the section.
    """

    sizes: Mapping[str, tuple[int, ...]]
    inputs: Mapping[str, Drawn]
    cases: str | None
    cases_mark: Mark


@dataclass(frozen=True, slots=True)
class Proof:
    """What the assembled model must equal.

    Attributes:
        against: The source whose loaded tagger is the reference, and whose task the first; or `None`: that of each part
            which gives tags.
        sentences: A file of sentences, one a line, tokens separated by spaces; relative to the spec; or `None`.
        scores_within: The largest difference of a score that still counts as equal.
        within_said: Whether the spec itself says so; then it is kept to the letter.
        tags_changed: The share of tags that a lossy profile may change, or `None` for what the profile says.
        gold: A file of tokens with the labels that a person gave them, relative to the spec; or `None`.
        accuracy_loss: How much less of it a lossy profile may get right than the source, or `None` for the default.
        at_least: What the proof must cover, by what is counted, so far as the spec says.
        trials: What is tried where inputs are not filled from text.
        mark: Where `against` stands, or the section.
        sentences_mark: Where `sentences` stands, or the section.
        gold_mark: Where `gold` stands, or the section.
        at_least_mark: Where `at_least` stands, or the section.
    """

    against: str | None
    sentences: str | None
    scores_within: float
    within_said: bool
    tags_changed: float | None
    gold: str | None
    accuracy_loss: float | None
    at_least: Mapping[str, int]
    trials: Trials
    mark: Mark
    sentences_mark: Mark
    gold_mark: Mark
    at_least_mark: Mark


@dataclass(frozen=True, slots=True)
class Spec:
    """A stack spec that the schema has passed.

    Attributes:
        name: The name of the stack.
        description: A sentence about it, or an empty text.
        opset: The ONNX opset that the model is emitted at.
        profile: How parts are lowered.
        sources: By name, in the spec's order; so are the following three.
        inputs: The model's inputs.
        graph: The parts.
        outputs: The model's outputs.
        proof: What the model must equal.
        folder: The folder that paths are relative to.
        document: The text that all this was read from.
        confined: Whether no file outside the folder may be opened (`check --strict`).
        opset_told: Whether the spec itself names the opset.
        nesting: The specs that it is in.
    """

    name: str
    description: str
    opset: int
    profile: str
    sources: Mapping[str, Source]
    inputs: Mapping[str, Input]
    graph: Mapping[str, Node]
    outputs: Mapping[str, Output]
    proof: Proof
    folder: Path
    document: Document
    confined: bool = False
    opset_told: bool = True
    nesting: Nesting = field(default_factory=Nesting)

    def setting(self, *, trust: bool = False, proven: bool = True) -> Setting:
        """Return what its sources are read in."""
        nesting = self.nesting.inside(Path(self.document.file))
        return Setting(self.folder, self.opset, trust, self.confined, proven, nesting)
