"""Assembles a stack: from a spec to a proven file. Each step is a function of the one before."""

from __future__ import annotations

import errno
import io
import os
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from assembler.core.errors import ModelError, SourceError, SpecError
from assembler.core.problems import Problem, in_order
from assembler.core.regular_files import is_utf8
from assembler.forms.registry import form_of, reading
from assembler.parts.registry import kinds
from assembler.passes.profiles import PROFILES
from assembler.spec.files import parameter_files
from assembler.spec.reading import load_spec
from assembler.wiring.concat_order import order_problems
from assembler.wiring.graph import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from assembler.core.atomic_files import Stage
    from assembler.forms.opened import Joined
    from assembler.onnx_model.model import Model
    from assembler.onnx_model.serialisation import Layout
    from assembler.proof.proving import Proven, References
    from assembler.sources.opening import OpenSources
    from assembler.spec.model import Spec
    from assembler.wiring.graph import Wiring

    #: Called with a word on each step as it begins.
    Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Assembled:
    """What was written.

    Attributes:
        path: The model file.
        size: Its bytes.
        data: The file of external data beside it, or `None`.
        data_size: Its bytes.
        sources: The SHA-256 of each source, so that a spec can pin it.
        unpinned: The sources that the spec does not pin.
        proven: What the proof found, or `None` after `--no-proof`.
    """

    path: Path
    size: int
    data: Path | None
    data_size: int
    sources: Mapping[str, str]
    unpinned: tuple[str, ...]
    proven: Proven | None


def assemble(
    spec: Path | str,
    output: Path | str | None = None,
    *,
    trust: bool = False,
    profile: str | None = None,
    proof: bool = True,
    external_above: int | None = None,
    progress: Progress | None = None,
) -> Assembled:
    """Build the model of a spec, prove it, and only then give it its name.

    Args:
        spec: The spec file.
        output: The file to write; by default the spec's name with `.onnx`, in the current folder.
        trust: Whether object pickles, which can run code, may be read.
        profile: How parts are lowered; by default what the spec says.
        proof: Whether to compare the model with its source. Without, the model says that it is not proven.
        external_above: Put the weights into a file of their own if the model file would be larger than this many bytes.
        progress: Called at the beginning of each step.

    Raises:
        SpecError, SourceError, ModelError: With the problems. No file was written, an older one is as it was.
        ParityError: The model does not compute what its source computes. Likewise.
    """
    say = progress or (lambda _: None)
    say("reading the spec")
    read = with_profile(load_spec(spec), profile)
    target = Path(output) if output is not None else Path(f"{read.name}.onnx")
    try:
        # the link stays, what it names is replaced
        target = Path(os.path.realpath(target)) if target.is_symlink() else target
        _check_target(target, read)
    except (OSError, ValueError) as err:
        reason = (err.strerror or str(err)) if isinstance(err, OSError) else "no file can have this name"
        problem = Problem("M009", f"cannot be written: {reason}", "choose another file with -o", str(target))
        raise ModelError(problem) from err
    if not is_utf8(str(target)):
        message = "cannot be written: the name is not UTF-8, and ONNX Runtime opens no other"
        raise ModelError(Problem("M009", message, "choose another file with -o", str(target)))
    with _beside(read):
        return _assemble(read, target, say, trust=trust, proof=proof, external_above=external_above)


def _beside(spec: Spec) -> AbstractContextManager[object]:
    """Have models loaded and run in a process beside ours if strangers exported parts of them, which can kill it."""
    if not any(form_of(source).isolated for source in spec.sources.values()):
        return nullcontext()
    from assembler.isolation.scope import isolated

    return isolated()


def _assemble(
    read: Spec, target: Path, say: Progress, *, trust: bool, proof: bool, external_above: int | None
) -> Assembled:
    say("reading the sources")
    built, reference, digests = _build(read, say, trust=trust, proof=proof)
    layout = _layout(built, external_above)
    unpinned = tuple(name for name in digests if read.sources[name].sha256 is None)
    kept = built if PROFILES[read.profile].tags_changed is not None else None
    with _written(built, layout, target, read) as draft:
        del built  # the proof needs the file alone; its memory is the runtime's now
        proven = _prove(draft.stage.path, read, reference, digests, say, trust=trust)
        if kept is not None and proven is not None:
            layout = _with_findings(kept, proven, draft, layout)
    data = target.parent / layout.data_name if layout.data_name else None
    return Assembled(target, layout.size, data, layout.data_size, digests, unpinned, proven)


def with_profile(spec: Spec, profile: str | None) -> Spec:
    """Return the spec with the profile that the caller wants instead of its own."""
    if profile is not None and profile not in PROFILES:
        hint = f"profiles: {', '.join(PROFILES)}"  # never the nearest: 'gpu' looks like 'cpu'
        raise SpecError(Problem("S006", f"there is no profile '{profile}'", hint, spec.document.file))
    return spec if profile is None else replace(spec, profile=profile)


