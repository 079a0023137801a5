"""What a lossy model changes: on which text it is counted, how sure the share is, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from assembler.passes.half_precision import Halve
from assembler.proof import measured_text as measuring
from assembler.proof.budget import Count, Losses
from assembler.proof.builtin_sample import LANGUAGES, by_language
from assembler.proof.interval import fewest, interval
from assembler.proof.measured_text import OWN, alone_and_together

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.assembly.conftest import Outcome, Resize, Workshop

    Command = Callable[..., Outcome]


@pytest.mark.parametrize(
    ("changed", "counted", "least", "most"),
    [  # Wilson's interval by R's prop.test(x, n, correct=FALSE)
        (0, 288, 0, 0.013164),
        (9, 8223, 0.000576, 0.002079),
        (21, 8223, 0.001671, 0.003902),
        (50, 50, 0.928652, 1),
        (0, 0, 0, 1),
    ],
)
def test_the_interval_of_a_share_is_wilsons(changed: int, counted: int, least: float, most: float) -> None:
    assert interval(changed, counted) == pytest.approx((least, most), abs=2e-5)


@pytest.mark.parametrize("allowed", [0.2, 0.005, 0.001])
def test_the_fewest_tokens_are_those_that_can_show_a_budget_where_nothing_changes(allowed: float) -> None:
    enough = fewest(allowed)
    assert interval(0, enough)[1] <= allowed < interval(0, enough - 1)[1]


FEW = Losses(Count(1, 1000), (OWN,), 0.001, 0.1, {})


def test_the_share_keeps_to_the_budget_to_the_letter() -> None:
    assert FEW.kept
    assert not replace(FEW, count=Count(2, 1000)).kept
    assert not replace(FEW, count=Count(1, 100)).kept
    assert not replace(FEW, largest=float("nan")).kept


def test_a_thin_text_shows_nothing_even_where_nothing_changes() -> None:
    thin = Losses(Count(0, 288), ("en",), 0.005, 0.1, {})
    assert thin.kept
    assert not thin.enough
    assert replace(thin, count=Count(0, 765)).enough


def test_the_figures_stand_beside_their_interval_and_their_text() -> None:
    losses = Losses(Count(9, 8223), (OWN, "en"), 0.005, 0.164, {}, Count(3, 200))
    first, *others = str(losses).split("\n  ")
    assert first == (
        "9 of 8,223 tags differ (0.11%, 95% interval 0.06% to 0.21%), allowed are 0.50%; "
        "the largest difference of a score is 0.164"
    )
    assert others == [
        "measured on the spec's sentences, en; each fourth sentence alone, the others in batches",
        "on languages of which the source is less sure: 3 of 200 tags differ (1.50%, 95% interval 0.51% to 4.32%)",
    ]


@pytest.mark.parametrize("profile", ["int8", "fp16"])
def test_a_lossy_build_measures_on_thousands_of_tokens_and_says_how_sure_it_is(
    shop: Workshop, folder: Path, cli: Command, profile: str
) -> None:
    spec, path = shop.spec(folder, proof=", tags_changed: 0.1"), folder / "model.onnx"
    printed: Outcome = cli(spec, "-o", path, "--profile", profile)
    assert printed.code == 0, printed.err
    record = shop.metadata(path)["proof"]
    assert record["tokens_compared"] > 2000
    assert record["interval"] == pytest.approx(interval(record["tags_changed"], record["tokens_compared"]), abs=1e-6)
    assert set(record["measured_on"]) <= {OWN, *LANGUAGES}
    assert f"{record['tags_changed']:,} of {record['tokens_compared']:,} tags differ (" in printed.out
    assert "95% interval" in printed.out
    as_json = json.loads(cli(spec, "-o", path, "--profile", profile, "--format", "json").out)["proof"]
    [losses] = as_json["losses"]
    assert losses["interval"] == record["interval"]
    assert losses["tokens_compared"] == record["tokens_compared"]
    shown = cli("inspect", path).out
    assert (
        f"measured against tagger: {record['tags_changed']} of {record['tokens_compared']} tags differ, 95% " in shown
    )
    assert "equal to" not in shown


def test_sentences_of_the_spec_are_read_whole_and_are_enough_where_they_are_many(shop: Workshop, folder: Path) -> None:
    """The first sentences are not all there is: here the last would be missed by whoever reads the first 64."""
    lines = [f"der hund {'bellt ' * (number % 9)}laut {number} ." for number in range(300)]
    spec = shop.spec(folder, proof=", tags_changed: 0.1")
    (folder / "sentences.txt").write_text("\n".join(lines), encoding="utf-8")
    proven = shop.build(spec, profile="int8").proven
    assert proven is not None
    [losses] = proven.losses
    assert losses.measured_on == (OWN,)
    assert losses.count.counted == sum(len(line.split()) for line in lines)
    assert losses.elsewhere.counted > 100


def test_few_sentences_of_the_spec_are_filled_up_with_languages(shop: Workshop, folder: Path) -> None:
    spec = shop.spec(folder, proof=", tags_changed: 0.1")
    (folder / "sentences.txt").write_text("der hund bellt\n", encoding="utf-8")
    proven = shop.build(spec, profile="int8").proven
    assert proven is not None
    [losses] = proven.losses
    assert losses.measured_on[0] == OWN
    assert set(losses.measured_on[1:]) <= set(LANGUAGES)
    assert losses.count.counted > 2000


def test_a_thin_sample_is_refused_by_name(
    shop: Workshop, folder: Path, cli: Command, monkeypatch: pytest.MonkeyPatch, resize: Resize
) -> None:
    resize(Halve(least_values=2**30))  # nothing is rounded: no tag can differ
    monkeypatch.setattr(measuring, "by_language", lambda: {"en": by_language()["en"][:12]})
    outcome: Outcome = cli(shop.spec(folder), "-o", folder / "model.onnx", "--profile", "fp16")
    assert outcome.code == 3
    assert "P009 the profile 'fp16' may change 0.50% of the tags of 'tagger', and " in outcome.err
    assert "tokens are too few to show that it does not change more: 0 of " in outcome.err
    assert "name a file of at least 765 tokens under 'sentences' in the spec's proof" in outcome.err
    assert not (folder / "model.onnx").exists()


def test_the_source_tells_its_own_language_from_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tagger that doubts all but Swedish is measured on Swedish, then on what else is needed, the surest first."""
    doubts = dict.fromkeys(LANGUAGES, 0.3) | {"sv": 0.02, "da": 0.2}
    monkeypatch.setattr(measuring, "_counted", lambda _task, group: 10 * len(group))
    monkeypatch.setattr(measuring, "allowed_share", lambda _spec: 0.02)
    order = sorted(doubts.items(), key=lambda entry: entry[1])
    groups = {language: [("a",)] * 12 for language in LANGUAGES}
    chosen = measuring._chosen(None, None, [], groups, order)  # type: ignore[arg-type]
    assert chosen == ["sv", "da"]
    monkeypatch.setattr(measuring, "allowed_share", lambda _spec: 0.04)
    assert measuring._chosen(None, None, [], groups, order) == ["sv"]  # type: ignore[arg-type]


def test_a_language_whose_characters_are_unknown_is_not_taken_for_a_sure_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of text in unknown characters a tagger can be very sure, and wrong."""
    monkeypatch.setattr(measuring, "_doubt", lambda _task, _group: 0.0)
    tried = {language: by_language()[language][:5] for language in ("en", "ru", "zh")}
    known = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,!?'\"-")
    assert [name for name, _ in measuring._in_order(None, tried, known)] == ["en"]  # type: ignore[arg-type]
    assert len(measuring._in_order(None, tried, None)) == 3  # type: ignore[arg-type]


def test_each_sentence_is_counted_once_each_fourth_and_each_long_one_alone() -> None:
    (together, many), (alone, few) = alone_and_together(range(9), [False] * 6 + [True] + [False] * 2)
    assert (together, alone) == (32, 1)
    assert few == [3, 6, 7]
    assert sorted(many + few) == [*range(9)]


def test_english_and_german_are_enough_to_show_the_budget_of_a_profile() -> None:
    for language in ("en", "de"):
        assert sum(map(len, by_language()[language])) >= fewest(0.005)
