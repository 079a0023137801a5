"""`crf`: Viterbi decoding of a tagger's emissions, with flair's scores.

VB is flair 0.15.1's models/sequence_tagger_utils/viterbi.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.tensors import TensorType, Variable
from assembler.parts.class_probabilities import class_probabilities, emit_inside, emit_swapped
from assembler.parts.kind import Kind, PartView, Port, Ports

if TYPE_CHECKING:
    from assembler.onnx_model.emitter import Emitter
    from assembler.weights.heads import CrfWeights

_TOKENS = (Variable("sentences"), Variable("tokens"))
_INT64, _FLOAT32, _BOOL = "int64", "float32", "bool"


def ports(part: PartView) -> Ports:
    """Take emissions and token counts; output tags and scores, both 0 after a sentence's length."""
    return Ports(
        inputs=(
            Port("emissions", TensorType("float32", (*_TOKENS, part.fact("label_count")))),
            Port("lengths", TensorType("int64", _TOKENS[:1]), fill="token_lengths"),
        ),
        outputs=(
            Port("scores", TensorType("float32", _TOKENS), gives="scores", padded=(0, 1)),
            Port("prediction", TensorType("int64", _TOKENS), gives="prediction", padded=(0, 1)),
            class_probabilities(part),
        ),
    )


def build(part: PartView, emit: Emitter) -> None:
    """Emit two scans: from the beginning for accumulated scores and pointers, from the end for tags (VB 100-209)."""
    from assembler.weights.heads import CrfWeights

    weights = part.weights
    if not isinstance(weights, CrfWeights):
        raise TypeError(weights)
    lengths = emit.input("lengths")
    emissions = emit.op("Transpose", [emit.input("emissions")], "tokens_first", perm=[1, 0, 2])
    accumulated, pointers = _accumulate(emit, weights, emissions)
    last_tags = _last_tags(emit, weights, accumulated, lengths)
    positions, last = _positions(emit, emissions, lengths)
    tags = _trace_back(emit, pointers, last, last_tags)
    # flair's score is the largest softmax of the accumulated scores, START and STOP included, whichever tag was decoded
    # (VB 209-210): it can belong to another tag than the one that is output with it.
    probabilities = emit.op("Softmax", [accumulated], "softmax", axis=-1)
    scores = emit.reduce_max(probabilities, -1, "confidence")
    inside = emit.op("Less", [positions, lengths], "inside")
    for name, tensor, dtype in (("scores", scores, _FLOAT32), ("prediction", tags, _INT64)):
        masked = emit.op("Where", [inside, tensor, emit.number(f"{name}/zero", 0, dtype)], f"{name}/masked")
        emit.output(name, emit.op("Transpose", [masked], name, perm=[1, 0]))
    swapped = emit.op("Transpose", [emit_swapped(emit, probabilities, tags)], "of_classes", perm=[1, 0, 2])
    emit.output("class_probabilities", emit_inside(emit, swapped, "class_probabilities"))


def _accumulate(emit: Emitter, weights: CrfWeights, emissions: str) -> tuple[str, str]:
    """Return accumulated scores float32 and back-pointers int64, both [tokens, sentences, labels].

    The order of the additions is flair's: (emission + transition) + accumulated. Before the first token only START has
    a score, 0; all others are minus infinity, so that the first sum is exactly emission + transition from START.
    """
    import numpy as np

    labels = len(weights.transitions)
    transitions = emit.initializer("transitions", weights.transitions)
    start = np.full((1, labels), -np.inf, np.float32)
    start[0, weights.start] = 0
    shape = emit.op("Shape", [emissions], "shape")
    count = emit.op("Gather", [shape, emit.integers("sentence_axis", [1])], "sentences", axis=0)
    rows = emit.op("Concat", [count, emit.integers("labels", [labels])], "start_shape", axis=0)
    first = emit.op("Expand", [emit.initializer("start", start), rows], "start_scores")

    body = emit.body("viterbi")
    before = body.argument("before", _FLOAT32, 2)
    emission = body.argument("emission", _FLOAT32, 2)
    column = body.op("Unsqueeze", [emission, emit.integers("to_axis", [2])], "column")
    edge = body.op("Add", [column, transitions], "edge")
    earlier = body.op("Unsqueeze", [before, emit.integers("from_axis", [1])], "earlier")
    total = body.op("Add", [edge, earlier], "total")
    best = body.reduce_max(total, 2, "best")
    pointer = body.op("ArgMax", [total], "pointer", axis=2, keepdims=0)
    body.result(best, _FLOAT32, 2)
    body.result(body.op("Identity", [best], "kept"), _FLOAT32, 2)
    body.result(pointer, _INT64, 2)
    _, accumulated, pointers = emit.scan(body, [first], [emissions], collected=[False, False])
    return accumulated, pointers


