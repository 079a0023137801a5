"""`spec`: another spec, whose stack is a part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.errors import AssemblerError
from assembler.forms.form import Misnamed, SourceForm

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from assembler.core.problems import Guesses
    from assembler.forms.source import Setting, Source
    from assembler.inner_specs.header import StackHeader
    from assembler.inner_specs.stack import InnerStack

#: The most files of inner specs that are searched for. A build must not overwrite any of them.
_MOST_FILES = 10_000


def misnamed(path: str, _guesses: Guesses) -> Misnamed | None:
    """Return what is wrong with a path into a spec, which is one part."""
    source, dot, _ = path.partition(".")
    if not dot:
        return None
    return Misnamed(f"a spec has no part '{path}'", f"name the source alone: '{source}'")


def companions(path: Path) -> list[Path]:
    """Return the files that a spec names, and those that they need. Errors in the spec are reported when it is read."""
    found: dict[Path, None] = {}
    for file in _named(path, {path.resolve()}):
        found[file] = None
        if len(found) >= _MOST_FILES:
            break
    return list(found)


def _named(path: Path, seen: set[Path]) -> Iterator[Path]:
    from assembler.forms.registry import form_of, reading
    from assembler.parts.registry import kinds
    from assembler.spec.files import parameter_files
    from assembler.spec.reading import load_spec

    try:
        spec = load_spec(path)
    except AssemblerError:
        return
    yield from (spec.folder / file.location for file in parameter_files(spec, kinds()))
    for source in spec.sources.values():
        file = spec.folder / source.location
        yield file
        if source.form != FORM.name:
            with reading(source):
                yield from form_of(source).companions(file)
        elif file.resolve() not in seen:
            seen.add(file.resolve())
            yield from _named(file, seen)


def _open(source: Source, setting: Setting) -> InnerStack:
    from assembler.inner_specs.stack import open_spec

    return open_spec(source, setting)


def _peek(sources: Sequence[Source], setting: Setting) -> Mapping[str, StackHeader | str]:
    from assembler.inner_specs.peeking import peek_all

    return peek_all(sources, setting)


FORM = SourceForm(
    name="spec",
    title="another spec",
    location={
        "type": "string",
        "description": "A spec, whose stack is a part: a path relative to this file.",
        "examples": ["encoder.yaml"],
    },
    open=_open,
    example={"spec": "encoder.yaml"},
    gives=frozenset({"stack"}),
    suffixes=frozenset({".yaml", ".yml"}),
    isolated=True,
    whole=True,
    misnamed=misnamed,
    companions=companions,
    peek=_peek,
)
