"""A second engine in the proof of `portable`: onnx's reference evaluator also runs a few sentences.

A proof in ONNX Runtime alone says nothing about other engines: some ignore attributes or inputs of an operator, and
compute other tags without an error. The evaluator is slow and simple, and has such a fault itself:
it ignores `sequence_lens`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from assembler.core.errors import ParityError
from assembler.core.problems import Problem
from assembler.interface.tasks import NumberTask, SentenceTask, TokenTask
from assembler.onnx_model.sessions import first_line, run_all
from assembler.parts.registry import built_in_kinds
from assembler.proof.evaluator_operators import OPERATORS
from assembler.proof.noise import AT_MOST
from assembler.proof.text_inputs import declared_shapes
from assembler.proof.tolerances import RELATIVE
from assembler.proof.value_gaps import arrays_of, value_gap
from assembler.runtime.context import InContext
from assembler.runtime.metadata import Metadata
from assembler.runtime.shapes import FixedShapes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from assembler.core.arrays import RuntimeValue, RuntimeValues
    from assembler.core.values import Value
    from assembler.onnx_model.model import Model
    from assembler.onnx_model.sessions import OpenSession
    from assembler.proof.source_results import References
    from assembler.spec.stack_spec import Spec

#: The name of the engine in records and reports.
ENGINE = "onnx.reference"
#: The profile that promises to run in other engines.
PROFILE = "portable"
#: The most sentences, and the characters that each of them has at most if there are such: a step of a language model of
#: 2,048 states takes the evaluator a hundredth of a second.
_SENTENCES, _CHARACTERS = 4, 40
#: The exceptions of the evaluator, and of numpy in it, for what they do not know.
_ERRORS = (
    NotImplementedError, RuntimeError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError,
)  # fmt: skip
_LENGTHS = 4
#: The largest random floats, if the spec sets no range.
_USUAL = 4.0
_FLOATS = frozenset({"float16", "float32", "float64"})


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """One run of the evaluator.

    Attributes:
        feeds: The inputs.
        outputs: The outputs to compare.
        counts: The tokens of each sentence, after which tags and scores are meaningless; `None` if everything is
            compared.
        per_token: The outputs that have a value for each token.
    """

    feeds: RuntimeValues
    outputs: RuntimeValues
    counts: Sequence[int] | None
    per_token: frozenset[str]

    def inside(self, name: str, value: RuntimeValue) -> RuntimeValue:
        """Return an output without the values after the sentences' ends."""
        if self.counts is None or name not in self.per_token or not isinstance(value, np.ndarray):
            return value
        return value[np.arange(value.shape[1]) < np.array(self.counts)[:, np.newaxis]]


@dataclass(frozen=True, slots=True, eq=False)
class Evaluated:
    """The results of the evaluator for a model, before it is written.

    Attributes:
        spec: The spec.
        runs: Its runs; none if it does not run the model.
        cases: The sentences, or sets of inputs, in words.
        refused: Why it does not run the model.
    """

    spec: Spec
    runs: tuple[_Run, ...]
    cases: str
    refused: str | None = None

    def record(self) -> dict[str, Value]:
        """Return its entry in the metadata."""
        if self.refused is not None:
            return {"engine": ENGINE, "status": "not run", "reason": self.refused}
        return {"engine": ENGINE, "status": "passed", "cases": self.cases}

    def prove(self, session: OpenSession) -> tuple[str, bool]:
        """Compare a written model, run in ONNX Runtime, with the results of the evaluator.

        Returns:
            The finding in words, and whether the evaluator computes something else.

        Raises:
            ParityError: Something differs (P008).
            ModelError: The model cannot be run (M007).
        """
        if self.refused is not None:
            return f"not run in onnx's reference evaluator: {self.refused}", False
        within, largest = max(AT_MOST, self.spec.proof.scores_within), 0.0
        for each in self.runs:
            given = run_all(session, each.feeds, "the assembled model")
            for name, array in each.outputs.items():
                entry = value_gap(name, each.inside(name, given[name]), each.inside(name, array))
                allowed = within * _scale(each.inside(name, array))
                if not entry.largest <= allowed:
                    if not _all_ours(
                        self.spec
                    ):  # with a stranger's operators, we cannot tell which of the two is right
                        return f"onnx's reference evaluator computes something else: {entry}", True
                    raise ParityError(_problem(self.spec, [f"  {entry}"], allowed))
                largest = max(largest, entry.largest)
        allowed_text = f"within {largest:.1e} (allowed {within:.0e})"
        return f"onnx's reference evaluator computes the same: {self.cases}, {allowed_text}", False


