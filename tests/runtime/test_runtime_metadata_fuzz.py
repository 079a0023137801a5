"""Whatever the metadata of a file say, they are read or refused with a code."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
import pytest

from assembler.runtime import ModelError
from assembler.runtime.metadata import Metadata

if TYPE_CHECKING:
    from types import ModuleType

    from .conftest import WriteModel

TOOL = Path(__file__).resolve().parents[2] / "tools" / "fuzz_metadata.py"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_metadata", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz_metadata"] = module
    spec.loader.exec_module(module)
    return module


def test_changed_metadata_are_read_or_refused(tool: ModuleType, write_model: WriteModel) -> None:
    properties = {entry.key: entry.value for entry in onnx.load(write_model()).metadata_props}
    seen = tool.fuzzed(properties, 3000, 11)
    assert set(seen) == {"read", "M013", "M014"}


@pytest.mark.parametrize("text", ["1e999", "[NaN]", "-Infinity", "[" * 100_000, "9" * 5000])
def test_numbers_and_depths_that_json_cannot_hold_are_m013(text: str) -> None:
    properties = {"assembler.format": "1", "assembler.interface": "{}", "assembler.parts": text}
    with pytest.raises(ModelError, match=r"M013 assembler\.parts: no valid JSON"):
        Metadata.read(properties, "m.onnx")


def test_a_tokeniser_whose_code_panics_is_m013(monkeypatch: pytest.MonkeyPatch) -> None:
    import tokenizers

    class PanicException(BaseException):
        pass

    def panic(_: str) -> None:
        raise PanicException("index out of bounds")  # noqa: EM101, TRY003

    class Panicking:
        from_str = staticmethod(panic)

    monkeypatch.setattr(tokenizers, "Tokenizer", Panicking)
    with pytest.raises(ModelError, match=r"M013 assembler\.tokenizers\.encoder\.tokenizer: .* index out of bounds"):
        Metadata.read(with_tokenizer("{}"), "m.onnx")


def test_a_tokeniser_that_doubles_a_text_again_and_again_is_m013() -> None:
    steps = [{"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}] * 30
    tokenizer = {"normalizer": {"type": "Sequence", "normalizers": steps}, "model": {"type": "BPE"}}
    with pytest.raises(
        ModelError, match=r"M013 assembler\.tokenizers\.encoder\.tokenizer: its normalizer has more than"
    ):
        Metadata.read(with_tokenizer(json.dumps(tokenizer)), "m.onnx")


def with_tokenizer(tokenizer: str) -> dict[str, str]:
    entry = {"tokenizer": tokenizer, "padding": 0, "most": 0, "stride": 0, "context": 0, "separator": None}
    interface = {"inputs": [], "outputs": [], "language_models": {}, "tags": {"label_type": "", "spans": False}}
    return {
        "assembler.format": "1",
        "assembler.interface": json.dumps(interface),
        "assembler.tokenizers": json.dumps({"encoder": entry | {"positions": 0, "documents": False}}),
    }


def test_metadata_of_a_hundred_megabytes_are_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assembler.runtime.metadata.json", None)
    properties = {"assembler.format": "1", "assembler.interface": '"' + "x" * (1 << 26) + '"'}
    with pytest.raises(ModelError, match=r"m\.onnx: M013 assembler: the metadata are longer than 64 MiB"):
        Metadata.read(properties, "m.onnx")
    properties = {"assembler.format": "1", "assembler.interface": "[" + "[]," * 4_000_000 + "1]"}
    with pytest.raises(ModelError, match=r"m\.onnx: M013 assembler: the metadata hold more than 4,000,000 lists"):
        Metadata.read(properties, "m.onnx")
