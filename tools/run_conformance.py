"""Assembles the models of onnx's own backend tests, and says what became of each: `make conformance`.

Each model that ONNX Runtime runs, and whose expected outputs it gives, becomes a part: alone, and twice in one stack.
What the assembled file gives for the test's inputs is compared with ONNX Runtime on the model itself, bit by bit. Then
it is built once more with the default proof.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import numpy_helper

from assembler.core.errors import AssemblerError
from assembler.initialisation.exported import exported_spec
from assembler.isolation.scope import isolated
from assembler.onnx_model.sessions import open_session, run_all
from assembler.runtime.engine import ort
from assembler.workflows.assembly import assemble

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HEAD = """# Conformance

onnx comes with tests for backends: small models, each with inputs and what it should give. Here each model that ONNX Runtime
runs, and whose expected outputs it gives, becomes a part. What the assembled file gives for the test's inputs is compared with
ONNX Runtime on the model itself, bit by bit: with the part alone, and with the part twice in one stack. Then it is built once
more with the default proof, which knows nothing of the test's inputs.

`make conformance OLDER=DATA` makes this page, where `DATA` is the folder `onnx/backend/test/data` of an older onnx's wheel, or
nothing. This one is of onnx {onnx} and ONNX Runtime {runtime},
{cases} tests, of which ONNX Runtime passes {models}.

"""


@dataclass
class Case:
    """A backend test: a model, its inputs, and what it should give."""

    name: str
    model: onnx.ModelProto
    inputs: list[Any]
    outputs: list[Any]
    rtol: float = 1e-3
    atol: float = 1e-6


@dataclass
class Outcome:
    """What became of a case: for each way a word, `exact`, a problem's code, `wrong` or `crashed`."""

    name: str
    alone: str
    twice: str = ""
    proof: str = ""
    why: str = ""


def installed_cases() -> Iterator[Case]:
    """Yield the backend tests of the installed onnx."""
    from onnx.backend.test.loader import load_model_tests, load_node_model_tests

    for test in load_node_model_tests():
        if test.model is not None and test.data_sets:
            inputs, outputs = test.data_sets[0]
            yield Case(test.name, test.model, [*map(_array, inputs)], [*map(_array, outputs)], test.rtol, test.atol)
    for kind in ("simple", "pytorch-converted", "pytorch-operator"):
        for test in load_model_tests(kind=kind):
            if test.model_dir is not None:
                yield from folder_case(Path(test.model_dir))


def _array(value: Any) -> Any:  # noqa: ANN401 - what a test holds
    """Return a value as an array where it is a tensor of a type that numpy lacks, which onnx leaves as it is."""
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def folder_case(folder: Path) -> Iterator[Case]:
    """Yield the test that a folder of a wheel's data holds."""
    data = folder / "test_data_set_0"
    if not (folder / "model.onnx").is_file() or not data.is_dir():
        return
    model = onnx.load(folder / "model.onnx")
    initial = {tensor.name for tensor in model.graph.initializer}
    ports = [port for port in model.graph.input if port.name not in initial]
    inputs = [_loaded(data / f"input_{number}.pb", port) for number, port in enumerate(ports)]
    outputs = [_loaded(data / f"output_{number}.pb", port) for number, port in enumerate(model.graph.output)]
    yield Case(folder.name, model, inputs, outputs)


def _loaded(path: Path, port: onnx.ValueInfoProto) -> Any:  # noqa: ANN401 - what onnx makes of it
    if not path.is_file():
        return None
    content = path.read_bytes()
    if port.type.HasField("sequence_type"):
        return numpy_helper.to_list(onnx.SequenceProto.FromString(content))
    if port.type.HasField("optional_type"):
        return numpy_helper.to_optional(onnx.OptionalProto.FromString(content))
    return numpy_helper.to_array(onnx.TensorProto.FromString(content))


def same(one: Any, other: Any) -> bool:  # noqa: ANN401 - arrays, or lists of them
    """Return whether two outputs are equal, bit by bit."""
    if isinstance(one, list | tuple):
        return isinstance(other, list | tuple) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, Mapping):
        return bool(one == other)
    one, other = np.asarray(one), np.asarray(other)
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.dtype.kind in "OUS":
        return [*map(str, one.flat)] == [*map(str, other.flat)]
    return bool(one.tobytes() == other.tobytes())


