"""Tries a written model again, on this machine: its file, its contents, its tags."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx
from google.protobuf.message import DecodeError

from assembler.core.errors import ModelError, ParityError
from assembler.core.problems import Problem
from assembler.interface.examples import Example
from assembler.interface.fields import damaged
from assembler.interface.tasks import TokenTask
from assembler.isolation.scope import isolated
from assembler.onnx_model.digests import content_digest
from assembler.onnx_model.model import Model
from assembler.onnx_model.onnx_checker import check_file
from assembler.onnx_model.sessions import open_session
from assembler.proof.parity import BATCH_SIZES, compare
from assembler.proof.task_results import ModelTask
from assembler.runtime.metadata import Metadata
from assembler.spec.defaults import LARGEST_TOLERANCE
from assembler.workflows.inspection import model_entries, model_header

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from assembler.workflows.order import Progress

#: The tags that a model carries have scores of four digits.
_ROUNDING = 5e-5


@dataclass(frozen=True, slots=True)
class Verified:
    """The checks that passed.

    Attributes:
        path: The model.
        found: One sentence for each check.
    """

    path: Path
    found: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Golden:
    labels: Sequence[str]
    scores: Sequence[float]


def verify(
    model: Path | str, *, spec: Path | str | None = None, trust: bool = False, progress: Progress | None = None
) -> Verified:
    """Check that a model is whole, and computes the recorded results here. Who wrote it, and from what, is not checked.

    Without a spec: ONNX's checker, the digest of the contents, and the sentences with tags that the model carries. All
    of them come from the file itself, so anybody who changes one can write a digest and tags that fit. With the spec
    from which it was built: the whole proof, against the loaded source.

    Args:
        model: The model file.
        spec: The spec, whose sources must be present.
        trust: Whether object pickles, which can run code, may be read.
        progress: Called at the beginning of each step.

    Raises:
        ModelError: The file is not one of our models (M010 to M014), or is not whole or from another spec (M008, M016,
            M017).
        ParityError: It does not predict its source's tags (P001, P002), or carries nothing to compare with (P003).
        SpecError, SourceError: With a spec, as `assemble`.
    """
    with isolated():  # a stranger may have written it
        return _verify(Path(model), None if spec is None else Path(spec), progress or (lambda _: None), trust=trust)


def _verify(path: Path, spec: Path | None, say: Progress, *, trust: bool) -> Verified:
    entries = model_entries(path, model_header(path))
    say("checking the file")
    check_file(path)
    _check_content(path, entries)
    found = [
        "the file passes ONNX's checker",
        "it is whole: graph, weights and metadata match its digest (which does not say who wrote it)",
    ]
    if spec is not None:
        found.append(_prove_again(path, spec, entries, say, trust=trust))
        return Verified(path, tuple(found))
    say("trying the sentences that the model carries")
    open_session(path, "the model")
    found.append(_try_golden(path, entries))
    return Verified(path, tuple(found))


def _check_content(path: Path, entries: Mapping[str, object]) -> None:
    """Compare graph, weights and metadata with the digest.

    Raises:
        ModelError: They differ from those that were proven (M016), or external data cannot be read (M010).
    """
    try:
        proto = onnx.load(path)
    except (OSError, ValueError, DecodeError, onnx.checker.ValidationError) as err:
        raise ModelError(Problem("M010", f"its external data cannot be read: {err}", None, str(path))) from err
    metadata = {entry.key: entry.value for entry in proto.metadata_props}
    if content_digest(Model(proto, {}), metadata) != entries.get("content"):
        message = "graph, weights or metadata do not match the digest in the file: it is damaged, or was changed"
        raise ModelError(Problem("M016", message, "build the model again from its spec", str(path)))


def _try_golden(path: Path, entries: Mapping[str, object]) -> str:
    proof = entries.get("proof")
    record = proof if isinstance(proof, dict) else {}
    if record.get("status") != "passed":
        message = "the model was written without a proof and carries nothing to compare with"
        raise ParityError(Problem("P003", message, "give the spec it was built from: --spec", str(path)))
    tasks = Metadata.read(model_header(path).metadata, str(path)).tasks
    listed = record.get("tasks", [{"task": tasks[0].name if tasks else "", "golden": record.get("golden")}])
    if isinstance(listed, list) and not any(isinstance(entry, dict) and entry.get("golden") for entry in listed):
        return "it carries no tags to try (it is not a tagger); --spec runs its whole proof"
    try:
        allowed = max(float(record.get(key, 0.0)) for key in ("scores_within", "scores_within_by_noise"))
        within = min(allowed, LARGEST_TOLERANCE) + _ROUNDING
        own = "tags_changed_allowed" in record
        by_sentence = {task.name: not isinstance(task, TokenTask) for task in tasks}
        tried = [_try_task(path, entry, within, own=own, by_sentence=by_sentence[entry["task"]]) for entry in listed]
    except (LookupError, TypeError, ValueError) as err:
        message = f"it holds no tags: {err}"
        raise damaged("proof.golden", message, str(path)) from err  # noqa: EM101 - a place, no message
    names = f" for each of its tasks, {', '.join(task.name for task in tasks)}" if len(tried) > 1 else ""
    carried = f"the tags that the file carries as {_whose(own=own)}, and the scores to four digits"
    return f"{max(tried)} sentences have {carried}{names}{_less(record)}"


def _less(record: Mapping[str, object]) -> str:
    """Return that a proof covered less than is usual, where the model says so."""
    lowered = record.get("less_than")
    if not isinstance(lowered, list) or not lowered:
        return ""
    return f"; it was proven on less than {', '.join(map(str, lowered))}"


def _whose(*, own: bool) -> str:
    return "the measured model's" if own else "the source's"


def _try_task(path: Path, entry: Mapping[str, Any], within: float, *, own: bool, by_sentence: bool) -> int:
    """Compare one task with the results in the model, and return the number of sentences.

    A lossy model carries its own tags and scores (`own`), of one batch of all the sentences. It is only tried in that
    batch shape, because the rounding of its activations depends on the whole batch.
    """
    golden = entry["golden"]
    examples = [Example.from_metadata(each) for each in golden]
    expected = [_Golden([*map(str, each["labels"])], [*map(float, each["scores"])]) for each in golden]
    model = ModelTask(path, str(entry["task"]))
    sizes = (len(examples),) if own else BATCH_SIZES
    results = [(size, model.run(model.placed(examples), size)) for size in sizes]
    shown = [example.shown for example in examples]
    comparison = compare(shown, expected, results, within, by_sentence=by_sentence)
    if not comparison.equal:
        lines = "\n".join(f"  {difference}" for difference in comparison.worst)
        message = f"on this machine the model does not reproduce {_whose(own=own)} tags and scores\n{lines}"
        raise ParityError(Problem("P001", message, _other_machine(path), str(path)))
    return len(examples)


def _other_machine(path: Path) -> str:
    """Return what may differ between this machine and the one that built the model."""
    from assembler.runtime.engine import ort

    versions = model_entries(path, model_header(path)).get("versions")
    built = str(versions.get("onnxruntime")) if isinstance(versions, dict) else "an unknown version"
    if built != ort.__version__:
        return f"it was proven with ONNX Runtime {built}, here is {ort.__version__}: try that version"
    return f"ONNX Runtime is {built}, as for the proof; this processor may compute differently: build the model here"


def _prove_again(path: Path, spec: Path, entries: Mapping[str, object], say: Progress, *, trust: bool) -> str:
    from assembler.proof.decoder_parts import with_decoders
    from assembler.proof.diagnosis import Diagnosis
    from assembler.proof.part_results import needs_parts, with_parts
    from assembler.proof.proving import prove
    from assembler.proof.source_results import reference_results
    from assembler.spec.reading import load_spec
    from assembler.surgery.emission import emit_parts
    from assembler.workflows.fitting import wired_sources
    from assembler.workflows.order import with_profile

    record = entries.get("spec")
    read = with_profile(load_spec(spec), str(record.get("profile")) if isinstance(record, dict) else None)
    text = record.get("text") if isinstance(record, dict) else None
    if text != read.document.text:
        message = f"the model was built from another spec than {spec}"
        hint = "`assemble inspect --format json` shows its name and sources; build the model again"
        raise ModelError(Problem("M017", message, hint, str(path)))
    say("running the source")
    wiring, sources = wired_sources(read, trust=trust)
    reference = reference_results(wiring, sources)
    fragments = emit_parts(wiring)
    reference = with_decoders(reference, wiring, sources, fragments)
    if needs_parts(wiring, sources):
        reference = with_parts(reference, wiring, sources, fragments)
    say("proving the model against its source")
    proven = prove(path, reference, Diagnosis(path, reference.sentences, lambda: (wiring, sources)))
    less = _less({"less_than": list(proven.less_than)})
    if proven.outputs is not None:
        near = f"{proven.cases} sets of inputs give near what {proven.against} gives, within the budget of its profile"
        return f"{near}: {'; '.join(map(str, proven.outputs.outputs))}{less}"
    if proven.losses:
        found = "; ".join(losses.summary for losses in proven.losses)
        near = f"{proven.cases} cases are near those of {proven.against}, within the budget of its profile"
        return f"{near}: {found}{less}"
    return f"{proven.cases} cases equal {proven.against}, within {proven.largest:.1e}{less}"