def evaluated(model: Model, metadata: Mapping[str, str], references: References) -> Evaluated:
    """Run a handful of sentences, or of the proof's inputs, in the evaluator.

    Args:
        model: The lowered model. Its arrays are used where they are.
        metadata: Its metadata.
        references: What it is compared with in ONNX Runtime; of its sentences some short ones are taken.

    Raises:
        ParityError: The evaluator does not run a model that is made of kinds of our own alone (P008).
    """
    spec = references.spec
    try:
        evaluator = _evaluator(model)
        with np.errstate(all="ignore"):
            runs = tuple(_runs(model, evaluator, metadata, references))
    except _ERRORS as err:
        reason = f"{type(err).__name__}: {first_line(err)}"
        if _all_ours(spec):
            raise ParityError(_problem(spec, [f"  it does not run: {reason}"], None)) from err
        return Evaluated(spec, (), "", reason)
    return Evaluated(spec, runs, _cases(runs, references))


def _all_ours(spec: Spec) -> bool:
    """Return whether a stack has no part of a stranger's, and no operator that a spec names."""
    ours = built_in_kinds()
    return all(node.kind in ours and not ours[node.kind].foreign for node in spec.graph.values())


def _problem(spec: Spec, lines: Sequence[str], within: float | None) -> Problem:
    allowed = "" if within is None else f", allowed is {within:.3g}"
    message = f"onnx's reference evaluator does not compute what ONNX Runtime computes from the same file{allowed}"
    hint = "nothing was written; other engines would be wrong as well: report it, or use the profile 'cpu'"
    return Problem.at(spec.proof.mark, "P008", "\n".join([message, *lines]), hint)


def _evaluator(model: Model) -> ReferenceEvaluator:
    """Return an evaluator that is given the large weights with each run, because it would copy them otherwise."""
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    graph = proto.graph
    kept = [tensor for tensor in graph.initializer if tensor.name not in model.weights]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    for name, array in model.weights.items():
        number = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
        graph.input.append(onnx.helper.make_tensor_value_info(name, number, array.shape))
    return ReferenceEvaluator(proto, new_ops=list(OPERATORS))


def _runs(
    model: Model, evaluator: ReferenceEvaluator, metadata: Mapping[str, str], references: References
) -> Iterator[_Run]:
    names = [output.name for output in model.proto.graph.output]
    optional = {output.name for output in model.proto.graph.output if output.type.HasField("optional_type")}
    for feeds, wanted, counts, per_token in _inputs(model, metadata, references):
        own = [name for name in names if wanted is None or name in wanted]
        given = cast("list[RuntimeValue]", evaluator.run(own, {**model.weights, **feeds}))
        values = {name: _with_texts(value) for name, value in zip(own, given, strict=True)}
        values.update({name: _inner(values[name]) for name in optional & values.keys()})
        yield _Run(feeds, values, counts, per_token)


