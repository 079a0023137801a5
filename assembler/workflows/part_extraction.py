"""Cuts a part out of a whole model. It can be used in a stack, and the stack be proven against the whole model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import onnx

from assembler.core.atomic_files import staged
from assembler.core.errors import ModelError
from assembler.core.problems import Mark, Problem, suggest
from assembler.forms.registry import forms
from assembler.forms.source import Setting, Source
from assembler.isolation.onnx_tools import inferred
from assembler.isolation.scope import isolated
from assembler.onnx_file.header import read_header
from assembler.onnx_model.model import Model
from assembler.onnx_model.nesting import read_by
from assembler.onnx_model.onnx_checker import check_file
from assembler.onnx_model.opsets import newest_opset
from assembler.onnx_model.serialisation import lay_out, write_data, write_model
from assembler.surgery.joining import value_info
from assembler.workflows.targets import writing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from assembler.core.arrays import Array
    from assembler.onnx_file.header import OnnxHeader


class _Exported(Protocol):
    """An exported subgraph that was opened."""

    @property
    def header(self) -> OnnxHeader: ...

    @property
    def graph(self) -> onnx.GraphProto: ...

    @property
    def arrays(self) -> Mapping[str, Array]: ...

    @property
    def opsets(self) -> Mapping[str, int]: ...


@dataclass(frozen=True, slots=True)
class Extracted:
    """What was cut out.

    Attributes:
        path: The file.
        data: The file of external data beside it, or `None`.
        size: The bytes of both.
        inputs: Its inputs: the named ones, and inputs of the whole model that are also needed.
        outputs: Its outputs.
        operators: How many operators it has.
    """

    path: Path
    data: Path | None
    size: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    operators: int


def extract(model: Path, fed: Sequence[str], given: Sequence[str], target: Path) -> Extracted:
    """Write the part of a model that computes some tensors from others.

    Args:
        model: The whole model. It is read only.
        fed: The tensors that become inputs; empty for the inputs of the whole model.
        given: The tensors that become outputs; empty for the outputs of the whole model.
        target: The file to write.

    Raises:
        SourceError: The model cannot be read, or is no ONNX model (R001 to R014).
        ModelError: A tensor does not exist, or is fed but not needed (M031); or the part cannot be written or
            does not pass ONNX's checker (M008, M009).
    """
    if target.exists() and target.samefile(model):
        raise ModelError(Problem("M009", "is the model itself", "choose another file with -o", str(target)))
    with isolated():
        whole = _opened(model)
        graph = _cut(model, whole, fed, given)
        imports = [onnx.helper.make_opsetid(domain, version) for domain, version in sorted(whole.opsets.items())]
        proto = onnx.helper.make_model(graph, opset_imports=imports, producer_name="flair-assembler")
        proto.ir_version = max(4, onnx.helper.find_min_ir_version_for(imports, ignore_unknown=True))
        names = {tensor.name for tensor in graph.initializer}
        part = Model(proto, {name: array for name, array in whole.arrays.items() if name in names})
        size, data = _written(part, target)
    ports = [tuple(port.name for port in ports) for ports in (graph.input, graph.output)]
    return Extracted(target, data, size, ports[0], ports[1], len(graph.node))


def _opened(model: Path) -> _Exported:
    """Read the whole model, at its own opset."""
    source = Source("model", "onnx", str(model), None, Mark(str(model), 1, 1))
    header = read_header(model)
    opened = forms()["onnx"].open(source, Setting(Path(), header.opset or newest_opset()))
    return cast("_Exported", opened.weights("model"))


def _cut(model: Path, whole: _Exported, fed: Sequence[str], given: Sequence[str]) -> onnx.GraphProto:
    header, makers = whole.header, {name: node for node in whole.graph.node for name in node.output if name}
    known = [*header.inputs, *header.defaults, *makers]
    outputs = list(given) or list(header.outputs)
    for name in (*fed, *outputs):
        if name not in known and name not in {tensor.name for tensor in whole.graph.initializer}:
            message = f"there is no tensor '{name}'"
            raise ModelError(Problem("M031", message, suggest(name, known, what="its tensors"), str(model)))
    needed, reached = _needed(makers, set(fed), outputs)
    idle = [name for name in fed if name not in reached]
    if idle:
        message = f"'{idle[0]}' is not needed for {', '.join(outputs)}"
        raise ModelError(Problem("M031", message, "name a tensor that they are computed from", str(model)))
    weights = [tensor for tensor in whole.graph.initializer if tensor.name in reached and tensor.name not in fed]
    stored = {tensor.name for tensor in weights}
    inputs = [name for name in dict.fromkeys((*fed, *header.inputs)) if name in reached and name not in stored]
    types = _types(whole)
    graph = onnx.GraphProto(name=model.stem)
    graph.node.extend(node for node in whole.graph.node if id(node) in needed)
    graph.initializer.extend(weights)
    graph.input.extend(_port(name, types, model) for name in inputs)
    graph.output.extend(_port(name, types, model) for name in outputs)
    return graph


def _needed(makers: Mapping[str, onnx.NodeProto], fed: set[str], outputs: Sequence[str]) -> tuple[set[int], set[str]]:
    """Return the operators between the inputs and the outputs, and all tensors on the way."""
    needed: set[int] = set()
    reached: set[str] = set()
    pending = list(outputs)
    while pending:
        name = pending.pop()
        if name in reached:
            continue
        reached.add(name)
        node = None if name in fed else makers.get(name)
        if node is not None and id(node) not in needed:
            needed.add(id(node))
            pending += sorted(read_by(node))
    return needed, reached


def _types(whole: _Exported) -> dict[str, onnx.ValueInfoProto]:
    """Return the types of the tensors, as far as the file says them or ONNX infers them."""
    light = onnx.ModelProto(ir_version=8)
    light.opset_import.extend(onnx.helper.make_opsetid(domain, version) for domain, version in whole.opsets.items())
    if not any(entry.domain in {"", "ai.onnx"} for entry in light.opset_import):
        light.opset_import.append(onnx.helper.make_opsetid("", newest_opset()))
    light.graph.CopyFrom(whole.graph)
    ports = {**whole.header.inputs, **whole.header.defaults}
    light.graph.input.extend(value_info(name, type_) for name, type_ in ports.items())
    light.graph.output.extend(value_info(name, type_) for name, type_ in whole.header.outputs.items())
    found = inferred(light, "the inference of its types") or light
    every = (*found.graph.value_info, *found.graph.output, *found.graph.input)
    return {info.name: info for info in every}


def _port(name: str, types: Mapping[str, onnx.ValueInfoProto], model: Path) -> onnx.ValueInfoProto:
    info = types.get(name)
    if info is None or not info.type.WhichOneof("value"):
        message = f"the type of the tensor '{name}' is not known: it is not declared, and ONNX does not infer it"
        raise ModelError(Problem("M031", message, "cut at another tensor", str(model)))
    return info


def _written(part: Model, target: Path) -> tuple[int, Path | None]:
    layout = lay_out(part)
    with writing(target):
        data = None if layout.data_name is None else target.parent / layout.data_name
        if data is not None:
            with staged(data) as beside:
                write_data(part, beside.stream)
        with staged(target) as stage:
            write_model(part, layout, stage.stream)
            stage.flush()
            check_file(stage.path)
    return layout.size + layout.data_size, data
