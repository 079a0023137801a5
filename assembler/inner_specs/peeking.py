"""Reads the ports of specs that are sources, without any weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.errors import SourceError
from assembler.inner_specs.header import StackHeader, header_of
from assembler.inner_specs.reading import read_inner
from assembler.sources.opening import at_common_opset, open_headers
from assembler.spec.defaults import OPSETS
from assembler.wiring.graph import wire

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from assembler.forms.source import Setting, Source
    from assembler.spec.stack_spec import Spec


def peek_all(sources: Sequence[Source], setting: Setting) -> dict[str, StackHeader | str]:
    """Return the ports of each spec, or the reason why they are not known.

    Raises:
        SpecError: A spec is wrong.
        SourceError: A file that it names cannot be used, or specs contain each other (R015).
    """
    return {source.name: _peek(source, setting) for source in sources}


def _peek(source: Source, setting: Setting) -> StackHeader | str:
    try:
        spec = read_inner(source, setting)
    except SourceError as err:
        if {problem.code for problem in err.problems} != {"R001"} or (setting.folder / source.location).exists():
            raise
        return f"{setting.folder / source.location} is not here"
    if isinstance(spec, str):
        return spec
    headers, notes = open_headers(spec)
    told = at_common_opset(spec, headers)
    wiring = wire(told, headers)
    if notes:
        return f"{setting.folder / source.location} cannot be wired yet: {notes[0]}"
    return StackHeader(header_of(wiring, _asked(spec, told.opset, headers)))


def _asked(spec: Spec, opset: int, known: Collection[str]) -> int:
    """Return the least opset that a spec can be emitted at, or 0 for any."""
    if spec.opset_named or opset != spec.opset:
        return opset
    return 0 if all(name in known for name in spec.graph) else OPSETS[0]
