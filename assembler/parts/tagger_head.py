"""`tagger_head`: a tagger's layers after its embeddings, from rows to tags and scores.

ST is flair 0.15.1's models/sequence_tagger_model.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.name_rules import LARGEST_SIZE
from assembler.core.tensors import TensorType, Variable
from assembler.parts.class_probabilities import class_probabilities, emit_inside
from assembler.parts.kind import Kind, PartView, Port, Ports

if TYPE_CHECKING:
    from assembler.onnx_model.emitter import Emitter

_PADDED_RANK = 3
_TOKENS = (Variable("sentences"), Variable("tokens"))


def ports(part: PartView) -> Ports:
    """Take embeddings, one row a token or already padded to [sentences, tokens, features], and token counts."""
    features = part.fact("embedding_size")
    padded = part.arriving("embeddings").rank == _PADDED_RANK
    embeddings = (*_TOKENS, features) if padded else (Variable("rows"), features)
    emissions = TensorType("float32", (*_TOKENS, part.fact("label_count")))
    vectors = Port("embeddings", TensorType("float32", (*_TOKENS, features)), gives="embeddings", on_request=True)
    return Ports(
        inputs=(
            Port("embeddings", TensorType("float32", embeddings), expects="embeddings"),
            Port("lengths", TensorType("int64", _TOKENS[:1]), fill="token_lengths"),
        ),
        outputs=(*_decoded(part), Port("emissions", emissions, padded=(0, 1)), vectors),
    )


def _decoded(part: PartView) -> tuple[Port, ...]:
    """Return the ports of tags and scores; a tagger with a CRF has them on its part of kind `crf`."""
    if part.fact("has_crf"):
        return ()
    return (
        Port("scores", TensorType("float32", _TOKENS), gives="scores", padded=(0, 1)),
        Port("prediction", TensorType("int64", _TOKENS), gives="prediction", padded=(0, 1)),
        class_probabilities(part),
    )


def build(part: PartView, emit: Emitter) -> None:
    """Emit reprojection, recurrent layers, linear layer, softmax and its maximum (flair's ST 306-347, 572-576)."""
    from assembler.parts.recurrent import emit_linear, emit_recurrent
    from assembler.weights.heads import TaggerHeadWeights

    weights = part.weights
    if not isinstance(weights, TaggerHeadWeights):
        raise TypeError(weights)
    sentences = emit.op("Shape", [emit.input("lengths")], "sentences")
    rest = emit.integers("tokens_and_features", [-1, weights.embedding_size])
    shape = emit.op("Concat", [sentences, rest], "padded_shape", axis=0)
    tensor = emit.op("Reshape", [emit.input("embeddings"), shape], "padded")
    emit.output("embeddings", emit_inside(emit, tensor, "embeddings"))
    if weights.reprojection:
        tensor = emit_linear(emit, weights.reprojection, tensor, "reprojection")
    if weights.recurrent:
        lengths = emit.op("Cast", [emit.input("lengths")], "lengths", to=6)  # ONNX's LSTM takes int32
        tensor = emit.op("Transpose", [tensor], "tokens_first", perm=[1, 0, 2])
        tensor = emit_recurrent(emit, weights.recurrent, tensor, lengths, weights.recurrent.cell.lower())
        tensor = emit.op("Transpose", [tensor], "sentences_first", perm=[1, 0, 2])
    emissions = emit_linear(emit, weights.linear, tensor, "linear")
    emit.output("emissions", emissions)
    if not weights.has_crf:
        # flair takes the maximum of the softmax, not of the emissions: ties after rounding go to the first label.
        probabilities = emit.op("Softmax", [emissions], "softmax", axis=-1)
        emit.output("scores", emit.reduce_max(probabilities, -1, "scores"))
        emit.output("prediction", emit.op("ArgMax", [probabilities], "prediction", axis=-1, keepdims=0))
        emit.output("class_probabilities", emit_inside(emit, probabilities, "class_probabilities"))


KIND = Kind(
    name="tagger_head",
    summary="The layers of a flair SequenceTagger after its embeddings: optional reprojection, no or some LSTM, GRU "
    "or RNN layers in both directions, a linear layer, softmax and its maximum. A tagger with a CRF has `emissions` "
    "alone here, and a part of kind `crf` after it.",
    ports=ports,
    build=build,
    parameters={
        "embedding_size": {
            "type": "integer",
            "minimum": 1,
            "maximum": LARGEST_SIZE,
            "description": "The features of an embedding, so that `check` can compare sizes without the weights. "
            "Loaded weights of another size are an error.",
            "examples": [4096],
        }
    },
    weights=True,
    takes="tagger_head",
    example={
        "kind": "tagger_head",
        "weights": "tagger.head",
        "inputs": {"embeddings": "words.rows", "lengths": "lengths"},
    },
)
