"""The stages in memory: the sources run, their parts are emitted, and the parts become one model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assembler.passes.profiles import PROFILES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from assembler.description.model_metadata import Description
    from assembler.onnx_model.fragment import Fragment
    from assembler.onnx_model.model import Model
    from assembler.proof.source_results import References
    from assembler.sources.opening import OpenSources
    from assembler.spec.stack_spec import Spec
    from assembler.wiring.graph import Wiring
    from assembler.workflows.fitting import Opened
    from assembler.workflows.order import Order


@dataclass(frozen=True, slots=True, eq=False)
class Referenced:
    """The opened sources and their results; `None` for these after `--no-proof`."""

    order: Order
    target: Path
    wiring: Wiring
    sources: OpenSources
    references: References | None


@dataclass(frozen=True, slots=True, eq=False)
class Emitted:
    """The sources, their results, and each part as ONNX."""

    order: Order
    target: Path
    wiring: Wiring
    sources: OpenSources
    references: References | None
    fragments: Mapping[str, Fragment]


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """The joined model and its description. The sources are released.

    Attributes:
        order: The order of the build.
        target: The file of the model.
        spec: Its spec.
        model: The model.
        description: Its description, for the metadata.
        references: The results of the sources.
        digests: The SHA-256 of each source.
    """

    order: Order
    target: Path
    spec: Spec
    model: Model
    description: Description
    references: References | None
    digests: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Lowered:
    """The lowered model and its metadata, without the record of the proof."""

    order: Order
    target: Path
    spec: Spec
    model: Model
    metadata: Mapping[str, str]
    references: References | None
    digests: Mapping[str, str]


def run_source(given: Opened) -> Referenced:
    """Run the loaded models, while nothing else needs memory."""
    from assembler.proof.source_results import reference_results

    references = None
    if given.order.proof:
        given.order.say("running the source")
        references = reference_results(given.wiring, given.sources)
    return Referenced(given.order, given.target, given.wiring, given.sources, references)


def emit(given: Referenced) -> Emitted:
    """Emit every part once. The fragments are later run one by one, and joined to the model."""
    from assembler.surgery.emission import emit_parts

    given.order.say("emitting the parts")
    fragments = emit_parts(given.wiring)
    return Emitted(given.order, given.target, given.wiring, given.sources, given.references, fragments)


def run_parts(given: Emitted) -> Emitted:
    """Let the sources decode random cases. Run the parts one by one if loaded models do not compute all outputs."""
    from assembler.proof.budget import require_budget
    from assembler.proof.decoder_parts import with_decoders
    from assembler.proof.part_results import needs_parts, with_parts

    if given.references is None:
        return given
    references = with_decoders(given.references, given.wiring, given.sources, given.fragments)
    if not needs_parts(given.wiring, given.sources):
        return replace(given, references=references)
    given.order.say("running the parts one by one")
    references = with_parts(references, given.wiring, given.sources, given.fragments)
    require_budget(given.wiring.spec, references)
    parts = references.parts
    wiring = given.wiring if parts is None else given.wiring.with_axes(parts.axes(), parts.mistaken)
    return replace(given, wiring=wiring, references=references)


def join_parts(given: Emitted) -> Joined:
    """Join the fragments, and describe the model."""
    from assembler.description.model_metadata import describe
    from assembler.surgery.joining import join

    given.order.say("joining and lowering the parts")
    parameters = {node: fragment.weight_count() for node, fragment in given.fragments.items()}
    model = join(given.wiring, given.fragments)
    domains = [entry.domain for entry in model.proto.opset_import]
    return Joined(
        given.order,
        given.target,
        given.wiring.spec,
        model,
        describe(given.wiring, given.sources, parameters, domains),
        given.references,
        given.sources.digests(),
    )


def lower(given: Joined) -> Lowered:
    """Lower the model by the passes of its profile."""
    model = PROFILES[given.spec.profile].lower(given.model, tagged=given.description.tagged)
    metadata = given.description.with_resets(model.resets).entries()
    return Lowered(given.order, given.target, given.spec, model, metadata, given.references, given.digests)


def evaluate(given: Lowered) -> Lowered:
    """Run the model in onnx's reference evaluator, where its profile promises other engines."""
    from assembler.proof import evaluator

    if given.references is None or given.spec.profile != evaluator.PROFILE:
        return given
    given.order.say("running onnx's reference evaluator")
    found = evaluator.evaluated(given.model, given.metadata, given.references)
    return replace(given, references=replace(given.references, evaluated=found))
