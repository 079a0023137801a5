"""A model file is the older one or the new one, whole, whatever stops the build; the same spec gives the same bytes."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import signal as signals
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
import onnxruntime as ort
import pytest

from assembler import assemble
from assembler.core.atomic_files import staged
from assembler.core.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.assembly.conftest import Outcome, Workshop

SCRIPT = Path(__file__).with_name("interrupted_builds.py")


def interrupted(shop: Workshop, folder: Path, signal: str, count: int, *options: str) -> list[dict[str, object]]:
    """Build the demo onto an older model, with a full build first, then `count` that are stopped."""
    spec = shop.repository / "specs" / "demo-pos.yaml"
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder), str(spec), signal, str(count), "20221016", *options],
        capture_output=True,
        check=True,
        env=dict(shop.environment),
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


#: How many builds are killed, each at another moment; `make kills` kills more.
KILLS = int(os.environ.get("KILLS", "10"))
#: So many kills meet a build while it writes.
MANY = 50


@pytest.fixture
def older(shop: Workshop, tmp_path: Path) -> Path:
    """Return a valid model of the demo, built otherwise, alone in a folder."""
    (tmp_path / "models").mkdir()
    path = tmp_path / "models" / "model.onnx"
    assemble(shop.repository / "specs" / "demo-pos.yaml", path, proof=False)
    return path


def test_a_killed_build_leaves_the_older_file_or_the_new_one(shop: Workshop, older: Path) -> None:
    before = digest(older)
    first, *runs = interrupted(shop, older.parent, "SIGKILL", KILLS)
    assert first["outcome"] == ["exit", 0]
    after = first["files"]["model.onnx"]
    assert after != before
    assert [run["outcome"] for run in runs].count(["signal", 9]) == KILLS
    assert all(run["outcome"] in (["signal", 9], ["exit", 0]) for run in runs)
    left = {run["files"]["model.onnx"] for run in runs}
    assert left <= {before, after}
    assert all(run["files"]["model.onnx"] == after for run in runs if run["outcome"] == ["exit", 0])
    # what a killed run leaves beside the target, the next run sweeps away
    partials = [sum(name.endswith(".partial") for name in run["files"]) for run in runs]
    assert max(partials) >= 1 or KILLS < MANY
    assert max(partials) <= 2  # the file, and its copy for the search of a difference
    assemble(shop.repository / "specs" / "demo-pos.yaml", older)
    assert [file.name for file in older.parent.iterdir()] == ["model.onnx"]
    assert digest(older) == after
    ort.InferenceSession(str(older))


def test_a_killed_build_with_external_data_leaves_a_model_that_finds_its_data(shop: Workshop, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    old = assemble(shop.repository / "specs" / "striping.yaml", folder / "model.onnx", external_above=0)
    before, data = digest(old.path), digest(old.data)
    first, *runs = interrupted(shop, folder, "SIGKILL", 8, "--external-above", "0", "--no-proof")
    after = first["files"]["model.onnx"]
    (new_data,) = set(first["files"]) - {"model.onnx", old.data.name}
    assert after != before
    for run in runs:
        files = run["files"]
        assert files[old.data.name] == data
        assert files["model.onnx"] in {before, after}
        if files["model.onnx"] == after:
            assert files[new_data] == first["files"][new_data]
    assert [run["outcome"] for run in runs].count(["signal", 9]) == 8


@pytest.mark.parametrize(("signal", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_a_build_that_is_asked_to_stop_cleans_up(shop: Workshop, older: Path, signal: str, code: int) -> None:
    before = digest(older)
    first, *runs = interrupted(shop, older.parent, signal, 5)
    after = first["files"]["model.onnx"]
    for run in runs:
        # before the command line has taken the signals over, the system's own answer to them holds
        assert run["outcome"] in (["exit", code], ["exit", 0], ["signal", 15]), run
        assert set(run["files"]) == {"model.onnx"}
        assert run["files"]["model.onnx"] in {before, after}
    assert [run["outcome"] for run in runs].count(["exit", code]) >= 2


# A build that stops at one of its steps until it hears of something.
WAITING = """
import sys
import assembler.cli.build as build
from assembler.cli.main import main

