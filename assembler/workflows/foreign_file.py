"""Describes an ONNX file that `assemble` did not write, and how a stack can use it."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from assembler.core.tensors import INPUT_TYPES, Variable
from assembler.onnx_file.origin import read_origin
from assembler.onnx_model.skeleton import read_skeleton
from assembler.workflows.engines import foreign_operators, verdicts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from assembler.core.tensors import TensorType
    from assembler.onnx_file.header import OnnxHeader


@dataclass(frozen=True, slots=True)
class ForeignFile:
    """The content of a file. Rows are for people: names first, then descriptions.

    Attributes:
        path: The file.
        size: Its bytes; external data is not counted.
        producer: The exporter and its version, or an empty text.
        ir_version: The version of the format.
        opsets: The version of each operator domain.
        inputs: Name and type.
        defaults: The inputs that need not be fed, because the file has values for them.
        outputs: Name and type.
        weights: How many values its initializers have.
        operators: How often each operator occurs, the most frequent first; nested graphs are not counted.
        functions: How many local functions it has.
        metadata: The exporter's metadata, by key.
        beyond: The operators beyond ONNX's own, by domain.
        engines: For each engine the known obstacles.
        parts: How a stack could use it.
    """

    path: str
    size: int
    producer: str
    ir_version: int
    opsets: Mapping[str, int]
    inputs: list[tuple[str, ...]]
    defaults: list[tuple[str, ...]]
    outputs: list[tuple[str, ...]]
    weights: int
    operators: Mapping[str, int]
    functions: int
    metadata: Mapping[str, str]
    beyond: dict[str, list[str]]
    engines: list[tuple[str, ...]]
    parts: list[str]

    def as_dict(self) -> dict[str, object]:
        """Return the record that `--format json` prints."""
        return asdict(self)


def look_at(path: Path, header: OnnxHeader) -> ForeignFile:
    """Return the content of a file.

    Raises:
        SourceError: It cannot be read any more (R001), or holds too much (R012).
    """
    origin = read_origin(path)
    graph = read_skeleton(path)
    return ForeignFile(
        path=str(path),
        size=path.stat().st_size,
        producer=origin.producer,
        ir_version=origin.ir_version,
        opsets=dict(origin.opsets),
        inputs=_rows(header.inputs),
        defaults=_rows(header.defaults),
        outputs=_rows(header.outputs),
        weights=origin.weights,
        operators=dict(Counter(node.op_type for node in graph.node).most_common()),
        functions=origin.functions,
        metadata=dict(header.metadata),
        beyond=foreign_operators(graph),
        engines=verdicts(graph)[1:],  # the first is ONNX Runtime, which was not tried
        parts=list(_parts(path, header)),
    )


def _rows(ports: Mapping[str, TensorType]) -> list[tuple[str, ...]]:
    return [(name, str(type_)) for name, type_ in ports.items()]


def _parts(path: Path, header: OnnxHeader) -> Iterator[str]:
    """Yield how a stack could use a file, and the obstacles."""
    odd = [name for name, type_ in header.inputs.items() if type_.dtype not in INPUT_TYPES]
    if odd:
        yield f"not by itself: a spec cannot name the type of the input '{odd[0]}'; another part can feed it"
    else:
        yield f"a part of kind 'onnx': `assemble init {path}` writes a spec"
    opened = [
        f"{name}.{axis}" if not dim.told else dim.name
        for name, type_ in header.outputs.items()
        for axis, dim in enumerate(type_.dims or ())
        if isinstance(dim, Variable) and not _bound(dim, header)
    ]
    if opened:
        yield f"dims that only a run tells, which fit every other: {', '.join(dict.fromkeys(opened))}"


def _bound(dim: Variable, header: OnnxHeader) -> bool:
    return any(dim in (type_.dims or ()) for type_ in header.inputs.values())


def is_foreign(header: OnnxHeader) -> bool:
    """Return whether `assemble` has written nothing into a file."""
    return not any(key.startswith("assembler.") for key in header.metadata)
