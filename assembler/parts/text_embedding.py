"""`text_embedding`: rows of a table of words, one for each token of a text."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from assembler.core.tensors import TensorType, Variable
from assembler.parts.embedding import KIND as EMBEDDING
from assembler.parts.kind import Kind, PartView, Port, Ports

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.core.arrays import Arrays, RuntimeValues
    from assembler.onnx_model.emitter import Emitter
    from assembler.parts.kind import Complaint

_SENTENCES, _TOKENS = Variable("sentences"), Variable("total_tokens")
_INT64 = "int64"
#: Why a table whose rows are a digest of the text is refused.
DIGEST = "finds its rows by a digest of the text (MD5 or another), which no standard operator computes"


def ports(part: PartView) -> Ports:
    """Take texts and where their tokens are; output rows, and their numbers in the table."""
    per_sentence, per_token = TensorType(_INT64, (_SENTENCES,)), TensorType(_INT64, (_TOKENS,))
    return Ports(
        inputs=(
            Port("text", TensorType(_INT64, (_SENTENCES, Variable("text_characters")))),
            Port("sizes", per_sentence),
            Port("starts", per_token),
            Port("ends", per_token),
        ),
        outputs=(
            Port("rows", TensorType("float32", (_TOKENS, part.fact("embedding_size")))),
            Port("words", per_token),
        ),
    )


def check(part: PartView) -> Iterator[Complaint]:
    """Complain of a table that is cut in two ways, and of one whose rows no operator finds."""
    from assembler.parts.kind import Complaint

    yield from EMBEDDING.check(part)
    if part.weights is None:
        return
    from assembler.weights.tables import TableWeights

    if isinstance(part.weights, TableWeights) and part.weights.words.rule == "hash":
        yield Complaint(("weights",), f"the table {DIGEST}", "use the interface of indices")


def build(part: PartView, emit: Emitter) -> None:
    """Emit the search of each token among the words of the table, and one Gather.

    Raises:
        TypeError: The weights are not those of a table.
    """
    from assembler.parts.word_look_up import emit_look_up
    from assembler.weights.tables import TableWeights

    weights = part.weights
    if not isinstance(weights, TableWeights):
        raise TypeError(weights)
    words = emit_look_up(emit, weights.words)
    emit.output("words", words)
    table = emit.initializer("table", weights.table)
    emit.output("rows", emit.op("Gather", [table, words], "gather", axis=0))


def run(part: PartView, inputs: Arrays) -> RuntimeValues:
    """Return the rows of the loaded model, of tokens that are looked up as a host does it."""
    import numpy as np

    from assembler.runtime.vocabulary import Vocabulary
    from assembler.weights.tables import TableWeights

    weights = part.weights
    if not isinstance(weights, TableWeights):
        raise TypeError(weights)
    about = weights.words
    vocabulary = Vocabulary(part.node, about.rule, about.words, about.unknown, about.method, about.rows)
    texts = inputs["text"]
    grids = [inputs[name].reshape(len(texts), -1).tolist() for name in ("starts", "ends")]
    tokens = [
        "".join(chr(code) if 0 < code <= sys.maxunicode else "\0" for code in text[start:end])
        for text, starts, ends in zip(texts.tolist(), *grids, strict=True)
        for start, end in zip(starts, ends, strict=True)
    ]
    words = np.array(vocabulary.rows_of(tokens), np.int64)
    return {**weights.reference({"words": words}), "words": words}


KIND = Kind(
    name="text_embedding",
    summary="A table of word vectors (flair's WordEmbeddings, OneHotEmbeddings): a row for each token of a text, from "
    "what a part of kind `text_tokens` gives. The graph looks the words up itself. `words` are the numbers of the "
    "rows.",
    ports=ports,
    build=build,
    run=run,
    parameters=EMBEDDING.parameters,
    weights=True,
    takes="embedding",
    check=check,
    example={
        "kind": "text_embedding",
        "weights": "tagger.embeddings.0",
        "inputs": {"text": "tokens.text", "sizes": "tokens.sizes", "starts": "tokens.starts", "ends": "tokens.ends"},
    },
)
