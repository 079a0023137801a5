"""Decoders are tried alone: each rule meets cases that tell it apart, whatever the sentences of a proof bring about."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest

from assembler import ParityError, assemble
from assembler.initialisation import write_spec
from assembler.onnx_model.emitter import Emitter
from assembler.parts import crf, span_labels, spans, text_characters, text_columns
from assembler.proof import text_reference
from assembler.proof.decoder_parts import decoders_of
from assembler.runtime.spans import decode_spans
from assembler.spec.reading import load_spec
from assembler.surgery.emission import emit_parts
from assembler.workflows.fitting import wired_sources

from .test_token_classifiers import classifier

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from flair.models import SequenceTagger

    from assembler.core.arrays import Array
    from assembler.weights.heads import CrfWeights

    from .conftest import Bench


def written(
    bench: Bench, *, text: bool = False, labels: Sequence[str] = ("PER", "LOC"), crf: bool = True
) -> tuple[Path, SequenceTagger]:
    """Write a tagger and its spec."""
    tagger = bench.tagger(labels=labels, crf=crf)
    tagger.save(bench.folder / "tagger.pt")
    spec = bench.folder / "spec.yaml"
    spec.write_text(write_spec(str(bench.folder / "tagger.pt"), bench.folder, text=text), encoding="utf-8")
    return spec, tagger


def refused(spec: Path) -> str:
    """Return why the decoders of a model do not pass; the model is built without a proof."""
    path = assemble(spec, spec.with_suffix(".onnx"), proof=False).path
    wiring, sources = wired_sources(load_spec(spec), trust=False)
    found = decoders_of(wiring, sources, emit_parts(wiring))
    assert found is not None
    with pytest.raises(ParityError) as caught:
        found.prove(path)
    (problem,) = caught.value.problems
    assert problem.code == "P010"
    assert problem.hint is not None
    assert problem.hint.startswith("nothing was written")
    return problem.message


def test_report_and_file_say_what_decoders_were_tried_on(bench: Bench) -> None:
    spec, tagger = written(bench, text=True)
    count = len(tagger.label_dictionary)
    result = assemble(spec, bench.folder / "m.onnx", external_above=0)
    assert result.proven is not None
    lines = [line for line in result.proven.coverage.lines() if " alone: " in line]
    assert lines[-3] == f"covered: 'crf' alone: 84 sequences, {count**2} of {count**2} transitions"
    assert lines[-1].endswith(f" sequences, {count**2} of {count**2} pairs of labels")
    assert [line.split("'")[1] for line in lines[:-3]] == ["tokens", "forward_characters", "backward_characters"]
    about = {each.key: each.value for each in onnx.load(result.path, load_external_data=False).metadata_props}
    record = json.loads(about["assembler.proof"])["covered"]["decoders"]
    assert record == result.proven.coverage.record()["decoders"]
    assert record[3] == {"part": "crf", "sequences": 84, "transitions": count**2, "of_transitions": count**2}


def test_a_lossy_profile_is_tried_on_the_rules_that_hang_on_no_weights(bench: Bench) -> None:
    spec, _ = written(bench, text=True)
    wiring, sources = wired_sources(replace(load_spec(spec), profile="int8"), trust=False)
    found = decoders_of(wiring, sources, emit_parts(wiring))
    assert found is not None
    names = [part.tried.part for part in found.parts]
    assert names == ["tokens", "forward_characters", "backward_characters", "labels", "spans"]


def test_a_transition_that_no_sentence_takes_does_not_pass_the_proof(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, tagger = written(bench, labels=("PER",))
    start, stop = tagger.viterbi_decoder.start_tag, tagger.viterbi_decoder.stop_tag
    own = crf._accumulate

    def wrong(emit: Emitter, weights: CrfWeights, emissions: str) -> tuple[str, str]:
        transitions = weights.transitions.copy()
        transitions[start, stop] -= 0.5  # from STOP to START: no sentence goes there
        return own(emit, replace(weights, transitions=transitions), emissions)

    monkeypatch.setattr(crf, "_accumulate", wrong)
    message = "P010 the part 'crf' does not decode as its source does: "
    with pytest.raises(ParityError, match=message) as caught:
        assemble(spec, bench.folder / "m.onnx")
    assert "the source decides " in str(caught.value)
    assert not (bench.folder / "m.onnx").exists()


def test_the_cases_of_a_crf_tell_each_of_its_transitions_apart(bench: Bench) -> None:
    spec, _ = written(bench, labels=("PER",))
    wiring, sources = wired_sources(load_spec(spec), trust=False)
    (model,) = sources.models()
    found = decoders_of(wiring, sources, emit_parts(wiring))
    assert found is not None
    cases = found.parts[0].cases
    transitions = model.tagger.crf.transitions.data  # type: ignore[attr-defined]
    before = [model.decoded(each.inputs["emissions"], each.inputs["lengths"]) for each in cases]  # type: ignore[attr-defined]
    for place in np.ndindex(*transitions.shape):
        kept = transitions[place].item()
        transitions[place] += 0.05
        given = [model.decoded(each.inputs["emissions"], each.inputs["lengths"]) for each in cases]  # type: ignore[attr-defined]
        transitions[place] = kept
        differs = any(
            one.labels != other.labels or np.abs(np.subtract(one.scores, other.scores)).max() > 1e-4
            for ours, theirs in zip(before, given, strict=True)
            for one, other in zip(ours, theirs, strict=True)
        )
        assert differs, place


def test_a_last_tag_without_the_way_to_stop_does_not_pass(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, _ = written(bench)
    own = crf._last_tags

    def wrong(emit: Emitter, weights: CrfWeights, *tensors: str) -> str:
        return own(emit, replace(weights, stop=weights.start), *tensors)

    monkeypatch.setattr(crf, "_last_tags", wrong)
    assert "the part 'crf' does not decode as its source does: the best path through the transitions" in refused(spec)


@pytest.mark.parametrize("crf_tagger", [True, False])
def test_equal_classes_that_go_to_the_last_do_not_pass(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, *, crf_tagger: bool
) -> None:
    spec, _ = written(bench, crf=crf_tagger)
    own = Emitter.op

    def wrong(self: Emitter, op_type: str, inputs: Sequence[str], name: str, **attributes: object) -> str:
        last = {"select_last_index": 1} if op_type == "ArgMax" else {}
        return own(self, op_type, inputs, name, **attributes, **last)

    monkeypatch.setattr(Emitter, "op", wrong)
    rule = "the best path through the transitions" if crf_tagger else "the class with the largest probability, of equal"
    assert f"does not decode as its source does: {rule}" in refused(spec)


@pytest.mark.parametrize("fact", ["starting", "inner", "odd"])
def test_a_rule_that_begins_spans_and_does_not_hold_does_not_pass(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, fact: str
) -> None:
    spec, _ = written(bench, text=True, labels=("PER", "S-"))
    own = span_labels.LabelTables.says

    def wrong(self: span_labels.LabelTables, asked: str, classes: str, name: str) -> str:
        given = own(self, asked, classes, name)
        if asked != fact:
            return given
        never = self._emit.initializer(f"{name}/never", np.array([False]))
        return self._emit.op("And", [given, never], f"{name}/none")

    monkeypatch.setattr(span_labels.LabelTables, "says", wrong)
    assert "the part 'spans' does not decode as its source does: in which sentence a span is" in refused(spec)


def test_an_outside_label_that_is_in_a_span_does_not_pass(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, _ = written(bench, text=True)
    monkeypatch.setattr(span_labels, "_OUTSIDE", frozenset({""}))
    assert "the part 'spans' does not decode as its source does: in which sentence a span is" in refused(spec)


def test_a_span_that_is_called_by_its_first_token_does_not_pass(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, _ = written(bench, text=True)

    def wrong(emit: Emitter, tables: span_labels.LabelTables, classes: str, starts: str, own: tuple[str, str]) -> str:  # noqa: ARG001 - its signature
        names = span_labels._row(emit, tables.name(classes, "names"), "name")
        table = emit.initializer("table", np.array(tables.names, dtype=object))
        return emit.op("Gather", [table, emit.op("Gather", [names, own[0]], "its", axis=0)], "label", axis=0)

    monkeypatch.setattr(span_labels, "emit_majority", wrong)
    message = refused(spec)
    assert "'spans' does not decode as its source does: what a span is called by the labels of its tokens" in message
    assert "the source reads tokens " in message


def test_a_score_of_a_span_that_is_no_mean_does_not_pass(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, _ = written(bench, text=True)

    def wrong(emit: Emitter, first: str, stop: str) -> str:  # noqa: ARG001 - its signature
        row = emit.op("Reshape", [emit.input("scores"), emit.integers("flat", [-1])], "row")
        return emit.op("Cast", [emit.op("Gather", [row, first], "its", axis=0)], "score", to=11)

    monkeypatch.setattr(spans, "_means", wrong)
    assert "'spans' does not decode as its source does: the score of a span" in refused(spec)


@pytest.mark.parametrize("place", [0, -1])
def test_a_class_with_another_name_does_not_pass(bench: Bench, monkeypatch: pytest.MonkeyPatch, place: int) -> None:
    spec, _ = written(bench, text=True)
    own = Emitter.initializer

    def wrong(self: Emitter, name: str, array: Array) -> str:
        if name == "table" and array.dtype == object:
            array = array.copy()
            array[place] = "another"  # the last is after a sentence's end
        return own(self, name, array)

    monkeypatch.setattr(Emitter, "initializer", wrong)
    assert "the part 'labels' does not decode as its source does: the name of each class, and nothing" in refused(spec)


def test_a_tab_that_separates_tokens_does_not_pass(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, _ = written(bench, text=True)
    monkeypatch.setattr(text_columns, "_SPACE", 9)
    rule = "the part 'tokens' does not decode as its source does: the text with one space between tokens"
    assert rule in refused(spec)


def test_a_backward_model_that_reads_forwards_does_not_pass(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, _ = written(bench, text=True)
    own = Emitter.op

    def wrong(self: Emitter, op_type: str, inputs: Sequence[str], name: str, **attributes: object) -> str:
        if op_type == "ReverseSequence" and name == "reversed":
            return own(self, "Identity", inputs[:1], name)
        return own(self, op_type, inputs, name, **attributes)

    monkeypatch.setattr(Emitter, "op", wrong)
    message = refused(spec)
    assert "the part 'backward_characters' does not decode as its source does: the ids of characters" in message


@pytest.mark.parametrize("code", [ord("a"), ord("😀"), 0x10FFFF])
def test_a_character_with_another_id_does_not_pass(bench: Bench, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    spec, _ = written(bench, text=True)
    own = text_characters._code_points

    def wrong(dictionary: Sequence[str]) -> dict[int, int]:
        known = [item for item in dictionary if item != chr(code)]
        return own([*known, chr(code)] if code == 0x10FFFF else known)

    monkeypatch.setattr(text_characters, "_code_points", wrong)
    assert "'forward_characters' does not decode as its source does: the ids of characters" in refused(spec)


@pytest.mark.parametrize("reading", ["sequence_tagger", "token_classifier"])
def test_hosts_that_read_spans_by_the_rule_of_the_other_class_do_not_pass(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, reading: str
) -> None:
    if reading == "sequence_tagger":
        spec, _ = written(bench)
        other = text_reference.decode_classifier_spans
        monkeypatch.setattr(text_reference, "decode_spans", lambda labels, _scores: other(labels))
    else:
        classifier(bench, ("O", "B-PER", "I-PER", "E-PER", "S-PER", "B-LOC", "E-LOC"), spans=True).save(
            bench.folder / "tagger.pt"
        )
        spec = bench.folder / "spec.yaml"
        spec.write_text(write_spec(str(bench.folder / "tagger.pt"), bench.folder), encoding="utf-8")
        monkeypatch.setattr(
            text_reference, "decode_classifier_spans", lambda labels: decode_spans(labels, [1.0] * len(labels))
        )
    with pytest.raises(ParityError, match=r"P010 hosts do not read spans as 'tagger' does: of .* they read .*, the"):
        assemble(spec, bench.folder / "m.onnx")
