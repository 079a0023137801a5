"""A model file that is not what was written is refused when it is loaded."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from assembler import assemble
from assembler.onnx_file.contents import read_contents
from assembler.onnx_model.digests import content_digest, with_digests
from assembler.onnx_model.model import Model
from assembler.runtime import ModelError, Tagger

ROOT = Path(__file__).resolve().parents[2]
WORDS = [["Die", "Katze", "schläft", "."], ["Wien", "!"]]
FLIPS = 400


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "demo.onnx"
    return assemble(ROOT / "specs" / "demo-pos.yaml", path, proof=False).path


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    path = tmp_path_factory.mktemp("beside") / "demo.onnx"
    result = assemble(ROOT / "specs" / "demo-pos.yaml", path, proof=False, external_above=1000)
    assert result.data is not None
    return result.path, result.data


def flip(data: bytes, place: int, bit: int) -> bytes:
    return data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :]


def tags(path: Path) -> list[tuple[object, ...]]:
    return [(found.labels, found.scores) for found in Tagger(path, threads=1).tag(WORDS)]


def test_every_flipped_bit_is_refused_or_changes_nothing(built: Path, tmp_path: Path) -> None:
    whole, expected = built.read_bytes(), tags(built)
    sizes = [weights.raw.start for weights in read_contents(built).weights if weights.raw is not None]
    chance, codes = random.Random(5), set()  # noqa: S311 - no secret
    for number in range(FLIPS):  # every second one outside the large weights, in structure and metadata
        place = chance.randrange(min(sizes)) if number % 2 else chance.randrange(len(whole))
        path = tmp_path / "m.onnx"
        path.write_bytes(flip(whole, place, 1 << chance.randrange(8)))
        try:
            assert tags(path) == expected
        except ModelError as err:
            codes.add(err.problems[0].code)
    assert "M021" in codes
    assert codes <= {"M011", "M012", "M013", "M021", "M022"}


def test_a_flipped_bit_in_the_weights_is_named(built: Path, tmp_path: Path) -> None:
    path, whole = tmp_path / "m.onnx", built.read_bytes()
    largest = max((w.raw for w in read_contents(built).weights if w.raw), key=lambda raw: raw.end - raw.start)
    path.write_bytes(flip(whole, (largest.start + largest.end) // 2, 4))
    with pytest.raises(ModelError, match="M021 the file is damaged: its weights, graph or metadata"):
        Tagger(path)
    assert tags(built) != []
    assert len(Tagger(path, verify=False).tag(WORDS)) == 2


def test_a_flipped_bit_in_the_metadata_is_named_before_anything_is_loaded(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    path, whole = tmp_path / "m.onnx", built.read_bytes()
    path.write_bytes(flip(whole, whole.index(b'"NOUN"') + 1, 1))
    monkeypatch.delattr(onnxruntime, "InferenceSession")
    with pytest.raises(ModelError, match="M021 the file is damaged: its graph or metadata are not those"):
        Tagger(path)


def test_weights_beside_the_model_are_looked_at(beside: tuple[Path, Path]) -> None:
    path, data = beside
    expected, whole = tags(path), data.read_bytes()
    assert len(expected) == 2
    data.write_bytes(flip(whole, len(whole) // 2, 1))
    with pytest.raises(ModelError, match="M021 the file is damaged"):
        Tagger(path)
    data.write_bytes(whole[:-1])
    with pytest.raises(ModelError, match=r"M022 .* checked: the file '.*\.weights' of weights beside it is cut"):
        Tagger(path)
    data.unlink()
    with pytest.raises(ModelError, match=r"M022 .* checked: the file '.*\.weights' of weights beside it is missing"):
        Tagger(path)
    data.write_bytes(whole)
    assert tags(path) == expected


def changed(source: Path, path: Path, *, drop: tuple[str, ...]) -> Path:
    model = onnx.load(source)
    kept = [entry for entry in model.metadata_props if entry.key not in drop]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    onnx.save(model, path)
    return path


def test_a_digest_of_the_first_version_is_enough(built: Path, tmp_path: Path) -> None:
    path = changed(built, tmp_path / "m.onnx", drop=("assembler.structure", "assembler.content"))
    model = onnx.load(path)
    values = {entry.key: entry.value for entry in model.metadata_props}
    model.metadata_props.add(key="assembler.content", value=json.dumps(content_digest(Model(model, {}), values)))
    onnx.save(model, path)
    assert tags(path) == tags(built)
    path.write_bytes(flip(path.read_bytes(), path.stat().st_size // 2, 2))
    with pytest.raises(ModelError, match="M021"):
        Tagger(path)


def test_a_digest_that_is_gone_is_missed(built: Path, tmp_path: Path) -> None:
    path = changed(built, tmp_path / "m.onnx", drop=("assembler.content",))
    with pytest.raises(ModelError, match="M022 the model carries no digest of its contents"):
        Tagger(path)
    assert tags(built) == [(found.labels, found.scores) for found in Tagger(path, verify=False).tag(WORDS)]


TYPED = {
    "floats": helper.make_tensor("floats", TensorProto.FLOAT, [2], [1.5, -2.0]),
    "doubles": helper.make_tensor("doubles", TensorProto.DOUBLE, [1], [1e300]),
    "longs": helper.make_tensor("longs", TensorProto.INT64, [3], [-1, 0, 1 << 40]),
    "ints": helper.make_tensor("ints", TensorProto.INT32, [2], [-7, 7]),
    "bytes": helper.make_tensor("bytes", TensorProto.INT8, [2], [-7, 7]),
    "flags": helper.make_tensor("flags", TensorProto.BOOL, [2], [True, False]),
    "halves": helper.make_tensor("halves", TensorProto.FLOAT16, [2], [1.5, -2.0]),
    "unsigned": helper.make_tensor("unsigned", TensorProto.UINT32, [2], [7, (1 << 32) - 1]),
    "wide": helper.make_tensor("wide", TensorProto.UINT64, [1], [(1 << 64) - 1]),
    "texts": helper.make_tensor("texts", TensorProto.STRING, [2, 1], ["ä", "b'\n"]),
    "scalar": helper.make_tensor("scalar", TensorProto.INT64, [], [5]),
    "none": helper.make_tensor("none", TensorProto.FLOAT, [0], []),
    "raw": numpy_helper.from_array(np.arange(3000, dtype=np.float32), "raw"),
}


@pytest.mark.parametrize("name", TYPED)
def test_a_file_has_the_digests_of_the_model_that_was_written(name: str, tmp_path: Path) -> None:
    node = helper.make_node("Identity", [name], ["out"])
    output = helper.make_tensor_value_info("out", TYPED[name].data_type, None)
    model = helper.make_model(helper.make_graph([node], "g", [], [output], [TYPED[name]]))
    values = with_digests(Model(model, {}), {"assembler.format": "1", "assembler.labels": '["ä"]'})
    helper.set_model_props(model, values)
    onnx.save(model, tmp_path / "m.onnx")
    contents = read_contents(tmp_path / "m.onnx")
    assert contents.digest(whole=True) == json.loads(values["assembler.content"])
    assert contents.digest(whole=False) == json.loads(values["assembler.structure"])
