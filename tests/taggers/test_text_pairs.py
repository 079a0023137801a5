"""Regressors, and classifiers of pairs and triples, give flair's own numbers, labels and probabilities."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from flair.data import DataPair, DataTriple, Dictionary, Sentence
from flair.embeddings import DocumentLMEmbeddings, DocumentPoolEmbeddings, DocumentRNNEmbeddings, FlairEmbeddings
from flair.models import TextClassifier, TextPairClassifier, TextRegressor, TextTripleClassifier

import assembler.runtime
from assembler import assemble, verify
from assembler.cli.main import main
from assembler.core.errors import ModelError, SourceError, SpecError
from assembler.initialisation import write_spec
from assembler.runtime import Labeller

from .conftest import HARD

if TYPE_CHECKING:
    from pathlib import Path

    from flair.embeddings import DocumentEmbeddings

    from .conftest import Bench

SENTENCES = [list(words) for words in HARD]
#: Texts of equal words, zero-width characters, spaces in tokens, from right to left.
PAIRS = [
    *pairwise(SENTENCES),
    (SENTENCES[0], SENTENCES[0]),
    (["a\u200bb", "\u200b"], ["שלום", "x y", "\x92"]),
    (["\ufeff", "a"], ["1"]),
]
MAKES = {2: DataPair, 3: DataTriple}


def models(bench: Bench) -> list[FlairEmbeddings]:
    return [
        FlairEmbeddings(bench.language_model(), name="forward"),
        FlairEmbeddings(bench.language_model(forward=False), name="backward"),
    ]


def drawn(model: Any) -> Any:  # noqa: ANN401
    for name, parameter in model.named_parameters():
        if ".lm." not in name:
            parameter.data.normal_(0, 0.7)
    return model.eval()


def labels() -> Dictionary:
    dictionary = Dictionary(add_unk=False)
    for label in ("YES", "NO", "O", "MAYBE"):
        dictionary.add_item(label)
    return dictionary


def assembled(bench: Bench, model: Any) -> tuple[Any, Path]:  # noqa: ANN401
    model.save(bench.folder / "model.pt")
    spec = bench.folder / "model.yaml"
    spec.write_text(write_spec(str(bench.folder / "model.pt"), bench.folder), encoding="utf-8")
    return type(model).load(bench.folder / "model.pt"), assemble(spec, bench.folder / "model.onnx").path


@pytest.mark.parametrize("make", ["pool", "rnn", "lm"])
def test_a_regressor_gives_flairs_numbers(bench: Bench, make: str) -> None:
    parts = models(bench)
    document: DocumentEmbeddings = DocumentLMEmbeddings(parts)
    if make != "lm":
        document = DocumentPoolEmbeddings(parts) if make == "pool" else DocumentRNNEmbeddings(parts, hidden_size=4)
    source, path = assembled(bench, drawn(TextRegressor(document, label_name="rating")))
    whole = [Sentence(words) for words in SENTENCES]
    source.predict(whole)
    model = Labeller(path)
    for size in (1, 3, 32):
        for sentence, result in zip(whole, model.label(SENTENCES, batch_size=size), strict=True):
            expected = float(sentence.get_label("rating").value)
            assert result.found.number == pytest.approx(expected, abs=1e-5, rel=1e-5)  # type: ignore[union-attr]
    assert model.label([[], [""]])[1].found.number is None  # type: ignore[union-attr]
    assert verify(path).found[-1].startswith("8 sentences have the tags that the file carries")


@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("thresholds", [None, 0.4])
def test_classifiers_of_pairs_and_triples_give_flairs_labels(
    bench: Bench, count: int, thresholds: float | None, *, apart: bool
) -> None:
    cls = TextPairClassifier if count == 2 else TextTripleClassifier
    made = cls(
        DocumentPoolEmbeddings(models(bench)),
        label_type="entails",
        embed_separately=apart,
        label_dictionary=labels(),
        multi_label=thresholds is not None,
        multi_label_threshold=thresholds or 0.5,
    )
    source, path = assembled(bench, drawn(made))
    given = [(*pair, SENTENCES[0])[:count] for pair in PAIRS]
    given += [] if apart else [(*pair, SENTENCES[0])[:count] for pair in ((["ja"], []), ([], ["ja"]))]
    whole: list[Any] = [MAKES[count](*(Sentence(words) for words in texts)) for texts in given]
    source.predict(whole, label_name="chosen")
    source.predict(whole, label_name="all", return_probabilities_for_all_classes=True)
    model = Labeller(path)
    for size in (1, 3, 32):
        for data, result in zip(whole, model.label(given, batch_size=size), strict=True):
            found: Any = result.found
            expected = data.get_labels("chosen")
            assert [label.value for label in found.labels] == [label.value for label in expected]
            probabilities = dict(zip(model.tasks[0].labels, found.probabilities, strict=True))
            for label in data.get_labels("all"):
                assert abs(probabilities[label.value] - label.score) <= 1e-5
    assert verify(path).found[-1].startswith("8 sentences have the tags that the file carries")
    assert [each.found for each in model.stream(iter(given), window=1, batch_size=2)] == [
        each.found for each in model.label(given)
    ]
    with pytest.raises(TypeError, match=rf"example 1: expected {count} texts, got \['a'\]"):
        model.label([given[0], ["a"]])
    with pytest.raises(ModelError, match=f"M014 the model labels examples of {count} texts, not sentences"):
        assembler.runtime.TextClassifier(path)


def test_a_pair_with_an_empty_text_has_no_label_if_texts_are_embedded_alone(bench: Bench) -> None:
    made = TextPairClassifier(
        DocumentPoolEmbeddings(models(bench)), label_type="entails", embed_separately=True, label_dictionary=labels()
    )
    _, path = assembled(bench, drawn(made))
    empty, both, full = Labeller(path).label([(["a"], []), ([], [""]), (["a"], ["b"])])
    assert (empty.found.labels, both.found.labels) == ((), ())  # type: ignore[union-attr]
    assert len(full.found.probabilities) == 4  # type: ignore[union-attr]


def test_a_labeller_runs_classifiers_of_sentences(bench: Bench) -> None:
    made = TextClassifier(DocumentPoolEmbeddings(models(bench)), label_type="mood", label_dictionary=labels())
    _, path = assembled(bench, drawn(made))
    results = assembler.runtime.TextClassifier(path).classify(SENTENCES)
    assert [each.found for each in Labeller(path).label(SENTENCES)] == [result.found for result in results]


def test_a_lossy_profile_is_refused_for_numbers(bench: Bench) -> None:
    drawn(TextRegressor(DocumentPoolEmbeddings(models(bench)), label_name="rating")).save(bench.folder / "model.pt")
    spec = bench.folder / "model.yaml"
    spec.write_text(write_spec(str(bench.folder / "model.pt"), bench.folder), encoding="utf-8")
    with pytest.raises(SpecError, match=r"W030 the profile 'int8' is measured by the labels .* 'rating' has none"):
        assemble(spec, bench.folder / "model.onnx", profile="int8")


def test_tasks_that_read_pairs_and_sentences_are_refused(bench: Bench) -> None:
    document = DocumentPoolEmbeddings(models(bench))
    drawn(TextRegressor(document, label_name="rating")).save(bench.folder / "one.pt")
    pairs = TextPairClassifier(document, label_type="entails", label_dictionary=labels())
    drawn(pairs).save(bench.folder / "two.pt")
    spec = bench.folder / "model.yaml"
    spec.write_text(
        write_spec([str(bench.folder / "one.pt"), str(bench.folder / "two.pt")], bench.folder), encoding="utf-8"
    )
    with pytest.raises(SpecError, match=r"W032 .*'rating' reads 1 at once, 'entails' reads 2 at once"):
        assemble(spec, bench.folder / "model.onnx")


@pytest.mark.parametrize("apart", [True, False])
def test_the_command_line_reads_texts_separated_by_tabs(
    bench: Bench, capsys: pytest.CaptureFixture[str], *, apart: bool
) -> None:
    made = TextPairClassifier(
        DocumentPoolEmbeddings(models(bench)), label_type="entails", embed_separately=apart, label_dictionary=labels()
    )
    _, path = assembled(bench, drawn(made))
    text = bench.folder / "text.txt"
    text.write_text("der Hund\tja\n", encoding="utf-8")
    [result] = Labeller(path).label([(["der", "Hund"], ["ja"])])
    with pytest.raises(SystemExit):
        main(["tag", str(path), str(text)])
    found: Any = result.found
    said = ", ".join(f"{label.value} {label.score:.4f}" for label in found.labels) or "-"
    assert capsys.readouterr().out == f"{said}  der Hund  ||  ja\n"
    text.write_text("der Hund\n", encoding="utf-8")
    with pytest.raises(SystemExit) as left:
        main(["tag", str(path), str(text)])
    assert left.value.code == 1
    assert "T004 holds 1 texts, and the model reads 2 at once" in capsys.readouterr().err


def test_the_text_interface_is_not_that_of_pairs_or_numbers(bench: Bench) -> None:
    document = DocumentPoolEmbeddings(models(bench))
    drawn(TextRegressor(document, label_name="rating")).save(bench.folder / "model.pt")
    with pytest.raises(SourceError, match=r"R005 .* gives numbers, not labels"):
        write_spec(str(bench.folder / "model.pt"), bench.folder, text=True)
    pairs = TextPairClassifier(document, label_type="entails", label_dictionary=labels())
    drawn(pairs).save(bench.folder / "model.pt")
    with pytest.raises(SourceError, match=r"R005 .* reads 2 texts at once"):
        write_spec(str(bench.folder / "model.pt"), bench.folder, text=True)
