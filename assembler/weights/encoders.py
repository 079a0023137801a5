"""The weights of a transformer encoder as plain arrays, in torch's own layouts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import onnx

    from assembler.core.arrays import Array, Arrays
    from assembler.interface.encoder_inputs import Subtokens
    from assembler.weights.documents import SubtokenDocumentWeights
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
class Encoder(ABC):
    """A transformer encoder, however its operators are made.

    Attributes:
        chosen: The layers whose states are output, in this order; 0 is the embeddings.
        mean: Whether the mean of the chosen layers is output, instead of all side by side.
        pooling: How flair makes a token's vector of its subtokens' states.
        documents: How flair makes a document of them, or `None` for an encoder of words alone.
        subtokens: How a host makes the input.
        reference: Runs the loaded model itself.
    """

    sort: ClassVar[str] = "transformer"

    chosen: tuple[int, ...]
    mean: bool
    pooling: Pooling
    documents: SubtokenDocumentWeights | None
    subtokens: Subtokens
    reference: Callable[[Arrays], Arrays]

    @property
    @abstractmethod
    def width(self) -> int:
        """The features of one layer's state."""

    @property
    @abstractmethod
    def depth(self) -> int:
        """The number of layers, without the embeddings."""

    @property
    @abstractmethod
    def vocabulary(self) -> int:
        """The number of subtokens that it knows."""

    def facts(self) -> Mapping[str, int]:
        """Return `hidden_size`: the features of a state, over all layers that are output side by side."""
        return {"hidden_size": self.width * (1 if self.mean else len(self.chosen))}

    def run(self, inputs: Arrays) -> Arrays | None:
        """Run the loaded model on `subtokens` and `mask` and return its `states`."""
        return self.reference(inputs)


@dataclass(frozen=True, slots=True, eq=False)
class EncoderWeights(Encoder):
    """A transformer encoder of the BERT family, whose operators are ours.

    Attributes:
        words: float32 [vocabulary, embedding].
        positions: float32 [positions, embedding], the vector of the first token type already added.
        embedding_norm: The normalisation of the sum of both.
        projection: From the embedding to the hidden size, where they differ (ELECTRA).
        layers: The layers, as many as are needed.
        heads: Attention heads of a layer.
        activation: That of the feed-forward networks.
        padded_from: RoBERTa's rule: positions count from this padding id on and skip it; `None` counts from 0.
    """

    words: Array
    positions: Array
    embedding_norm: Normalisation
    projection: Linear | None
    layers: tuple[EncoderLayer, ...]
    heads: int
    activation: Activation
    padded_from: int | None

    @property
    def width(self) -> int:
        """The features of one layer's state."""
        return int(self.projection.weight.shape[0] if self.projection else self.words.shape[1])

    @property
    def depth(self) -> int:
        """The number of layers that are needed."""
        return len(self.layers)

    @property
    def vocabulary(self) -> int:
        """The number of subtokens that it knows."""
        return len(self.words)


@dataclass(frozen=True, slots=True, eq=False)
class ExportedEncoder(Encoder):
    """A transformer encoder of any architecture, whose operators torch's exporter makes.

    Attributes:
        architecture: What transformers calls it, such as `deberta-v2`.
        configuration: The settings that decide its operators, as JSON.
        features: The features of one layer's state.
        layers: The number of its layers.
        rows: The number of subtokens that it knows.
        parameters: Its weights by their names in the graph.
        graph: Returns the exported graph at an opset, with the tensors `subtokens`, `mask` and `states`, and a stub for
            each large weight. It raises a `SourceError` if torch cannot export the encoder.
    """

    architecture: str
    configuration: str
    features: int
    layers: int
    rows: int
    parameters: Mapping[str, Array]
    graph: Callable[[int], onnx.GraphProto]

    @property
    def width(self) -> int:
        """The features of one layer's state."""
        return self.features

    @property
    def depth(self) -> int:
        """The number of layers."""
        return self.layers

    @property
    def vocabulary(self) -> int:
        """The number of subtokens that it knows."""
        return self.rows
