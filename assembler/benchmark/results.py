"""The results of a benchmark, as values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assembler.core.values import Value


@dataclass(frozen=True, slots=True)
class Speed:
    """One way of tagging, in one batch size.

    Attributes:
        name: The way.
        batch: `batches` of each way's own size, `batches of N`, or `one at a time`.
        sentences_per_second: The speed of the fastest turn, because other programs can only make a turn slower.
        ratio: How many times flair's own speed, in this run: of the fastest turns.
        processor_ratio: The same ratio of the seconds that the cores were busy with it, which other programs do not
            change.
        median_ratio: As `ratio`, of the median turns.
        latency_median: Milliseconds for a sentence; half of them take longer; only one at a time.
        latency_p95: The same for one in twenty.
        peak_share: The share of the device's peak at float32 products that the needed products reach.
        tags_changed: Tags that differ from flair's.
        tokens: The tags compared.
    """

    name: str
    batch: str
    sentences_per_second: float
    ratio: float
    processor_ratio: float
    median_ratio: float
    latency_median: float | None
    latency_p95: float | None
    peak_share: float
    tags_changed: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Footprint:
    """The resources that a model needs, measured in its own process.

    Attributes:
        name: The profile, or `flair`.
        size: The bytes of its files.
        load_seconds: From the file to the first tag.
        session_seconds: The seconds that ONNX Runtime alone needs to load the file; `None` for flair.
        import_memory: The bytes that the process took before, for its imports.
        peak_memory: The most bytes that loading and tagging the text take beyond these.
        device_memory: The bytes of the device's own memory that are taken for it, as seen from the device, beyond those
            that every program uses there; 0 if the device is the processor.
    """

    name: str
    size: int
    load_seconds: float
    session_seconds: float | None
    import_memory: int
    peak_memory: int
    device_memory: int


@dataclass(frozen=True, slots=True)
class Accelerator:
    """A GPU.

    Attributes:
        name: Its name.
        memory: The bytes of its memory.
        capability: Its compute capability.
        driver: The version of its driver, or `unknown`.
        cuda: The version of CUDA that torch is built for.
        cudnn: The version of cuDNN that torch has loaded.
    """

    name: str
    memory: int
    capability: str
    driver: str
    cuda: str
    cudnn: str


@dataclass(frozen=True, slots=True)
class Machine:
    """Where it was measured.

    Attributes:
        processor: Its name.
        cores: How many of them this process may use.
        instructions: Those that decide the speed here.
        peak: The peak of the device at float32 products, in thousand millions a second, measured in the same run.
        versions: The packages.
        load: The load of the machine before and after, from other programs.
        accelerator: The GPU that it was measured on, or `None`.
    """

    processor: str
    cores: int
    instructions: tuple[str, ...]
    peak: float
    versions: dict[str, str]
    load: tuple[float, float]
    accelerator: Accelerator | None


@dataclass(frozen=True, slots=True)
class Report:
    """A whole benchmark.

    Attributes:
        machine: Where.
        sentences: How many sentences were tagged in batches.
        speeds: Each way in each batch size.
        footprints: flair and each model.
        left_out: Ways that do not run here, and why.
    """

    machine: Machine
    sentences: int
    speeds: tuple[Speed, ...]
    footprints: tuple[Footprint, ...]
    left_out: dict[str, str]

    def as_dict(self) -> dict[str, Value]:
        """Return the record that `--format json` prints."""
        record: dict[str, Value] = asdict(self)
        return record
