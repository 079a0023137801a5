"""Sizes that a spec or a file declares are bounded before memory is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
import pytest

from assembler.core.errors import ModelError, SpecError
from assembler.proof.random_inputs import proof_inputs
from assembler.runtime import Tagger
from assembler.runtime.shapes import MOST_VALUES
from assembler.spec.reading import load_spec

if TYPE_CHECKING:
    from pathlib import Path

    from tests.assembly.conftest import Workshop

LARGEST = 2**31 - 1


def stack(folder: Path, *shapes: str, dtype: str = "float32") -> Path:
    """Write a stack of an exported part for each shape, which gives back what it is given."""
    kinds = {"float32": "float", "string": "string"}
    names, sources, inputs, parts, outputs = [], [], [], [], []
    for number, shape in enumerate(shapes):
        dims = ", ".join(f"d{place}" for place in range(shape.count(",") + 1))
        type_ = f"{kinds[dtype]}[{dims}]"
        text = f'<ir_version: 8, opset_import: ["" : 17]> g ({type_} x) => ({type_} y) {{ y = Identity(x) }}'
        name = f"p{number}"
        names.append(name)
        onnx.save(onnx.parser.parse_model(text), folder / f"{name}.onnx")
        sources.append(f"{name}: {{onnx: {name}.onnx}}")
        inputs.append(f"x{number}: {{type: {dtype}, shape: {shape}}}")
        parts.append(f"  {name}: {{kind: onnx, weights: {name}, inputs: {{x: x{number}}}}}\n")
        outputs.append(f"y{number}: {name}.y")
    spec = folder / "stack.yaml"
    spec.write_text(
        f"version: 1\nname: t\nsources: {{{', '.join(sources)}}}\ninputs: {{{', '.join(inputs)}}}\n"
        f"graph:\n{''.join(parts)}outputs: {{{', '.join(outputs)}}}\n",
        encoding="utf-8",
    )
    return spec


@pytest.mark.parametrize(
    ("shapes", "dtype", "most"),
    [
        ((f"[{LARGEST}, {LARGEST}]",), "float32", "x0"),
        ((f"[{LARGEST}]",), "float32", "x0"),
        (("[40000000]", "[41000000]"), "float32", "x1"),
        (("[5000000]",), "string", "x0"),
    ],
)
def test_inputs_too_large_for_a_proof_are_refused_before_they_are_filled(
    shop: Workshop, tmp_path: Path, shapes: tuple[str, ...], dtype: str, most: str
) -> None:
    spec = stack(tmp_path, *shapes, dtype=dtype)
    with pytest.raises(SpecError, match=rf"4:\d+: W025 proof: the sizes .* ask for [\d,]+ values, most .* '{most}'\n"):
        shop.build(spec)
    assert not (tmp_path / "stack.onnx").exists()


def test_many_named_dims_have_smaller_sizes(tmp_path: Path) -> None:
    spec = load_spec(stack(tmp_path, "[a, b, c, d, e, f, g, h]"))
    cases = [*proof_inputs(spec, None, [])]
    sizes = [inputs["x0"].size for _, inputs in cases]
    assert sizes[0] == 1
    assert 6**8 < sizes[2] <= MOST_VALUES
    assert cases[2][0] != "dynamic dims of 33"


def test_few_named_dims_have_the_usual_sizes(tmp_path: Path) -> None:
    spec = load_spec(stack(tmp_path, "[a, b]"))
    assert [name for name, _ in proof_inputs(spec, None, [])] == [f"dynamic dims of {size}" for size in (1, 5, 33)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[characters, sentences]", f"[{LARGEST}, 32]"),
        ("[total_tokens]", f"[{LARGEST}]"),
        ("[sentences]", f"[{LARGEST}]"),
    ],
)
def test_a_tagger_of_such_sizes_is_refused_by_proof_and_runtime(
    shop: Workshop, folder: Path, old: str, new: str
) -> None:
    spec = shop.spec(folder)
    text = spec.read_text(encoding="utf-8")
    assert old in text
    text = text.replace(old, new)
    if new.endswith(", 32]"):
        text = text.replace("[sentences]", "[32]").replace("[total_tokens]", "[320]")
    if old == "[sentences]":
        text = text.replace("[characters, sentences]", f"[characters, {LARGEST}]")
    spec.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError, match=r"W025 proof: the sizes of the inputs ask for"):
        shop.build(spec)
    path = shop.build(spec, proof=False).path
    with pytest.raises(ModelError, match=r"M014 the input '\w+' has [\d,]+ values in each run; at most 67,108,864"):
        Tagger(path).tag([["der"]])


def test_a_batch_of_too_many_sentences_is_refused(shop: Workshop, folder: Path) -> None:
    spec = shop.spec(folder)
    text = spec.read_text(encoding="utf-8").replace("[characters, sentences]", "[characters, 1000000]")
    spec.write_text(text.replace("[sentences]", "[1000000]"), encoding="utf-8")
    with pytest.raises(ModelError, match=r"M014 the model takes 1,000,000 sentences in each run; at most 65,536"):
        shop.build(spec)
