"""The parts of a stack that decode, and their sources' decisions on the cases of each."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from assembler.core.errors import ParityError
from assembler.core.problems import Problem
from assembler.description.source_tasks import source_tasks
from assembler.forms.opened import Decides, Tagged
from assembler.passes.profiles import PROFILES
from assembler.proof.decoder_cases import class_sequences, decision_cases, path_cases
from assembler.proof.decoders import Case, Decoder, Decoders, Tried
from assembler.proof.sentence_words import sentence_label_cases
from assembler.proof.text_parts import text_decoder
from assembler.proof.text_reference import spans_of
from assembler.weights.decisions import TokenLabels
from assembler.weights.documents import SentenceLabelWeights
from assembler.weights.heads import CrfWeights

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from assembler.core.arrays import Array
    from assembler.description.source_tasks import SourceTask
    from assembler.forms.opened import SourceModel
    from assembler.onnx_model.fragment import Fragment
    from assembler.proof.decoder_cases import Emissions
    from assembler.proof.source_results import References
    from assembler.sources.opening import OpenSources
    from assembler.wiring.graph import Wiring

_PATH = {
    "prediction": "the best path through the transitions",
    "scores": "the largest softmax of the sums up to a token",
}
_MAXIMUM = {
    "prediction": "the class with the largest probability, of equal ones the first",
    "scores": "the largest probability",
}
_NAMES = {
    "labels": "the name of each class, and nothing after a sentence's end",
    "scores": "the scores, and 0 after a sentence's end",
    "prediction": "the classes, and 0 after a sentence's end",
}
_SPANS = {
    "sentence": "in which sentence a span is",
    "start": "which labels begin a span",
    "end": "which labels end a span",
    "label": "what a span is called by the labels of its tokens",
    "score": "the score of a span from those of its tokens",
}
_SENTENCE_NAMES = {
    "labels": "the labels of a sentence from the probabilities of its classes",
    "scores": "the scores of these labels",
    "probabilities": "the probabilities, and 0 for a sentence without tokens",
}
_SEED = 20211


def with_decoders(
    references: References, wiring: Wiring, sources: OpenSources, fragments: Mapping[str, Fragment]
) -> References:
    """Return the references with the decoders of the stack.

    Raises:
        ParityError, SourceError: As `decoders_of`.
    """
    found = decoders_of(wiring, sources, fragments)
    if found is None:
        return references
    coverage = replace(references.coverage, decoders=tuple(each.tried for each in found.parts))
    return replace(references, coverage=coverage, decoders=found)


def decoders_of(wiring: Wiring, sources: OpenSources, fragments: Mapping[str, Fragment]) -> Decoders | None:
    """Return the decoders of a stack with their sources' decisions; `None` without any.

    Args:
        wiring: The wiring.
        sources: The sources.
        fragments: Each part as ONNX, for the names of tensors.

    Raises:
        ParityError: Hosts read spans by another rule than the loaded model (P010).
        SourceError: A loaded model does not decide on its input (R006).
    """
    for task in source_tasks(wiring, sources):
        _require_rule(wiring, task)
    found = [part for node in wiring.order for part in (_decoder(wiring, sources, node),) if part is not None]
    return Decoders.of(wiring, found, fragments) if found else None


def _decoder(wiring: Wiring, sources: OpenSources, node: str) -> Decoder | None:
    fed = {edge.port: edge.reference.text for edge in wiring.edges[node]}
    weights = wiring.views[node].weights
    if isinstance(weights, SentenceLabelWeights):
        cases = [Case(inputs, expected) for inputs, expected in sentence_label_cases(weights.about)]
        return Decoder(Tried(node, _sequences(cases)), fed, _SENTENCE_NAMES, cases)
    return text_decoder(wiring, node, fed) or _deciding(wiring, sources, node, fed)


def _deciding(wiring: Wiring, sources: OpenSources, node: str, fed: Mapping[str, str]) -> Decoder | None:
    """Return a part that decides on labels, or that describes a decision further."""
    gives = {port.gives for port in wiring.outputs[node]}
    weights = wiring.views[node].weights
    model = sources.model_behind(wiring.spec.graph[node].weights)
    decisions = None if model is None else model.decisions()
    if not isinstance(decisions, TokenLabels) or not isinstance(model, Decides):
        return None
    if {"prediction", "scores"} <= gives and "emissions" in fed and isinstance(weights, CrfWeights):
        return _crf(wiring, node, fed, (model, decisions, weights))
    if {"prediction", "scores"} <= gives and any(port.name == "emissions" for port in wiring.outputs[node]):
        cases = [_decided(model, decisions.labels, each) for each in decision_cases(len(decisions.labels))]
        return Decoder(Tried(node, _sequences(cases)), {"emissions": f"{node}.emissions"}, _MAXIMUM, cases)
    if set(fed) == {"prediction", "scores", "lengths"}:
        return _named(node, fed, decisions) if "labels" in gives else _spans(node, fed, model, decisions)
    return None


def _sequences(cases: Iterable[Case]) -> int:
    return sum(len(case.inputs["lengths"]) for case in cases)


def _crf(
    wiring: Wiring, node: str, fed: Mapping[str, str], about: tuple[Decides, TokenLabels, CrfWeights]
) -> Decoder | None:
    """Return a CRF with its cases; `None` if its weights are rounded, or not numbers: text shows the effect of that."""
    model, decisions, weights = about
    if PROFILES[wiring.spec.profile].lossy or not np.isfinite(weights.transitions).all():
        return None
    batches = path_cases(weights.transitions, weights.start, weights.stop)
    cases = [_decided(model, decisions.labels, each) for each in batches]
    pairs: set[tuple[int, int]] = set()
    for case in cases:
        for row, length in zip(case.expected["prediction"].tolist(), case.inputs["lengths"].tolist(), strict=True):
            pairs.update(pairwise(row[:length]))
    count = len(weights.transitions) ** 2
    return Decoder(Tried(node, _sequences(cases), {"transitions": (len(pairs), count)}), fed, _PATH, cases)


def _decided(model: Decides, labels: Sequence[str], batch: Emissions) -> Case:
    """Return a batch of emissions with the loaded model's decisions on them."""
    numbers = {label: number for number, label in enumerate(labels)}
    prediction = np.zeros(batch.values.shape[:2], np.int64)
    scores = np.zeros(batch.values.shape[:2], np.float32)
    tagged = model.decoded(batch.values, batch.lengths)
    for row, each in enumerate(tagged):
        prediction[row, : len(each.labels)] = [numbers[label] for label in each.labels]
        scores[row, : len(each.scores)] = each.scores

    def shown(index: tuple[int, ...]) -> str:
        row = index[0] if index else 0
        return f"\n  the source decides {' '.join(tagged[row].labels)}"

    inputs = {"emissions": batch.values, "lengths": batch.lengths}
    return Case(
        inputs, {"prediction": prediction, "scores": scores}, _inside(batch.lengths, batch.values.shape[1]), shown
    )