def _with_findings(model: Model, proven: Proven, draft: _Draft, layout: Layout) -> Layout:
    """Write a lossy model again, with what its proof has found; its graph and its weights are the same."""
    from assembler.onnx_model.digests import with_findings
    from assembler.onnx_model.serialisation import LARGEST_FILE, lay_out, write_model
    from assembler.proof.budget import losses_record

    if not proven.losses:
        return layout
    accuracy = {} if proven.accuracy is None else proven.accuracy.record()
    found = with_findings(model, {**losses_record(proven.losses), **accuracy})
    layout = lay_out(found, external_above=0 if layout.data_name else LARGEST_FILE)
    if layout.data_name:
        draft.final = _serialised(found, layout)
    else:
        draft.stage.rewrite()
        write_model(found, layout, draft.stage.stream)
    return layout


def _check_target(target: Path, spec: Spec) -> None:
    """Refuse what cannot be written before minutes are spent."""
    problem = None
    if target.is_dir():
        problem = "is a folder"
    elif target.is_symlink():
        problem = "is a link in a circle of links"
    elif not target.parent.is_dir():
        problem = f"cannot be written: there is no folder {target.parent}"
    elif target.exists() and not target.is_file():
        problem = "is no regular file"
    elif target.exists():
        problem = next((what for path, what in _read_files(spec) if path.exists() and target.samefile(path)), None)
    if problem is not None:
        raise ModelError(Problem("M009", problem, "choose another file with -o", str(target)))


def _read_files(spec: Spec) -> Iterator[tuple[Path, str]]:
    """Yield every file that a build reads, and what it is."""
    yield Path(spec.document.file), "is the spec itself"
    if spec.proof.sentences is not None:
        yield spec.folder / spec.proof.sentences, "holds the sentences of the proof"
    if spec.proof.gold is not None:
        yield spec.folder / spec.proof.gold, "holds the gold text of the proof"
    if spec.proof.trials.cases is not None:
        yield spec.folder / spec.proof.trials.cases, "holds the cases of the proof"
    for file in parameter_files(spec, kinds()):
        yield spec.folder / file.location, f"is {file.what}"
    for source in spec.sources.values():
        path = spec.folder / source.location
        yield path, "is a source of the spec"
        with reading(source):
            companions = [*form_of(source).companions(path)]
        for companion in companions:
            yield companion, f"holds the weights of the source '{source.name}'"


def _build(spec: Spec, say: Progress, *, trust: bool, proof: bool) -> tuple[Model, References | None, dict[str, str]]:
    """Return the model, what the proof compares it with, and the digests. The sources are let go of."""
    from assembler.description.metadata import describe
    from assembler.onnx_model.digests import with_digests
    from assembler.onnx_model.labelling import label
    from assembler.proof import evaluator
    from assembler.proof.budget import require_budget
    from assembler.proof.proving import proof_record, reference_results
    from assembler.surgery.emission import emit_parts
    from assembler.surgery.joining import join

    wiring, sources = wired_sources(spec, trust=trust, proven=proof)
    spec = wiring.spec
    reference = None
    if proof:
        say("running the source")
        reference = reference_results(wiring, sources)
        require_budget(spec, reference)
        if reference.parts is not None:
            wiring = wiring.with_axes(reference.parts.axes())
    say("emitting and joining the parts")
    fragments = emit_parts(wiring)
    parameters = {node: fragment.weight_count() for node, fragment in fragments.items()}
    model = PROFILES[spec.profile].lower(join(wiring, fragments))
    metadata = describe(wiring, sources, parameters, proof_record(wiring, reference), model.resets)
    if reference is not None and spec.profile == evaluator.PROFILE:
        say("running onnx's reference evaluator")
        reference = replace(reference, evaluated=evaluator.evaluated(model, metadata, reference))
        metadata = describe(wiring, sources, parameters, proof_record(wiring, reference), model.resets)
    return label(model, with_digests(model, metadata)), reference, sources.digests()


def wired_sources(spec: Spec, *, trust: bool, proven: bool = True) -> tuple[Wiring, OpenSources]:
    """Read the sources of a spec, and wire it again with the sizes they have.

    Args:
        spec: The spec.
        trust: Whether object pickles, which can run code, may be read.
        proven: Whether what is built will be compared with the sources.

    Raises:
        SpecError: The sources do not fit the spec: sizes (W004, W016) or the order of a concat (W015).
        SourceError, ModelError: As `open_sources`.
    """
    from assembler.sources.opening import at_common_opset, open_headers, open_sources

    headers, _ = open_headers(spec)
    spec = at_common_opset(spec, headers)
    wire(spec, headers)
    sources = open_sources(spec, trust=trust, proven=proven)
    problems = _declared_sizes(spec, sources)
    if problems:
        raise SpecError(*in_order(problems))
    wiring = wire(spec, sources.weights)
    models = sources.models()
    orders = {model.prefix: order for model in models if (order := model.joined()) is not None}
    problems = order_problems(wiring, orders, _same_parts(sources, orders.values()) if len(models) > 1 else {})
    if problems:
        raise SpecError(*in_order(problems))
    return wiring, sources


