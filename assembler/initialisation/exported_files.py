"""The spec of exported ONNX files: the ports of each, and which of them fit together."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assembler.core.errors import ModelError
from assembler.core.name_rules import NAME
from assembler.core.problems import Problem
from assembler.core.tensors import INPUT_TYPES, TensorType, Variable
from assembler.initialisation.draft import Draft, Feed, Input, Part
from assembler.initialisation.naming import joined_name, stack_name
from assembler.onnx_file.header import OnnxHeader, read_header

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class _File:
    """An exported file.

    Attributes:
        node: The part that it becomes.
        location: Its path, as written in the spec.
        header: Its ports.
    """

    node: str
    location: str
    header: OnnxHeader


def exported_spec(paths: Sequence[Path], folder: Path, name: str | None = None) -> Draft:
    """Return a commented spec that joins exported files where the names and types of their ports agree.

    Args:
        paths: The files, in the order of the data: an output feeds inputs of later files.
        folder: The folder that the spec will lie in.
        name: The name of the stack; by default that of its files.

    Raises:
        SourceError: A file cannot be read or is not an ONNX model (R001, R006, R012).
        ModelError: An input is of a type that a spec cannot name (M005).
    """
    files = [*_files(paths, folder)]
    joined = _Joined({file.node for file in files})
    for file in files:
        joined.add(file)
    called = stack_name(name) if name is not None else joined_name(path.name.removesuffix(".onnx") for path in paths)
    return Draft(
        name=called,
        sources={file.node: {"onnx": file.location} for file in files},
        inputs=[_input(name, type_, ports) for name, (type_, ports) in joined.inputs.items()],
        parts=[_part(file, joined.feeds[file.node]) for file in files],
        outputs=_outputs(files, joined),
        spread=True,
    )


def _files(paths: Sequence[Path], folder: Path) -> Iterator[_File]:
    taken: set[str] = set()
    for path in paths:
        base = re.sub(r"[^A-Za-z0-9_]+", "_", path.name.removesuffix(".onnx")).strip("_") or "part"
        base = base if re.match(NAME, base) else f"part_{base}"
        node, number = base, 1
        while node in taken:
            number += 1
            node = f"{base}_{number}"
        taken.add(node)
        yield _File(node, Path(os.path.relpath(path, folder)).as_posix(), read_header(path))


class _Joined:
    """The files that were joined so far."""

    def __init__(self, parts: Collection[str]) -> None:
        self.inputs: dict[str, tuple[TensorType, list[str]]] = {}
        self.feeds: dict[str, dict[str, Feed]] = {}
        self.read: set[str] = set()
        self._outputs: dict[str, tuple[str, TensorType]] = {}
        self._parts = parts

    def add(self, file: _File) -> None:
        """Find what feeds each port of a file, and offer its outputs to later files."""
        feeds = self.feeds[file.node] = {}
        for port, type_ in file.header.inputs.items():
            found = self._found(port, type_, [feed.text for feed in feeds.values()])
            feeds[port] = Feed(self._input(file, port, type_), self._others(type_)) if found is None else found
            self.read.add(feeds[port].text)
        for port, type_ in file.header.outputs.items():
            self._outputs[f"{file.node}.{port}"] = (port, type_)

    def _found(self, port: str, type_: TensorType, taken: Sequence[str]) -> Feed | None:
        """Return the output that fits a port: one with its name, or else the only one with its type."""
        fitting = {text: entry for text, entry in self._outputs.items() if text not in taken and _fits(entry[1], type_)}
        named = [text for text, (name, _) in fitting.items() if name == port]
        if named:
            return Feed(named[-1])
        unread = [text for text in fitting if text not in self.read]
        if len(unread) == 1 and (type_.dims or not type_.is_tensor):
            return Feed(unread[0], "by its type alone: is this meant?")
        return None

    def _others(self, type_: TensorType) -> str:
        """Return the question whether a port that became an input of the model should be fed by a part."""
        unread = [text for text, entry in self._outputs.items() if text not in self.read and _fits(entry[1], type_)]
        return f"an input of the model: or is it {' or '.join(unread[:4])}?" if unread else ""

    def _input(self, file: _File, port: str, type_: TensorType) -> str:
        """Return the name of the model's input that feeds a port; files that use the same name share it."""
        if type_.dtype not in INPUT_TYPES:
            message = f"the input '{port}' is {type_.dtype or 'of a type'} that a spec cannot name"
            raise ModelError(Problem("M005", message, "convert it inside the exported file", file.location))
        known = self.inputs.get(port)
        if known is not None and _fits(known[0], type_):
            known[1].append(f"{file.node}.{port}")
            return port
        name = port
        while name in self.inputs or name.partition(".")[0] in self._parts:
            name = f"{file.node}_{name}" if name in self.inputs else f"input_{name}"
        self.inputs[name] = (type_, [f"{file.node}.{port}"])
        return name


def _fits(given: TensorType, wanted: TensorType) -> bool:
    """Return whether a tensor can feed a port, as far as their types tell."""
    if given.dtype is None or given.dtype != wanted.dtype:
        return False
    if given.dims is None or wanted.dims is None:
        return True
    if len(given.dims) != len(wanted.dims):
        return False
    pairs = zip(given.dims, wanted.dims, strict=True)
    return all(one == other for one, other in pairs if isinstance(one, int) and isinstance(other, int))


def _dims(name: str, type_: TensorType) -> Iterator[str | int]:
    """Yield the dims of an input; those that the file leaves without a name get one."""
    for axis, dim in enumerate(type_.dims or ()):
        if isinstance(dim, int):
            yield dim
            continue
        text = dim.name if isinstance(dim, Variable) else ""
        if not re.match(NAME, text):
            text = re.sub(r"[^A-Za-z0-9_]+", "_", f"{name}_{axis}").lstrip("0123456789_") or f"dim_{axis}"
        yield text


def _input(name: str, type_: TensorType, ports: Sequence[str]) -> Input:
    comments = [f"shared by {' and '.join(ports)}"] if len(ports) > 1 else []
    if type_.is_tensor and type_.dims is None:
        comments.append("the file does not say how many axes it has: is it a single number?")
    dims = tuple(_dims(name, type_)) if type_.is_tensor else None
    return Input(name, dims, str(type_.dtype), "  # ".join(comments))


def _part(file: _File, feeds: Mapping[str, Feed]) -> Part:
    header = file.header
    above = f"{Path(file.location).name}: {_ports(header.inputs)} → {_ports(header.outputs)}"
    return Part(file.node, "onnx", feeds, file.node, above=above)


def _ports(ports: Mapping[str, TensorType]) -> str:
    shown = ", ".join(f"{name} {type_}" for name, type_ in ports.items())
    return "".join(letter if letter.isprintable() else "�" for letter in shown) or "nothing"


def _outputs(files: Sequence[_File], joined: _Joined) -> dict[str, str]:
    """Return the outputs of the model: what feeds no other file."""
    outputs: dict[str, str] = {}
    last = files[-1].node
    for file in files:
        for port in file.header.outputs:
            text = f"{file.node}.{port}"
            if text in joined.read and file.node != last:
                continue
            name = port
            if name in joined.inputs or name in outputs:
                name = f"{file.node}_{port}"
            while name in joined.inputs or name in outputs:
                name += "_"
            outputs[name] = text
    return outputs
