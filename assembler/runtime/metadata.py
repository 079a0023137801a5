"""The assembler's entries in the `metadata_props` of a model."""

from __future__ import annotations

import json
import reprlib
from dataclasses import dataclass
from math import isinf
from types import MappingProxyType
from typing import TYPE_CHECKING

from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.interface.fields import Fields, damaged, strings
from assembler.runtime.interface import Interface
from assembler.runtime.task_list import read_tasks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assembler.interface.tasks import Task

FORMAT = 1
_PREFIX = "assembler."
#: As much as is read of a header (`onnx_file/header.py`): a million words of a table are a quarter of it.
_MOST_TEXT = 1 << 26
#: An empty list is two characters of a text and sixty bytes of memory.
_MOST_BRACKETS = 4_000_000
_FORMAT = "assembler.format"
_LABELS = "assembler.labels"
_DICTIONARIES = "assembler.dictionaries"
_VOCABULARIES = "assembler.vocabularies"
_TOKENIZERS = "assembler.tokenizers"
_INTERFACE = "assembler.interface"


@dataclass(frozen=True, slots=True)
class Metadata:
    """The metadata of an assembled model.

    Attributes:
        labels: The label of each class of the first task by its id; empty for a model without one.
        interface: The inputs and outputs for a host.
        tasks: Its tasks, in order.
        entries: Every entry of the assembler, by its name without the prefix: parsed JSON, read-only at the top.
    """

    labels: tuple[str, ...]
    interface: Interface
    tasks: tuple[Task, ...]
    entries: Mapping[str, object]

    @classmethod
    def read(cls, properties: Mapping[str, str], file: str) -> Metadata:
        """Return the metadata in the properties of a model.

        Raises:
            ModelError: M012 if there are none of the assembler's, M013 if they are damaged, of another format, or
                longer than 64 MiB.
        """
        own = {key: value for key, value in properties.items() if key.startswith(_PREFIX)}
        if not own:
            message = "the model has no assembler metadata, so its labels and its inputs are unknown"
            raise ModelError(Problem("M012", message, "the runtime runs models that `assemble` wrote", file))
        _require_bounded(own, file)
        _require_format(own, file)
        entries = {key.removeprefix(_PREFIX): _parsed(key, value, file) for key, value in own.items()}
        if "interface" not in entries:
            raise damaged(_INTERFACE, "the key is missing", file)
        labels = strings(entries.get("labels", []), _LABELS, file)
        interface = Interface.from_metadata(
            Fields.of(entries["interface"], _INTERFACE, file).values,
            Fields.of(entries.get("dictionaries", {}), _DICTIONARIES, file).values,
            Fields.of(entries.get("vocabularies", {}), _VOCABULARIES, file).values,
            Fields.of(entries.get("tokenizers", {}), _TOKENIZERS, file).values,
            file=file,
        )
        tasks = read_tasks(entries.get("tasks"), labels, interface, file)
        return cls(labels, interface, tasks, MappingProxyType(entries))


def _require_bounded(own: Mapping[str, str], file: str) -> None:
    """Check the size before anything is parsed, because parsed JSON takes many times the memory of its text."""
    if sum(map(len, own.values())) > _MOST_TEXT:
        raise damaged(_PREFIX.rstrip("."), f"the metadata are longer than {_MOST_TEXT >> 20} MiB", file)
    if sum(value.count("[") + value.count("{") for value in own.values()) > _MOST_BRACKETS:
        message = f"the metadata hold more than {_MOST_BRACKETS:,} lists and objects"
        raise damaged(_PREFIX.rstrip("."), message, file)


def _require_format(own: Mapping[str, str], file: str) -> None:
    """Check the format before anything else, because a newer one may have changed everything."""
    if _FORMAT not in own:
        raise damaged(_FORMAT, "the key is missing", file)
    number = _parsed(_FORMAT, own[_FORMAT], file)
    if type(number) is not int:
        raise damaged(_FORMAT, f"expected {FORMAT}, got {reprlib.repr(number)}", file)
    if number != FORMAT:
        hint = "update the package" if number > FORMAT else "assemble the model again"
        raise damaged(
            _FORMAT, f"this runtime reads format {FORMAT}, the model has format {reprlib.repr(number)}", file, hint
        )


def _parsed(key: str, text: str, file: str) -> object:
    try:
        value: object = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError) as err:  # a hostile file may nest brackets without end
        raise damaged(key, f"no valid JSON: {err}", file) from err
    return value


def _refuse_constant(name: str) -> object:
    message = f"{name} is no number of JSON"
    raise ValueError(message)


def _finite(text: str) -> float:
    value = float(text)
    if isinf(value):
        message = f"{text[:20]} is too large a number"
        raise ValueError(message)
    return value
