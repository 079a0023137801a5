"""What a source does not keep to itself, no model can keep to: its own noise widens the tolerance, within a bound."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from assembler.core.errors import ParityError
from assembler.initialisation import write_spec
from assembler.interface.examples import SENTENCES
from assembler.proof import noise, tag_reference, text_reference
from assembler.proof.noise import AT_MOST, TIMES, measured_noise
from assembler.proof.task_results import ModelTask, Slots
from assembler.weights.decisions import SentenceLabels, TokenLabels

if TYPE_CHECKING:
    from pathlib import Path

    from tests.assembly.conftest import Outcome, Workshop

Command = Callable[..., "Outcome"]
ENOUGH, TOO_MUCH = 3e-5, 2e-4


@pytest.fixture
def shifted(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return what lets every score of a written model be a little larger."""
    own = ModelTask.run

    def shift(by: float) -> None:
        def run(self: ModelTask, sentences: list, batch_size: int) -> list:
            found = own(self, sentences, batch_size)
            return [Slots(each.labels, [score + by for score in each.scores]) for each in found]

        monkeypatch.setattr(ModelTask, "run", run)

    return shift


def noisy(monkeypatch: pytest.MonkeyPatch, found: float) -> list[str]:
    """Let every source have a noise, and return where the tasks are noted for which it was asked."""
    asked: list[str] = []

    def measure(model: object, *_: object, **options: bool) -> float:
        asked.append(f"{type(model).__name__} {options}")
        return found

    monkeypatch.setattr("assembler.proof.diagnosis.measured_noise", measure)
    return asked


def test_a_difference_within_the_noise_of_the_source_passes_and_the_report_says_so(
    shop: Workshop, folder: Path, cli: Command, monkeypatch: pytest.MonkeyPatch, shifted: Callable[[float], None]
) -> None:
    asked = noisy(monkeypatch, 1e-5)
    shifted(ENOUGH)
    done = cli(shop.spec(folder), "-o", folder / "m.onnx")
    assert done.code == 0, done.err
    assert "(allowed 4.0e-05: 4 times the source's own noise of 1.0e-05, and no more than 1e-04)" in done.out
    assert len(asked) == 1
    shown = json.loads(cli(shop.spec(folder), "-o", folder / "m.onnx", "--format", "json").out)["proof"]
    assert (shown["within"], shown["noise_of_source"]) == (pytest.approx(4e-5), 1e-5)


def test_no_figure_of_the_machine_is_in_the_file(
    shop: Workshop, folder: Path, monkeypatch: pytest.MonkeyPatch, shifted: Callable[[float], None]
) -> None:
    quiet = shop.build(shop.spec(folder)).path.read_bytes()
    noisy(monkeypatch, 1.2345e-5)
    shifted(ENOUGH)
    path = shop.build(shop.spec(folder)).path
    assert path.read_bytes() == quiet
    record = shop.metadata(path)["proof"]
    assert (record["scores_within"], record["scores_within_by_noise"]) == (1e-5, AT_MOST)


def test_no_noise_excuses_more_than_the_last_digit_that_is_shown(
    shop: Workshop, folder: Path, cli: Command, monkeypatch: pytest.MonkeyPatch, shifted: Callable[[float], None]
) -> None:
    noisy(monkeypatch, 1.0)
    shifted(ENOUGH)
    done = cli(shop.spec(folder), "-o", folder / "m.onnx", "--format", "json")
    assert json.loads(done.out)["proof"]["within"] == AT_MOST


@pytest.mark.parametrize(("own", "gap", "measured"), [(1e-6, ENOUGH, 1), (1.0, TOO_MUCH, 0)])
def test_a_difference_beyond_the_noise_or_beyond_the_bound_fails(
    shop: Workshop,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    shifted: Callable[[float], None],
    own: float,
    gap: float,
    measured: int,
) -> None:
    asked = noisy(monkeypatch, own)
    shifted(gap)
    with pytest.raises(ParityError, match=r"P001 .* 0 tags differ, the largest difference of a score is"):
        shop.build(shop.spec(folder))
    assert len(asked) == measured, "what lies beyond all that noise may excuse is not measured"


def test_a_number_of_the_spec_is_kept_to_the_letter(
    shop: Workshop, folder: Path, monkeypatch: pytest.MonkeyPatch, shifted: Callable[[float], None]
) -> None:
    asked = noisy(monkeypatch, 1e-3)
    shifted(ENOUGH)
    with pytest.raises(ParityError, match=r"allowed is 1e-05\n"):
        shop.build(shop.spec(folder, proof=", scores_within: 1.0e-5"))
    assert asked == []


