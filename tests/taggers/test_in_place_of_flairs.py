"""Programs of flair that load, pass around and evaluate models do so with assembled ones."""

from __future__ import annotations

import copy
import math
import os
import pickle
import warnings
from typing import TYPE_CHECKING

import onnx
import pytest
import torch
from flair.data import Dictionary, FlairDataset, Sentence
from flair.datasets import DataLoader, FlairDatapointDataset, SentenceDataset
from flair.embeddings import DocumentPoolEmbeddings, FlairEmbeddings
from flair.models import MultitaskModel, SequenceTagger, TextClassifier, TokenClassifier
from flair.nn import Classifier, Model

from assembler.core.errors import ModelError
from assembler.flair import OnnxMultitaskModel, OnnxSequenceTagger, OnnxTextClassifier, OnnxTokenClassifier
from assembler.flair.load_hook import let_flair_load
from assembler.initialisation import Further

from .conftest import HARD, Bench
from .test_further_outputs import ALL, built
from .test_tasks import second_on
from .test_text_classifiers import classifier, models
from .test_token_classifiers import classifier as token_classifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

MAKES = {
    "tagger": (lambda bench: bench.tagger(), SequenceTagger, OnnxSequenceTagger),
    "tokens": (lambda bench: token_classifier(bench, ("PER", "O"), spans=True), TokenClassifier, OnnxTokenClassifier),
    "words": (
        lambda bench: token_classifier(bench, ("_", "O", "A"), spans=False),
        TokenClassifier,
        OnnxTokenClassifier,
    ),
    "texts": (lambda bench: classifier(DocumentPoolEmbeddings(models(bench))), TextClassifier, OnnxTextClassifier),
}


def sentences() -> list[Sentence]:
    return [Sentence(list(words)) for words in HARD]


def written(batch: Iterable[Sentence]) -> list[list[tuple[str, str, object]]]:
    return [
        [(each.unlabeled_identifier, each.value, pytest.approx(each.score, abs=1e-5)) for each in sentence.get_labels()]
        for sentence in batch
    ]


@pytest.fixture
def multi(bench: Bench) -> tuple[MultitaskModel, Path]:
    """Return a MultitaskModel of three tasks on one stack of embeddings, and what was assembled from it."""
    tagger = bench.tagger()
    text = classifier(DocumentPoolEmbeddings(tagger.embeddings.embeddings))
    own = MultitaskModel([tagger, second_on(tagger), text], ["names", "words", "mood"])
    return own, built(bench, own)


@pytest.mark.parametrize("make", MAKES)
def test_flairs_load_takes_the_file_and_predicts_as_its_own_class(bench: Bench, make: str) -> None:
    source, of_flair, ours = MAKES[make]
    own = source(bench)
    path = built(bench, own)
    given = []
    for model in (own, *(each.load(way(path)) for each in (Model, Classifier, of_flair) for way in (str, type(path)))):
        batch = sentences()
        for sentence in batch:
            sentence[:1].add_label(own.label_type, "GOLD")  # spans and tokens that flair removes, or not
            sentence[0].add_label(own.label_type, "GOLD")
            sentence[0].add_label("other", "GOLD")
        assert model is own or type(model) is ours
        assert model.predict(batch) is None
        given.append(written(batch))
    assert all(each == given[0] for each in given)
    assert any("'other'" not in str(each) for each in given[0])


