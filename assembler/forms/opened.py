"""The interface of opened sources: weights, and the loaded models with which a proof compares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from assembler.core.arrays import Array
    from assembler.interface.examples import Example
    from assembler.weights.decisions import Decisions
    from assembler.weights.protocol import Weights


@dataclass(frozen=True, slots=True)
class Tagged:
    """The result of a model for the tokens of one sentence.

    Attributes:
        labels: A label per token, `O` included.
        scores: Its score, per token.
    """

    labels: Sequence[str]
    scores: Sequence[float]


@dataclass(frozen=True, slots=True)
class Classified:
    """The result of a model for one sentence as a whole.

    Attributes:
        labels: The labels that it gets, with their scores.
        probabilities: The probability of each class, without those that are never written.
    """

    labels: Mapping[str, float]
    probabilities: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Rated:
    """The result of a model that gives a sentence a number.

    Attributes:
        number: The number.
    """

    number: float


@dataclass(frozen=True, slots=True)
class Joined:
    """The order in which a model joins its embeddings.

    Attributes:
        paths: The embeddings in that order, as a spec names their weights.
        rule: The reason for the order, for a hint, such as `flair sorts them by name`.
    """

    paths: tuple[str, ...]
    rule: str


class SourceModel(Protocol):
    """A loaded model."""

    @property
    def prefix(self) -> str:
        """The prefix of the paths of its parts: the name of the source, or `source.path.to.model`."""

    def decisions(self) -> Decisions | None:
        """Return what it labels, and with which labels; `None` for a model that decides nothing: it is no reference."""

    def joined(self) -> Joined | None:
        """Return the order in which it joins its embeddings; `None` if a spec may join them in any order."""

    def can_read(self, sentence: Sequence[str]) -> bool:
        """Return whether the model itself can label a sentence."""

    def reads_neighbours(self) -> bool:
        """Return whether its result for a sentence depends on the sentences around it."""

    def predict(
        self, sentences: Sequence[Sequence[str]], batch_size: int, *, exact_sums: bool = False
    ) -> Sequence[Tagged]:
        """Return the label and the score of each token; only called for models that label tokens.

        Args:
            sentences: Sentences. Empty tokens do not count.
            batch_size: How many sentences are run at once.
            exact_sums: Whether long sums are computed in float64. For a model without any, it changes nothing.
        """

    def classify(self, sentences: Sequence[Sequence[str]], batch_size: int) -> Sequence[Classified]:
        """Return the labels of each sentence; only called for models that label sentences."""

    def embedded(self, sentences: Sequence[Sequence[str]]) -> tuple[Array, list[int]] | None:
        """Return the input of its head, to find the part of a spec that outputs something else.

        Returns:
            float32 [sentences, tokens, features], zeros after each sentence's end, and the widths of the embeddings in
            the order in which they are joined; `None` if it is not known.
        """

    def unsteady(self) -> Iterable[AbstractContextManager[None]]:
        """Yield blocks in which it computes the same but rounds differently: with other threads, or other kernels."""


@runtime_checkable
class LabelsExamples(Protocol):
    """What a `SourceModel` does beside if its examples are more than a sentence each, or its results no labels."""

    def label(self, examples: Sequence[Example], batch_size: int) -> Sequence[Classified | Rated]:
        """Return the labels of each example, as `classify` does of sentences, or its number."""


@runtime_checkable
class Decides(Protocol):
    """What a `SourceModel` of tokens may do beside: decide on numbers that no text brings about.

    The proof then tries every rule of its decoders. Those of a model that cannot do it are met by real text alone.
    """

    def decoded(self, emissions: Array, lengths: Array) -> Sequence[Tagged]:
        """Return the labels and scores that it decides on.

        Args:
            emissions: float32 [sentences, tokens, labels], finite or minus infinity.
            lengths: int64 [sentences], each at least 1.
        """

    def spans(self, labels: Sequence[str], scores: Sequence[float]) -> Sequence[tuple[int, int, str, float]]:
        """Return the spans that it reads from a label and a score per token.

        Returns:
            For each its first token, the token after its last, its label and its score.
        """


class OpenedSource(Protocol):
    """A source that was read."""

    @property
    def digest(self) -> str:
        """The SHA-256 of the bytes that were read, in lower-case hex."""

    def paths(self) -> Sequence[str]:
        """Return the paths that a spec can name under `weights`: the name of the source, or `source.path.to.part`."""

    def weights(self, path: str) -> Weights | None:
        """Return the weights of one part, or `None` if there is no such part."""

    def models(self) -> Sequence[SourceModel]:
        """Return the loaded models; none for a source that has only weights."""
