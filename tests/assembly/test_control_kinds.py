"""Specs, branches and loops as parts: each is proven, and compared with its parts, run by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from assembler import SourceError, assemble, verify
from assembler.core.errors import AssemblerError
from assembler.workflows.checking import check

if TYPE_CHECKING:
    from pathlib import Path

    from tests.assembly.conftest import Workshop

    Arrays = dict[str, np.ndarray]

RANDOM = np.random.default_rng()


@pytest.fixture(autouse=True)
def _same_numbers() -> None:
    """Draw the same numbers in each test, whichever ran before."""
    RANDOM.bit_generator.state = np.random.default_rng(7).bit_generator.state


def exported(path: Path, text: str, opset: int = 17, **weights: np.ndarray) -> Path:
    """Write a model from the text of its graph and its weights."""
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}]> {text}')
    model.graph.initializer.extend(onnx.numpy_helper.from_array(array, name) for name, array in weights.items())
    onnx.save(model, path)
    return path


def floats(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


def run(path: Path, **inputs: np.ndarray) -> Arrays:
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return dict(zip([port.name for port in session.get_outputs()], session.run(None, inputs), strict=True))


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"version: 1\nname: {path.stem}\n{text}", encoding="utf-8")
    return path


def built(shop: Workshop, spec: Path, **options: object) -> Path:
    """Build, prove and verify a spec, and return the model."""
    found = shop.build(spec, **options)
    assert found.proven is not None
    assert verify(found.path, spec=spec).found
    return found.path


def layer(path: Path, inputs: int, outputs: int, x: str = "x", y: str = "y") -> np.ndarray:
    """Write `y = tanh(x @ weight)` and return the weight, which is large enough to be shared."""
    weight = floats(inputs, outputs)
    path.parent.mkdir(exist_ok=True)
    body = f"{{ m = MatMul({x}, w) {y} = Tanh(m) }}"
    exported(path, f"g (float[n,{inputs}] {x}) => (float[n,{outputs}] {y}) {body}", w=weight)
    return weight


INNER = """
sources: {one: {onnx: one.onnx}}
inputs: {x: {type: float32, shape: [rows, 32]}}
graph:
  first: {kind: onnx, weights: one, dims: {n: rows}, inputs: {x: x}}
  best: {kind: softmax, axis: 1, inputs: {tensor: first.y}}
outputs: {y: first.y, shares: best.tensor}
"""

TWICE = """
sources: {inner: {spec: inner.yaml}}
inputs: {a: {type: float32, shape: [n, 32]}}
graph:
  once: {kind: spec, weights: inner, inputs: {x: a}}
  again: {kind: spec, weights: inner, inputs: {x: once.y}}
