"""What the proof forgives and how it counts: each rule, by values on both sides of it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from assembler.proof.accuracy import Accuracy
from assembler.proof.budget import measured_losses
from assembler.proof.parity import Comparison
from assembler.proof.task_results import Slots
from assembler.proof.text_reference import spans_of
from assembler.runtime.spans import decode_classifier_spans, decode_spans
from assembler.spec.reading import load_spec

if TYPE_CHECKING:
    from pathlib import Path

    from tests.assembly.conftest import Workshop

FOUND = Comparison(10, 100, 0, 0.01, 1e-5, (), compared=300)


@pytest.mark.parametrize(
    ("changed", "most", "own", "kept"),
    [
        (1, 1, "", True),  # 0.33 %, within the profile's 0.5 %
        (3, 1, "", True),  # 1 %: one tag in each batch shape, however few there are
        (3, 2, "", False),
        (2, 2, "", False),
        (3, 1, ", tags_changed: 0.005", False),  # what the spec says is kept to the letter
        (3, 3, ", tags_changed: 0.01", True),
        (4, 3, ", tags_changed: 0.01", False),
    ],
)
def test_one_tag_a_batch_shape_is_forgiven_unless_the_spec_says_how_many(
    shop: Workshop, folder: Path, changed: int, most: int, own: str, *, kept: bool
) -> None:
    spec = replace(load_spec(shop.spec(folder, proof=own)), profile="int8")
    losses = measured_losses(spec, replace(FOUND, tags_changed=changed, most_changed=most), dict)
    assert losses is not None
    assert losses.kept is kept
    assert f"{changed} of 300 tags differ" in str(losses)


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
