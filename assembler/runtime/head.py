"""The tagger head of a model: whether its ports fit the metadata, and what its outputs say."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from assembler.errors import ModelError
from assembler.problems import Problem
from assembler.runtime.fields import damaged
from assembler.runtime.interface import Text, Unfilled
from assembler.runtime.sentence import TaggedSentence
from assembler.runtime.spans import decode_spans

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from assembler.runtime.interface import Interface
    from assembler.runtime.metadata import Metadata
    from assembler.runtime.session import Session

_LABELS = "assembler.labels"
_INT64 = "tensor(int64)"
_INT32 = "tensor(int32)"
_FLOAT32 = "tensor(float)"


@dataclass(frozen=True, slots=True)
class Head:
    """How to read the outputs of a tagger head.

    Attributes:
        labels: The label of each class by its id.
        prediction: The output with the class of each token, int64 `[sentences, tokens]`.
        scores: The output with the score of that class, float32 `[sentences, tokens]`.
        spans: Whether the labels are read as spans.
        file: The model's file, for the problems.
    """

    labels: tuple[str, ...]
    prediction: str
    scores: str
    spans: bool
    file: str

    @classmethod
    def of(cls, metadata: Metadata, session: Session) -> Head:
        """Return the head of a model.

        Raises:
            ModelError: M014 if the model has no tagger head, or for each port that is not what the metadata say.
        """
        interface = metadata.interface
        prediction, scores = interface.output("prediction"), interface.output("scores")
        if prediction is None or scores is None or interface.tags is None or not metadata.labels:
            message = f"the model has no tagger head: its outputs are {', '.join(session.outputs)}"
            hint = "a Tagger wants labels, a prediction and scores; run other models with ONNX Runtime itself"
            raise ModelError(Problem("M014", message, hint, session.file))
        outputs = {prediction: _INT64, scores: _FLOAT32}
        messages = [*_unfit_inputs(interface, session.inputs), *_unfit_outputs(outputs, session.outputs)]
        problems = [entry.problem(session.file) for entry in interface.inputs if isinstance(entry, Unfilled)]
        problems += [Problem("M014", message, file=session.file) for message in messages]
        if problems:
            raise ModelError(*problems)
        return cls(metadata.labels, prediction, scores, interface.tags.spans, session.file)

    def read(
        self,
        sentences: Sequence[tuple[str, ...]],
        prediction: NDArray[np.generic],
        scores: NDArray[np.generic],
        *,
        force_tokens: bool,
    ) -> list[TaggedSentence]:
        """Return each sentence of a batch with its tags.

        Args:
            sentences: The tokens of each sentence.
            prediction: int64 `[sentences, tokens]`; what stands behind a sentence's end is not looked at.
            scores: float32 `[sentences, tokens]`.
            force_tokens: Whether to leave out the spans.

        Raises:
            ModelError: M013 if a predicted class has no label, M014 if an output has another shape.
        """
        counts = np.fromiter(map(len, sentences), np.int64, len(sentences))
        filled = np.arange(counts.max()) < counts[:, np.newaxis]
        labels = iter(self._labels(self._rows(self.prediction, prediction, filled)))
        values: Iterator[float] = iter(self._rows(self.scores, scores, filled).tolist())
        return [self._tagged(tokens, labels, values, force_tokens=force_tokens) for tokens in sentences]

    def _rows(self, name: str, output: NDArray[np.generic], filled: NDArray[np.bool_]) -> NDArray[np.generic]:
        """Return the values of an output at the tokens, one sentence after the other."""
        sentences, tokens = filled.shape
        if output.ndim != filled.ndim or output.shape[0] != sentences or output.shape[1] < tokens:
            message = f"output '{name}' has the shape {list(output.shape)}, expected {[sentences, tokens]}"
            raise ModelError(Problem("M014", message, file=self.file))
        return output[:, :tokens][filled]

    def _labels(self, classes: NDArray[np.generic]) -> list[str]:
        known = len(self.labels)
        numbers: list[int] = classes.tolist()
        strange = next((number for number in numbers if not 0 <= number < known), None)
        if strange is not None:
            message = f"{known} labels, but the model predicted the class {strange}"
            raise damaged(_LABELS, message, self.file)
        return [self.labels[number] for number in numbers]

    def _tagged(
        self, tokens: tuple[str, ...], labels: Iterator[str], scores: Iterator[float], *, force_tokens: bool
    ) -> TaggedSentence:
        own_labels, own_scores = tuple(islice(labels, len(tokens))), tuple(islice(scores, len(tokens)))
        spans = decode_spans(own_labels, own_scores) if self.spans and not force_tokens else ()
        return TaggedSentence(tokens, own_labels, own_scores, spans)


def _unfit_inputs(interface: Interface, inputs: Mapping[str, str]) -> Iterator[str]:
    filled = {entry.name: _INT32 if isinstance(entry, Text) else _INT64 for entry in interface.inputs}
    for name, kind in inputs.items():
        if name not in filled:
            yield f"input '{name}' has no entry in assembler.interface, so nobody knows what fills it"
        elif kind != filled[name]:
            yield f"input '{name}' is {kind}, expected {filled[name]}"
    for entry in interface.inputs:
        if entry.name not in inputs:
            yield f"input '{entry.name}' of assembler.interface is not in the model, which has {', '.join(inputs)}"


def _unfit_outputs(wanted: Mapping[str, str], outputs: Mapping[str, str]) -> Iterator[str]:
    for name, kind in wanted.items():
        if name not in outputs:
            yield f"output '{name}' of assembler.interface is not in the model, which has {', '.join(outputs)}"
        elif outputs[name] != kind:
            yield f"output '{name}' is {outputs[name]}, expected {kind}"
