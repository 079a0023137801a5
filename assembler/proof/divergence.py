"""Finds the first part whose output differs from the source's, after a failed proof.

Two things can be wrong. The model can compute something other than its parts run one by one: then the first tensor that
differs is named. Or the spec can wire the parts differently from the loaded tagger: then the embeddings that feed the
head are compared with the tagger's own, and the part that outputs the first wrong ones is named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from assembler.proof.padding import Padding
from assembler.proof.stepwise_gaps import Gap, gap
from assembler.proof.tapping import tapped_outputs
from assembler.proof.text_inputs import text_interface
from assembler.proof.trial_cases import try_parts
from assembler.proof.value_gaps import value_gap
from assembler.runtime.encoding import encode
from assembler.surgery.emission import emit_parts
from assembler.surgery.joining import tensor_names
from assembler.surgery.stepwise import Stepwise
from assembler.wiring.origins import embeddings_fed, joined_in

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from assembler.core.arrays import Array, RuntimeValue, RuntimeValues
    from assembler.sources.opening import OpenSources
    from assembler.spec.stack_spec import Reference
    from assembler.wiring.graph import Wiring

#: How many sentences the embeddings are compared on.
_SENTENCES = 5
#: Hidden states of torch and ONNX Runtime differ by about 1e-5 without being wrong. Larger differences come first.
_NOISE = 1e-3


def diverging_parts(path: Path, wiring: Wiring, sources: OpenSources, sentences: Sequence[Sequence[str]]) -> list[Gap]:
    """Return the tensors that differ from the source's, in the order of the wiring.

    Args:
        path: The written model.
        wiring: Its wiring, with the sources' weights.
        sources: The sources.
        sentences: The sentences of the proof.
    """
    stepwise = Stepwise(wiring, emit_parts(wiring))
    inputs = [(trial.inputs, trial.values) for trial in try_parts(wiring, sources, sentences, stepwise).cases]
    for within in (max(_NOISE, wiring.spec.proof.scores_within), wiring.spec.proof.scores_within):
        gaps = _model_gaps(path, wiring, inputs, stepwise, within)
        gaps = gaps or wiring_gaps(wiring, sources, sentences, stepwise, within)
        if gaps:
            return gaps
    return []


def _model_gaps(
    path: Path, wiring: Wiring, cases: Sequence[tuple[RuntimeValues, RuntimeValues]], stepwise: Stepwise, within: float
) -> list[Gap]:
    tensors = tensor_names(wiring, stepwise.fragments)
    for inputs, values in cases:
        tapped = tapped_outputs(path, wiring, tensors, inputs)
        padding = Padding(wiring, {text: value for text, value in values.items() if isinstance(value, np.ndarray)})
        gaps = [
            value_gap(text, _hidden(padding, text, values[text]), _hidden(padding, text, tapped[text]), within)
            for text in tensors
            if text in tapped and text in values
        ]
        wrong = [entry for entry in gaps if entry.differs]
        if wrong:
            return wrong
    return []


def _hidden(padding: Padding, text: str, value: RuntimeValue) -> RuntimeValue:
    """Return a tensor without the values after the ends of texts; a sequence or a map is returned unchanged."""
    return padding.hidden(text, value) if isinstance(value, np.ndarray) else value


def wiring_gaps(
    wiring: Wiring,
    sources: OpenSources,
    sentences: Sequence[Sequence[str]],
    stepwise: Stepwise,
    within: float = _NOISE,
) -> list[Gap]:
    """Return where the input of a tagger's head differs from the loaded tagger's own embeddings.

    Heads that are fed by an input of the model, or by inputs that are not filled from text, are skipped.
    """
    interface = text_interface(wiring, sources)
    if interface is None or {entry.name for entry in interface.inputs} != set(wiring.spec.inputs):
        return []
    gaps: list[Gap] = []
    for edge in embeddings_fed(wiring):
        fed = edge.reference
        source = sources.model_behind(wiring.spec.graph[edge.node].weights)
        if source is None:
            continue
        batch = [tokens for tokens in sentences if source.can_read(tokens)][:_SENTENCES]
        given = dict(stepwise.run(encode(interface, batch))).get(fed.text)
        if not isinstance(given, np.ndarray):
            continue
        embedded = source.embedded(batch)
        if embedded is None:
            continue
        expected, widths = embedded
        if given.size != expected.size:
            gaps.append(gap(fed.text, expected, given, within))
            continue
        given = given.reshape(expected.shape)
        real = np.arange(expected.shape[1]) < np.array([[len(tokens)] for tokens in batch])
        gaps += _slices(wiring, fed, widths, np.where(real[..., None], given, 0), expected)
    return [entry for entry in gaps if entry.largest > within]


def _slices(wiring: Wiring, fed: Reference, widths: Sequence[int], given: Array, expected: Array) -> list[Gap]:
    """Compare embedding by embedding. If a concat joins as many tensors, each embedding has a part of its own."""
    names = [fed.text] * len(widths)
    edges = joined_in(wiring, fed)
    if len(edges) == len(widths):
        names = [edge.reference.text for edge in edges]
    gaps, start = [], 0
    for name, width in zip(names, widths, strict=True):
        gaps.append(gap(name, expected[..., start : start + width], given[..., start : start + width]))
        start += width
    return gaps
