"""`transformer`: a transformer encoder, from subtoken ids to hidden states."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.name_rules import LARGEST_SIZE
from assembler.core.tensors import TensorType, Variable
from assembler.parts.kind import Kind, PartView, Port, Ports

if TYPE_CHECKING:
    from assembler.onnx_model.emitter import Emitter

_SUBTOKENS = (Variable("pieces"), Variable("subtokens"))


def ports(part: PartView) -> Ports:
    """Take subtoken ids and a mask of the real ones; output one state per subtoken."""
    states = TensorType("float32", (*_SUBTOKENS, part.fact("hidden_size")))
    return Ports(
        inputs=(
            Port("subtokens", TensorType("int64", _SUBTOKENS), fill="subtokens"),
            Port("mask", TensorType("int64", _SUBTOKENS), fill="subtoken_mask"),
        ),
        outputs=(Port("states", states, rows_of="subtokens", padded=(0, 1)),),
    )


def build(part: PartView, emit: Emitter) -> None:
    """Emit embeddings, layers, and the choice of layers. Dropout is off, and the pooler is not needed."""
    from assembler.parts.encoder import emit_encoder
    from assembler.weights.encoders import EncoderWeights, ExportedEncoder

    weights = part.weights
    if isinstance(weights, ExportedEncoder):
        graph = weights.graph(emit.opset)
        held = {each.name: weights.parameters[each.name] for each in graph.initializer if each.external_data}
        emit.graft(graph, held, {"states": "states"}, {"": emit.opset})
    elif isinstance(weights, EncoderWeights):
        emit.output("states", emit_encoder(emit, weights, emit.input("subtokens"), emit.input("mask")))
    else:
        raise TypeError(weights)


KIND = Kind(
    name="transformer",
    summary="A transformer encoder (of flair's TransformerWordEmbeddings, for example), with the choice of layers that "
    "the embeddings make. An overlong sentence is several pieces. The tokeniser by which a host makes subtokens "
    "is in the model's metadata.",
    ports=ports,
    build=build,
    parameters={
        "hidden_size": {
            "type": "integer",
            "minimum": 1,
            "maximum": LARGEST_SIZE,
            "description": "The features of a state, so that `check` can compare sizes without the weights. Loaded "
            "weights of another size are an error.",
            "examples": [1024],
        }
    },
    weights=True,
    takes="transformer",
    example={
        "kind": "transformer",
        "weights": "tagger.embeddings.0",
        "inputs": {"subtokens": "subtokens", "mask": "subtokenMask"},
    },
)
