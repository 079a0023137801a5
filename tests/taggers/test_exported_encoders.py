"""Encoders whose operators torch's exporter makes; `tools/try_encoders.py` tries all architectures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from flair.data import Sentence
from flair.embeddings import TransformerWordEmbeddings
from onnx import helper, numpy_helper
from transformers import CONFIG_MAPPING, AutoModel

from assembler.core.errors import SourceError
from assembler.flair_checkpoints.encoders import exporting
from assembler.flair_checkpoints.encoders.architectures import (
    ARCHITECTURES,
    architecture_needs,
    configuration_refusals,
    plain_settings,
    skeleton,
)
from assembler.flair_checkpoints.transformer_embeddings import encoder_weights
from assembler.initialisation import write_spec
from assembler.weights.encoders import ExportedEncoder

from .conftest import HARD, compare
from .exported_encoders import MAKES, exported_encoder
from .test_transformers import TEXT, tampered_stack

if TYPE_CHECKING:
    from .conftest import Bench

FEW = (*TEXT[:5], *HARD[:5])


def run(weights: ExportedEncoder, subtokens: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Run the exported graph in ONNX Runtime, as it is before it is stitched."""
    graph = weights.graph(17)
    model = helper.make_model(onnx.GraphProto(), opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model.graph.CopyFrom(graph)
    stubs = [each for each in model.graph.initializer if each.external_data]
    for stub in stubs:
        model.graph.initializer.remove(stub)
        model.graph.initializer.append(numpy_helper.from_array(weights.parameters[stub.name], stub.name))
    for name in ("subtokens", "mask"):
        model.graph.input.append(helper.make_tensor_value_info(name, onnx.TensorProto.INT64, [None, None]))
    model.graph.output.append(helper.make_tensor_value_info("states", onnx.TensorProto.FLOAT, [None, None, None]))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    [states] = session.run(None, {"subtokens": subtokens, "mask": mask})
    return states


@pytest.mark.parametrize(
    ("architecture", "options"),
    [
        ("deberta-v2", {"subtoken_pooling": "first_last", "use_context": 4}),
        ("gpt2", {"layers": "all", "layer_mean": True, "subtoken_pooling": "mean"}),
        ("xlnet", {"layers": "-1,1", "layer_mean": False, "allow_long_sentences": False}),
    ],
)
def test_a_tagger_of_an_exported_encoder_gives_flairs_tags(
    bench: Bench, architecture: str, options: dict[str, Any]
) -> None:
    """Masks that look back, buckets of distances, convolutions, and a tokeniser that pads at the left."""
    tagger = bench.tagger(exported_encoder(bench.folder, architecture, **options), crf=False)
    compare(*bench.assembled(tagger), FEW)


@pytest.mark.parametrize("architecture", ["albert", "modernbert", "llama", "longformer"])
def test_an_exported_graph_fits_any_number_and_length_of_texts(bench: Bench, architecture: str) -> None:
    weights = encoder_weights(exported_encoder(bench.folder, architecture))
    assert isinstance(weights, ExportedEncoder)
    draw = np.random.default_rng(3)
    for pieces, length in ((1, 1), (1, 2), (2, 7), (5, 30), (3, 11), (1, 48)):
        subtokens = draw.integers(5, weights.vocabulary, (pieces, length))
        mask = (np.arange(length) < draw.integers(1, length + 1, (pieces, 1))).astype(np.int64)
        expected = weights.run({"subtokens": subtokens, "mask": mask})
        assert expected is not None
        within = 1e-5 * np.abs(expected["states"]).max()
        differences = np.abs(run(weights, subtokens, mask) - expected["states"])
        assert differences[mask == 1].max() <= max(within, 1e-5)


def test_two_exports_are_the_same_bytes(bench: Bench) -> None:
    first, second = (encoder_weights(exported_encoder(bench.folder, "albert")) for _ in range(2))
    assert isinstance(first, ExportedEncoder)
    assert isinstance(second, ExportedEncoder)
    assert first.graph(17).SerializeToString() == second.graph(17).SerializeToString()
    assert first.graph(17) is first.graph(17)


def test_an_encoder_that_torch_cannot_export_is_refused_with_its_reason(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_options: object) -> None:
        message = "\n\nUnsupported: ONNX export of operator nonsense\nand a page of advice"
        raise torch.onnx.errors.OnnxExporterError(message)

    weights = encoder_weights(exported_encoder(bench.folder, "albert"))
    assert isinstance(weights, ExportedEncoder)
    monkeypatch.setattr(exporting.torch.onnx, "export", fail)
    message = r"R019 torch \S+ cannot export the encoder 'albert': \w+: Unsupported: ONNX export of operator nonsense\n"
    with pytest.raises(SourceError, match=message):
        weights.graph(16)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_settings_that_are_kept_make_the_same_weights(architecture: str) -> None:
    """What transformers makes of the settings that pass has all sizes that it makes of the whole configuration."""
    config = CONFIG_MAPPING[architecture](**MAKES[architecture].settings, vocab_size=130, pad_token_id=1)
    stored = {**config.to_dict(), "auto_map": {"AutoModel": "code.Model"}, "_name_or_path": "elsewhere", "foo": [1]}
    assert not list(configuration_refusals(stored))
    kept = plain_settings(stored)
    assert not {"auto_map", "_name_or_path", "foo", "id2label", "architectures"} & kept.keys()
    with torch.device("meta"):
        whole = AutoModel.from_config(config) if architecture not in {"t5", "mt5"} else skeleton(stored)
    made = {name: tuple(parameter.shape) for name, parameter in skeleton(stored).named_parameters()}
    assert made == {name: tuple(parameter.shape) for name, parameter in whole.named_parameters()}
    assert {need.name for need in architecture_needs(stored, "model.")} == {f"model.{name}" for name in made}
    again = CONFIG_MAPPING[architecture].from_dict(dict(kept)).to_dict()
    assert {name: again[name] for name in kept} == kept


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_hidden_layers": 10**6}, "has 1000000 as its num_hidden_layers, expected at most 1024"),
        ({"hidden_size": 2400}, "R006 .*declares size 0 2400"),
        ({"hidden_size": 10**12}, "a int as its hidden_size, expected a number"),
        (
            {"vocab_size": 10**9},
            "R006 .*declares size 0 1000000000, size 1 16: that is 16000000000 values of embeddings.*word_embeddings",
        ),
        ({"hidden_act": {"a": {"b": 1}}}, "a dict as its hidden_act"),
        ({"is_decoder": True}, "the setting 'is_decoder'"),
        ({"model_type": "led"}, "'led', whose windows torch's exporter takes for constants"),
        ({"model_type": "vit"}, "'vit', not one of bert, roberta, .*, albert, "),
        ({"hidden_act": "nonsense"}, "R005 .*of which transformers makes no 'albert': KeyError: 'nonsense'"),
        ({"num_attention_heads": 7}, "R00[56] "),
    ],
)
def test_another_configuration_of_an_exported_encoder_is_refused(
    bench: Bench, change: dict[str, object], message: str
) -> None:
    tagger = bench.tagger(exported_encoder(bench.folder, "albert"), crf=False)
    path = tampered_stack(bench, tagger, lambda stored: stored["config_state_dict"].update(change))
    with pytest.raises(SourceError, match=message):
        write_spec(str(path), bench.folder)


