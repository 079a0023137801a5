"""Assembles the models of onnx's own backend tests, and says what became of each: `make conformance`.

Each model that ONNX Runtime runs, and whose expected outputs it computes, becomes a part: alone, before a second model that
takes its outputs, and twice in one stack. The outputs of the assembled file for the test's inputs are compared with ONNX
Runtime on the models themselves, bit by bit. Then it is built once more with the default proof.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import numpy_helper

from assembler.core.errors import AssemblerError
from assembler.initialisation.exported_files import exported_spec
from assembler.isolation.scope import isolated
from assembler.onnx_model.sessions import open_session, run_all
from assembler.runtime.engine import ort
from assembler.workflows.assembly import assemble

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

HEAD = """# Conformance

onnx comes with tests for backends: small models, each with inputs and expected outputs. Here each model that ONNX Runtime
runs, and whose expected outputs it computes, becomes a part. The outputs of the assembled file for the test's inputs are compared with
ONNX Runtime on the models themselves, bit by bit: with the part alone, before a second model, and twice in one stack. The second
model is that of another test that takes the outputs of the first, or else gives them unchanged. Then the part is built once more
with the default proof, which knows nothing of the test's inputs.

`make conformance OLDER=DATA` makes this page, where `DATA` is the folder `onnx/backend/test/data` of an older onnx's wheel, or
nothing. This one is of onnx {onnx}{older} and ONNX Runtime {runtime},
{cases} tests, of which ONNX Runtime passes {models}. Tests with the same model and inputs are tried once.

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
    chained: str = ""
    twice: str = ""
    proof: str = ""
    second: str = ""
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


def outcome(case: Case, folder: Path, seconds: Seconds) -> Outcome | None:
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
    found.alone, found.why = _built(folder, str, feeds, [*alone.values()])
    following = seconds.of(case.model, alone, folder)
    if following is not None:
        second, given, found.second = following
        found.chained, why = _built(folder, second, feeds, [*alone.values(), *given])
        found.why = found.why or why
    found.twice, _ = _built(folder, parallel, feeds, [*alone.values()] * 2)
    found.proof, why = _proven(folder)
    found.why = found.why or why
    seconds.add(case)
    return found


class Seconds:
    """The models that can come after another: those of tests with one input, and one that gives all unchanged."""

    def __init__(self) -> None:
        """Begin with none."""
        self._known: dict[str, list[onnx.ModelProto]] = {}

    def add(self, case: Case) -> None:
        """Keep the model of a test that takes one tensor."""
        graph = case.model.graph
        if len(graph.input) == 1 and graph.output and not graph.initializer and len(case.model.functions) == 0:
            self._known.setdefault(_key(case.model, graph.input[0]), []).insert(0, case.model)

    def of(
        self, model: onnx.ModelProto, alone: Mapping[str, Any], folder: Path
    ) -> tuple[Callable[[str], str], list[Any], str] | None:
        """Write a second model, and return how a spec gets it, what it gives after the first, and what it is.

        `None` where ONNX Runtime runs none: it has no operator that gives values of some types unchanged.
        """
        first = model.graph.output[0]
        fitting = self._known.get(_key(model, first), []) if len(model.graph.output) == 1 else []
        path = folder / "second.onnx"
        for second in fitting[:_MOST_SECONDS]:
            onnx.save(second, path)
            given = _given(path, {second.graph.input[0].name: alone[first.name]})
            if given is not None:
                # the next test takes another one
                fitting.append(fitting.pop(fitting.index(second)))
                return chained({second.graph.input[0].name: first.name}, second), given, second.graph.name
        second = unchanged(model)
        onnx.save(second, path)
        ports = {f"in_{number}": port.name for number, port in enumerate(model.graph.output)}
        given = _given(path, {name: alone[output] for name, output in ports.items()})
        return None if given is None else (chained(ports, second), given, "unchanged")


#: The most models of other tests that are tried after one.
_MOST_SECONDS = 4


def _key(model: onnx.ModelProto, port: onnx.ValueInfoProto) -> str:
    """Return what two models must agree in: the type and the sizes of a port, and the versions of the operators."""
    versions = sorted((entry.domain, entry.version) for entry in model.opset_import)
    return f"{port.type.SerializeToString(deterministic=True)!r} {versions}"


