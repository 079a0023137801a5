"""Taggers that take text and give labels: flair's own, on whole corpora and on text that is written carelessly."""

from __future__ import annotations

import dataclasses
import itertools
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assembler.core.errors import ModelError, ParityError, SourceError, SpecError
from assembler.initialisation import write_spec
from assembler.parts import registry
from assembler.runtime import Tagger, decode_spans
from assembler.runtime.text import encode_text
from assembler.spec.reading import parse_spec
from assembler.surgery.emission import emit_parts
from assembler.surgery.joining import join
from assembler.weights.heads import LabelWeights
from assembler.wiring.graph import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.assembly.conftest import Outcome, Workshop

SPANS = ("span_sentence", "span_start", "span_end", "span_label", "span_score")


def shared_file(shop: Workshop, name: str) -> Path:
    path = shop.shared / name
    if not path.is_file():
        pytest.skip(f"{path} is not here: real models and corpora stand beside the repository, not in it")
    return path


def tokens_of(path: Path) -> list[list[str]]:
    """Return the tokens of a corpus, those of multiword lines left out."""
    blocks = path.read_text(encoding="utf-8").strip().split("\n\n")
    rows = [[line.split("\t") for line in block.splitlines() if not line.startswith("#")] for block in blocks]
    return [[cells[1] for cells in block if cells[0].isdigit()] for block in rows]


def text_model(shop: Workshop, checkpoint: Path, folder: Path) -> Path:
    spec = folder / f"{checkpoint.stem}.yaml"
    spec.write_text(write_spec(str(checkpoint), folder, text=True), encoding="utf-8")
    return shop.build(spec).path


