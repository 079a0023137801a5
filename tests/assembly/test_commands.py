"""The commands around a model: init, inspect, diff, verify, tag; and a bug of ours, which is told from a problem."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import re
import socket
import sys
import threading
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from assembler import assemble, verify
from assembler.core.errors import AssemblerError, ModelError
from assembler.onnx_model.digests import with_digests
from assembler.onnx_model.model import Model
from assembler.workflows.inspection import inspect

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.assembly.conftest import Outcome, Workshop

    Cli = Callable[..., Outcome]


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """Return a function that sets what stdin holds."""

    def hold(data: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))

    return hold


# --- init


def test_the_spec_that_init_writes_builds(folder: Path, cli: Cli) -> None:
    spec = folder / "mine.yaml"
    done = cli("init", folder / "tagger.pt", "-o", spec)
    assert (done.code, done.out) == (0, f"{spec}: build it with   assemble {spec}\n")
    assert "sources:\n  tagger: {flair: tagger.pt, sha256: " in spec.read_text()
    assert "# LSTM(8), 34 characters, forward" in spec.read_text()
    done = cli(spec, "-o", folder / "mine.onnx")
    assert done.code == 0
    assert "no tag differs" in done.out
    done = cli("check", spec)
    assert (done.code, done.out) == (0, "1 spec: no problems\n")


def test_init_prints_the_spec_where_no_file_is_named(folder: Path, cli: Cli) -> None:
    text = cli("init", folder / "tagger.pt").out
    assert text.startswith("version: 1\nname: tagger\n")
    assert json.loads(cli("init", folder / "tagger.pt", "--format", "json").out) == {"spec": text}


@pytest.mark.parametrize("words", [(), ("--interface", "text")])
def test_a_stack_is_called_as_the_spec_that_init_writes(folder: Path, cli: Cli, words: tuple[str, ...]) -> None:
    spec = folder / "two words.v2.yaml"
    assert cli("init", folder / "tagger.pt", "-o", spec, *words).code == 0
    assert spec.read_text().startswith("version: 1\nname: two-words.v2\n")
    assert cli("init", folder / "tagger.pt", *words).out.startswith("version: 1\nname: tagger\n")


def test_init_takes_no_source_twice(folder: Path, cli: Cli) -> None:
    (folder / "link.pt").symlink_to(folder / "tagger.pt")
    for other in (folder / "tagger.pt", folder / "link.pt"):
        done = cli("init", folder / "tagger.pt", other)
        assert (done.code, done.out) == (2, "")
        assert "is named twice; a model has each source once" in " ".join(done.err.split())


def test_init_replaces_no_spec_without_force(folder: Path, cli: Cli) -> None:
    spec = folder / "mine.yaml"
    spec.write_text("mine")
    done = cli("init", folder / "tagger.pt", "-o", spec)
    assert done.code == 2
    assert "is there already; --force replaces it" in " ".join(done.err.split())
    assert spec.read_text() == "mine"
    assert cli("init", folder / "tagger.pt", "-o", spec, "--force").code == 0
    assert spec.read_text().startswith("version: 1\n")


def test_init_of_a_language_model_writes_a_spec_of_its_states(shop: Workshop, tmp_path: Path, cli: Cli) -> None:
    shop.save(shop.language_model(cell="gru", layers=2, forward=False), tmp_path / "lm.pt")
    spec = tmp_path / "lm.yaml"
    assert cli("init", tmp_path / "lm.pt", "-o", spec).code == 0
    assert "# 2 layers of GRU(8), 34 characters, backward" in spec.read_text()
    assert cli(spec, "-o", tmp_path / "lm.onnx").code == 0


def test_init_of_what_is_no_checkpoint_is_a_problem(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "bad.pt").write_bytes(b"text")
    done = cli("init", tmp_path / "bad.pt")
    assert (done.code, done.out) == (1, "")
    assert f"{tmp_path / 'bad.pt'}: R006 source 'tagger': bad.pt is not a checkpoint" in done.err
    assert "R001" in cli("init", tmp_path / "none.pt").err


@pytest.mark.parametrize(
    ("other", "name", "told"),
    [
        ([], "text.onnx", "text.onnx: R006 is not an ONNX model: no protobuf field begins at byte 1\n"),
        (["tagger.pt"], "built.onnx", "built.onnx: R006 is an ONNX file; the others are no ONNX files"),
        (
            ["--interface", "text"],
            "built.bin",
            "built.bin: R006 is an ONNX file; the text interface is that of taggers",
        ),
    ],
)
def test_init_of_an_onnx_file_that_cannot_be_read_or_is_mixed_is_told(
    built: Path, folder: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, other: list[str], name: str, told: str
) -> None:
    """A checkpoint is told from a model by its content, and by its name where that tells nothing."""
    monkeypatch.chdir(folder)
    (folder / name).write_bytes(b"text" if name == "text.onnx" else built.read_bytes())
    done = cli("init", *other, name)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(told)


def test_init_of_a_folder_names_the_checkpoints_in_it(folder: Path, cli: Cli) -> None:
    done = cli("init", folder)
    assert (done.code, done.out) == (1, "")
    assert done.err == f"{folder}: R001 source 'tagger': {folder} is a folder\n    hint: name a file in it: tagger.pt\n"


def test_init_says_from_where_paths_are_looked_up(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("nope.x", "sub/nope.pt", "a" * 300):
        assert "    hint: paths are relative to the current folder\n" in cli("init", name).err, name


def test_init_into_a_folder_that_cannot_be_written_to_is_a_problem(folder: Path, cli: Cli) -> None:
    done = cli("init", folder / "tagger.pt", "-o", "/proc/spec.yaml")
    assert done.code == 1, done.err
    assert "/proc/spec.yaml" in done.err


# --- inspect and diff


def test_inspect_shows_what_a_host_must_know(built: Path, cli: Cli) -> None:
    text = cli("inspect", built).out
    for words in (
        f"{built}: stack, ", "opset 17, profile portable",
        "forward           int64[characters, sentences]  characters of forward_lm",
        "backwardIndices   int64[total_tokens]           indices of backward_lm",
        "scores      float32[sentences, tokens]",
        "backward_lm  backward, 34 characters, start marker '\\n', state after the token",
        "labels (5, upos)\n  NOUN VERB DET PUNCT ADJ",
        "tagger  flair tagger.pt  sha256 ",
        "equal to tagger on ", "flair-assembler",
    ):  # fmt: skip
        assert words in text, words


def test_inspect_counts_the_weights_of_each_part(shop: Workshop, built: Path, cli: Cli) -> None:
    record = json.loads(cli("inspect", built, "--format", "json").out)
    counts = {part["name"]: part["parameters"] for part in record["parts"]}
    source = shop.tagger()
    head = sum(p.numel() for name, p in source.named_parameters() if not name.startswith("embeddings"))
    model = sum(p.numel() for p in source.embeddings.embeddings[0].lm.parameters())
    assert counts["forward_lm"] == model
    assert counts["head"] == head
    assert counts["words"] == 0
    assert record["labels"] == ["NOUN", "VERB", "DET", "PUNCT", "ADJ"]


def test_inspect_reads_no_weights(shop: Workshop, folder: Path) -> None:
    result = shop.build(shop.spec(folder), external_above=0)
    result.data.unlink()
    assert inspect(result.path).name == "stack"


def test_diff_shows_the_places_in_which_models_differ(shop: Workshop, folder: Path, built: Path, cli: Cli) -> None:
    assert cli("diff", built, built).out == "no difference\n"
    shop.save(shop.tagger(labels=("NOUN", "X", "DET", "PUNCT", "ADJ")), folder / "tagger.pt")
    other = assemble(shop.spec(folder, opset="18"), folder / "other.onnx").path
    done = cli("diff", built, other)
    assert done.code == 0
    assert 'labels.1\n  - "VERB"\n  + "X"\n' in done.out
    assert "opset\n  - 17\n  + 18\n" in done.out
    places = {entry["place"] for entry in json.loads(cli("diff", built, other, "--format", "json").out)["differences"]}
    assert {"content", "labels.1", "opset", "sources.tagger.sha256", "spec.text"} <= places
    assert not any(place.startswith(("interface", "types")) for place in places)


# --- verify


def test_verify_tries_the_sentences_that_the_model_carries(built: Path, cli: Cli) -> None:
    done = cli("verify", built)
    assert done.code == 0
    assert "the file passes ONNX's checker" in done.out
    assert "graph, weights and metadata match its digest" in done.out
    assert "8 sentences have the tags that the file carries as the source's, and the scores to four digits" in done.out


def test_verify_with_the_spec_runs_the_whole_proof(shop: Workshop, folder: Path, cli: Cli) -> None:
    spec = shop.spec(folder)
    path = shop.build(spec).path
    done = cli("verify", path, "--spec", spec, "--format", "json")
    assert done.code == 0
    assert json.loads(done.out)["found"][2].startswith("82 cases equal tagger, within ")


def test_changed_weights_are_found(shop: Workshop, folder: Path, cli: Cli) -> None:
    path = shop.build(shop.spec(folder)).path
    model = onnx.load(path)
    tensor = next(t for t in model.graph.initializer if t.name == "head/linear/bias")
    values = numpy_helper.to_array(tensor).copy()
    values[0] = np.nextafter(values[0], np.float32(9))
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    onnx.save(model, path)
    done = cli("verify", path)
    assert done.code == 1
    assert f"{path}: M016 graph, weights or metadata do not match the digest in the file" in done.err


def test_a_changed_graph_is_found(shop: Workshop, folder: Path) -> None:
    path = shop.build(shop.spec(folder)).path
    model = onnx.load(path)
    next(node for node in model.graph.node if node.name == "words/concat").input[:] = ["backward_words/gather:0"] * 2
    onnx.save(model, path)
    with pytest.raises(ModelError, match="M016"):
        verify(path)


def test_changed_external_data_is_found(shop: Workshop, folder: Path) -> None:
    result = shop.build(shop.spec(folder), external_above=0)
    data = bytearray(result.data.read_bytes())
    data[5] ^= 1
    result.data.write_bytes(data)
    with pytest.raises(ModelError, match="M016 graph, weights or metadata do not match"):
        verify(result.path)
    result.data.write_bytes(data[:100])
    with pytest.raises(ModelError, match=r"M008|M010"):
        verify(result.path)
    result.data.unlink()
    with pytest.raises(ModelError, match=r"M008|M010"):
        verify(result.path)


def changed_record(path: Path, change: Callable[[dict[str, object]], object], *, sealed: bool) -> None:
    """Change what a model says of its proof; sealed, as only an assembler of other tags would have written it."""
    model = onnx.load(path)
    entries = {entry.key: entry for entry in model.metadata_props}
    proof = json.loads(entries["assembler.proof"].value)
    change(proof)
    entries["assembler.proof"].value = json.dumps(proof)
    if sealed:
        values = with_digests(Model(model, {}), {key: entry.value for key, entry in entries.items()})
        for key in ("assembler.structure", "assembler.content"):
            entries[key].value = values[key]
    onnx.save(model, path)


def other_label(proof: dict[str, object]) -> None:
    labels = proof["golden"][0]["labels"]
    labels[0] = "DET" if labels[0] != "DET" else "ADJ"


def test_changed_metadata_are_found(shop: Workshop, folder: Path, cli: Cli) -> None:
    path = shop.build(shop.spec(folder)).path
    changed_record(path, other_label, sealed=False)
    done = cli("verify", path)
    assert done.code == 1
    assert f"{path}: M016 graph, weights or metadata do not match the digest in the file" in done.err


def test_verify_says_that_it_tells_nothing_of_who_wrote_a_file_with_swapped_labels(
    shop: Workshop, folder: Path, cli: Cli
) -> None:
    path = shop.build(shop.spec(folder)).path
    model = onnx.load(path)
    swapped = {
        entry.key: re.sub(r'"(NOUN|DET)"', lambda found: {"NOUN": '"DET"', "DET": '"NOUN"'}[found[1]], entry.value)
        for entry in model.metadata_props
    }
    assert swapped["assembler.labels"] != {entry.key: entry.value for entry in model.metadata_props}["assembler.labels"]
    onnx.helper.set_model_props(model, with_digests(Model(model, {}), swapped))
    onnx.save(model, path)
    done = cli("verify", path)
    assert (done.code, done.err.count("Traceback")) == (0, 0)
    assert "it is whole: graph, weights and metadata match its digest (which does not say who wrote it)" in done.out
    assert "sentences have the tags that the file carries as the source's" in done.out
    assert "proven" not in done.out


def test_other_tags_than_the_sources_on_this_machine_are_found(shop: Workshop, folder: Path, cli: Cli) -> None:
    path = shop.build(shop.spec(folder)).path
    changed_record(path, other_label, sealed=True)
    done = cli("verify", path)
    assert done.code == 3
    assert "P001 on this machine the model does not reproduce the source's tags and scores" in done.err
    assert f"hint: ONNX Runtime is {onnxruntime.__version__}, as for the proof" in done.err


def test_another_onnx_runtime_than_the_proofs_is_named(
    shop: Workshop, folder: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shop.build(shop.spec(folder)).path
    changed_record(path, other_label, sealed=True)
    built = onnxruntime.__version__
    monkeypatch.setattr(onnxruntime, "__version__", "9.9")
    done = cli("verify", path)
    assert done.code == 3
    assert f"hint: it was proven with ONNX Runtime {built}, here is 9.9: try that version" in done.err


@pytest.mark.parametrize("golden", [[{"tokens": ["a"]}], [{"tokens": 3, "labels": [], "scores": []}], ["text"]])
def test_a_record_without_tags_is_damaged(shop: Workshop, folder: Path, golden: object, cli: Cli) -> None:
    path = shop.build(shop.spec(folder)).path
    changed_record(path, lambda proof: proof.update(golden=golden), sealed=True)
    done = cli("verify", path)
    assert done.code == 1
    assert f"{path}: M013 proof.golden: it holds no tags: " in done.err


def test_another_spec_than_the_models_is_refused(shop: Workshop, folder: Path, cli: Cli) -> None:
    path = shop.build(shop.spec(folder)).path
    other = shop.spec(folder, opset="18")
    done = cli("verify", path, "--spec", other)
    assert done.code == 1
    assert f"{path}: M017 the model was built from another spec than {other}" in done.err


def test_other_weights_under_the_specs_name_fail_the_proof(shop: Workshop, folder: Path, cli: Cli) -> None:
    spec = shop.spec(folder)
    path = shop.build(spec).path
    shop.save(shop.tagger(seed=5), folder / "tagger.pt")
    done = cli("verify", path, "--spec", spec)
    assert done.code == 3
    assert "P001 the model does not reproduce the tags and scores of 'tagger'" in done.err
    assert "the first part whose output diverges is 'head'" in done.err


def code_of_refusal(function: Callable[[Path], object], path: Path) -> str | None:
    """Return the code of the problem that a function raises, or `None`; any other error is a bug."""
    try:
        function(path)
    except AssemblerError as err:
        return err.problems[0].code
    return None


def test_a_damaged_model_is_a_problem_to_every_command(built: Path, tmp_path: Path) -> None:
    from assembler.runtime import Tagger

    data = built.read_bytes()
    draw = random.Random(11)  # noqa: S311 - no secrets
    path = tmp_path / "bad.onnx"
    codes: list[str | None] = []
    for trial in range(60):
        changed = bytearray(data)
        if trial % 4 == 0:
            changed = changed[: draw.randrange(len(data))]
        else:
            for _ in range(draw.choice((1, 5, 50))):
                changed[draw.randrange(len(data))] = draw.randrange(256)
        path.write_bytes(changed)
        functions = (inspect, verify, lambda each: Tagger(each).tag([["der", "hund"]]))
        codes += [code_of_refusal(function, path) for function in functions]
    assert {code[0] for code in codes if code} == {"M"}
    assert codes.count(None) < 90


# --- tag


TEXT = "der hund bellt .\n\nja 😀\n"


def test_tag_reads_a_file_and_prints_columns(shop: Workshop, built: Path, tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    done = cli("tag", built, tmp_path / "text.txt")
    assert done.code == 0
    (first, second) = shop.flair_tags(shop.tagger(), [["der", "hund", "bellt", "."], ["ja", "😀"]])
    blocks = done.out.split("\n\n")
    rows = [line.split() for line in blocks[0].split("\n")]
    assert [(row[0], row[1]) for row in rows] == list(
        zip(["der", "hund", "bellt", "."], [e[0] for e in first], strict=True)
    )
    assert [row[2] for row in rows] == [f"{score:.4f}" for _, score in first]
    assert len({line.index(row[1]) for line, row in zip(blocks[0].split("\n"), rows, strict=True)}) == 1
    assert done.out.endswith("\n\n")
    assert done.out.count("\n\n\n") == 1  # the empty sentence in between
    assert [label for _, label in [line.split()[:2] for line in blocks[1].strip().split("\n")]] == [
        e[0] for e in second
    ]


def test_tag_reads_standard_input(built: Path, tmp_path: Path, cli: Cli, stdin: Callable[[bytes], None]) -> None:
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    expected = cli("tag", built, tmp_path / "text.txt").out
    for words in ((), ("-",)):
        stdin(TEXT.encode())
        assert cli("tag", built, *words).out == expected


def test_tag_prints_json_as_one_list(built: Path, cli: Cli, stdin: Callable[[bytes], None]) -> None:
    stdin(TEXT.encode())
    found = json.loads(cli("tag", built, "--format", "json").out)
    assert [entry["tokens"] for entry in found] == [["der", "hund", "bellt", "."], [], ["ja", "😀"]]
    assert [len(entry["labels"]) for entry in found] == [4, 0, 2]
    assert found[0].keys() == {"tokens", "labels", "scores", "spans"}
    stdin(b"")
    assert json.loads(cli("tag", built, "--format", "json").out) == []


def test_line_ends_of_windows_and_a_byte_order_mark_are_no_text(
    built: Path, cli: Cli, stdin: Callable[[bytes], None]
) -> None:
    stdin(TEXT.encode())
    plain = cli("tag", built).out
    stdin(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    assert cli("tag", built).out == plain
    stdin(TEXT.rstrip("\n").encode())
    assert cli("tag", built).out == plain


@pytest.mark.parametrize("form", ["text", "json"])
def test_bytes_that_are_no_utf8_are_named_by_line_and_column(built: Path, tmp_path: Path, cli: Cli, form: str) -> None:
    path = tmp_path / "latin.txt"
    path.write_bytes("ja nein\nschön sch".encode() + b"\xf6n\n")
    done = cli("tag", built, path, "--format", form)
    assert done.code == 1
    if form == "text":
        assert done.out == ""
        assert f"{path}:2:10: T001 is not UTF-8: byte 0xf6\n    hint: save the text as UTF-8" in done.err
    else:
        (problem,) = json.loads(done.out)["problems"]
        assert (problem["code"], problem["line"], problem["column"]) == ("T001", 2, 10)


def test_standard_input_that_is_no_utf8_is_named(built: Path, cli: Cli, stdin: Callable[[bytes], None]) -> None:
    stdin(b"ja\n\xff\n")
    done = cli("tag", built)
    assert (done.code, "<stdin>:2:1: T001" in done.err) == (1, True)


@pytest.mark.parametrize("form", ["text", "json"])
def test_text_that_comes_through_a_pipe_is_tagged(built: Path, tmp_path: Path, cli: Cli, form: str) -> None:
    text = "ja nein\n" * 3
    (tmp_path / "in.txt").write_text(text)
    expected = cli("tag", built, tmp_path / "in.txt", "--format", form)
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=(text,))
    writer.start()
    done = cli("tag", built, tmp_path / "pipe", "--format", form)
    writer.join()
    assert (done.code, done.out) == (0, expected.out)
    assert "nein" in done.out


@pytest.mark.parametrize("device", ["/dev/null", "/dev/zero", "/dev/urandom"])
def test_text_from_a_device_is_bounded(built: Path, cli: Cli, device: str) -> None:
    done = cli("tag", built, device)
    expected = {
        "/dev/null": (0, ""),
        "/dev/zero": (1, "/dev/zero:1: T002 is longer than 32 MiB\n    hint: write one sentence a line\n"),
        "/dev/urandom": (1, "T001 is not UTF-8"),
    }
    code, words = expected[device]
    assert done.code == code
    assert words in done.err


def test_a_folder_and_a_socket_are_no_text(
    built: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("tag", built, tmp_path).code == 2
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
    done = cli("tag", built, "socket")
    assert (done.code, done.out) == (1, "")
    assert "socket: No such device or address" in done.err


def test_text_that_could_steer_a_terminal_is_escaped(built: Path, cli: Cli, stdin: Callable[[bytes], None]) -> None:
    stdin("a\x1b[31mb \u202eabc\n".encode())
    out = cli("tag", built).out
    assert "\x1b" not in out
    assert "\\x1b[31mb" in out
    assert "\\u202e" in out


def test_a_model_that_is_not_ours_is_told_from_what_is_no_model(shop: Workshop, tmp_path: Path, cli: Cli) -> None:
    foreign, text = tmp_path / "foreign.onnx", tmp_path / "text.onnx"
    onnx.save(
        shop.model('<ir_version: 8, opset_import: ["": 17]> g (float[n] x) => (float[n] y) { y = Relu(x) }'), foreign
    )
    text.write_text("this is no model")
    (tmp_path / "in.txt").write_text("ja\n")
    for command in (("tag",), ("inspect",), ("verify",)):
        words = [tmp_path / "in.txt"] if command == ("tag",) else []
        if command != ("inspect",):  # which tells what is in it
            done = cli(*command, foreign, *words)
            assert (done.code, done.out) == (1, ""), done.err
            assert f"{foreign}: M012 " in done.err
        done = cli(*command, text, *words)
        assert (done.code, done.out) == (1, ""), done.err
        assert f"{text}: M011 " in done.err


def test_a_stack_that_is_no_tagger_cannot_tag(shop: Workshop, tmp_path: Path, cli: Cli) -> None:
    text = "version: 1\nname: s\ninputs: {x: {type: float32, shape: [n]}}\n"
    text += "graph: {p: {kind: cast, to: int64, inputs: {tensor: x}}}\noutputs: {y: p.tensor}\n"
    path = shop.build(shop.spec(tmp_path, text)).path
    (tmp_path / "in.txt").write_text("ja\n")
    done = cli("tag", path, tmp_path / "in.txt")
    assert (done.code, f"{path}: M014 " in done.err) == (1, True)
    done = cli("verify", path)
    assert (done.code, "it carries no tags to try" in done.out) == (0, True)


def test_damaged_metadata_is_a_problem(built: Path, tmp_path: Path, cli: Cli) -> None:
    model = onnx.load(built)
    next(e for e in model.metadata_props if e.key == "assembler.interface").value = "{not json"
    path = tmp_path / "bad.onnx"
    onnx.save(model, path)
    done = cli("inspect", path)
    assert (done.code, f"{path}: M013 " in done.err) == (1, True)


# --- bugs


def test_a_bug_of_ours_has_its_own_exit_code_and_no_traceback(
    shop: Workshop, folder: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        message = "in the middle"
        raise ZeroDivisionError(message)

    monkeypatch.setattr("assembler.surgery.joining.join", broken)
    (folder / "out.onnx").write_bytes(b"older")
    done = cli(shop.spec(folder), "-o", folder / "out.onnx")
    assert (done.code, done.out) == (4, "")
    assert "a bug of ours: ZeroDivisionError: in the middle" in done.err
    assert "please report it, with what ASSEMBLE_TRACEBACK=1 prints; nothing was written" in done.err
    assert "Traceback" not in done.err
    assert (folder / "out.onnx").read_bytes() == b"older"


def test_the_result_of_a_build_can_be_read_by_a_program(shop: Workshop, folder: Path, cli: Cli) -> None:
    done = cli(shop.spec(folder), "-o", folder / "out.onnx", "--format", "json", "--external-above", "0")
    record = json.loads(done.out)
    assert record["path"] == str(folder / "out.onnx")
    assert record["size"] == (folder / "out.onnx").stat().st_size
    assert record["data_size"] > 0
    assert record["proof"]["against"] == "tagger"
    assert record["proof"]["largest_difference"] <= record["proof"]["within"]
    assert "assemble: proving the model against its source" in done.err
    assert record["sources"]["tagger"] == hashlib.sha256((folder / "tagger.pt").read_bytes()).hexdigest()