outputs: {y: again.y, shares: once.shares}
"""


def test_a_spec_is_a_part_twice_and_its_weights_are_stored_once(shop: Workshop, tmp_path: Path) -> None:
    weight = layer(tmp_path / "one.onnx", 32, 32)
    written(tmp_path, "inner.yaml", INNER)
    spec = written(tmp_path, "outer.yaml", TWICE)
    assert check(spec).problems == ()
    path = built(shop, spec)
    a = floats(3, 32)
    once = np.tanh(a @ weight)
    given = run(path, a=a)
    np.testing.assert_allclose(given["y"], np.tanh(once @ weight), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(given["shares"].sum(axis=1), 1, rtol=1e-5)
    stored = [tensor for tensor in onnx.load(path).graph.initializer if list(tensor.dims) == [32, 32]]
    assert len(stored) == 1, "the two parts share one weight"
    shape = onnx.load(path).graph.output[0].type.tensor_type.shape.dim
    assert [dim.dim_param or dim.dim_value for dim in shape] == ["n", 32]


def test_specs_can_be_in_specs_and_another_inner_spec_is_another_digest(shop: Workshop, tmp_path: Path) -> None:
    weight = layer(tmp_path / "below" / "one.onnx", 32, 32)
    written(tmp_path, "below/inner.yaml", INNER)
    middle = TWICE.replace("inner.yaml", "below/inner.yaml")
    written(tmp_path, "middle.yaml", middle)
    outer = TWICE.replace("inner.yaml", "middle.yaml").replace("{x: a}", "{a: a}").replace("{x: once.y}", "{a: once.y}")
    spec = written(tmp_path, "outer.yaml", outer)
    path = built(shop, spec)
    a = floats(2, 32)
    expected = a
    for _ in range(4):
        expected = np.tanh(expected @ weight)
    np.testing.assert_allclose(run(path, a=a)["y"], expected, rtol=1e-4, atol=1e-5)
    before = shop.build(spec).sources["inner"]
    layer(tmp_path / "below" / "one.onnx", 32, 32)
    after = shop.build(spec).sources["inner"]
    assert before != after, "the digest of a spec changes with a source of a source"
    pinned = outer.replace("{spec: middle.yaml}", f"{{spec: middle.yaml, sha256: {before}}}")
    with pytest.raises(SourceError, match="the spec pins"):
        shop.build(written(tmp_path, "outer.yaml", pinned))


def test_specs_that_hold_each_other_are_refused(tmp_path: Path) -> None:
    layer(tmp_path / "one.onnx", 32, 32)
    written(tmp_path, "a.yaml", TWICE.replace("inner.yaml", "b.yaml"))
    spec = written(tmp_path, "b.yaml", TWICE.replace("inner.yaml", "a.yaml"))
    (problem,) = check(spec).problems
    assert problem.code == "R015"
    assert problem.message == "source 'inner': the spec contains itself: b.yaml → a.yaml → b.yaml"


def test_specs_cannot_multiply(tmp_path: Path) -> None:
    layer(tmp_path / "s0.onnx", 32, 32)
    written(tmp_path, "s0.yaml", INNER.replace("one.onnx", "s0.onnx"))
    for depth in range(1, 8):
        two = ", ".join(f"{name}: {{spec: s{depth - 1}.yaml}}" for name in ("p", "q"))
        port = "x" if depth == 1 else "a"
        parts = "".join(
            f"  {part}: {{kind: spec, weights: {part}, inputs: {{{port}: {fed}}}}}\n"
            for part, fed in (("p", "a"), ("q", "p.y"))
        )
        inputs = "inputs: {a: {type: float32, shape: [n, 32]}}\n"
        text = f"sources: {{{two}}}\n{inputs}graph:\n{parts}outputs: {{y: q.y}}\n"
        spec = written(tmp_path, f"s{depth}.yaml", text)
    assert check(tmp_path / "s4.yaml").problems == ()
    (problem,) = check(spec).problems
    assert (problem.code, problem.message.partition(": ")[2]) == ("R015", "the stack reads more than 64 specs")


def test_a_wrong_inner_spec_is_told_where_it_is_wrong(tmp_path: Path) -> None:
    layer(tmp_path / "one.onnx", 32, 32)
    written(tmp_path, "inner.yaml", INNER.replace("first.y, shares", "frist.y, shares"))
    (problem,) = check(written(tmp_path, "outer.yaml", TWICE)).problems
    assert (problem.code, problem.file, problem.line) == ("W009", str(tmp_path / "inner.yaml"), 9)
    assert problem.hint == "did you mean 'first'?"
    written(tmp_path, "inner.yaml", INNER)
    (problem,) = check(written(tmp_path, "outer.yaml", TWICE.replace("again.y,", "again.z,"))).problems
    assert (problem.code, problem.line) == ("W009", 9)
    (problem,) = check(written(tmp_path, "outer.yaml", TWICE.replace("[n, 32]", "[n, 31]"))).problems
    assert problem.code == "W004"
    assert "a → once.x: float32[n, 31] cannot feed float32[rows, 32]" in problem.message
    problems = check(written(tmp_path, "outer.yaml", TWICE.replace("inner: {spec: inner", "inner: {spec: iner"))).notes
    assert "iner.yaml is not here" in problems[0]


def test_a_strict_check_holds_inner_specs_to_their_folder(tmp_path: Path) -> None:
    layer(tmp_path / "one.onnx", 32, 32)
    written(tmp_path, "below/inner.yaml", INNER.replace("one.onnx", "../one.onnx"))
    spec = written(tmp_path, "outer.yaml", TWICE.replace("inner.yaml", "below/inner.yaml"))
    assert check(spec).problems == ()
    (problem,) = check(spec, strict=True).problems
    assert (problem.code, problem.message) == ("W018", "the path '../one.onnx' leaves the folder of the spec")
    written(tmp_path, "inner.yaml", INNER)
    outside = written(tmp_path, "below/outer.yaml", TWICE.replace("inner.yaml", "../inner.yaml"))
    (problem,) = check(outside, strict=True).problems
    assert (problem.code, problem.message) == ("W018", "the path '../inner.yaml' leaves the folder of the spec")


def test_an_inner_spec_keeps_to_the_opset_that_it_names(shop: Workshop, tmp_path: Path) -> None:
    layer(tmp_path / "one.onnx", 32, 32)
    written(tmp_path, "inner.yaml", f"opset: 15\n{INNER}")
    spec = written(tmp_path, "outer.yaml", f"opset: 17\n{TWICE}")
    with pytest.raises(AssemblerError, match="the spec is at opset 15, the stack at 17"):
        shop.build(spec)
    assert not spec.with_suffix(".onnx").exists()


def test_no_build_writes_over_what_an_inner_spec_reads(tmp_path: Path) -> None:
    layer(tmp_path / "one.onnx", 32, 32)
    written(tmp_path, "inner.yaml", INNER)
    spec = written(tmp_path, "outer.yaml", TWICE)
    before = (tmp_path / "one.onnx").read_bytes()
    with pytest.raises(AssemblerError, match="the source 'inner'"):
        assemble(spec, tmp_path / "one.onnx")
    assert (tmp_path / "one.onnx").read_bytes() == before


DECODERS = """
sources:
  encoder: {onnx: encoder.onnx}
  first: {onnx: first.onnx}
  next: {onnx: next.onnx}
