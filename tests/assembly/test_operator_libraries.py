"""Parts with operators of onnxruntime-extensions: a tokeniser before its encoder."""

from __future__ import annotations

import importlib.util
import json
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from assembler import ModelError
from assembler.runtime import operator_libraries
from assembler.runtime.session import Session
from assembler.workflows.inspection import inspect
from tests.assembly.test_control_kinds import exported, floats, written

if TYPE_CHECKING:
    from pathlib import Path

    from tests.assembly.conftest import Workshop

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "##s", "sat", "mat", ".")
SPEC = """
sources: {tokeniser: {onnx: tokeniser.onnx}, encoder: {onnx: encoder.onnx}}
inputs: {text: {type: string, shape: [1]}}
graph:
  tokenise: {kind: onnx, weights: tokeniser, inputs: {text: text}}
  encode: {kind: onnx, weights: encoder, inputs: {ids: tokenise.ids, mask: tokenise.mask}}
outputs: {embedding: encode.embedding, ids: tokenise.ids}
proof: {inputs: {text: {values: ["The cats sat.", "mat", "a cat on the mat"]}}}
"""


def tokeniser(path: Path) -> None:
    """Write a model with a tokeniser of BERT's, as `gen_processing_models` of onnxruntime-extensions writes it."""
    vocabulary = "\n".join(WORDS).encode()
    node = helper.make_node(
        "BertTokenizer", ["text"], ["ids", "types", "mask"], domain="ai.onnx.contrib",
        vocab_file=vocabulary, do_lower_case=1,
    )  # fmt: skip
    outputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["tokens"]) for name in ("ids", "types", "mask")]
    text = helper.make_tensor_value_info("text", TensorProto.STRING, [1])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.contrib", 1)]
    graph = helper.make_graph([node], "tokeniser", [text], outputs)
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)


def stack(folder: Path) -> tuple[Path, np.ndarray]:
    """Write a tokeniser, an encoder and their stack, and return the spec and the encoder's table."""
    table = floats(len(WORDS), 4)
    tokeniser(folder / "tokeniser.onnx")
    exported(
        folder / "encoder.onnx",
        "g (int64[t] ids, int64[t] mask) => (float[4] embedding) { rows = Gather(table, ids) m = Cast<to = 1>(mask) "
        "one = Constant<value_ints = [1]>() column = Unsqueeze(m, one) some = Mul(rows, column) "
        "embedding = ReduceMean<axes = [0], keepdims = 0>(some) }",
        table=table,
    )
    return written(folder, "s.yaml", SPEC), table


def test_a_tokeniser_feeds_an_encoder(shop: Workshop, tmp_path: Path) -> None:
    extensions = pytest.importorskip("onnxruntime_extensions")
    spec, table = stack(tmp_path)
    found = shop.build(spec)
    assert found.proven is not None
    options = ort.SessionOptions()
    options.register_custom_ops_library(extensions.get_library_path())
    session = ort.InferenceSession(found.path, options, providers=["CPUExecutionProvider"])
    embedding, ids = session.run(None, {"text": np.array(["The cats sat."], object)})
    wanted = [WORDS.index(word) for word in ("[CLS]", "the", "cat", "##s", "sat", ".", "[SEP]")]
    assert ids.tolist() == wanted
    np.testing.assert_allclose(embedding, table[wanted].mean(0), rtol=1e-5)
    entries = {entry.key: entry.value for entry in onnx.load(found.path).metadata_props}
    assert json.loads(entries["assembler.operator_packages"]) == {"ai.onnx.contrib": "onnxruntime-extensions"}
    assert inspect(found.path).operators == {"ai.onnx.contrib": ["BertTokenizer"]}
    assert Session.open(found.path).outputs == {"embedding": "tensor(float)", "ids": "tensor(int64)"}


def test_a_package_that_is_not_installed_is_named(
    shop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, _ = stack(tmp_path)
    find = importlib.util.find_spec
    monkeypatch.setattr(
        operator_libraries, "find_spec", lambda name: None if name == "onnxruntime_extensions" else find(name)
    )
    with pytest.raises(ModelError) as caught:
        shop.build(spec)
    (problem,) = caught.value.problems
    assert problem.code == "M018"
    assert "has operators of ai.onnx.contrib, which the package 'onnxruntime-extensions' has" in problem.message
    assert problem.hint == "pip install onnxruntime-extensions, or this package with its extra 'operators'"
    assert not spec.with_suffix(".onnx").exists()
    with pytest.raises(ModelError, match=r"M018 this model has operators of ai\.onnx\.contrib"):
        Session.open(tmp_path / "tokeniser.onnx")
