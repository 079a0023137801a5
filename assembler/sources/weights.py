"""Weights as plain arrays, in torch's own layouts, whatever file they came from.

Arrays are views on the loaded model wherever possible, so that a stack is not held twice.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from assembler.spec.yaml_text import Value

Array: TypeAlias = "np.ndarray[tuple[int, ...], np.dtype[np.generic]]"
Arrays: TypeAlias = "Mapping[str, Array]"
Cell: TypeAlias = Literal["LSTM", "GRU", "RNN"]


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """A linear layer: `x @ weight.T + bias`.

    Attributes:
        weight: float32 [out, in].
        bias: float32 [out].
    """

    weight: Array
    bias: Array


@dataclass(frozen=True, slots=True, eq=False)
class RecurrentDirection:
    """One direction of one recurrent layer, in torch's gate order (LSTM: i f g o, GRU: r z n).

    Attributes:
        input_weight: float32 [gates * hidden, in].
        recurrent_weight: float32 [gates * hidden, hidden].
        input_bias: float32 [gates * hidden].
        recurrent_bias: float32 [gates * hidden].
    """

    input_weight: Array
    recurrent_weight: Array
    input_bias: Array
    recurrent_bias: Array


@dataclass(frozen=True, slots=True, eq=False)
class Recurrent:
    """A stack of recurrent layers.

    Attributes:
        cell: The cell of every layer. `RNN` is torch's with tanh.
        hidden_size: Hidden states of one direction.
        layers: For each layer its directions: one, or forward and reverse.
    """

    cell: Cell
    hidden_size: int
    layers: tuple[tuple[RecurrentDirection, ...], ...]

    @property
    def output_size(self) -> int:
        """Features that the last layer gives per position."""
        return self.hidden_size * len(self.layers[-1])


@dataclass(frozen=True, slots=True)
class Characters:
    """How a host makes a language model's input, which decides whether the numbers match (flair's LM 110, TK 795).

    Attributes:
        dictionary: The characters by id. Only items of one code point can match; unknown ones have id 0.
        direction: `forward`, or `backward` for models that read the text reversed by code point.
        start_marker: Stands before the text, any length.
        end_marker: Stands after it.
        with_whitespace: Whether the state is taken behind a token (its following space) or at its last character.
        lowercase: Whether the text is lower-cased for the ids (offsets come from the original text).
        padding: The id that fills the shorter texts of a batch.
        tokenized: Whether the tokens are joined by one space each, or by the spaces that are behind them.
    """

    dictionary: tuple[str, ...]
    direction: Literal["forward", "backward"]
    start_marker: str
    end_marker: str
    with_whitespace: bool
    lowercase: bool
    padding: int
    tokenized: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class CharLmWeights:
    """A character language model without its decoder.

    Attributes:
        embedding: float32 [vocabulary, embedding].
        recurrent: One direction per layer, whichever way the model reads.
        projection: The optional output projection.
        characters: How a host makes its input.
        reference: Runs the loaded model itself.
    """

    embedding: Array
    recurrent: Recurrent
    projection: Linear | None
    characters: Characters
    reference: Callable[[Arrays], Arrays]

    def facts(self) -> Mapping[str, int]:
        """Return `hidden_size`: the features of a state, after the projection where there is one."""
        size = self.projection.weight.shape[0] if self.projection else self.recurrent.output_size
        return {"hidden_size": size}

    def run(self, inputs: Arrays) -> Arrays | None:
        """Run the loaded model on `characters` and give its `states`."""
        return self.reference(inputs)


@dataclass(frozen=True, slots=True)
class Words:
    """How a host finds the row of a token in an embedding table.

    Attributes:
        rule: One of `runtime.vocabulary.RULES`.
        words: The words by row; empty for `hash`.
        unknown: The row of a word that is not found.
        method: For `hash` the digest, by its name in `hashlib`.
        rows: The number of rows.
        of: For a table that was cut, how many words it had before; else 0.
    """

    rule: Literal["word", "exact", "hash"]
    words: tuple[str, ...]
    unknown: int
    method: str
    rows: int
    of: int = 0

    def as_dict(self) -> dict[str, Value]:
        """Return the record that the metadata holds."""
        if self.rule == "hash":
            return {"rule": self.rule, "method": self.method, "rows": self.rows}
        cut: dict[str, Value] = {"cut": {"kept": len(self.words), "of": self.of}} if self.of else {}
        return {"rule": self.rule, "words": list(self.words), "unknown": self.unknown, **cut}


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """What was cut from a table of words.

    Attributes:
        whole: How the source finds its rows.
        rows: The source's rows that were kept.
    """

    whole: Words
    rows: frozenset[int]


@dataclass(frozen=True, slots=True, eq=False)
class TableWeights:
    """A table of word vectors.

    Attributes:
        table: float32 [rows, features], a layer normalisation of the rows already in it.
        words: How a host finds a row.
        reference: Runs the loaded model itself.
        cut: What was cut, or `None` where the table is the source's own.
    """

    table: Array
    words: Words
    reference: Callable[[Arrays], Arrays]
    cut: Cut | None = None

    def facts(self) -> Mapping[str, int]:
        """Return `embedding_size`."""
        return {"embedding_size": self.table.shape[1]}

    def run(self, inputs: Arrays) -> Arrays | None:
        """Run the loaded model on `words` and give `rows`."""
        return self.reference(inputs)


@dataclass(frozen=True, slots=True)
class PieceModel:
    """How a host finds the two rows of a token in a table of word pieces.

    Attributes:
        model: The serialised sentencepiece model.
        zeros: Whether every decimal digit is read as 0.
        blank: The row of a token of white space.
    """

    model: bytes
    zeros: bool
    blank: int

    def as_dict(self) -> dict[str, Value]:
        """Return the record that the metadata holds."""
        model = base64.b64encode(self.model).decode("ascii")
        return {"rule": "pieces", "model": model, "zeros": self.zeros, "blank": self.blank}


@dataclass(frozen=True, slots=True, eq=False)
class PieceWeights:
    """A table of word pieces, two rows of which make the embedding of a token.

    Attributes:
        table: float32 [rows, features].
        words: How a host finds the rows.
        reference: Runs the loaded model itself.
    """

    table: Array
    words: PieceModel
    reference: Callable[[Arrays], Arrays]

    def facts(self) -> Mapping[str, int]:
        """Return `embedding_size`: that of two rows."""
        return {"embedding_size": 2 * self.table.shape[1]}

    def run(self, inputs: Arrays) -> Arrays | None:
        """Run the loaded model on `pieces` and give `rows`."""
        return self.reference(inputs)


@dataclass(frozen=True, slots=True, eq=False)
class TaggerHeadWeights:
    """A tagger's layers behind its embeddings.

    Attributes:
        embedding_size: Features of an embedding.
        reprojection: The optional linear layer in front (flair's `embedding2nn`).
        recurrent: The optional recurrent layers, two directions each.
        linear: The map to the labels.
        labels: The labels by class id.
        label_type: What the labels are, such as `upos`.
        spans: Whether the labels encode spans (flair's ST 892).
        has_crf: Whether a CRF decodes the emissions, instead of softmax and its maximum.
        reference: Runs the loaded model itself.
        reading: The class of flair's whose rules make labels and spans of the predicted classes.
    """

    embedding_size: int
    reprojection: Linear | None
    recurrent: Recurrent | None
    linear: Linear
    labels: tuple[str, ...]
    label_type: str
    spans: bool
    has_crf: bool
    reference: Callable[[Arrays], Arrays]
    reading: Literal["sequence_tagger", "token_classifier"] = "sequence_tagger"

    def facts(self) -> Mapping[str, int]:
        """Return `embedding_size`, `label_count`, and `has_crf` as 0 or 1."""
        return {"embedding_size": self.embedding_size, "label_count": len(self.labels), "has_crf": int(self.has_crf)}

    def run(self, inputs: Arrays) -> Arrays | None:
        """Run the loaded model on `embeddings` and `lengths` and give `emissions`, `scores`, `prediction`."""
        return self.reference(inputs)


@dataclass(frozen=True, slots=True, eq=False)
class CrfWeights:
    """The conditional random field behind a tagger's emissions.

    Attributes:
        transitions: float32 [to, from].
        start: The class id of flair's START.
        stop: The class id of its STOP.
        reference: Runs the loaded model itself.
    """

    transitions: Array
    start: int
    stop: int
    reference: Callable[[Arrays], Arrays]

    def facts(self) -> Mapping[str, int]:
        """Return `label_count`."""
        return {"label_count": self.transitions.shape[0]}

    def run(self, inputs: Arrays) -> Arrays | None:
        """Run the loaded model on `emissions` and `lengths` and give `scores` and `prediction`."""
        return self.reference(inputs)


@dataclass(frozen=True, slots=True)
class CharacterWeights:
    """What the parts before a language model take of it: how its input is made."""

    characters: Characters

    def facts(self) -> Mapping[str, int]:
        """Return nothing: no size depends on it."""
        return {}

    def run(self, _inputs: Arrays) -> Arrays | None:
        """Return nothing: flair makes the input of its language models inside of a whole run."""
        return None


@dataclass(frozen=True, slots=True)
class LabelWeights:
    """What the parts behind a head take of it: its labels by class id."""

    labels: tuple[str, ...]

    def facts(self) -> Mapping[str, int]:
        """Return nothing: no size depends on it."""
        return {}

    def run(self, _inputs: Arrays) -> Arrays | None:
        """Return nothing: flair decodes inside of a whole run."""
        return None


def buffer_of(array: Array) -> memoryview:
    """Return the bytes of an array in C order, without a copy where it is so already."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