inputs:
  pieces: {type: float32, shape: [batch, pieces, 16]}
  tokens: {type: float32, shape: [batch, tokens, 16]}
  past: {type: float32, shape: [batch, seen, 16]}
  has_past: {type: bool, shape: []}
graph:
  encode: {kind: onnx, weights: encoder, inputs: {pieces: pieces}}
  decode:
    kind: if
    then: next
    else: first
    inputs: {condition: has_past, memory: encode.memory, tokens: tokens, past: past}
outputs: {logits: decode.logits, present: decode.present}
"""


def decoders(folder: Path) -> Arrays:
    """Write an encoder, and a decoder without past and one with; the two decoders have the same weights."""
    weights = {"e": floats(16, 16), "w": floats(16, 32), "k": floats(16, 16)}
    exported(
        folder / "encoder.onnx",
        "g (float[b,p,16] pieces) => (float[b,p,16] memory) { m = MatMul(pieces, e) memory = Tanh(m) }",
        e=weights["e"],
    )
    body = """present = {present} mean = ReduceMean<axes = [1], keepdims = 1>(memory)
        all = Add(tokens, mean) last = ReduceMean<axes = [1], keepdims = 1>(present)
        both = Add(all, last) logits = MatMul(both, w) }}"""
    exported(
        folder / "first.onnx",
        "g (float[b,p,16] memory, float[b,t,16] tokens) => (float[b,t,32] logits, float[b,s,16] present) "
        "{ keys = MatMul(tokens, k) " + body.format(present="Tanh(keys)"),
        w=weights["w"],
        k=weights["k"],
    )
    exported(
        folder / "next.onnx",
        "g (float[n,p,16] memory, float[n,t,16] tokens, float[n,s,16] past) => "
        "(float[n,t,32] logits, float[n,m,16] present) { keys = MatMul(tokens, k) new = Tanh(keys) "
        + body.format(present="Concat<axis = 1>(past, new)"),
        w=weights["w"],
        k=weights["k"],
    )
    return weights


@pytest.mark.parametrize("profile", ["portable", "cpu"])
def test_a_decoder_runs_with_or_without_past_and_its_weights_are_stored_once(
    shop: Workshop, tmp_path: Path, profile: str
) -> None:
    decoders(tmp_path)
    spec = written(tmp_path, "decoder.yaml", DECODERS)
    assert check(spec).problems == ()
    path = built(shop, spec, profile=profile) if profile == "portable" else shop.build(spec, profile=profile).path
    inputs = {"pieces": floats(2, 5, 16), "tokens": floats(2, 1, 16), "past": floats(2, 3, 16)}
    memory = run(tmp_path / "encoder.onnx", pieces=inputs["pieces"])["memory"]
    for has_past, file, fed in ((True, "next.onnx", ("tokens", "past")), (False, "first.onnx", ("tokens",))):
        expected = run(tmp_path / file, memory=memory, **{name: inputs[name] for name in fed})
        given = run(path, has_past=np.array(has_past), **inputs)
        assert given["present"].shape == ((2, 4, 16) if has_past else (2, 1, 16)), file
        for name in ("logits", "present"):
            np.testing.assert_allclose(given[name], expected[name], rtol=1e-5, atol=1e-6, err_msg=f"{file}: {name}")
    sizes = [list(tensor.dims) for tensor in onnx.load(path).graph.initializer if len(tensor.dims) == 2]
    assert sorted(sizes) == [[16, 16], [16, 16], [16, 32]], "each weight is stored once"


def test_branches_that_differ_are_told_with_both_types(tmp_path: Path) -> None:
    for name, dtype in (("a", "float"), ("b", "int64")):
        exported(tmp_path / f"{name}.onnx", f"g ({dtype}[n] x) => ({dtype}[n] y) {{ y = Identity(x) }}")
    text = """
