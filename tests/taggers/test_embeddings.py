"""Tables of word vectors beside language models, in flair's order, with flair's look-ups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from flair.data import Dictionary, Sentence
from flair.embeddings import FlairEmbeddings, StackedEmbeddings, WordEmbeddings
from flair.embeddings.token import CharacterEmbeddings, HashEmbeddings, OneHotEmbeddings
from flair.models import SequenceTagger

from assembler import ModelError, SourceError, SpecError, assemble
from assembler.initialisation import write_spec
from assembler.runtime import Tagger
from assembler.runtime.vocabulary import Vocabulary

from .conftest import HARD, compare

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Bench

WORDS = ("der", "die", "hund", "Hund", "#.#", "0000", "x", "istanbul", "\u0661\u0662", "ja")


def words(
    name: str = "words", size: int = 6, *, vocabulary: tuple[str, ...] = WORDS, stable: bool = False
) -> WordEmbeddings:
    table = WordEmbeddings(
        None,
        vocab={word: row for row, word in enumerate(vocabulary)},
        embedding_length=size,
        name=name,
        stable=stable,
    )
    table.embedding.weight.data.normal_()
    return table


def one_hot(size: int = 5, *, stable: bool = False) -> OneHotEmbeddings:
    dictionary = Dictionary(add_unk=True)
    for word in WORDS:
        dictionary.add_item(word)
    return OneHotEmbeddings(dictionary, embedding_length=size, stable=stable)


@pytest.mark.parametrize("crf", [True, False])
@pytest.mark.parametrize("stable", [True, False])
def test_word_embeddings_beside_language_models(bench: Bench, *, stable: bool, crf: bool) -> None:
    tagger = bench.tagger(
        words(stable=stable),
        FlairEmbeddings(bench.language_model(), name="f"),
        FlairEmbeddings(bench.language_model(forward=False), name="b"),
        crf=crf,
    )
    compare(*bench.assembled(tagger), HARD)


def test_two_tables_with_vocabularies_of_their_own(bench: Bench) -> None:
    tagger = bench.tagger(words("one"), words("two", 3, vocabulary=("die", "nein")))
    compare(*bench.assembled(tagger), HARD)


@pytest.mark.parametrize("stable", [True, False])
def test_one_hot_and_hash_embeddings(bench: Bench, *, stable: bool) -> None:
    tagger = bench.tagger(one_hot(stable=stable), HashEmbeddings(40, 6), words())
    compare(*bench.assembled(tagger), HARD)


def test_the_order_is_that_of_the_loaded_object(bench: Bench) -> None:
    """flair's own save and load loses the prefixes of hash and one-hot: the loaded order is another one."""
    tagger = bench.tagger(HashEmbeddings(40, 6), one_hot(), words("a"), words("b", 3))
    source, _ = bench.assembled(tagger)
    spec = (bench.folder / "tagger.yaml").read_text(encoding="utf-8")
    assert source.embeddings.get_names() == ["hash", "one-hot-text", "2-a", "3-b"]
    assert "inputs: [table2.rows, table3.rows, table0.rows, table1.rows]" in spec


def test_twelve_embeddings_are_joined_in_the_order_of_their_names(bench: Bench) -> None:
    tagger = bench.tagger(*(words(f"t{place}", 2 + place % 3) for place in range(12)))
    source, model = bench.assembled(tagger)
    spec = (bench.folder / "tagger.yaml").read_text(encoding="utf-8")
    assert "inputs: [table0.rows, table1.rows, table10.rows, table11.rows, table2.rows" in spec
    compare(source, model, HARD)


def test_a_wrong_order_of_tables_is_refused_with_the_right_one(bench: Bench) -> None:
    bench.assembled(bench.tagger(words("a"), words("b")))
    spec = bench.folder / "tagger.yaml"
    text = spec.read_text(encoding="utf-8").replace("[table0.rows, table1.rows]", "[table1.rows, table0.rows]")
    spec.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError, match=r"W015 .*another order\n.*write inputs: \[table0.rows, table1.rows\]"):
        assemble(spec, bench.folder / "other.onnx")


def test_two_tables_cannot_share_an_input_unless_their_vocabularies_are_equal(bench: Bench) -> None:
    bench.assembled(bench.tagger(words("a"), words("b", vocabulary=("other",))))
    spec = bench.folder / "tagger.yaml"
    text = spec.read_text(encoding="utf-8").replace("{words: wordIndices1}", "{words: wordIndices0}")
    text = text.replace("  wordIndices1:    {type: int64, shape: [total_tokens]}\n", "")
    spec.write_text("\n".join(line for line in text.splitlines() if not line.startswith("  wordIndices1:")) + "\n")
    with pytest.raises(SpecError, match="W013 the input 'wordIndices0' feeds 'table0' and 'table1'"):
        assemble(spec, bench.folder / "other.onnx")


def refused(bench: Bench, *embeddings: object) -> str:
    checkpoint = bench.folder / "refused.pt"
    bench.tagger(*embeddings).save(checkpoint)  # type: ignore[arg-type]
    with pytest.raises(SourceError) as caught:
        write_spec(str(checkpoint), bench.folder)
    return str(caught.value)


