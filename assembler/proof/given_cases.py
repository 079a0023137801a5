"""Reads a person's cases for a proof from a file of arrays: inputs, and expected outputs."""

from __future__ import annotations

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

    from assembler.core.arrays import Array
    from assembler.core.tensors import TensorType
    from assembler.spec.stack_spec import Spec

#: The most bytes that a file of cases may have, and the most arrays in it.
_MOST_BYTES, _MOST_ARRAYS = 1 << 30, 4096
#: What reading a damaged archive or array can raise.
_DAMAGED = (ValueError, zipfile.BadZipFile, EOFError, KeyError, NotImplementedError, RuntimeError, MemoryError)


@dataclass(frozen=True, slots=True, eq=False)
class GivenCase:
    """One case.

    Attributes:
        name: What it is called; empty for the only one.
        inputs: An array for each input.
        expected: Arrays for some outputs, or none.
    """

    name: str
    inputs: Mapping[str, Array]
    expected: Mapping[str, Array]

    @property
    def words(self) -> str:
        """What it is called in reports."""
        return f"the case '{self.name}'" if self.name else "the case"


def given_cases(spec: Spec) -> tuple[GivenCase, ...]:
    """Return the cases that the spec's `proof` names; nothing where it names none.

    Raises:
        SpecError: The file cannot be read, an array is for no input or output, of another type or shape, or a case
            lacks an input (W026).
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
        raise _error(spec, f"{path} is no file of arrays{words}", hint) from err
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
    """Return the case and the input or output that an array is for: public names may have slashes themselves."""
    known = [*spec.inputs, *spec.outputs]
    fitting = [name for name in known if key == name or key.endswith(f"/{name}")]
    if not fitting:
        hint = suggest(key.rpartition("/")[2], known, what="inputs and outputs")
        raise _error(spec, f"the array '{key[:100]}' has the name of no input and no output", hint)
    name = max(fitting, key=len)
    return key[: len(key) - len(name)].removesuffix("/"), name


def _case(spec: Spec, name: str, given: Mapping[str, Array]) -> GivenCase:
    where = GivenCase(name, {}, {}).words
    missing = [each for each in spec.inputs if each not in given]
    if missing:
        raise _error(spec, f"{where} has no array for the input '{missing[0]}'", "give one for each input")
    inputs = {each: _typed(spec, f"{where}: the input '{each}'", entry.type, given[each])
              for each, entry in spec.inputs.items()}  # fmt: skip
    return GivenCase(name, inputs, {each: _plain(given[each]) for each in spec.outputs if each in given})


def _plain(array: Array) -> Array:
    return array.astype(object) if array.dtype.kind == "U" else array


def _typed(spec: Spec, what: str, type_: TensorType, array: Array) -> Array:
    """Return an array for an input, if it fits."""
    plain = _plain(array)
    if plain.dtype.kind == "V" and beyond_numpy(type_.dtype or ""):  # numpy keeps their bytes, not their names
        wanted = numpy_type(type_.dtype or "")
        plain = plain.view(wanted) if plain.itemsize == wanted.itemsize else plain
    dtype = element_type(plain)
    if dtype != type_.dtype:
        raise _error(spec, f"{what} is {type_.dtype}, its array {dtype}", f"save it as {type_.dtype}")
    dims = type_.dims or ()
    fits = len(dims) == plain.ndim and all(
        not isinstance(dim, int) or dim == size for dim, size in zip(dims, plain.shape, strict=False)
    )
    if not fits:
        raise _error(spec, f"{what} is {type_}, its array has the shape {list(plain.shape)}", None)
    return plain


def _error(spec: Spec, message: str, hint: str | None) -> SpecError:
    return SpecError(Problem.at(spec.proof.trials.cases_mark, "W026", f"proof: cases: {message}", hint))
