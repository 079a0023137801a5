"""How a host makes the input of a transformer encoder, as the metadata describe it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assembler.core.values import Value
    from assembler.interface.fields import Fields

_SIZES = range(2**31)


@dataclass(frozen=True, slots=True)
class Subtokens:
    """How a host makes an encoder's input (flair's embeddings/transformer.py 515-640).

    Attributes:
        tokenizer: The tokeniser as the JSON of the `tokenizers` library.
        padding: The id after the end of a shorter piece.
        most: The largest number of subtokens in a piece, special ones included; 0 for no limit.
        stride: How many subtokens the next piece of an overlong sentence repeats; 0 if it is cut instead.
        context: How many tokens of the neighbouring sentences are added on each side (FLERT).
        separator: The token between the sentence and its context, or `None`.
        documents: Whether the context ends where a document does.
        positions: The number of positions that the encoder has; 0 for no limit, as where only distances count.
    """

    tokenizer: str
    padding: int
    most: int
    stride: int
    context: int
    separator: str | None
    documents: bool
    positions: int

    def as_dict(self) -> dict[str, Value]:
        """Return the record that the metadata holds."""
        return asdict(self)

    @classmethod
    def from_metadata(cls, fields: Fields) -> Subtokens:
        """Return the record that the metadata hold.

        Raises:
            ModelError: M013 for a field that is missing or damaged.
        """
        return cls(
            tokenizer=fields.text("tokenizer"),
            padding=fields.number("padding", _SIZES),
            most=fields.number("most", _SIZES),
            stride=fields.number("stride", _SIZES),
            context=fields.number("context", _SIZES),
            separator=fields.optional_text("separator"),
            documents=fields.flag("documents"),
            positions=fields.number("positions", _SIZES),
        )
