"""`char_lm`: a character language model, from character ids to hidden states."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.name_rules import LARGEST_SIZE
from assembler.core.tensors import TensorType, Variable
from assembler.parts.kind import Kind, PartView, Port, Ports

if TYPE_CHECKING:
    from assembler.onnx_model.emitter import Emitter


_CHARACTERS = (Variable("characters"), Variable("sentences"))


def ports(part: PartView) -> Ports:
    """Take character ids, time first, and their counts; output one state per character."""
    states = TensorType("float32", (*_CHARACTERS, part.fact("hidden_size")))
    return Ports(
        inputs=(
            Port("characters", TensorType("int64", _CHARACTERS), fill="characters"),
            Port("lengths", TensorType("int64", _CHARACTERS[1:]), fill="character_lengths"),
        ),
        outputs=(Port("states", states, rows_of="characters", padded=(1, 0)),),
    )


def build(part: PartView, emit: Emitter) -> None:
    """Emit embedding, recurrent layers and projection. Dropout is off, and the decoder is not needed."""
    from assembler.onnx_model.facts import LanguageModel
    from assembler.parts.recurrent import emit_linear, emit_recurrent
    from assembler.weights.language_models import CharLmWeights

    weights = part.weights
    if not isinstance(weights, CharLmWeights):
        raise TypeError(weights)
    table = emit.initializer("embedding/table", weights.embedding)
    embedded = emit.op("Gather", [table, emit.input("characters")], "embedding", axis=0)
    lengths = emit.op("Cast", [emit.input("lengths")], "lengths", to=6)  # ONNX's LSTM takes int32
    states = emit_recurrent(emit, weights.recurrent, embedded, lengths, weights.recurrent.cell.lower())
    if len(weights.recurrent.layers) == 1 and weights.recurrent.cell != "RNN":  # the passes support no others
        emit.fact(LanguageModel(states))
    if weights.projection:
        states = emit_linear(emit, weights.projection, states, "projection")
    emit.output("states", states)


KIND = Kind(
    name="char_lm",
    summary="A character language model (flair's LanguageModel: LSTM or GRU, any number of layers, optional output "
    "projection) that reads either way. A backward model is fed the reversed text; the operators are the same.",
    ports=ports,
    build=build,
    parameters={
        "hidden_size": {
            "type": "integer",
            "minimum": 1,
            "maximum": LARGEST_SIZE,
            "description": "The features of a state, so that `check` can compare sizes without the weights. "
            "Loaded weights of another size are an error.",
            "examples": [2048],
        }
    },
    weights=True,
    takes="char_lm",
    example={
        "kind": "char_lm",
        "weights": "tagger.embeddings.0",
        "inputs": {"characters": "forward", "lengths": "characterLengths"},
    },
)
