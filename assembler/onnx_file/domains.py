"""The operator domains that an ONNX file names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.onnx_file.allowance import Allowance, CountedFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.onnx_file.wire import Readable

# onnx.proto's numbers of fields
_OPSETS, _DOMAIN = 8, 1


def domains_of(stream: Readable) -> frozenset[str]:
    """Return the domains of the operator sets that a model imports, without reading its graph.

    A file that is not a model names none: whoever loads it says what is wrong with it.
    """
    try:
        return frozenset(_domains(CountedFile(stream, Allowance())))
    except ValueError:
        return frozenset()


def _domains(file: CountedFile) -> Iterator[str]:
    for found in file.fields(file.whole):
        if found.number == _OPSETS:
            yield from (file.text(part) for part in file.fields(found) if part.number == _DOMAIN)
