"""A spec that was read as a source of another: its parts, joined as one graph."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import onnx

from assembler.core.errors import SourceError
from assembler.core.problems import Problem
from assembler.forms.one_part import OnePart
from assembler.inner_specs.header import header_of
from assembler.inner_specs.reading import read_inner, require_opset
from assembler.parts.registry import kinds
from assembler.sources.opened_file import require_digest
from assembler.sources.opening import open_sources
from assembler.spec.files import parameter_files, read_named
from assembler.surgery.emission import emit_parts
from assembler.surgery.joining import join
from assembler.surgery.stepwise import Stepwise
from assembler.wiring.graph import wire

if TYPE_CHECKING:
    from assembler.core.arrays import RuntimeValues
    from assembler.forms.source import Setting, Source
    from assembler.onnx_file.header import OnnxHeader
    from assembler.onnx_model.emitter import Emitter
    from assembler.sources.opening import OpenSources
    from assembler.spec.stack_spec import Spec
    from assembler.wiring.graph import Wiring


@dataclass(frozen=True, slots=True, eq=False)
class InnerStack(OnePart):
    """A spec that is a part.

    Attributes:
        source: The source in the outer spec.
        digest: The SHA-256 of its text and of the digests of all that it reads.
        wiring: Its wiring, with the weights of its parts.
        stepwise: Its parts, each to be run alone.
        header: Its ports.
    """

    source: Source
    digest: str
    wiring: Wiring
    stepwise: Stepwise
    header: OnnxHeader

    sort: ClassVar[str] = "stack"

    def run(self, inputs: RuntimeValues) -> RuntimeValues | None:
        """Run its parts one by one."""
        found = dict(self.stepwise.run(inputs))
        return {name: found[output.reference.text] for name, output in self.wiring.spec.outputs.items()}

    def graft(self, emit: Emitter) -> None:
        """Join its parts, and give the graph to the emitter as a whole."""
        # if the axes of an output are not known, any number will do: the outer stack declares its own outputs
        known = self.wiring.with_axes(dict.fromkeys(self.wiring.spec.outputs, 0))
        model = join(known, self.stepwise.fragments)
        graph = onnx.GraphProto()
        graph.node.extend(model.proto.graph.node)
        graph.initializer.extend(model.proto.graph.initializer)
        opsets = {entry.domain: entry.version for entry in model.proto.opset_import}
        emit.graft(graph, model.weights, {name: name for name in self.header.outputs}, opsets)


def open_spec(source: Source, setting: Setting) -> InnerStack:
    """Read a spec and its sources, wire it and emit its parts.

    Raises:
        SpecError: The spec is wrong.
        SourceError: It or one of its sources cannot be read, or specs contain each other (R015).
        ModelError: It names another opset than the stack (M001), or a part cannot be emitted.
    """
    spec = read_inner(source, setting)
    if isinstance(spec, str):
        raise SourceError(Problem.at(source.mark, "R001", f"source '{source.name}': {spec}"))
    require_opset(source, spec, setting.opset)
    spec = replace(spec, opset=setting.opset)
    opened = open_sources(spec, trust=setting.trust, proven=setting.proven)
    digest = _digest(spec, opened)
    require_digest(source, digest)
    wiring = wire(spec, opened.weights)
    return InnerStack(source, digest, wiring, Stepwise(wiring, emit_parts(wiring)), header_of(wiring, spec.opset))


def _digest(spec: Spec, opened: OpenSources) -> str:
    """Return a digest that changes with the text, with a source, or with a file that a parameter names."""
    lines = [hashlib.sha256(spec.document.text.encode()).hexdigest()]
    lines += [f"{name} {digest}" for name, digest in opened.digests().items()]
    try:
        files = [(file.location, read_named(spec, file.location)) for file in parameter_files(spec, kinds())]
    except OSError as err:
        message = f"a file that {spec.document.file} names cannot be read: {err.strerror or err}"
        raise SourceError(Problem("R013", message, "try again when it is whole", spec.document.file)) from err
    lines += [f"{name} {hashlib.sha256(data).hexdigest()}" for name, data in files]
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
