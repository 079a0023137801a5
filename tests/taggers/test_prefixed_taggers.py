"""A PrefixedSequenceTagger (HunFlair2) gives flair's own spans: hosts add its prompt, and take it off again."""

from __future__ import annotations

import copy
import json
import pickle
import re
from typing import TYPE_CHECKING

import pytest
import torch
from flair.data import Dictionary, Sentence
from flair.embeddings import FlairEmbeddings, StackedEmbeddings
from flair.models import MultitaskModel, PrefixedSequenceTagger, SequenceTagger
from flair.models.prefixed_tagger import EntityTypeTaskPromptAugmentationStrategy, PrefixedSentence
from flair.nn import Classifier

from assembler import assemble
from assembler.cli.main import main
from assembler.core.errors import ModelError, SourceError, SpecError
from assembler.core.problems import Mark
from assembler.flair import OnnxPrefixedSequenceTagger, OnnxSequenceTagger
from assembler.flair_checkpoints.written_state import state_of
from assembler.forms.source import Source
from assembler.initialisation import write_spec
from assembler.interface.fields import Fields
from assembler.interface.prompts import Prompt
from assembler.runtime import Span, Tagger, TaskTags, encode
from assembler.runtime.prompting import without_prompt

from .conftest import HARD
from .encoders import encoder

if TYPE_CHECKING:
    from pathlib import Path

    from flair.embeddings import TokenEmbeddings

    from .conftest import Bench

#: Sentences without tokens are neighbours too: flair reads their prompt.
SENTENCES = (*HARD, (), ("nein",), (), ("Gene", "TP53", "mutations", "cause", "cancer", "."))
TYPES = ["gene", "disease", "cell line"]


def tagger(
    bench: Bench,
    *embeddings: TokenEmbeddings,
    types: list[str] = TYPES,
    crf: bool = True,
    spans: bool = True,
    spread: float = 0.9,
) -> SequenceTagger:
    """Return a tagger that finds many spans, some of which reach out of the prompt."""
    dictionary = Dictionary(add_unk=False)
    for label in ("GENE", "DISEASE"):
        dictionary.add_item(label)
    dictionary.span_labels = spans
    parts = list(embeddings) or [FlairEmbeddings(bench.language_model(), name="forward")]
    model = PrefixedSequenceTagger(
        embeddings=StackedEmbeddings(parts),
        tag_dictionary=dictionary,
        tag_type="ner",
        hidden_size=6,
        use_crf=crf,
        augmentation_strategy=EntityTypeTaskPromptAugmentationStrategy(types),
    )
    torch.manual_seed(2 if crf else 3)
    for name, parameter in model.named_parameters():
        if not name.startswith("embeddings"):
            parameter.data.normal_(0, spread)
    for place, label in enumerate(model.label_dictionary.get_items()):
        model.linear.bias.data[place] += {"I-": 1.0, "S-": 1.0, "O": -1.0}.get(label[:2], 0.0)
    return model.eval()


def assembled(bench: Bench, model: SequenceTagger) -> tuple[PrefixedSequenceTagger, Path]:
    checkpoint, spec = bench.folder / "tagger.pt", bench.folder / "tagger.yaml"
    model.save(checkpoint)
    spec.write_text(write_spec(str(checkpoint), bench.folder), encoding="utf-8")
    return PrefixedSequenceTagger.load(checkpoint), assemble(spec, bench.folder / "tagger.onnx").path


def spans_of(sentence: Sentence, name: str = "ner") -> list[tuple[int, int, str, float]]:
    return [
        (span[0].idx - 1, span[-1].idx, label.value, label.score)
        for span in sentence.get_spans(name)
        for label in span.get_labels(name)
    ]


def gold() -> list[Sentence]:
    sentences = [Sentence(list(tokens)) for tokens in SENTENCES if tokens]
    sentences[-1][1:2].add_label("ner", "GENE")
    return sentences


def same(found: list[tuple[int, int, str, float]], expected: list[tuple[int, int, str, float]]) -> None:
    assert [each[:3] for each in found] == [each[:3] for each in expected]
    assert [each[3] for each in found] == pytest.approx([each[3] for each in expected], abs=1e-5)


def compare(source: PrefixedSequenceTagger, path: Path) -> int:
    """Assert that the run time finds flair's spans, and return their number."""
    given = [Sentence(list(tokens)) for tokens in SENTENCES]
    source.predict(given, label_name="found")
    for size in (1, 3, 32):
        for sentence, result in zip(given, Tagger(path).tag(SENTENCES, batch_size=size), strict=True):
            assert list(result.tokens) == [token.text for token in sentence]
            assert len(result.labels) == len(result.scores) == len(sentence)
            same([(s.start, s.end, s.label, s.score) for s in result.spans], spans_of(sentence, "found"))
    return sum(len(spans_of(sentence, "found")) for sentence in given)


