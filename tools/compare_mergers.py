"""Joins the same two files with this package and with its peers, and prints what becomes of it.

The peers are no dependency. Install them beside this package, in an environment of their own, and run it there:

    pip install onnx onnx-graphsurgeon onnxruntime spox snc4onnx onnxsim && pip install -e . && python tools/compare_mergers.py
"""

from __future__ import annotations

import argparse
import inspect
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnx.parser
from onnx import numpy_helper

from assembler.runtime.engine import ort

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WEIGHTS = 2_000_000
#: How a file is fed, as (output of the first file, input of the second).
Edges = list[tuple[str, str]]


def parsed(text: str, opset: int = 17) -> onnx.ModelProto:
    """Return a model from ONNX's text format."""
    return onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": {opset}]>\n{text}')


def encoder(opset: int = 17, dims: str = "batch, src", operator: str = "Relu") -> onnx.ModelProto:
    """Return an encoder with two million weights."""
    text = f"encoder (float[{dims}, 8] x) => (float[{dims}, 8] states) {{ wide = MatMul(x, w)\n narrow = MatMul(wide, v)\n states = {operator}(narrow) }}"
    model = parsed(text, opset)
    draw = np.random.default_rng(0)
    width = WEIGHTS // 16
    for name, shape in (("w", (8, width)), ("v", (width, 8))):
        model.graph.initializer.append(
            numpy_helper.from_array(draw.standard_normal(shape).astype(np.float32) / 100, name)
        )
    return model


def head(dims: str = "batch, src, 8", dtype: str = "float", opset: int = 17) -> onnx.ModelProto:
    """Return a head that sums the first axis of its input."""
    text = f"head ({dtype}[{dims}] tokens) => ({dtype}[other] scores) {{ scores = ReduceSum<keepdims = 0>(tokens) }}"
    return parsed(text, opset)


def width_of(path: Path) -> int:
    """Return the size of the last axis of a model's input."""
    (port,) = onnx.load(path, load_external_data=False).graph.input
    return int(port.type.tensor_type.shape.dim[-1].dim_value)


# --- the ways of joining: each body is what a person writes


def with_this(first: Path, second: Path, edges: Edges, out: Path) -> None:
    """Join with this package, by a spec written by hand; `assemble init` writes the same."""
    from assembler.workflows.assembly import assemble

    spec = out.with_suffix(".yaml")
    spec.write_text(
        f"""version: 1
name: joined
sources: {{a: {{onnx: {first.name}}}, b: {{onnx: {second.name}}}}}
inputs: {{x: {{type: float32, shape: [batch, src, {width_of(first)}]}}}}
graph:
  a: {{kind: onnx, weights: a, inputs: {{x: x}}}}
  b: {{kind: onnx, weights: b, inputs: {{{", ".join(f"{port}: a.{output}" for output, port in edges)}}}}}
outputs: {{scores: b.{onnx.load(second, load_external_data=False).graph.output[0].name}}}
"""
    )
    assemble(spec, out)


def with_compose(first: Path, second: Path, edges: Edges, out: Path) -> None:
    """Join with onnx.compose."""
    from onnx import compose

    one = compose.add_prefix(onnx.load(first), "a/")
    two = compose.add_prefix(onnx.load(second), "b/")
    joined = compose.merge_models(one, two, io_map=[(f"a/{output}", f"b/{port}") for output, port in edges])
    onnx.save(joined, out)


def with_graphsurgeon(first: Path, second: Path, edges: Edges, out: Path) -> None:
    """Join with onnx-graphsurgeon."""
    import onnx_graphsurgeon as gs

    one, two = gs.import_onnx(onnx.load(first)), gs.import_onnx(onnx.load(second))
    tensors = one.tensors()
    for output, port in edges:
        for node in two.nodes:
            node.inputs = [tensors[output] if tensor.name == port else tensor for tensor in node.inputs]
    one.nodes.extend(two.nodes)
    one.outputs = two.outputs
    onnx.save(gs.export_onnx(one.cleanup().toposort()), out)


