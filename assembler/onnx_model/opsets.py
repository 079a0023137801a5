"""Versions of operator domains: which of them a graph can declare without a change of any operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
from onnx import defs

from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.onnx_model.nesting import all_nodes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onnx.defs import OpSchema

    from assembler.onnx_model.fragment import Fragment


def newest_opset() -> int:
    """Return the newest opset that the installed onnx knows."""
    return int(defs.onnx_opset_version())


def changed_operators(graph: onnx.GraphProto, domain: str, version: int, wanted: int) -> list[str]:
    """Return the operators of a domain in a graph that are not the same at two versions of it.

    An operator is the same where both versions have one schema: ONNX assigns a new one with each change. Outside the
    default domain the later schema may also be a wider one, with more attributes and types, because the converter
    supports only the default domain. Nested graphs are checked as well.
    """
    changed = {
        node.op_type
        for node in all_nodes(graph)
        if node.domain in _names(domain) and not _same(node.op_type, domain, version, wanted)
    }
    return sorted(changed)


def _names(domain: str) -> frozenset[str]:
    return frozenset({"", "ai.onnx"}) if domain in {"", "ai.onnx"} else frozenset({domain})


def _same(operator: str, domain: str, version: int, wanted: int) -> bool:
    try:
        before, after = (defs.get_schema(operator, number, domain) for number in (version, wanted))
    except defs.SchemaError:
        return False
    if before.since_version == after.since_version:
        return not after.deprecated
    return domain not in {"", "ai.onnx"} and version < wanted and _is_wider(before, after)


def _is_wider(before: OpSchema, after: OpSchema) -> bool:
    """Return whether a schema has all inputs, outputs and types of an older one."""
    if after.deprecated or len(before.inputs) > len(after.inputs) or len(before.outputs) != len(after.outputs):
        return False
    for name, attribute in before.attributes.items():
        if name not in after.attributes or after.attributes[name].type != attribute.type:
            return False
    added = [after.attributes[name] for name in after.attributes if name not in before.attributes]
    ports = zip((*before.inputs, *before.outputs), (*after.inputs, *after.outputs), strict=False)
    return not any(each.required for each in added) and all(set(one.types) <= set(two.types) for one, two in ports)


def common_opsets(fragments: Mapping[str, Fragment]) -> dict[str, int]:
    """Return the version of each operator domain; one model has one, the newest that a part has.

    Raises:
        ModelError: An operator of a part is another one at that version (M003).
    """
    newest: dict[str, tuple[int, str]] = {}
    for node, fragment in fragments.items():
        for domain, version in fragment.opsets.items():
            if version > newest.get(domain, (0, ""))[0]:
                newest[domain] = (version, node)
    for node, fragment in fragments.items():
        for domain, version in fragment.opsets.items():
            wanted, other = newest[domain]
            changed = changed_operators(fragment.graph, domain, version, wanted) if version != wanted else []
            if changed:
                where = f"operator domain '{domain or 'ai.onnx'}'"
                message = f"'{node}' uses version {version} of the {where}, '{other}' uses version {wanted}"
                hint = f"export both parts with one version of the domain: {', '.join(changed)} differ between these"
                raise ModelError(Problem("M003", message, hint))
    return {domain: version for domain, (version, _) in sorted(newest.items())}
