"""Assembles a stack: the way from a spec to a proven file."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.workflows.building import emit, evaluate, join_parts, lower, run_parts, run_source
from assembler.workflows.drafts import check, prove, record, write
from assembler.workflows.fitting import open_parts, wire_parts
from assembler.workflows.order import Order, read
from assembler.workflows.stages import Stages
from assembler.workflows.targets import writing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from assembler.proof.proving import Proven
    from assembler.workflows.drafts import Recorded
    from assembler.workflows.order import Progress


@dataclass(frozen=True, slots=True)
class Assembled:
    """The written files.

    Attributes:
        path: The model file.
        size: Its bytes.
        data: The file of external data beside it, or `None`.
        data_size: Its bytes.
        sources: The SHA-256 of each source, so that a spec can pin it.
        unpinned: The sources that the spec does not pin.
        proven: The results of the proof, or `None` after `--no-proof`.
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
    """Build the model of a spec, prove it, and only then write it under its name.

    Args:
        spec: The spec file.
        output: The file to write; by default the spec's name with `.onnx`, in the current folder.
        trust: Whether object pickles, which can run code, may be read.
        profile: How parts are lowered; by default what the spec says.
        proof: Whether to compare the model with its source. Without it, the model says that it is not proven.
        external_above: Put the weights into a separate file if the model file would be larger than this many bytes.
        progress: Called at the beginning of each step.

    Raises:
        SpecError, SourceError, ModelError: With the problems. No file was written, and an older file is unchanged.
        ParityError: The model does not compute what its source computes. Likewise.
    """
    say = progress or (lambda _: None)
    with ExitStack() as scope:
        return _STAGES.run(Order(spec, output, trust, profile, proof, external_above, say, scope))


def name(given: Recorded) -> Assembled:
    """Rename the files to their names."""
    draft = given.draft
    with writing(draft.target):
        draft.files.close()
    unpinned = tuple(source for source in draft.digests if draft.spec.sources[source].sha256 is None)
    return Assembled(draft.target, given.size, *draft.data, draft.digests, unpinned, given.proven)


#: Every stage of a build. Each takes the result of the one before, and keeps the parts of it that later ones need.
_STAGES = (
    Stages.begin(read)
    .then(wire_parts)
    .then(open_parts)
    .then(run_source)
    .then(emit)
    .then(run_parts)
    .then(join_parts)
    .then(lower)
    .then(evaluate)
    .then(write)
    .then(check)
    .then(prove)
    .then(record)
    .then(name)
)
