"""Classifiers of documents that an encoder reads: pooling in the graph, long texts, odd texts, several labels."""

from __future__ import annotations

import copyreg
import json
import pickle
import types
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from flair.data import Dictionary, Sentence
from flair.embeddings import TransformerDocumentEmbeddings
from flair.models import MultitaskModel, SequenceTagger, TextClassifier

from assembler import assemble
from assembler.cli.main import main
from assembler.core.errors import SourceError
from assembler.flair import OnnxTextClassifier
from assembler.flair_checkpoints.transformer_embeddings import encoder_weights
from assembler.initialisation import write_spec
from assembler.runtime import Tagger
from assembler.runtime import TextClassifier as Classifier

from .conftest import HARD
from .encoders import encoder
from .exported_encoders import exported_encoder
from .test_text_classifiers import assembled, classifier
from .test_transformers import TEXT

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Bench

SENTENCES = [list(words) for words in (*TEXT, *HARD)]


def documents(folder: Path, make: str, *, longest: int = 48, **options: object) -> TransformerDocumentEmbeddings:
    """Return embeddings of documents of a random encoder whose operators are ours."""
    encoder(folder, make, longest=longest)
    embedding = TransformerDocumentEmbeddings(str(folder / f"encoder-{make}"), name="documents", **options)
    embedding.fine_tune = False
    return embedding.eval()


def compare(source: TextClassifier, path: Path) -> set[int]:
    """Assert that labels and probabilities are flair's, in batches of any size; return how many labels there are."""
    whole = [Sentence(list(words)) for words in SENTENCES]
    source.predict(whole, label_name="chosen")
    source.predict(whole, label_name="all", return_probabilities_for_all_classes=True)
    model = Classifier(path)
    for size in (1, 3, 32):
        for sentence, result in zip(whole, model.classify(SENTENCES, batch_size=size), strict=True):
            expected = sentence.get_labels("chosen")
            assert [label.value for label in result.labels] == [label.value for label in expected]
            for ours, theirs in zip(result.labels, expected, strict=True):
                assert abs(ours.score - theirs.score) <= 1e-5
            given = dict(zip(model.tasks[0].labels, result.probabilities, strict=bool(len(sentence))))
            for label in sentence.get_labels("all"):
                assert abs(given[label.value] - label.score) <= 1e-5
    return {len(sentence.get_labels("chosen")) for sentence in whole}


@pytest.mark.parametrize(
    ("make", "options"),
    [
        ("bert", {}),
        ("bert", {"cls_pooling": "mean", "longest": 20, "layers": "-1,-2"}),
        ("roberta", {"cls_pooling": "max", "layers": "all", "layer_mean": True}),
        ("xlm-roberta", {"is_token_embedding": True, "use_context": 5, "cls_pooling": "mean"}),
        ("distilbert", {"cls_pooling": "cls", "use_context": True, "use_context_separator": False}),
    ],
)
def test_documents_of_an_encoder_get_flairs_labels(bench: Bench, make: str, options: dict[str, Any]) -> None:
    compare(*assembled(bench, classifier(documents(bench.folder, make, **options))))


@pytest.mark.parametrize("thresholds", [0.5, {"default": 0.9, "BAD": 0.2}])
def test_a_document_gets_several_labels_above_flairs_thresholds(
    bench: Bench, thresholds: float | dict[str, float]
) -> None:
    counts = compare(*assembled(bench, classifier(documents(bench.folder, "bert"), thresholds=thresholds)))
    assert len(counts) > 1


@pytest.mark.parametrize("pooling", ["cls", "mean", "max"])
def test_an_encoder_that_looks_back_is_read_at_its_last_subtoken(bench: Bench, pooling: str) -> None:
    compare(*assembled(bench, classifier(exported_encoder(bench.folder, "gpt2", documents=True, cls_pooling=pooling))))


def test_a_text_with_the_subtoken_for_padding_is_pooled_as_flair_does(bench: Bench) -> None:
    """flair counts the subtokens that are not the one for padding, so that a text that names it is cut at its end."""
    source, path = assembled(bench, classifier(documents(bench.folder, "bert", cls_pooling="mean")))
    texts = [["a", "[PAD]", "Hund"], ["Hund", "bellt", "laut"]]
    whole = [Sentence(list(words)) for words in texts]
    source.predict(whole, label_name="all", return_probabilities_for_all_classes=True)
    for sentence, result in zip(whole, Classifier(path).classify(texts), strict=True):
        given = dict(zip(Classifier(path).tasks[0].labels, result.probabilities, strict=True))
        for label in sentence.get_labels("all"):
            assert given[label.value] == pytest.approx(label.score, abs=1e-5)


def test_the_graph_pools_what_flairs_own_functions_pool(bench: Bench) -> None:
    for pooling in ("cls", "mean", "max"):
        embedding = exported_encoder(bench.folder, "gpt2", documents=True, cls_pooling=pooling)
        rule = encoder_weights(embedding).documents
        assert rule is not None
        embedding.embed(whole := [Sentence(["a", "b", "c"]), Sentence(["Hund"])])
        read = embedding.tokenizer(
            [[token.text for token in each] for each in whole], is_split_into_words=True, padding=True
        )
        subtokens, mask = (torch.tensor(read[name]) for name in ("input_ids", "attention_mask"))
        states = embedding.model(subtokens, attention_mask=mask)[0].detach().numpy()
        pooled = rule.run({"states": states, "subtokens": subtokens.numpy()})
        assert pooled is not None
        expected = np.stack([sentence.embedding.numpy() for sentence in whole])
        assert np.abs(pooled["documents"] - expected).max() <= 1e-6