sources: {a: {onnx: a.onnx}, b: {onnx: b.onnx}}
inputs: {x: {type: float32, shape: [n]}, c: {type: bool, shape: []}}
graph: {p: {kind: if, then: a, else: b, inputs: {condition: c, x: x}}}
outputs: {y: p.y}
"""
    found = [(each.code, each.line, each.message) for each in check(written(tmp_path, "s.yaml", text)).problems]
    assert ("W020", 6, "p: 'x' is float32[n] in 'then' and int64[n] in 'else'") in found
    assert ("W020", 6, "p: 'y' is float32[n] in 'then' and int64[n] in 'else'") in found
    (problem,) = check(written(tmp_path, "s.yaml", text.replace("else: b", "else: bb"))).problems
    assert (problem.code, problem.message) == ("W012", "p: there is no source 'bb'")
    assert problem.hint == "did you mean 'b'?"
    exported(tmp_path / "b.onnx", "g (float[n,2] x) => (float[n,2] z) { z = Identity(x) }")
    found = [(each.code, each.line, each.message) for each in check(written(tmp_path, "s.yaml", text)).problems]
    assert ("W009", 7, "the output 'y': kind 'if' has no output port 'y'") in found


def test_a_proof_that_meets_one_branch_alone_is_none(shop: Workshop, tmp_path: Path) -> None:
    decoders(tmp_path)
    spec = written(tmp_path, "s.yaml", DECODERS + "proof: {inputs: {has_past: {values: [true]}}}\n")
    with pytest.raises(AssemblerError) as caught:
        shop.build(spec)
    (problem,) = caught.value.problems
    assert (problem.code, problem.line) == ("P005", 15)
    assert "'decode' has met no 'else'" in problem.message
    assert not spec.with_suffix(".onnx").exists()


def test_a_branch_can_be_a_spec_and_an_if_can_be_in_a_spec(shop: Workshop, tmp_path: Path) -> None:
    decoders(tmp_path)
    layer(tmp_path / "one.onnx", 32, 32)
    layer(tmp_path / "two.onnx", 32, 32)
    written(tmp_path, "inner.yaml", INNER)
    text = """
sources: {a: {spec: inner.yaml}, b: {onnx: two.onnx}}
inputs: {x: {type: float32, shape: [rows, 32]}}
graph:
  largest: {kind: operator, op: ReduceMax, attributes: {keepdims: 0}, inputs: {data: x}}
  small: {kind: operator, op: Less, constants: {B: 4}, inputs: {A: largest.reduced}}
  p: {kind: if, then: a, else: b, inputs: {condition: small.C, x: x}}
outputs: {y: p.y}
"""
    written(tmp_path, "chosen.yaml", text)
    outer = """
