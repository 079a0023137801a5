"""The words that a host puts before each sentence, which tell a model what to look for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assembler.core.values import Value
    from assembler.interface.fields import Fields

#: flair's own are of a few words; as many tokens as this would fill an encoder.
MOST_WORDS = 256


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt. Most models have none.

    Attributes:
        words: Its tokens, which a host puts before those of each sentence. The outputs have a place for each.
        entity_types: The types of entities that it names, for people.
    """

    words: tuple[str, ...] = ()
    entity_types: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Return whether there is one."""
        return bool(self.words)

    def as_dict(self) -> dict[str, Value]:
        """Return what the metadata hold of it."""
        return {"words": list(self.words), "entity_types": list(self.entity_types)}

    @classmethod
    def from_metadata(cls, fields: Fields) -> Prompt:
        """Return the prompt of a model's interface.

        Raises:
            ModelError: M013 for a field that is missing or damaged.
        """
        words, types = fields.strings("words"), fields.strings("entity_types")
        if not 0 < len(words) <= MOST_WORDS or not all(words):
            key, message = "words", f"expected 1 to {MOST_WORDS} words, none of them empty, got {len(words)}"
            raise fields.error(key, message)
        return cls(words, types)


#: That of most models.
NO_PROMPT = Prompt()
