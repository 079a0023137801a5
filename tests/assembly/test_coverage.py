"""A proof says what it covered, and one that covers too little is not called one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from assembler.core.errors import ParityError, SpecError
from assembler.initialisation import write_spec
from assembler.proof.samples import BUILT_IN, HARD, MOST_SENTENCES
from assembler.spec.defaults import LARGEST_CHANGE, LARGEST_TOLERANCE, LEAST

if TYPE_CHECKING:
    from pathlib import Path

    from tests.assembly.conftest import Outcome, Workshop

Command = Callable[..., "Outcome"]
SPANS = ("O", "S-PER", "B-PER", "I-PER", "E-PER")


def text_spec(folder: Path, shape: str, proof: str = "") -> Path:
    """Write the spec of a checkpoint that takes text of a shape."""
    written = write_spec(str(folder / "tagger.pt"), folder, text=True)
    assert "shape: [sentences, characters]" in written
    assert "{against: tagger}" in written
    written = written.replace("shape: [sentences, characters]", f"shape: {shape}")
    spec = folder / "text.yaml"
    spec.write_text(written.replace("{against: tagger}", f"{{against: tagger{proof}}}"), encoding="utf-8")
    return spec


def test_a_proof_says_what_it_covered(shop: Workshop, folder: Path, cli: Command) -> None:
    spec, target = shop.spec(folder), folder / "m.onnx"
    shown = cli(spec, "-o", target).out
    count = 4 + BUILT_IN + len(HARD)
    assert f"covered: {count} sentences of 1 to " in shown
    batches = "each at least once: in batches, 3 of like length (up to 32), 3 of mixed lengths (up to 7), and 8 alone"
    assert f"{batches}; fed as indices; compared: scores, prediction" in shown
    assert "covered: upos: 4 of 5 labels" in shown
    assert "covered: 4 of the 4 sentences of sentences.txt" in shown
    assert "left out: tokens with one character 16 times in a row or more" in shown
    covered = json.loads(cli(spec, "-o", target, "--format", "json").out)["proof"]["covered"]
    assert covered == shop.metadata(target)["proof"]["covered"]
    assert covered["tasks"] == [{"task": "upos", "labels": 4, "of_labels": 5}]
    assert (covered["sentences"], covered["batch_sizes"]) == (count, [1, 7, 32])
    assert (covered["inputs"], covered["outputs"]) == (["indices"], ["scores", "prediction"])
    assert covered["sentences_of_file"] == {"taken": 4, "of": 4}
    assert "less_than" not in shop.metadata(target)["proof"]


@pytest.mark.parametrize("shape", ["[1, 1]", "[2, 2]"])
def test_a_proof_of_one_token_is_no_proof(folder: Path, cli: Command, shape: str) -> None:
    done = cli(text_spec(folder, shape), "-o", folder / "m.onnx")
    assert done.code == 3
    assert "P005 the comparison with 'tagger' covers too little to be called a proof: " in done.err
    assert f"where {LEAST['tokens']} are required" in done.err
    assert not (folder / "m.onnx").exists()


def test_less_is_accepted_where_the_spec_says_so_and_never_called_proven_alone(folder: Path, cli: Command) -> None:
    spec, target = (
        text_spec(folder, "[1, 1]", ", at_least: {tokens: 1, lengths: 1, labels: 1}"),
        folder / "m.onnx",
    )
    done = cli(spec, "-o", target)
    assert done.code == 0, done.err
    less = f"less than {LEAST['tokens']} tokens (1), {LEAST['lengths']} lengths (1), {LEAST['labels']} labels (1)"
    assert f"proven on {less} against tagger: 1 sentences, 1 tokens" in done.out
    assert "proven against" not in done.out
    assert f"proven on {less}: " in cli("inspect", target).out
    ending = f"; it was proven on {less}\n"
    assert cli("verify", target).out.endswith(ending)
    again = cli("verify", target, "--spec", spec).out
    assert "1 cases equal tagger" in again
    assert again.endswith(ending)
    shown = json.loads(cli(spec, "-o", target, "--format", "json").out)
    assert f"less than {', '.join(shown['proof']['less_than'])}" == less


def test_a_source_of_one_label_is_not_called_proven_alone(shop: Workshop, folder: Path, cli: Command) -> None:
    tagger = shop.tagger()
    tagger.linear.bias.data[3] = 100.0
    shop.save(tagger, folder / "tagger.pt")
    done = cli(shop.spec(folder), "-o", folder / "m.onnx")
    assert done.code == 0
    assert "proven on less than 2 labels (1) against tagger: " in done.out
    done = cli(shop.spec(folder, proof=", at_least: {labels: 2}"), "-o", folder / "m.onnx")
    assert "P005 the comparison with 'tagger' covers too little to be called a proof: 1 labels, where 2 are" in done.err


def test_a_smaller_number_than_is_met_lowers_nothing(shop: Workshop, folder: Path, cli: Command) -> None:
    done = cli(shop.spec(folder, proof=", at_least: {tokens: 1}"), "-o", folder / "m.onnx")
    assert "\nproven against tagger: " in done.out


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("tokens: 100000", r"\d+ tokens, where 100000 are required"),
        ("lengths: 200", r"\d+ lengths, where 200 are required"),
        ("labels: 5", "4 labels, where 5 are required"),
        ("labels: 6", "4 labels, where 6 are required"),
        ("spans: 1", "0 spans, where 1 are required"),
    ],
)
def test_a_spec_can_ask_for_more(shop: Workshop, folder: Path, asked: str, words: str) -> None:
    with pytest.raises(ParityError, match=rf"stack\.yaml:38:\d+: P005 .*{words}"):
        shop.build(shop.spec(folder, proof=f", at_least: {{{asked}}}"))
    assert not (folder / "stack.onnx").exists()


def test_a_long_file_is_drawn_from_beginning_to_end(shop: Workshop, folder: Path, cli: Command) -> None:
    spec = shop.spec(folder)
    lines = [f"hund {number}" for number in range(1000)]
    (folder / "sentences.txt").write_text("\n".join(lines), encoding="utf-8")
    done = cli(spec, "-o", folder / "m.onnx", "--format", "json")
    proof = json.loads(done.out)["proof"]
    assert proof["covered"]["sentences_of_file"] == {"taken": MOST_SENTENCES, "of": 1000}
    assert proof["cases"] == MOST_SENTENCES + BUILT_IN + len(HARD)
    assert "covered: 64 of the 1,000 sentences of sentences.txt" in cli(spec, "-o", folder / "m.onnx").out
    kept = [" ".join(each["tokens"]) for each in shop.metadata(folder / "m.onnx")["proof"]["golden"]]
    assert (kept[0], kept[1]) == ("hund 0", "hund 15")


def test_tokens_of_one_character_are_left_out_and_counted(shop: Workshop, folder: Path, cli: Command) -> None:
    """Large language models are chaotic there, and two right models need not agree."""
    spec = shop.spec(folder)
    given = ["hund", "a " + "+" * 16, "katze", "=" * 120 + "x", "+" * 15, "+ " * 40]
    (folder / "sentences.txt").write_text("\n".join(given), encoding="utf-8")
    done = cli(spec, "-o", folder / "m.onnx")
    assert "covered: 4 of the 6 sentences of sentences.txt, without 2 with a token of one character" in done.out
    covered = shop.metadata(folder / "m.onnx")["proof"]["covered"]
    assert covered["sentences_of_file"] == {"taken": 4, "of": 6, "repeated_characters": 2}
    lossy = cli(spec, "-o", folder / "m.onnx", "--profile", "fp16").out
    assert "covered: 6 of the 6 sentences of sentences.txt\n" in lossy
    assert "left out" not in lossy


def test_a_lossy_build_reads_the_whole_file(shop: Workshop, folder: Path, cli: Command) -> None:
    spec = shop.spec(folder)
    (folder / "sentences.txt").write_text("\n".join(f"hund {number}" for number in range(200)), encoding="utf-8")
    done = cli(spec, "-o", folder / "m.onnx", "--profile", "fp16", "--format", "json")
    assert json.loads(done.out)["proof"]["covered"]["sentences_of_file"] == {"taken": 200, "of": 200}


def test_a_lossy_build_says_in_which_batches_it_counted(
    shop: Workshop, folder: Path, cli: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assembler.proof.tag_reference import TagReference

    counted: set[int] = set()
    own_counted, own_compared, counting = TagReference._counted, TagReference._compared, []

    def count(self: TagReference, *given: object) -> object:
        counting.append(True)
        found = own_counted(self, *given)
        counting.pop()
        return found

    def compared(self: TagReference, *given: object) -> object:
        if counting:
            counted.update(size for size, _ in given[-1])
        return own_compared(self, *given)

    monkeypatch.setattr(TagReference, "_counted", count)
    monkeypatch.setattr(TagReference, "_compared", compared)
    done = cli(shop.spec(folder), "-o", folder / "m.onnx", "--profile", "fp16")
    said = "each fourth and those over 200 characters alone, the others in batches of 32"
    said += " (hard ones in batches of like and of mixed lengths, and alone)"
    assert f" lengths), {said}; fed as " in done.out
    proof = shop.metadata(folder / "m.onnx")["proof"]
    assert {*proof["batch_sizes"]} == {*proof["covered"]["batch_sizes"]} == counted == {1, 32}


def test_few_spans_are_only_said_where_a_host_reads_them_off_the_tags(
    shop: Workshop, tmp_path: Path, cli: Command
) -> None:
    """A file that gives spans itself is refused: nothing would have been compared."""
    tagger = shop.tagger(labels=("O", "S-PER", "B-LOC", "E-LOC"))
    tagger.linear.bias.data[0] = 100.0
    shop.save(tagger, tmp_path / "tagger.pt")
    for name, text in (("indices", False), ("text", True)):
        spec = tmp_path / f"{name}.yaml"
        spec.write_text(write_spec(str(tmp_path / "tagger.pt"), tmp_path, text=text), encoding="utf-8")
    done = cli(tmp_path / "indices.yaml", "-o", tmp_path / "m.onnx")
    assert "proven on less than 2 labels (1), 10 spans (0) against tagger: " in done.out, done.err
    done = cli(tmp_path / "text.yaml", "-o", tmp_path / "n.onnx")
    assert "P005 the comparison with 'tagger' covers too little to be called a proof: 0 spans, where 10 are" in done.err
    assert not (tmp_path / "n.onnx").exists()


def test_a_fault_at_the_end_of_a_long_file_is_found(
    shop: Workshop, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proof that read the first sentences alone would not see it."""
    from assembler.proof.task_results import ModelTask

    spec = shop.spec(folder)
    lines = [f"hund {number}" for number in range(500)]
    (folder / "sentences.txt").write_text("\n".join(lines), encoding="utf-8")
    own = ModelTask.run

    def run(self: ModelTask, sentences: list, batch_size: int) -> list:
        from assembler.proof.task_results import Slots

        found = own(self, sentences, batch_size)
        return [
            Slots(["?"] * len(each.labels), each.scores) if read.tokens == ("hund", "499") else each
            for read, each in zip(sentences, found, strict=True)
        ]

    monkeypatch.setattr(ModelTask, "run", run)
    with pytest.raises(ParityError, match=r"P001 .* tags differ"):
        shop.build(spec)


def test_a_budget_beyond_a_tenth_cannot_be_written(shop: Workshop, folder: Path) -> None:
    with pytest.raises(SpecError, match=rf"S004 'proof.tags_changed': got 1\.0, expected at most {LARGEST_CHANGE}"):
        shop.build(shop.spec(folder, proof=", tags_changed: 1.0"))


def test_no_hint_names_a_tolerance_that_no_spec_may_have() -> None:
    from assembler.proof.reporting import failure_hint

    assert "scores_within: 1.1e-04 would have passed" in failure_hint(0, 1e-4)
    assert "scores_within: 9.9e-02 would have passed" in failure_hint(0, 0.09)
    for largest in (0.12, 2.5, 140.0):
        hint = failure_hint(0, largest)
        assert "would have passed (at most" in hint
        assert f"(at most {LARGEST_TOLERANCE})" in hint
