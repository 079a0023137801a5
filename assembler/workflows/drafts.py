"""The stages on the disk: the model is written as a draft, proven, and gets its record and its name only then."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assembler.workflows.fitting import wired_again
from assembler.workflows.targets import require_free, writing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import onnx

    from assembler.core.atomic_files import Stage
    from assembler.proof.proving import Proven
    from assembler.proof.source_results import References
    from assembler.spec.stack_spec import Spec
    from assembler.workflows.building import Lowered
    from assembler.workflows.order import Order


@dataclass(frozen=True, slots=True, eq=False)
class Drafted:
    """A model that is written under a provisional name, and whose metadata call it a draft.

    Its weights are released, so that the memory is free for the runtime of the proof.

    Attributes:
        order: The order of the build.
        target: The file of the model.
        spec: Its spec.
        references: The results that it must reproduce; `None` after `--no-proof`.
        digests: The SHA-256 of each source.
        metadata: Its metadata, without its proof and its digests.
        frame: All of the model except its graph; with other metadata, it replaces the first bytes.
        begun: How many bytes of the file come before the graph.
        graph: The graph as it names its weights at the end, where these are in a file of their own; else `None`.
        stage: Where the file is.
        files: Names the files when it is closed.
        data: The file of external data that there will be, and its bytes.
    """

    order: Order
    target: Path
    spec: Spec
    references: References | None
    digests: Mapping[str, str]
    metadata: Mapping[str, str]
    frame: onnx.ModelProto
    begun: int
    graph: bytes | None
    stage: Stage
    files: ExitStack
    data: tuple[Path | None, int]


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """A draft, and the results of its proof; `None` after `--no-proof`."""

    draft: Drafted
    proven: Proven | None


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """A whole model that has no name yet, and its bytes."""

    draft: Drafted
    proven: Proven | None
    size: int


def write(given: Lowered) -> Drafted:
    """Write the model, and its external data, under provisional names.

    External data is named by its content: another build may have written the same name, or may be about to use it. So
    it gets its name only when nothing is left to fail but the renaming of the model, and it is never removed again.
    Until then the model names the provisional file.
    """
    from assembler.core.atomic_files import staged
    from assembler.onnx_model.digests import with_digests
    from assembler.onnx_model.labelling import label
    from assembler.onnx_model.serialisation import (
        LARGEST_FILE,
        external_graph,
        frame_of,
        lay_out,
        write_data,
        write_model,
    )
    from assembler.proof.record import draft_entry

    order, target = given.order, given.target
    order.say("writing the draft")
    labels = {**given.metadata, **draft_entry(given.references)}
    model = label(given.model, with_digests(given.model, labels))
    layout = lay_out(model, external_above=LARGEST_FILE if order.external_above is None else order.external_above)
    files = order.scope.enter_context(ExitStack())
    provisional, graph, data = layout, None, None
    with writing(target):
        stage = files.enter_context(staged(target))
        if layout.data_name is not None:
            data = target.parent / layout.data_name
            require_free(data, given.spec)
            data_stage = files.enter_context(staged(data))  # the last to be entered is the first to be named
            write_data(model, data_stage.stream)
            data_stage.flush()
            graph = external_graph(model, layout.data_name)
            provisional = replace(layout, data_name=data_stage.path.name)
        write_model(model, provisional, stage.stream)
        stage.flush()
    frame = frame_of(model)
    return Drafted(
        order,
        target,
        given.spec,
        given.references,
        given.digests,
        given.metadata,
        frame,
        frame.ByteSize(),
        graph,
        stage,
        files,
        (data, layout.data_size),
    )


def check(given: Drafted) -> Drafted:
    """Run ONNX's checker on the draft, and see that it loads where no proof will."""
    from assembler.onnx_model.onnx_checker import check_file
    from assembler.onnx_model.sessions import open_session

    given.order.say("checking the file")
    with writing(given.target):
        check_file(given.stage.path)
        if given.references is None:
            open_session(given.stage.path, "the assembled model")
    return given


def prove(given: Drafted) -> Compared:
    """Compare the draft with the results of the sources."""
    from assembler.proof import proving
    from assembler.proof.diagnosis import Diagnosis

    if given.references is None:
        return Compared(given, None)
    given.order.say("proving the model against its source")
    path, spec, trust = given.stage.path, given.spec, given.order.trust
    diagnosis = Diagnosis(path, given.references.sentences, lambda: wired_again(spec, given.digests, trust=trust))
    with writing(given.target):
        return Compared(given, proving.prove(path, given.references, diagnosis))


def record(given: Compared) -> Recorded:
    """Write the results of the proof into the file. Its graph and its weights stay the bytes that were proven."""
    from assembler.onnx_model.digests import digests_in_file
    from assembler.onnx_model.labelling import labelled
    from assembler.proof.record import proof_entry

    draft = given.draft
    draft.order.say("recording the proof")
    labels = {**draft.metadata, **proof_entry(draft.references, given.proven)}
    with writing(draft.target):
        whole = digests_in_file(draft.stage.path, labels)
        beginning = labelled(draft.frame, whole).SerializeToString(deterministic=True)
        if draft.graph is None:
            draft.stage.begin_anew(draft.begun, beginning)
        else:
            draft.stage.rewrite(beginning + draft.graph)
        draft.stage.flush()
        return Recorded(draft, given.proven, draft.stage.path.stat().st_size)
