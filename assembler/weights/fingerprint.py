"""Decides whether the weights of two parts are the same, whatever file they came from."""

from __future__ import annotations

import hashlib
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING

import numpy as np

from assembler.core.arrays import buffer_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from assembler.weights.protocol import Weights


def fingerprint(weights: Weights) -> str:
    """Return a digest of everything in a part: its class, arrays, dictionaries and options.

    Parts with equal fingerprints compute the same, and are fed in the same way. The code that runs the loaded model
    does not count.
    """
    digest = hashlib.sha256()
    for piece in _pieces(weights):
        digest.update(piece)
    return digest.hexdigest()


def _pieces(value: object) -> Iterator[bytes | memoryview]:
    """Yield a value as bytes, each preceded by what it is."""
    if isinstance(value, np.ndarray):
        yield f"array {value.dtype} {value.shape}\n".encode()
        yield buffer_of(value)
    elif is_dataclass(value) and not isinstance(value, type):
        yield f"{type(value).__qualname__}\n".encode()
        for each in fields(value):
            content = getattr(value, each.name)
            if not callable(content):
                yield f"{each.name} ".encode()
                yield from _pieces(content)
    elif isinstance(value, dict):
        yield from _listed("dict", (part for pair in value.items() for part in pair))
    elif isinstance(value, list | tuple):
        yield from _listed("list", value)
    elif isinstance(value, bytes):
        yield b"bytes %d\n" % len(value)
        yield value
    else:
        yield f"{type(value).__qualname__} {value!a}\n".encode()


def _listed(what: str, values: Iterable[object]) -> Iterator[bytes | memoryview]:
    yield f"{what}\n".encode()
    for each in values:
        yield from _pieces(each)
    yield b"end\n"