def _same_parts(sources: OpenSources, orders: Iterable[Joined]) -> dict[str, str]:
    """Return for each embedding the first that has the same weights, so that models can share one part."""
    from assembler.weights.fingerprint import fingerprint

    first: dict[str, str] = {}
    same = {}
    for path in (path for order in orders for path in order.paths):
        weights = sources.opened[path.partition(".")[0]].weights(path)
        if weights is not None:
            same[path] = first.setdefault(fingerprint(weights), path)
    return same


def _declared_sizes(spec: Spec, sources: OpenSources) -> list[Problem]:
    """Compare sizes that a spec declares with those of the loaded weights."""
    problems = []
    for name, weights in sources.weights.items():
        for key, size in weights.facts().items():
            declared = spec.graph[name].parameters.get(key)
            if isinstance(declared, int) and declared != size:
                mark = spec.document.mark(("graph", name, key))
                message = f"{name}: the loaded weights have {key} {size}, the spec says {declared}"
                problems.append(Problem.at(mark, "W016", message, "the source is not the one the spec was written for"))
    return problems


def _layout(model: Model, external_above: int | None) -> Layout:
    from assembler.onnx_model.serialisation import LARGEST_FILE, lay_out

    return lay_out(model, external_above=LARGEST_FILE if external_above is None else external_above)


@dataclass(slots=True)
class _Draft:
    """A model on its way to its name, and what it becomes there.

    Attributes:
        stage: Where it is written, and proven.
        final: The whole file that it becomes at the end, or `None` where it stays as it is.
    """

    stage: Stage
    final: bytes | None


@contextmanager
def _written(model: Model, layout: Layout, target: Path, spec: Spec) -> Iterator[_Draft]:
    """Write the model, and its external data, under provisional names; they get their own at the end of the block.

    External data is named by its content: another build may have written the same name, or may be about to use it. So
    it gets its name only when nothing is left to fail but the renaming of the model, and it is never removed again.
    Until then the model names the provisional file.
    """
    from assembler.core.atomic_files import staged
    from assembler.onnx_model.serialisation import write_data, write_model

    try:
        with ExitStack() as stack:
            stage = stack.enter_context(staged(target))
            draft = _Draft(stage, None)
            if layout.data_name is not None:
                data = target.parent / layout.data_name
                _check_target(data, spec)
                data_stage = stack.enter_context(staged(data))  # the last to be entered is the first to be named
                write_data(model, data_stage.stream)
                data_stage.flush()
                draft.final = _serialised(model, layout)
                layout = replace(layout, data_name=data_stage.path.name)
            write_model(model, layout, stage.stream)
            stage.flush()
            del model
            yield draft
            if draft.final is not None:
                stage.rewrite()
                stage.stream.write(draft.final)
                stage.flush()
    except OSError as err:
        hint = (
            "make room, or choose another file with -o" if err.errno == errno.ENOSPC else "choose another file with -o"
        )
        problem = Problem("M009", f"cannot be written: {err.strerror or err}", hint, str(target))
        raise ModelError(problem) from err


def _serialised(model: Model, layout: Layout) -> bytes:
    """Return the bytes of a model whose weights lie elsewhere: few."""
    from assembler.onnx_model.serialisation import write_model

    buffer = io.BytesIO()
    write_model(model, layout, buffer)
    return buffer.getvalue()


def _prove(
    path: Path, spec: Spec, reference: References | None, digests: Mapping[str, str], say: Progress, *, trust: bool
) -> Proven | None:
    from assembler.onnx_model.checking import check_file
    from assembler.onnx_model.sessions import open_session
    from assembler.proof.diagnosis import Diagnosis
    from assembler.proof.proving import prove

    say("checking the file")
    check_file(path)
    if reference is None:
        open_session(path, "the assembled model")
        return None
    say("proving the model against its source")
    return prove(
        path,
        reference,
        # The memory of the first reading has been let go of, so the sources are read again.
        Diagnosis(path, reference.sentences, lambda: _wired_again(spec, digests, trust=trust)),
    )


def _wired_again(spec: Spec, digests: Mapping[str, str], *, trust: bool) -> tuple[Wiring, OpenSources]:
    """Read the sources again: the same bytes, or none.

    Raises:
        SourceError: One was changed meanwhile (R013).
    """
    pinned = {name: replace(source, sha256=digests[name]) for name, source in spec.sources.items()}
    try:
        return wired_sources(replace(spec, sources=pinned), trust=trust)
    except SourceError as err:
        if {problem.code for problem in err.problems} != {"R002"}:
            raise
        what = "a source changed while the model was built from it, so the part that diverges was not looked for"
        hint = "the model differs from the source as it was; build it again"
        mark = next(s.mark for s in spec.sources.values())
        raise SourceError(Problem("R013", what, hint, mark.file)) from err
