"""The device of a benchmark: the processor, or a GPU that both torch and ONNX Runtime can use."""

from __future__ import annotations

import json
import re
import tempfile
import warnings
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assembler.benchmark.results import Accelerator
from assembler.core.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CUDA = "CUDAExecutionProvider"
_DRIVER = Path("/proc/driver/nvidia/version")


class DeviceError(Exception):
    """The requested device cannot be used here; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Device:
    """What a benchmark runs on.

    Attributes:
        name: Its name on the command line.
        torch: Its name in torch, where flair computes.
        providers: ONNX Runtime's execution providers, each with its options. The first provider that runs must be one
            of these.
        batches: The batch sizes that both sides are measured in; `None` means each side's own.
        profiles: The profiles that are measured unless others are named.
    """

    name: str
    torch: str
    providers: tuple[tuple[str, dict[str, str]], ...]
    batches: tuple[int | None, ...]
    profiles: tuple[str, ...]

    @property
    def has_memory(self) -> bool:
        """Whether it has its own memory, and runs asynchronously to the processor."""
        return self.torch.startswith("cuda")

    def synchronise(self) -> None:
        """Wait until all work on it is done."""
        if self.has_memory:
            import torch

            torch.cuda.synchronize(self.torch)

    def used_memory(self) -> int:
        """Return the bytes of its memory that all programs use; 0 for the processor."""
        if not self.has_memory:
            return 0
        import torch

        free, total = torch.cuda.mem_get_info(self.torch)
        return int(total - free)

    def accelerator(self) -> Accelerator | None:
        """Return its description, or `None` for the processor, which the machine's description includes."""
        if not self.has_memory:
            return None
        import torch

        properties = torch.cuda.get_device_properties(self.torch)
        return Accelerator(
            name=properties.name,
            memory=properties.total_memory,
            capability=f"{properties.major}.{properties.minor}",
            driver=_driver(),
            cuda=str(torch.version.cuda),
            cudnn=str(torch.backends.cudnn.version()),  # type: ignore[no-untyped-call]
        )

    @contextmanager
    def full_float32(self) -> Iterator[None]:
        """Keep torch from computing float32 with the ten bits of TF32 in the block, as it does in cuDNN by default.

        ONNX Runtime is told the same by the option `use_tf32` of its provider.
        """
        import torch

        cudnn, products = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        try:
            yield
        finally:
            torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = cudnn, products

    def as_json(self) -> str:
        """Return the text that `from_json` reads, by which processes of the benchmark pass on the device."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Device:
        """Return the device of `as_json`."""
        record = json.loads(text)
        providers = tuple((name, dict(options)) for name, options in record["providers"])
        return cls(record["name"], record["torch"], providers, tuple(record["batches"]), tuple(record["profiles"]))


#: The default device: flair runs in its batches of 32, our models in their own default batches.
PROCESSOR = Device("cpu", "cpu", (("CPUExecutionProvider", {}),), (None,), ("portable", "cpu", "int8"))
#: The first GPU, on which both sides need more rows to be fast than on a processor.
GPU = Device("cuda", "cuda:0", ((_CUDA, {"device_id": "0", "use_tf32": "0"}),), (32, 256, 1024), ("cuda", "fp16"))


def gpu() -> Device:
    """Return the GPU, after a small model has shown that ONNX Runtime runs on it.

    Raises:
        DeviceError: ONNX Runtime or torch was built for processors alone, or one of them cannot start the GPU.
    """
    from assembler.runtime.engine import ort

    available = ort.get_available_providers()
    if _CUDA not in available:
        message = f"this ONNX Runtime has no {_CUDA}, only {', '.join(available)}: install onnxruntime-gpu in the "
        raise DeviceError(message + "place of onnxruntime (both are one package to Python)")
    _require_torch()  # before the first session: torch loads the libraries of CUDA that ONNX Runtime needs too
    _require_session(GPU)
    return GPU


def _require_torch() -> None:
    import torch

    if torch.version.cuda is None:
        message = f"this torch ({torch.__version__}) is built for processors alone, and flair runs on it: install a "
        raise DeviceError(message + "torch that is built for CUDA")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns about an old driver, and returns false
        started = torch.cuda.is_available()
    if not started:
        message = (
            f"torch {torch.__version__} is built for CUDA {torch.version.cuda} and finds no GPU with a driver for it"
        )
        raise DeviceError(message)


def _require_session(device: Device) -> None:
    """Run a small model on the device.

    Raises:
        DeviceError: ONNX Runtime cannot start the provider, or fell back to another.
    """
    import numpy as np
    import onnx

    from assembler.runtime.session import Session

    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 17]> small (int64[n] x) => (int64[n] y) { y = Add(x, x) }'
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "small.onnx"
        onnx.save(model, path)
        try:
            session = Session.open(path, providers=device.providers)
            session.run(["y"], {"x": np.zeros(1, np.int64)})
        except ModelError as err:
            problem = err.problems[0]
            raise DeviceError(f"{problem.message}. {problem.hint or ''}".rstrip()) from err
    require_first(device, session.providers)


def require_first(device: Device, started: tuple[str, ...]) -> None:
    """Refuse to measure anywhere other than on the device.

    Raises:
        DeviceError: Another provider runs the model.
    """
    if started[0] != device.providers[0][0]:
        message = f"ONNX Runtime runs on {started[0]} instead of {device.providers[0][0]}"
        raise DeviceError(message)


def _driver() -> str:
    """Return the version of the driver, which torch does not tell."""
    text = _DRIVER.read_text(encoding="utf-8") if _DRIVER.exists() else ""
    found = re.search(r"\b\d{3,}\.\d+(\.\d+)*\b", text)
    return found.group() if found else "unknown"