@pytest.mark.parametrize("make", MAKES)
def test_probabilities_and_embeddings_are_where_flair_has_them(bench: Bench, make: str) -> None:
    source, _, _ = MAKES[make]
    own = source(bench)
    loaded = Classifier.load(built(bench, own))
    theirs, ours = sentences(), sentences()
    for model, batch in ((own, theirs), (loaded, ours)):
        model.predict(batch, return_probabilities_for_all_classes=True, embedding_storage_mode="cpu", label_name="all")
    assert written(ours) == written(theirs)
    for one, other in zip(ours, theirs, strict=True):
        pairs = [(one, other)] if make == "texts" else list(zip(one, other, strict=True))
        for left, right in pairs:
            assert torch.allclose(left.get_embedding(), right.get_embedding(), atol=1e-4)
            assert len(left.get_embedding()) == loaded.embeddings.embedding_length
        for left, right in zip(one, other, strict=True):
            distributions = [each.get_tags_proba_dist("all") for each in (left, right)]
            assert [each.value for each in distributions[0]] == [each.value for each in distributions[1]]
            assert all(each.data_point is left for each in distributions[0])
            shares = [[float(each.score) for each in distribution] for distribution in distributions]
            assert shares[0] == pytest.approx(shares[1], abs=1e-5)
            assert bool(shares[0]) == (make == "tagger")
    loaded.predict(ours)
    assert all(len(each.get_embedding()) == 0 for sentence in ours for each in (sentence, *sentence))


def test_embeddings_are_embedded_alone(bench: Bench) -> None:
    own = bench.tagger(crf=False)
    loaded = SequenceTagger.load(built(bench, own))
    theirs, ours = [*sentences(), Sentence([])], [*sentences(), Sentence([])]
    own.embeddings.embed(theirs)
    loaded.embeddings.embed(ours)
    loaded.embeddings.embed(ours[0])
    for one, other in zip(ours, theirs, strict=True):
        for left, right in zip(one, other, strict=True):
            assert torch.allclose(left.get_embedding(), right.get_embedding(), atol=1e-4)
    assert loaded.embeddings.embedding_length == own.embeddings.embedding_length
    assert loaded.embeddings.embedding_type == own.embeddings.embedding_type
    plain = SequenceTagger.load(built(bench, own, Further()))
    with pytest.raises(ModelError, match="M032"):
        plain.embeddings.embed(Sentence("ja"))
    with pytest.raises(ModelError, match="M032"):
        print(plain.embeddings.embedding_length)  # noqa: T201 - a property is read


@pytest.mark.parametrize("crf", [True, False])
def test_what_programs_read_of_a_tagger_is_as_in_flair(bench: Bench, *, crf: bool) -> None:
    own = bench.tagger(crf=crf)
    loaded = SequenceTagger.load(built(bench, own, Further()))
    for name in ("use_crf", "tagset_size", "tag_type", "label_type", "tag_format", "predict_spans", "training"):
        assert getattr(loaded, name) == getattr(own, name), name
    assert loaded.label_dictionary.get_items() == own.label_dictionary.get_items()


@pytest.mark.parametrize("mode", [None, "none"])
def test_without_the_output_no_embeddings_are_kept(bench: Bench, mode: str | None) -> None:
    loaded = SequenceTagger.load(built(bench, bench.tagger(), Further()))
    batch = sentences()
    FlairEmbeddings(bench.language_model(), name="before").embed(batch)
    loaded.predict(batch, embedding_storage_mode=mode)
    assert (len(batch[0][0].get_embedding()) > 0) is (mode is None)


