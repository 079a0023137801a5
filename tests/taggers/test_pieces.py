"""BytePairEmbeddings: a sentencepiece model in the file, run by its own library."""

from __future__ import annotations

import base64
import io
import json
import sys
from typing import TYPE_CHECKING

import onnx
import pytest
import torch
from flair.data import Sentence
from flair.embeddings import BytePairEmbeddings, FlairEmbeddings, WordEmbeddings
from sentencepiece import SentencePieceTrainer

from assembler import ModelError, SourceError, SpecError, assemble
from assembler.initialisation import write_spec
from assembler.interface.fields import Fields
from assembler.runtime import Tagger
from assembler.runtime.pieces import Pieces
from assembler.runtime.session import Session
from assembler.workflows.inspection import inspect

from .conftest import HARD, ROOT, compare

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Bench

CORPUS = ROOT.parent / "shared" / "corpora" / "de-gsd-dev.conllu"
TEXT = ("Der Hund bellt in der Nacht.", "Die Katze schläft seit 1999 im Haus.", "0000 00 000 Häuser", "ja nein ja")
#: Tokens that flair itself cannot tag: the sentencepiece model makes no piece of the last character of the second.
UNREADABLE = (("\ud83d", "a"), ("der", "\u200b"))


def piece_model(lines: tuple[str, ...] = TEXT, size: int = 60) -> bytes:
    written = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=written, vocab_size=size, model_type="bpe", minloglevel=2
    )
    return written.getvalue()


def pieces(folder: Path, name: str = "bpe", *, dim: int = 4, model: bytes | None = None, **options: object) -> object:
    file = folder / f"{name}.spm"
    file.write_bytes(model or piece_model())
    embedding = BytePairEmbeddings(name=name, dim=dim, model_file_path=file, **options)
    embedding.embedding.weight.data.normal_()
    return embedding


@pytest.mark.parametrize("preprocess", [True, False])
def test_byte_pair_embeddings_beside_language_models(bench: Bench, *, preprocess: bool) -> None:
    tagger = bench.tagger(
        pieces(bench.folder, preprocess=preprocess),
        FlairEmbeddings(bench.language_model(), name="f"),
        FlairEmbeddings(bench.language_model(forward=False), name="b"),
    )
    compare(*bench.assembled(tagger), HARD)


def test_byte_pair_embeddings_alone_and_two_of_them(bench: Bench) -> None:
    compare(*bench.assembled(bench.tagger(pieces(bench.folder))), HARD)
    two = bench.tagger(pieces(bench.folder, "a"), pieces(bench.folder, "b", dim=3, model=piece_model(size=50)))
    compare(*bench.assembled(two), HARD)


@pytest.mark.skipif(not CORPUS.is_file(), reason="the corpora of the shared folder are not here")
def test_on_real_text_the_tags_are_flairs_own(bench: Bench) -> None:
    rows = [line.split("\t") for line in CORPUS.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    sentences: list[list[str]] = [[]]
    for row in rows:
        if len(row) > 1 and row[0].isdigit():
            sentences[-1].append(row[1])
        elif len(row) <= 1:
            sentences.append([])
    sentences = [tokens for tokens in sentences if tokens][:300]
    model = piece_model(tuple(" ".join(tokens) for tokens in sentences), 500)
    tagger = bench.tagger(pieces(bench.folder, dim=25, model=model), labels=("A", "B", "C", "D", "E"), spans=False)
    compare(*bench.assembled(tagger), sentences, spans=False, batch_sizes=(32,))


@pytest.mark.parametrize(
    "token", ["Hund", "HÄUSER", "1999", "\u0661\u0662", "\u0130", "a\u00a0b", "x\x00y", " ", "\t", "ß"]
)
def test_the_rows_of_a_token_are_flairs(tmp_path: Path, token: str) -> None:
    embedding = pieces(tmp_path)
    sentence = Sentence([token])
    embedding.embed(sentence)
    rows = Pieces("p", embedding.spm.serialized_model_proto(), zeros=True, blank=embedding.spm.vocab_size())
    [(first, last)] = rows.rows_of([token])
    weight = embedding.embedding.weight
    assert torch.equal(sentence[0].embedding, torch.cat([weight[first], weight[last]]))


def test_tokens_on_which_flair_fails_are_tagged_all_the_same(bench: Bench) -> None:
    source, model = bench.assembled(bench.tagger(pieces(bench.folder)))
    for tokens in UNREADABLE:
        with pytest.raises((IndexError, RuntimeError, UnicodeError)):
            source.predict(Sentence(list(tokens)))
    assert [len(result.labels) for result in model.tag([list(tokens) for tokens in UNREADABLE])] == [2, 2]


def test_without_the_library_a_model_is_inspected_but_not_run(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.assembled(bench.tagger(pieces(bench.folder)))
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    file = bench.folder / "tagger.onnx"
    assert inspect(file).inputs[0] == ("pieceIndices", "int64[total_tokens, 2]", "pieces")
    with pytest.raises(ModelError, match=r"M018 'pieces' splits .* needs the package 'sentencepiece'\n.*'bytepair'"):
        Tagger(file)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("§", "no sentencepiece model in base64"),
        ("", "expected a sentencepiece model in base64, got nothing"),
        (base64.b64encode(b"\xff\xfejunk").decode(), "no sentencepiece model in base64"),
        (3, "expected a string, got 3"),
    ],
)
def test_a_damaged_sentencepiece_model_in_a_file_is_a_problem(bench: Bench, model: object, message: str) -> None:
    bench.assembled(bench.tagger(pieces(bench.folder)))
    file = bench.folder / "tagger.onnx"
    proto = onnx.load(file)
    for entry in proto.metadata_props:
        if entry.key == "assembler.vocabularies":
            value = json.loads(entry.value)
            value["pieces"]["model"] = model
            entry.value = json.dumps(value)
    onnx.save(proto, file)
    with pytest.raises(ModelError, match=rf"M013 assembler\.vocabularies\.pieces\.model: {message}"):
        Tagger(file, verify=False)


