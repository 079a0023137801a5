"""Sources and models of another package's form: their errors and missing results become problems of that form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from assembler.forms.registry import built_in_forms, faulty, reading

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from assembler.core.arrays import Array
    from assembler.forms.opened import Classified, Joined, OpenedSource, SourceModel, Tagged
    from assembler.forms.source import Source
    from assembler.weights.decisions import Decisions
    from assembler.weights.protocol import Weights

_Result = TypeVar("_Result")


def guarded(source: Source, opened: OpenedSource) -> OpenedSource:
    """Return an opened source whose errors become problems; a source of a built-in form is returned unchanged."""
    return opened if source.form in built_in_forms() else _Source(source, opened)


@dataclass(frozen=True, slots=True)
class _Source:
    """An opened source."""

    source: Source
    opened: OpenedSource

    @property
    def digest(self) -> str:
        with reading(self.source):
            return self.opened.digest

    def paths(self) -> Sequence[str]:
        with reading(self.source):
            return self.opened.paths()

    def weights(self, path: str) -> Weights | None:
        with reading(self.source):
            return self.opened.weights(path)

    def models(self) -> Sequence[SourceModel]:
        with reading(self.source):
            return [_Model(self.source, model) for model in self.opened.models()]


@dataclass(frozen=True, slots=True)
class _Model:
    """A loaded model."""

    source: Source
    model: SourceModel

    @property
    def prefix(self) -> str:
        with reading(self.source):
            return self.model.prefix

    def decisions(self) -> Decisions | None:
        with reading(self.source):
            return self.model.decisions()

    def joined(self) -> Joined | None:
        with reading(self.source):
            return self.model.joined()

    def can_read(self, sentence: Sequence[str]) -> bool:
        with reading(self.source):
            return self.model.can_read(sentence)

    def reads_neighbours(self) -> bool:
        with reading(self.source):
            return self.model.reads_neighbours()

    def predict(
        self, sentences: Sequence[Sequence[str]], batch_size: int, *, exact_sums: bool = False
    ) -> Sequence[Tagged]:
        with reading(self.source):
            found = self._each(sentences, self.model.predict(sentences, batch_size, exact_sums=exact_sums))
        for tokens, tagged in zip(sentences, found, strict=True):
            wanted = sum(map(bool, tokens))
            if not len(tagged.labels) == len(tagged.scores) == wanted:
                raise faulty(self.source, f"gives {len(tagged.labels)} labels for a sentence of {wanted} tokens")
        return found

    def classify(self, sentences: Sequence[Sequence[str]], batch_size: int) -> Sequence[Classified]:
        with reading(self.source):
            return self._each(sentences, self.model.classify(sentences, batch_size))

    def embedded(self, sentences: Sequence[Sequence[str]]) -> tuple[Array, list[int]] | None:
        with reading(self.source):
            return self.model.embedded(sentences)

    def unsteady(self) -> Sequence[AbstractContextManager[None]]:
        with reading(self.source):
            return [*self.model.unsteady()]

    def _each(self, sentences: Sequence[Sequence[str]], found: Sequence[_Result]) -> Sequence[_Result]:
        if len(found) != len(sentences):
            raise faulty(self.source, f"gives {len(found)} results for {len(sentences)} sentences")
        return found
