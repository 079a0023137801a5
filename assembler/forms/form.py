"""The definition of a form of source: its keys in a spec, its files, and how it is opened.

A form is one `SourceForm` in a module that `assemble check` imports: it imports torch, numpy or onnx when a source is
opened, never at its top. Third parties publish theirs through the entry-point group `assembler.sources`;
`docs/sources.md` shows one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from assembler.core.problems import Guesses
    from assembler.core.values import Value
    from assembler.forms.opened import OpenedSource
    from assembler.forms.source import Setting, Source
    from assembler.weights.protocol import Weights


class Opener(Protocol):
    """Reads a source."""

    def __call__(self, source: Source, setting: Setting) -> OpenedSource:
        """Read the source. Errors in its file are raised as `SourceError`."""


class Peek(Protocol):
    """Peeks at sources for `assemble check`, in milliseconds."""

    def __call__(self, sources: Sequence[Source], setting: Setting) -> Mapping[str, Weights | str]:
        """Return by name the known facts on the weights of each source, or that its file is missing."""


@dataclass(frozen=True, slots=True)
class Misnamed:
    """What is wrong with the path of a part.

    Attributes:
        message: What was got.
        hint: The path that was most likely meant.
    """

    message: str
    hint: str | None = None


def _no_name(_source: Source) -> bool:
    return False


def _nothing_lacking(_source: Source) -> tuple[str, ...]:
    return ()


def _any_path(_path: str, _guesses: Guesses) -> Misnamed | None:
    return None


def _no_files(_path: Path) -> tuple[Path, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class SourceForm:
    """A form of source.

    Attributes:
        name: The key that a spec writes before the location: `tagger: {flair: de-pos.pt}`.
        title: The noun for such a source, with its article: `a flair checkpoint`.
        location: The JSON Schema of the location, with a description and examples.
        open: Reads a source.
        keys: A JSON Schema for each other key that the spec may write; every source has `sha256`.
        example: A source, for the schema and the documentation.
        gives: The sorts of weights that it can have (`Weights.sort`), or `None` if that is not known in advance.
        reference: Whether its models label tokens or sentences, so that a proof can be against them.
        whole: Whether a source is a graph with named inputs and outputs, so that a stack that was cut out of it can be
            compared with it.
        heads: The last words of the paths of the parts that have the labels of their model.
        packages: The packages, besides this one, whose versions decide what its sources compute.
        suffixes: The suffixes of its files, with the dot, for hints.
        isolated: Whether its parts were exported by strangers, so that a model with such parts is loaded and run in a
            separate process.
        is_name: Whether a location without a file may be a name that is fetched.
        lacking: The keys that would pin the model of a name and that a source lacks.
        misnamed: Why no source of this form can have a path. It is called before any source is read.
        companions: The other files that are read with a source's own, so that no build writes over them.
        peek: Peeks at sources without their weights; `None` if only their existence is checked.
    """

    name: str
    title: str
    location: Mapping[str, Value]
    open: Opener
    keys: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    example: Mapping[str, Value] = field(default_factory=dict)
    gives: frozenset[str] | None = None
    reference: bool = False
    whole: bool = False
    heads: frozenset[str] = frozenset()
    packages: tuple[str, ...] = ()
    suffixes: frozenset[str] = frozenset()
    isolated: bool = False
    is_name: Callable[[Source], bool] = _no_name
    lacking: Callable[[Source], Sequence[str]] = _nothing_lacking
    misnamed: Callable[[str, Guesses], Misnamed | None] = _any_path
    companions: Callable[[Path], Iterable[Path]] = _no_files
    peek: Peek | None = None
