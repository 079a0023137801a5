"""Describes the machine, and measures its peak at products of matrices."""

from __future__ import annotations

import os
import platform
import time
from importlib import metadata
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from assembler.benchmark.results import Accelerator, Machine
from assembler.runtime.engine import ort

_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "amx_bf16", "asimddp", "i8mm")
_ROWS = (32, 48, 64, 96)
_PACKAGES = ("flair-assembler", "flair", "torch", "onnxruntime", "onnxruntime-gpu", "numpy")


class Peak:
    """A product of the shape that a language model needs, with packed weights, as fast as ONNX Runtime does it."""

    def __init__(self, hidden: int) -> None:
        """Make the product `[rows, hidden] @ [hidden, 4 * hidden]`."""
        self._hidden = hidden
        self._best = 0.0
        weight = np.random.default_rng(0).normal(size=(hidden, 4 * hidden)).astype(np.float32)
        info = helper.make_tensor_value_info
        graph = helper.make_graph(
            [helper.make_node("MatMul", ["x", "w"], ["y"])],
            "product",
            [info("x", 1, ["rows", hidden])],
            [info("y", 1, ["rows", 4 * hidden])],
            [numpy_helper.from_array(weight, "w")],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        options = ort.SessionOptions()
        options.add_session_config_entry("session.force_spinning_stop", "1")  # or its threads slow the next turn
        self._session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def measure(self) -> None:
        """Take a turn. The best result over a few numbers of rows and all turns so far counts."""
        for rows in _ROWS:
            given = np.full((rows, self._hidden), 0.1, np.float32)
            repeats = max(3, round(2e9 / (8 * rows * self._hidden**2) / 4))
            begin = time.perf_counter()
            for _ in range(repeats):
                self._session.run(None, {"x": given})
            seconds = (time.perf_counter() - begin) / repeats
            self._best = max(self._best, 8 * rows * self._hidden**2 / seconds)

    @property
    def operations(self) -> float:
        """The largest number of operations a second."""
        return self._best


def describe(peak: float, load_before: float, accelerator: Accelerator | None = None) -> Machine:
    """Return what decides about the figures."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    known = {key.strip(): value.strip() for key, value in fields.items()}
    flags = known.get("flags", known.get("Features", "")).split()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    versions = {name: metadata.version(name) for name in _PACKAGES if _installed(name)}
    return Machine(
        processor=known.get("model name", platform.processor() or platform.machine()),
        cores=cores,
        instructions=tuple(flag for flag in _FLAGS if flag in flags),
        peak=peak / 1e9,
        versions={**versions, "onnx": onnx.__version__},
        load=(load_before, system_load()),
        accelerator=accelerator,
    )


def system_load() -> float:
    """Return how many programs ran or waited in the last minute."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else float("nan")


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