def _given(path: Path, feeds: Mapping[str, Any]) -> list[Any] | None:
    """Return what ONNX Runtime gives, or `None` where it does not run the model."""
    try:
        return [*run_all(open_session(path, "the second model"), feeds, "the second model").values()]
    except (AssemblerError, TypeError, ValueError, KeyError, RuntimeError):
        return None


def unchanged(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model that gives the outputs of another unchanged; four bits as floats, which ONNX Runtime can."""
    narrow = {onnx.TensorProto.INT4, onnx.TensorProto.UINT4}
    inputs: list[onnx.ValueInfoProto] = []
    outputs: list[onnx.ValueInfoProto] = []
    nodes: list[onnx.NodeProto] = []
    for number, port in enumerate(model.graph.output):
        names = [f"in_{number}"], [f"out_{number}"]
        inputs.append(onnx.ValueInfoProto(name=names[0][0], type=port.type))
        outputs.append(onnx.ValueInfoProto(name=names[1][0], type=port.type))
        if port.type.tensor_type.elem_type in narrow:
            outputs[-1].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
            nodes.append(onnx.helper.make_node("Cast", *names, to=onnx.TensorProto.FLOAT))
        else:
            nodes.append(onnx.helper.make_node("Identity", *names))
    graph = onnx.helper.make_graph(nodes, "unchanged", inputs, outputs)
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    imports = [onnx.helper.make_opsetid(*entry) for entry in {"": 17, **opsets}.items()]
    return onnx.helper.make_model(graph, opset_imports=imports, ir_version=model.ir_version)


def chained(ports: Mapping[str, str], second: onnx.ModelProto) -> Callable[[str], str]:
    """Return what adds a second part to a spec: `ports` tells which output of the first feeds each of its inputs."""

    def change(text: str) -> str:
        feeds = ", ".join(f"{json.dumps(name)}: {json.dumps(f'model.{output}')}" for name, output in ports.items())
        part = f"graph:\n  second: {{kind: onnx, weights: second, inputs: {{{feeds}}}}}\n"
        names = [port.name for port in second.graph.output]
        outputs = "".join(f"  {json.dumps(f'chained {name}')}: {json.dumps(f'second.{name}')}\n" for name in names)
        text = text.replace("sources:\n", "sources:\n  second: {onnx: second.onnx}\n", 1)
        return text.replace("graph:\n", part, 1) + outputs

    return change


def _built(
    folder: Path, change: Callable[[str], str], feeds: Mapping[str, Any], wanted: Sequence[Any]
) -> tuple[str, str]:
    """Build a changed spec without a proof; its outputs must be what the models give."""
    target = folder / "stack.onnx"
    target.unlink(missing_ok=True)
    try:
        text = change(exported_spec([folder / "model.onnx"], folder, "stack").text())
        (folder / "stack.yaml").write_text(text, encoding="utf-8")
        assemble(folder / "stack.yaml", target, proof=False)
        given = run_all(open_session(target, "the stack"), _renamed(feeds, target), "the stack")
    except AssemblerError as err:
        return err.problems[0].code, str(err).partition("\n")[0][:300]
    except Exception as err:  # noqa: BLE001 - a bug is counted, and the others go on
        return "crashed", f"{type(err).__name__}: {err}"
    if len(given) != len(wanted) or not all(map(same, given.values(), wanted)):
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


def _proven(folder: Path) -> tuple[str, str]:
    spec = folder / "stack.yaml"
    try:
        spec.write_text(exported_spec([folder / "model.onnx"], folder, "stack").text(), encoding="utf-8")
        assemble(spec, folder / "stack.onnx")
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
    ways = {
        "alone": "built alone",
        "chained": "built before a second model",
        "twice": "built twice in one stack",
        "proof": "proven with the default proof",
    }
    for way, words in ways.items():
        counts = Counter(found for each in outcomes if (found := getattr(each, way)))
        models = counts.total()
        good = counts.pop("exact", 0) + counts.pop("proven", 0)
        wrong, crashed = counts.pop("wrong", 0), counts.pop("crashed", 0)
        refused = ", ".join(f"{code} {count}" for code, count in sorted(counts.items())) or "none"
        share = f"{good} ({good / max(models, 1):.1%})"
        yield f"| {words} | {models} | {share} | {wrong} | {crashed} | {refused} |"
    yield ""
    others = sum(each.second not in {"", "unchanged"} for each in outcomes)
    yield f"The second model is that of another test for {others} models, and gives all unchanged for the others."
    yield ""
    few = 6
    for code in sorted({getattr(each, way) for each in outcomes for way in ways} - {"", "exact", "proven"}):
        names = sorted({each.name for each in outcomes if code in {getattr(each, way) for way in ways}})
        shown = ", ".join(f"`{name}`" for name in names[:few])
        shown += f" and {len(names) - few} more" if len(names) > few else ""
        yield f"- **{code}**: {REASONS.get(code, 'see docs/problems.md')}. {shown}."


def all_outcomes(cases: Sequence[Case], kept: Path | None) -> Iterator[Outcome | None]:
    """Yield the outcome of each case; of those that have the same model and inputs, only the first is tried.

    Args:
        cases: The cases.
        kept: A file of a line of JSON for each outcome, to which they are added; those in it are not tried again.
    """
    known = {}
    if kept is not None and kept.is_file():
        lines = (json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines())
        known = {entry["name"]: entry["found"] for entry in lines}
    seconds, same_cases = Seconds(), dict[str, Outcome | None]()
    with tempfile.TemporaryDirectory() as folder, isolated():
        for number, case in enumerate(cases):
            key = _digest(case)
            if case.name in known:
                entry = known[case.name]
                found = None if entry is None else Outcome(**entry)
                if found is not None and key not in same_cases:
                    seconds.add(case)
            elif key in same_cases:
                twin = same_cases[key]
                found = None if twin is None else replace(twin, name=case.name)
            else:
                found = outcome(case, Path(folder), seconds)
            same_cases.setdefault(key, found)
            if kept is not None and case.name not in known:
                with kept.open("a", encoding="utf-8") as stream:
                    entry = None if found is None else asdict(found)
                    stream.write(f"{json.dumps({'name': case.name, 'found': entry})}\n")
            if number % 50 == 0:
                print(f"{number} of {len(cases)}", file=sys.stderr, flush=True)
            yield found


def _digest(case: Case) -> str:
    """Return what two cases have in common that are one: the operators and the values."""
    proto = onnx.ModelProto()
    proto.CopyFrom(case.model)
    proto.ClearField("producer_version")
    values = repr([_plain(value) for value in case.inputs])
    return hashlib.sha256(proto.SerializeToString(deterministic=True) + values.encode()).hexdigest()


def _plain(value: Any) -> Any:  # noqa: ANN401 - arrays, or lists of them
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return (value.shape, value.dtype.str, value.tolist()) if isinstance(value, np.ndarray) else value


def _older(data: Path | None) -> str:
    """Return which other onnx a folder of tests is of, by what lies beside the package."""
    if data is None:
        return ""
    found = [each.name.split("-")[1] for parent in data.resolve().parents for each in parent.glob("onnx-*.dist-info")]
    version = found[0].removesuffix(".dist") if found else "another version"
    return f' with those of onnx {version} ("older"),'


def main() -> None:
    """Run all cases and print, or write, the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--older", type=Path, help="the folder `onnx/backend/test/data` of another version's wheel")
    parser.add_argument("--only", default="", help="cases whose names have this in them")
    parser.add_argument("--every", type=int, default=1, help="only each n-th case")
    parser.add_argument("--json", type=Path, help="keep each outcome here; a run that was stopped goes on from it")
    parser.add_argument("--page", type=Path, help="write the page here, such as docs/conformance.md")
    arguments = parser.parse_args()
    cases = [*installed_cases()]
    if arguments.older is not None:
        folders = sorted(folder for folder in arguments.older.glob("*/*") if folder.is_dir())
        older = [case for folder in folders for case in folder_case(folder)]
        cases += [Case(f"{each.name} (older)", each.model, each.inputs, each.outputs) for each in older]
    cases = [case for case in cases if arguments.only in case.name][:: arguments.every]
    outcomes = [found for found in all_outcomes(cases, arguments.json) if found is not None]
    lines = [*table(outcomes)]
    print("\n".join(lines))
    if arguments.page is not None:
        head = HEAD.format(
            onnx=onnx.__version__,
            older=_older(arguments.older),
            runtime=ort.__version__,
            cases=len(cases),
            models=len(outcomes),
        )
        _, packages, kept = (arguments.page.read_text(encoding="utf-8") if arguments.page.is_file() else "").partition(
            "\n## Files that packages carry\n"
        )
        arguments.page.write_text(f"{head}{chr(10).join(lines)}\n{packages}{kept}", encoding="utf-8")


if __name__ == "__main__":
    main()