def _inside(lengths: Array, width: int) -> Array:
    """Return where there is a token, bool [sentences, tokens]."""
    return np.array([np.arange(width) < length for length in lengths.tolist()])


def _batches(count: int) -> Iterator[tuple[list[list[int]], dict[str, Array]]]:
    """Yield sequences of classes, and the batch of them, with arbitrary values after their ends."""
    draw = np.random.default_rng(_SEED)
    whole = class_sequences(count)
    batches: tuple[list[list[int]], ...] = (whole, [[]], [[0]], whole[1:2], [[], whole[1][:2], []])
    for rows in batches:
        lengths = np.array([*map(len, rows)], np.int64)
        shape = (len(rows), max(1, int(lengths.max())))
        prediction = draw.integers(0, count, shape)
        for place, row in enumerate(rows):
            prediction[place, : len(row)] = row
        scores = draw.random(shape, np.float32)
        yield rows, {"prediction": prediction, "scores": scores, "lengths": lengths}


def _named(node: str, fed: Mapping[str, str], decisions: TokenLabels) -> Decoder:
    """Return a part that names classes."""
    cases = []
    for _, inputs in _batches(len(decisions.labels)):
        inside = _inside(inputs["lengths"], inputs["prediction"].shape[1])
        names = np.array(decisions.labels, dtype=object)[inputs["prediction"]]
        expected = {"labels": np.where(inside, names, "")}
        for port in ("prediction", "scores"):
            expected[port] = np.where(inside, inputs[port], np.zeros((), inputs[port].dtype))
        cases.append(Case(inputs, expected))
    count = len(decisions.labels)
    return Decoder(Tried(node, _sequences(cases), {"labels": (count, count)}), fed, _NAMES, cases)