def test_several_tasks_are_one_object_and_one_run(
    multi: tuple[MultitaskModel, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    own, path = multi
    loaded = Classifier.load(path)
    assert isinstance(loaded, OnnxMultitaskModel)
    assert isinstance(MultitaskModel.load(path), OnnxMultitaskModel)
    assert list(loaded.tasks) == ["names", "words", "mood"]
    assert [type(task) for task in loaded.tasks.values()] == [
        OnnxSequenceTagger,
        OnnxSequenceTagger,
        OnnxTextClassifier,
    ]
    assert loaded.label_type == own.label_type
    runs = []
    session = type(loaded._runner._runner.session)
    monkeypatch.setattr(session, "run", lambda self, *words, real=session.run: runs.append(1) or real(self, *words))
    for options in ({}, {"label_name": "mine"}, {"return_probabilities_for_all_classes": True}):
        theirs, ours = sentences(), sentences()
        own.predict(theirs, **options)
        runs.clear()
        loaded.predict(ours, **options)
        assert len(runs) == 1
        assert written(ours) == written(theirs)
    with pytest.raises(ValueError, match="OnnxMultitaskModel predicts all tasks; load 'ner' alone"):
        OnnxMultitaskModel.load(path, task="ner")
    assert type(SequenceTagger.load(path)) is OnnxSequenceTagger
    assert TextClassifier.load(path).label_type == "mood"
    batch = sentences()
    loaded.predict(batch, embedding_storage_mode="cpu")
    own.predict(theirs, embedding_storage_mode="cpu")
    assert torch.allclose(batch[0][0].get_embedding(), theirs[0][0].get_embedding(), atol=1e-4)


def test_several_tasks_are_evaluated_as_in_flair(multi: tuple[MultitaskModel, Path]) -> None:
    own, path = multi
    results = []
    for model in (own, Classifier.load(path)):
        gold = sentences()
        for sentence in gold:
            sentence[:1].add_label("ner", "PER")
            sentence[0].add_label("pos", "NOUN")
            sentence.add_label("mood", "BAD")
            for task in ("names", "words", "mood"):
                sentence.add_label("multitask_id", task)
        options = {"return_loss": False} if model is own else {}
        results.append(model.evaluate(gold, "", **options))
        results.append(model.evaluate(gold, "words", evaluate_all=False, **options))
    for theirs, ours in zip(results[:2], results[2:], strict=True):
        assert ours.main_score == theirs.main_score
        assert ours.detailed_results == theirs.detailed_results
        assert math.isnan(ours.loss)


@pytest.mark.parametrize("make", MAKES)
def test_evaluation_keeps_what_is_gold_and_has_no_loss(bench: Bench, make: str) -> None:
    source, _, _ = MAKES[make]
    own = source(bench)
    loaded = Classifier.load(built(bench, own, Further()))
    results, kept = [], []
    for model in (own, loaded):
        gold = sentences()
        for sentence in gold:
            (sentence if make == "texts" else sentence[0] if make == "words" else sentence[:1]).add_label("gold", "PER")
        out = bench.folder / "out.txt"
        result = model.evaluate(gold, "gold", out_path=out, **({"return_loss": False} if model is own else {}))
        results.append((result.main_score, result.detailed_results, out.read_text(encoding="utf-8")))
        kept.append([[(label.unlabeled_identifier, label.value) for label in s.get_labels("gold")] for s in gold])
    assert results[0] == results[1]
    assert kept[0] == kept[1]
    assert all(kept[1])
    assert math.isnan(result.loss)
    assert math.isnan(loaded.evaluate([Sentence([])], "gold").loss)


@pytest.mark.parametrize("make", MAKES)
def test_pickles_and_copies_have_what_was_set(bench: Bench, make: str) -> None:
    source, _, ours = MAKES[make]
    loaded = Classifier.load(built(bench, source(bench), Further()))
    loaded.note = ["a user's own"]
    name = "multi_label" if make == "texts" else "tag_type" if make == "tagger" else "_label_type"
    setattr(loaded, name, value := False if make == "texts" else "mine")
    torch.save(loaded, bench.folder / "saved.pt")
    for other in (
        pickle.loads(pickle.dumps(loaded)),  # noqa: S301 - our own
        copy.deepcopy(loaded),
        copy.copy(loaded),
        torch.load(bench.folder / "saved.pt", weights_only=False),
    ):
        assert type(other) is ours
        assert getattr(other, name) == value
        assert other.note == loaded.note
        batches = sentences(), sentences()
        loaded.predict(batches[0])
        other.predict(batches[1])
        assert written(batches[0]) == written(batches[1])
    assert copy.deepcopy(loaded).note is not loaded.note
    with pytest.raises(NotImplementedError, match="'embeddings' cannot be set"):
        other.embeddings = None


def test_several_tasks_are_pickled_with_what_was_set_on_each(multi: tuple[MultitaskModel, Path]) -> None:
    loaded = Classifier.load(multi[1])
    loaded.tasks["names"].tag_type = "mine"
    other = pickle.loads(pickle.dumps(loaded))  # noqa: S301 - our own
    assert other.tasks["names"]._runner is other._runner
    copied = copy.deepcopy(loaded)
    assert copied.tasks["names"] is not loaded.tasks["names"]
    for each in (other, copied):
        batches = sentences(), sentences()
        loaded.predict(batches[0])
        each.predict(batches[1])
        assert written(batches[0]) == written(batches[1])
        assert batches[1][0].get_labels("mine")


def test_a_pickle_of_a_file_that_was_replaced_is_refused(bench: Bench) -> None:
    path = built(bench, bench.tagger(), Further())
    pickled = pickle.dumps(Classifier.load(os.path.relpath(path)))
    torch.manual_seed(3)
    built(bench, bench.tagger(), Further())
    with pytest.raises(ValueError, match="holds another model than the one that was pickled; load it in each process"):
        pickle.loads(pickled)  # noqa: S301 - our own
    path.unlink()
    with pytest.raises(ModelError, match="M010"):
        pickle.loads(pickled)  # noqa: S301 - our own


def test_saving_copies_the_file_unless_something_was_set(bench: Bench) -> None:
    path = built(bench, bench.tagger(), Further())
    loaded, copied = Classifier.load(path), bench.folder / "final-model.pt"
    copied.write_text("an older file")
    loaded.save(copied, checkpoint=True)
    assert copied.read_bytes() == path.read_bytes()
    assert type(SequenceTagger.load(copied)) is OnnxSequenceTagger
    loaded.save(path)  # itself
    loaded.note = "a user's own"
    loaded.tag_type = "mine"
    with pytest.raises(NotImplementedError, match="does not hold what was set since loading: 'tag_type'; set it in fl"):
        loaded.save(bench.folder / "other.onnx")
    assert not (bench.folder / "other.onnx").exists()


def test_what_was_set_on_one_of_several_tasks_is_not_lost_in_a_copy(
    bench: Bench, multi: tuple[MultitaskModel, Path]
) -> None:
    several = Classifier.load(multi[1])
    several.save(bench.folder / "copy.onnx")
    assert list(Classifier.load(bench.folder / "copy.onnx").tasks) == list(several.tasks)
    several.tasks["mood"].multi_label_threshold = 0.1
    with pytest.raises(NotImplementedError, match=r"set since loading: 'mood\.multi_label_threshold'"):
        several.save(bench.folder / "other.onnx")


def test_a_file_whose_weights_are_beside_it_is_not_copied_alone(bench: Bench) -> None:
    path = built(bench, bench.tagger(), Further())
    model = onnx.load(path)
    onnx.save_model(model, path, save_as_external_data=True, location="weights.bin", size_threshold=200)
    with pytest.raises(NotImplementedError, match="are in files beside it; copy all of them by hand"):
        OnnxSequenceTagger.load(path, verify=False).save(bench.folder / "other.onnx")


def test_a_class_of_flair_that_the_file_is_not_is_named(bench: Bench, tmp_path: Path) -> None:
    path = built(bench, bench.tagger(), Further())
    message = (
        r"source.onnx' has no task for TextClassifier.load: it has 'ner' \(SequenceTagger\); Classifier.load takes"
    )
    with pytest.raises(ValueError, match=message):
        TextClassifier.load(path)
    with pytest.raises(ValueError, match=r"OnnxTokenClassifier does not write what the task 'ner' gives"):
        OnnxTokenClassifier.load(path)
    (tmp_path / "x.onnx").write_text("no model")
    for each in (Classifier, SequenceTagger):
        with pytest.raises(ModelError, match="M011"):
            each.load(tmp_path / "x.onnx")
        with pytest.raises(ModelError, match="M010"):
            each.load("nowhere.onnx")


def test_flairs_own_checkpoints_load_as_before(bench: Bench) -> None:
    before = Model.load
    let_flair_load()
    assert Model.load == before  # once
    bench.tagger().save(bench.folder / "own.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert type(Classifier.load(bench.folder / "own.pt")) is SequenceTagger
        assert type(SequenceTagger.load(str(bench.folder / "own.pt"))) is SequenceTagger
        state = SequenceTagger.load(bench.folder / "own.pt")._get_state_dict()
    assert type(Classifier.load(state)) is SequenceTagger


class Lazy(FlairDataset):
    """A data set that has indices alone."""

    def __init__(self, held: list[Sentence]) -> None:
        self.held = held

    def is_in_memory(self) -> bool:
        return True

    def __len__(self) -> int:
        return len(self.held)

    def __getitem__(self, index: int = 0) -> Sentence:
        return self.held[index]


FORMS: dict[str, Callable[[list[Sentence]], object]] = {
    "list": list,
    "tuple": tuple,
    "generator": iter,
    "SentenceDataset": SentenceDataset,
    "FlairDatapointDataset": FlairDatapointDataset,
    "FlairDataset": Lazy,
    "Subset": lambda held: torch.utils.data.Subset(Lazy(held), range(len(held))),
    "DataLoader": lambda held: DataLoader(FlairDatapointDataset(held), batch_size=3),
    "batches": lambda held: [held[:2], held[2:]],
}


@pytest.mark.filterwarnings("ignore:Call to deprecated method:DeprecationWarning")
@pytest.mark.parametrize("form", FORMS)
def test_sentences_come_in_any_form(loaded: OnnxSequenceTagger, form: str) -> None:
    expected, given = sentences(), sentences()
    loaded.predict(expected)
    loaded.predict(FORMS[form](given), mini_batch_size=4)  # type: ignore[arg-type]
    assert written(given) == written(expected)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> OnnxSequenceTagger:
    torch.manual_seed(11)
    bench = Bench(tmp_path_factory.mktemp("loaded"))
    return OnnxSequenceTagger.load(built(bench, bench.tagger(), Further()))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("a text", r"expected sentences of flair, got str; write Sentence\(text\)"),
        (["a text"], r"expected sentences of flair, got str at place 0; write Sentence\(text\)"),
        ([[Sentence("a"), 3]], "expected sentences of flair, got int in the batch 0"),
        (3, "expected sentences of flair, got int"),
    ],
)
def test_what_are_no_sentences_is_refused(loaded: OnnxSequenceTagger, given: object, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        loaded.predict(given)  # type: ignore[arg-type]


def test_nothing_is_returned_as_flair_returns_it(bench: Bench) -> None:
    for make in ("tagger", "texts"):
        own = MAKES[make][0](bench)
        model = Classifier.load(built(bench, own, Further()))
        for given in ([], Sentence([]), [Sentence([])], [Sentence([]), Sentence([])]):
            ours, theirs = model.predict(copy.copy(given)), own.predict(copy.copy(given))
            assert type(ours) is type(theirs)
            assert len(ours) == len(theirs)


def test_all_options_of_flair_are_taken_by_place(bench: Bench) -> None:
    own = bench.tagger()
    model = Classifier.load(built(bench, own, ALL))
    theirs, ours = sentences(), sentences()
    for each, batch in ((own, theirs), (model, ours)):
        each.predict(batch, *(3, True, False, "mine", False, "none", True))
    assert written(ours) == written(theirs)


def test_labels_of_the_dictionary_are_those_of_the_file(loaded: OnnxSequenceTagger) -> None:
    assert isinstance(loaded.label_dictionary, Dictionary)
    assert loaded._get_name() == "OnnxSequenceTagger"
    assert list(loaded.parameters()) == []
