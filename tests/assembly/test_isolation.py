"""Exported subgraphs that kill, hang or fill the process that runs them: it is not ours."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from assembler import ModelError, ParityError, assemble
from assembler.isolation.frames import DamagedFrameError, Frame
from assembler.isolation.limits import MEMORY, SECONDS, Limits
from assembler.isolation.process import Worker
from assembler.isolation.scope import current, isolated
from assembler.isolation.session import IsolatedSession
from assembler.workflows.verification import verify

if TYPE_CHECKING:
    from collections.abc import Iterator

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="what the kernel does is Linux's")

STFT = """<ir_version: 8, opset_import: ["" : 17]>
agraph (float[1, 128, 1] signal, int64 step, int64 length) => (float[1, f, b, 2] y) {
    y = STFT (signal, step, , length)
}"""
LOOP = """<ir_version: 8, opset_import: ["" : 17]>
agraph (int64 trips, float[1] x) => (float[1] y) {
    true = Constant <value: tensor = bool {1}> ()
    y = Loop (trips, true, x) <body = b (int64 i, bool on, float[1] v) => (bool again, float[1] w) {
        again = Identity (on)
        w = Neg (v)
    }>
}"""
HUGE = {
    "ConstantOfShape": "y = ConstantOfShape (n)",
    "Expand": "one = Constant <value: tensor = float[1] {1}> ()\n y = Expand (one, n)",
    "Range": """
        zero = Constant <value: tensor = int64 {0}> ()
        one = Constant <value: tensor = int64 {1}> ()
        axes = Constant <value: tensor = int64[1] {0}> ()
        end = Squeeze (n, axes)
        whole = Range (zero, end, one)
        y = Cast <to = 1> (whole)""",
}


def stack(folder: Path, text: str, **inputs: str) -> Path:
    """Write a model, and the spec of a stack of it alone."""
    onnx.save(onnx.parser.parse_model(text), folder / "m.onnx")
    declared = "".join(f"  {name}: {entry}\n" for name, entry in inputs.items())
    fed = ", ".join(f"{name}: {name}" for name in inputs)
    spec = folder / "spec.yaml"
    spec.write_text(
        f"version: 1\nname: stack\nsources: {{m: {{onnx: m.onnx}}}}\ninputs:\n{declared}"
        f"graph: {{part: {{kind: onnx, weights: m, inputs: {{{fed}}}}}}}\noutputs: {{y: part.y}}\n",
        encoding="utf-8",
    )
    return spec


def stft(folder: Path, step: str, length: str) -> Path:
    return stack(
        folder,
        STFT,
        signal="{type: float32, shape: [1, 128, 1]}",
        step=f"{{type: int64, shape: []{step}}}",
        length=f"{{type: int64, shape: []{length}}}",
    )


def endless(folder: Path) -> Path:
    trips = 1 << 62
    return stack(
        folder,
        LOOP,
        trips=f"{{type: int64, shape: [], range: [{trips}, {trips}]}}",
        x="{type: float32, shape: [1]}",
    )


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]


def ended(pid: int) -> bool:
    """Wait until a process is gone, and say whether it went."""
    for _ in range(200):
        try:
            if Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start a build that runs an endless loop, and give it with the process that it runs the loop in."""
    spec = endless(tmp_path)
    environment = {**os.environ, SECONDS: "600"}
    build = subprocess.Popen(
        [Path(sys.executable).with_name("assemble"), spec, "-o", tmp_path / "out.onnx"],
        stderr=subprocess.PIPE,
        env=environment,
    )
    assert build.stderr is not None
    while b"running the source" not in build.stderr.readline():
        assert build.poll() is None
    while not children(build.pid):
        time.sleep(0.05)
    time.sleep(1)  # into the loop
    yield build, children(build.pid)[0]
    build.kill()
    build.stderr.close()
    build.wait()