sources: {chosen: {spec: chosen.yaml}}
inputs: {x: {type: float32, shape: [rows, 32]}}
graph: {p: {kind: spec, weights: chosen, inputs: {x: x}}}
outputs: {y: p.y}
"""
    spec = written(tmp_path, "outer.yaml", outer)
    with pytest.raises(AssemblerError, match="'p' has met no 'then'"):
        shop.build(spec)
    cases = {name: floats(3, 32) + start for name, start in (("small/x", 0), ("large/x", 9))}
    np.savez(tmp_path / "cases.npz", **{name: np.minimum(array, 20) for name, array in cases.items()})
    path = built(shop, written(tmp_path, "outer.yaml", outer + "proof: {cases: cases.npz}\n"))
    for name, file in (("small/x", "one.onnx"), ("large/x", "two.onnx")):
        expected = run(tmp_path / file, x=cases[name])["y"]
        np.testing.assert_allclose(run(path, x=cases[name])["y"], expected, rtol=1e-5, atol=1e-6, err_msg=name)


VAD = """
sources: {{vad: {{onnx: vad.onnx}}}}
inputs:
  audio: {{type: float32, shape: [{axes}]}}
{inputs}graph:
  listen:
    kind: loop
    weights: vad
    states: {{h: h_next}}
    scan: [frame]
    collect: [probability]
    axis: {axis}
    inputs: {{frame: audio{feeds}}}
outputs: {{probability: listen.probability, last: listen.h}}
proof: {{sizes: {{frames: [7, 0, 1]}}}}
"""


def vad(path: Path, batch: str = "b") -> None:
    """Write a voice detector that hears one frame at a time."""
    exported(
        path,
        f"g (float[{batch},24] frame, float[{batch},16] h) => (float[{batch},1] probability, float[{batch},16] h_next) "
        "{ a = MatMul(frame, w) b = MatMul(h, u) c = Add(a, b) h_next = Tanh(c) d = MatMul(h_next, v) "
        "probability = Sigmoid(d) }",
        w=floats(24, 16),
        u=floats(16, 16),
        v=floats(16, 1),
    )


def listened(path: Path, frames: np.ndarray, h: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Run a voice detector frame by frame."""
    rows = []
    for frame in frames:
        given = run(path, frame=frame, h=h)
        rows.append(given["probability"])
        h = given["h_next"]
    return rows, h


@pytest.mark.parametrize("axis", [0, 1])
def test_a_voice_detector_hears_any_number_of_frames(shop: Workshop, tmp_path: Path, axis: int) -> None:
    vad(tmp_path / "vad.onnx")
    axes = "frames, batch, 24" if axis == 0 else "batch, frames, 24"
    inputs = "  h: {type: float32, shape: [batch, 16]}\n"
    spec = written(tmp_path, "s.yaml", VAD.format(axes=axes, axis=axis, inputs=inputs, feeds=", h: h"))
    assert check(spec).problems == ()
    path = built(shop, spec)
    for count in (0, 1, 7):
        frames, h = floats(count, 2, 24), floats(2, 16)
        rows, last = listened(tmp_path / "vad.onnx", frames, h)
        given = run(path, audio=np.moveaxis(frames, 0, axis), h=h)
        assert given["probability"].shape == ((count, 2, 1) if axis == 0 else (2, count, 1)), f"{count} frames"
        np.testing.assert_allclose(given["last"], last, rtol=1e-5, atol=1e-6, err_msg=f"{count} frames")
        for number, row in enumerate(rows):
            found = given["probability"].take(number, axis=axis)
            np.testing.assert_allclose(found, row, rtol=1e-5, atol=1e-6, err_msg=f"frame {number} of {count}")


