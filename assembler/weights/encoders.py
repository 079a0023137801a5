"""The weights of a transformer encoder as plain arrays, in torch's own layouts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from assembler.core.arrays import Array, Arrays
    from assembler.interface.encoder_inputs import Subtokens
    from assembler.weights.layers import Linear

#: `gelu` is the exact one, by the error function; `gelu_tanh` its approximation.
Activation: TypeAlias = Literal["gelu", "gelu_tanh", "relu"]
#: How the subtokens of a token become its vector.
Pooling: TypeAlias = Literal["first", "last", "first_last", "mean"]


@dataclass(frozen=True, slots=True, eq=False)
class Normalisation:
    """A layer normalisation over the features.

    Attributes:
        weight: float32 [features].
        bias: float32 [features].
        epsilon: What is added to the variance.
    """

    weight: Array
    bias: Array
    epsilon: float


@dataclass(frozen=True, slots=True, eq=False)
class EncoderLayer:
    """One layer: attention and feed-forward network, each with a residual connection and a normalisation after it.

    Attributes:
        query: float32 [hidden, hidden], like `key`, `value` and `attended`.
        key: See `query`.
        value: See `query`.
        attended: The linear layer after the heads.
        attention_norm: The normalisation after the attention.
        inner: The first linear layer of the feed-forward network.
        outer: Its second.
        output_norm: The normalisation after it.
    """

    query: Linear
    key: Linear
    value: Linear
    attended: Linear
    attention_norm: Normalisation
    inner: Linear
    outer: Linear
    output_norm: Normalisation


@dataclass(frozen=True, slots=True, eq=False)
class EncoderWeights:
    """A transformer encoder of the BERT family.

    Attributes:
        words: float32 [vocabulary, embedding].
        positions: float32 [positions, embedding], the vector of the first token type already added.
        embedding_norm: The normalisation of the sum of both.
        projection: From the embedding to the hidden size, where they differ (ELECTRA).
        layers: The layers, as many as are needed.
        heads: Attention heads of a layer.
        activation: That of the feed-forward networks.
        padded_from: RoBERTa's rule: positions count from this padding id on and skip it; `None` counts from 0.
        chosen: The layers whose states are output, in this order; 0 is the embeddings.
        mean: Whether the mean of the chosen layers is output, instead of all side by side.
        pooling: How flair makes a token's vector of its subtokens' states.
        subtokens: How a host makes the input.
        reference: Runs the loaded model itself.
    """

    sort: ClassVar[str] = "transformer"

    words: Array
    positions: Array
    embedding_norm: Normalisation
    projection: Linear | None
    layers: tuple[EncoderLayer, ...]
    heads: int
    activation: Activation
    padded_from: int | None
    chosen: tuple[int, ...]
    mean: bool
    pooling: Pooling
    subtokens: Subtokens
    reference: Callable[[Arrays], Arrays]

    @property
    def width(self) -> int:
        """The features of one layer's state."""
        return int(self.projection.weight.shape[0] if self.projection else self.words.shape[1])

    def facts(self) -> Mapping[str, int]:
        """Return `hidden_size`: the features of a state, over all layers that are output side by side."""
        return {"hidden_size": self.width * (1 if self.mean else len(self.chosen))}

    def run(self, inputs: Arrays) -> Arrays | None:
        """Run the loaded model on `subtokens` and `mask` and return its `states`."""
        return self.reference(inputs)