def close(given: Any, wanted: Any, case: Case) -> bool:  # noqa: ANN401 - arrays, or lists of them
    """Return whether ONNX Runtime gives what the test expects."""
    if wanted is None:
        return True
    if isinstance(wanted, list | tuple):
        return (
            isinstance(given, list | tuple)
            and len(given) == len(wanted)
            and all(close(a, b, case) for a, b in zip(given, wanted, strict=True))
        )
    given, wanted = np.asarray(given), np.asarray(wanted)
    if given.shape != wanted.shape:
        return False
    if wanted.dtype.kind in "OUSb":
        return bool((given.astype(object) == wanted.astype(object)).all())
    return bool(np.allclose(given.astype(np.float64), wanted.astype(np.float64), case.rtol, case.atol, equal_nan=True))


def outcome(case: Case, folder: Path) -> Outcome | None:
    """Assemble a case in every way; `None` where ONNX Runtime alone does not run it, or gives something else."""
    path = folder / "model.onnx"
    onnx.save(case.model, path)
    initial = {tensor.name for tensor in case.model.graph.initializer}
    ports = [port.name for port in case.model.graph.input if port.name not in initial]
    feeds = {name: value for name, value in zip(ports, case.inputs, strict=False) if value is not None}
    try:
        alone = run_all(open_session(path, "the model"), feeds, "the model")
    except AssemblerError:
        return None
    except (TypeError, ValueError, KeyError, RuntimeError):  # of values that are no arrays
        return None
    if not all(close(got, wanted, case) for got, wanted in zip(alone.values(), case.outputs, strict=False)):
        return None
    found = Outcome(case.name, "")
    found.alone, found.why = _built(folder, [path], feeds, alone)
    found.twice, _ = _built(folder, [path, path], feeds, alone)
    found.proof, why = _proven(folder, path)
    found.why = found.why or why
    return found


def _spec(folder: Path, paths: Sequence[Path]) -> Path:
    spec = folder / "stack.yaml"
    spec.write_text(exported_spec(paths, folder, "stack"), encoding="utf-8")
    return spec


def _built(folder: Path, paths: Sequence[Path], feeds: Mapping[str, Any], alone: Mapping[str, Any]) -> tuple[str, str]:
    """Build without a proof; of two parts that are fed alike, both must give what the model gives."""
    target = folder / "stack.onnx"
    target.unlink(missing_ok=True)
    try:
        text = exported_spec(paths[:1], folder, "stack")
        text = parallel(text) if len(paths) > 1 else text
        (folder / "stack.yaml").write_text(text, encoding="utf-8")
        assemble(folder / "stack.yaml", target, proof=False)
        given = run_all(open_session(target, "the stack"), _renamed(feeds, target), "the stack")
    except AssemblerError as err:
        return err.problems[0].code, str(err).partition("\n")[0][:300]
    except Exception as err:  # noqa: BLE001 - a bug is counted, and the others go on
        return "crashed", f"{type(err).__name__}: {err}"
    values = [*given.values()]
    wanted = [*alone.values()]
    chunks = [values[start : start + len(wanted)] for start in range(0, len(values), len(wanted))] if wanted else []
    if len(values) % max(len(wanted), 1) or not all(all(map(same, chunk, wanted)) for chunk in chunks):
        return "wrong", f"outputs differ: {[*given]}"
    return "exact", ""


def parallel(text: str) -> str:
    """Return a spec with a second part that is fed as the only one is, and gives its outputs again."""
    head, _, rest = text.partition("graph:\n")
    graph, _, outputs = rest.partition("outputs:\n")
    part = graph.replace("\n  model:\n", "\n  model_2:\n", 1)
    again = "".join(f"  {_doubled(line)}\n" for line in outputs.splitlines())
    return f"{head}graph:\n{graph}{part}outputs:\n{outputs}{again}"


def _doubled(line: str) -> str:
    name, _, reference = line.strip().rpartition(": ")
    name = f'{name[:-1]}_2"' if name.endswith('"') else f"{name}_2"
    return f"{name}: {reference.replace('model.', 'model_2.', 1)}"


def _renamed(feeds: Mapping[str, Any], target: Path) -> dict[str, Any]:
    names = [port.name for port in onnx.load(target, load_external_data=False).graph.input]
    return dict(zip(names, feeds.values(), strict=False))