@LINUX
def test_a_part_that_divides_by_zero_is_a_problem_and_not_the_end(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        assemble(stft(tmp_path, ", range: [1, 1]", ", range: [0, 0]"), tmp_path / "out.onnx")
    [problem] = caught.value.problems
    assert problem.code == "M025"
    assert problem.line == 3
    assert problem.message == (
        "the part 'part': the exported subgraph m.onnx: its process was ended by SIGFPE (a division by zero, or the "
        "like) on signal float32[1, 128, 1], step int64[] = 1, length int64[] = 0"
    )
    assert problem.hint == "give the inputs of the spec a 'range' that the part can compute with"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.onnx", "spec.yaml"]


def test_the_range_that_the_hint_asks_for_helps(tmp_path: Path) -> None:
    spec = stft(tmp_path, ", range: [8, 8]", ", range: [16, 16]")
    assert assemble(spec, tmp_path / "out.onnx").proven is not None


def test_a_loop_without_end_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECONDS, "2")
    with pytest.raises(
        ModelError,
        match=r"M026 the part 'part': the exported subgraph m\.onnx: no result after 2 seconds on trips",
    ) as caught:
        assemble(endless(tmp_path), tmp_path / "out.onnx")
    assert caught.value.problems[0].hint == f"if it really needs longer, set {SECONDS} to more seconds"


@LINUX
@pytest.mark.parametrize("operator", HUGE)
@pytest.mark.parametrize("elements", [1 << 33, 1 << 40])
def test_a_part_that_wants_more_memory_than_there_is_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operator: str, elements: int
) -> None:
    monkeypatch.setenv(MEMORY, "1e9")
    text = f'<ir_version: 8, opset_import: ["" : 17]>\nagraph (int64[1] n) => (float[m] y) {{\n{HUGE[operator]}\n}}'
    spec = stack(tmp_path, text, n=f"{{type: int64, shape: [1], range: [{elements}, {elements}]}}")
    with pytest.raises(
        ModelError,
        match=r"M027 the part 'part': the exported subgraph m\.onnx: needs more memory than the 1\.0 GB that it may",
    ):
        assemble(spec, tmp_path / "out.onnx")


@LINUX
@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL, signal.SIGBUS])
def test_whatever_ends_the_process_is_named(tmp_path: Path, number: signal.Signals) -> None:
    stft(tmp_path, "", "")
    worker = Worker(Limits(60, 8 << 30))
    session = IsolatedSession(worker, tmp_path / "m.onnx", "the part 'p'")
    feeds = {"signal": np.ones((1, 128, 1), np.float32), "step": np.array(8), "length": np.array(16)}
    [expected] = session.run(["y"], feeds)
    assert worker._process is not None
    os.kill(worker._process.pid, number)
    with pytest.raises(ModelError, match=f"M025 the part 'p': its process was ended by {number.name} "):
        session.run(["y"], feeds)
    [again] = session.run(["y"], feeds)
    worker.close()
    np.testing.assert_array_equal(again, expected)


@LINUX
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_build_answers_signals_while_a_part_hangs(
    hanging: tuple[subprocess.Popen[bytes], int], number: signal.Signals, code: int
) -> None:
    build, child = hanging
    build.send_signal(number)
    assert build.wait(timeout=30) == code
    assert ended(child)


@LINUX
def test_a_part_does_not_outlive_a_build_that_is_killed(hanging: tuple[subprocess.Popen[bytes], int]) -> None:
    build, child = hanging
    build.kill()
    build.wait()
    assert ended(child)


def test_an_ordinary_build_starts_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assembler.isolation.process._start", pytest.fail)
    (tmp_path / "spec.yaml").write_text(
        "version: 1\nname: own\ninputs: {x: {type: float32, shape: [n]}}\n"
        "graph: {part: {kind: cast, to: int64, inputs: {tensor: x}}}\noutputs: {y: part.tensor}\n",
        encoding="utf-8",
    )
    assert assemble(tmp_path / "spec.yaml", tmp_path / "out.onnx").proven is not None


def test_the_assembled_file_too_runs_beside_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = stft(tmp_path, ", range: [8, 8]", ", range: [16, 16]")
    assemble(spec, tmp_path / "out.onnx")
    monkeypatch.setattr("assembler.runtime.engine.ort.InferenceSession", pytest.fail)
    assemble(spec, tmp_path / "again.onnx")
    assert verify(tmp_path / "again.onnx").found