def _inner(value: RuntimeValue) -> RuntimeValue:
    """Return the content of an optional, which the evaluator holds as a list of one."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _with_texts(value: RuntimeValue) -> RuntimeValue:
    """Return a value whose texts are objects, as ONNX Runtime returns them."""
    if isinstance(value, list | tuple):
        return [_with_texts(each) for each in value]
    return value.astype(object) if isinstance(value, np.ndarray) and value.dtype.kind == "U" else value


def _inputs(
    model: Model, metadata: Mapping[str, str], references: References
) -> Iterator[tuple[RuntimeValues, set[str] | None, Sequence[int] | None, frozenset[str]]]:
    """Yield inputs, the outputs to compare (`None` for all), the counts of tokens, and the outputs by token."""
    if not references.tags:
        cases = references.parts.tensors if references.parts is not None else ()
        counted = any(len(node.input) > _LENGTHS and node.input[_LENGTHS] for node in _recurrent(model))
        for _, inputs, _ in cases[: 1 if counted else 2]:  # after a text's end any value may be
            yield _plain(references.spec, inputs), None, None, frozenset()
        return
    about = Metadata.read(dict(metadata), references.spec.name)
    spec, interface = references.spec, about.interface
    tokens = frozenset(
        name for task in about.tasks if isinstance(task, TokenTask) for name in (task.prediction, task.scores)
    )
    known = {output.name for output in interface.outputs if output.gives} | tokens
    known |= {task.probabilities for task in about.tasks if isinstance(task, SentenceTask)}
    known |= {task.numbers for task in about.tasks if isinstance(task, NumberTask)}
    shapes = FixedShapes.declared(interface, declared_shapes(spec), spec.name)
    chosen = handful(references.sentences)
    size = shapes.most(len(chosen))
    for batch, wanted in ((chosen[:size], known), (chosen[-1:], None)):
        whole = shapes.whole([InContext(tuple(words)) for words in batch])
        feeds = shapes.filled(whole)
        counts = [len(sentence.tokens) for sentence in whole]
        yield feeds, known if shapes.sizes else wanted, counts, tokens


def _plain(spec: Spec, inputs: RuntimeValues) -> RuntimeValues:
    """Return inputs whose random floats are of a usual size, because sums of large ones round differently."""
    return {name: _usual(value) if spec.inputs[name].range is None else value for name, value in inputs.items()}


def _usual(value: RuntimeValue) -> RuntimeValue:
    if isinstance(value, list | tuple):
        return [_usual(each) for each in value]
    floats = isinstance(value, np.ndarray) and value.dtype.name in _FLOATS
    return value.clip(-_USUAL, _USUAL) if floats and isinstance(value, np.ndarray) else value


def _scale(value: RuntimeValue) -> float:
    """Return how many times the tolerance an output may differ: floats round by a share of their size."""
    floats = [array.astype(np.float64) for _, array in arrays_of("", value) if array.dtype.name in RELATIVE]
    return max([1.0, *(float(np.abs(each[np.isfinite(each)]).max(initial=0.0)) for each in floats)])


def _recurrent(model: Model) -> Iterator[onnx.NodeProto]:
    return (node for node in model.proto.graph.node if node.op_type in {"LSTM", "GRU", "RNN"})


def handful(sentences: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return some short sentences of different lengths, the shortest first."""
    kept = [[token for token in tokens if token] for tokens in sentences]
    by_size = sorted((sum(map(len, tokens)) + len(tokens), tokens) for tokens in kept if tokens)
    short = [tokens for size, tokens in by_size if size <= _CHARACTERS] or [by_size[0][1]]
    by_count: dict[int, list[str]] = {}
    for tokens in short:
        by_count[len(tokens)] = tokens  # the longest has so many tokens
    found = [by_count[count] for count in sorted(by_count)]
    step = max(1, (len(found) - 1) / (_SENTENCES - 1))
    places = sorted({round(number * step) for number in range(_SENTENCES)} & set(range(len(found))))
    return [found[place] for place in places]


def _cases(runs: Sequence[_Run], references: References) -> str:
    if not references.tags:
        return f"{len(runs)} sets of inputs"
    counts = [len(tokens) for tokens in handful(references.sentences)]
    each = f"{min(counts)} to {max(counts)}" if len(counts) > 1 else f"{counts[0]}"
    return f"{len(counts)} sentences of {each} tokens"