def test_a_state_of_a_fixed_shape_begins_with_zeros(shop: Workshop, tmp_path: Path) -> None:
    vad(tmp_path / "vad.onnx", "1")
    spec = written(tmp_path, "s.yaml", VAD.format(axes="frames, 1, 24", axis=0, inputs="", feeds=""))
    path = built(shop, spec)
    frames = floats(5, 1, 24)
    rows, last = listened(tmp_path / "vad.onnx", frames, np.zeros((1, 16), np.float32))
    given = run(path, audio=frames)
    np.testing.assert_allclose(given["probability"], np.stack(rows), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(given["last"], last, rtol=1e-5, atol=1e-6)


def test_the_body_of_a_scan_reads_nothing_that_is_computed_outside(shop: Workshop, tmp_path: Path) -> None:
    from assembler.workflows.engines import obstacles

    exported(
        tmp_path / "vad.onnx",
        "g (float[b,24] frame, float[b,16] h, float[24,16] w) => (float[b,16] probability, float[b,16] h_next) "
        "{ a = MatMul(frame, w) c = Add(a, h) h_next = Tanh(c) probability = Sigmoid(c) }",
    )
    text = VAD.format(axes="frames, batch, 24", axis=0, inputs="", feeds=", h: start.tensor, w: half.tensor")
    text = text.replace(
        "inputs:\n", "inputs:\n  w: {type: float32, shape: [24, 16]}\n  s: {type: float32, shape: [batch, 16]}\n", 1
    )
    parts = "  half: {kind: arithmetic, operator: add, inputs: {left: w, right: w}}\n"
    parts += "  start: {kind: arithmetic, operator: add, inputs: {left: s, right: s}}\n"
    path = built(shop, written(tmp_path, "s.yaml", text.replace("graph:\n", f"graph:\n{parts}")))
    assert [entry for entry in obstacles(onnx.load(path).graph) if "Scan" in entry[1] or "outside" in entry[1]] == []


GREEDY = """
sources: {step: {onnx: step.onnx}}
inputs:
  token: {type: float32, shape: [batch, 16]}
  memory: {type: float32, shape: [batch, 16]}
  past: {type: float32, shape: [batch, seen, 16]}
  steps: {type: int64, shape: []}
graph:
  decode:
    kind: loop
    weights: step
    states: {token: next_token, past: present}
    collect: [score]
    while: going
    inputs: {steps: steps, token: token, past: past, memory: memory}
outputs: {last: decode.token, present: decode.past, scores: decode.score}
"""


def step(path: Path) -> None:
    """Write one step of a decoder whose past grows, and which ends where a score is small."""
    exported(
        path,
        "g (float[b,16] token, float[b,16] memory, float[b,s,16] past) => "
        "(float[b,16] next_token, float[b,t,16] present, float[b,1] score, bool[1] going) "
        "{ one = Constant<value_ints = [1]>() row = Unsqueeze(token, one) present = Concat<axis = 1>(past, row) "
        "mean = ReduceMean<axes = [1], keepdims = 0>(present) a = MatMul(mean, w) b = Add(a, memory) "
        "next_token = Tanh(b) score = ReduceSum<keepdims = 1>(next_token, one) "
        "flat = Constant<value_ints = [-1]>() s = Reshape(score, flat) zero = Constant<value_ints = [0]>() "
        "first = Gather(s, zero) limit = Constant<value_floats = [-6.0]>() going = Greater(first, limit) }",
        w=floats(16, 16),
    )


def test_a_decoder_steps_until_it_ends_itself_or_has_had_enough(shop: Workshop, tmp_path: Path) -> None:
    step(tmp_path / "step.onnx")
    path = built(shop, written(tmp_path, "s.yaml", GREEDY))
    lengths = set()
    for memory in (floats(2, 16), np.full((2, 16), -3.0, np.float32)):
        token, past = floats(2, 16), floats(2, 3, 16)
        given = run(path, token=token, memory=memory, past=past, steps=np.array(6))
        scores = []
        for _ in range(6):
            found = run(tmp_path / "step.onnx", token=token, memory=memory, past=past)
            token, past = found["next_token"], found["present"]
            scores.append(found["score"])
            if not found["going"][0]:
                break
        lengths.add(len(scores))
        np.testing.assert_allclose(given["scores"], np.stack(scores), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(given["present"], past, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(given["last"], token, rtol=1e-4, atol=1e-5)
    assert 1 in lengths, "one of them ends itself"


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        ("{h: h_next}", "{hh: h_next}", "listen: the graph has no input 'hh'", "did you mean 'h'?"),
        ("{h: h_next}", "{h: h_nxt}", "listen: the graph has no output 'h_nxt'", "did you mean 'h_next'?"),
        ("[frame]", "[frames]", "listen: the graph has no input 'frames'", "did you mean 'frame'?"),
        ("[probability]", "[probabilities]", "listen: the graph has no output 'probabilities'", "did you mean 'probab"),
        (
            "{h: h_next}",
            "{h: probability}",
            "listen: the state 'h' is float32[b, 16], its next value 'probability' is float32[b, 1]",
            "a state is what the next step is given",
        ),
        ("axis: 0", "axis: 3", "which cannot be stacked along axis 3", ""),
        (
            "axis: 0",
            "while: probability",
            "listen: a loop over scanned inputs takes as many",
            "leave 'while' out",
        ),
    ],
)
def test_a_loop_that_does_not_fit_its_graph_is_told(
    tmp_path: Path, old: str, new: str, message: str, hint: str
) -> None:
    vad(tmp_path / "vad.onnx")
    inputs = "  h: {type: float32, shape: [batch, 16]}\n"
    text = VAD.format(axes="frames, batch, 24", axis=0, inputs=inputs, feeds=", h: h")
    found = check(written(tmp_path, "s.yaml", text.replace(old, new))).problems
    told = [(each.message, each.hint or "") for each in found if each.code == "W020" and each.line]
    assert any(message in said and hint in helped for said, helped in told), found


def test_a_proof_of_one_step_is_none(shop: Workshop, tmp_path: Path) -> None:
    vad(tmp_path / "vad.onnx", "1")
    text = VAD.format(axes="frames, 1, 24", axis=0, inputs="", feeds="").replace("[7, 0, 1]", "[0, 1]")
    with pytest.raises(AssemblerError, match="'listen' has met no second step"):
        shop.build(written(tmp_path, "s.yaml", text))


ENSEMBLE = """
sources: {{one: {{onnx: one.onnx}}, two: {{onnx: two.onnx}}, body: {{spec: body.yaml}}}}
inputs: {{x: {{type: float32, shape: [rows, 32]}}}}
graph:
  body: {{kind: spec, weights: body, inputs: {{x: x}}}}
  left: {{kind: onnx, weights: one, inputs: {{x: body.y}}}}
  right: {{kind: onnx, weights: two, inputs: {{x: body.y}}}}
  both: {{kind: arithmetic, operator: add, inputs: {{left: left.y, right: right.y}}}}
  half: {{kind: constant, dtype: float32, value: 0.5}}
  mean: {{kind: arithmetic, operator: multiply, inputs: {{left: both.tensor, right: half.tensor}}}}
outputs: {{mean: mean.tensor}}
"""


def test_an_ensemble_over_a_body_that_is_a_spec_is_averaged(shop: Workshop, tmp_path: Path) -> None:
    one, two, three = (layer(tmp_path / f"{name}.onnx", 32, 32) for name in ("one", "two", "three"))
    written(tmp_path, "body.yaml", INNER.replace("one.onnx", "three.onnx"))
    path = built(shop, written(tmp_path, "s.yaml", ENSEMBLE.format()))
    x = floats(3, 32)
    y = np.tanh(x @ three)
    np.testing.assert_allclose(run(path, x=x)["mean"], (np.tanh(y @ one) + np.tanh(y @ two)) / 2, rtol=1e-4, atol=1e-5)


READER = """
sources:
  detector: {onnx: detector.onnx}
  recogniser: {onnx: recogniser.onnx}
inputs: {image: {type: float32, shape: [1, 3, height, width]}}
graph:
  detect: {kind: onnx, weights: detector, inputs: {image: image}}
  nms:
    kind: operator
    op: NonMaxSuppression
    inputs: {boxes: detect.boxes, scores: detect.scores}
    constants: {max_output_boxes_per_class: [3], iou_threshold: [0.5]}
  place:
    kind: operator
    op: Slice
    inputs: {data: nms.selected_indices}
    constants: {starts: [2], ends: [3], axes: [1]}
  places: {kind: operator, op: Squeeze, inputs: {data: place.output}, constants: {axes: [1]}}
  all: {kind: operator, op: Squeeze, inputs: {data: detect.boxes}, constants: {axes: [0]}}
  found: {kind: gather, inputs: {states: all.squeezed, indices: places.squeezed}}
  image_of:
    kind: operator
    op: Slice
    inputs: {data: nms.selected_indices}
    constants: {starts: [0], ends: [1], axes: [1]}
  images: {kind: operator, op: Squeeze, inputs: {data: image_of.output}, constants: {axes: [1]}}
  crops:
    kind: operator
    op: RoiAlign
    attributes: {output_height: 4, output_width: 6, sampling_ratio: 2}
    inputs: {X: image, rois: found.rows, batch_indices: images.squeezed}
  read: {kind: onnx, weights: recogniser, inputs: {crop: crops.Y}}
outputs: {text: read.text, boxes: found.rows}
proof:
  sizes: {height: [24, 32], width: [32, 40]}
  inputs: {image: {range: [0, 1]}}
"""


def test_a_detector_and_its_crops_feed_a_recogniser(shop: Workshop, tmp_path: Path) -> None:
    boxes = np.array([[[0, 0, 10, 12], [1, 0, 10, 12], [4, 8, 20, 22], [12, 2, 22, 20]]], np.float32)
    exported(
        tmp_path / "detector.onnx",
        "g (float[1,3,h,w] image) => (float[1,4,4] boxes, float[1,1,4] scores) "
        "{ mean = ReduceMean<axes = [1, 2, 3], keepdims = 1>(image) shape = Constant<value_ints = [1, 1, 1]>() "
        "shift = Reshape(mean, shape) boxes = Add(fixed, shift) scores = Add(likely, shift) }",
        fixed=boxes,
        likely=np.array([[[0.9, 0.8, 0.7, 0.6]]], np.float32),
    )
    exported(
        tmp_path / "recogniser.onnx",
        "g (float[n,3,4,6] crop) => (int64[n] text) { shape = Constant<value_ints = [-1, 72]>() "
        "flat = Reshape(crop, shape) scores = MatMul(flat, w) text = ArgMax<axis = 1, keepdims = 0>(scores) }",
        w=floats(72, 10),
    )
    path = built(shop, written(tmp_path, "s.yaml", READER))
    image = RANDOM.uniform(0, 1, (1, 3, 30, 30)).astype(np.float32)
    found = run(tmp_path / "detector.onnx", image=image)
    kept = found["boxes"][0][[0, 2, 3]]  # the second lies over the first
    crop = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> g (float[1,3,h,w] x, float[n,4] r, int64[n] i) => (float[n,3,4,6] y) '
        "{ y = RoiAlign<output_height = 4, output_width = 6, sampling_ratio = 2>(x, r, i) }"
    )
    onnx.save(crop, tmp_path / "crop.onnx")
    crops = run(tmp_path / "crop.onnx", x=image, r=kept, i=np.zeros(3, np.int64))["y"]
    given = run(path, image=image)
    np.testing.assert_allclose(given["boxes"], kept, rtol=1e-6)
    assert given["text"].tolist() == run(tmp_path / "recogniser.onnx", crop=crops)["text"].tolist()