@pytest.mark.parametrize("gap", [0.0, ENOUGH])
def test_noise_excuses_no_tag(
    shop: Workshop, folder: Path, monkeypatch: pytest.MonkeyPatch, shifted: Callable[[float], None], gap: float
) -> None:
    noisy(monkeypatch, 1e-3)
    shifted(gap)
    own = tag_reference.compare
    monkeypatch.setattr(tag_reference, "compare", lambda *a, **o: replace(own(*a, **o), tags_changed=1))
    with pytest.raises(ParityError, match=r"P001 .* 3 tags differ"):
        shop.build(shop.spec(folder))


def test_spans_have_the_tolerance_of_their_tags(
    shop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.save(shop.tagger(labels=("O", "S-PER", "B-LOC", "E-LOC")), tmp_path / "tagger.pt")
    spec = tmp_path / "text.yaml"
    spec.write_text(write_spec(str(tmp_path / "tagger.pt"), tmp_path, text=True), encoding="utf-8")
    assert shop.build(spec).proven.coverage.tasks[0].spans > 10
    own = text_reference.spans_of
    monkeypatch.setattr(
        text_reference, "spans_of", lambda *a: [replace(span, score=span.score + ENOUGH) for span in own(*a)]
    )
    noisy(monkeypatch, 1e-5)
    assert shop.build(spec).proven is not None
    noisy(monkeypatch, 1e-6)
    with pytest.raises(ParityError, match=r"P001 the model does not give the labels and spans"):
        shop.build(spec)


def loaded_model() -> SimpleNamespace:
    """Return a model of flair's, but for what it says."""
    from assembler.flair_checkpoints.opened_checkpoint import FlairSource

    return SimpleNamespace(unsteady=lambda: FlairSource.unsteady(None))


def counted_runs(monkeypatch: pytest.MonkeyPatch, exact: float) -> list[tuple[int, bool, int]]:
    """Let each run of a source score 1e-6 more than the last, and return where the runs are noted.

    Args:
        monkeypatch: The fixture.
        exact: What the run with exact sums scores, less 0.5; the others score 1e-6 to 5e-6.
    """
    import torch

    seen: list[tuple[int, bool, int]] = []

    def results(
        _: object, decisions: object, sentences: list, *, batch_size: int = 8, exact_sums: bool = False
    ) -> list[Slots]:
        if exact_sums:
            assert isinstance(decisions, TokenLabels), "no model that labels sentences has a CRF"
            return [Slots(["a"], [0.5 + exact]) for _ in sentences]
        seen.append((batch_size, torch.backends.mkldnn.enabled, torch.get_num_threads()))
        return [Slots(["a"], [0.5 + len(seen) * 1e-6]) for _ in sentences]

    monkeypatch.setattr(noise, "source_results", results)
    return seen


@pytest.mark.parametrize("by_sentence", [False, True])
def test_the_noise_is_the_largest_difference_of_all_runs(monkeypatch: pytest.MonkeyPatch, *, by_sentence: bool) -> None:
    import torch

    threads = torch.get_num_threads()
    seen = counted_runs(monkeypatch, exact=3e-6)
    decisions = SentenceLabels(("A",), "kind") if by_sentence else TokenLabels(("A",), "kind")
    assert measured_noise(loaded_model(), decisions, SENTENCES.made_of([["a"]])) == pytest.approx(4e-6)  # type: ignore[arg-type]
    other = 2 if threads == 1 else 1
    expected = [(8, True, threads), (1, True, threads), (32, True, threads), (8, False, threads), (8, True, other)]
    assert seen == expected
    assert torch.get_num_threads() == threads
    assert TIMES * 4e-6 < AT_MOST


@pytest.mark.parametrize(("exact", "noise_of_source"), [(-2e-6, 7e-6), (9e-6, 8e-6)])
def test_every_run_is_compared_with_the_one_whose_sums_are_exact(
    monkeypatch: pytest.MonkeyPatch, exact: float, noise_of_source: float
) -> None:
    counted_runs(monkeypatch, exact)
    decisions, examples = TokenLabels(("A",), "kind"), SENTENCES.made_of([["a"]])
    assert measured_noise(loaded_model(), decisions, examples) == pytest.approx(noise_of_source)  # type: ignore[arg-type]
