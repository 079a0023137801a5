"""What an opened source gives: weights, and the loaded models that a proof compares with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from assembler.core.arrays import Array
    from assembler.weights.decisions import SentenceLabels, TokenLabels
    from assembler.weights.protocol import Weights


@dataclass(frozen=True, slots=True)
class Tagged:
    """What a model says of the tokens of one sentence.

    Attributes:
        labels: A label per token, `O` included.
        scores: Its score, per token.
    """

    labels: Sequence[str]
    scores: Sequence[float]


@dataclass(frozen=True, slots=True)
class Classified:
    """What a model says of one sentence as a whole.

    Attributes:
        labels: The labels that it gets, with their scores.
        probabilities: The probability of each class, but for those that are never written.
    """

    labels: Mapping[str, float]
    probabilities: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Joined:
    """The order in which a model joins its embeddings.

    Attributes:
        paths: The embeddings in that order, as a spec names their weights.
        rule: What the order follows, for a hint, such as `flair sorts them by name`.
    """

    paths: tuple[str, ...]
    rule: str


class SourceModel(Protocol):
    """A loaded model."""

    @property
    def prefix(self) -> str:
        """What the paths of its parts begin with: the name of the source, or `source.path.to.model`."""

    def decisions(self) -> TokenLabels | SentenceLabels | None:
        """Return what it labels, and with what; `None` of a model that decides nothing, which is no reference."""

    def joined(self) -> Joined | None:
        """Return in which order it joins its embeddings; `None` where a spec may join what it likes."""

    def can_read(self, sentence: Sequence[str]) -> bool:
        """Return whether the model itself can label a sentence."""

    def reads_neighbours(self) -> bool:
        """Return whether what it says of a sentence depends on those around it."""

    def predict(
        self, sentences: Sequence[Sequence[str]], batch_size: int, *, exact_sums: bool = False
    ) -> Sequence[Tagged]:
        """Return the label and the score of each token; asked of models that label tokens.

        Args:
            sentences: Sentences. Tokens without a character are none.
            batch_size: How many sentences are run at once.
            exact_sums: Whether long sums are made in float64. A model without any says what it always says.
        """

    def classify(self, sentences: Sequence[Sequence[str]], batch_size: int) -> Sequence[Classified]:
        """Return the labels of each sentence; asked of models that label sentences."""

    def embedded(self, sentences: Sequence[Sequence[str]]) -> tuple[Array, list[int]] | None:
        """Return what reaches its head, to find the part of a spec that gives something else.

        Returns:
            float32 [sentences, tokens, features], zeros behind each sentence's end, and the widths of the embeddings
            in the order in which they are joined; `None` if it cannot be told.
        """

    def unsteady(self) -> Iterable[AbstractContextManager[None]]:
        """Yield blocks in which it computes the same and rounds otherwise: with other threads, or other kernels."""


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
            For each its first token, the token behind its last, its label and its score.
        """


class OpenedSource(Protocol):
    """A source that was read."""

    @property
    def digest(self) -> str:
        """The SHA-256 of the bytes that were read, in lower-case hex."""

    def paths(self) -> Sequence[str]:
        """Return what a spec can name under `weights`: the name of the source, or `source.path.to.part`."""

    def weights(self, path: str) -> Weights | None:
        """Return the weights of one part, or `None` if there is no such part."""

    def models(self) -> Sequence[SourceModel]:
        """Return the loaded models; none of a source that has nothing but weights."""
