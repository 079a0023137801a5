"""`document_rnn`: flair's DocumentRNNEmbeddings, from the rows of tokens to one row for each sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.tensors import TensorType
from assembler.parts.kind import Kind, PartView, Port, Ports
from assembler.parts.sentence_grids import SENTENCES, emit_first, emit_grid, emit_last, token_dims

if TYPE_CHECKING:
    from assembler.onnx_model.emitter import Emitter


def ports(part: PartView) -> Ports:
    """Take rows of tokens and token counts; output rows of documents."""
    return Ports(
        inputs=(
            Port("embeddings", TensorType("float32", token_dims(part, "embeddings", part.fact("embedding_size")))),
            Port("lengths", TensorType("int64", (SENTENCES,)), fill="token_lengths"),
        ),
        outputs=(Port("documents", TensorType("float32", (SENTENCES, part.fact("document_size")))),),
    )


def build(part: PartView, emit: Emitter) -> None:
    """Emit reprojection, recurrent layers, and the last token's state, if bidirectional after the first token's."""
    from assembler.parts.recurrent import emit_linear, emit_recurrent
    from assembler.weights.documents import DocumentRnnWeights

    weights = part.weights
    if not isinstance(weights, DocumentRnnWeights):
        raise TypeError(weights)
    lengths = emit.input("lengths")
    tensor = emit_grid(emit, emit.input("embeddings"), lengths, weights.embedding_size)
    if weights.reprojection:
        tensor = emit_linear(emit, weights.reprojection, tensor, "reprojection")
    tensor = emit.op("Transpose", [tensor], "tokens_first", perm=[1, 0, 2])
    short = emit.op("Cast", [lengths], "lengths", to=6)  # ONNX's LSTM takes int32
    tensor = emit_recurrent(emit, weights.recurrent, tensor, short, weights.recurrent.cell.lower())
    tensor = emit.op("Transpose", [tensor], "sentences_first", perm=[1, 0, 2])
    result = emit_last(emit, tensor, lengths)
    if weights.bidirectional:
        result = emit.op("Concat", [emit_first(emit, tensor), result], "first_and_last", axis=-1)
    emit.output("documents", result)


KIND = Kind(
    name="document_rnn",
    summary="A flair DocumentRNNEmbeddings after its token embeddings: optional reprojection, LSTM or GRU layers, and "
    "the state of the last token; if bidirectional, the state of the first token comes before it.",
    ports=ports,
    build=build,
    weights=True,
    takes="document_rnn",
    example={
        "kind": "document_rnn",
        "weights": "classifier.document",
        "inputs": {"embeddings": "words.rows", "lengths": "lengths"},
    },
)