def test_character_embeddings_are_refused_for_what_they_do(bench: Bench) -> None:
    embedding = CharacterEmbeddings(dictionary("thelpan"))
    sentence, alone = Sentence(["the", "elephant", "the"]), Sentence(["elephant"])
    embedding.embed([sentence, alone])
    assert torch.allclose(sentence[0].embedding, alone[0].embedding, atol=1e-6)  # the reason for the refusal
    message = refused(bench, words(), embedding)
    assert "R005 source 'tagger': the tagger uses CharacterEmbeddings, which assigns a word that occurs" in message


def dictionary(characters: str) -> Dictionary:
    made = Dictionary(add_unk=True)
    for character in characters:
        made.add_item(character)
    return made


def test_a_stack_in_a_stack_is_joined_by_the_names_of_all(bench: Bench) -> None:
    """Both number their members, and flair sorts all of them: the outer member comes between the two inner ones."""
    inner = StackedEmbeddings([words(), FlairEmbeddings(bench.language_model(), name="forward")])
    outer = FlairEmbeddings(bench.language_model(forward=False), name="backward")
    source, model = bench.assembled(bench.tagger(inner, outer))
    assert sorted(source.embeddings.get_names()) == ["0-words", "1-backward", "1-forward"]
    compare(source, model, HARD)


def saved_as(bench: Bench, cls: str) -> Path:
    """Save a tagger with a table of words whose class has another name, as a tagger of that class would have it."""
    checkpoint = bench.folder / "other.pt"
    bench.tagger(words()).save(checkpoint)
    state = torch.load(checkpoint, weights_only=False)
    state["embeddings"]["embeddings"][0]["__cls__"] = cls
    torch.save(state, checkpoint, pickle_protocol=4)
    return checkpoint


@pytest.mark.parametrize(
    ("cls", "reason"),
    [
        ("PooledFlairEmbeddings", ", which changes while it predicts"),
        ("FastTextEmbeddings", ", whose vectors of unknown words the library gensim makes"),
        ("MuseCrosslingualEmbeddings", ", which downloads a table for the language"),
        ("ELMoEmbeddings", ", which flair 0.15.1 runs with the library allennlp"),
        ("OtherEmbeddings", "\n    hint: embeddings that can be assembled: StackedEmbeddings, "),
    ],
)
def test_other_embeddings_are_refused_with_the_reason(bench: Bench, cls: str, reason: str) -> None:
    with pytest.raises(SourceError, match="R005 source 'tagger': the tagger uses") as caught:
        write_spec(str(saved_as(bench, cls)), bench.folder)
    assert f"the tagger uses {cls}{reason}" in str(caught.value)


def test_nilc_embeddings_are_tables_of_words(bench: Bench) -> None:
    """flair itself saves the class, and loads a table of words."""
    checkpoint = saved_as(bench, "NILCEmbeddings")
    spec = bench.folder / "nilc.yaml"
    spec.write_text(write_spec(str(checkpoint), bench.folder), encoding="utf-8")
    result = assemble(spec, bench.folder / "nilc.onnx")
    compare(SequenceTagger.load(checkpoint), Tagger(result.path), HARD)


def test_a_large_table_goes_beside_the_model(bench: Bench) -> None:
    many = tuple(f"word{number}" for number in range(5000))
    tagger = bench.tagger(words(vocabulary=many, size=20), FlairEmbeddings(bench.language_model(), name="f"))
    source, _ = bench.assembled(tagger)
    result = assemble(bench.folder / "tagger.yaml", bench.folder / "large.onnx", external_above=100_000)
    assert result.data is not None
    assert result.size < 300_000 < result.data_size  # the words are in the metadata, the vectors are not
    compare(source, Tagger(result.path), (*HARD, many[-3:]))
    result.data.unlink()
    with pytest.raises(ModelError, match=r"M022 .* the file 'tagger-\w+\.weights' of weights"):
        Tagger(result.path)


def test_embeddings_of_labels_are_refused(bench: Bench) -> None:
    table = words()
    table.field = "upos"
    assert "reads the label 'upos' of each token instead of its text" in refused(bench, table)


def test_two_embeddings_of_one_name_are_refused(bench: Bench) -> None:
    message = refused(bench, HashEmbeddings(40, 6), HashEmbeddings(30, 5))
    assert "two embeddings of the tagger have the name 'hash'" in message


@pytest.mark.parametrize(
    ("token", "row"),
    [
        ("Hund", 3),
        ("hund", 2),
        ("HUND", 2),
        ("1.5", 4),
        ("2024", 5),
        ("\u0662.\u0661", 4),
        ("\u0661\u0662", 8),
        ("?", 10),
    ],
)
def test_words_are_looked_up_as_flair_looks_them_up(token: str, row: int) -> None:
    table = words()
    vocabulary = Vocabulary("table", "word", WORDS, len(WORDS), "", 0)
    assert vocabulary.rows_of([token]) == [row]
    assert table.get_cached_token_index(token) == row