def test_padding_that_moves_positions_is_refused(bench: Bench) -> None:
    embedding = exported_encoder(bench.folder, "gpt2", allow_long_sentences=False)
    embedding.tokenizer.padding_side = embedding.tokenizer.init_kwargs["padding_side"] = "left"
    tagger = bench.tagger(embedding, crf=False)
    tagger.save(bench.folder / "tagger.pt")
    with pytest.raises(SourceError, match="pads at the left, which moves its positions"):
        write_spec(str(bench.folder / "tagger.pt"), bench.folder)


def test_an_encoder_that_reads_padding_is_refused(bench: Bench) -> None:
    embedding = exported_encoder(bench.folder, "mobilebert")
    whole, alone = [Sentence(["a", "b"]), Sentence(["a", "b", "c", "d", "e"])], Sentence(["a", "b"])
    embedding.embed(whole)
    embedding.embed(alone)
    name = embedding.name
    assert (whole[0][1]._embeddings[name] - alone[1]._embeddings[name]).abs().max() > 1e-3
    bench.tagger(embedding, crf=False).save(bench.folder / "tagger.pt")
    with pytest.raises(SourceError, match="'mobilebert', which reads the padding of shorter texts too"):
        write_spec(str(bench.folder / "tagger.pt"), bench.folder)


def test_vectors_of_documents_beside_those_of_words_change_nothing(bench: Bench) -> None:
    embedding = exported_encoder(bench.folder, "albert", is_document_embedding=True, cls_pooling="max")
    assert isinstance(embedding, TransformerWordEmbeddings)
    compare(*bench.assembled(bench.tagger(embedding, crf=False)), FEW)


def test_adapters_that_were_not_merged_are_refused(bench: Bench) -> None:
    """peft puts a model around the model, and renames the weights; flair does not load them."""
    path = bench.folder / "tagger.pt"
    bench.tagger(exported_encoder(bench.folder, "albert"), crf=False).save(path)
    state = torch.load(path, weights_only=False)
    weights = {
        name.replace("list_embedding_0.model.", "list_embedding_0.model.base_model.model."): tensor
        for name, tensor in state["state_dict"].items()
    }
    torch.save({**state, "state_dict": weights}, path, pickle_protocol=4)
    with pytest.raises(
        SourceError, match=r"(?s)R005 .*adapters of the library peft .*base_model.model.*merge_and_unload"
    ):
        write_spec(str(path), bench.folder)


def test_an_encoder_of_which_the_name_alone_is_stored_is_refused(bench: Bench) -> None:
    tagger = bench.tagger(exported_encoder(bench.folder, "albert"), crf=False)
    path = tampered_stack(bench, tagger, lambda stored: stored.update(config_state_dict=None, model="albert-base-v2"))
    with pytest.raises(SourceError, match=r"R005 .*names the model 'albert-base-v2' alone, without its configuration"):
        write_spec(str(path), bench.folder)
