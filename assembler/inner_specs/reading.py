"""Reads a spec that is a source of another. No spec may contain itself, and their number and depth are bounded."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from assembler.core.errors import ModelError, SourceError, SpecError
from assembler.core.problems import Problem
from assembler.core.regular_files import is_inside
from assembler.sources.location import local_file, unpinned
from assembler.spec.outside import outside_problems
from assembler.spec.reading import load_spec

if TYPE_CHECKING:
    from pathlib import Path

    from assembler.forms.source import Setting, Source
    from assembler.spec.stack_spec import Spec

#: How deep specs may be nested, and how many may be read for one stack.
_DEEPEST, _MOST = 8, 64


def read_inner(source: Source, setting: Setting) -> Spec | str:
    """Return the spec that a source names, or the reason why it is not read.

    Raises:
        SpecError: It is not a spec (Y…, S…), it or a path in it leads out of its folder (W018), or a name of its
            sources is not pinned (W024).
        SourceError: It is missing (R001), or specs contain each other (R015).
    """
    path = setting.folder / source.location
    if setting.confined and not is_inside(setting.folder, source.location):
        return f"{path} lies outside"
    _require_bounds(source, path, setting)
    setting.nesting.read.append(path)
    found = local_file(source, setting.folder)
    if found is None:  # a spec is always a path
        raise AssertionError(source)
    spec = replace(load_spec(found, confined=setting.confined), nesting=setting.nesting)
    if setting.confined and (problems := [*outside_problems(spec), *unpinned(spec)]):
        raise SpecError(*problems)
    return spec


def _require_bounds(source: Source, path: Path, setting: Setting) -> None:
    """Refuse specs that contain each other, and too many specs.

    Raises:
        SourceError: They contain each other, or there are too many (R015).
    """
    files = setting.nesting.files
    same = next((number for number, file in enumerate(files) if _real(file) == _real(path)), None)
    if same is not None:
        chain = " → ".join(each.name for each in (*files[same:], path))
        raise _unbounded(source, f"the spec contains itself: {chain}", "move what both need into a spec of its own")
    if len(files) > _DEEPEST:
        raise _unbounded(source, f"specs are nested more than {_DEEPEST} deep", "join some of them")
    if len(setting.nesting.read) >= _MOST:
        message = f"the stack reads more than {_MOST} specs"
        raise _unbounded(source, message, "build some of them by themselves, and take their .onnx files")


def _real(path: Path) -> str:
    return os.path.realpath(path)


def _unbounded(source: Source, message: str, hint: str) -> SourceError:
    return SourceError(Problem.at(source.mark, "R015", f"source '{source.name}': {message}", hint))


def require_opset(source: Source, spec: Spec, opset: int) -> None:
    """Refuse a spec that names another opset than the outer stack, because its operators would mean something else.

    Raises:
        ModelError: It does (M001).
    """
    if spec.opset_named and spec.opset != opset:
        message = f"source '{source.name}': the spec is at opset {spec.opset}, the stack at {opset}"
        hint = f"set 'opset: {spec.opset}' in the outer spec, or leave it out of both"
        raise ModelError(Problem.at(source.mark, "M001", message, hint))
