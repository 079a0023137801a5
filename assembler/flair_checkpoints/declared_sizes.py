"""Compares a size that a checkpoint declares with the weights that it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assembler.core.name_rules import LARGEST_SIZE
from assembler.flair_checkpoints.trust import damaged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from assembler.forms.source import Source

#: How often the weights of a file may share their memory: a stack may name one language model several times.
_MOST_SHARED = 4


@dataclass(frozen=True, slots=True)
class Need:
    """The weights that a declared size requires.

    Attributes:
        name: Their name in the stored state.
        sizes: The declared sizes whose product is the least number of values, by their names.
    """

    name: str
    sizes: tuple[tuple[str, object], ...]


def check_sizes(source: Source, stored: object, needs: Iterator[Need]) -> None:
    """Refuse declared sizes that require more values than are stored.

    Raises:
        SourceError: A size is not a whole number, or is larger than what is stored (R006).
    """
    import torch

    if not isinstance(stored, dict):
        raise damaged(source, "the checkpoint has no weights")
    tensors = {name: tensor for name, tensor in stored.items() if isinstance(tensor, torch.Tensor)}
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors.values()}
    taken, held = sum(tensor.nbytes for tensor in tensors.values()), sum(storages.values())
    if taken > _MOST_SHARED * held:
        raise damaged(source, f"the weights of the checkpoint are of {taken} bytes, of which it holds {held}")
    for need in needs:
        wanted = 1
        for what, size in need.sizes:
            if type(size) is not int or not 0 <= size <= LARGEST_SIZE:
                got = size if isinstance(size, float) else f"a {type(size).__name__} that is none"
                raise damaged(source, f"the checkpoint declares as its {what} {got}, expected a size")
            wanted *= max(size, 1)
        values = tensors[need.name].numel() if need.name in tensors else 0
        if wanted > values:
            sizes = ", ".join(f"{what} {size}" for what, size in need.sizes)
            message = f"the checkpoint declares {sizes}: that is {wanted} values of {need.name}, of which it holds"
            raise damaged(source, f"{message} {values}")


def declared(state: Mapping[str, Any], name: str) -> tuple[str, object]:
    """Return a size that a state declares, by its name."""
    return name, state.get(name)


def is_on(value: object) -> bool:
    """Return whether a switch is true in Python; a tensor of several values is neither true nor false."""
    try:
        return bool(value)
    except RuntimeError:
        return True


def length_of(sized: object) -> int:
    """Return the length of a dictionary or a vocabulary, and 0 for anything else, which flair will refuse."""
    items = getattr(sized, "idx2item", sized)
    return len(items) if isinstance(items, list | dict | str) else 0


def recurrent_needs(
    name: str,
    layers: tuple[str, object],
    features: tuple[tuple[str, object], ...],
    output: tuple[tuple[str, object], ...],
) -> Iterator[Need]:
    """Yield the weights that torch's recurrent modules make; of two directions, the first."""
    hidden, count = output[-1], layers[1]
    if not isinstance(count, int):
        yield Need(f"{name}.weight_hh_l0", (layers,))
        return
    for layer in range(count):
        yield Need(f"{name}.weight_ih_l{layer}", (hidden, *(output if layer else features)))
        yield Need(f"{name}.weight_hh_l{layer}", (hidden, hidden))
