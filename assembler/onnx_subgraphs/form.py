"""`onnx`: an exported subgraph, from a file with or without external data."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from assembler.core.regular_files import open_regular
from assembler.forms.form import Misnamed, SourceForm
from assembler.onnx_file.allowance import Allowance
from assembler.onnx_file.external_data import external_data
from assembler.onnx_subgraphs.peeking import peek

if TYPE_CHECKING:
    from pathlib import Path

    from assembler.core.problems import Guesses
    from assembler.forms.source import Setting, Source
    from assembler.onnx_subgraphs.subgraph import OnnxSubgraph


def misnamed(path: str, _guesses: Guesses) -> Misnamed | None:
    """Return what is wrong with a path into a subgraph, which has no parts of its own."""
    source, dot, _ = path.partition(".")
    if not dot:
        return None
    return Misnamed(f"an exported subgraph has no part '{path}'", f"name the source alone: '{source}'")


def companions(path: Path) -> list[Path]:
    """Return the files of external data that a file names. Errors in the file are reported when it is read."""
    with suppress(OSError, ValueError), open_regular(path) as stream:
        return [path.parent / name for name in sorted({data.location for data in external_data(stream, Allowance())})]
    return []


def _open(source: Source, setting: Setting) -> OnnxSubgraph:
    from assembler.onnx_subgraphs.subgraph import open_onnx

    return open_onnx(source, setting)


FORM = SourceForm(
    name="onnx",
    title="an exported subgraph",
    location={
        "type": "string",
        "description": "An exported subgraph: a path relative to this file.",
        "examples": ["lm.onnx"],
    },
    open=_open,
    keys={
        "convert": {
            "type": "boolean",
            "description": "Whether the file is converted where operators of it differ at the opset of the stack. "
            "Without, it is converted upward if the build is proven.",
            "examples": [True],
        }
    },
    example={"onnx": "lm.onnx"},
    gives=frozenset({"graph"}),
    suffixes=frozenset({".onnx"}),
    isolated=True,
    whole=True,
    misnamed=misnamed,
    companions=companions,
    peek=peek,
)
