"""The list of tasks in the metadata says what a model decides; damage to it is named."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from assembler.core.errors import ModelError
from assembler.runtime import Tagger, TextClassifier, TokenTask

if TYPE_CHECKING:
    from .conftest import WriteModel

Entries = dict[str, Any]

TOKENS: Entries = {
    "name": "characters",
    "node": "head",
    "reads": "tokens",
    "label_type": "upos",
    "labels": [str(number) for number in range(34)],
    "spans": "none",
    "skipped": ["O", "_"],
    "outputs": {"prediction": "prediction", "scores": "scores"},
}
SENTENCES: Entries = {
    "name": "mood",
    "node": "head",
    "reads": "sentences",
    "label_type": "mood",
    "labels": ["GOOD", "BAD", "O"],
    "multi_label": True,
    "thresholds": [0.5, 0.25, 0.5],
    "skipped": ["O"],
    "outputs": {"probabilities": "probabilities"},
}
#: The probability of the first class is a quarter of the length of the sentence, that of each other a quarter more.
LENGTHS = """
<ir_version: 8, opset_import: ["": 17]>
lengths (int64[sentences] lengths) => (float[sentences, classes] probabilities)
<int64[1] axis = {1}, float quarter = {4.0}, float[1,3] steps = {0.0, 0.25, 0.5}>
{
  real = Cast<to = 1>(lengths)
  column = Unsqueeze(real, axis)
  share = Div(column, quarter)
  probabilities = Add(share, steps)
}
"""


@pytest.fixture
def lengths(entries: Entries) -> Entries:
    """Return the metadata of a model that classifies sentences by their length."""
    entries["interface"] |= {"inputs": [{"name": "lengths", "fill": "token_lengths"}], "language_models": {}}
    entries["interface"]["outputs"] = [{"name": "probabilities", "gives": "probabilities"}]
    entries |= {"dictionaries": {}, "tasks": [copy.deepcopy(SENTENCES)]}
    return entries


def test_two_tasks_read_their_own_labels(write_model: WriteModel, entries: Entries) -> None:
    entries["tasks"] = [TOKENS, {**TOKENS, "name": "twice", "labels": [f"B-{number}" for number in range(34)]}]
    entries["tasks"][1]["spans"] = "token_classifier"
    tagger = Tagger(write_model())
    assert [task.name for task in tagger.tasks] == ["characters", "twice"]
    [result] = tagger.tag([["ab", "c"]])
    first, second = result.tasks.values()
    assert [f"B-{label}" for label in first.labels] == list(second.labels)
    assert first.spans == ()
    assert [(span.start, span.end, span.label, span.score) for span in second.spans] == [
        (0, 1, first.labels[0], 1.0),
        (1, 2, first.labels[1], 1.0),
    ]
    assert result.as_dict()["tasks"] == {name: tags.as_dict() for name, tags in result.tasks.items()}


def test_a_model_from_before_there_was_a_list_has_the_task_that_its_labels_tell(write_model: WriteModel) -> None:
    [task] = Tagger(write_model()).tasks
    assert isinstance(task, TokenTask)
    assert (task.name, task.prediction, task.scores, task.spans) == ("upos", "prediction", "scores", "none")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": 3}, r"assembler\.tasks\[0\]\.name: expected a string, got 3"),
        ({"reads": "books"}, r"assembler\.tasks\[0\]\.reads: expected one of tokens, sentences, texts, got 'books'"),
        ({"labels": []}, r"assembler\.tasks\[0\]\.labels: there are none"),
        ({"labels": "AB"}, r"assembler\.tasks\[0\]\.labels: expected a list of strings, got 'AB'"),
        ({"skipped": None}, r"assembler\.tasks\[0\]\.skipped: expected a list of strings, got None"),
        ({"spans": True}, r"assembler\.tasks\[0\]\.spans: expected a string, got True"),
        ({"spans": "some"}, r"assembler\.tasks\[0\]\.spans: expected one of sequence_tagger, "),
        ({"outputs": {"scores": "scores"}}, r"assembler\.tasks\[0\]\.outputs\.prediction: the field is missing"),
        ({"outputs": 1}, r"assembler\.tasks\[0\]\.outputs: expected an object, got 1"),
    ],
)
def test_a_damaged_task_of_tokens_is_named(
    write_model: WriteModel, entries: Entries, change: Entries, words: str
) -> None:
    entries["tasks"] = [{**TOKENS, **change}]
    with pytest.raises(ModelError, match=f"M013 {words}"):
        Tagger(write_model())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"thresholds": [0.5]}, r"assembler\.tasks\[0\]\.thresholds: expected one for each of 3 labels, got 1"),
        ({"thresholds": [0.5, "a", 1]}, r"assembler\.tasks\[0\]\.thresholds: expected a list of numbers, got "),
        ({"thresholds": 0.5}, r"assembler\.tasks\[0\]\.thresholds: expected a list of numbers, got 0\.5"),
        ({"multi_label": 1}, r"assembler\.tasks\[0\]\.multi_label: expected true or false, got 1"),
        ({"outputs": {}}, r"assembler\.tasks\[0\]\.outputs\.probabilities: the field is missing"),
    ],
)
def test_a_damaged_task_of_sentences_is_named(
    write_model: WriteModel, lengths: Entries, change: Entries, words: str
) -> None:
    lengths["tasks"] = [{**SENTENCES, **change}]
    with pytest.raises(ModelError, match=f"M013 {words}"):
        TextClassifier(write_model(graph=LENGTHS))


@pytest.mark.parametrize(("tasks", "words"), [({}, "expected a list, got dict"), ([3], r"\[0\]: expected an object")])
def test_a_list_that_is_none_is_named(write_model: WriteModel, entries: Entries, tasks: object, words: str) -> None:
    entries["tasks"] = tasks
    with pytest.raises(ModelError, match=rf"M013 assembler\.tasks(: )?{words}"):
        Tagger(write_model())


def test_one_name_for_two_tasks_is_damage(write_model: WriteModel, entries: Entries) -> None:
    entries["tasks"] = [TOKENS, TOKENS]
    with pytest.raises(ModelError, match=r"M013 assembler\.tasks: 'characters' occurs twice"):
        Tagger(write_model())


def test_an_output_of_a_task_that_is_not_there_is_named(write_model: WriteModel, entries: Entries) -> None:
    entries["tasks"] = [{**TOKENS, "outputs": {"prediction": "prediction", "scores": "score"}}]
    with pytest.raises(ModelError, match=r"M014 output 'score' of assembler\.interface is not in the model"):
        Tagger(write_model())


def test_labels_above_their_thresholds_stand_in_the_order_of_the_classes(
    write_model: WriteModel, lengths: Entries
) -> None:
    assert lengths["tasks"]
    model = TextClassifier(write_model(graph=LENGTHS))
    results = model.classify([["a"], [], ["a", "b"], ["a", "b", "c"]], batch_size=2)
    assert [[label.value for label in result.labels] for result in results] == [["BAD"], [], ["BAD"], ["GOOD", "BAD"]]
    assert results[0].probabilities == (0.25, 0.5, 0.75)
    assert results[0].as_dict() == {"tokens": ["a"], "labels": [{"value": "BAD", "score": 0.5}]}
    assert list(results[0].tasks) == ["mood"]


def test_progress_counts_every_sentence(write_model: WriteModel, lengths: Entries) -> None:
    assert lengths["tasks"]
    steps: list[int] = []
    TextClassifier(write_model(graph=LENGTHS)).classify([["a"], [], ["b"]], batch_size=1, progress=steps.append)
    assert steps == [1, 1, 1]


def test_probabilities_of_another_number_of_classes_are_m014(write_model: WriteModel, lengths: Entries) -> None:
    lengths["tasks"] = [{**SENTENCES, "labels": ["GOOD", "BAD"], "thresholds": [0.5, 0.5]}]
    model = TextClassifier(write_model(graph=LENGTHS))
    with pytest.raises(ModelError, match=r"M014 output 'probabilities' has the shape \[1, 3\], expected \[1, 2\]"):
        model.classify([["a"]])


def test_a_classifier_takes_lists_of_tokens_and_whole_batches(write_model: WriteModel, lengths: Entries) -> None:
    assert lengths["tasks"]
    model = TextClassifier(write_model(graph=LENGTHS))
    with pytest.raises(ValueError, match="batch_size: expected at least 1, got 0"):
        model.classify([["a"]], batch_size=0)
    with pytest.raises(TypeError, match="sentence 1: expected a list of tokens, got str: 'b'"):
        model.classify([["a"], "b"])