def _spans(node: str, fed: Mapping[str, str], model: Decides, decisions: TokenLabels) -> Decoder | None:
    """Return a part that reads spans; `None` for a model without spans, or with an unknown rule."""
    if not decisions.spans:
        return None
    cases = [_read(model, decisions.labels, rows, inputs) for rows, inputs in _batches(len(decisions.labels))]
    pairs, count = _pairs(class_sequences(len(decisions.labels))), len(decisions.labels) ** 2
    met = {"pairs of labels": (pairs, count)}
    return Decoder(Tried(node, _sequences(cases), met), fed, _SPANS, cases)


def _pairs(rows: Iterable[Sequence[int]]) -> int:
    return len({pair for row in rows for pair in pairwise(row)})


def _read(model: Decides, labels: Sequence[str], rows: Sequence[Sequence[int]], inputs: Mapping[str, Array]) -> Case:
    """Return a batch of classes with the spans that the loaded model reads from them."""
    found: list[tuple[int, int, int, str, float]] = []
    for place, row in enumerate(rows):
        scores = inputs["scores"][place, : len(row)].tolist()
        found += [(place, *span) for span in model.spans([labels[number] for number in row], scores)]
    columns = [*zip(*found, strict=True)] if found else [()] * len(_SPANS)
    types = (np.int64, np.int64, np.int64, object, np.float64)
    expected = {port: np.array(column, dtype) for port, column, dtype in zip(_SPANS, columns, types, strict=True)}

    def shown(index: tuple[int, ...]) -> str:
        if not index:  # another number of spans
            return ""
        place, start, end, label, _ = found[index[0]]
        tags = " ".join(labels[number] for number in rows[place])
        return f"\n  the source reads tokens {start} to {end - 1} of {tags} as {label!r}"

    return Case(inputs, expected, None, shown)


def _require_rule(wiring: Wiring, task: SourceTask) -> None:
    """Refuse a rule by which hosts read spans that is not the loaded model's.

    Raises:
        ParityError: They read other spans (P010).
    """
    model: SourceModel | None = task.model
    if not isinstance(task.head, TokenLabels) or not task.head.spans or not isinstance(model, Decides):
        return
    labels = task.head.labels
    draw = np.random.default_rng(_SEED)
    for row in class_sequences(len(labels)):
        tagged = Tagged([labels[number] for number in row], draw.random(len(row), np.float32).tolist())
        expected = [*model.spans(tagged.labels, tagged.scores)]
        given = [(span.start, span.end, span.label, span.score) for span in spans_of(task, tagged)]
        if given != expected:
            wrong = next((pair for pair in zip(given, expected, strict=False) if pair[0] != pair[1]), (given, expected))
            message = (
                f"hosts do not read spans as '{model.prefix}' does: of {' '.join(tagged.labels)} they read {wrong[0]}, "
                f"the source {wrong[1]}"
            )
            raise ParityError(Problem.at(wiring.spec.proof.mark, "P010", message, "nothing was written; report it"))
