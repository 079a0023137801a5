"""Reads the ports of those exported subgraphs that are present, without onnx and without their weights."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from assembler.core.errors import SourceError
from assembler.core.problems import Problem
from assembler.core.regular_files import OutsideError
from assembler.onnx_file.allowance import Allowance
from assembler.onnx_file.external_data import ExternalData, external_data
from assembler.onnx_file.header import OnnxHeader, header_of, header_problem
from assembler.onnx_subgraphs.bounds import require_bounded_source
from assembler.spec.files import open_named

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from assembler.forms.source import Setting, Source


def peek(sources: Sequence[Source], setting: Setting) -> dict[str, OnnxHeader | str]:
    """Return the header of each source, or the reason why it is not read.

    Raises:
        SourceError: A file exists, but cannot be used (R001, R005, R006, R012, R014).
    """
    problems: list[Problem] = []
    allowance = Allowance()
    found = {source.name: _header(source, setting, allowance, problems) for source in sources}
    if problems:
        raise SourceError(*problems)
    return {name: each for name, each in found.items() if each is not None}


def _header(source: Source, setting: Setting, allowance: Allowance, problems: list[Problem]) -> OnnxHeader | str | None:
    """Return the header of a source, why it cannot be read, or `None` after a problem was reported."""
    path = setting.folder / source.location
    try:
        with open_named(setting, source.location) as stream:
            require_bounded_source(source, path, stream)
            header = header_of(stream, allowance)
            named = external_data(stream, allowance)
    except SourceError as err:
        problems += err.problems
        return None
    except OutsideError:
        return f"{path} lies outside"
    except OSError as err:
        if err.errno in {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP}:
            return f"{path} is not here"
        message = f"source '{source.name}': {path} cannot be read: {err.strerror or err}"
        problems.append(Problem.at(source.mark, "R001", message))
        return None
    except ValueError as err:
        wrong = header_problem(err, str(path))
        problems.append(Problem.at(source.mark, wrong.code, f"source '{source.name}': {wrong.file} {wrong.message}"))
        return None
    problems += external_problems(source, path, named)
    return header


def external_problems(source: Source, path: Path, named: Iterable[ExternalData]) -> list[Problem]:
    """Return a problem (R005) for each file of external data that may not be used; one may be missing."""
    wrong: dict[str, None] = {}
    for data in sorted(set(named), key=lambda data: (data.location, data.offset)):
        try:
            data.size_in(path.parent, path.name)
        except OSError:
            continue
        except ValueError as err:
            wrong[str(err)] = None
    hint = "external data are regular files beside the model, or below its folder"
    texts = (f"source '{source.name}': {message}" for message in wrong)
    return [Problem.at(source.mark, "R005", text, hint) for text in texts]
