"""`operator`: any standard operator of ONNX, by its schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assembler.core.tensors import TensorType
from assembler.parts.kind import Complaint, Kind, PartView, Port, Ports
from assembler.parts.literals import literal
from assembler.parts.operator_schema import (
    Formal,
    attribute_of,
    attributes_of,
    constant_array,
    constants_of,
    domain_of,
    formals,
    inferred_types,
    operators_of,
    outputs_of,
    schema_of,
    version_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from assembler.onnx_model.emitter import Emitter

#: Operators whose attributes are graphs, which a spec writes as parts of their own kinds.
_WITH_GRAPHS = frozenset({"If", "Loop", "Scan", "SequenceMap"})


def ports(part: PartView) -> Ports:
    """Take the inputs of the operator's schema that are not constants; output its outputs with the inferred types."""
    schema = schema_of(part)
    if schema is None:
        return Ports(None, None)
    constants = constants_of(part)
    inputs = tuple(
        Port(
            formal.name,
            TensorType(_only(formal.types), None),
            variadic=formal.variadic,
            optional=formal.optional,
            any_value=True,
        )
        for formal in formals(schema.inputs)
        if formal.name not in constants
    )
    names = outputs_of(part, schema)
    types = inferred_types(part, schema, names) if part.inputs else {}
    return Ports(inputs, tuple(Port(name, types.get(name, TensorType(None, None))) for name in names))


def _only(types: frozenset[str]) -> str | None:
    """Return the element type of an input that takes only one type."""
    if len(types) != 1:
        return None
    from assembler.onnx_model.type_protos import our_name

    return our_name(next(iter(types)))


def check(part: PartView) -> Iterator[Complaint]:
    """Complain of what the operator's schema does not allow."""
    from assembler.core.problems import suggest

    name, domain = str(part.parameters["op"]), domain_of(part)
    schema = schema_of(part)
    if name in _WITH_GRAPHS and domain == "":
        yield Complaint(
            ("op",),
            f"'{name}' has graphs of its own",
            "parts of the kinds 'if' and 'loop' have graphs, and one of kind 'onnx' can be one",
        )
        return
    if schema is None:
        known = operators_of(domain, version_of(part))
        where = f"domain '{domain or 'ai.onnx'}' at version {version_of(part)}"
        hint = suggest(name, known, what="its operators") if known else "domains: ai.onnx, ai.onnx.ml"
        yield Complaint(("op",), f"there is no operator '{name}' in the {where}", hint)
        return
    inputs = {formal.name: formal for formal in formals(schema.inputs)}
    yield from _parameter_complaints(part, schema, inputs)
    yield from _type_complaints(part, inputs)


def _parameter_complaints(part: PartView, schema: Any, inputs: Mapping[str, Formal]) -> Iterator[Complaint]:  # noqa: ANN401
    from assembler.core.problems import suggest

    for name in constants_of(part):
        if name not in inputs or inputs[name].variadic:
            hint = suggest(name, [each for each in inputs if not inputs[each].variadic], what="its inputs")
            yield Complaint(("constants", name), f"'{schema.name}' has no input '{name}' of one tensor", hint)
        elif name in part.inputs:
            yield Complaint(("constants", name), f"the input '{name}' is fed already", "give it once")
    for name, value in attributes_of(part).items():
        if name not in schema.attributes:
            hint = suggest(name, list(schema.attributes), what="its attributes") if schema.attributes else "it has none"
            yield Complaint(("attributes", name), f"'{schema.name}' has no attribute '{name}'", hint)
            continue
        try:
            attribute_of(name, value, schema)
        except (TypeError, ValueError, AttributeError):
            kind = schema.attributes[name].type.name.lower()
            yield Complaint(("attributes", name), f"the attribute '{name}' is of the type {kind}, got {value!r:.60}")
    for name, attribute in schema.attributes.items():
        if attribute.required and name not in attributes_of(part):
            yield Complaint((), f"'{schema.name}' needs the attribute '{name}'", f"write attributes: {{{name}: …}}")
    count = len(outputs_of(part, schema))
    if not schema.min_output <= count <= schema.max_output:
        most = "any number" if schema.max_output > 2**16 else str(schema.max_output)
        message = f"'{schema.name}' has {schema.min_output} to {most} outputs, {count} are named"
        yield Complaint(("outputs",), message)


def _type_complaints(part: PartView, inputs: Mapping[str, Formal]) -> Iterator[Complaint]:
    from assembler.onnx_model.type_protos import schema_name

    first: dict[str, tuple[str, str]] = {}
    for name, formal in inputs.items():
        for type_ in part.inputs.get(name, ()):
            if type_.dtype is None:
                continue
            written = schema_name(type_.dtype)
            if written not in formal.types:
                some = ", ".join(sorted(formal.types)[:8])
                yield Complaint(
                    ("inputs", name), f"'{name}' is {type_.dtype}, which the operator does not take there", some
                )
                continue
            known, where = first.setdefault(formal.letter, (type_.dtype, name))
            if known != type_.dtype and formal.alike:
                message = f"'{name}' is {type_.dtype} and '{where}' is {known}: the operator takes one type for both"
                yield Complaint(("inputs", name), message, f"a part of kind 'cast' makes {known} of it")


def build(part: PartView, emit: Emitter) -> None:
    """Emit the operator, with its constants as initializers."""
    schema = schema_of(part)
    constants = constants_of(part)
    tensors: list[str] = []
    for formal in formals(schema.inputs):
        if formal.name in constants:
            tensors.append(
                emit.initializer(
                    f"constants/{formal.name}", constant_array(constants[formal.name], formal, part, schema)
                )
            )
        else:
            given = emit.inputs(formal.name) if formal.name in part.inputs else ()
            tensors += given if formal.variadic or given else [""]
    while tensors and not tensors[-1]:
        tensors.pop()
    names = outputs_of(part, schema)
    attributes = [attribute_of(name, value, schema) for name, value in sorted(attributes_of(part).items())]
    emitted = emit.standard(schema.name, domain_of(part), version_of(part), tensors, attributes, len(names))
    for name, tensor in zip(names, emitted, strict=True):
        emit.output(name, tensor)


KIND = Kind(
    name="operator",
    summary="Any standard operator of ONNX. Its ports and attributes have the names of the operator's schema.",
    ports=ports,
    build=build,
    foreign=True,
    check=check,
    parameters={
        "op": {"type": "string", "description": "The operator.", "examples": ["Slice", "NonMaxSuppression"]},
        "domain": {
            "enum": ["ai.onnx", "ai.onnx.ml"],
            "default": "ai.onnx",
            "description": "Its domain.",
            "examples": ["ai.onnx.ml"],
        },
        "attributes": {
            "type": "object",
            "additionalProperties": literal(),
            "description": "Its attributes.",
            "examples": [{"axis": 1}],
        },
        "constants": {
            "type": "object",
            "additionalProperties": literal(),
            "description": "Inputs that are always the same: a number or a text, or nested lists of them.",
            "examples": [{"starts": [0], "ends": [10], "axes": [1]}],
        },
        "outputs": {
            "type": "array",
            "items": {"type": "string", "pattern": r"^[^\s.]+$"},
            "minItems": 1,
            "uniqueItems": True,
            "description": "Names for its outputs, if those of the schema are not enough: an operator with any number "
            "of outputs needs one for each.",
            "examples": [["left", "right"]],
        },
    },
    required=("op",),
    example={
        "kind": "operator",
        "op": "Slice",
        "constants": {"starts": [0], "ends": [10], "axes": [1]},
        "inputs": {"data": "body.tokens"},
    },
)
