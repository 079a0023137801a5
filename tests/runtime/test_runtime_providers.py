"""Execution providers other than the CPU: what is bound, and that nothing runs elsewhere than it was asked to.

No test here needs a GPU: binding works on the CPU too, and the CPU's ONNX Runtime leaves out a provider that it cannot
start just as a GPU's does that lacks a library.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import pytest

from assembler.core.errors import ModelError
from assembler.runtime import Tagger, binding
from assembler.runtime.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    WriteModel = Callable[..., Path]

SENTENCES = [["der", "hund"], ["a"], [], ["zwei", "drei", "vier", "neun"], ["x", "y"]] * 4
CUDA = "CUDAExecutionProvider"


@pytest.fixture
def bound(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Let the CPU replace a device with its own memory, and return the names of the inputs of each binding."""
    calls: list[list[str]] = []
    run = binding.run_bound

    def watched(session: binding.Bindable, names: list[str], feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        calls.append(list(feeds))
        return run(session, names, feeds)

    monkeypatch.setattr(binding, "_WITH_MEMORY", frozenset({"CPUExecutionProvider"}))
    monkeypatch.setattr("assembler.runtime.session.run_bound", watched)
    return calls


def test_bound_runs_give_the_same_tags(write_model: WriteModel, bound: list[list[str]]) -> None:
    path = write_model()
    found = Tagger(path).tag(SENTENCES, batch_size=2)
    assert bound == 8 * [["forward", "forwardIndices", "characterLengths", "lengths"]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(binding, "_WITH_MEMORY", frozenset())
        assert Tagger(path).tag(SENTENCES, batch_size=2) == found
    assert len(bound) == 8


def test_several_threads_bind_at_once(write_model: WriteModel, bound: list[list[str]]) -> None:
    tagger = Tagger(write_model())
    expected = tagger.tag(SENTENCES, batch_size=2)
    with ThreadPoolExecutor(4) as pool:
        assert all(found == expected for found in pool.map(lambda _: tagger.tag(SENTENCES, batch_size=2), range(8)))
    assert len(bound) == 9 * 8


def test_an_input_that_is_turned_in_memory_is_bound_as_it_reads(write_model: WriteModel) -> None:
    session = onnxruntime.InferenceSession(write_model(), providers=["CPUExecutionProvider"])
    rows = np.array([[3, 4, 5, 1], [6, 7, 1, 1]], dtype=np.int64)
    feeds = {
        "forward": rows.T,
        "forwardIndices": np.array([0, 4, 1, 3], dtype=np.int64),
        "characterLengths": np.array([4, 3], dtype=np.int64),
        "lengths": np.array([2, 2], dtype=np.int64),
    }
    names = ["scores", "prediction"]
    plain = session.run(names, feeds)
    for one, other in zip(plain, binding.run_bound(session, names, feeds), strict=True):
        assert one.dtype == other.dtype
        assert one.tolist() == other.tolist()


def test_a_bound_run_that_fails_is_m015(write_model: WriteModel, bound: list[list[str]]) -> None:
    session = Session.open(write_model())
    with pytest.raises(ModelError, match="M015 the model failed in ONNX Runtime"):
        session.run(["scores"], {"forward": np.zeros((1, 1, 1), np.int64)})
    assert bound


def test_binding_is_for_devices_with_a_memory_and_inputs_that_are_numbers() -> None:
    assert binding.can_bind(CUDA, ["tensor(int64)", "tensor(int32)"])
    assert not binding.can_bind("CPUExecutionProvider", ["tensor(int64)"])
    assert not binding.can_bind(CUDA, ["tensor(string)"])


@pytest.mark.filterwarnings("ignore:Specified provider 'CUDAExecutionProvider':UserWarning")
def test_a_provider_that_does_not_start_is_m011_and_not_the_cpu(
    write_model: WriteModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, "CPUExecutionProvider"])
    message = "M011 ONNX Runtime cannot start CUDAExecutionProvider here: it would run on CPUExecutionProvider"
    with pytest.raises(ModelError, match=message) as caught:
        Tagger(write_model(), providers=[(CUDA, {"use_tf32": "0"})])
    assert "a driver and the libraries CUDA and cuDNN" in (caught.value.problems[0].hint or "")
    asked = Tagger(write_model(), providers=[CUDA, "CPUExecutionProvider"])  # who names the CPU too has asked for it
    assert asked.providers == ("CPUExecutionProvider",)
