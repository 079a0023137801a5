"""Models that were built with them give the probabilities of all classes and the embeddings that flair gives."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from flair.data import Sentence
from flair.embeddings import DocumentPoolEmbeddings

from assembler import assemble
from assembler.cli.main import main
from assembler.core.errors import ModelError, ParityError, SourceError
from assembler.initialisation import Further, write_spec
from assembler.parts import registry
from assembler.runtime import Tagger, TextClassifier

from .conftest import HARD
from .test_text_classifiers import classifier, models
from .test_token_classifiers import classifier as token_classifier

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flair.nn import Classifier

    from .conftest import Bench

ALL = Further(probabilities=True, embeddings=True)
SENTENCES = [list(words) for words in HARD if " " not in words]  # which the text interface cannot hold


def built(bench: Bench, model: Classifier[Sentence], further: Further = ALL, **options: object) -> Path:
    model.save(bench.folder / "source.pt")
    spec = bench.folder / "source.yaml"
    written = write_spec(str(bench.folder / "source.pt"), bench.folder, further=further, **options)  # type: ignore[arg-type]
    spec.write_text(written, encoding="utf-8")
    return assemble(spec, bench.folder / "source.onnx").path


def of_flair(source: Classifier[Sentence], name: str) -> list[list[list[tuple[str, float]]]]:
    """Return for each token the classes and their probabilities that flair's own `predict` puts on it."""
    whole = [Sentence(list(words)) for words in SENTENCES]
    source.predict(whole, return_probabilities_for_all_classes=True, label_name=name)
    return [
        [[(each.value, float(each.score)) for each in token.get_tags_proba_dist(name)] for token in sentence]
        for sentence in whole
    ]


def vectors(source: Classifier[Sentence]) -> list[np.ndarray]:
    whole = [Sentence(list(words)) for words in SENTENCES]
    source.predict(whole, embedding_storage_mode="cpu")
    return [torch.stack([token.get_embedding() for token in sentence]).numpy() for sentence in whole]


@pytest.mark.parametrize("crf", [True, False])
@pytest.mark.parametrize("text", [True, False])
def test_taggers_give_flairs_probabilities_and_embeddings(bench: Bench, *, crf: bool, text: bool) -> None:
    source = bench.tagger(crf=crf)
    tagger = Tagger(built(bench, source, text=text))
    expected, embedded = of_flair(source, "all"), vectors(source)
    for size in (1, 3, 32):
        found = tagger.tag([*SENTENCES, []], batch_size=size, probabilities=True, embeddings=True)
        for result, rows, wanted in zip(found, expected, embedded, strict=False):
            assert result.classes == tagger.labels
            assert [[name for name, _ in row] for row in rows] == [[*result.classes]] * len(rows)
            np.testing.assert_allclose(result.probabilities, [[score for _, score in row] for row in rows], atol=1e-5)
            assert result.embeddings is not None
            np.testing.assert_allclose(result.embeddings, wanted, atol=1e-4)
            best = [result.classes[int(np.argmax(row))] for row in result.probabilities]
            assert best == list(result.labels)
        assert (found[-1].classes, found[-1].probabilities, found[-1].embeddings) == (tagger.labels, (), None)
    assert tagger.tag(SENTENCES)[0].probabilities == ()


def test_token_classifiers_give_flairs_probabilities(bench: Bench) -> None:
    source = token_classifier(bench, ("A", "O", "B"), spans=False)
    path = built(bench, source)
    found = Tagger(path).tag(SENTENCES, probabilities=True, embeddings=True)
    whole = [Sentence(list(words)) for words in SENTENCES]
    source.predict(whole, return_probabilities_for_all_classes=True, embedding_storage_mode="cpu")
    for result, sentence in zip(found, whole, strict=True):
        for row, token in zip(result.probabilities, sentence, strict=True):
            expected = {label.value: label.score for label in token.labels}  # flair leaves O out
            assert expected == {
                name: pytest.approx(share, abs=1e-5)
                for name, share in zip(result.classes, row, strict=True)
                if name != "O"
            }


def test_classifiers_of_sentences_name_their_classes_and_give_the_documents(bench: Bench) -> None:
    source = classifier(DocumentPoolEmbeddings(models(bench)))
    path = built(bench, source)
    whole = [Sentence(list(words)) for words in SENTENCES]
    source.predict(whole, embedding_storage_mode="cpu")
    model = TextClassifier(path)
    for result, sentence in zip(model.classify(SENTENCES, embeddings=True, probabilities=True), whole, strict=True):
        np.testing.assert_allclose(result.embeddings, sentence.get_embedding().numpy(), atol=1e-4)
        record = result.as_dict()
        assert record["probabilities"] == dict(zip(model.tasks[0].labels, result.probabilities, strict=True))
    assert "probabilities" not in model.classify(SENTENCES)[0].as_dict()


@pytest.mark.parametrize(
    ("make", "option", "message"),
    [
        (lambda bench: bench.tagger(), "probabilities", "the probabilities of all classes of the task 'ner'"),
        (lambda bench: bench.tagger(crf=False), "embeddings", "the embeddings of the task 'ner'"),
    ],
)
def test_a_model_without_them_names_the_option(
    bench: Bench, make: Callable[[Bench], Classifier[Sentence]], option: str, message: str
) -> None:
    path = built(bench, make(bench), Further())
    tagger = Tagger(path)
    with pytest.raises(ModelError, match=rf"M032 the model was built without an output of {message}") as caught:
        tagger.tag(SENTENCES[:1], **{option: True})  # type: ignore[arg-type]
    assert caught.value.problems[0].hint == f"write its spec with `assemble init SOURCE --{option}` and build it again"
    with pytest.raises(ModelError, match="M032"):
        next(tagger.stream(SENTENCES[:1], **{option: True}))  # type: ignore[arg-type]


def test_tag_prints_all_classes(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    path = built(bench, bench.tagger(crf=False, spans=False, labels=("A", "B")))
    text = bench.folder / "text.txt"
    text.write_text("ja nein\n\n", encoding="utf-8")
    [result] = Tagger(path).tag([["ja", "nein"]], probabilities=True)
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        main(["tag", str(path), str(text), "--probabilities"])
    assert left.value.code == 0
    first = capsys.readouterr().out.splitlines()[0]
    shown = ", ".join(
        f"{name} {share:.4f}" for name, share in zip(result.classes, result.probabilities[0], strict=True)
    )
    assert first == f"ja    {result.labels[0]}  {result.scores[0]:.4f}  ({shown})"
    with pytest.raises(SystemExit):
        main(["tag", str(path), str(text), "--probabilities", "--format", "json"])
    records = json.loads(capsys.readouterr().out)
    assert [dict(zip(result.classes, row, strict=True)) for row in result.probabilities] == records[0]["probabilities"]
    assert records[1]["probabilities"] == []


def test_a_wrong_exchange_is_not_proven(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    crf = registry.kinds()["crf"]
    monkeypatch.setattr("assembler.parts.crf.emit_swapped", lambda _emit, probabilities, _tags: probabilities)
    assert crf.name == "crf"
    with pytest.raises(ParityError, match="class_probabilities"):
        built(bench, bench.tagger())
    assert not (bench.folder / "source.onnx").exists()


def test_only_labels_have_further_outputs(bench: Bench) -> None:
    bench.language_model().save(bench.folder / "lm.pt")
    with pytest.raises(SourceError, match="R005 the checkpoint is a language model alone"):
        write_spec(str(bench.folder / "lm.pt"), bench.folder, further=ALL)