def _proven(folder: Path, path: Path) -> tuple[str, str]:
    try:
        assemble(_spec(folder, [path]), folder / "stack.onnx")
    except AssemblerError as err:
        return err.problems[0].code, str(err).partition("\n")[0][:300]
    except Exception as err:  # noqa: BLE001 - a bug is counted, and the others go on
        return "crashed", f"{type(err).__name__}: {err}"
    return "proven", ""


#: What the codes of refused models mean here.
REASONS = {
    "M002": "the opset converter of onnx does not know an operator of the file",
    "M005": "an input of the test is no tensor, or of a type that a spec cannot name",
    "M006": "ONNX Runtime does not load the assembled file",
    "M007": "the operator refuses the values that were tried; `proof:` with `inputs` or `cases` tells others",
    "M008": "ONNX's checker infers the shapes of the file's operator wrongly, and refuses the assembled file",
    "M029": "the file declares a size that only the test's own values give; `cases` tells the proof these",
    "P002": "the operator draws random numbers, or the file computes something else in another order",
    "P006": "a size that the file declares is contradicted by a run",
    "W003": "the file's own types do not fit",
    "crashed": "a fault of ours: an exception that is no problem with a code",
    "wrong": "a fault of ours: the assembled file gives something else",
}


def table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield the lines of the table, and of what was refused."""
    yield "| | models | exact, or proven | wrong | crashed | refused, by code |"
    yield "|---|---|---|---|---|---|"
    ways = {"alone": "built alone", "twice": "built twice in one stack", "proof": "proven with the default proof"}
    for way, words in ways.items():
        counts = Counter(getattr(each, way) for each in outcomes)
        good = counts.pop("exact", 0) + counts.pop("proven", 0)
        wrong, crashed = counts.pop("wrong", 0), counts.pop("crashed", 0)
        refused = ", ".join(f"{code} {count}" for code, count in sorted(counts.items())) or "none"
        share = f"{good} ({good / max(len(outcomes), 1):.1%})"
        yield f"| {words} | {len(outcomes)} | {share} | {wrong} | {crashed} | {refused} |"
    yield ""
    few = 6
    for code in sorted({getattr(each, way) for each in outcomes for way in ways} - {"exact", "proven"}):
        names = sorted({each.name for each in outcomes if code in (each.alone, each.twice, each.proof)})
        shown = ", ".join(f"`{name}`" for name in names[:few])
        shown += f" and {len(names) - few} more" if len(names) > few else ""
        yield f"- **{code}**: {REASONS.get(code, 'see docs/problems.md')}. {shown}."


def main() -> None:
    """Run all cases and print, or write, the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--older", type=Path, help="the folder `onnx/backend/test/data` of another version's wheel")
    parser.add_argument("--only", default="", help="cases whose names have this in them")
    parser.add_argument("--every", type=int, default=1, help="only each n-th case")
    parser.add_argument("--json", type=Path, help="write each outcome here")
    parser.add_argument("--page", type=Path, help="write the page here, such as docs/conformance.md")
    arguments = parser.parse_args()
    cases = [*installed_cases()]
    if arguments.older is not None:
        folders = sorted(folder for folder in arguments.older.glob("*/*") if folder.is_dir())
        older = [case for folder in folders for case in folder_case(folder)]
        cases += [Case(f"{each.name} (older)", each.model, each.inputs, each.outputs) for each in older]
    cases = [case for case in cases if arguments.only in case.name][:: arguments.every]
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as name, isolated():
        for number, case in enumerate(cases):
            found = outcome(case, Path(name))
            if found is not None:
                outcomes.append(found)
            if number % 50 == 0:
                print(f"{number} of {len(cases)}: {len(outcomes)} run alone", file=sys.stderr, flush=True)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([asdict(each) for each in outcomes], indent=1), encoding="utf-8")
    lines = [*table(outcomes)]
    print("\n".join(lines))
    if arguments.page is not None:
        head = HEAD.format(onnx=onnx.__version__, runtime=ort.__version__, cases=len(cases), models=len(outcomes))
        _, packages, kept = (arguments.page.read_text(encoding="utf-8") if arguments.page.is_file() else "").partition(
            "\n## Files that packages carry\n"
        )
        arguments.page.write_text(f"{head}{chr(10).join(lines)}\n{packages}{kept}", encoding="utf-8")


if __name__ == "__main__":
    main()