def step(text):
    if text == sys.argv[1]:
        print("there", flush=True)
        sys.stdin.readline()

build.print_step = step
main(sys.argv[2:])
"""


@pytest.mark.parametrize("step", ["checking the file", "proving the model against its source"])
@pytest.mark.parametrize("signal", ["SIGTERM", "SIGINT", "SIGKILL"])
def test_a_stopped_build_takes_no_weights_from_another_that_has_finished_meanwhile(
    shop: Workshop, folder: Path, step: str, signal: str
) -> None:
    spec = shop.spec(folder)
    words = [str(spec), "-o", str(folder / "first.onnx"), "--external-above", "0"]
    first = subprocess.Popen(
        [sys.executable, "-c", WAITING, step, *words], stdin=-1, stdout=-1, env=dict(shop.environment)
    )
    assert first.stdin is not None
    assert first.stdout is not None
    with first, first.stdin, first.stdout:
        assert first.stdout.readline() == b"there\n"  # it has written its weights, and waits
        second = assemble(spec, folder / "second.onnx", external_above=0)
        first.send_signal(getattr(signals, signal))
        first.wait()
    assert not (folder / "first.onnx").exists()
    assert second.data is not None
    assert second.data.is_file()
    ort.InferenceSession(str(second.path))
    assert bool(list(folder.glob(".*.partial"))) == (signal == "SIGKILL")


def test_two_builds_of_one_target_leave_a_model_with_its_weights(shop: Workshop, folder: Path) -> None:
    spec, target = shop.spec(folder), folder / "model.onnx"

    def other(step: str) -> None:
        if step == "proving the model against its source":
            assemble(spec, target, external_above=0)

    result = assemble(spec, target, external_above=0, progress=other)
    alone = assemble(spec, folder / "alone.onnx", external_above=0)
    assert result.data == alone.data
    assert target.read_bytes() == alone.path.read_bytes()
    ort.InferenceSession(str(target))
    assert not list(folder.glob(".*.partial"))


def test_weights_get_their_name_before_the_model_that_names_them(
    shop: Workshop, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named: list[str] = []
    real = Path.replace

    def noting(self: Path, target: Path) -> Path:
        named.append(Path(target).name)
        return real(self, target)

    monkeypatch.setattr(Path, "replace", noting)
    result = assemble(shop.spec(folder), folder / "model.onnx", external_above=0)
    assert result.data is not None
    assert named == [result.data.name, "model.onnx"]


@pytest.mark.parametrize("profile", ["portable", "int8"])
def test_a_model_names_its_weights_as_they_are_called(shop: Workshop, folder: Path, profile: str) -> None:
    demo = shop.repository / "specs" / "demo-pos.yaml"
    result = assemble(demo, folder / "model.onnx", external_above=0, profile=profile)
    proto = onnx.load(result.path, load_external_data=False)
    entries = [entry for tensor in proto.graph.initializer for entry in tensor.external_data]
    assert result.data is not None
    assert {entry.value for entry in entries if entry.key == "location"} == {result.data.name}
    assert result.path.stat().st_size == result.size
    assert result.data.stat().st_size == result.data_size


def test_a_pipe_in_the_place_of_a_leftover_hangs_no_build(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".model.onnx.00000000.partial")
    (tmp_path / ".model.onnx.11111111.partial").symlink_to("/dev/zero")
    with staged(tmp_path / "model.onnx") as stage:
        stage.stream.write(b"data")
    assert (tmp_path / "model.onnx").read_bytes() == b"data"


def test_a_failed_build_leaves_the_older_file_as_it_was(shop: Workshop, folder: Path) -> None:
    target = folder / "stack.onnx"
    shop.build(shop.spec(folder))
    before, when = target.read_bytes(), target.stat().st_mtime_ns
    with pytest.raises(Exception, match="P001"):
        shop.build(shop.spec(folder, first="1", second="1", name="stack.yaml"))
    assert (target.read_bytes(), target.stat().st_mtime_ns) == (before, when)
    assert not list(folder.glob(".*.partial"))


def test_a_failed_build_removes_the_external_data_that_it_wrote(shop: Workshop, folder: Path) -> None:
    before = {file.name for file in folder.iterdir()} | {"stack.yaml", "sentences.txt"}
    with pytest.raises(Exception, match="P001"):
        shop.build(shop.spec(folder, first="1", second="1"), external_above=0)
    assert {file.name for file in folder.iterdir()} == before


def test_a_failed_build_keeps_the_external_data_that_was_there(
    shop: Workshop, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = shop.spec(folder)
    older = shop.build(spec, external_above=0)
    before = older.data.read_bytes()

    def fail(path: Path) -> None:
        raise RuntimeError(path.name)

    monkeypatch.setattr("assembler.onnx_model.onnx_checker.check_file", fail)
    with pytest.raises(RuntimeError):
        shop.build(spec, external_above=0)
    assert older.data.read_bytes() == before
    assert set(shop.run(older.path, example(older.path))) == {"scores", "prediction"}


def example(path: Path) -> dict[str, object]:
    from assembler.runtime import Tagger
    from assembler.runtime.encoding import encode

    return encode(Tagger(path).interface, [["der", "hund"]])


def test_leftovers_of_killed_runs_are_swept_by_the_next(shop: Workshop, folder: Path) -> None:
    for name in (".stack.onnx.0a1b2c3d.partial", ".stack.onnx.0a1b2c3d.partial.tapped.partial"):
        (folder / name).write_bytes(b"half a model")
    (folder / ".other.onnx.0a1b2c3d.partial").write_bytes(b"another target's")
    shop.build(shop.spec(folder))
    assert [file.name for file in folder.glob(".*")] == [".other.onnx.0a1b2c3d.partial"]


def test_a_leftover_that_a_running_build_holds_is_not_swept(tmp_path: Path) -> None:
    target = tmp_path / "model.onnx"
    with staged(target) as outer:
        outer.stream.write(b"outer")
        with staged(target) as inner:
            inner.stream.write(b"inner")
        assert target.read_bytes() == b"inner"
        assert outer.path.exists()
    assert target.read_bytes() == b"outer"


@pytest.mark.parametrize("name", ["mo[d]el.onnx", "*.onnx", "a?b.onnx"])
def test_names_with_wildcards_sweep_only_their_own(tmp_path: Path, name: str) -> None:
    others = [tmp_path / ".model.onnx.00000000.partial", tmp_path / ".axb.onnx.00000000.partial"]
    for other in others:
        other.write_bytes(b"")
    own = tmp_path / f".{name}.00000000.partial"
    own.write_bytes(b"")
    with staged(tmp_path / name) as stage:
        stage.stream.write(b"data")
    assert all(other.exists() for other in others)
    assert not own.exists()


def test_a_full_disk_is_a_problem_and_leaves_nothing(shop: Workshop, folder: Path) -> None:
    spec = shop.spec(folder)
    target = folder / "stack.onnx"
    target.write_bytes(b"older")

    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))

    done = shop.command(spec, "-o", target, preexec_fn=small_disk)
    assert done.code == 1, done.err
    assert f"{target}: M009 cannot be written: File too large" in done.err
    assert "Traceback" not in done.err
    assert target.read_bytes() == b"older"
    assert not list(folder.glob(".*.partial"))


def test_a_folder_that_cannot_be_written_to_is_a_problem(
    shop: Workshop, folder: Path, cli: Callable[..., Outcome]
) -> None:
    done = cli(shop.spec(folder), "-o", "/proc/stack.onnx")
    assert done.code == 1
    assert "/proc/stack.onnx: M009 cannot be written: " in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("missing/model.onnx", "cannot be written: there is no folder"),
        ("folder", "is a folder"),
        ("stack.yaml", "is the spec itself"),
        ("tagger.pt", "is a source of the spec"),
        ("link.onnx", "is a source of the spec"),
    ],
)
def test_a_target_that_would_harm_is_refused_before_the_work(
    shop: Workshop, folder: Path, target: str, words: str
) -> None:
    (folder / "folder").mkdir()
    (folder / "link.onnx").symlink_to(folder / "tagger.pt")
    spec = shop.spec(folder)
    before = {file: file.read_bytes() for file in folder.iterdir() if file.is_file()}
    steps: list[str] = []
    with pytest.raises(ModelError, match=f"M009 {words}") as caught:
        assemble(spec, folder / target, progress=steps.append)
    assert steps == ["reading the spec"]
    assert caught.value.problems[0].hint == "choose another file with -o"
    assert {file: file.read_bytes() for file in folder.iterdir() if file.is_file()} == before


# --- the same bytes


def test_the_same_spec_and_sources_give_the_same_bytes(
    shop: Workshop, folder: Path, tmp_path: Path, built: Path
) -> None:
    """Whatever the hash seed, the folder, the name of the target and the clock."""
    spec = shop.spec(folder)
    elsewhere = tmp_path / "an other" / "place"
    elsewhere.mkdir(parents=True)
    for name in ("tagger.pt", "sentences.txt", "stack.yaml"):
        shutil.copy(folder / name, elsewhere / name)
    os.utime(elsewhere / "tagger.pt", (1, 1))
    here = shop.build(spec).path.read_bytes()
    time.sleep(1.1)  # metadata with a clock of seconds would differ
    command = str(Path(sys.executable).with_name("assemble"))
    runs = []
    for seed in ("0", "4711"):
        environment = {
            **shop.environment,
            "PYTHONHASHSEED": seed,
            "TZ": "Asia/Tokyo",
            "LC_ALL": "C",
            "OMP_NUM_THREADS": "1",
        }
        words = [command, "stack.yaml", "-o", f"{seed}.onnx"]
        runs.append(subprocess.Popen(words, cwd=elsewhere, env=environment, stdout=-1, stderr=-1))
    errors = [run.communicate()[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], errors
    assert (elsewhere / "0.onnx").read_bytes() == here
    assert (elsewhere / "4711.onnx").read_bytes() == here
    assert built.read_bytes() == here


def test_the_same_spec_gives_the_same_external_data(shop: Workshop, folder: Path) -> None:
    spec = shop.spec(folder)
    results = [assemble(spec, folder / f"{name}.onnx", external_above=0) for name in "ab"]
    assert results[0].data == results[1].data
    assert results[0].path.read_bytes() == results[1].path.read_bytes()


def test_another_seed_of_the_weights_gives_another_content(shop: Workshop, folder: Path) -> None:
    spec = shop.spec(folder)
    first = shop.metadata(shop.build(spec).path)
    shop.save(shop.tagger(seed=1), folder / "tagger.pt")
    second = shop.metadata(shop.build(spec).path)
    assert first["content"] != second["content"]
    assert first["sources"]["tagger"]["sha256"] != second["sources"]["tagger"]["sha256"]


def test_a_file_carries_neither_paths_nor_times(shop: Workshop, folder: Path) -> None:
    data = shop.build(shop.spec(folder)).path.read_bytes()
    assert str(folder).encode() not in data
    assert time.strftime("%Y-%m-%d").encode() not in data
    model = onnx.load_from_string(data)
    assert (model.producer_name, model.doc_string, model.graph.doc_string) == ("flair-assembler", "", "")
