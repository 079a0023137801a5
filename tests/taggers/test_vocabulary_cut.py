"""A table that is cut to the words that a spec keeps: declared in the file, and proven on those words alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from flair.embeddings import FlairEmbeddings
from flair.embeddings.token import HashEmbeddings
from onnx import numpy_helper

from assembler import ModelError, SpecError, assemble, check
from assembler.cli.main import main
from assembler.initialisation import write_spec
from assembler.proof.samples import ProofText
from assembler.runtime import Tagger
from assembler.workflows.inspection import inspect

from .conftest import compare
from .test_embeddings import WORDS, one_hot, words

if TYPE_CHECKING:
    from pathlib import Path

    from flair.models import SequenceTagger

    from assembler.workflows.assembly import Assembled

    from .conftest import Bench

KEPT = ("die", "hund", "ja", "0000")
#: Sentences without a word that was dropped; "HUND" and "nie" are in neither table, "2024" is found as "0000".
WHOLE = (("die", "hund", "ja"), ("HUND", "nie", "2024"), ("😀", "die"), ("DIE",))


def cut(bench: Bench, tagger: SequenceTagger, how: str, *, table: str = "table") -> tuple[SequenceTagger, Assembled]:
    """Build a tagger whose table is cut, and return it as flair loads it."""
    checkpoint, spec = bench.folder / "tagger.pt", bench.folder / "tagger.yaml"
    tagger.save(checkpoint)
    text = write_spec(str(checkpoint), bench.folder)
    told = f"    kind: embedding\n    {how}\n"
    before, node, after = text.partition(f"  {table}:")
    spec.write_text(before + node + after.replace("    kind: embedding\n", told, 1), encoding="utf-8")
    result = assemble(spec, bench.folder / "tagger.onnx")
    return type(tagger).load(checkpoint), result


def keep(folder: Path, text: str = "\n".join(KEPT)) -> str:
    (folder / "words.txt").write_text(text, encoding="utf-8")
    return "keep: words.txt"


@pytest.mark.parametrize("stable", [True, False])
def test_kept_words_have_flairs_scores_and_dropped_ones_those_of_unknown_words(bench: Bench, *, stable: bool) -> None:
    tagger = bench.tagger(words(stable=stable), FlairEmbeddings(bench.language_model(), name="f"))
    source, result = cut(bench, tagger, keep(bench.folder))
    model = Tagger(result.path)
    compare(source, model, WHOLE)
    [vocabulary] = model.interface.vocabularies
    assert vocabulary.words == ("die", "hund", "0000", "ja")  # in the table's order
    assert vocabulary.rows_of(["der", "x", "Hund", "2024"]) == [4, 4, 1, 2]  # of "Hund" the lower-cased one was kept


def test_the_first_words_of_a_table_are_kept(bench: Bench) -> None:
    source, result = cut(bench, bench.tagger(words()), "keep_first: 3")
    compare(source, Tagger(result.path), (("der", "die", "hund"), ("nie",), ("DER",)))
    arrays = [numpy_helper.to_array(tensor) for tensor in onnx.load(result.path).graph.initializer]
    weight = source.embeddings.embeddings[0].embedding.weight.detach().numpy()
    assert any(np.array_equal(array, weight[[0, 1, 2, len(WORDS)]]) for array in arrays)


def test_a_cut_vocabulary_of_one_hot_embeddings_keeps_its_unknown_row(bench: Bench) -> None:
    source, result = cut(bench, bench.tagger(one_hot()), keep(bench.folder, "ja\r\ndie\r\n"))
    compare(source, Tagger(result.path), (("ja", "die", "nie"), ("😀",)))
    [vocabulary] = Tagger(result.path).interface.vocabularies
    assert (vocabulary.words, vocabulary.unknown) == (("<unk>", "die", "ja"), 0)


def test_two_tables_are_cut_alone(bench: Bench) -> None:
    tagger = bench.tagger(words("one"), words("two", 3, vocabulary=("die", "nein")))
    source, result = cut(bench, tagger, "keep_first: 2", table="table0")
    assert [len(vocabulary.words) for vocabulary in Tagger(result.path).interface.vocabularies] == [2, 2]
    compare(source, Tagger(result.path), (("der", "die"), ("nein", "nie")))


def test_the_file_says_what_was_cut_and_what_the_proof_left_out(bench: Bench) -> None:
    _, result = cut(bench, bench.tagger(words()), "keep_first: 6")
    entries = Tagger(result.path).metadata
    assert entries["vocabularies"]["table"]["cut"] == {"kept": 6, "of": len(WORDS)}  # type: ignore[index]
    assert result.proven is not None
    assert result.proven.left_out > 0  # the words of the hard sentences that the table had
    assert entries["proof"]["left_out"] == result.proven.left_out  # type: ignore[index]
    found = inspect(result.path)
    assert found.vocabularies == [("table", "6 words of 10; the others were cut")]
    assert f"({result.proven.left_out} more left out, whose words were cut)" in found.proof


def test_the_commands_tell_of_the_cut(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    _, result = cut(bench, bench.tagger(words()), "keep_first: 6")
    assert result.proven is not None
    for arguments in ([bench.folder / "tagger.yaml", "-o", result.path], ["inspect", result.path]):
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert f"left out of the proof: {result.proven.left_out} sentences with words that were cut from a table" in shown
    assert "table  6 words of 10; the others were cut" in shown


def test_a_long_table_is_written_with_a_hint_at_how_to_cut_it(bench: Bench) -> None:
    many = tuple(f"word{number}" for number in range(100_000))
    checkpoint = bench.folder / "long.pt"
    bench.tagger(words(size=1, vocabulary=many)).save(checkpoint)
    text = write_spec(str(checkpoint), bench.folder)
    assert "    # keep_first: 100000   # a smaller model" in text
    spec = bench.folder / "long.yaml"
    spec.write_text(text.replace("    # keep_first: 100000 ", "    keep_first: 99999 "), encoding="utf-8")
    assert len(Tagger(assemble(spec, bench.folder / "long.onnx").path).interface.vocabularies[0].words) == 99_999


def test_a_whole_table_says_nothing_of_a_cut(bench: Bench) -> None:
    bench.assembled(bench.tagger(words(), HashEmbeddings(40, 6)))
    found = inspect(bench.folder / "tagger.onnx")
    assert found.vocabularies == [("table0", "10 words"), ("table1", "40 rows by the hash md5")]
    assert "left out" not in found.proof
    assert "cut" not in json.dumps(Tagger(bench.folder / "tagger.onnx").metadata["vocabularies"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"the words to keep, .*words\.txt, cannot be read: No such file"),
        (b"\xff", r"the words to keep, .*words\.txt, cannot be read: it is not UTF-8"),
        (b"\n\r\n\n", r"the file .*words\.txt holds no word\n.*one a line"),
        (b"die\nnein\nja\nHUND\n", r"the table lacks 2 of the 4 words to keep: 'nein', 'HUND'\n.*as the table spells"),
        (b"1\n2\n3\n4\n5\n6\n", r"the table lacks 6 of the 6 words to keep: '1', '2', '3', '4', '5', …"),
    ],
)
def test_words_that_cannot_be_kept_are_a_problem(bench: Bench, text: bytes | None, message: str) -> None:
    if text is not None:
        (bench.folder / "words.txt").write_bytes(text)
    with pytest.raises(SpecError, match=rf"tagger\.yaml:\d+:\d+: W021 table: {message}"):
        cut(bench, bench.tagger(words()), "keep: words.txt")
    assert not (bench.folder / "tagger.onnx").exists()


def test_a_cut_that_cuts_nothing_is_a_problem(bench: Bench) -> None:
    with pytest.raises(SpecError, match=r"W021 table: keep_first is 10, the table has 10 words\n .*leave it out"):
        cut(bench, bench.tagger(words()), "keep_first: 10")


def test_a_table_of_hashes_cannot_be_cut(bench: Bench) -> None:
    with pytest.raises(SpecError, match="W021 table: its rows are found by a hash, there are no words to cut"):
        cut(bench, bench.tagger(HashEmbeddings(40, 6)), "keep_first: 5")


def test_a_proof_that_has_no_sentence_left_is_a_problem(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assembler.proof.source_results.vocabulary_sentences", lambda _: [])
    monkeypatch.setattr("assembler.proof.source_results.proof_text", lambda *_: ProofText([["der"]], 0, 0))
    with pytest.raises(SpecError, match="W021 proof: each sentence has a word that was cut from a table"):
        cut(bench, bench.tagger(words()), keep(bench.folder))


def test_the_file_of_words_is_not_overwritten(bench: Bench) -> None:
    cut(bench, bench.tagger(words()), keep(bench.folder))
    with pytest.raises(ModelError, match=r"M009 is the file 'keep' of 'table'"):
        assemble(bench.folder / "tagger.yaml", bench.folder / "words.txt")
    assert (bench.folder / "words.txt").read_text(encoding="utf-8") == "\n".join(KEPT)


def test_check_needs_no_file_of_words(bench: Bench) -> None:
    cut(bench, bench.tagger(words()), keep(bench.folder))
    (bench.folder / "words.txt").unlink()
    assert check(bench.folder / "tagger.yaml", strict=True).fine
