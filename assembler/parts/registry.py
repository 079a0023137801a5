"""The kinds that a spec can name: built-in ones, those of installed packages, and those that a program registers."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from assembler.core.entry_points import published
from assembler.core.errors import AssemblerError, SpecError
from assembler.core.problems import Problem
from assembler.parts.kind import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from assembler.core.problems import Mark

#: The entry-point group of third-party kinds.
GROUP = "assembler.kinds"

_BUILT_IN = (
    "char_lm", "transformer", "subtoken_pooling", "subtoken_document", "embedding", "piece_embedding",
    "gather", "concat", "tagger_head",
    "crf", "word_layers", "document_pool", "document_rnn", "side_by_side", "text_head", "number_head",
    "onnx_subgraph",
    "inner_spec", "branches", "looping",
    "text_tokens", "text_plain", "text_characters", "text_indices", "text_embedding", "labels", "spans",
    "sentence_labels",
    "reshape", "transpose", "cast", "softmax", "argmax", "max", "arithmetic", "constant", "operator",
)  # fmt: skip

_registered: dict[str, Kind] = {}


def kinds() -> Mapping[str, Kind]:
    """Return every kind by name: built-in ones first, then installed and registered ones by name.

    Raises:
        SpecError: An installed package publishes something that is not a kind, or uses a name that is taken (K001,
            K002).
    """
    return MappingProxyType({**_installed(), **dict(sorted(_registered.items()))})


class NamedKind(Protocol):
    """A node of a spec: its name, and its kind with the place where the spec names it."""

    @property
    def name(self) -> str:
        """The node's id."""

    @property
    def kind(self) -> str:
        """The name of its kind."""

    @property
    def kind_mark(self) -> Mark:
        """Where the spec names the kind."""


@contextmanager
def running(node: NamedKind) -> Iterator[None]:
    """Report the kind and the part if code of another package's kind fails in the block.

    Raises:
        SpecError: It raised an exception (K003). Errors in built-in kinds are bugs, and pass through.
    """
    try:
        yield
    except AssemblerError:
        raise
    except Exception as err:
        if node.kind in built_in_kinds():
            raise
        message = f"{node.name}: kind '{node.kind}', of another package, fails: {type(err).__name__}: {err}"
        raise SpecError(Problem.at(node.kind_mark, "K003", message, "report it to the author of the kind")) from err


def register(kind: Kind) -> Kind:
    """Add a kind for this process; packages publish theirs by entry point instead.

    Args:
        kind: The kind. A second registration of the same object changes nothing.

    Returns:
        The kind, so that the call can be used in an expression.

    Raises:
        SpecError: Another kind has the name (K002).
    """
    _refuse_taken(kind, kinds(), "register()")
    _registered[kind.name] = kind
    return kind


def built_in_kinds() -> dict[str, Kind]:
    """Return the built-in kinds by name."""
    found = (import_module(f"assembler.parts.{module}").KIND for module in _BUILT_IN)
    return {kind.name: kind for kind in found}


@cache
def _installed() -> dict[str, Kind]:
    found = built_in_kinds()
    for origin, kind in published(GROUP, Kind, "K001"):
        _refuse_taken(kind, found, origin)
        found[kind.name] = kind
    return found


def _refuse_taken(kind: Kind, known: Mapping[str, Kind], origin: str) -> None:
    if kind.name in known and known[kind.name] is not kind:
        message = f"{origin} brings a kind '{kind.name}', a name that is taken"
        raise SpecError(Problem("K002", message, "choose another name for the kind"))
