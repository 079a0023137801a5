"""The benchmark on a device: the CPU replaces it under another name, and nothing is silently measured elsewhere.

No GPU is needed. What only a GPU can show, its figures, is not tested.
"""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import flair
import onnxruntime
import pytest
import torch

from assembler.benchmark import device as devices
from assembler.benchmark import measure
from assembler.benchmark.device import GPU, PROCESSOR, Device, DeviceError, gpu, require_first
from assembler.benchmark.device_peak import DevicePeak
from assembler.benchmark.footprint import taken
from assembler.benchmark.results import Accelerator, Footprint, Machine, Report, Speed
from assembler.cli import bench
from assembler.runtime import Tagger, binding

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flair.models import SequenceTagger

    from tests.assembly.conftest import Outcome, Workshop

    Command = Callable[..., Outcome]

CUDA = "CUDAExecutionProvider"
STAND_IN = Device(
    "stand-in", "cpu:0", (("CPUExecutionProvider", {"use_arena": "1"}),), (2, 3, 64, 128), ("cuda", "fp16")
)


def test_both_sides_run_on_the_device_in_each_of_its_batch_sizes(
    shop: Workshop, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound: list[int] = []
    places: set[str] = set()
    waits: list[Device] = []
    run, predict = binding.run_bound, flair.models.SequenceTagger.predict

    def run_bound(session: binding.Bindable, names: list[str], feeds: dict[str, object]) -> object:
        bound.append(len(feeds["lengths"]))
        return run(session, names, feeds)

    def watched(tagger: SequenceTagger, *words: object, **options: object) -> object:
        places.add(str(flair.device))
        return predict(tagger, *words, **options)

    def began(step: str) -> None:
        if step == "measuring load time and memory":  # what runs before that are the proofs
            bound.clear()

    def wait(device: Device) -> None:
        waits.append(device)

    monkeypatch.setattr(binding, "_WITH_MEMORY", frozenset({"CPUExecutionProvider"}))
    monkeypatch.setattr("assembler.runtime.session.run_bound", run_bound)
    monkeypatch.setattr(flair.models.SequenceTagger, "predict", watched)
    monkeypatch.setattr(Device, "synchronise", wait)
    text = folder / "text.txt"
    text.write_text("der hund bellt .\ndie katze\nja\nwir sehen uns morgen\n", encoding="utf-8")
    options = {"rounds": 1, "one_at_a_time": 2, "device": STAND_IN, "progress": began}
    report = measure(shop.spec(folder), text, profiles=STAND_IN.profiles, **options)
    labels = ["batches of 2", "batches of 3", "batches of 64", "one at a time"]  # 64 hold all, so 128 say nothing more
    assert [(speed.name, speed.batch) for speed in report.speeds] == [
        (name, label) for label in labels for name in ("flair", "cuda", "fp16")
    ]
    assert all(speed.tags_changed == 0 and speed.tokens > 1 for speed in report.speeds)
    assert all(speed.sentences_per_second > 0 and speed.peak_share > 0 for speed in report.speeds)
    # A first run and a turn of each profile in each size, and none without binding; `cuda` evens its batches out.
    assert sorted(bound) == sorted(2 * [2, 2, 2, 2, 4, 1, 1] + 2 * [2, 2, 3, 1, 4, 1, 1])
    assert places == {"cpu:0"}
    assert len(waits) == 3 * (1 + 1 + 1 + 2) + 4 * 8  # after each call of each way, and in the peak of each size
    assert str(flair.device) == "cpu"


def test_a_device_says_the_same_to_a_process_of_its_own() -> None:
    for device in (PROCESSOR, GPU, STAND_IN):
        assert Device.from_json(device.as_json()) == device


def test_a_process_measures_what_it_takes_of_the_devices_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    used = iter([1000, 5000])
    monkeypatch.setattr(Device, "used_memory", lambda _: next(used))
    monkeypatch.setattr(Device, "synchronise", lambda _: None)
    seen: list[int] = []

    def load() -> Callable[[object], None]:
        return lambda sentences: seen.append(len(sentences))

    found = taken(load, [["a"], ["b"], ["c"]], GPU)
    assert found.device == 4000
    assert found.load >= 0
    assert seen == [1, 3]


def test_a_gpu_is_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    properties = SimpleNamespace(name="Some GPU", total_memory=16 * 10**9, major=9, minor=0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: properties)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (6 * 10**9, 16 * 10**9))
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91002)
    driver = tmp_path / "version"
    monkeypatch.setattr(devices, "_DRIVER", driver)
    accelerator = GPU.accelerator()
    assert accelerator is not None
    assert (accelerator.name, accelerator.memory, accelerator.capability) == ("Some GPU", 16 * 10**9, "9.0")
    assert (accelerator.driver, accelerator.cuda, accelerator.cudnn) == ("unknown", "12.8", "91002")
    assert GPU.used_memory() == 10 * 10**9
    driver.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\nGCC\n")
    assert replace(accelerator, driver="535.104.05") == GPU.accelerator()
    assert PROCESSOR.accelerator() is None
    assert PROCESSOR.used_memory() == 0


