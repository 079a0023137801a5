"""What the proof forgives and how it counts: each rule, by values on both sides of it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from assembler.proof.accuracy import Accuracy
from assembler.proof.budget import Count, Losses
from assembler.proof.task_results import Slots
from assembler.proof.text_reference import spans_of
from assembler.runtime.spans import decode_classifier_spans, decode_spans


@pytest.mark.parametrize(
    ("changed", "counted", "largest", "kept"),
    [(5, 1000, 0.1, True), (6, 1000, 0.1, False), (0, 1000, 0.1, True), (0, 1000, float("inf"), False)],
)
def test_a_budget_is_kept_to_its_last_tag(changed: int, counted: int, largest: float, *, kept: bool) -> None:
    losses = Losses(Count(changed, counted), ("own",), 0.005, largest, {})
    assert losses.kept is kept
    assert f"{changed} of {counted:,} tags differ" in str(losses)


@pytest.mark.parametrize(
    ("source", "model", "loss", "kept"),
    [(0.9, 0.85, "5.00%", True), (0.9, 0.79, "11.00%", False), (0.8, 0.9, "0.00%", True)],
)
def test_a_loss_of_accuracy_is_what_the_source_has_more(source: float, model: float, loss: str, *, kept: bool) -> None:
    found = Accuracy("accuracy", source, model, 0.1, 100)
    assert f"a loss of {loss}; allowed are 10.00%" in str(found)
    assert found.kept is kept


def test_spans_are_read_by_the_rule_of_the_model_that_gave_the_tags() -> None:
    labels = ("B-LOC", "E-PER", "O", "S-PER")
    tagged = Slots(labels, [0.5] * len(labels))
    tagger, classifier = decode_spans(labels, tagged.scores), decode_classifier_spans(labels)
    places = [[(each.start, each.end, each.label) for each in spans] for spans in (tagger, classifier)]
    assert places == [[(0, 2, "LOC"), (3, 4, "PER")], [(0, 2, "PER"), (3, 4, "PER")]]
    for reading, expected in (("sequence_tagger", tagger), ("token_classifier", classifier)):
        task = SimpleNamespace(head=SimpleNamespace(reading=reading))
        assert spans_of(task, tagged) == expected  # type: ignore[arg-type]
