"""Tensor types: an element type and dims, as far as they are known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

#: The length to which a printed type is shortened: files can have any number of axes, with names of any length.
_SHOWN, _LONGEST = 16, 100


@dataclass(frozen=True, slots=True)
class Variable:
    """A dim in the ports of a kind that matches any dim, and is the same wherever the part uses it.

    One that only outputs use becomes a new dynamic dim of that name.

    Attributes:
        name: The name.
        told: Whether an exporter has chosen the name, which then says what the dim counts.
    """

    name: str
    told: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        """Return the name."""
        return self.name


@dataclass(frozen=True, slots=True)
class Open:
    """A size of which only its name in a file is known. It fits any other; only a run shows its value."""

    name: str

    def __str__(self) -> str:
        """Return the name."""
        return self.name


#: An int is a fixed size, a str the name of a dynamic one, None an unknown size without a name.
Dim: TypeAlias = int | str | Variable | Open | None

#: The element types that numpy has itself, which a spec can name.
PLAIN_DTYPES = (
    "float32", "float16", "float64", "int64", "int32", "int16", "int8",
    "uint64", "uint32", "uint16", "uint8", "bool", "string",
)  # fmt: skip
#: The element types that ONNX Runtime is fed, which a spec can name, by the names ONNX gives them.
DTYPES = (
    *PLAIN_DTYPES, "bfloat16", "float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "int4", "uint4",
)  # fmt: skip
#: What an input of a model can be: a tensor, and of numpy's element types a sequence, an optional or both. Of the other
#: element types ONNX Runtime has no sequences.
INPUT_TYPES = (
    *DTYPES,
    *(f"sequence({name})" for name in PLAIN_DTYPES),
    *(f"optional({name})" for name in PLAIN_DTYPES),
    *(f"optional(sequence({name}))" for name in PLAIN_DTYPES),
)


@dataclass(frozen=True, slots=True)
class TensorType:
    """The known type of a tensor, or of a sequence, a map, an optional or a sparse tensor.

    Attributes:
        dtype: One of `DTYPES`, another element type of ONNX, `sequence(float32)`, `map(int64, float32)`,
            `optional(float32)`, `sparse(float32)` or a nesting of these; `None` for any.
        dims: One `Dim` per axis, or `None` if not even the rank is known. Of a sequence or an optional, those of each
            tensor in it.
    """

    dtype: str | None
    dims: tuple[Dim, ...] | None

    def __str__(self) -> str:
        """Return for example `float32[characters, sentences, 2048]`; `?` marks an unknown part."""
        dtype = self.dtype or "any"
        if not self.is_tensor:
            return dtype
        if self.dims is None:
            return f"{dtype}[…]"
        shown = ["?" if dim is None else str(dim)[:_LONGEST] for dim in self.dims[:_SHOWN]]
        return f"{dtype}[{', '.join(shown)}{', …' if len(self.dims) > _SHOWN else ''}]"

    @property
    def is_tensor(self) -> bool:
        """Whether it is a tensor, as far as is known."""
        return self.dtype is None or "(" not in self.dtype

    @property
    def element(self) -> str | None:
        """The element type of the tensor, or of the tensors in it; `None` where it is not known."""
        return None if self.dtype is None else self.dtype.rpartition("(")[2].rstrip(")")

    @property
    def rank(self) -> int | None:
        """The number of axes, or `None` if it is not known."""
        return None if self.dims is None else len(self.dims)

    def without_open(self) -> TensorType:
        """Return the type without its open dims, as the ports of a kind read it."""
        if self.dims is None:
            return self
        return TensorType(self.dtype, tuple(None if isinstance(dim, Open) else dim for dim in self.dims))


UNKNOWN = TensorType(None, None)
