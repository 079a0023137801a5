"""Reads a person's cases for a proof from a file of arrays: inputs, and expected outputs."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from assembler.core.element_types import beyond_numpy, element_type, numpy_type
from assembler.core.errors import SpecError
from assembler.core.problems import Problem, suggest
from assembler.runtime.shapes import MOST_VALUES
from assembler.spec.files import open_named, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assembler.core.arrays import Array, RuntimeValue, RuntimeValues
    from assembler.core.tensors import TensorType
    from assembler.spec.stack_spec import Input, Spec

#: The most bytes, and the most arrays, that a file of cases may have.
_MOST_BYTES, _MOST_ARRAYS = 1 << 30, 4096
#: The place of a tensor in a sequence, at the end of an array's name.
_PLACE = re.compile(r"\[\d+\]$")
#: The exceptions that reading a damaged archive or array can raise.
_DAMAGED = (ValueError, zipfile.BadZipFile, EOFError, KeyError, NotImplementedError, RuntimeError, MemoryError)


@dataclass(frozen=True, slots=True, eq=False)
class GivenCase:
    """One case.

    Attributes:
        name: What it is called; empty for the only one.
        inputs: An array for each input; a list of them for a sequence.
        expected: Arrays for some outputs, or none.
    """

    name: str
    inputs: RuntimeValues
    expected: Mapping[str, Array]

    @property
    def words(self) -> str:
        """What it is called in reports."""
        return f"the case '{self.name}'" if self.name else "the case"


def given_cases(spec: Spec) -> tuple[GivenCase, ...]:
    """Return the cases that the spec's `proof` names, if any.

    Raises:
        SpecError: The file cannot be read, an array has the name of no input or output, or another type or shape than
            that, or a case lacks an input (W026).
    """
    location = spec.proof.trials.cases
    if location is None:
        return ()
    path = spec.folder / location
    try:
        with open_named(spec, location, _MOST_BYTES) as stream:
            arrays = _arrays(stream)
    except OSError as err:
        raise _error(spec, f"{path} cannot be read: {err.strerror or err}", "paths are relative to the spec") from err
    except _DAMAGED as err:
        words = shown(spec, location, str(err).partition("\n")[0][:120])
        hint = "it is written by numpy.savez, with arrays of numbers or text"
        raise _error(spec, f"{path} is not a file of arrays{words}", hint) from err
    found: dict[str, dict[str, Array]] = {}
    for key, array in arrays.items():
        case, name = _split(spec, key)
        found.setdefault(case, {})[name] = array
    if not found:
        raise _error(spec, f"{path} holds no array", "give an array for each input, by its name")
    return tuple(_case(spec, name, given) for name, given in found.items())


def _arrays(stream: BinaryIO) -> dict[str, Array]:
    """Return the arrays of a file.

    Raises:
        ValueError: It holds too much.
    """
    with np.load(stream, allow_pickle=False) as archive:
        zipped = getattr(archive, "zip", None)
        sizes = [entry.file_size for entry in zipped.infolist()] if zipped is not None else []
        if zipped is None:
            message = "it is one array, and not the file that numpy.savez writes"
            raise ValueError(message)
        if len(sizes) > _MOST_ARRAYS or sum(sizes) > 4 * MOST_VALUES:
            message = f"it holds {len(sizes)} arrays of {sum(sizes):,} bytes"
            raise ValueError(message)
        return {key: archive[key] for key in archive.files}


def _split(spec: Spec, key: str) -> tuple[str, str]:
    """Return the case and the input or output that an array belongs to. Public names may contain slashes too."""
    known = [*spec.inputs, *spec.outputs]
    fitting = [name for name in known if key == name or key.endswith(f"/{name}")]
    place = _PLACE.search(key)
    if not fitting and place is not None:
        case, name = _split(spec, key[: place.start()])
        if name in spec.inputs and not spec.inputs[name].type.is_tensor:
            return case, f"{name}{place[0]}"
    if not fitting:
        hint = suggest(key.rpartition("/")[2], known, what="inputs and outputs")
        raise _error(spec, f"the array '{key[:100]}' has the name of no input and no output", hint)
    name = max(fitting, key=len)
    return key[: len(key) - len(name)].removesuffix("/"), name


def _case(spec: Spec, name: str, given: Mapping[str, Array]) -> GivenCase:
    where = GivenCase(name, {}, {}).words
    inputs = {each: _fitting_input(spec, where, entry, given) for each, entry in spec.inputs.items()}
    return GivenCase(name, inputs, {each: _plain(given[each]) for each in spec.outputs if each in given})


def _fitting_input(spec: Spec, where: str, entry: Input, given: Mapping[str, Array]) -> RuntimeValue:
    """Return the value of an input: an array, or a list of the arrays of a sequence; nothing for an optional."""
    what, kind = f"{where}: the input '{entry.name}'", str(entry.type.dtype)
    if "sequence(" in kind:
        count = sum(name.startswith(f"{entry.name}[") and name[len(entry.name) :].count("[") == 1 for name in given)
        names = [f"{entry.name}[{place}]" for place in range(count)]
        lacking = next((each for each in names if each not in given), None if names else f"{entry.name}[0]")
        if lacking is None:
            return [_typed(spec, f"{where}: the input '{each}'", entry.type, given[each]) for each in names]
        if names or not kind.startswith("optional("):
            raise _error(spec, f"{where} has no array '{lacking}'", f"'{entry.name}' is {kind}: number its tensors")
        return None
    if entry.name in given:
        return _typed(spec, what, entry.type, given[entry.name])
    if kind.startswith("optional("):
        return None
    raise _error(spec, f"{where} has no array for the input '{entry.name}'", "give one for each input")


def _plain(array: Array) -> Array:
    return array.astype(object) if array.dtype.kind == "U" else array


def _typed(spec: Spec, what: str, type_: TensorType, array: Array) -> Array:
    """Return an array for an input, if it fits."""
    plain = _plain(array)
    if plain.dtype.kind == "V" and beyond_numpy(type_.element or ""):  # numpy keeps their bytes, not their names
        wanted = numpy_type(type_.element or "")
        plain = plain.view(wanted) if plain.itemsize == wanted.itemsize else plain
    dtype = element_type(plain)
    if dtype != type_.element:
        raise _error(spec, f"{what} is {type_.dtype}, but its array is {dtype}", f"save it as {type_.element}")
    if type_.dims is None:
        return plain
    dims = type_.dims
    fits = len(dims) == plain.ndim and all(
        not isinstance(dim, int) or dim == size for dim, size in zip(dims, plain.shape, strict=False)
    )
    if not fits:
        raise _error(spec, f"{what} is {type_}, but its array has the shape {list(plain.shape)}", None)
    return plain


def _error(spec: Spec, message: str, hint: str | None) -> SpecError:
    return SpecError(Problem.at(spec.proof.trials.cases_mark, "W026", f"proof: cases: {message}", hint))