def test_a_module_in_the_current_folder_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = stft(tmp_path, ", range: [8, 8]", ", range: [16, 16]")
    for name in ("numpy", "onnxruntime", "assembler", "json"):
        (tmp_path / f"{name}.py").write_text("import pathlib\npathlib.Path('ran').touch()\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert assemble(spec, tmp_path / "out.onnx").proven is not None
    assert not (tmp_path / "ran").exists()


def test_blocks_share_one_process_and_end_it() -> None:
    assert current() is None
    with isolated() as outer, isolated() as inner:
        assert inner is outer
        assert current() is outer
        assert outer._started(Limits(60, 1 << 30)).poll() is None
        process = outer._process
    assert process is not None
    assert process.poll() is not None
    assert current() is None


@given(
    st.dictionaries(
        st.text(max_size=5),
        st.sampled_from(["?", "<i8", "<f4", "<f2", "|u1"]).flatmap(
            lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0, min_side=0))
        ),
        max_size=3,
    )
)
def test_arrays_arrive_as_they_were_sent(sent: dict[str, np.ndarray]) -> None:
    stream = io.BytesIO()
    Frame({"act": "run"}, sent).write(stream)
    stream.seek(0)
    found = Frame.read(stream)
    assert found.words == {"act": "run"}
    assert list(found.arrays) == list(sent)
    for name, array in sent.items():
        assert found.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(found.arrays[name], array)


@given(st.lists(st.text(), max_size=4))
def test_text_arrives_as_it_was_sent(texts: list[str]) -> None:
    stream = io.BytesIO()
    Frame({}, {"text": np.array(texts, object)}).write(stream)
    stream.seek(0)
    assert Frame.read(stream).arrays["text"].tolist() == texts


@given(st.binary(max_size=60), st.integers(0, 80))
def test_what_is_no_frame_is_refused(junk: bytes, place: int) -> None:
    stream = io.BytesIO()
    Frame({"act": "run"}, {"x": np.arange(3)}).write(stream)
    content = stream.getvalue()
    damaged = io.BytesIO(content[:place] + junk + content[place + len(junk) :])
    try:
        found = Frame.read(damaged)
    except (DamagedFrameError, EOFError, ValueError):
        return
    assert all(array.size < 10 for array in found.arrays.values())


def test_a_wrong_model_still_fails_its_proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = stft(tmp_path, ", range: [8, 8]", ", range: [16, 16]")
    run = IsolatedSession.run_all

    def wrong(self: IsolatedSession, *given: object) -> list[np.ndarray]:
        off = 1.0 if self._what == "the assembled model" else 0.0
        return [array + off for array in run(self, *given)]  # type: ignore[arg-type]

    monkeypatch.setattr(IsolatedSession, "run_all", wrong)
    with pytest.raises(ParityError, match="P002"):
        assemble(spec, tmp_path / "out.onnx")


@LINUX
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_tagging_answers_signals_while_a_model_hangs_in_our_own_process(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    endless(tmp_path)
    script = f"""
import signal, sys
import numpy, onnxruntime
from assembler.cli.interruption import answered
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
session = onnxruntime.InferenceSession({str(tmp_path / "m.onnx")!r})
with answered():
    print("now", flush=True)
    session.run(None, {{"trips": numpy.array(2**62), "x": numpy.ones(1, numpy.float32)}})
"""
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1"}
    hung = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment)
    assert hung.stdout is not None
    assert hung.stdout.readline() == b"now\n"
    time.sleep(0.5)
    hung.send_signal(number)
    try:
        assert hung.wait(timeout=60) == code
    finally:
        hung.kill()
        hung.stdout.close()


def test_a_signal_that_was_answered_in_time_ends_nothing() -> None:
    from assembler.cli import interruption

    with pytest.raises(KeyboardInterrupt), interruption.answered():
        signal.raise_signal(signal.SIGINT)
    time.sleep(interruption._GRACE + 0.5)
