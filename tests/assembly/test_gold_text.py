"""Gold text: a lossy profile keeps its source's accuracy on it, or nothing is written."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

from assembler.core.errors import SpecError
from assembler.passes.quantisation import Quantise
from assembler.proof.gold_text import read_gold
from assembler.spec.reading import load_spec
from assembler.workflows.checking import check

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flair.models import SequenceTagger

    from tests.assembly.conftest import Outcome, Resize, Workshop

    Command = Callable[..., Outcome]

WORDS = ("der", "hund", "bellt", "laut", "auf", "dem", "sofa", ".", "katze", "ja", "bahnhof", "morgen")


def with_gold(shop: Workshop, folder: Path, text: str, proof: str = "") -> Path:
    (folder / "gold.txt").write_text(text, encoding="utf-8")
    return shop.spec(folder, proof=f", gold: gold.txt{proof}")


def own_labels(shop: Workshop, tagger: SequenceTagger) -> str:
    """Return text whose gold labels are what the tagger says, so that it gets all of it right."""
    drawn = np.random.default_rng(5)
    sentences = [[WORDS[i] for i in drawn.integers(0, len(WORDS), 9)] for _ in range(30)]
    tagged = shop.flair_tags(tagger, sentences)
    blocks = [
        "\n".join(f"{token}\t{label}" for token, (label, _) in zip(tokens, labels, strict=True))
        for tokens, labels in zip(sentences, tagged, strict=True)
    ]
    return "\n\n".join(blocks)


def test_every_form_of_gold_text_is_read(shop: Workshop, folder: Path) -> None:
    rest = "\t_" * 6
    forms = {
        f"# text = x\n1-2\tam\t_\t_{rest}\n1\tan\tan\tADP{rest}\n2\tdem\tder\tDET{rest}\n2.1\tx\tx\tX{rest}\n": "ADP",
        "# id\n1\tan\tB-LOC\t-\tx\r\n2\tdem\tO\t-\tx\r\n\r\n": "B-LOC",
        "\ufeffan\tADP\ndem\tDET": "ADP",
    }
    for text, first in forms.items():
        (found,) = read_gold(load_spec(with_gold(shop, folder, text)))
        assert found.tokens == ("an", "dem")
        assert found.labels[0] == first
    two = read_gold(load_spec(with_gold(shop, folder, "\n\n#\tPUNCT\n\n\n1\tNUM\n\n# a comment\n")))
    assert [each.tokens for each in two] == [("#",), ("1",)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"W031 proof: the gold text .*gold\.txt holds no sentence"),
        ("der\tDET\nhund\n", r"line 2 of the gold text gold\.txt has no token and label: 'hund'"),
        ("der hund bellt\n", "line 1 of the gold text"),
        ("der\t\n", "line 1 of the gold text"),
        ("der\tx\tDET\n", "line 1 of the gold text"),
    ],
)
def test_gold_text_that_cannot_be_read_is_a_problem_of_check_too(
    shop: Workshop, folder: Path, text: str, message: str
) -> None:
    spec = with_gold(shop, folder, text)
    with pytest.raises(SpecError, match=message):
        shop.build(spec, profile="int8")
    assert [problem.code for problem in check(spec).problems] == ["W031"]


def test_gold_text_that_is_not_utf_8_or_missing_is_named(shop: Workshop, folder: Path) -> None:
    spec = with_gold(shop, folder, "")
    (folder / "gold.txt").write_bytes(b"Stra\xdfe\tNOUN\n")
    with pytest.raises(SpecError, match=r"W031 proof: the gold text .*gold\.txt cannot be read: it is not UTF-8"):
        shop.build(spec)
    (folder / "gold.txt").unlink()
    with pytest.raises(SpecError, match=r"W031 .* cannot be read: No such file"):
        shop.build(spec)


def test_a_loss_of_accuracy_without_gold_text_is_refused(shop: Workshop, folder: Path) -> None:
    with pytest.raises(SpecError, match="W031 proof: 'accuracy_loss' without 'gold' measures nothing"):
        shop.build(shop.spec(folder, proof=", accuracy_loss: 0.1"))


def test_labels_that_the_model_lacks_are_named(shop: Workshop, folder: Path) -> None:
    spec = with_gold(shop, folder, "der\tDET\nhund\tNOUNS\n")
    with pytest.raises(SpecError, match=r"W031 .*has labels that 'tagger' lacks: 'NOUNS'\n.*did you mean 'NOUN'"):
        shop.build(spec, profile="int8")
    assert not spec.with_suffix(".onnx").exists()


def test_both_accuracies_are_recorded(shop: Workshop, folder: Path, tagger: SequenceTagger, cli: Command) -> None:
    text = own_labels(shop, tagger)
    wrong = text.replace("bellt\tNOUN", "bellt\tADJ").replace("bellt\tVERB", "bellt\tADJ").replace("DET", "PUNCT")
    rows = [pair for pair in zip(text.split("\n"), wrong.split("\n"), strict=True) if pair[0]]
    spec = with_gold(shop, folder, wrong, ", tags_changed: 0.1, accuracy_loss: 0.1")
    outcome = cli(spec, "-o", folder / "m.onnx", "--profile", "fp16")
    assert outcome.code == 0, outcome.err
    assert f"accuracy on {len(rows)} gold tokens: the source's" in outcome.out
    gold = shop.metadata(folder / "m.onnx")["proof"]["gold"]
    expected = sum(one == other for one, other in rows) / len(rows)
    assert 0.2 < expected < 1
    assert gold["source"] == pytest.approx(expected, abs=1e-6)
    assert gold["measure"] == "accuracy"
    assert abs(gold["model"] - expected) < 0.1
    assert gold["loss_allowed"] == 0.1
    assert cli("verify", folder / "m.onnx").code == 0
    record = json.loads(cli(spec, "-o", folder / "m.onnx", "--profile", "fp16", "--format", "json").out)
    assert record["proof"]["gold"] == gold


def test_no_spec_may_allow_a_loss_that_makes_another_tagger(shop: Workshop, folder: Path) -> None:
    spec = with_gold(shop, folder, "der\tDET\n", ", accuracy_loss: 0.2")
    with pytest.raises(SpecError, match=r"S004 'proof\.accuracy_loss': got 0\.2, expected at most 0\.1"):
        shop.build(spec, profile="int8")


def test_a_model_that_loses_more_than_it_may_is_not_written(
    shop: Workshop, folder: Path, tagger: SequenceTagger, cli: Command, resize: Resize
) -> None:
    resize(Quantise(least_values=16, levels=30))
    spec = with_gold(shop, folder, own_labels(shop, tagger), ", tags_changed: 0.1")
    outcome = cli(spec, "-o", folder / "m.onnx", "--profile", "int8")
    assert outcome.code == 3, outcome.err
    assert "P004 the profile 'int8' loses more of 'tagger' than it may: accuracy on 270 gold tokens" in outcome.err
    assert "the source's 100.00%" in outcome.err
    assert "allowed are 0.20%" in outcome.err
    loss = float(re.search(r"a loss of ([0-9.]+)%", outcome.err)[1])
    hint = "more with 'accuracy_loss' in the spec's proof" if loss < 10 else "no spec may allow a loss of more than 10%"
    assert hint in outcome.err
    assert not (folder / "m.onnx").exists()
    assert cli(spec, "-o", folder / "m.onnx", "--profile", "portable").code == 0


@pytest.mark.parametrize(
    ("name", "corpus", "measure", "least"),
    [("de-pos-small", "de-gsd-dev.conllu", "accuracy", 0.8), ("en-ner-small", "en-ewt-dev.iob2", "span F1", 0.2)],
)
def test_trained_taggers_keep_their_accuracy_in_int8(
    shop: Workshop, tmp_path: Path, name: str, corpus: str, measure: str, least: float
) -> None:
    from flair.data import Sentence
    from flair.models import SequenceTagger

    from assembler.initialisation import write_spec

    checkpoint = shop.shared / f"models/{name}.pt"
    if not checkpoint.is_file():
        pytest.skip(f"{checkpoint} is not here: real models and corpora stand beside the repository, not in it")
    blocks = (shop.shared / "corpora" / corpus).read_text(encoding="utf-8").strip().split("\n\n")[:150]
    (tmp_path / "gold.txt").write_text("\n\n".join(blocks), encoding="utf-8")
    text = write_spec(str(checkpoint), tmp_path).replace("{against: tagger}", "{against: tagger, gold: gold.txt}")
    (tmp_path / "stack.yaml").write_text(text, encoding="utf-8")
    accuracy = shop.build(tmp_path / "stack.yaml", profile="int8").proven.accuracy
    assert accuracy is not None
    assert accuracy.measure == measure
    assert accuracy.source > least
    assert accuracy.source - accuracy.model <= 0.002
    gold = read_gold(load_spec(tmp_path / "stack.yaml"))
    own = [Sentence(list(each.tokens)) for each in gold]
    tagger = SequenceTagger.load(checkpoint)
    tagger.predict(own, label_name="predicted")
    if measure == "accuracy":
        pairs = [pair for each, done in zip(gold, own, strict=True) for pair in zip(each.labels, done, strict=True)]
        expected = sum(label == token.get_label("predicted").value for label, token in pairs) / len(pairs)
    else:
        right = whole = 0
        for each, done in zip(gold, own, strict=True):
            starts = [i for i, label in enumerate(each.labels) if label[0] == "B"]
            ends = [next((j for j in range(i + 1, len(each.labels)) if each.labels[j][0] != "I"), len(each.labels))
                    for i in starts]  # fmt: skip
            wanted = {(i, j, each.labels[i][2:]) for i, j in zip(starts, ends, strict=True)}
            given = {(span[0].idx - 1, span[-1].idx, span.tag) for span in done.get_spans("predicted")}
            right, whole = right + len(wanted & given), whole + len(wanted) + len(given)
        expected = 2 * right / whole
    assert accuracy.source == pytest.approx(expected, abs=1e-9)