STREAMED = """
sources: {vad: {onnx: vad.onnx}, cell: {spec: cell.yaml}}
inputs: {frames: {type: float32, shape: [frames, batch, 24]}, h: {type: float32, shape: [batch, 16]}}
graph:
  listen: {kind: loop, weights: cell, states: {h: last}, scan: [frame], collect: [loud], inputs: {frame: frames, h: h}}
  again: {kind: onnx, weights: vad, inputs: {frame: frames_of.squeezed, h: listen.h}}
  first: {kind: operator, op: Slice, inputs: {data: frames}, constants: {starts: [0], ends: [1], axes: [0]}}
  frames_of: {kind: operator, op: Squeeze, inputs: {data: first.output}, constants: {axes: [0]}}
outputs: {loud: listen.loud, more: again.probability}
"""

CELL = """
sources: {vad: {onnx: vad.onnx}}
inputs: {frame: {type: float32, shape: [batch, 24]}, h: {type: float32, shape: [batch, 16]}}
graph:
  hear: {kind: onnx, weights: vad, inputs: {frame: frame, h: h}}
  loud: {kind: operator, op: Greater, constants: {B: 0.5}, inputs: {A: hear.probability}}
outputs: {loud: loud.C, last: hear.h_next}
"""


@pytest.mark.parametrize("profile", ["portable", "cpu"])
def test_a_spec_runs_in_a_loop_and_shares_its_weights_with_a_part_outside(
    shop: Workshop, tmp_path: Path, profile: str
) -> None:
    vad(tmp_path / "vad.onnx")
    written(tmp_path, "cell.yaml", CELL)
    spec = written(tmp_path, "s.yaml", STREAMED)
    assert check(spec).problems == ()
    path = shop.build(spec, profile=profile).path
    frames, h = floats(6, 2, 24), floats(2, 16)
    rows, last = listened(tmp_path / "vad.onnx", frames, h)
    given = run(path, frames=frames, h=h)
    assert given["loud"].tolist() == (np.stack(rows) > 0.5).tolist()
    more = run(tmp_path / "vad.onnx", frame=frames[0], h=last)["probability"]
    np.testing.assert_allclose(given["more"], more, rtol=1e-5, atol=1e-6)
    sizes = sorted(list(tensor.dims) for tensor in onnx.load(path).graph.initializer if len(tensor.dims) == 2)
    assert sizes == [[16, 1], [16, 16], [24, 16]], "each weight is stored once"
