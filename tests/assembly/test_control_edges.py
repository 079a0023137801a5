"""Loops of no step, the dims of branches and loops, and branches in the stack of a tagger."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnxruntime as ort
import pytest

from assembler.core.errors import AssemblerError
from assembler.parts import loop_steps
from assembler.workflows.checking import check
from tests.assembly.test_control_kinds import (
    DECODERS,
    GREEDY,
    VAD,
    built,
    decoders,
    exported,
    floats,
    run,
    step,
    vad,
    written,
)

if TYPE_CHECKING:
    from pathlib import Path

    from assembler.core.arrays import Arrays
    from assembler.parts.loop_plan import Plan
    from assembler.weights.protocol import Weights
    from tests.assembly.conftest import Workshop


def test_a_loop_of_no_step_gives_its_first_states_and_no_rows(shop: Workshop, tmp_path: Path) -> None:
    step(tmp_path / "step.onnx")
    found = shop.build(written(tmp_path, "s.yaml", GREEDY))
    token, past = floats(2, 16), floats(2, 3, 16)
    for steps in (0, -1, 1):
        given = run(found.path, token=token, memory=floats(2, 16), past=past, steps=np.array(steps))
        assert given["scores"].shape == (max(steps, 0), 2, 1), f"{steps} steps"
        assert given["present"].shape == (2, 3 + max(steps, 0), 16), f"{steps} steps"
        if steps <= 0:
            np.testing.assert_array_equal(given["present"], past)
            np.testing.assert_array_equal(given["last"], token)


def test_a_proof_tries_a_loop_of_no_step(shop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_steps, seen = loop_steps.run_steps, set()

    def watched(plan: Plan, weights: Weights, inputs: Arrays) -> Arrays:
        seen.add(int(inputs["steps"]))
        return run_steps(plan, weights, inputs)

    step(tmp_path / "step.onnx")
    monkeypatch.setattr(loop_steps, "run_steps", watched)
    shop.build(written(tmp_path, "s.yaml", GREEDY))
    assert seen == {0, 1, 3}


WITHOUT_ROWS = """
sources: {step: {onnx: step.onnx}}
inputs: {x: {type: float32, shape: [n, 4]}, steps: {type: int64, shape: []}}
graph: {p: {kind: loop, weights: step, states: {x: y}, inputs: {steps: steps, x: x}}}
outputs: {last: p.x}
"""


def test_a_loop_that_collects_nothing_gives_its_first_states_of_no_step(shop: Workshop, tmp_path: Path) -> None:
    exported(tmp_path / "step.onnx", "g (float[n,4] x) => (float[n,4] y) { y = Sin(x) }")
    path = built(shop, written(tmp_path, "s.yaml", WITHOUT_ROWS))
    x = floats(3, 4)
    np.testing.assert_array_equal(run(path, x=x, steps=np.array(0))["last"], x)
    np.testing.assert_allclose(run(path, x=x, steps=np.array(2))["last"], np.sin(np.sin(x)), rtol=1e-5)


def shapes(path: Path) -> dict[str, list[int | str | None]]:
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return {port.name: port.shape for port in session.get_outputs()}


def test_the_dims_of_branches_and_loops_can_be_named(shop: Workshop, tmp_path: Path) -> None:
    decoders(tmp_path)
    named = DECODERS.replace("    inputs: {condition", "    dims: {present.1: known}\n    inputs: {condition")
    assert shapes(built(shop, written(tmp_path, "d.yaml", named)))["present"] == ["batch", "known", 16]
    vad(tmp_path / "vad.onnx")
    text = VAD.format(
        axes="frames, batch, 24", axis=0, inputs="  h: {type: float32, shape: [batch, 16]}\n", feeds=", h: h"
    )
    text = text.replace("    axis: 0\n", "    axis: 0\n    dims: {steps: frames, b: batch}\n")
    assert shapes(built(shop, written(tmp_path, "v.yaml", text)))["probability"] == ["frames", "batch", 1]


def test_a_name_that_a_run_contradicts_and_one_of_no_dim_are_refused(shop: Workshop, tmp_path: Path) -> None:
    decoders(tmp_path)
    named = DECODERS.replace("    inputs: {condition", "    dims: {present.1: seen}\n    inputs: {condition")
    with pytest.raises(AssemblerError, match="P006 a run contradicts declared dims"):
        shop.build(written(tmp_path, "d.yaml", named))
    vad(tmp_path / "vad.onnx")
    inputs = "  h: {type: float32, shape: [batch, 16]}\n"
    text = VAD.format(axes="frames, batch, 24", axis=0, inputs=inputs, feeds=", h: h")
    (problem,) = check(written(tmp_path, "v.yaml", text.replace("axis: 0\n", "dims: {bb: n}\n"))).problems
    assert (problem.code, problem.message) == ("W020", "listen: the file has no open dim 'bb'")
    assert problem.hint == "did you mean 'b'?"


@pytest.mark.parametrize(("threshold", "unmet"), [(100, ""), (10**9, "'else'"), (0, "'then'")])
def test_a_tagger_that_meets_one_branch_alone_is_not_proven(
    shop: Workshop, tmp_path: Path, threshold: int, unmet: str
) -> None:
    shop.save(shop.tagger(), tmp_path / "tagger.pt")
    for name, operator in (("same", "Identity(x)"), ("twice", "Neg(z)")):
        graph = f"g (float[n,16] x) => (float[n,16] y) {{ z = Neg(x) y = {operator} }}"
        exported(tmp_path / f"{name}.onnx", graph)
    text = shop.spec(tmp_path).read_text(encoding="utf-8")
    text = text.replace("sources:\n", "sources:\n  same: {onnx: same.onnx}\n  twice: {onnx: twice.onnx}\n")
    parts = f"""  size: {{kind: operator, op: Size, inputs: {{data: words.rows}}}}
  small: {{kind: operator, op: Less, constants: {{B: {threshold}}}, inputs: {{A: size.size}}}}
  pick: {{kind: if, then: same, else: twice, inputs: {{condition: small.C, x: words.rows}}}}
"""
    text = text.replace("embeddings: words.rows", "embeddings: pick.y").replace("  head:\n", f"{parts}  head:\n")
    spec = shop.spec(tmp_path, text)
    if not unmet:
        assert shop.build(spec).proven is not None
        return
    with pytest.raises(AssemblerError, match=f"P005 .*'pick' has met no {unmet}"):
        shop.build(spec)
    assert not spec.with_suffix(".onnx").exists()
