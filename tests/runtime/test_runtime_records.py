"""What the metadata hold is written and read by one class: what is read is what was written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from assembler.interface.encoder_inputs import Subtokens
from assembler.interface.fields import Fields
from assembler.interface.fill_rules import RULES
from assembler.interface.language_model_inputs import Characters, read_reset
from assembler.interface.ports import InputEntry, Output, Tags
from assembler.interface.table_inputs import PieceModel, Words
from assembler.interface.tasks import SentenceTask, TokenTask, read_task
from assembler.runtime.fill.inputs import INPUTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assembler.core.values import Value


def again(record: Mapping[str, Value]) -> Fields:
    """Return a record as a host reads it."""
    return Fields(json.loads(json.dumps(record)), "place", "file.onnx")


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("reset", [None, 0, 7])
def test_a_language_model(direction: str, reset: int | None) -> None:
    about = Characters(("<unk>", "a"), direction, "\n", " ", True, False, 1, tokenized=False)  # noqa: FBT003
    fields = again(about.as_dict(reset))
    assert Characters.from_metadata("lm", fields, again({"lm": ["<unk>", "a"]})) == about
    assert read_reset(fields) == reset


@pytest.mark.parametrize(
    "about",
    [
        Words("word", ("a", "b"), 2, "", 0),
        Words("exact", (), 0, "", 0),
        Words("hash", (), 0, "md5", 7),
        PieceModel(b"model", zeros=True, blank=3),
    ],
)
def test_a_table(about: Words | PieceModel) -> None:
    assert type(about).from_metadata(again(about.as_dict())) == about


def test_a_table_that_was_cut_says_so() -> None:
    assert Words("word", ("a", "b"), 2, "", 3, of=9).as_dict()["cut"] == {"kept": 2, "of": 9}


@pytest.mark.parametrize("separator", [None, "[SEP]"])
def test_an_encoder(separator: str | None) -> None:
    about = Subtokens("{}", 1, 26, 5, 64, separator, documents=True, positions=512)
    assert Subtokens.from_metadata(again(about.as_dict())) == about


@pytest.mark.parametrize(
    "task",
    [
        TokenTask("ner", "ner", ("O", "PER"), ("O",), "token_classifier", "p", "s"),
        SentenceTask("mood", "mood", ("GOOD", "BAD"), (), multi_label=True, thresholds=(0.5, 0.25), probabilities="x"),
    ],
)
def test_a_task(task: TokenTask | SentenceTask) -> None:
    assert read_task(again(task.as_dict())) == task


@pytest.mark.parametrize("rule", [*RULES, "a rule of tomorrow", None])
def test_an_input(rule: str | None) -> None:
    known = RULES.get(rule or "")
    subject = "node" if known is not None and known.subject is not None else ""
    entry = InputEntry("x", rule, subject, 3 if known is not None and known.counted else 0)
    assert InputEntry.from_metadata(again(entry.as_dict()), ["node"]) == entry


def test_an_output_and_the_tags() -> None:
    for output in (Output("x", "scores"), Output("x", None)):
        assert Output.from_metadata(again(output.as_dict())) == output
    assert Tags.from_metadata(again({"tags": Tags("ner", spans=True).as_dict()})) == Tags("ner", spans=True)


def test_every_rule_of_the_table_has_its_class() -> None:
    assert list(INPUTS) == list(RULES)
    assert len({*INPUTS.values()}) == len(RULES)
