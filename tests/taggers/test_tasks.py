"""Several taggers become one model, whose equal parts run once and whose tags are those of each."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import onnx
import pytest
import torch
from flair.data import Dictionary, Sentence
from flair.embeddings import FlairEmbeddings
from flair.models import MultitaskModel, SequenceTagger

from assembler import assemble, verify
from assembler.cli.main import main
from assembler.core.errors import ModelError, ParityError, SourceError
from assembler.core.problems import Mark
from assembler.flair import OnnxSequenceTagger
from assembler.flair_checkpoints.models.model_registry import load_labeller
from assembler.forms.source import Source
from assembler.initialisation import write_spec
from assembler.parts import registry
from assembler.runtime import Tagger, TextClassifier
from assembler.spec.reading import load_spec

from .conftest import HARD, ROOT, flair_results

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Bench

SHARED = ROOT.parent / "shared"


def second_on(tagger: SequenceTagger, *, label_type: str = "pos") -> SequenceTagger:
    """Return another tagger on the same embeddings."""
    dictionary = Dictionary(add_unk=False)
    for label in ("NOUN", "VERB", "DET"):
        dictionary.add_item(label)
    other = SequenceTagger(tagger.embeddings, dictionary, label_type, hidden_size=5, use_crf=False)
    for name, parameter in other.named_parameters():
        if not name.startswith("embeddings"):
            parameter.data.normal_(0, 0.7)
    return other.eval()


def written(folder: Path, *checkpoints: Path) -> Path:
    spec = folder / "both.yaml"
    spec.write_text(write_spec([str(path) for path in checkpoints], folder), encoding="utf-8")
    return spec


@pytest.fixture
def pair(bench: Bench) -> tuple[Path, Path]:
    """Return the checkpoints of two taggers on the same language models, one of spans with a CRF."""
    tagger = bench.tagger()
    tagger.save(bench.folder / "ner.pt")
    second_on(tagger).save(bench.folder / "pos.pt")
    return bench.folder / "ner.pt", bench.folder / "pos.pt"


def assert_tags_are(task: str, source: SequenceTagger, model: Tagger, sentences: list[list[str]]) -> None:
    expected = flair_results(source, sentences)
    for size in (1, 3, 32):
        for (labels, spans), result in zip(expected, model.tag(sentences, batch_size=size), strict=True):
            found = result.tasks[task]
            assert [label for label, _ in labels] == list(found.labels)
            for (label, score), ours in zip(labels, found.scores, strict=True):
                assert label in {"O", "_"} or abs(score - ours) <= 1e-5
            if source.predict_spans:
                assert [entry[:3] for entry in spans] == [(each.start, each.end, each.label) for each in found.spans]
            else:
                assert found.spans == ()


def test_two_taggers_on_the_same_language_models_run_them_once(pair: tuple[Path, Path], bench: Bench) -> None:
    spec = written(bench.folder, *pair)
    kinds = [node.kind for node in load_spec(spec).graph.values()]
    assert (kinds.count("char_lm"), kinds.count("concat"), kinds.count("tagger_head")) == (2, 1, 2)
    path = assemble(spec, bench.folder / "both.onnx").path
    operators = [node.op_type for node in onnx.load(path).graph.node]
    assert operators.count("LSTM") == 6  # two language models, and two heads in two directions each
    model, sentences = Tagger(path), [list(words) for words in HARD]
    for task, checkpoint in zip(("ner", "pos"), pair, strict=True):
        assert_tags_are(task, SequenceTagger.load(checkpoint), model, sentences)


def test_the_first_task_is_what_a_result_has_in_itself(pair: tuple[Path, Path], bench: Bench) -> None:
    model = Tagger(assemble(written(bench.folder, *pair), bench.folder / "both.onnx").path)
    assert [task.name for task in model.tasks] == ["ner", "pos"]
    [result, empty] = model.tag([["der", "Hund"], []])
    first = result.tasks["ner"]
    assert (result.labels, result.scores, result.spans) == (first.labels, first.scores, first.spans)
    assert list(result.as_dict()) == ["tokens", "labels", "scores", "spans", "tasks"]
    assert list(empty.tasks) == ["ner", "pos"]
    assert empty.tasks["pos"].labels == ()


def test_a_model_of_one_task_says_nothing_of_tasks_in_its_record(bench: Bench) -> None:
    _, model = bench.assembled(bench.tagger())
    [result] = model.tag([["der", "Hund"]])
    assert list(result.as_dict()) == ["tokens", "labels", "scores", "spans"]
    assert list(result.tasks) == ["ner"]


def test_language_models_that_differ_in_one_weight_are_not_shared(pair: tuple[Path, Path], bench: Bench) -> None:
    state = torch.load(pair[1], weights_only=False)
    name = "embeddings.list_embedding_0.lm.encoder.weight"
    state["state_dict"][name][5, 0] += 1e-3
    torch.save(state, pair[1], pickle_protocol=4)
    spec = written(bench.folder, *pair)
    assert [node.kind for node in load_spec(spec).graph.values()].count("char_lm") == 3
    model = Tagger(assemble(spec, bench.folder / "both.onnx").path)
    for task, checkpoint in zip(("ner", "pos"), pair, strict=True):
        assert_tags_are(task, SequenceTagger.load(checkpoint), model, [list(words) for words in HARD])


def test_language_models_that_are_fed_otherwise_are_not_shared(bench: Bench) -> None:
    model = bench.language_model()
    for name, with_whitespace in (("a", True), ("b", False)):
        embedding = FlairEmbeddings(model, name="lm", with_whitespace=with_whitespace)
        tagger = bench.tagger(embedding)
        tagger.tag_type = name
        torch.save({**tagger._get_state_dict(), "embeddings": tagger.embeddings}, bench.folder / f"{name}.pt")
    spec = bench.folder / "both.yaml"
    spec.write_text(write_spec([str(bench.folder / "a.pt"), str(bench.folder / "b.pt")], bench.folder, trust=True))
    assert [node.kind for node in load_spec(spec).graph.values()].count("char_lm") == 2


def test_two_tasks_of_one_type_are_called_by_their_parts(bench: Bench) -> None:
    tagger = bench.tagger()
    tagger.save(bench.folder / "a.pt")
    second_on(tagger, label_type="ner").save(bench.folder / "b.pt")
    model = Tagger(
        assemble(written(bench.folder, bench.folder / "a.pt", bench.folder / "b.pt"), bench.folder / "m.onnx").path
    )
    assert [task.name for task in model.tasks] == ["ner_crf", "ner2_head"]


def test_a_multitask_model_is_one_source_with_a_path_for_each_task(bench: Bench) -> None:
    tagger = bench.tagger()
    MultitaskModel([tagger, second_on(tagger)], ["names", "words"]).save(bench.folder / "multi.pt")
    spec = written(bench.folder, bench.folder / "multi.pt")
    read = load_spec(spec)
    assert list(read.sources) == ["tagger"]
    assert read.graph["names_crf"].weights == "tagger.tasks.names.crf"
    assert [node.kind for node in read.graph.values()].count("char_lm") == 2
    model = Tagger(assemble(spec, bench.folder / "multi.onnx").path)
    loaded = MultitaskModel.load(bench.folder / "multi.pt")
    for task, name in (("ner", "names"), ("pos", "words")):
        assert_tags_are(task, loaded.tasks[name], model, [list(words) for words in HARD])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"a b": {"__cls__": "SequenceTagger"}}, "a task of the MultitaskModel is named 'a b'"),
        ({"a": {"__cls__": "ClusteringModel"}}, "the task 'a' of the MultitaskModel is of the class ClusteringModel"),
        ({"a": {"__cls__": "MultitaskModel"}}, "the task 'a' of the MultitaskModel is of the class MultitaskModel"),
        ({"a": 3}, "the task 'a' of the MultitaskModel is of the class int"),
    ],
)
def test_a_task_that_cannot_be_assembled_is_refused(bench: Bench, change: dict[str, object], words: str) -> None:
    torch.save({"__cls__": "MultitaskModel", "model_states": change}, bench.folder / "multi.pt")
    with pytest.raises(SourceError, match=f"R005 source 'tagger': {re.escape(words)}"):
        write_spec(str(bench.folder / "multi.pt"), bench.folder)


@pytest.mark.parametrize("tasks", [{}, None, [1]])
def test_a_multitask_model_without_tasks_is_damaged(bench: Bench, tasks: object) -> None:
    torch.save({"__cls__": "MultitaskModel", "model_states": tasks}, bench.folder / "multi.pt")
    with pytest.raises(SourceError, match="R006 source 'tagger': the MultitaskModel of the checkpoint holds no tasks"):
        write_spec(str(bench.folder / "multi.pt"), bench.folder)


def test_a_pickle_in_a_multitask_model_runs_nothing(bench: Bench) -> None:
    torch.save({"__cls__": "MultitaskModel", "model_states": {"a": print}}, bench.folder / "multi.pt")
    with pytest.raises(SourceError, match=r"R003 .* names \w+\.print"):
        write_spec(str(bench.folder / "multi.pt"), bench.folder)


def test_a_second_head_that_is_wrong_is_found(
    pair: tuple[Path, Path], bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dataclasses

    known = registry.kinds()["tagger_head"]

    def build(part, emit) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        if part.node == "pos_head":
            linear = dataclasses.replace(part.weights.linear, bias=part.weights.linear.bias[::-1])
            part = dataclasses.replace(part, weights=dataclasses.replace(part.weights, linear=linear))
        known.build(part, emit)

    monkeypatch.setitem(registry._installed(), "tagger_head", dataclasses.replace(known, build=build))
    with pytest.raises(ParityError, match=r"P001 the model does not reproduce the tags and scores of 'tag") as caught:
        assemble(written(bench.folder, *pair), bench.folder / "both.onnx")
    assert "the first part whose output diverges is 'pos_head'" in str(caught.value)
    assert not (bench.folder / "both.onnx").exists()


def test_a_concat_of_shared_parts_in_the_wrong_order_is_named(pair: tuple[Path, Path], bench: Bench) -> None:
    from assembler.core.errors import SpecError

    spec = written(bench.folder, *pair)
    text = spec.read_text(encoding="utf-8")
    spec.write_text(
        text.replace("[forward_words.rows, backward_words.rows]", "[backward_words.rows, forward_words.rows]")
    )
    with pytest.raises(SpecError, match="W015 words: the tagger 'tagger1' joins its embeddings in another order"):
        assemble(spec, bench.folder / "both.onnx")
    spec.write_text(spec.read_text().replace("tagger1.embeddings", "tagger2.embeddings"))
    with pytest.raises(SpecError, match="W015 words: the tagger 'tagger1' joins its embeddings in another order"):
        assemble(spec, bench.folder / "both.onnx")


def test_verify_tries_every_task(pair: tuple[Path, Path], bench: Bench) -> None:
    spec = written(bench.folder, *pair)
    path = assemble(spec, bench.folder / "both.onnx").path
    assert verify(path).found[-1].endswith("scores to four digits for each of its tasks, ner, pos")
    assert verify(path, spec=spec).found[-1].startswith("78 cases equal tagger1 and tagger2")


def test_each_task_labels_flairs_own_sentences(pair: tuple[Path, Path], bench: Bench) -> None:
    path = assemble(written(bench.folder, *pair), bench.folder / "both.onnx").path
    source, tagger = SequenceTagger.load(pair[1]), OnnxSequenceTagger.load(path, task="pos")
    ours, theirs = Sentence(["der", "Hund", "bellt"]), Sentence(["der", "Hund", "bellt"])
    tagger.predict(ours)
    source.predict(theirs)
    assert [token.get_label("pos").value for token in ours] == [token.get_label("pos").value for token in theirs]
    assert OnnxSequenceTagger.load(path).label_type == "ner"
    with pytest.raises(ValueError, match="there is no task 'upos' in the model, which has ner, pos"):
        OnnxSequenceTagger.load(path, task="upos")


def test_the_page_about_flair_shows_how_several_tasks_are_used(
    pair: tuple[Path, Path], bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "inside-flair.md").read_text(encoding="utf-8")
    [code] = [block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "both.onnx" in block]
    assemble(written(bench.folder, *pair), bench.folder / "both.onnx")
    monkeypatch.chdir(bench.folder)
    names: dict[str, object] = {}
    capsys.readouterr()
    exec(code, names)  # noqa: S102 - our own page
    tagged = Sentence("George Washington went to Washington .")
    for checkpoint in pair:
        SequenceTagger.load(checkpoint).predict(tagged)
    assert capsys.readouterr().out.splitlines() == [
        "ner pos pos",
        str(tagged.get_spans("ner")),
        str([token.get_label("pos").value for token in tagged]),
    ]


def test_the_command_line_shows_every_task(
    pair: tuple[Path, Path], bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    def call(*words: str) -> str:
        with pytest.raises(SystemExit) as left:
            main([*words])
        assert left.value.code == 0
        return capsys.readouterr().out

    both, model, text = (str(bench.folder / name) for name in ("both.yaml", "both.onnx", "text.txt"))
    call("init", *map(str, pair), "-o", both)
    assert "proven against tagger1 and tagger2: 78 sentences" in call(both, "-o", model)
    (bench.folder / "text.txt").write_text("der Hund\n", encoding="utf-8")
    lines = call("tag", model, text).splitlines()
    assert lines[0].split() == ["#", "ner", "pos"]
    [result] = Tagger(model).tag([["der", "Hund"]])
    cells = [part for tags in result.tasks.values() for part in (tags.labels[0], f"{tags.scores[0]:.4f}")]
    assert lines[1].split() == ["der", *cells]
    assert all(line.startswith("# ner ") for line in lines[3:-1])
    [record] = json.loads(call("tag", model, text, "--format", "json"))
    assert record == json.loads(json.dumps(result.as_dict()))
    shown = call("inspect", model)
    assert re.search(r"(?m)^  ner  spans +ner_prediction, ner_scores +\d+ labels: ", shown)
    assert re.search(r"(?m)^  pos  a label a token +pos_prediction, pos_scores +3 labels: NOUN VERB DET$", shown)


def test_a_tagger_is_no_classifier_of_texts(bench: Bench) -> None:
    _, _ = bench.assembled(bench.tagger())
    with pytest.raises(ModelError, match=r"M014 the model classifies no sentences: .*\n.*assembler\.runtime\.Tagger"):
        TextClassifier(bench.folder / "tagger.onnx")


def test_language_models_alone_share_nothing(bench: Bench) -> None:
    bench.tagger().save(bench.folder / "a.pt")
    bench.language_model().save(bench.folder / "lm.pt")
    with pytest.raises(SourceError, match="R005 the checkpoint is a language model alone"):
        write_spec([str(bench.folder / "a.pt"), str(bench.folder / "lm.pt")], bench.folder)


def test_a_second_tagger_on_trained_language_models_tags_a_corpus(bench: Bench) -> None:
    trained, corpus = SHARED / "models/de-pos-small.pt", SHARED / "corpora/de-gsd-dev.conllu"
    if not trained.is_file() or not corpus.is_file():
        pytest.skip("../shared is not here: real models and corpora stand beside the repository, not in it")
    source = SequenceTagger.load(trained)
    other = second_on(source, label_type="other")
    other.save(bench.folder / "other.pt")
    spec = written(bench.folder, trained, bench.folder / "other.pt")
    assert [node.kind for node in load_spec(spec).graph.values()].count("char_lm") == 2
    blocks = corpus.read_text(encoding="utf-8").strip().split("\n\n")
    rows = [[line.split("\t") for line in block.splitlines() if not line.startswith("#")] for block in blocks]
    sentences = [[cells[1] for cells in block if cells[0].isdigit()] for block in rows]
    assert len(sentences) == 799
    results = Tagger(assemble(spec, bench.folder / "both.onnx").path).tag(sentences)
    reloaded = SequenceTagger.load(bench.folder / "other.pt")
    for tagger, task in ((source, source.label_type), (reloaded, "other")):
        expected = flair_results(tagger, sentences)
        for (labels, _), result in zip(expected, results, strict=True):
            assert [label for label, _ in labels] == list(result.tasks[task].labels)


def test_a_class_made_from_one_that_is_read_is_refused(bench: Bench) -> None:
    class Loud(SequenceTagger):
        """Its `predict` may do anything."""

    tagger = bench.tagger()
    tagger.__class__ = Loud
    with pytest.raises(SourceError, match=r"R005 source 'tagger': the checkpoint is a Loud\n") as caught:
        load_labeller(Source("tagger", "flair", "tagger.pt", None, Mark("spec.yaml", 1, 1)), tagger)
    assert caught.value.problems[0].hint is not None
    assert caught.value.problems[0].hint.endswith("MultitaskModel and LanguageModel can be assembled")


def test_the_parts_of_a_task_are_not_called_as_those_of_embeddings(bench: Bench) -> None:
    tagger = bench.tagger()
    names = ["table", "forward2", "words"]
    MultitaskModel([tagger, *(second_on(tagger) for _ in names[1:])], names).save(bench.folder / "multi.pt")
    spec = written(bench.folder, bench.folder / "multi.pt")
    heads = [node.name for node in load_spec(spec).graph.values() if node.kind == "tagger_head"]
    assert heads == ["task_table_head", "task_forward2_head", "words_head"]