@pytest.mark.parametrize("crf", [True, False])
def test_spans_are_those_of_flairs_predict(bench: Bench, crf: bool) -> None:  # noqa: FBT001
    source, path = assembled(bench, tagger(bench, crf=crf))
    augmented = [source.augmentation_strategy.augment_sentence(Sentence(list(tokens))) for tokens in SENTENCES]
    SequenceTagger.predict(source, augmented, label_name="all")
    count = len(source.augmentation_strategy.task_prompt)
    across = [span for each in augmented for span in spans_of(each, "all") if span[0] < count < span[1]]
    assert across, "no span reaches from the prompt into a sentence, so the test shows too little"
    assert compare(source, path) > 10


def test_an_encoder_reads_its_neighbours_with_their_prompts(bench: Bench) -> None:
    flert = encoder(bench.folder, "bert", use_context=12, allow_long_sentences=True)
    assert compare(*assembled(bench, tagger(bench, flert, crf=False, spread=0.5))) > 10


def test_streams_raw_text_and_the_command_line_do_the_same(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    source, path = assembled(bench, tagger(bench))
    text = "TP53 mutations (in 50%) cause cancer.  So they say."
    sentence = Sentence(text)
    source.predict(sentence)
    assert spans_of(sentence)
    [result] = Tagger(path).stream([text], tokenizer="segtok")
    same([(s.start, s.end, s.label, s.score) for s in result.spans], spans_of(sentence))
    assert result.offsets == tuple((token.start_position, token.end_position) for token in sentence)
    (bench.folder / "text.txt").write_text(f"{text}\n", encoding="utf-8")
    capsys.readouterr()
    with pytest.raises(SystemExit, match="0"):
        main(["tag", str(path), str(bench.folder / "text.txt"), "--tokenizer", "segtok", "--format", "json"])
    [record] = json.loads(capsys.readouterr().out)
    assert [(s["start"], s["end"], s["label"]) for s in record["spans"]] == [each[:3] for each in spans_of(sentence)]
    assert record["tokens"] == [token.text for token in sentence]


def test_hosts_are_told_the_prompt(bench: Bench) -> None:
    source, path = assembled(bench, tagger(bench))
    model = Tagger(path)
    words = ["[", "Tag", "gene,", "disease", "and", "cell", "line", "]"]
    assert source.augmentation_strategy.task_prompt == words
    assert model.metadata["interface"]["prompt"] == {"words": words, "entity_types": TYPES}
    assert encode(model.interface, [["TP53"]])["lengths"].tolist() == [len(words) + 1]


def test_it_stands_in_for_flairs_class(bench: Bench) -> None:
    source, path = assembled(bench, tagger(bench))
    model = Classifier.load(path)
    assert type(model) is OnnxPrefixedSequenceTagger
    assert isinstance(PrefixedSequenceTagger.load(path), OnnxPrefixedSequenceTagger)
    for options in ({}, {}, {"label_name": "other"}, {"label_name": "other"}):  # flair adds up without a name
        ours, theirs = ([Sentence(list(tokens)) for tokens in SENTENCES] for _ in range(2))
        for _ in range(2):
            model.predict(ours, **options)
            source.predict(theirs, **options)
        for one, other in zip(ours, theirs, strict=True):
            same(spans_of(one, options.get("label_name", "ner")), spans_of(other, options.get("label_name", "ner")))
    ours, theirs = (PrefixedSentence(["[", "Tag", "x", "]", "TP53", "cancer"]) for _ in range(2))
    model.predict(ours)
    source.predict(theirs)
    same(spans_of(ours), spans_of(theirs))
    results = [each.evaluate(gold(), gold_label_type="ner") for each in (model, source)]
    assert results[0].main_score == results[1].main_score
    assert results[0].detailed_results == results[1].detailed_results


def test_copies_follow_what_was_set(bench: Bench) -> None:
    _, path = assembled(bench, tagger(bench))
    model = OnnxPrefixedSequenceTagger.load(path)
    model.save(bench.folder / "copy.onnx")
    assert type(Classifier.load(bench.folder / "copy.onnx")) is OnnxPrefixedSequenceTagger
    model.augmentation_strategy = EntityTypeTaskPromptAugmentationStrategy(["species"])
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):  # noqa: S301 - our own
        assert other.augmentation_strategy.entity_types == ["species"]
    with pytest.raises(NotImplementedError, match="'augmentation_strategy'"):
        model.save(bench.folder / "other.onnx")


def test_other_classes_do_not_take_it(bench: Bench) -> None:
    _, path = assembled(bench, tagger(bench))
    for cls in (OnnxSequenceTagger, MultitaskModel):
        with pytest.raises(ValueError, match="reads sentences behind a prompt"):
            cls.load(path)
    plain = bench.assembled(bench.tagger(FlairEmbeddings(bench.language_model(), name="forward")), "plain")
    assert plain[1].interface.prompt == Prompt()
    with pytest.raises(ValueError, match="reads sentences without a prompt"):
        OnnxPrefixedSequenceTagger.load(bench.folder / "plain.onnx")


