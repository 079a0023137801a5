"""The forms that a source can have: built-in ones, and those of installed packages."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

from assembler.core.entry_points import published
from assembler.core.errors import AssemblerError, SourceError, SpecError
from assembler.core.problems import Problem
from assembler.forms.form import SourceForm

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from assembler.forms.source import Source

#: The entry-point group of third-party forms.
GROUP = "assembler.sources"
#: The keys that every source may have.
COMMON = ("sha256",)

# Named here and not by entry points, so that they exist when the package runs from a source tree. A source without the
# key of any form is taken for the first.
_BUILT_IN = ("flair_checkpoints", "onnx_subgraphs", "inner_specs")


def forms() -> Mapping[str, SourceForm]:
    """Return every form by name: built-in ones first, then installed ones.

    Raises:
        SpecError: An installed package publishes something that is not a form, or uses a name that is taken (K004,
            K005).
    """
    return _known()


def form_of(source: Source) -> SourceForm:
    """Return the form of a source."""
    return forms()[source.form]


@cache
def built_in_forms() -> Mapping[str, SourceForm]:
    """Return our own forms by name."""
    found = (import_module(f"assembler.{room}.form").FORM for room in _BUILT_IN)
    return MappingProxyType({form.name: form for form in found})


@contextmanager
def reading(source: Source, passing: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Report the form and the source if code of another package's form fails in the block.

    Args:
        source: The source.
        passing: Errors that the block may raise because of its arguments; the caller handles them.

    Raises:
        SourceError: It raised an exception (K006). Errors in built-in forms are bugs, and pass through.
    """
    try:
        yield
    except AssemblerError:
        raise
    except Exception as err:
        if source.form in built_in_forms() or isinstance(err, passing):
            raise
        raise faulty(source, f"fails: {type(err).__name__}: {err}") from err


def faulty(source: Source, what: str) -> SourceError:
    """Return the error about another package's form (K006).

    Args:
        source: The source.
        what: What the form does wrong, as the end of a sentence about it.
    """
    message = f"source '{source.name}': the form '{source.form}', of another package, {what}"
    return SourceError(Problem.at(source.mark, "K006", message, "report it to the author of the form"))


@cache
def _known() -> Mapping[str, SourceForm]:
    found = dict(built_in_forms())
    for origin, form in published(GROUP, SourceForm, "K004"):
        _refuse_taken(form, found, origin)
        found[form.name] = form
    return MappingProxyType(found)


def _refuse_taken(form: SourceForm, known: Mapping[str, SourceForm], origin: str) -> None:
    """Refuse a form whose name a source can already write, or whose keys are names of forms."""
    taken = {*known, *COMMON, *(key for each in known.values() for key in each.keys)}
    wrong = [name for name in (form.name,) if name in taken]
    wrong += [key for key in form.keys if key in {*known, *COMMON, form.name}]
    if wrong and known.get(form.name) is not form:
        message = f"{origin} brings a form of source with the key '{wrong[0]}', a name that is taken"
        raise SpecError(Problem("K005", message, "choose another name"))
