"""Brings an exported subgraph to the opset of its stack, and never to one that its operators do not have."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.isolation.onnx_tools import converted
from assembler.onnx_model.opsets import changed_operators, newest_opset
from assembler.spec.defaults import OPSETS

if TYPE_CHECKING:
    import onnx

    from assembler.forms.source import Setting, Source


def at_opset(source: Source, model: onnx.ModelProto, setting: Setting) -> onnx.ModelProto:
    """Return the model at the opset of its stack.

    If no operator of it differs between the two opsets, only the number is changed. Otherwise it is converted if the
    source says `convert: true`. It is also converted upward if the build is proven, because the proof runs the
    original file.

    Raises:
        ModelError: It may not be converted (M001), or it cannot be converted (M002).
    """
    opset = setting.opset
    entries = [entry for entry in model.opset_import if entry.domain in {"", "ai.onnx"}]
    if not entries or entries[0].version == opset:
        return model
    actual = entries[0].version
    what = f"source '{source.name}': the file is at opset {actual}, the stack at {opset}"
    if actual > newest_opset() or opset > newest_opset():
        hint = f"the installed onnx knows opsets up to {newest_opset()}: install a newer one"
        raise ModelError(Problem.at(source.mark, "M001", what, hint))
    changed = changed_operators(model.graph, "", actual, opset)
    if not changed:
        for entry in entries:  # a file may name the default domain twice, as "" and as "ai.onnx"
            entry.version = opset
        return model
    told = source.options.get("convert")
    if told is False or (told is None and (actual > opset or not setting.proven)):
        raise ModelError(
            Problem.at(source.mark, "M001", f"{what}, where {_differ(changed)}", _hint(actual, opset, told))
        )
    return converted(
        model,
        opset,
        f"the conversion of source '{source.name}'",
        lambda reason: ModelError(
            Problem.at(source.mark, "M002", f"{what}, and {_blocking_node(model, plain_reason(reason))}")
        ),
    )


def _differ(operators: list[str]) -> str:
    shown = ", ".join(operators[:4]) + (f" and {len(operators) - 4} more" if len(operators) > 4 else "")  # noqa: PLR2004
    return f"{shown} {'differs' if len(operators) == 1 else 'differ'}"


def _hint(actual: int, opset: int, told: object) -> str:
    if told is None and actual < opset:
        return "without a proof, set 'convert: true' at the source"
    if OPSETS[0] <= actual <= OPSETS[1]:
        return f"set 'opset: {actual}' in the spec, or 'convert: true' at the source"
    return "set 'convert: true' at the source"


def _blocking_node(model: onnx.ModelProto, reason: str) -> str:
    """Return which node blocks a conversion. The converter names an operator at most."""
    for node in model.graph.node:
        if node.op_type and node.op_type in re.split(r"[^A-Za-z0-9_]+", reason):
            name = node.name or ", ".join(node.output)
            return f"the node '{name}' ({node.op_type}) cannot be converted: {reason}"
    return f"it cannot be converted: {reason}"


def plain_reason(reason: str) -> str:
    """Return the message of onnx's C++ code, without the place in the source code."""
    text = re.sub(r"^\S*[/\\]\S+\.(?:h|cc|cpp)\S*\s*", "", reason.strip())
    text = re.sub(r"^\S+: Assertion `(.*)` failed:?\s*", r"", text)
    return re.sub(r"^\s*\w+: Assertion `([^`]*)` failed:?\s*", "", text).strip() or "onnx's converter does not say why"
