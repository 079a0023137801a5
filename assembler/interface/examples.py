"""What a task reads at once: a sentence, or several texts that belong together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from assembler.core.values import Value
    from assembler.interface.fields import Fields

#: The most texts of an example: flair has classifiers of pairs and of triples.
MOST_TEXTS = 16
#: Of so many examples of a proof one has equal texts, and one an empty text after its first, if texts are joined.
_EACH, _EQUAL, _EMPTY = 8, 7, 3
#: What stands between two texts in messages.
_BETWEEN = "||"


@dataclass(frozen=True, slots=True)
class Example:
    """What a model labels as one: the loaded model and the assembled one are given the same.

    Attributes:
        texts: The tokens of each text.
    """

    texts: tuple[tuple[str, ...], ...]

    @property
    def tokens(self) -> tuple[str, ...]:
        """The tokens of all texts, one text after another."""
        return tuple(token for text in self.texts for token in text)

    @property
    def shown(self) -> tuple[str, ...]:
        """The same for messages, with a sign between two texts."""
        words = [token for text in self.texts for token in (*text, _BETWEEN)]
        return tuple(words[:-1])

    def as_dict(self) -> dict[str, Value]:
        """Return what the metadata hold of it."""
        if len(self.texts) == 1:
            return {"tokens": list(self.texts[0])}
        return {"texts": [list(text) for text in self.texts]}

    @classmethod
    def from_metadata(cls, entry: Mapping[str, Any]) -> Example:
        """Return what the metadata hold of it.

        Raises:
            LookupError, TypeError: They hold none.
        """
        listed = entry["texts"] if "texts" in entry else [entry["tokens"]]
        return cls(tuple(tuple(str(token) for token in text) for text in listed))


@dataclass(frozen=True, slots=True)
class Texts:
    """What the examples of a task consist of.

    Attributes:
        count: The texts of each example; 1 for a task on sentences.
        separator: What a host writes between the tokens of two texts, which it then reads as one text; `None` if each
            text is embedded alone.
    """

    count: int = 1
    separator: str | None = None

    @property
    def joined(self) -> bool:
        """Whether a host makes one sentence of several texts."""
        return self.separator is not None

    @property
    def at_once(self) -> int:
        """The sentences that a model is fed for an example."""
        return 1 if self.joined else self.count

    def as_dict(self) -> dict[str, Value]:
        """Return what the metadata hold of it."""
        if self.count == 1:
            return {"reads": "sentences"}
        return {"reads": "texts", "texts": self.count, "separator": self.separator}

    @classmethod
    def from_metadata(cls, fields: Fields) -> Texts:
        """Return what the metadata of a task that does not read tokens hold of it.

        Raises:
            ModelError: M013 for a field that is missing or damaged.
        """
        if fields.choice("reads", ("sentences", "texts")) == "sentences":
            return cls()
        separator = fields.text("separator") if fields.values.get("separator") is not None else None
        return cls(fields.number("texts", range(2, MOST_TEXTS + 1)), separator)

    def made_of(self, sentences: Sequence[Sequence[str]]) -> list[Example]:
        """Return an example for each sentence: it, and those that follow; some have equal texts, or empty ones."""
        return [Example(tuple(self._texts(sentences, place))) for place in range(len(sentences))]

    def _texts(self, sentences: Sequence[Sequence[str]], place: int) -> Iterator[tuple[str, ...]]:
        own = tuple(sentences[place])
        yield own
        for step in range(1, self.count):
            if place % _EACH == _EQUAL:
                yield own
            elif place % _EACH == _EMPTY and self.joined:
                yield ()
            else:
                yield tuple(sentences[(place + step) % len(sentences)])


#: The examples of a task on sentences, or on their tokens.
SENTENCES = Texts()
