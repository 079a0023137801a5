"""What a spec of a stranger may not name: files outside its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.problems import Problem
from assembler.core.regular_files import is_inside
from assembler.parts.registry import kinds
from assembler.spec.files import named_files

if TYPE_CHECKING:
    from assembler.spec.stack_spec import Spec


def is_closed(spec: Spec, location: str) -> bool:
    """Return whether a file may not even be looked for: its being there or not is nothing to tell a stranger."""
    return spec.confined and not is_inside(spec.folder, location)


def outside_problems(spec: Spec) -> list[Problem]:
    """Return a problem (W018) for each path that leaves the folder of a confined spec."""
    problems = []
    for file in named_files(spec, kinds()):
        if is_closed(spec, file.location):
            message = f"the path '{file.location}' leaves the folder of the spec"
            hint = "put the file beside the spec, or below its folder"
            problems.append(Problem.at(file.mark, "W018", message, hint))
    return problems