def test_the_commands_write_and_run_a_classifier(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    def call(*words: object) -> str:
        with pytest.raises(SystemExit) as left:
            main([str(word) for word in words])
        assert left.value.code == 0
        return capsys.readouterr().out

    checkpoint, spec, model = (bench.folder / f"classifier.{suffix}" for suffix in ("pt", "yaml", "onnx"))
    classifier(documents(bench.folder, "bert"), "GOOD", "BAD").save(checkpoint)
    call("init", checkpoint, "-o", spec)
    written = spec.read_text(encoding="utf-8")
    assert "lengths" not in written
    assert "    kind: subtoken_document\n    weights: tagger.embeddings.0\n" in written
    call(spec, "-o", model)
    (bench.folder / "texts.txt").write_text("der Hund bellt\nja\n", encoding="utf-8")
    records = json.loads(call("tag", model, bench.folder / "texts.txt", "--format", "json"))
    whole = [Sentence(["der", "Hund", "bellt"]), Sentence(["ja"])]
    TextClassifier.load(checkpoint).predict(whole)
    assert [record["labels"][0]["value"] for record in records] == [
        sentence.get_labels("mood")[0].value for sentence in whole
    ]


def test_inside_flair_the_classifier_stands_in_for_flairs(bench: Bench) -> None:
    source, path = assembled(bench, classifier(documents(bench.folder, "bert", cls_pooling="max")))
    expected, found = ([Sentence(list(words)) for words in SENTENCES] for _ in range(2))
    source.predict(expected)
    OnnxTextClassifier.load(path).predict(found)
    for one, other in zip(expected, found, strict=True):
        assert [each.value for each in one.get_labels("mood")] == [each.value for each in other.get_labels("mood")]


def test_a_tagger_and_a_classifier_of_one_encoder_are_one_model(bench: Bench) -> None:
    labels = Dictionary(add_unk=False)
    for label in ("NOUN", "VERB"):
        labels.add_item(label)
    tagger = SequenceTagger(encoder(bench.folder, "bert"), labels, "pos", use_rnn=False, use_crf=False)
    MultitaskModel(
        [tagger.eval(), classifier(documents(bench.folder, "bert"), "GOOD", "BAD")],
        task_ids=["pos", "mood"],
        use_all_tasks=True,
    ).save(bench.folder / "both.pt")
    spec = bench.folder / "both.yaml"
    spec.write_text(write_spec(str(bench.folder / "both.pt"), bench.folder), encoding="utf-8")
    path = assemble(spec, bench.folder / "both.onnx").path
    assert Tagger(path).tag([["der", "Hund"]])[0].labels
    assert Classifier(path).classify([["der", "Hund"]])[0].labels


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"allow_long_sentences": True}, "splits overlong texts .*, whose pieces flair takes for texts"),
        ({"padding_side": "left"}, "pads at the left, where flair looks for the first subtoken of a text"),
    ],
)
def test_documents_that_flair_mixes_up_are_refused(bench: Bench, options: dict[str, Any], message: str) -> None:
    side = options.pop("padding_side", "right")
    embedding = documents(bench.folder, "bert", **options)
    embedding.tokenizer.padding_side = embedding.tokenizer.init_kwargs["padding_side"] = side
    classifier(embedding).save(bench.folder / "classifier.pt")
    with pytest.raises(SourceError, match=message):
        write_spec(str(bench.folder / "classifier.pt"), bench.folder)


@pytest.mark.parametrize("mean", [True, False])
def test_documents_in_a_checkpoint_of_older_flair(bench: Bench, *, mean: bool) -> None:
    """Before 0.12 the embeddings are an object; `pooling` and `use_scalar_mix` are the names that flair still reads."""
    embedding = documents(bench.folder, "bert", cls_pooling="mean", layers="-1,-2", layer_mean=mean)
    model = classifier(embedding)
    params = embedding.to_params()
    state = {name: params[name] for name in ("name", "fine_tune", "config_state_dict", "tokenizer_data")}
    state |= {"layer_indexes": [-1, -2], "base_model_name": "bert-base-uncased", "batch_size": 4, "pooling": "mean"}
    state |= {"use_scalar_mix": mean, "use_context_separator": True, "embedding_length_internal": 24}

    class Older(pickle.Pickler):
        def reducer_override(self, obj: object) -> Any:  # noqa: ANN401 - pickle's own
            if isinstance(obj, TransformerDocumentEmbeddings):
                return copyreg.__newobj__, (TransformerDocumentEmbeddings,), state
            return NotImplemented

    module = types.ModuleType("older")
    vars(module).update({"Pickler": Older})
    path, spec = bench.folder / "classifier.pt", bench.folder / "classifier.yaml"
    stored = {**model._get_state_dict(), "document_embeddings": embedding}
    torch.save(stored, path, pickle_module=module, pickle_protocol=4)
    with pytest.raises(SourceError, match=r"R003 .*flair\.embeddings"):
        write_spec(str(path), bench.folder)
    spec.write_text(write_spec(str(path), bench.folder, trust=True), encoding="utf-8")
    written = spec.read_text(encoding="utf-8")
    assert ("given as their mean" in written) is mean
    compare(TextClassifier.load(path), assemble(spec, bench.folder / "classifier.onnx", trust=True).path)
