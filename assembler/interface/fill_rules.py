"""The rules by which a host fills the inputs of a model: one table for spec, wiring, metadata and runtime.

To add a rule: a row here, and a class in `runtime/fill`, listed in `runtime/fill/inputs.py`. Its name is then in the
schema, in `docs/spec.md` and in the errors. A port selects it by `Port.fill`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The sort of node that a rule concerns. It is also the key of the metadata's input entry that names the node.
Subject: TypeAlias = Literal["language_model", "vocabulary", "tokenizer"]


@dataclass(frozen=True, slots=True)
class Rule:
    """A way to fill an input.

    Attributes:
        name: The word that a spec writes after `fill:`, and that the metadata have.
        dims: The meaning of each axis of the input. Those of one name have one size; a number is the size itself.
        layout: What the host feeds, for the documentation.
        derived: The port, or the place in the graph, from which the wiring derives the rule, for the documentation.
        subject: The sort of node that the values concern, or `None`; the metadata name the node.
        counted: Whether the metadata have a number of interleaved parts.
        dtype: The element type of the input.
        lacks: What is wrong with an input of this rule that concerns no part; `None` if it needs none.
        spaceless: Whether it cannot express a token that holds a space.
    """

    name: str
    dims: tuple[str, ...]
    layout: str
    derived: str
    subject: Subject | None = None
    counted: bool = False
    dtype: str = "int64"
    lacks: str | None = None
    spaceless: bool = False

    @property
    def axes(self) -> int:
        """How many axes the input has."""
        return len(self.dims)

    @property
    def summary(self) -> str:
        """What the host feeds, with the axes before it."""
        return f"[{', '.join(self.dims)}]: {self.layout}"


_TABLE = (
    Rule(
        "characters",
        ("characters", "sentences"),
        'time first, the ids of `start marker + tokens joined by one space + " "`, for a '
        "backward model reversed by code point between the markers; shorter texts are padded at the end with the id "
        "of a space",
        "`char_lm.characters`",
        "language_model",
        lacks="feeds no port 'characters' of a char_lm, whose dictionary would be used",
    ),
    Rule(
        "character_lengths",
        ("sentences",),
        "the length of each such text, markers included",
        "`char_lm.lengths`",
        "language_model",
        lacks="feeds no port 'lengths' of a char_lm, whose texts would be counted",
    ),
    Rule(
        "indices",
        ("total_tokens",),
        "`position * sentences + sentence` for each token, sentence by sentence, each padded to the "
        "longest with any valid index",
        "`gather.indices` after a `char_lm`",
        "language_model",
        lacks="feeds no gather whose states are those of a char_lm",
    ),
    Rule(
        "words",
        ("total_tokens",),
        "the row of each token in the table, sentence by sentence, padded with 0; the vocabulary and "
        "its rule are in `assembler.vocabularies`",
        "`embedding.words`",
        "vocabulary",
        lacks="feeds no port 'words' of an embedding, whose vocabulary would be used",
    ),
    Rule(
        "subtokens",
        ("pieces", "subtokens"),
        "the ids of each sentence's subtokens, special ones included, padded at the end; the "
        "tokeniser is in `assembler.tokenizers`, and an overlong sentence is several pieces",
        "`transformer.subtokens`, and `subtoken_document.subtokens` after one",
        "tokenizer",
        lacks="feeds no port 'subtokens' of a transformer, whose tokeniser would be used",
    ),
    Rule(
        "subtoken_mask",
        ("pieces", "subtokens"),
        "1 where there is a subtoken, 0 after the end of a shorter piece",
        "`transformer.mask`",
        "tokenizer",
        lacks="feeds no port 'mask' of a transformer, whose tokeniser would be used",
    ),
    Rule(
        "first_subtokens",
        ("total_tokens",),
        "`piece * subtokens + position` of each token's first subtoken, sentence by sentence, each "
        "padded to the longest; `pieces * subtokens` for a token without subtokens and as padding",
        "`subtoken_pooling.first` after a `transformer`",
        "tokenizer",
        lacks="feeds no subtoken_pooling whose states are those of a transformer",
    ),
    Rule(
        "last_subtokens",
        ("total_tokens",),
        "the same for each token's last subtoken",
        "`subtoken_pooling.last` after a `transformer`",
        "tokenizer",
        lacks="feeds no subtoken_pooling whose states are those of a transformer",
    ),
    Rule(
        "subtoken_words",
        ("pieces", "subtokens"),
        "`sentence * tokens + position` of the token that a subtoken is a part of; -1 for special "
        "subtokens, those of the context, repeated ones of overlapping pieces, and padding",
        "`subtoken_pooling.words` after a `transformer`",
        "tokenizer",
        lacks="feeds no subtoken_pooling whose states are those of a transformer",
    ),
    Rule(
        "pieces",
        ("total_tokens", "2"),
        "the rows of each token's first and last piece, sentence by sentence, padded with 0; the "
        "sentencepiece model is in `assembler.vocabularies`",
        "`piece_embedding.pieces`",
        "vocabulary",
        lacks="feeds no port 'pieces' of a piece_embedding, whose sentencepiece model would be used",
    ),
    Rule("token_lengths", ("sentences",), "the tokens of each sentence", "`tagger_head.lengths`"),
    Rule(
        "striping",
        ("total_embeddings",),
        "for `k` parts over `n` rows `i * n + j`, `j` from 0 to `n - 1`, for each `j` all `i`: "
        "`0, n, 1, n + 1, …` for two",
        "`gather.indices` after a `concat` along axis 0",
        counted=True,
        lacks="is used in a stack without a char_lm, and with no concat on axis 0, whose parts would be interleaved",
    ),
    Rule(
        "text",
        ("sentences", "characters"),
        "the Unicode code points of each sentence's tokens joined by single spaces, padded with 0",
        "`text_tokens.text`",
        dtype="int32",
        spaceless=True,
    ),
)
#: The rules by name, in the order of the documentation.
RULES: Mapping[str, Rule] = {rule.name: rule for rule in _TABLE}
