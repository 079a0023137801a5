"""The spec as values: what a person wrote, checked against the schema, each value with its place."""

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
        fill: How a host fills it, if the spec says so; `None` means that the wiring decides.
        range: The least and the greatest value that a proof on random values draws, or `None`.
        mark: Where its name is.
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
        mark: Where it is.
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
        port: The port, or `None` where the spec has a bare list for the kind's only port.
        references: What feeds it.
        listed: Whether the spec wrote a list.
        mark: Where the port's name is.
    """

    port: str | None
    references: tuple[Reference, ...]
    listed: bool
    mark: Mark


@dataclass(frozen=True, slots=True)
class WeightPath:
    """Where a part's weights are.

    Attributes:
        key: The key that says so: `weights`, or another one of the kind's.
        text: `source` or `source.path.to.part`.
        mark: Where it stands.
    """

    key: str
    text: str
    mark: Mark

    @property
    def source(self) -> str:
        """The name of the source."""
        return self.text.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Node:
    """One part of the graph.

    Attributes:
        name: Its id.
        kind: The name of its kind.
        weights: `source` or `source.path.to.part`, or `None`.
        connections: What feeds its ports.
        parameters: Its other keys.
        mark: Where its id is.
        kind_mark: Where its kind is.
        weights_mark: Where its weights are named, or its id if it has none.
        paths: All places where its weights are: `weights`, and the other keys of its kind that name sources.
    """

    name: str
    kind: str
    weights: str | None
    connections: tuple[Connection, ...]
    parameters: Mapping[str, Value]
    mark: Mark
    kind_mark: Mark
    weights_mark: Mark
    paths: tuple[WeightPath, ...] = ()


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
        sizes: For each dim the sizes that are tried.
        inputs: For each input, how its values are drawn.
        cases: A file of arrays, relative to the spec, with inputs and expected outputs; or `None`.
        cases_mark: Where `cases` is, or the section.
    """

    sizes: Mapping[str, tuple[int, ...]]
    inputs: Mapping[str, Drawn]
    cases: str | None
    cases_mark: Mark


@dataclass(frozen=True, slots=True)
class Proof:
    """What the assembled model must equal.

    Attributes:
        against: The source whose loaded tagger is the reference and whose task is the first. `None` means the source of
            each part that outputs tags.
        sentences: A file of sentences, one a line, tokens separated by spaces; relative to the spec; or `None`.
        scores_within: The largest difference of a score that still counts as equal.
        tolerance_set: Whether the spec itself sets the tolerance; then it is applied exactly.
        tags_changed: The share of tags that a lossy profile may change, or `None` for the profile's own.
        outputs_changed: How much of each output a lossy profile may change where the model gives no tags; the name
            `None` stands for every other output. What has no entry has the profile's own.
        gold: A file of tokens with the labels that a person gave them, relative to the spec; or `None`.
        accuracy_loss: How much less of it a lossy profile may get right than the source, or `None` for the default.
        at_least: The least that the proof must cover, by what is counted, as far as the spec says.
        trials: What is tried if inputs are not filled from text.
        mark: Where `against` is, or the section.
        sentences_mark: Where `sentences` is, or the section.
        gold_mark: Where `gold` is, or the section.
        at_least_mark: Where `at_least` is, or the section.
    """

    against: str | None
    sentences: str | None
    scores_within: float
    tolerance_set: bool
    tags_changed: float | None
    outputs_changed: Mapping[str | None, float]
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
    """A stack spec that the schema has accepted.

    Attributes:
        name: The name of the stack.
        description: A sentence about it, or an empty text.
        opset: The ONNX opset that the model is emitted at.
        profile: How parts are lowered.
        sources: The sources by name, in the spec's order; the following three are ordered in the same way.
        inputs: The model's inputs.
        graph: The parts.
        outputs: The model's outputs.
        proof: What the model must equal.
        folder: The folder that paths are relative to.
        document: The text from which all this was read.
        confined: Whether no file outside the folder may be opened (`check --strict`).
        opset_named: Whether the spec itself names the opset.
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
    opset_named: bool = True
    nesting: Nesting = field(default_factory=Nesting)

    def setting(self, *, trust: bool = False, proven: bool = True) -> Setting:
        """Return what its sources are read in."""
        nesting = self.nesting.inside(Path(self.document.file))
        return Setting(self.folder, self.opset, trust, self.confined, proven, nesting)