def _last_tags(emit: Emitter, weights: CrfWeights, accumulated: str, lengths: str) -> str:
    """Return the tag of each sentence's last token, int64 [sentences]: the best one before STOP (VB 153-156)."""
    end = emit.op("Sub", [lengths, emit.number("one", 1, _INT64)], "end")
    by_sentence = emit.op("Transpose", [accumulated], "sentences_first", perm=[1, 0, 2])
    row = emit.op("Unsqueeze", [end, emit.integers("token_axis", [1])], "end_row")
    final = emit.op("GatherND", [by_sentence, row], "final", batch_dims=1)
    stop = emit.initializer("to_stop", weights.transitions[weights.stop])
    leaving = emit.op("Add", [final, stop], "leaving")
    return emit.op("ArgMax", [leaving], "last_tags", axis=1, keepdims=0)


def _positions(emit: Emitter, emissions: str, lengths: str) -> tuple[str, str]:
    """Return the position of each token, int64 [tokens, 1], and whether it is a last one, bool [tokens, sentences]."""
    shape = emit.op("Shape", [emissions], "token_shape")
    tokens = emit.op("Gather", [shape, emit.number("token_dim", 0, _INT64)], "tokens", axis=0)
    zero, one = emit.number("from_zero", 0, _INT64), emit.number("by_one", 1, _INT64)
    counted = emit.op("Range", [zero, tokens, one], "counted")
    positions = emit.op("Unsqueeze", [counted, emit.integers("position_axis", [1])], "positions")
    behind = emit.op("Add", [positions, one], "behind")
    return positions, emit.op("Equal", [behind, lengths], "is_last")


def _trace_back(emit: Emitter, pointers: str, last: str, last_tags: str) -> str:
    """Return the tags, int64 [tokens, sentences], followed from each sentence's own last token to its first."""
    body = emit.body("trace")
    follow, at_end = (body.argument(name, _INT64, 1) for name in ("follow", "at_end"))
    pointer = body.argument("pointer", _INT64, 2)
    is_last = body.argument("is_last", _BOOL, 1)
    tag = body.op("Where", [is_last, at_end, follow], "tag")
    column = body.op("Unsqueeze", [tag, emit.integers("label_axis", [1])], "column")
    found = body.op("GatherElements", [pointer, column], "found", axis=1)
    body.result(body.op("Squeeze", [found, emit.integers("found_axis", [1])], "next"), _INT64, 1)
    body.result(body.op("Identity", [at_end], "same_end"), _INT64, 1)
    body.result(body.op("Identity", [tag], "kept"), _INT64, 1)
    *_, tags = emit.scan(body, [last_tags, last_tags], [pointers, last], collected=[True], backward=True)
    return tags


KIND = Kind(
    name="crf",
    summary="Viterbi decoding of a tagger's emissions by a conditional random field, in any batch of lengths. The "
    "scores are flair's: the largest softmax of the accumulated scores.",
    ports=ports,
    build=build,
    weights=True,
    takes="crf",
    example={
        "kind": "crf",
        "weights": "tagger.crf",
        "inputs": {"emissions": "head.emissions", "lengths": "lengths"},
    },
)
