"""The way from a spec to a file: what each stage keeps, what a draft says, and what is written after the proof."""

from __future__ import annotations

import gc
import re
import shutil
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import helper

from assembler import assemble
from assembler.core.atomic_files import Stage, staged
from assembler.core.errors import SpecError
from assembler.onnx_file.header import read_header
from assembler.onnx_model.digests import digests_in_file, with_digests
from assembler.onnx_model.labelling import label
from assembler.onnx_model.model import Model
from assembler.onnx_model.serialisation import frame_of
from assembler.sources.opening import OpenSources
from assembler.surgery import emission
from assembler.workflows.inspection import inspect
from assembler.workflows.stages import Stages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from assembler.workflows.assembly import Assembled
    from tests.assembly.conftest import Workshop

PROVING, RECORDING = "proving the model against its source", "recording the proof"


def kept_draft(folder: Path, copy: Path, step: str) -> Callable[[str], None]:
    """Return a progress that copies the draft of `model.onnx` at the beginning of a step."""

    def at(text: str) -> None:
        if text == step:
            [draft] = folder.glob(".model.onnx.*.partial")
            shutil.copy(draft, copy)

    return at


def built(shop: Workshop, folder: Path, copy: Path, step: str, **options: object) -> Assembled:
    demo = shop.repository / "specs" / "demo-pos.yaml"
    progress = kept_draft(folder, copy, step)
    return assemble(demo, folder / "model.onnx", progress=progress, **options)  # type: ignore[arg-type]


def graph_of(path: Path) -> bytes:
    """Return a model file without what comes before its graph."""
    proto = onnx.load(path, load_external_data=False)
    return path.read_bytes()[frame_of(Model(proto, {})).ByteSize() :]


def test_stages_are_run_in_order_each_with_what_the_one_before_made() -> None:
    def halved(number: int) -> float:
        return number / 2

    assert Stages.begin(len).then(halved).then(str).run("abc") == "1.5"


@pytest.mark.parametrize("step", [PROVING, RECORDING])
def test_a_file_does_not_say_that_it_passed_before_it_has(shop: Workshop, tmp_path: Path, step: str) -> None:
    copy = tmp_path / "copy.onnx"
    result = built(shop, tmp_path, copy, step)
    assert shop.metadata(copy)["proof"] == {"status": "draft", "reason": "a draft"}
    assert not any("passed" in value for value in read_header(copy).metadata.values())
    assert inspect(copy).proof == "not proven (a draft)"
    assert shop.metadata(result.path)["proof"]["status"] == "passed"


