"""Stitches separately exported subgraphs into one proven ONNX model, as a YAML stack spec says.

The names below are the public interface. Each is loaded when it is first used: importing this package, or
`assembler.runtime`, imports neither torch nor flair, onnx or networkx.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from assembler.core.telemetry import switch_off

if TYPE_CHECKING:
    from assembler.core.errors import AssemblerError, ModelError, ParityError, SourceError, SpecError
    from assembler.core.problems import Problem
    from assembler.core.tensors import TensorType, Variable
    from assembler.forms.form import Misnamed, SourceForm
    from assembler.forms.opened import Classified, Joined, OpenedSource, SourceModel, Tagged
    from assembler.forms.source import Setting, Source
    from assembler.interface.table_inputs import Words
    from assembler.parts.kind import Complaint, Kind, PartView, Port, Ports
    from assembler.parts.registry import register
    from assembler.sources.location import local_file
    from assembler.sources.opened_file import open_source
    from assembler.spec.reading import load_spec
    from assembler.spec.stack_spec import Spec
    from assembler.weights.decisions import SentenceLabels, TokenLabels
    from assembler.weights.protocol import Weights
    from assembler.weights.tables import TableWeights
    from assembler.workflows.assembly import Assembled, assemble
    from assembler.workflows.checking import Checked, check
    from assembler.workflows.verification import Verified, verify

switch_off()  # before anything can load ONNX Runtime

__all__ = [
    "Assembled",
    "AssemblerError",
    "Checked",
    "Classified",
    "Complaint",
    "Joined",
    "Kind",
    "Misnamed",
    "ModelError",
    "OpenedSource",
    "ParityError",
    "PartView",
    "Port",
    "Ports",
    "Problem",
    "SentenceLabels",
    "Setting",
    "Source",
    "SourceError",
    "SourceForm",
    "SourceModel",
    "Spec",
    "SpecError",
    "TableWeights",
    "Tagged",
    "TensorType",
    "TokenLabels",
    "Variable",
    "Verified",
    "Weights",
    "Words",
    "assemble",
    "check",
    "load_spec",
    "local_file",
    "open_source",
    "register",
    "verify",
]

_HOMES = {
    "assembler.workflows.assembly": ("Assembled", "assemble"),
    "assembler.workflows.checking": ("Checked", "check"),
    "assembler.core.errors": ("AssemblerError", "ModelError", "ParityError", "SourceError", "SpecError"),
    "assembler.parts.kind": ("Complaint", "Kind", "PartView", "Port", "Ports"),
    "assembler.parts.registry": ("register",),
    "assembler.forms.form": ("Misnamed", "SourceForm"),
    "assembler.forms.opened": ("Classified", "Joined", "OpenedSource", "SourceModel", "Tagged"),
    "assembler.forms.source": ("Setting", "Source"),
    "assembler.sources.location": ("local_file",),
    "assembler.sources.opened_file": ("open_source",),
    "assembler.interface.table_inputs": ("Words",),
    "assembler.weights.tables": ("TableWeights",),
    "assembler.weights.decisions": ("SentenceLabels", "TokenLabels"),
    "assembler.weights.protocol": ("Weights",),
    "assembler.core.problems": ("Problem",),
    "assembler.spec.stack_spec": ("Spec",),
    "assembler.spec.reading": ("load_spec",),
    "assembler.workflows.verification": ("Verified", "verify"),
    "assembler.core.tensors": ("TensorType", "Variable"),
}


def __getattr__(name: str) -> object:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(module), name)
    message = f"module 'assembler' has no attribute '{name}'"
    raise AttributeError(message)


def __dir__() -> list[str]:
    return __all__
