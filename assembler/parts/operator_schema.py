"""What ONNX's schemas say about an operator: its inputs, outputs and attributes, and the types of its outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assembler.core.tensors import Open, TensorType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from assembler.core.tensors import Dim
    from assembler.core.values import Value
    from assembler.parts.kind import PartView

#: The versions of operator domains that come with the opsets of ONNX Runtime 1.20 and later.
_DOMAINS = {"ai.onnx.ml": 3}


@dataclass(frozen=True, slots=True)
class Formal:
    """An input or output of an operator's schema.

    Attributes:
        name: Its name.
        types: The types that it takes, as ONNX writes them: `tensor(float)`.
        letter: The name of its type variable, which other inputs and outputs may share.
        optional: Whether it may be left out.
        variadic: Whether it takes a list.
        alike: Whether all in the list have one type.
    """

    name: str
    types: frozenset[str]
    letter: str
    optional: bool
    variadic: bool
    alike: bool


def schema_of(part: PartView) -> Any:  # noqa: ANN401 - onnx.defs.OpSchema
    """Return the schema of the part's operator, or `None` where ONNX has none."""
    from onnx import defs

    name, domain = str(part.parameters["op"]), domain_of(part)
    version = version_of(part)
    try:
        found = defs.get_schema(name, version, domain)
    except defs.SchemaError:
        return None
    return None if found.deprecated else found


def domain_of(part: PartView) -> str:
    """Return the domain of the operator of a part, as ONNX writes it."""
    given = str(part.parameters.get("domain", ""))
    return "" if given == "ai.onnx" else given


def version_of(part: PartView) -> int:
    """Return the version of the operator's domain."""
    domain = domain_of(part)
    return part.opset if domain == "" else _DOMAINS.get(domain, 1)


def formals(found: Sequence[Any]) -> list[Formal]:
    """Return the inputs, or the outputs, of a schema."""
    from onnx import defs

    option = defs.OpSchema.FormalParameterOption
    return [
        Formal(
            entry.name,
            frozenset(entry.types),
            entry.type_str,
            entry.option == option.Optional,
            entry.option == option.Variadic,
            entry.is_homogeneous,
        )
        for entry in found
    ]


def constants_of(part: PartView) -> Mapping[str, Value]:
    """Return the inputs whose values are in the spec."""
    given = part.parameters.get("constants")
    return given if isinstance(given, dict) else {}


def attributes_of(part: PartView) -> Mapping[str, Value]:
    """Return the attributes that the spec sets."""
    given = part.parameters.get("attributes")
    return given if isinstance(given, dict) else {}


def outputs_of(part: PartView, schema: Any) -> list[str]:  # noqa: ANN401 - onnx.defs.OpSchema
    """Return the names of the outputs: those of the spec, or else those that the operator always has."""
    given = part.parameters.get("outputs")
    if isinstance(given, list):
        return [str(name) for name in given]
    return [formal.name for number, formal in enumerate(formals(schema.outputs)) if number < max(schema.min_output, 1)]


def inferred_types(part: PartView, schema: Any, names: Sequence[str]) -> dict[str, TensorType]:  # noqa: ANN401
    """Return the types of the outputs, as far as ONNX infers them from the inputs."""
    from onnx import checker, shape_inference

    node, values = _node(part, schema, names)
    if node is None:
        return {}
    types = {name: _type_proto(type_) for name, type_ in _arriving(part, schema) if type_.dtype is not None}
    try:
        found = shape_inference.infer_node_outputs(
            schema,
            node,
            {name: proto for name, proto in types.items() if name in node.input}
            | {n: _proto_of(a) for n, a in values.items()},
            values,
            opset_imports=[
                _opset_id("", part.opset),
                *([_opset_id(domain_of(part), version_of(part))] if domain_of(part) else []),
            ],
        )
    except (shape_inference.InferenceError, checker.ValidationError, RuntimeError, ValueError, KeyError, TypeError):
        return {}  # ONNX Runtime says what is wrong, when the part is run
    return {name: _tensor_type(found[f"out/{name}"], name) for name in names if f"out/{name}" in found}


def _opset_id(domain: str, version: int) -> Any:  # noqa: ANN401 - onnx.OperatorSetIdProto
    from onnx import helper

    return helper.make_opsetid(domain, version)


def _proto_of(tensor: Any) -> Any:  # noqa: ANN401 - of onnx.TensorProto, onnx.TypeProto
    from onnx import helper

    return helper.make_tensor_type_proto(tensor.data_type, list(tensor.dims))


def _arriving(part: PartView, schema: Any) -> Iterator[tuple[str, TensorType]]:  # noqa: ANN401
    for formal in formals(schema.inputs):
        given = part.inputs.get(formal.name, ())
        for number, type_ in enumerate(given):
            yield (f"{formal.name}.{number}" if formal.variadic else formal.name), type_


def _type_proto(type_: TensorType) -> Any:  # noqa: ANN401 - onnx.TypeProto
    from assembler.onnx_model.type_protos import type_proto

    named = None if type_.dims is None else tuple(dim if isinstance(dim, int | str) else None for dim in type_.dims)
    return type_proto(TensorType(type_.dtype, named), "what arrives")


