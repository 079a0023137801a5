"""`sentence_labels`: the labels of sentences as text, from the probabilities of their classes.

NN is flair 0.15.1's nn/model.py. `runtime/classifications.py` implements the same rule in Python.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.tensors import TensorType, Variable
from assembler.parts.kind import Kind, PartView, Port, Ports
from assembler.weights.documents import sentence_labels_of

if TYPE_CHECKING:
    from assembler.onnx_model.emitter import Emitter
    from assembler.weights.decisions import SentenceLabels

_ROWS, _SENTENCES, _LABELS = Variable("rows"), Variable("sentences"), Variable("labels")
_INT64, _FLOAT32 = "int64", "float32"


def ports(part: PartView) -> Ports:
    """Take probabilities and token counts; output labels with their scores, and the probabilities of the sentences."""
    classes = part.fact("label_count")
    return Ports(
        inputs=(
            Port("probabilities", TensorType(_FLOAT32, (_ROWS, classes))),
            Port("lengths", TensorType(_INT64, (_SENTENCES,)), fill="token_lengths"),
        ),
        outputs=(
            Port("labels", TensorType("string", (_SENTENCES, _LABELS)), gives="sentence_labels"),
            Port("scores", TensorType(_FLOAT32, (_SENTENCES, _LABELS)), gives="sentence_scores"),
            Port("probabilities", TensorType(_FLOAT32, (_SENTENCES, classes)), gives="probabilities"),
        ),
    )


def build(part: PartView, emit: Emitter) -> None:
    """Emit which classes a sentence has, and a look-up in the table of labels, whose last entry is the empty text.

    A sentence without tokens has no label, and probabilities of 0. The probabilities have a row more than there are
    sentences where there are none, because `text_tokens` makes one.

    Raises:
        TypeError: The weights are not those of a head of sentences.
    """
    import numpy as np

    from assembler.weights.documents import SentenceLabelWeights

    weights = part.weights
    if not isinstance(weights, SentenceLabelWeights):
        raise TypeError(weights)
    about, lengths = weights.about, emit.input("lengths")
    zero, first = emit.number("zero", 0, _INT64), emit.integers("first", [0])
    rows = emit.op("Shape", [lengths], "rows")
    given = emit.op("Slice", [emit.input("probabilities"), first, rows, first], "given")
    column = emit.op("Unsqueeze", [lengths, emit.integers("length_axis", [1])], "length_column")
    filled = emit.op("Greater", [column, zero], "filled")
    none = emit.number("no_score", 0, _FLOAT32)
    probabilities = emit.op("Where", [filled, given, none], "probabilities")
    names = np.array(["" if label in about.skipped else label for label in about.labels] + [""], dtype=object)
    classes, scores = (_above if about.multi_label else _largest)(emit, about, probabilities, filled)
    named = emit.initializer("named", np.array([bool(name) for name in names]))
    here = emit.op("Gather", [named, classes], "here", axis=0)
    emit.output("labels", emit.op("Gather", [emit.initializer("names", names), classes], "labels", axis=0))
    emit.output("scores", emit.op("Where", [here, scores, none], "scores"))
    emit.output("probabilities", probabilities)


def _largest(emit: Emitter, about: SentenceLabels, probabilities: str, filled: str) -> tuple[str, str]:
    """Return the class of the largest probability, of equal ones the first, and that, both `[sentences, 1]`."""
    best = emit.op("ArgMax", [probabilities], "best", axis=1, keepdims=1)
    scores = emit.op("GatherElements", [probabilities, best], "best_scores", axis=1)
    nothing = emit.number("nothing", len(about.labels), _INT64)
    return emit.op("Where", [filled, best, nothing], "classes"), scores


def _above(emit: Emitter, about: SentenceLabels, probabilities: str, filled: str) -> tuple[str, str]:
    """Return the classes above their thresholds in order, and their probabilities, both `[sentences, labels]` (NN 912).

    flair compares the float32 of a score, as a float64, with the threshold.
    """
    import numpy as np

    from assembler.parts.text_columns import longest, scattered

    exact = emit.op("Cast", [probabilities], "exact", to=11)
    thresholds = emit.initializer("thresholds", np.array(about.thresholds, np.float64))
    above = emit.op("And", [emit.op("Greater", [exact, thresholds], "above"), filled], "above_and_filled")
    kept = emit.initializer("kept", np.array([label not in about.skipped for label in about.labels]))
    chosen = emit.op("Cast", [emit.op("And", [above, kept], "is_chosen")], "chosen", to=7)
    one = emit.number("one", 1, _INT64)
    columns = emit.op("Sub", [emit.op("CumSum", [chosen, one], "numbers"), one], "columns")
    counts = emit.op("ReduceSum", [chosen, emit.integers("count_axis", [1])], "counts", keepdims=0)
    width = longest(emit, emit.op("Concat", [counts, emit.integers("no_sentence", [0])], "all_counts", axis=0), "most")
    # a class is one above its number here, so that 0 is none
    every = emit.initializer("numbers_of_classes", np.arange(1, len(about.labels) + 1, dtype=np.int64))
    numbers = emit.op("Mul", [chosen, every], "class_numbers")
    found = scattered(emit, width, (chosen, columns, numbers), "classes")
    empty = emit.op("Equal", [found, emit.number("no_class", 0, _INT64)], "is_empty")
    before = emit.op("Max", [emit.op("Sub", [found, one], "found_or_less"), emit.number("class_0", 0, _INT64)], "found")
    scores = emit.op("GatherElements", [probabilities, before], "found_scores", axis=1)
    return emit.op("Where", [empty, emit.number("nothing", len(about.labels), _INT64), before], "kept_classes"), scores


KIND = Kind(
    name="sentence_labels",
    summary="The labels of sentences as text, by flair's rules: of the most probable class, or of all classes above "
    "their thresholds, in the order of the classes. After the last label come empty texts with a score of 0; a "
    "sentence without tokens has none. Its weights are those of the head, from which it takes labels and thresholds.",
    ports=ports,
    build=build,
    weights=True,
    takes="text_head",
    view=sentence_labels_of,
    example={
        "kind": "sentence_labels",
        "weights": "classifier.head",
        "inputs": {"probabilities": "head.probabilities", "lengths": "tokens.counts"},
    },
)
