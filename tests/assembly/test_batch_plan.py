"""A proof compares each sentence, in batches that cost little, some of which have short sentences beside long ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from assembler.core.errors import ParityError
from assembler.interface.examples import SENTENCES
from assembler.parts import recurrent
from assembler.proof import tag_reference
from assembler.proof.batch_plan import CELLS, BatchPlan, like_length, planned, width
from assembler.proof.builtin_sample import evenly, sample_sentences
from assembler.proof.samples import BUILT_IN, HARD
from assembler.proof.task_results import SOURCE_BATCH, ModelTask, source_results
from assembler.weights.decisions import TokenLabels

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from assembler.parts.emitter import Emitter

    from assembler.runtime.context import InContext
    from assembler.weights.layers import Recurrent
    from tests.assembly.conftest import Workshop

OWN = [width(tokens) for tokens in (*evenly(sample_sentences(), BUILT_IN), *HARD)]
WIDTHS = {
    "the package's own": OWN,
    "no short ones": [300 + number for number in range(40)],
    "of one length": [30] * 50,
    "one very long": [*range(2, 60), 9000],
    "many long ones": [1000] * 30,
    "a few": [5, 60, 9],
    "two": [5, 60],
    "one": [17],
}


def together(plan: BatchPlan) -> list[int]:
    return sorted({place for kind in plan.kinds() for batch in kind for place in batch})


@pytest.mark.parametrize("most", [None, 1, 2, 5, 64])
@pytest.mark.parametrize("name", WIDTHS)
def test_each_sentence_is_compared(name: str, most: int | None) -> None:
    widths = WIDTHS[name]
    plan = planned(widths, range(len(widths)), most)
    assert together(plan) == [*range(len(widths))]
    assert all(len(batch) <= min(32, most or 32) for kind in plan.kinds() for batch in kind)
    assert all(len({*batch}) == len(batch) for kind in plan.kinds() for batch in kind)
    some = [place for place in range(len(widths)) if place % 3 == 0]
    assert together(planned(widths, some, most)) == some


@pytest.mark.parametrize("name", [name for name in WIDTHS if name != "one"])
def test_short_sentences_are_beside_long_ones(name: str) -> None:
    widths = WIDTHS[name]
    plan = planned(widths, range(len(widths)))
    assert len(plan.mixed) >= (1 if len(widths) < 14 else 3) - (len(widths) < 4)
    for batch in plan.mixed:
        assert 2 <= len(batch) <= 7
    first = [widths[place] for place in plan.mixed[0]]
    assert (min(first), max(first)) == (min(widths), max(widths))


def test_the_proofs_own_sentences_meet_every_size_and_unequal_lengths() -> None:
    plan = planned(OWN, range(len(OWN)))
    assert plan.sizes() == (1, 7, 32)
    assert [len(batch) for batch in plan.mixed] == [7, 7, 7]
    for batch in plan.mixed:
        lengths = [OWN[place] for place in batch]
        assert max(lengths) > 5 * min(lengths)
    assert len(plan.alone) == 8
    assert {len(batch) for batch in plan.alone} == {1}
    words = "each at least once: in batches, 3 of like length (up to 32), 3 of mixed lengths (up to 7), and 8 alone"
    assert str(plan) == words


def test_a_proof_takes_few_steps() -> None:
    """A run has a step for each character of its longest text: at full size each takes a hundredth of a second."""
    plan = planned(OWN, range(len(OWN)))
    batches = [batch for kind in plan.kinds() for batch in kind]
    assert sum(max(OWN[place] for place in batch) for batch in batches) < 1000
    assert all(len(batch) * max(OWN[place] for place in batch) <= CELLS for batch in batches)


def test_a_batch_of_long_texts_is_cut() -> None:
    widths = WIDTHS["one very long"]
    plan = planned(widths, range(len(widths)))
    assert [(len(batch), batch[-1]) for batch in plan.mixed if len(widths) - 1 in batch] == [(2, len(widths) - 1)]
    assert [*like_length(range(4), [5000, 1, 5000, 1], 32)] == [(1, 3), (0,), (2,)]
    assert [*like_length(range(5), [4, 1, 3, 1, 2], 2)] == [(1, 3), (4, 2), (0,)]


def test_inputs_for_one_sentence_run_each_alone() -> None:
    plan = planned(OWN, range(len(OWN)), 1)
    assert (plan.sizes(), str(plan)) == ((1,), "each alone")
    two = planned(OWN, range(len(OWN)), 2)
    assert two.sizes() == (1, 2)
    assert "3 of mixed lengths (up to 2)" in str(two)


def test_a_build_runs_what_the_report_says(shop: Workshop, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[list[tuple[str, ...]]] = []
    own = ModelTask.run

    def run(self: ModelTask, sentences: Sequence[InContext], batch_size: int) -> object:
        assert len(sentences) <= batch_size
        runs.append([each.tokens for each in sentences])
        return own(self, sentences, batch_size)

    monkeypatch.setattr(ModelTask, "run", run)
    proven = shop.build(shop.spec(folder)).proven
    assert proven is not None
    assert len({tokens for batch in runs for tokens in batch}) == proven.coverage.sentences == proven.cases
    assert {tuple(tokens) for tokens in HARD} <= {tokens for batch in runs for tokens in batch}
    assert {len(batch) for batch in runs} >= {1, 7, 32} == {*proven.coverage.batch_sizes}
    counts = [{len(tokens) for tokens in batch} for batch in runs if len(batch) == 7]
    assert sum(max(lengths) > 2 * min(lengths) for lengths in counts) >= 3


def test_a_head_that_reads_behind_short_sentences_is_refused(
    shop: Workshop, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its backward layer begins where the longest sentence of the batch ends: right for all that are alone."""
    own = recurrent.emit_recurrent

    def unmasked(emit: Emitter, layers: Recurrent, tensor: str, lengths: str, name: str) -> str:
        longest = emit.op("ReduceMax", [lengths], "longest", keepdims=1)
        everywhere = emit.op("Expand", [longest, emit.op("Shape", [lengths], "count")], "everywhere")
        return own(emit, layers, tensor, everywhere, name)

    monkeypatch.setattr(recurrent, "emit_recurrent", unmasked)
    with pytest.raises(ParityError, match="P001 the model does not reproduce the tags and scores of 'tag") as caught:
        shop.build(shop.spec(folder))
    assert "batches of 1," not in str(caught.value)
    plan = tag_reference.planned
    monkeypatch.setattr(tag_reference, "planned", lambda *a: replace(plan(*a), alike=()))
    with pytest.raises(ParityError, match="P001") as caught:
        shop.build(shop.spec(folder))
    assert "batches of 7," in str(caught.value), "the mixed batches find it without the others"


def test_the_source_runs_sentences_of_like_length_together() -> None:
    class Source:
        def __init__(self, *, neighbours: bool) -> None:
            self.neighbours, self.runs = neighbours, []

        def reads_neighbours(self) -> bool:
            return self.neighbours

        def predict(self, sentences: Sequence[Sequence[str]], batch_size: int, **_: bool) -> list[str]:
            self.runs.append((len(sentences), batch_size))
            return [" ".join(tokens) for tokens in sentences]

    sentences = [["x" * (100 if number % 2 else 1), "y"] for number in range(70)]
    wanted = [" ".join(tokens) for tokens in sentences]
    examples, decisions = SENTENCES.made_of(sentences), TokenLabels(("A",), "kind")
    source = Source(neighbours=False)
    assert source_results(source, decisions, examples) == wanted
    assert source.runs == [(32, 32), (32, 32), (6, 6)]
    source = Source(neighbours=True)
    assert source_results(source, decisions, examples) == wanted
    assert source.runs == [(70, SOURCE_BATCH)]
    source = Source(neighbours=False)
    assert source_results(source, decisions, examples, batch_size=5) == wanted
    assert source.runs == [(70, 5)]
