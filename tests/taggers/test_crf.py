"""A conditional random field in the graph decodes what flair's own decoder decodes, with its scores and spans."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from assembler.onnx_model.sessions import open_session, run
from assembler.surgery.emission import emit_parts
from assembler.surgery.single import OUTPUT, single_part

from .conftest import HARD, ROOT, compare, english_sentences

if TYPE_CHECKING:
    from .conftest import Bench


@pytest.mark.parametrize("tag_format", ["BIOES", "BIO"])
def test_a_crf_gives_flairs_tags_scores_and_spans(bench: Bench, tag_format: str) -> None:
    tagger = bench.tagger(tag_format=tag_format, labels=("PER", "LOC", "MISC"))
    compare(*bench.assembled(tagger), HARD)


def test_a_crf_over_plain_tags_has_no_spans(bench: Bench) -> None:
    tagger = bench.tagger(labels=("NOUN", "VERB", "O", "_"), spans=False)
    source, model = bench.assembled(tagger)
    compare(source, model, HARD, spans=False)
    assert all(not result.spans for result in model.tag([list(words) for words in HARD]))


def test_a_crf_of_many_labels_keeps_its_transitions(bench: Bench) -> None:
    """Transitions above 1 KB are kept beside the graph, and only the body of a loop reads them."""
    tagger = bench.tagger(labels=tuple(f"TAG{number}" for number in range(12)))
    compare(*bench.assembled(tagger), HARD)


def test_equal_paths_fall_as_they_fall_in_flair(bench: Bench) -> None:
    tagger = bench.tagger()
    tagger.linear.weight.data.zero_()
    tagger.linear.bias.data.zero_()
    tagger.crf.transitions.data.zero_()
    compare(*bench.assembled(tagger), HARD)


def test_forbidden_transitions_stay_forbidden(bench: Bench) -> None:
    tagger = bench.tagger()
    start, stop = tagger.viterbi_decoder.start_tag, tagger.viterbi_decoder.stop_tag
    tagger.crf.transitions.data[start, :] = -10000
    tagger.crf.transitions.data[:, stop] = -10000
    source, model = bench.assembled(tagger)
    compare(source, model, HARD)
    labels = {label for result in model.tag([list(words) for words in HARD]) for label in result.labels}
    assert not labels & {"<START>", "<STOP>"}


def test_the_graph_is_flairs_decoder_on_random_emissions(bench: Bench) -> None:
    from assembler.initialisation import write_spec
    from assembler.spec.reading import parse_spec
    from assembler.workflows.fitting import wired_sources

    checkpoint = bench.folder / "tagger.pt"
    bench.tagger(labels=("PER", "LOC", "ORG")).save(checkpoint)
    text = write_spec(str(checkpoint), bench.folder)
    wiring, sources = wired_sources(parse_spec(text, str(bench.folder / "spec.yaml")), trust=False)
    model = single_part(wiring, "crf", emit_parts(wiring)["crf"])
    session = open_session(model, "the CRF")
    draw = np.random.default_rng(3)
    labels = sources.weights["crf"].facts()["label_count"]
    for case in range(40):
        sentences, tokens = int(draw.integers(1, 9)), int(draw.integers(1, 12))
        lengths = draw.integers(1, tokens + 1, sentences)
        lengths[draw.integers(sentences)] = tokens
        emissions = draw.normal(0, 3, (sentences, tokens, labels)).astype(np.float32)
        if case % 4 == 0:
            emissions = emissions.round()  # many equal scores
        inputs = {"emissions": emissions, "lengths": lengths}
        expected = sources.weights["crf"].run(inputs)
        found = run(session, inputs, "the CRF")
        assert expected is not None
        np.testing.assert_array_equal(found[f"{OUTPUT}prediction"], expected["prediction"])
        np.testing.assert_allclose(found[f"{OUTPUT}scores"], expected["scores"], atol=1e-6)


@pytest.mark.parametrize("opset", [13, 16, 18, 20, 22])
def test_a_crf_can_be_emitted_at_other_opsets(bench: Bench, opset: int) -> None:
    from assembler import assemble
    from assembler.initialisation import write_spec

    checkpoint = bench.folder / "tagger.pt"
    bench.tagger().save(checkpoint)
    spec = bench.folder / "spec.yaml"
    text = write_spec(str(checkpoint), bench.folder).replace("version: 1\n", f"version: 1\nopset: {opset}\n")
    spec.write_text(text, encoding="utf-8")
    assert assemble(spec, bench.folder / "m.onnx").proven is not None


def test_softmax_tags_of_a_crf_tagger_are_refused(bench: Bench) -> None:
    from assembler import SpecError, assemble
    from assembler.initialisation import write_spec

    checkpoint = bench.folder / "tagger.pt"
    bench.tagger().save(checkpoint)
    spec = bench.folder / "spec.yaml"
    text = write_spec(str(checkpoint), bench.folder).replace("crf.scores", "head.scores")
    spec.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError, match="W009 the output 'scores': kind 'tagger_head' has no output port 'scores'"):
        assemble(spec, bench.folder / "m.onnx")


def test_a_trained_tagger_gives_flairs_tags_scores_and_spans_on_a_whole_corpus(bench: Bench) -> None:
    from flair.models import SequenceTagger

    checkpoint = ROOT.parent / "shared" / "models" / "en-ner-small.pt"
    if not checkpoint.is_file():
        pytest.skip(f"{checkpoint} is not here: real models stand beside the repository, not in it")
    sentences = english_sentences()
    assert len(sentences) == 2001
    source = SequenceTagger.load(checkpoint)
    _, model = bench.assembled(source)
    compare(source, model, sentences, batch_sizes=(32,))