@pytest.fixture(scope="module")
def model(shop: Workshop, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the text model of the small tagger that most tests use."""
    return text_model(shop, checkpoint, tmp_path_factory.mktemp("text"))


@pytest.mark.parametrize(
    ("name", "corpus", "count", "spans"),
    [("de-pos-small", "de-gsd-dev.conllu", 799, False), ("en-ner-small", "en-ewt-dev.iob2", 2001, True)],
)
def test_every_label_of_a_corpus_is_flairs_own(
    shop: Workshop, tmp_path: Path, name: str, corpus: str, count: int, *, spans: bool
) -> None:
    from flair.models import SequenceTagger

    from assembler.flair_checkpoints.models.sequence_tagger import predict

    checkpoint = shared_file(shop, f"models/{name}.pt")
    sentences = tokens_of(shared_file(shop, f"corpora/{corpus}"))
    sentences = [[token.replace(" ", "\u00a0") for token in tokens] for tokens in sentences]
    assert len(sentences) == count
    path = text_model(shop, checkpoint, tmp_path)
    expected = [
        list(zip(tagged.labels, tagged.scores, strict=True))
        for tagged in predict(SequenceTagger.load(checkpoint), sentences, 32)
    ]
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    assert names == ["labels", "scores", "lengths", "prediction", *(SPANS if spans else ())]
    found = 0
    for start in range(0, count, 100):
        batch, tags = sentences[start : start + 100], expected[start : start + 100]
        outputs = dict(zip(names, session.run(names, {"text": encode_text(batch)}), strict=True))
        width = max(map(len, batch))
        labels = [[label for label, _ in row] + [""] * (width - len(row)) for row in tags]
        assert outputs["labels"].tolist() == labels
        assert outputs["lengths"].tolist() == [len(tokens) for tokens in batch]
        scores = [[score for _, score in row] + [0.0] * (width - len(row)) for row in tags]
        np.testing.assert_allclose(outputs["scores"], scores, rtol=0, atol=1e-5)
        if spans:
            found += compare_spans(outputs, tags)
    assert found > 100 or not spans


def compare_spans(outputs: dict[str, np.ndarray], tags: Sequence[Sequence[tuple[str, float]]]) -> int:
    """Compare the spans of a batch with flair's own decoding of flair's own tags, and return their number."""
    from flair.data import get_spans_from_bio

    expected = []
    for number, row in enumerate(tags):
        for places, score, label in get_spans_from_bio([label for label, _ in row], [score for _, score in row]):
            expected.append(((number, places[0], places[-1] + 1, label), score))
    given = list(zip(*(outputs[name].tolist() for name in SPANS[:4]), strict=True))
    assert given == [place for place, _ in expected]
    assert outputs["span_score"].dtype == np.float64
    np.testing.assert_allclose(outputs["span_score"], [score for _, score in expected], rtol=0, atol=1e-5)
    return len(given)


def test_the_run_time_tags_with_a_text_model_as_with_indices(model: Path, built: Path) -> None:
    sentences = [["der", "Hund", "😀", "."], [], ["", "ja", ""], ["x\0y", "\ud83d", "\u00a0", "İ"], ["a"] * 40]
    expected = Tagger(built).tag(sentences)
    for size, streamed in itertools.product((1, 32), (False, True)):
        tagger = Tagger(model)
        given = [*tagger.stream(sentences, batch_size=size)] if streamed else tagger.tag(sentences, batch_size=size)
        assert [result.labels for result in given] == [result.labels for result in expected]
        assert [result.tokens for result in given] == [result.tokens for result in expected]


def test_the_command_line_tags_with_a_text_model(
    cli: Callable[..., Outcome], model: Path, built: Path, tmp_path: Path
) -> None:
    (tmp_path / "text.txt").write_text("der  hund bellt .\n\n wir 😀 \n", encoding="utf-8")
    expected = cli("tag", built, tmp_path / "text.txt")
    given = cli("tag", model, tmp_path / "text.txt")
    assert given.code == 0
    assert given.out == expected.out
    assert given.out.count("\n") == 4 + 1 + 1 + 2 + 1


def test_a_token_with_a_space_is_refused_by_name(model: Path) -> None:
    with pytest.raises(ValueError, match=r"sentence 0: expected tokens without spaces.* got 'New York'; a model that"):
        Tagger(model).tag([["in", "New York"]])


@pytest.mark.parametrize("text", ["  der   hund ", "der hund", "der hund          ", "\0\0der\0hund\0"])
def test_separators_around_tokens_change_no_label(model: Path, text: str) -> None:
    session = ort.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    codes = np.array([[ord(letter) for letter in text]], np.int32)
    labels, scores, lengths = session.run(["labels", "scores", "lengths"], {"text": codes})
    [expected] = Tagger(model).tag([["der", "hund"]])
    assert tuple(labels[0]) == expected.labels
    assert scores[0].tolist() == pytest.approx(expected.scores, abs=1e-6)
    assert lengths.tolist() == [2]


@pytest.mark.parametrize("shape", [(1, 0), (1, 3), (3, 3)])
def test_sentences_without_tokens_have_no_labels(model: Path, shape: tuple[int, int]) -> None:
    session = ort.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    outputs = session.run(["labels", "scores", "lengths", "prediction"], {"text": np.zeros(shape, np.int32)})
    assert [array.tolist() for array in outputs] == [
        [[""]] * shape[0],
        [[0.0]] * shape[0],
        [0] * shape[0],
        [[0]] * shape[0],
    ]


def test_a_text_model_carries_what_it_takes_and_gives(shop: Workshop, model: Path) -> None:
    interface = shop.metadata(model)["interface"]
    assert interface["inputs"] == [{"name": "text", "fill": "text"}]
    assert {entry["name"]: entry["gives"] for entry in interface["outputs"]} == {
        "labels": "labels", "scores": "scores", "lengths": "lengths", "prediction": "prediction"
    }  # fmt: skip
    assert [(entry.name, entry.type.tensor_type.elem_type) for entry in onnx.load(model).graph.input] == [("text", 6)]
    assert {node.domain for node in onnx.load(model).graph.node} == {""}


@pytest.mark.parametrize("opset", ["13", "18"])
def test_a_text_model_is_proven_at_other_opsets(shop: Workshop, checkpoint: Path, tmp_path: Path, opset: str) -> None:
    spec = tmp_path / "stack.yaml"
    text = write_spec(str(checkpoint), tmp_path, text=True)
    spec.write_text(text.replace("version: 1\n", f"version: 1\nopset: {opset}\n"), encoding="utf-8")
    assert shop.build(spec).proven.tokens > 90


def test_labels_of_another_order_do_not_pass_the_proof(
    shop: Workshop, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = tmp_path / "stack.yaml"
    spec.write_text(write_spec(str(checkpoint), tmp_path, text=True), encoding="utf-8")
    view = LabelWeights(("VERB", "NOUN", "DET", "PUNCT", "ADJ"))
    other = dataclasses.replace(registry.kinds()["labels"], view=lambda _weights: view)
    monkeypatch.setitem(registry._installed(), "labels", other)
    with pytest.raises(
        ParityError, match=r"P001 the model does not give the labels and spans of 'tagger'\n .*: the labels"
    ):
        shop.build(spec)
    assert not spec.with_suffix(".onnx").exists()


def test_characters_of_the_other_direction_do_not_pass_the_proof(
    shop: Workshop, checkpoint: Path, tmp_path: Path
) -> None:
    spec = tmp_path / "stack.yaml"
    text = write_spec(str(checkpoint), tmp_path, text=True)
    swapped = text.replace("characters: forward_characters.characters", "characters: backward_characters.characters")
    spec.write_text(swapped, encoding="utf-8")
    with pytest.raises(ParityError, match="P001"):
        shop.build(spec)


def refusal(checkpoint: Path, folder: Path) -> str:
    with pytest.raises(SourceError, match="R005") as caught:
        write_spec(str(checkpoint), folder, text=True)
    return str(caught.value)


def test_a_language_model_alone_is_refused(tmp_path: Path, shop: Workshop) -> None:
    path = shop.save(shop.language_model(), tmp_path / "lm.pt")
    assert "a language model alone has no labels" in refusal(path, tmp_path)


def test_init_writes_a_text_spec_and_says_why_it_does_not(
    cli: Callable[..., Outcome], shop: Workshop, checkpoint: Path, tmp_path: Path
) -> None:
    written = cli("init", checkpoint, "--interface", "text", "-o", tmp_path / "text.yaml")
    assert written.code == 0
    assert cli("check", tmp_path / "text.yaml").code == 0
    refused = cli("init", shop.save(shop.language_model(), tmp_path / "lm.pt"), "--interface", "text")
    assert (refused.code, refused.out) == (1, "")
    assert "R005" in refused.err
    assert "--interface indices" in refused.err


def test_parts_take_only_weights_of_their_own_sort(shop: Workshop, checkpoint: Path, tmp_path: Path) -> None:
    spec = tmp_path / "stack.yaml"
    text = write_spec(str(checkpoint), tmp_path, text=True)
    spec.write_text(
        text.replace("kind: labels\n    weights: tagger.head", "kind: labels\n    weights: tagger.embeddings.1")
    )
    with pytest.raises(
        SourceError, match=r"R007 labels: 'tagger.embeddings.1' is a part of kind 'char_lm', not 'tagger_head'"
    ):
        shop.build(spec)


DECODING = """\
version: 1
name: decoding
sources: {tagger: {flair: tagger.pt}}
inputs:
  prediction: {type: int64, shape: [sentences, tokens]}
  scores: {type: float32, shape: [sentences, tokens]}
  lengths: {type: int64, shape: [sentences]}
graph:
  spans:
    kind: spans
    weights: tagger.head
    inputs: {prediction: prediction, scores: scores, lengths: lengths}
outputs:
  span_sentence: spans.sentence
  span_start: spans.start
  span_end: spans.end
  span_label: spans.label
  span_score: spans.score
"""
LABELS = (
    "O", "_", "", "O-", "B-PER", "I-PER", "E-PER", "S-PER", "B-LOC", "I-LOC", "E-LOC", "S-LOC", "I-", "B-",
    "<unk>", "<START>", "NOUN", "X", "B-S-", "I-S-", "PER",
)  # fmt: skip


@pytest.fixture(scope="module")
def decoder() -> Callable[..., dict[str, np.ndarray]]:
    wiring = wire(parse_spec(DECODING, "decoding.yaml"), {"spans": LabelWeights(LABELS)})
    model = join(wiring, emit_parts(wiring))
    assert not model.weights
    session = ort.InferenceSession(model.proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return lambda **feeds: dict(zip(SPANS, session.run(SPANS, feeds), strict=True))


@settings(max_examples=300)
@given(
    batch=st.lists(
        st.lists(st.tuples(st.sampled_from(range(len(LABELS))), st.floats(0.0078125, 1, width=32)), max_size=9),
        min_size=1,
        max_size=4,
    )
)
def test_spans_in_the_graph_are_those_of_flair(
    decoder: Callable[..., dict[str, np.ndarray]], batch: list[list[tuple[int, float]]]
) -> None:
    width = max(1, *map(len, batch))
    prediction, scores = np.full((len(batch), width), 4), np.full((len(batch), width), 0.5, np.float32)
    for row, tags in enumerate(batch):
        prediction[row, : len(tags)] = [number for number, _ in tags]
        scores[row, : len(tags)] = [score for _, score in tags]
    given = decoder(prediction=prediction, scores=scores, lengths=np.array([len(tags) for tags in batch]))
    tagged = [[(LABELS[number], score) for number, score in tags] for tags in batch]
    compare_spans(given, tagged)
    expected = [span.score for row in tagged for span in decode_spans(*(zip(*row, strict=True) if row else ((), ())))]
    assert given["span_score"].tolist() == expected  # to the last bit


def test_a_spec_cannot_feed_words_from_text(shop: Workshop, tmp_path: Path) -> None:
    from assembler.spec.reading import load_spec

    text = """\
version: 1
name: words
sources: {tagger: {flair: tagger.pt}}
inputs: {text: {type: int32, shape: [sentences, characters]}}
graph:
  tokens: {kind: text_tokens, inputs: {text: text}}
  table: {kind: embedding, weights: tagger.embeddings.0, inputs: {words: tokens.text}}
outputs: {rows: table.rows}
"""
    with pytest.raises(SpecError, match=r"W003 tokens.text → table.words: .* 2 axes arrive, 1 are expected"):
        wire(load_spec(shop.spec(tmp_path, text)))


def test_a_model_that_wants_text_of_another_type_is_refused(model: Path, tmp_path: Path) -> None:
    proto = onnx.load(model)
    proto.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.INT64
    (tmp_path / "odd.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(ModelError, match=r"M014 input 'text' is tensor\(int64\), expected tensor\(int32\)"):
        Tagger(tmp_path / "odd.onnx", verify=False)


@pytest.mark.parametrize("profile", ["cpu", "int8"])
def test_a_text_model_is_lowered_and_proven_in_other_profiles(
    shop: Workshop, checkpoint: Path, tmp_path: Path, profile: str
) -> None:
    spec = tmp_path / "stack.yaml"
    text = write_spec(str(checkpoint), tmp_path, text=True)
    budget = ", tags_changed: 0.1" if profile == "int8" else ""  # of random weights, which quantisation changes most
    spec.write_text(text.replace("proof: {against: tagger", "proof: {against: tagger" + budget), encoding="utf-8")
    path = shop.build(spec, profile=profile).path
    sentences = [["der", "hund", "bellt", "😀"], ["ja"]]
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    [labels] = session.run(["labels"], {"text": encode_text(sentences)})
    assert [tuple(filter(None, row)) for row in labels.tolist()] == [
        each.labels for each in Tagger(path).tag(sentences)
    ]
    assert shop.metadata(path)["spec"]["profile"] == profile


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ("int64, shape: [a, b], fill: text", "W020 text: the fill 'text' is int32 with 2 axes, the input is int64"),
        ("int32, shape: [a], fill: text", "W020 text: the fill 'text' is int32 with 2 axes, the input is int32"),
        ("int64, shape: [a, b]", r"W003 text → tokens.text: int64\[a, b\] cannot feed int32"),
    ],
)
def test_a_text_input_of_another_type_is_a_problem(declared: str, message: str) -> None:
    text = f"""\
version: 1
name: odd
inputs: {{text: {{type: {declared}}}}}
graph: {{tokens: {{kind: text_tokens, inputs: {{text: text}}}}}}
outputs: {{counts: tokens.counts}}
"""
    with pytest.raises(SpecError, match=message):
        wire(parse_spec(text, "odd.yaml"))


IN_A_CHILD = """\
import json, sys
import numpy as np, onnxruntime as ort
session = ort.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
names = [output.name for output in session.get_outputs()]
for shape in ((0, 0), (0, 5), (1, 0)):
    outputs = session.run(names, {"text": np.zeros(shape, np.int32)})
    print(json.dumps({name: array.shape for name, array in zip(names, outputs)}))
"""


@pytest.mark.parametrize("profile", ["portable", "cpu", "int8"])
def test_no_sentences_give_empty_outputs(shop: Workshop, tmp_path: Path, profile: str) -> None:
    """In a process of its own: operators of ONNX Runtime take it down when they are given no sentences."""
    checkpoint = shop.save(shop.tagger(labels=("O", "B-PER", "I-PER", "B-LOC", "I-LOC")), tmp_path / "t.pt")
    spec = tmp_path / "stack.yaml"
    spec.write_text(write_spec(str(checkpoint), tmp_path, text=True), encoding="utf-8")
    path = shop.build(spec, profile=profile, proof=False).path
    command = [sys.executable, "-c", IN_A_CHILD, str(path)]
    done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    no_rows, no_characters, one = map(json.loads, done.stdout.splitlines())
    spans = {name: [0] for name in SPANS}
    table = {"labels": [0, 1], "scores": [0, 1], "lengths": [0], "prediction": [0, 1]}
    assert no_rows == no_characters == table | spans
    assert one == {"labels": [1, 1], "scores": [1, 1], "lengths": [1], "prediction": [1, 1]} | spans
