"""A TARSTagger finds flair's own spans for labels that are named when it runs."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING

import pytest
import torch
from flair.data import Dictionary, Sentence
from flair.models import TARSTagger
from flair.nn import Classifier

from assembler import assemble
from assembler.cli.main import main
from assembler.core.errors import ModelError, SourceError
from assembler.flair import OnnxTARSTagger
from assembler.initialisation import write_spec
from assembler.runtime import Tagger, Tars

from .encoders import encoder

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Bench

#: Tokens with spaces, characters that flair removes, none at all.
SENTENCES = (
    ("George", "Washington", "went", "to", "Washington", "."),
    ("der", "Hund", "bellt", "laut", ".") * 3,
    (),
    ("nein",),
    ("zwei Wörter", "ja", "\u200b", "x\ufe0fy", "[SEP]", "die", "Katze"),
    ("Katze",),
)
LABELS = ("person", "place name", "double  space", "Hund")


def tars(bench: Bench, *, prefix: bool = True, make: str = "bert", **options: object) -> TARSTagger:
    """Return a tagger that finds overlapping spans of several labels."""
    dictionary = Dictionary(add_unk=False)
    for label in ("person", "place_name"):
        dictionary.add_item(label)
    embedding = encoder(bench.folder, make, **options)
    model = TARSTagger("first", dictionary, "ner", embedding, prefix=prefix, num_negative_labels_to_sample=None)
    model.add_and_switch_to_new_task("second", ["B-Hund", "O", "die Katze", "nein"], "animal", multi_label=False)
    torch.manual_seed(5)
    model.tars_model.linear.weight.data.normal_(0, 0.6)
    model.tars_model.linear.bias.data.copy_(torch.tensor([-0.5, 0.3, 0.0, 0.0, 0.5]))
    model.eval()  # of this class it returns nothing
    return model


def assembled(bench: Bench, model: TARSTagger) -> tuple[TARSTagger, Path]:
    checkpoint, spec = bench.folder / "tars.pt", bench.folder / "tars.yaml"
    model.save(checkpoint)
    spec.write_text(write_spec(str(checkpoint), bench.folder), encoding="utf-8")
    return TARSTagger.load(checkpoint), assemble(spec, bench.folder / "tars.onnx").path


def spans_of(sentence: Sentence, name: str) -> list[tuple[int, int, str, float]]:
    return [
        (span[0].idx - 1, span[-1].idx, span.get_label(name).value, span.get_label(name).score)
        for span in sentence.get_spans(name)
    ]


def same(found: list[tuple[int, int, str, float]], expected: list[tuple[int, int, str, float]]) -> None:
    assert [each[:3] for each in found] == [each[:3] for each in expected]
    assert [each[3] for each in found] == pytest.approx([each[3] for each in expected], abs=1e-5)


def given() -> list[Sentence]:
    return [Sentence(list(tokens)) for tokens in SENTENCES]


def compare(source: TARSTagger, path: Path) -> int:
    model, count = Tars(path), 0
    for labels, task in ((None, "first"), (None, "second"), (None, None), (LABELS, None)):
        sentences = given()
        if labels is None:
            source.switch_to_task(task or "second")
            source.predict(sentences)
            name = source.get_current_label_type()
        else:
            source.predict_zero_shot(sentences, list(labels))
            name = "-".join(labels)
        for size in (1, 7):
            for sentence, result in zip(
                sentences, model.tag(SENTENCES, labels, task=task, batch_size=size), strict=True
            ):
                same([(s.start, s.end, s.label, s.score) for s in result.spans], spans_of(sentence, name))
                count += len(result.spans)
    return count


@pytest.mark.parametrize(("prefix", "make"), [(True, "bert"), (False, "bert"), (True, "roberta")])
def test_spans_are_those_of_flairs_predict(bench: Bench, prefix: bool, make: str) -> None:  # noqa: FBT001
    assert compare(*assembled(bench, tars(bench, prefix=prefix, make=make))) > 20


def test_it_stands_in_for_flairs_class(bench: Bench) -> None:
    source, path = assembled(bench, tars(bench))
    model = Classifier.load(path)
    assert type(model) is OnnxTARSTagger
    assert type(TARSTagger.load(path)) is OnnxTARSTagger
    assert model.list_existing_tasks() == {"first", "second"}
    for each in (model, pickle.loads(pickle.dumps(model))):  # noqa: S301 - our own
        ours, theirs = given(), given()
        each.predict(ours)
        source.predict(theirs)
        for one, other in zip(ours, theirs, strict=True):
            same(spans_of(one, "animal"), spans_of(other, "animal"))
        each.predict_zero_shot(ours, [*LABELS])
        source.predict_zero_shot(theirs, [*LABELS])
        for one, other in zip(ours, theirs, strict=True):
            same(spans_of(one, "-".join(LABELS)), spans_of(other, "-".join(LABELS)))
    model.save(bench.folder / "copy.onnx")
    model.switch_to_task("first")
    with pytest.raises(NotImplementedError, match="'current_task'"):
        model.save(bench.folder / "other.onnx")


def test_the_command_line_asks_for_labels(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    _, path = assembled(bench, tars(bench))
    text = bench.folder / "text.txt"
    text.write_text("die Katze bellt\n\n", encoding="utf-8")
    capsys.readouterr()
    with pytest.raises(SystemExit, match="0"):
        main(["tag", str(path), str(text), "--labels", "Hund, Katze", "--format", "json"])
    records = json.loads(capsys.readouterr().out)
    [expected, _] = Tars(path).tag([["die", "Katze", "bellt"], []], ["Hund", "Katze"])
    assert records[0] == json.loads(json.dumps(expected.as_dict()))
    for options, said in ((["--task", "third"], "has first, second"), (["--probabilities"], "gives spans alone")):
        with pytest.raises(SystemExit, match="2"):
            main(["tag", str(path), str(text), *options])
        assert said in capsys.readouterr().err


def test_what_does_not_fit_is_an_error(bench: Bench) -> None:
    _, path = assembled(bench, tars(bench))
    with pytest.raises(ModelError, match=r"M014 .*reads a label beside each text"):
        Tagger(path)
    model = Tars(path)
    for labels, task, said in (([], None, "at least one"), (["O"], None, "at least one"), (["a"], "first", "not both")):
        with pytest.raises(ValueError, match=said):
            model.tag([["ja"]], labels, task=task)
    with pytest.raises(SourceError, match=r"R005 .*reads a label beside each text"):
        write_spec(str(bench.folder / "tars.pt"), bench.folder, text=True)
    tars(bench, use_context=True).save(bench.folder / "context.pt")
    with pytest.raises(SourceError, match=r"R005 .*reads neighbours"):
        write_spec(str(bench.folder / "context.pt"), bench.folder)