def test_only_what_comes_before_the_graph_is_written_after_the_proof(
    shop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved: list[object] = []
    monkeypatch.setattr(Stage, "_move", lambda *places: moved.append(places))
    copy = tmp_path / "copy.onnx"
    result = built(shop, tmp_path, copy, RECORDING)
    assert graph_of(copy) == graph_of(result.path)
    assert copy.stat().st_size == result.path.stat().st_size == result.size
    assert moved == []


@pytest.mark.parametrize("profile", ["int8", "fp16"])
def test_what_a_lossy_model_was_found_to_change_moves_its_graph_as_it_is(
    shop: Workshop, tmp_path: Path, profile: str
) -> None:
    copy = tmp_path / "copy.onnx"
    result = built(shop, tmp_path, copy, RECORDING, profile=profile)
    assert graph_of(copy) == graph_of(result.path)
    assert copy.stat().st_size != result.size == result.path.stat().st_size
    assert "tags_changed" in shop.metadata(result.path)["proof"]


def test_external_data_are_written_once(shop: Workshop, tmp_path: Path) -> None:
    def changed(folder: Path) -> dict[str, tuple[int, int]]:
        return {file.name: (file.stat().st_ino, file.stat().st_mtime_ns) for file in folder.glob(".*.weights.*")}

    at: dict[str, dict[str, tuple[int, int]]] = {}
    demo = shop.repository / "specs" / "demo-pos.yaml"
    result = assemble(
        demo, tmp_path / "model.onnx", external_above=0, progress=lambda step: at.update({step: changed(tmp_path)})
    )
    assert result.data is not None
    [written] = at[RECORDING].values()
    assert [*at["checking the file"].values()] == [written]
    assert (result.data.stat().st_ino, result.data.stat().st_mtime_ns) == written


def test_parts_are_emitted_once(shop: Workshop, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = emission.emit_parts, []
    monkeypatch.setattr(emission, "emit_parts", lambda wiring: calls.append(wiring) or real(wiring))
    steps: list[str] = []
    spec = shop.spec(folder)
    text = spec.read_text(encoding="utf-8")
    spec.write_text(text.replace("outputs:\n  scores", "outputs:\n  words: words.rows\n  scores"), encoding="utf-8")
    assemble(spec, folder / "model.onnx", progress=steps.append)
    assert "running the parts one by one" in steps
    assert len(calls) == 1


def test_sources_and_weights_are_let_go_of_before_the_proof(shop: Workshop, folder: Path) -> None:
    alive: dict[str, set[str]] = {}

    def look(step: str) -> None:
        gc.collect()
        found = gc.get_objects()
        alive[step] = {type(each).__name__ for each in found if type(each) in {OpenSources, Model}}

    assemble(shop.spec(folder), folder / "model.onnx", progress=look)
    assert alive["emitting the parts"] == {"OpenSources"}
    assert alive["writing the draft"] == {"Model"}
    assert alive["checking the file"] == set()
    assert alive[PROVING] == set()


def test_an_input_of_two_meanings_is_refused_before_the_source_runs(shop: Workshop, folder: Path) -> None:
    spec = shop.spec(folder)
    text = spec.read_text(encoding="utf-8").replace("characters: backward,", "characters: forward,")
    spec.write_text(re.sub("  backward: .*\n", "", text), encoding="utf-8")
    steps: list[str] = []
    with pytest.raises(SpecError, match="W013 the input 'forward' feeds 'forward_lm' and 'backward_lm'"):
        assemble(spec, folder / "model.onnx", progress=steps.append)
    assert steps == ["reading the spec", "reading the sources"]


# --- the beginning of a file


@pytest.mark.parametrize("size", [1, 3, 4, 64])
@pytest.mark.parametrize("beginning", [b"", b"a", b"abc", b"abcdefgh", b"abcdefghijklm"])
def test_another_beginning_leaves_the_rest_of_a_file_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, beginning: bytes
) -> None:
    monkeypatch.setattr("assembler.core.atomic_files._PIECE", size)
    rest = bytes(range(40))
    with staged(tmp_path / "file") as stage:
        stage.stream.write(b"123" + rest)
        stage.begin_anew(3, beginning)
    assert (tmp_path / "file").read_bytes() == beginning + rest


METADATA = {"assembler.format": "1", "assembler.proof": '"ä"'}


def tensors() -> Mapping[str, onnx.TensorProto]:
    large = np.arange(2000, dtype=np.float32)
    packed = helper.make_tensor("packed", onnx.TensorProto.INT4, [3], [1, -2, 3])
    return {
        "large": onnx.numpy_helper.from_array(large, "large"),
        "text": onnx.numpy_helper.from_array(np.array(["a", "ö"], dtype=object), "text"),
        "packed": packed,
    }


@pytest.mark.parametrize("name", ["large", "text", "packed"])
def test_digests_of_a_written_model_with_other_metadata_are_those_of_the_model_in_memory(
    tmp_path: Path, name: str
) -> None:
    graph = helper.make_graph([], "g", [], [helper.make_tensor_value_info(name, tensors()[name].data_type, None)])
    graph.initializer.append(tensors()[name])
    model = Model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)]), {})
    onnx.save(label(model, with_digests(model, {"assembler.proof": '"draft"'})).proto, tmp_path / "model.onnx")
    assert digests_in_file(tmp_path / "model.onnx", METADATA) == with_digests(model, METADATA)
