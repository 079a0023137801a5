"""Reads what a model says of itself, without loading its weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from assembler.core.errors import ModelError, SourceError
from assembler.core.problems import Problem
from assembler.interface.tasks import NumberTask, SentenceTask
from assembler.onnx_file.header import OnnxHeader, read_header
from assembler.onnx_model.skeleton import read_skeleton
from assembler.runtime.bounds import require_bounded_model
from assembler.runtime.metadata import Metadata
from assembler.workflows.engines import foreign_operators, verdicts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from assembler.interface.tasks import Task


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a model.

    Attributes:
        name: The node's id in the spec.
        kind: Its kind.
        weights: Where its weights came from, or `None`.
        parameters: How many weights it has.
    """

    name: str
    kind: str
    weights: str | None
    parameters: int


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a model says of itself. Rows are for people: names first, then what there is to say.

    Attributes:
        path: The file.
        size: Its bytes; external data is not counted.
        name: The name of the stack.
        description: The spec's sentence about it.
        opset: The version of ONNX's operators.
        profile: How the parts were lowered.
        inputs: Name, type, and how a host fills it.
        outputs: Name and type.
        parts: The parts in the order of computation.
        part_metadata: What the files of parts say of themselves: part, key and value; or that an entry was left out.
        language_models: Name, and what a host must know.
        vocabularies: Name, and how many words it has, of how many.
        labels: The labels by class id.
        label_type: What the labels are, such as `upos`.
        spans: Whether they encode spans. All three are those of the first task.
        tasks: Name, how its labels are read, its outputs, and its labels.
        sources: Name, where it came from, and its digest.
        proof: What was proven.
        versions: The packages that took part.
        content: The digest of graph and weights.
        operators: The operators beyond ONNX's own, by domain.
        engines: For each engine what is known of the file in it.
    """

    path: str
    size: int
    name: str
    description: str
    opset: int
    profile: str
    inputs: list[tuple[str, ...]]
    outputs: list[tuple[str, ...]]
    parts: list[Part]
    part_metadata: list[tuple[str, ...]]
    language_models: list[tuple[str, ...]]
    vocabularies: list[tuple[str, ...]]
    labels: list[str]
    label_type: str
    spans: bool
    tasks: list[tuple[str, ...]]
    sources: list[tuple[str, ...]]
    proof: str
    versions: dict[str, str]
    content: str
    operators: dict[str, list[str]]
    engines: list[tuple[str, ...]]

    def as_dict(self) -> dict[str, object]:
        """Return the record that `--format json` prints."""
        return asdict(self)


def model_header(path: Path) -> OnnxHeader:
    """Read the header of an assembled model.

    Raises:
        ModelError: The file cannot be read (M010), is no ONNX model (M011), or one that has no bounds (M028).
    """
    try:
        header = read_header(path)
    except SourceError as err:
        problem = err.problems[0]
        code = "M010" if problem.code == "R001" else "M011"
        hint = "expected is an .onnx file that `assemble` wrote" if code == "M011" else None
        raise ModelError(Problem(code, problem.message, hint, str(path))) from err
    require_bounded_model(str(path))
    return header


def model_entries(path: Path, header: OnnxHeader) -> Mapping[str, object]:
    """Return the assembler's metadata of a model, parsed.

    Raises:
        ModelError: There is none (M012), or it is damaged (M013, M014).
    """
    return Metadata.read(header.metadata, str(path)).entries


def inspect(path: Path) -> Inspection:
    """Read what a model says of itself.

    Raises:
        ModelError: It is no model of ours, or its metadata is damaged (M010 to M014).
    """
    header = model_header(path)
    metadata = Metadata.read(header.metadata, str(path))
    graph = read_skeleton(path)
    entries = metadata.entries
    spec, interface = _table(entries, "spec"), _table(entries, "interface")
    tags = _table(interface, "tags")
    how = {str(entry.get("name")): _how(entry) for entry in _rows(interface, "inputs")}
    return Inspection(
        path=str(path),
        size=path.stat().st_size,
        name=str(spec.get("name", "")),
        description=str(spec.get("description", "")),
        opset=header.opset,
        profile=str(spec.get("profile", "")),
        inputs=[(name, str(type_), how.get(name, "")) for name, type_ in header.inputs.items()],
        outputs=[(name, str(type_)) for name, type_ in header.outputs.items()],
        parts=[_part(entry) for entry in _rows(entries, "parts")],
        part_metadata=list(_part_metadata(_table(entries, "part_metadata"))),
        language_models=[
            (name, _language_model(_table(_table(interface, "language_models"), name), entries, name))
            for name in _table(interface, "language_models")
        ],
        vocabularies=[
            (name, _vocabulary(_table(_table(entries, "vocabularies"), name)))
            for name in _table(entries, "vocabularies")
        ],
        labels=[str(label) for label in _list(entries, "labels")],
        label_type=str(tags.get("label_type", "")),
        spans=tags.get("spans") is True,
        tasks=[_task(task) for task in metadata.tasks],
        sources=[_source(name, _table(_table(entries, "sources"), name)) for name in _table(entries, "sources")],
        proof=_proof(_table(entries, "proof")),
        versions={name: str(version) for name, version in _table(entries, "versions").items()},
        content=str(entries.get("content", "")),
        operators=foreign_operators(graph),
        engines=verdicts(graph),
    )


def _table(entries: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = entries.get(key)
    return value if isinstance(value, dict) else {}


def _list(entries: Mapping[str, object], key: str) -> list[object]:
    value = entries.get(key)
    return value if isinstance(value, list) else []


def _rows(entries: Mapping[str, object], key: str) -> list[Mapping[str, object]]:
    return [entry for entry in _list(entries, key) if isinstance(entry, dict)]


def _how(entry: Mapping[str, object]) -> str:
    rule = str(entry.get("fill") or "")
    model = entry.get("language_model")
    return f"{rule} of {model}" if model else rule


def _part(entry: Mapping[str, object]) -> Part:
    weights, parameters = entry.get("weights"), entry.get("parameters")
    return Part(
        name=str(entry.get("id", "")),
        kind=str(entry.get("kind", "")),
        weights=None if weights is None else str(weights),
        parameters=parameters if isinstance(parameters, int) else 0,
    )


def _part_metadata(record: Mapping[str, object]) -> Iterator[tuple[str, ...]]:
    for part in record:
        own = _table(record, part)
        yield from ((part, key, str(value)) for key, value in _table(own, "entries").items())
        yield from ((part, key, f"left out: {size} characters") for key, size in _table(own, "left_out").items())


def _language_model(model: Mapping[str, object], entries: Mapping[str, object], name: str) -> str:
    characters = len(_list(_table(entries, "dictionaries"), name))
    place = "after the token" if model.get("with_whitespace") else "at the token's last character"
    case = ", lower-cased" if model.get("lowercase") else ""
    case += "" if model.get("tokenized", True) else ", on untokenised text"
    marker = ascii(str(model.get("start_marker", "")))
    return f"{model.get('direction')}, {characters} characters, start marker {marker}, state {place}{case}"


def _task(task: Task) -> tuple[str, ...]:
    if isinstance(task, NumberTask):
        return task.name, "a number a sentence", task.numbers, ""
    labels = f"{len(task.labels)} labels: {' '.join(task.labels)}"
    if isinstance(task, SentenceTask):
        how = "any number of labels a sentence" if task.multi_label else "one label a sentence"
        return task.name, how, task.probabilities, labels
    how = "a label a token" if task.spans == "none" else "spans"
    return task.name, how, f"{task.prediction}, {task.scores}", labels


def _source(name: str, source: Mapping[str, object]) -> tuple[str, ...]:
    revision = f"@{source['revision']}" if source.get("revision") else ""
    return name, f"{source.get('form')} {source.get('location')}{revision}", f"sha256 {source.get('sha256')}"


def _proof(proof: Mapping[str, object]) -> str:
    if proof.get("status") != "passed":
        return f"not proven ({proof.get('reason', 'no record')})"
    without = f" ({proof['left_out']} more left out, whose words were cut)" if proof.get("left_out") else ""
    lowered = proof.get("less_than")
    less = f"proven on less than {', '.join(map(str, lowered))}: " if isinstance(lowered, list) and lowered else ""
    if "tags_changed" in proof:
        return less + _measured(proof, without)
    if isinstance(outputs := proof.get("outputs"), dict):
        changes = "; ".join(f"{name}: {_change(entry)}" for name, entry in outputs.items() if isinstance(entry, dict))
        return f"{less}measured against {proof.get('against')} on {proof.get('cases')} cases{without}: {changes}"
    equal = f"{less}equal to {proof.get('against')} on {proof.get('cases')} cases{without}"
    return f"{equal}, scores within {proof.get('scores_within')}{''.join(map(_engine, _rows(proof, 'engines')))}"


def _measured(proof: Mapping[str, object], without: str) -> str:
    """Return what a lossy profile was found to change."""
    interval = proof.get("interval")
    sides = [side for side in interval if isinstance(side, float)] if isinstance(interval, list) else []
    between = f", 95% interval {sides[0]:.2%} to {sides[1]:.2%}" if len(sides) == len(("least", "most")) else ""
    changed = f"{proof.get('tags_changed')} of {proof.get('tokens_compared')} tags differ"
    return (
        f"measured against {proof.get('against')}: {changed}"
        f"{between}, allowed are {_share(proof.get('tags_changed_allowed'))}; the largest difference of a score is "
        f"{proof.get('largest_difference')}{without}"
    )


def _change(entry: Mapping[str, object]) -> str:
    """Return what a lossy profile was found to change of one output."""
    counted = "values_changed" in entry
    share = _share(entry.get("values_changed" if counted else "relative_error"))
    what = f"{share} of {entry.get('values')} values differ" if counted else f"a relative error of {share}"
    return f"{what} (allowed {_share(entry.get('allowed'))})"


def _share(share: object) -> str:
    return f"{share:.2%}" if isinstance(share, int | float) else "?"


def _engine(entry: Mapping[str, object]) -> str:
    if entry.get("status") == "passed":
        return f"; {entry.get('engine')}: the same on {entry.get('cases')}"
    return f"; {entry.get('engine')}: {entry.get('status')} ({entry.get('reason')})"


def _vocabulary(vocabulary: Mapping[str, object]) -> str:
    rule, cut = vocabulary.get("rule"), _table(vocabulary, "cut")
    if rule == "pieces":
        return "word pieces of a sentencepiece model"
    if rule == "hash":
        return f"{vocabulary.get('rows')} rows by the hash {vocabulary.get('method')}"
    of = f" of {cut.get('of'):,}; the others were cut" if isinstance(cut.get("of"), int) else ""
    return f"{len(_list(vocabulary, 'words')):,} words{of}"
