"""The benchmark measures what it says: every way on the same text, with its tags compared. No test asserts a speed."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
import torch

from assembler.benchmark import Point, flair_footprint, measure
from assembler.benchmark.chart import chart
from assembler.benchmark.curves import sizes, texts_of
from assembler.benchmark.device import PROCESSOR
from assembler.core.errors import SpecError
from assembler.passes.quantisation import Quantise

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.assembly.conftest import Outcome, Resize, Workshop

    Command = Callable[..., Outcome]


def test_every_way_tags_the_same_text_in_batches_and_one_at_a_time(shop: Workshop, folder: Path) -> None:
    report = measure(shop.spec(folder), profiles=("portable", "cpu"), rounds=1, one_at_a_time=3)
    assert [(speed.name, speed.batch) for speed in report.speeds] == [
        (name, batch) for batch in ("batches", "one at a time") for name in ("flair", "portable", "cpu")
    ]
    assert all(speed.ratio == 1 for speed in report.speeds if speed.name == "flair")
    assert all(speed.tags_changed == 0 and speed.tokens > 3 for speed in report.speeds)
    assert all(speed.sentences_per_second > 0 and speed.peak_share > 0 for speed in report.speeds)
    assert all((speed.latency_median is None) == (speed.batch == "batches") for speed in report.speeds)
    assert [entry.name for entry in report.footprints] == ["flair", "portable", "cpu"]
    assert all(entry.size > 0 and entry.load_seconds > 0 for entry in report.footprints)
    assert all(entry.peak_memory >= 0 and entry.device_memory == 0 for entry in report.footprints)
    assert [entry.session_seconds is None for entry in report.footprints] == [True, False, False]
    assert report.machine.accelerator is None
    assert report.machine.cores >= 1
    drawn = chart(report)
    assert drawn == chart(report)
    assert "times the speed of flair" in drawn or ET.fromstring(drawn).tag.endswith("svg")  # noqa: S314 - our own


def test_the_command_prints_a_table_json_and_a_chart(shop: Workshop, folder: Path, cli: Command) -> None:
    spec = shop.spec(folder)
    words = ("bench", spec, "--profile", "portable", "--rounds", "1", "--single", "2")
    outcome = cli(*words, "--chart", folder / "chart.svg")
    assert outcome.code == 0, outcome.err
    assert "portable  one at a time" in outcome.out
    assert "GFLOP/s" in outcome.out
    assert (folder / "chart.svg").read_text(encoding="utf-8").startswith("<?xml")
    record = json.loads(cli(*words, "--format", "json").out)
    assert {speed["name"] for speed in record["speeds"]} == {"flair", "portable"}


def test_a_profile_whose_proof_fails_is_left_out_with_the_reason(shop: Workshop, folder: Path, resize: Resize) -> None:
    resize(Quantise(least_values=16, levels=1))
    spec = shop.spec(folder, proof=", tags_changed: 0.001")
    report = measure(spec, profiles=("portable", "int8"), rounds=1, one_at_a_time=1)
    assert "changes more tags of 'tagger' than it may" in report.left_out["int8"]
    assert {speed.name for speed in report.speeds} == {"flair", "portable"}


def test_what_flair_needs_is_measured_in_a_process_of_its_own(shop: Workshop, cli: Command) -> None:
    words = (
        "bench",
        shop.repository / "specs" / "demo-pos.yaml",
        "--profile",
        "int8",
        "--rounds",
        "1",
        "--single",
        "1",
    )
    record = json.loads(cli(*words, "--format", "json").out)
    flairs, own = record["footprints"]
    assert (flairs["name"], own["name"]) == ("flair", "int8")
    assert flairs["size"] == (shop.repository / "specs" / "weights" / "demo-pos.pt").stat().st_size
    assert flairs["load_seconds"] > 0
    assert flairs["session_seconds"] is None
    if Path("/proc/self/status").exists():
        assert flairs["import_memory"] > 2 * own["import_memory"]  # torch and flair against numpy and ONNX Runtime
        assert flairs["peak_memory"] > flairs["size"]
    table = cli(*words)
    assert table.code == 0, table.err
    line = next(line for line in table.out.splitlines() if line.startswith("flair: "))
    assert re.fullmatch(
        r"flair: 2\.3 MB, ready in [\d.]+ s, [\d.]+ .?B of memory at most beyond the .*B of imports", line
    )


def test_a_task_of_several_is_found_by_the_process_of_flairs_footprint(
    shop: Workshop, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from flair.models import MultitaskModel

    shop.save(
        MultitaskModel([shop.tagger(seed=3), shop.tagger(seed=4)], task_ids=["one", "two"]), tmp_path / "tagger.pt"
    )
    spec = shop.spec(tmp_path)
    text = tmp_path / "text.json"
    text.write_text(json.dumps([["der", "hund"]]), encoding="utf-8")
    flair_footprint.main(str(spec), "tagger.tasks.two", PROCESSOR.as_json(), str(text), "")
    found = json.loads(capfd.readouterr().out)
    assert found["load"] > 0
    assert found["device"] == 0


def test_a_stack_without_a_tagger_has_nothing_to_measure_against(shop: Workshop, tmp_path: Path) -> None:
    shop.save(shop.language_model(), tmp_path / "lm.pt")
    spec = tmp_path / "lm.yaml"
    spec.write_text(
        "version: 1\nname: lm\nsources: {lm: {flair: lm.pt}}\n"
        "inputs:\n  characters: {type: int64, shape: [characters, sentences]}\n"
        "  lengths: {type: int64, shape: [sentences]}\n"
        "graph:\n  lm: {kind: char_lm, weights: lm, inputs: {characters: characters, lengths: lengths}}\n"
        "outputs: {states: lm.states}\n",
        encoding="utf-8",
    )
    with pytest.raises(SpecError, match="W019 the stack has no tags of a flair tagger"):
        measure(spec, profiles=("portable",), rounds=1)


def test_flair_compiled_by_torch_is_measured_where_it_runs(
    shop: Workshop, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assembler.benchmark import torch_ways

    def refused(_: object) -> object:
        raise RuntimeError("there is no compiler here")  # noqa: EM101, TRY003 - what torch says, in short

    monkeypatch.setattr(torch_ways, "_compiled", refused)  # it takes half a minute even where it runs
    report = measure(shop.spec(folder), profiles=("portable",), rounds=1, one_at_a_time=2, compiled=True)
    assert [speed.name for speed in report.speeds] == 2 * ["flair", "flair TorchScript", "portable"]
    assert all(speed.tags_changed == 0 and speed.tokens > 3 for speed in report.speeds)
    assert report.left_out["flair torch.compile"].startswith("it does not run: ")
    assert report.left_out["flair torch.compile"].endswith("there is no compiler here")


@pytest.mark.parametrize("options", [{}, {"projection": 5}, {"layers": 2}, {"cell": "gru"}], ids=str)
def test_a_trace_gives_flairs_own_states(shop: Workshop, options: dict[str, object]) -> None:
    from assembler.benchmark.torch_ways import _traced

    model = shop.language_model(**options)
    ids = torch.randint(0, 20, (11, 3))
    with torch.no_grad():
        expected, hidden = model.forward(ids, model.init_hidden(3), decode=False)
        given, after = _traced(model)(ids, model.init_hidden(3), decode=False)
    assert torch.allclose(given, expected, atol=1e-6)
    assert len(after) == len(hidden)
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in zip(after, hidden, strict=True))


def test_a_curve_measures_every_size_up_to_its_limit(shop: Workshop, folder: Path, cli: Command) -> None:
    words = ("bench", shop.spec(folder), "--profile", "portable", "--profile", "cpu", "--rounds", "1")
    for of, most in (("characters", 300), ("sentences", 9)):
        outcome = cli(*words, "--curve", of, "--upto", most, "--format", "json", "--chart", folder / f"{of}.svg")
        assert outcome.code == 0, outcome.err
        record = json.loads(outcome.out)
        expected = {"characters": [100, 200, 300], "sentences": [1, 4, 9]}[of]
        own = [point for point in record["points"] if point["name"] == "cpu"]
        assert [point["size"] for point in own] == expected
        assert of == "sentences" or [point["characters"] for point in own] == expected
        assert all(point["seconds"] > 0 and point["microseconds"] > 0 for point in record["points"])
        memory = [point["peak_memory"] for point in own]
        assert memory == sorted(memory)
        assert ET.fromstring((folder / f"{of}.svg").read_text(encoding="utf-8")).tag.endswith("svg")  # noqa: S314
    table = cli(*words, "--curve", "sentences", "--upto", "1").out.splitlines()
    assert "µs a character" in table[0]
    assert [line.split()[:2] for line in table[1:]] == [["portable", "1"], ["cpu", "1"]]


def test_a_limit_without_a_curve_is_wrong_usage(shop: Workshop, folder: Path, cli: Command) -> None:
    outcome = cli("bench", shop.spec(folder), "--upto", "9")
    assert outcome.code == 2
    assert "say --curve characters or --curve sentences" in outcome.err


def test_the_texts_of_a_curve_have_the_size_that_it_names() -> None:
    sentences = [["der", "hund"], ["a"], ["Donaudampfschiff", "."]]
    for size in (1, 2, 3, 4, 5, 17, 100, 333):
        (tokens,) = texts_of("characters", size, sentences)
        assert len(" ".join(tokens)) == size
        assert all(tokens)
    assert texts_of("sentences", 5, sentences) == [*sentences, *sentences[:2]]
    assert sizes("characters", None)[-1] == 20_000
    assert sizes("sentences", None)[-1] == 4096
    assert sizes("sentences", 16) == (1, 4, 16)
    assert Point("cpu", 5, 200, 0.001, 0).microseconds == pytest.approx(5)


@pytest.mark.parametrize("curve", [(), ("--curve", "characters")])
@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("fifo", "cannot be read: it is no regular file"),
        ("/dev/zero", "cannot be read: it is no regular file"),
        ("latin", "cannot be read: it is not UTF-8"),
        ("empty", "holds no sentence"),
    ],
)
def test_a_text_that_cannot_be_read_is_named_and_not_the_spec(
    shop: Workshop, folder: Path, cli: Command, what: str, reason: str, curve: tuple[str, ...]
) -> None:
    """A FIFO that nobody writes to, opened, would keep the command waiting for ever."""
    path = folder / what
    if what == "fifo":
        os.mkfifo(path)
    elif what == "latin":
        path.write_bytes("größe\n".encode("latin-1"))
    elif what == "empty":
        path.write_text("\n \n", encoding="utf-8")
    outcome = cli("bench", shop.spec(folder), path, "--profile", "portable", *curve)
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith(f"{path}: T003 {reason}\n")