def with_spox(first: Path, second: Path, edges: Edges, out: Path) -> None:
    """Join with spox."""
    from spox import Tensor, argument, build, inline

    given = {port.name: argument(Tensor(np.float32, (None,) * len(port.type.tensor_type.shape.dim)))
             for port in onnx.load(first).graph.input}  # fmt: skip
    one = inline(onnx.load(first))(**given)
    two = inline(onnx.load(second))(**{port: one[output] for output, port in edges})
    onnx.save(build(given, two), out)


def with_snc4onnx(first: Path, second: Path, edges: Edges, out: Path) -> None:
    """Join with snc4onnx."""
    from snc4onnx import combine

    srcop_destop = [[name for edge in edges for name in edge]]
    combine(
        op_prefixes_after_merging=["a", "b"],
        input_onnx_file_paths=[str(first), str(second)],
        srcop_destop=srcop_destop,
        output_onnx_file_path=str(out),
        non_verbose=True,
    )


WAYS: dict[str, Callable[[Path, Path, Edges, Path], None]] = {
    "this": with_this,
    "onnx.compose": with_compose,
    "onnx-graphsurgeon": with_graphsurgeon,
    "spox.inline": with_spox,
    "snc4onnx": with_snc4onnx,
}
#: Joins that are wrong, each with the second file that makes it so, and the edges.
MISTAKES: dict[str, tuple[Callable[[], onnx.ModelProto], Edges]] = {
    "float32 into float64": (lambda: head(dtype="double"), [("states", "tokens")]),
    "3 axes into 2": (lambda: head("batch, 8"), [("states", "tokens")]),
    "8 features into 4": (lambda: head("batch, src, 4"), [("states", "tokens")]),
    "batch and tokens swapped": (lambda: head("src, batch, 8"), [("states", "tokens")]),
    "a port that is not there": (head, [("states", "token")]),
}


def joined(way: str, models: Sequence[onnx.ModelProto], edges: Edges, folder: Path) -> Path:
    """Join two models, and return the file.

    Raises:
        Exception: Whatever the library raises.
    """
    paths = [folder / "first.onnx", folder / "second.onnx"]
    for model, path in zip(models, paths, strict=True):
        onnx.save(model, path)
    out = folder / "joined.onnx"
    out.unlink(missing_ok=True)
    WAYS[way](paths[0], paths[1], edges, out)
    return out


def attempt(action: Callable[[], Any]) -> tuple[bool, Any]:
    """Return whether an action ended well, and what it returned or raised."""
    try:
        return True, action()
    except ImportError:
        raise
    except (Exception, SystemExit) as err:  # noqa: BLE001 - each library raises what it likes
        return False, err


def mistakes_caught(way: str, folder: Path) -> str:
    """Return how many of the wrong joins are refused, and which are written."""
    missed = [name for name, (second, edges) in MISTAKES.items()
              if attempt(lambda: joined(way, (encoder(), second()), edges, folder))[0]]  # noqa: B023  # fmt: skip
    return f"{len(MISTAKES) - len(missed)} of {len(MISTAKES)}" + (f"; written: {', '.join(missed)}" if missed else "")


def large(way: str, folder: Path, gigabytes: float) -> str:
    """Return whether two files of more than two gigabytes together become one that computes what they do.

    It is tried in a process of its own, which may take no more than so many gigabytes of memory.
    """
    command = [sys.executable, __file__, "--try-large", way, str(folder)]
    limit = int(gigabytes * 2**30)
    done = subprocess.run(  # noqa: S603
        command,
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)),
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("found: ")]
    if lines:
        return lines[-1].removeprefix("found: ")
    if "No module named" in done.stderr:
        raise ImportError(done.stderr.splitlines()[-1])
    return f"ended by {done.returncode} within {gigabytes:g} GB"