def test_the_command_names_the_gpu_and_what_was_taken_of_its_memory(capsys: pytest.CaptureFixture[str]) -> None:
    gpu_itself = Accelerator("Some GPU", 16 * 10**9, "9.0", "535.104.05", "12.8", "91002")
    machine = Machine("Some processor", 2, ("avx2",), 40_000.0, {}, (0.1, 0.2), gpu_itself)
    speed = Speed("cuda", "batches of 1024", 9.0, 1.5, 1.4, 1.3, None, None, 0.5, 0, 7)
    needs = Footprint("cuda", 2 * 10**6, 1.0, 0.5, 3 * 10**6, 4 * 10**6, 5 * 10**6)
    bench._print(Report(machine, 7, (speed,), (needs,), {}))
    first, _, head, row, last = capsys.readouterr().out.splitlines()
    assert first.startswith(
        "Some GPU, 16.00 GB, driver 535.104.05, CUDA 12.8, cuDNN 91002; Some processor, 2 cores, avx2;"
    )
    assert "at most 40000 GFLOP/s on the GPU, TF32 switched off on both sides" in first
    assert head.index("sentences/s") + len("sentences/s") == row.index("9.0") + len("9.0")
    assert last.endswith("4.0 MB of memory at most beyond the 3.0 MB of imports, 5.0 MB of the GPU's")


def test_float32_stays_whole_in_the_block_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    with GPU.full_float32():
        assert not torch.backends.cudnn.allow_tf32
        assert not torch.backends.cuda.matmul.allow_tf32
    assert torch.backends.cudnn.allow_tf32
    assert GPU.providers == ((CUDA, {"device_id": "0", "use_tf32": "0"}),)


def test_the_peak_of_a_device_is_that_of_its_fastest_product(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[Device] = []

    def wait(device: Device) -> None:
        waits.append(device)

    monkeypatch.setattr(Device, "synchronise", wait)
    peak = DevicePeak(8, STAND_IN)
    peak.measure()
    first = peak.operations
    peak.measure()
    assert peak.operations >= first > 0
    assert len(waits) == 2 * 2 * 4  # before and after each number of rows: a device runs on while the clock is read


def _with_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, "CPUExecutionProvider"])


def test_an_onnx_runtime_for_processors_is_wrong_usage(
    shop: Workshop, folder: Path, cli: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    outcome = cli("bench", shop.spec(folder), "--device", "cuda")
    assert outcome.code == 2
    assert "has no CUDAExecutionProvider, only CPUExecutionProvider: install onnxruntime-gpu" in outcome.err


def test_a_torch_for_processors_is_wrong_usage(
    shop: Workshop, folder: Path, cli: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    _with_provider(monkeypatch)
    monkeypatch.setattr(torch.version, "cuda", None)
    outcome = cli("bench", shop.spec(folder), "--device", "cuda")
    assert outcome.code == 2
    assert "is built for processors alone, and flair runs on it: install a torch that is built for CUDA" in outcome.err


def test_a_gpu_without_a_driver_is_wrong_usage(
    shop: Workshop, folder: Path, cli: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    _with_provider(monkeypatch)
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    outcome = cli("bench", shop.spec(folder), "--device", "cuda")
    assert outcome.code == 2
    assert "is built for CUDA 12.8 and finds no GPU with a driver for it" in outcome.err


@pytest.mark.filterwarnings("ignore:Specified provider 'CUDAExecutionProvider':UserWarning")
def test_a_provider_that_goes_on_without_the_gpu_is_no_measurement(
    built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _with_provider(monkeypatch)
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(DeviceError, match="cannot start CUDAExecutionProvider here: it would run on CPUExecution"):
        gpu()
    with pytest.raises(DeviceError, match="runs on CPUExecutionProvider instead of CUDAExecutionProvider"):
        require_first(GPU, Tagger(built).providers)


def test_curves_are_of_the_processor(shop: Workshop, folder: Path, cli: Command) -> None:
    outcome = cli("bench", shop.spec(folder), "--device", "cuda", "--curve", "sentences")
    assert outcome.code == 2
    assert "--curve measures the processor alone: leave out --device" in outcome.err
