"""The number that a regressor gives a sentence."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Rating:
    """The result of one task that gives numbers.

    Attributes:
        number: The float32 from the model; `None` for a sentence without tokens.
        embeddings: The vector that the head read, float32 `[features]`; `None` if not asked for, and for a sentence
            without tokens.
    """

    number: float | None = None
    embeddings: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)

    def as_dict(self) -> dict[str, object]:
        """Return the number as a value that `json.dumps` takes."""
        return {"number": self.number}