def test_what_cannot_be_assembled_is_refused(bench: Bench) -> None:
    path, other, plain = (bench.folder / f"{name}.pt" for name in ("tagger", "other", "plain"))
    tagger(bench).save(path)
    with pytest.raises(SourceError, match=r"R005 .*behind the prompt '\[ Tag gene, disease and cell line \]'"):
        write_spec(str(path), bench.folder, text=True)
    tagger(bench, types=["gene"]).save(other)
    bench.tagger(FlairEmbeddings(bench.language_model(), name="forward")).save(plain)
    for second, read in ((other, r"behind '\[ Tag gene \]'"), (plain, "without a prompt")):
        with pytest.raises(SourceError, match=f"R005 'tagger1' reads .*'tagger2' reads them {read}"):
            write_spec([str(path), str(second)], bench.folder)
    tagger(bench, spans=False).save(path)
    with pytest.raises(SourceError, match=r"R005 .*a prompt and labels without spans"):
        write_spec(str(path), bench.folder)


def test_a_spec_with_two_prompts_is_refused(bench: Bench) -> None:
    """What `init` refuses, a spec by hand can still ask for."""
    model = tagger(bench)
    model.save(bench.folder / "tagger1.pt")
    model.save(bench.folder / "tagger2.pt")
    text = write_spec([str(bench.folder / f"tagger{number}.pt") for number in (1, 2)], bench.folder)
    tagger(bench, types=["gene"]).save(bench.folder / "tagger2.pt")
    unpinned = re.sub(r", sha256: \w+", "", text)
    (bench.folder / "two.yaml").write_text(unpinned, encoding="utf-8")
    with pytest.raises(SpecError, match=r"W013 .*behind '\[ Tag gene \]'"):
        assemble(bench.folder / "two.yaml", bench.folder / "two.onnx")


@pytest.mark.parametrize("words", [[], ["[", ""], ["x"] * 300, "Tag"])
def test_a_damaged_prompt_is_an_error(words: object) -> None:
    with pytest.raises(ModelError, match=r"M013 .*words"):
        Prompt.from_metadata(Fields.of({"words": words, "entity_types": []}, "assembler.interface.prompt", "x.onnx"))


def test_a_damaged_strategy_is_refused(bench: Bench) -> None:
    model = tagger(bench)
    for name, value in (("task_prompt", ["[", ""]), ("entity_types", []), ("task_prompt", "[ Tag ]")):
        model.augmentation_strategy = EntityTypeTaskPromptAugmentationStrategy(["gene"])
        setattr(model.augmentation_strategy, name, value)
        model.save(bench.folder / "tagger.pt")
        with pytest.raises(SourceError, match=f"R006 .*the {name} of the tagger's augmentation strategy"):
            write_spec(str(bench.folder / "tagger.pt"), bench.folder)


def test_objects_that_are_trusted_are_read_too(bench: Bench) -> None:
    """And written as plain data, as `convert` writes them."""
    model, path, plain = tagger(bench), bench.folder / "object.pt", bench.folder / "plain.pt"
    torch.save(model, path)
    with pytest.raises(SourceError, match="R003"):
        write_spec(str(path), bench.folder)
    spec = bench.folder / "object.yaml"
    spec.write_text(write_spec(str(path), bench.folder, trust=True), encoding="utf-8")
    built = assemble(spec, bench.folder / "object.onnx", trust=True).path
    assert compare(model, built) > 10
    source = Source("tagger", "flair", str(path), None, Mark("spec.yaml", 1, 1))
    torch.save(state_of(source, model), plain, pickle_protocol=4)
    assert "kind: tagger_head" in write_spec(str(plain), bench.folder)


def test_tasks_of_a_multitask_model_share_their_prompt(bench: Bench) -> None:
    path = bench.folder / "tasks.pt"
    MultitaskModel([tagger(bench), bench.tagger()], ["one", "two"]).save(path)
    with pytest.raises(SourceError, match=r"R005 .*'tagger\.tasks\.two' reads them without a prompt"):
        write_spec(str(path), bench.folder)


def test_a_span_that_begins_in_the_prompt_is_left_out() -> None:
    tags = TaskTags(("O", "B-X", "I-X", "S-X"), (1.0, 0.5, 0.5, 0.25), (Span(1, 3, "X", 0.5), Span(3, 4, "X", 0.25)))
    assert without_prompt(tags, Prompt(("[", "]"))) == TaskTags(("I-X", "S-X"), (0.5, 0.25), (Span(1, 2, "X", 0.25),))
