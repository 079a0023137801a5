"""Every pair of options that decides what a tagger computes, on real and on hard sentences, against flair's `predict`.

The loader is handed the tagger itself, as if it came from an object pickle: checkpoints of 0.12 and later lose some of
the options, and flair 0.15.1 cannot read its own pickles of transformer embeddings.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest
from flair.data import Dictionary
from flair.embeddings import FlairEmbeddings, StackedEmbeddings, WordEmbeddings
from flair.embeddings.token import HashEmbeddings, OneHotEmbeddings
from flair.models import LanguageModel, SequenceTagger

from assembler import assemble
from assembler.flair_checkpoints import opened_checkpoint as flair_checkpoint
from assembler.initialisation import write_spec
from assembler.runtime import Tagger

from .conftest import CHARACTERS, HARD, compare, english_sentences, german_sentences
from .encoders import encoder
from .test_pieces import pieces

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from flair.embeddings import TokenEmbeddings

    from .conftest import Bench

OPTIONS: Mapping[str, tuple[Any, ...]] = {
    "head": ("LSTM", "no RNN", "two layers", "GRU", "RNN"),
    "crf": (True, False),
    "reprojection": (True, False),
    "labels": ("BIOES", "BIO", "tokens"),
    "forward": ("lstm", "gru", "two layers", "projection", "lower", "untokenised"),
    "backward": ("lstm", "gru", "two layers", "projection", "lower", "none"),
    "whitespace": (True, False),
    "marker": ("\n", "", "<doc>"),
    "table": ("none", "words", "stable words", "one-hot", "hash", "pieces"),
    "encoder": ("none", "first", "last", "first_last", "mean"),
    "context": (0, 4),
}


def covering(options: Mapping[str, tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    """Yield choices until every two values of two options have stood together."""
    missing = {
        (one, first, other, second)
        for one, other in combinations(options, 2)
        for first in options[one]
        for second in options[other]
    }
    while missing:
        one, first, other, second = min(missing, key=repr)
        chosen = {one: first, other: second}
        for name, values in options.items():
            if name not in chosen:
                chosen[name] = max(values, key=lambda value, name=name: len(_new({**chosen, name: value}, missing)))
        missing -= _new(chosen, missing)
        yield {name: chosen[name] for name in options}


def _new(chosen: Mapping[str, Any], missing: set[tuple[str, Any, str, Any]]) -> set[tuple[str, Any, str, Any]]:
    return {(a, chosen[a], b, chosen[b]) for a, b in combinations([n for n in OPTIONS if n in chosen], 2)} & missing


MATRIX = list(covering(OPTIONS))


def language_model(make: str, marker: str, *, forward: bool) -> LanguageModel:
    dictionary = Dictionary(add_unk=make != "lower")
    for character in CHARACTERS:
        dictionary.add_item(character)
    model = LanguageModel(
        dictionary,
        forward,
        7,
        2 if make == "two layers" else 1,
        embedding_size=5,
        nout=6 if make == "projection" else None,
        document_delimiter=marker,
        recurrent_type="gru" if make == "gru" else "lstm",
        has_decoder=False,
    )
    for parameter in model.parameters():
        parameter.data.normal_(0, 0.6)
    return model.eval()


def embeddings(chosen: Mapping[str, Any], folder: Path) -> Iterator[TokenEmbeddings]:
    for direction in ("backward", "forward"):
        make = chosen[direction]
        if make != "none":
            yield FlairEmbeddings(
                language_model(make, chosen["marker"], forward=direction == "forward"),
                name=direction,
                with_whitespace=chosen["whitespace"],
                tokenized_lm=make != "untokenised",
                is_lower=make == "lower",
            )
    words = ("der", "die", "the", "Hund", "#.#", "0000", "1.5")
    match chosen["table"]:
        case "words" | "stable words" as table:
            vocabulary = {word: row for row, word in enumerate(words)}
            found = WordEmbeddings(
                None, vocab=vocabulary, embedding_length=6, name="words", stable=table == "stable words"
            )
            found.embedding.weight.data.normal_()
            yield found
        case "one-hot":
            dictionary = Dictionary(add_unk=True)
            for word in words:
                dictionary.add_item(word)
            yield OneHotEmbeddings(dictionary, embedding_length=5)
        case "hash":
            yield HashEmbeddings(40, 6)
        case "pieces":
            yield pieces(folder)
    if chosen["encoder"] != "none":
        yield encoder(
            folder,
            "bert",
            subtoken_pooling=chosen["encoder"],
            use_context=chosen["context"],
            allow_long_sentences=chosen["crf"],
        )


def tagger(chosen: Mapping[str, Any], folder: Path) -> SequenceTagger:
    labels = Dictionary(add_unk=False)
    for label in ("PER", "LOC", "_", "O") if chosen["labels"] == "tokens" else ("PER", "LOC"):
        labels.add_item(label)
    labels.span_labels = chosen["labels"] != "tokens"
    made = SequenceTagger(
        StackedEmbeddings(list(embeddings(chosen, folder))),
        labels,
        "ner",
        hidden_size=6,
        use_rnn=chosen["head"] != "no RNN",
        rnn_type=chosen["head"] if chosen["head"] in {"GRU", "RNN"} else "LSTM",
        rnn_layers=2 if chosen["head"] == "two layers" else 1,
        use_crf=chosen["crf"],
        reproject_embeddings=chosen["reprojection"],
        tag_format="BIO" if chosen["labels"] == "BIO" else "BIOES",
    )
    for name, parameter in made.named_parameters():
        if not name.startswith("embeddings"):
            parameter.data.normal_(0, 0.2)
    return made.eval()


@pytest.mark.parametrize("number", range(len(MATRIX)))
def test_options_in_pairs(bench: Bench, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = MATRIX[number]
    source = tagger(chosen, bench.folder)
    (bench.folder / "tagger.pt").write_text("the tagger itself", encoding="utf-8")
    monkeypatch.setattr(flair_checkpoint, "load_checkpoint", lambda *_, **__: source)
    spec = bench.folder / "tagger.yaml"
    spec.write_text(write_spec(str(bench.folder / "tagger.pt"), bench.folder), encoding="utf-8")
    model = Tagger(assemble(spec, bench.folder / "tagger.onnx").path)
    # flair's states after white space at the end of an untokenised text depend on the batch
    hard = [words for words in HARD if words[-1].strip()]
    start = 17 * number
    sentences = [*hard, *german_sentences()[start : start + 12], *english_sentences()[start : start + 12]]
    compare(source, model, sentences, batch_sizes=(1, 9))


def test_the_matrix_holds_every_pair() -> None:
    for one, other in combinations(OPTIONS, 2):
        together = {(chosen[one], chosen[other]) for chosen in MATRIX}
        assert together == {(first, second) for first in OPTIONS[one] for second in OPTIONS[other]}
