"""A tagger gives each sentence its tags, whatever ran together with it."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import assembler.runtime
from assembler.runtime import Span, TaggedSentence, Tagger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SENTENCES = [["der", "hund"], [], ["a"], ["zwei", "drei", "vier", "neun"], [""], ["öl", "", "😀", " "], ["x", "y"]]


@pytest.fixture
def tagger(write_model: Callable[..., Path]) -> Tagger:
    """Return a tagger that labels each token with its last character."""
    return Tagger(write_model())


@pytest.fixture
def span_tagger(write_model: Callable[..., Path], entries: dict) -> Tagger:
    """Return a tagger that takes `b` for the start of a person, `i` for the inside of one and `s` for a place."""
    names = {"b": "B-PER", "i": "I-PER", "s": "S-LOC"}
    entries["labels"] = [names.get(label, "O") for label in entries["labels"]]
    entries["interface"]["tags"] = {"label_type": "ner", "spans": True}
    return Tagger(write_model())


def _expected(tokens: list[str], labels: tuple[str, ...]) -> TaggedSentence:
    kept = tuple(token for token in tokens if token)
    scores = (labels.index(token[-1]) if token[-1] in labels else 0 for token in kept)
    given_labels = tuple(token[-1] if token[-1] in labels else "<unk>" for token in kept)
    return TaggedSentence(kept, given_labels, tuple(float(np.float32(score) / np.float32(100)) for score in scores))


def test_each_token_gets_its_label_and_its_score(tagger: Tagger) -> None:
    (sentence,) = tagger.tag([["der", "hund", "日"]])
    assert sentence.tokens == ("der", "hund", "日")
    assert sentence.labels == ("r", "d", "<unk>")
    assert sentence.scores == (float(np.float32(0.20)), float(np.float32(0.06)), 0.0)
    assert sentence.spans == ()


@pytest.mark.parametrize("batch_size", [1, 2, 3, 32])
def test_results_stand_in_the_order_of_the_caller(tagger: Tagger, batch_size: int) -> None:
    expected = [_expected(tokens, tagger.labels) for tokens in SENTENCES]
    assert tagger.tag(SENTENCES, batch_size=batch_size) == expected
    assert list(tagger.stream(SENTENCES, batch_size=batch_size, window=1)) == expected


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sentences=st.lists(st.lists(st.text(st.characters(), max_size=4), max_size=5), max_size=8),
    batch_size=st.integers(1, 5),
)
def test_any_text_is_tagged_whatever_the_batch(tagger: Tagger, sentences: list[list[str]], batch_size: int) -> None:
    expected = [_expected(tokens, tagger.labels) for tokens in sentences]
    assert tagger.tag(sentences, batch_size=batch_size) == expected


def test_a_sentence_without_tokens_has_an_empty_result(tagger: Tagger) -> None:
    assert tagger.tag([]) == []
    assert tagger.tag([[], [""]]) == [TaggedSentence(), TaggedSentence()]


def test_the_backward_reading_sees_the_first_character(
    write_model: Callable[..., Path], entries: dict, metadata: Callable[..., dict]
) -> None:
    tagger = Tagger(write_model(entries | metadata(direction="backward")))
    assert [sentence.labels for sentence in tagger.tag([["der", "hund"], ["öl"]])] == [("d", "h"), ("ö",)]


def test_spans_are_decoded_where_the_tags_are_spans(span_tagger: Tagger) -> None:
    (sentence,) = span_tagger.tag([["b", "i", "x", "s"]])
    assert sentence.labels == ("B-PER", "I-PER", "O", "S-LOC")
    mean = (sentence.scores[0] + sentence.scores[1]) / 2
    assert sentence.spans == (Span(0, 2, "PER", mean), Span(3, 4, "LOC", sentence.scores[3]))


def test_spans_are_left_out_on_request(span_tagger: Tagger) -> None:
    (sentence,) = span_tagger.tag([["b", "i"]], force_tokens=True)
    (streamed,) = span_tagger.stream([["b", "i"]], force_tokens=True)
    assert sentence == streamed
    assert (sentence.labels, sentence.spans) == (("B-PER", "I-PER"), ())


def test_a_sentence_is_json(span_tagger: Tagger) -> None:
    (sentence,) = span_tagger.tag([["s"]])
    score = sentence.scores[0]
    assert json.loads(json.dumps(sentence.as_dict())) == {
        "tokens": ["s"],
        "labels": ["S-LOC"],
        "scores": [score],
        "spans": [{"start": 0, "end": 1, "label": "LOC", "score": score}],
    }


def test_a_stream_reads_no_more_than_a_window_ahead(tagger: Tagger) -> None:
    read: list[list[str]] = []

    def source() -> Iterator[list[str]]:
        while True:
            read.append(["der", "hund"])
            yield read[-1]

    stream = tagger.stream(source(), batch_size=3, window=2)
    assert read == []
    for given_back, _ in enumerate(islice(stream, 20), 1):
        assert given_back <= len(read) < given_back + 6


def test_a_stream_holds_no_more_the_longer_it_runs(tagger: Tagger) -> None:
    words = ["der", "hund", "öl", "zwei", "drei", "😀"]
    sentences = ([f"{words[number % 6]}{number}"] * (1 + number % 7) for number in range(4000))
    held: list[int] = []
    tracemalloc.start()
    try:
        for done, _ in enumerate(tagger.stream(sentences, batch_size=25, window=4), 1):
            if done % 100 == 50:  # in the midst of a window
                gc.collect()
                held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert len(held) == 40
    # Small blocks under ONNX Runtime and numpy add some 40 kB, less and less; the results of all windows would be 2 MB.
    assert max(held) < 4 * held[1]


def test_progress_counts_every_sentence_once(tagger: Tagger) -> None:
    calls: list[int] = []
    tagger.tag(SENTENCES, batch_size=2, progress=calls.append)
    assert sum(calls) == len(SENTENCES)
    assert max(calls) == 2
    calls.clear()
    assert len(list(tagger.stream(SENTENCES, batch_size=2, window=2, progress=calls.append))) == len(SENTENCES)
    assert sum(calls) == len(SENTENCES)


def test_one_batch_runs_in_the_callers_thread_and_several_beside_it(
    tagger: Tagger, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assembler.runtime.session import Session

    ran, run = [], Session.run

    def watched(session: Session, *given: object) -> object:
        ran.append(threading.current_thread())
        return run(session, *given)

    monkeypatch.setattr(Session, "run", watched)
    expected = tagger.tag(SENTENCES)
    assert ran == [threading.current_thread()]
    ran.clear()
    assert tagger.tag(SENTENCES, batch_size=2) == expected
    assert len(ran) > 1
    assert threading.current_thread() not in ran


def test_several_threads_may_use_one_tagger(tagger: Tagger) -> None:
    expected = tagger.tag(SENTENCES)
    start = threading.Barrier(4)

    def tag(_number: int) -> list[list[TaggedSentence]]:
        start.wait(timeout=30)
        return [tagger.tag(SENTENCES, batch_size=2) for _ in range(20)]

    with ThreadPoolExecutor(4) as pool:
        assert all(results == [expected] * 20 for results in pool.map(tag, range(4)))


def test_a_tagger_says_what_the_file_says(tagger: Tagger) -> None:
    assert tagger.labels[:4] == ("<unk>", "\n", " ", "a")
    assert tagger.interface.output("scores") == "scores"
    assert tagger.metadata["versions"] == {"assembler": "0.1.0"}
    assert tagger.metadata["format"] == 1


def test_a_model_with_external_data_is_loaded(write_model: Callable[..., Path]) -> None:
    path = write_model()
    model = onnx.load(path)
    hundred = next(tensor for tensor in model.graph.initializer if tensor.name == "hundred")
    hundred.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(hundred), "hundred"))  # as raw data
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert (path.parent / "weights.bin").exists()
    assert Tagger(str(path)).tag([["der"]])[0].labels == ("r",)


@pytest.mark.parametrize("argument", ["batch_size", "window"])
def test_sizes_below_one_are_refused_at_once(tagger: Tagger, argument: str) -> None:
    with pytest.raises(ValueError, match=f"{argument}: expected at least 1, got 0"):
        tagger.stream([], **{argument: 0})


def test_a_batch_size_below_one_is_refused(tagger: Tagger) -> None:
    with pytest.raises(ValueError, match="batch_size: expected at least 1, got -1"):
        tagger.tag([], batch_size=-1)


def test_a_sentence_that_is_a_string_is_refused(tagger: Tagger) -> None:
    with pytest.raises(TypeError, match="sentence 1: expected a list of tokens, got str: 'der hund'"):
        tagger.tag([["a"], "der hund"])


def test_importing_the_runtime_and_tagging_import_nothing_heavy(write_model: Callable[..., Path]) -> None:
    script = """
import sys
import assembler.runtime
assert "onnxruntime" not in sys.modules, "importing the package imports ONNX Runtime"
labels = assembler.runtime.Tagger(sys.argv[1]).tag([["der"]])[0].labels
assert labels == ("r",), labels
heavy = {"torch", "flair", "onnx", "onnx_graphsurgeon", "networkx", "yaml", "ruamel", "click", "rich", "jsonschema"}
print(sorted(heavy & set(sys.modules)))
"""
    root = Path(assembler.runtime.__file__).parents[2]
    command = [sys.executable, "-c", script, str(write_model())]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "[]", "")
