"""`embedding`: rows of a table, one for each token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.name_rules import LARGEST_SIZE
from assembler.core.tensors import TensorType, Variable
from assembler.parts.kind import Complaint, Kind, PartView, Port, Ports

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.onnx_model.emitter import Emitter

_ROWS = Variable("rows")


def ports(part: PartView) -> Ports:
    """Take row numbers; output rows."""
    return Ports(
        inputs=(Port("words", TensorType("int64", (_ROWS,)), fill="words"),),
        outputs=(Port("rows", TensorType("float32", (_ROWS, part.fact("embedding_size")))),),
    )


def check(part: PartView) -> Iterator[Complaint]:
    """Complain if the table is cut in two ways."""
    if "keep" in part.parameters and "keep_first" in part.parameters:
        yield Complaint(("keep_first",), "'keep' says already which words are kept", "take one of both")


def build(part: PartView, emit: Emitter) -> None:
    """Emit one Gather."""
    from assembler.weights.tables import TableWeights

    weights = part.weights
    if not isinstance(weights, TableWeights):
        raise TypeError(weights)
    table = emit.initializer("table", weights.table)
    emit.output("rows", emit.op("Gather", [table, emit.input("words")], "gather", axis=0))


KIND = Kind(
    name="embedding",
    summary="A table of word vectors (flair's WordEmbeddings, OneHotEmbeddings, HashEmbeddings): a row for each token. "
    "The vocabulary by which a host finds the row is in the model's metadata.",
    ports=ports,
    build=build,
    parameters={
        "embedding_size": {
            "type": "integer",
            "minimum": 1,
            "maximum": LARGEST_SIZE,
            "description": "The features of a row, so that `check` can compare sizes without the weights. Loaded "
            "weights of another size are an error.",
            "examples": [300],
        },
        "keep": {
            "type": "string",
            "format": "path",
            "minLength": 1,
            "description": "A file of the words to keep, one a line as the table spells them; relative to this file. "
            "All others are dropped, and looked up like words that the table never had. The model says so, and its "
            "proof leaves out sentences with dropped words.",
            "examples": ["words.txt"],
        },
        "keep_first": {
            "type": "integer",
            "minimum": 1,
            "maximum": LARGEST_SIZE,
            "description": "The number of words to keep, from the first row on: most tables are sorted by frequency. "
            "As `keep` otherwise.",
            "examples": [100000],
        },
    },
    weights=True,
    takes="embedding",
    check=check,
    example={"kind": "embedding", "weights": "tagger.embeddings.0", "inputs": {"words": "wordIndices"}},
)