def _tensor_type(proto: Any, port: str) -> TensorType:  # noqa: ANN401 - onnx.TypeProto
    """Return an inferred type; sizes that are known only at run time are open."""
    from assembler.onnx_model.type_protos import type_name

    dtype, tensor = type_name(proto), proto.tensor_type
    if dtype is None or not proto.HasField("tensor_type"):
        return TensorType(dtype, None)
    if not tensor.HasField("shape"):
        return TensorType(dtype, None)
    dims: list[Dim] = []
    for axis, dim in enumerate(tensor.shape.dim):
        named = dim.dim_param if dim.HasField("dim_param") and not dim.dim_param.startswith("unk__") else ""
        dims.append(dim.dim_value if dim.HasField("dim_value") else named or Open(f"{port}_{axis}"))
    return TensorType(dtype, tuple(dims))


def _node(part: PartView, schema: Any, names: Sequence[str]) -> tuple[Any, dict[str, Any]]:  # noqa: ANN401
    """Return the operator as it would be emitted with the ports' names as its tensors, and its constants."""
    from onnx import helper, numpy_helper

    constants = constants_of(part)
    tensors: list[str] = []
    values: dict[str, Any] = {}
    for formal in formals(schema.inputs):
        if formal.name in constants:
            values[formal.name] = numpy_helper.from_array(
                constant_array(constants[formal.name], formal, part, schema), formal.name
            )
            tensors.append(formal.name)
        elif formal.variadic:
            tensors += [f"{formal.name}.{number}" for number in range(len(part.inputs.get(formal.name, ())))]
        else:
            tensors.append(formal.name if formal.name in part.inputs else "")
    while tensors and not tensors[-1]:
        tensors.pop()
    try:
        node = helper.make_node(schema.name, tensors, [f"out/{name}" for name in names], domain=domain_of(part))
        node.attribute.extend(
            attribute_of(name, value, schema)
            for name, value in sorted(attributes_of(part).items())
            if name in schema.attributes
        )
    except (TypeError, ValueError):
        return None, {}
    return node, values


def attribute_of(name: str, value: Value, schema: Any) -> Any:  # noqa: ANN401 - onnx.AttributeProto
    """Return an attribute as the type that the schema names.

    Raises:
        TypeError, ValueError, AttributeError: The value is of another type.
    """
    import onnx
    from onnx import helper

    kind = schema.attributes[name].type.name
    if kind in {"FLOAT", "FLOATS"}:  # a spec writes 1 for 1.0
        value = [float(each) for each in value] if isinstance(value, list) else float(value)  # type: ignore[arg-type]
    if kind == "TENSOR":
        from onnx import numpy_helper

        return helper.make_attribute(name, numpy_helper.from_array(_plain(value, None)))
    number = getattr(onnx.AttributeProto, kind)
    return helper.make_attribute(name, value, attr_type=number)


def constant_array(value: Value, formal: Formal, part: PartView, schema: Any) -> Any:  # noqa: ANN401 - a numpy array
    """Return a constant as the type that its input takes.

    Of several types, take that of the inputs that share its letter.
    """
    from assembler.onnx_model.type_protos import schema_name

    allowed = formal.types
    for other in formals(schema.inputs):
        arriving = part.inputs.get(other.name, ())
        if other.letter == formal.letter and arriving and arriving[0].dtype is not None:
            return _plain(value, arriving[0].dtype)
    for dtype in ("int64", "float32", "bool", "string", "int32", "float64"):
        if schema_name(dtype) in allowed and _suits(value, dtype):
            return _plain(value, dtype)
    return _plain(value, None)


def _suits(value: Value, dtype: str) -> bool:
    leaves = _leaves(value)
    if dtype == "string":
        return all(isinstance(leaf, str) for leaf in leaves)
    if dtype == "bool":
        return all(isinstance(leaf, bool) for leaf in leaves)
    if dtype.startswith("int"):
        return all(isinstance(leaf, int) and not isinstance(leaf, bool) for leaf in leaves)
    return all(isinstance(leaf, int | float) and not isinstance(leaf, bool) for leaf in leaves)


def _leaves(value: Value) -> list[Value]:
    return [leaf for item in value for leaf in _leaves(item)] if isinstance(value, list) else [value]


def _plain(value: Value, dtype: str | None) -> Any:  # noqa: ANN401 - a numpy array
    import numpy as np

    leaves = _leaves(value)
    if dtype is None:
        dtype = "string" if all(isinstance(leaf, str) for leaf in leaves) else "int64"
        dtype = "float32" if any(isinstance(leaf, float) for leaf in leaves) else dtype
    return np.array(value, dtype=object if dtype == "string" else dtype)


def operators_of(domain: str, version: int) -> list[str]:
    """Return the operators of a domain at a version."""
    from onnx import defs

    every = (each for each in defs.get_all_schemas_with_history() if each.domain == domain)
    return sorted({each.name for each in every if each.since_version <= version and not each.deprecated})