def try_large(way: str, folder: Path) -> str:
    """Join two files of 1.1 GB each, with external data, and run the result on one row."""
    models, side, values = [], 16_640, (1e-4, 2e-4)
    for number, (port, name) in enumerate((("x", "states"), ("tokens", "scores"))):
        text = f"m (float[batch, src, {side}] {port}) => (float[batch, src, {side}] {name}) {{ {name} = MatMul({port}, w) }}"
        model = parsed(text)
        array = np.full((side, side), values[number], np.float32)
        model.graph.initializer.append(numpy_helper.from_array(array, "w"))
        path = folder / ("first.onnx", "second.onnx")[number]
        for old in (path, path.with_suffix(".data")):
            old.unlink(missing_ok=True)
        onnx.save(model, path, save_as_external_data=True, location=f"{path.stem}.data")
        models.append(path)
        del model, array
    out = folder / "joined.onnx"
    out.unlink(missing_ok=True)
    done, found = attempt(lambda: WAYS[way](models[0], models[1], [("states", "tokens")], out))
    if not done:
        memory = isinstance(found, MemoryError) or "bad_alloc" in str(found) or "allocate memory" in str(found)
        return "needs more memory" if memory else f"refused ({type(found).__name__})"
    done, session = attempt(lambda: ort.InferenceSession(str(out), providers=["CPUExecutionProvider"]))
    if not done:
        return f"written, does not load ({type(session).__name__})"
    wanted = side * values[0] * side * values[1]
    given = session.run(None, {session.get_inputs()[0].name: np.ones((1, 1, side), np.float32)})[-1]
    return "right" if np.allclose(given, wanted, rtol=1e-3) else f"wrong: {given.flat[0]:.3g} for {wanted:.3g}"


def siamese(way: str, folder: Path) -> str:
    """Return how large a model is that has one encoder twice, against the encoder's file."""
    second = encoder()
    second.graph.input[0].name = second.graph.node[0].input[0] = "tokens"
    done, found = attempt(lambda: joined(way, (encoder(), second), [("states", "tokens")], folder))
    return f"{found.stat().st_size / (folder / 'first.onnx').stat().st_size:.2f}" if done else "refused"


def opsets(way: str, folder: Path) -> str:
    """Return what becomes of files of opset 11 and 17, of which the first has another Softmax than the newer opset."""
    models = (encoder(11, operator="Softmax"), head())
    done, found = attempt(lambda: joined(way, models, [("states", "tokens")], folder))
    if not done:
        return "refused"
    rows = np.random.default_rng(1).standard_normal((2, 3, 8)).astype(np.float32)
    (states,) = ort.InferenceSession(str(folder / "first.onnx")).run(None, {"x": rows})
    (wanted,) = ort.InferenceSession(str(folder / "second.onnx")).run(None, {"tokens": states})
    session = ort.InferenceSession(str(found))
    given = session.run(None, {session.get_inputs()[0].name: rows})[-1]
    return "right" if np.allclose(given, wanted, atol=1e-4) else f"wrong by {np.abs(given - wanted).max():.2g}"


def lines(way: str) -> int:
    """Return the lines that a person writes: of code, or with this package of the spec."""
    pieces = inspect.getsource(WAYS[way]).split('"""')
    body = pieces[3] if way == "this" else pieces[2]
    return sum(bool(line.strip()) for line in body.splitlines())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="join 2.2 GB too; takes 7 GB of disk")
    parser.add_argument("--memory", type=float, default=11, help="the most memory that each way may take for it, in GB")
    parser.add_argument("--try-large", nargs=2, metavar=("WAY", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.try_large:
        print(f"found: {try_large(arguments.try_large[0], Path(arguments.try_large[1]))}")
        return
    heads = ["", "lines written", "wrong joins refused", "one encoder twice, size", "opsets 11 and 17"]
    heads += ["2.2 GB"] if arguments.large else []
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    with tempfile.TemporaryDirectory() as name:
        for way in WAYS:
            folder = Path(name)
            try:
                row = [mistakes_caught(way, folder), siamese(way, folder), opsets(way, folder)]
                row += [large(way, folder, arguments.memory)] if arguments.large else []
            except ImportError as err:
                print(f"{way} is not installed: {err}", file=sys.stderr)
                continue
            print(f"| {way} | {lines(way)} | {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
