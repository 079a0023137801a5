"""Refuses exported subgraphs that onnx or ONNX Runtime would read without end, before either sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from assembler.core.errors import SourceError
from assembler.core.file_forms import hint_of
from assembler.core.problems import Problem
from assembler.onnx_file.expansion import UnboundedError
from assembler.onnx_file.structure import require_bounded_stream

if TYPE_CHECKING:
    from pathlib import Path

    from assembler.forms.source import Source


def require_bounded_source(source: Source, path: Path, stream: BinaryIO) -> None:
    """Refuse an exported subgraph without a bound. Its fields are walked in milliseconds, whatever its weights.

    Args:
        source: The source, for problems.
        path: The name of its file.
        stream: The file, open.

    Raises:
        SourceError: R001 the file cannot be read, R006 it is not an ONNX model, R014 it expands to more than can be
            run.
    """
    what = f"source '{source.name}': {path.name}"
    try:
        require_bounded_stream(stream)
    except UnboundedError as err:
        hint = "export it without functions that call each other, and with the weights that it declares"
        raise SourceError(Problem.at(source.mark, "R014", f"{what} is not read: {err}", hint)) from err
    except OSError as err:
        message = f"source '{source.name}': {path} cannot be read: {err.strerror or err}"
        raise SourceError(Problem.at(source.mark, "R001", message)) from err
    except ValueError as err:
        raise SourceError(Problem.at(source.mark, "R006", f"{what} is not an ONNX model: {err}", hint_of(err))) from err
