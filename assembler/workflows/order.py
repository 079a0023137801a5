"""The order of a build, and its first stage, which reads the spec and checks that the file can be written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from assembler.core.errors import SpecError
from assembler.core.problems import Problem
from assembler.forms.registry import form_of
from assembler.passes.profiles import PROFILES
from assembler.spec.reading import load_spec
from assembler.workflows.targets import target_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from assembler.spec.stack_spec import Spec

    #: Called at the beginning of each step, with its name.
    Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """The order of a build.

    Attributes:
        spec: The spec file.
        output: The file to write, or `None` for the spec's name.
        trust: Whether object pickles, which can run code, may be read.
        profile: How parts are lowered, or `None` for the spec's own.
        proof: Whether to compare the model with its source.
        external_above: The bytes of a model file above which its weights go to a separate file, or `None`.
        say: Called at the beginning of each step, with its name.
        scope: Closed at the end of the build, whether it succeeds or fails.
    """

    spec: Path | str
    output: Path | str | None
    trust: bool
    profile: str | None
    proof: bool
    external_above: int | None
    say: Progress
    scope: ExitStack


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """A spec, and the file of its model."""

    order: Order
    spec: Spec
    target: Path


def read(order: Order) -> Read:
    """Read the spec, and check that the target can be written, before minutes are spent.

    If strangers exported parts, all models are loaded and run in a separate process, which the parts may kill.
    """
    order.say("reading the spec")
    spec = with_profile(load_spec(order.spec), order.profile)
    target = target_of(Path(order.output) if order.output is not None else Path(f"{spec.name}.onnx"), spec)
    if any(form_of(source).isolated for source in spec.sources.values()):
        from assembler.isolation.scope import isolated

        order.scope.enter_context(isolated())
    return Read(order, spec, target)


def with_profile(spec: Spec, profile: str | None) -> Spec:
    """Return the spec with the caller's profile instead of its own."""
    if profile is not None and profile not in PROFILES:
        hint = f"profiles: {', '.join(PROFILES)}"  # the nearest name is not suggested: 'gpu' looks like 'cpu'
        raise SpecError(Problem("S006", f"there is no profile '{profile}'", hint, spec.document.file))
    return spec if profile is None else replace(spec, profile=profile)