def test_two_tables_of_different_pieces_cannot_share_an_input(bench: Bench) -> None:
    model = piece_model(size=50)
    bench.assembled(bench.tagger(pieces(bench.folder, "a"), pieces(bench.folder, "b", model=model)))
    spec = bench.folder / "tagger.yaml"
    text = spec.read_text(encoding="utf-8").replace("{pieces: pieceIndices1}", "{pieces: pieceIndices0}")
    spec.write_text("\n".join(line for line in text.splitlines() if not line.startswith("  pieceIndices1:")) + "\n")
    with pytest.raises(SpecError, match="W013 the input 'pieceIndices0' feeds 'pieces0' and 'pieces1'"):
        assemble(spec, bench.folder / "other.onnx")


def test_a_piece_table_is_no_word_table(bench: Bench) -> None:
    bench.assembled(bench.tagger(pieces(bench.folder)))
    spec = bench.folder / "tagger.yaml"
    text = spec.read_text(encoding="utf-8").replace("kind: piece_embedding", "kind: embedding")
    text = text.replace("[total_tokens, 2]", "[total_tokens]").replace("{pieces: ", "{words: ")
    spec.write_text(text, encoding="utf-8")
    with pytest.raises(SourceError, match=r"R007 pieces: .* is a part of kind 'piece_embedding', not 'embedding'"):
        assemble(spec, bench.folder / "other.onnx")


def stored(bench: Bench, **changes: object) -> str:
    """Return what is said of a checkpoint whose stored embedding was changed; `None` removes a value."""
    checkpoint = bench.folder / "changed.pt"
    bench.tagger(pieces(bench.folder), WordEmbeddings(None, vocab={"a": 0}, embedding_length=2, name="w")).save(
        checkpoint
    )
    state = torch.load(checkpoint, weights_only=False)
    entry = state["embeddings"]["embeddings"][0]
    entry.update(changes)
    state["embeddings"]["embeddings"][0] = {key: value for key, value in entry.items() if value is not None}
    torch.save(state, checkpoint, pickle_protocol=4)
    with pytest.raises(SourceError) as caught:
        write_spec(str(checkpoint), bench.folder)
    return str(caught.value)


def test_vectors_of_another_library_are_refused(bench: Bench) -> None:
    assert (
        "R005 source 'tagger': the tagger uses BytePairEmbeddings whose vectors flair reads with the package"
        in stored(bench, word2vec_binary=b"x")
    )


@pytest.mark.parametrize("model", [b"", b"junk", "text", None, 3])
def test_a_checkpoint_without_a_sentencepiece_model_is_refused(bench: Bench, model: object) -> None:
    message = stored(bench, spm_model_binary=model)
    assert "R006 source 'tagger': the sentencepiece model of BytePairEmbeddings " in message


@pytest.mark.parametrize("dim", [10**9, "x", -1])
def test_a_declared_size_beyond_the_weights_is_refused(bench: Bench, dim: object) -> None:
    assert "R006" in stored(bench, dim=dim)


def test_pieces_of_a_label_are_refused(bench: Bench) -> None:
    assert "R005 source 'tagger': embedding 0 of the tagger reads the label 'upos'" in stored(bench, field="upos")


@pytest.mark.parametrize("error", [RuntimeError("INTERNAL:\n a\tb"), OSError("gone"), IndexError("out of range")])
def test_a_sentencepiece_model_that_fails_on_a_token_is_a_problem(error: Exception) -> None:
    class Failing:
        def EncodeAsIds(self, _: str) -> list[int]:  # noqa: N802 - the library's name
            raise error

    rows = Pieces("p", piece_model(), zeros=True, blank=60, file="m.onnx")
    object.__setattr__(rows, "_processor", Failing())
    reason = " ".join(str(error).split())
    with pytest.raises(ModelError, match=rf"m.onnx: M013 the sentencepiece model of 'p' fails on a token: {reason}"):
        rows.rows_of(["Hund"])


def test_a_damaged_sentencepiece_model_is_a_problem_at_once() -> None:
    fields = Fields(
        {"model": base64.b64encode(b"\x0a\xff no model").decode(), "zeros": True, "blank": 5}, "p", "m.onnx"
    )
    with pytest.raises(ModelError, match=r"m.onnx: M013 p.model: no sentencepiece model in base64"):
        Pieces.from_metadata("p", fields)


def test_word_pieces_beside_language_models_leave_them_their_lanes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    tagger = bench.tagger(pieces(bench.folder), FlairEmbeddings(bench.language_model(), name="forward"), crf=False)
    tagger.save(bench.folder / "tagger.pt")
    spec = bench.folder / "tagger.yaml"
    spec.write_text(write_spec(str(bench.folder / "tagger.pt"), bench.folder), encoding="utf-8")
    model = Tagger(assemble(spec, bench.folder / "tagger.onnx", profile="cpu").path)
    fed, run = [], Session.run

    def watched(session, names, feeds):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        fed.append(feeds)
        return run(session, names, feeds)

    monkeypatch.setattr(Session, "run", watched)
    sentences = [["ja"] * (1 + number % 9) for number in range(100)]
    together = model.tag(sentences)
    alone = model.tag(sentences, batch_size=1)
    assert [each.labels for each in together] == [each.labels for each in alone]
    characters = model.interface.inputs[[entry.rule for entry in model.interface.inputs].index("characters")].name
    assert fed[0][characters].shape[1] < 100
