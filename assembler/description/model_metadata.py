"""The description of a model for hosts and people, as the JSON in its `metadata_props`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from importlib import metadata
from typing import TYPE_CHECKING

from assembler.description.part_metadata import PART_METADATA, describe_part_metadata
from assembler.description.source_tasks import first_head, source_tasks
from assembler.interface.ports import InputEntry, Output, Tags
from assembler.runtime.operator_libraries import packages_of
from assembler.weights.decisions import TokenLabels, label_pairs_of, prompt_of
from assembler.weights.encoders import Encoder
from assembler.weights.language_models import CharLmWeights
from assembler.weights.tables import PieceWeights, TableWeights
from assembler.wiring.fills import fills

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from assembler.core.values import Value
    from assembler.interface.language_model_inputs import Characters
    from assembler.sources.opening import OpenSources
    from assembler.spec.stack_spec import Spec
    from assembler.wiring.graph import Wiring

#: The format of the metadata; `runtime/metadata.py` reads it.
FORMAT = 1
#: The prefix of all keys.
PREFIX = "assembler."
#: The entry that says what was proven; it is written after the proof.
PROOF = f"{PREFIX}proof"
#: The packages whose versions are recorded: those that decide what is computed, besides those of the sources' forms.
_PACKAGES = ("flair-assembler", "onnx", "onnx-graphsurgeon", "onnxruntime")


@dataclass(frozen=True, slots=True, eq=False)
class Description:
    """The description of a model, before it is lowered and proven.

    Attributes:
        records: The records by name.
        fed: The language models whose characters a host writes, and how it writes them.
    """

    records: Mapping[str, Value]
    fed: Mapping[str, Characters]

    def with_resets(self, resets: Mapping[str, int]) -> Description:
        """Return the description of a model whose language models have reset characters.

        Args:
            resets: The character by node. If a model encodes text in the graph, no host writes it.
        """
        interface = self.records["interface"]
        if not isinstance(interface, dict) or not isinstance(models := interface["language_models"], dict):
            raise TypeError(interface)
        told = {name: self.fed[name].as_dict(reset) for name, reset in resets.items() if name in self.fed}
        interface = {**interface, "language_models": {**models, **told}}
        return replace(self, records={**self.records, "interface": interface})

    @property
    def tagged(self) -> bool:
        """Whether the model gives tags or labels of a known source."""
        return bool(self.records["tasks"])

    def entries(self) -> dict[str, str]:
        """Return the metadata of the model."""
        return {f"{PREFIX}{name}": as_json(record) for name, record in self.records.items()}


def describe(
    wiring: Wiring, sources: OpenSources, parameters: Mapping[str, int], domains: Iterable[str] = ()
) -> Description:
    """Return the description of a joined model.

    Args:
        wiring: The wiring with the sources' sizes.
        sources: The open sources.
        parameters: The number of weights of each node.
        domains: The domains of its operators.
    """
    head = first_head(wiring, sources)
    models = {name: weights for name, weights in sources.weights.items() if isinstance(weights, CharLmWeights)}
    fed = {node for fill in fills(wiring).values() if fill.rule == "characters" for node in fill.subjects}
    records: dict[str, Value] = {
        "format": FORMAT,
        "labels": list(head.labels) if head else [],
        "tasks": [task.as_dict() for task in source_tasks(wiring, sources)],
        "dictionaries": {name: list(weights.characters.dictionary) for name, weights in models.items()},
        "vocabularies": describe_vocabularies(sources),
        "tokenizers": describe_tokenizers(sources),
        "interface": describe_interface(wiring, sources),
        "spec": _spec(wiring.spec),
        "sources": _sources(wiring.spec, sources),
        "parts": _parts(wiring, parameters),
        "versions": dict(_versions(sources)),
    }
    if own := describe_part_metadata(sources.weights):
        records[PART_METADATA] = own
    if packages := packages_of(domains):
        records["operator_packages"] = dict(packages)
    return Description(records, {name: each.characters for name, each in models.items() if name in fed})


def as_json(value: Value) -> str:
    """Return the text of a record."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _spec(spec: Spec) -> dict[str, Value]:
    return {
        "name": spec.name,
        "description": spec.description,
        "text": spec.document.text,
        "sha256": hashlib.sha256(spec.document.text.encode()).hexdigest(),
        "opset": spec.opset,
        "profile": spec.profile,
    }


def _sources(spec: Spec, sources: OpenSources) -> dict[str, Value]:
    return {
        name: {
            "form": spec.sources[name].form,
            "location": spec.sources[name].location,
            "revision": spec.sources[name].revision,
            "sha256": digest,
        }
        for name, digest in sources.digests().items()
    }


def describe_vocabularies(sources: OpenSources) -> dict[str, Value]:
    """Return how a host finds the rows of each embedding table: the `vocabularies` record."""
    return {
        name: weights.words.as_dict()
        for name, weights in sources.weights.items()
        if isinstance(weights, TableWeights | PieceWeights)
    }


def describe_tokenizers(sources: OpenSources) -> dict[str, Value]:
    """Return how a host makes the subtokens of each encoder: the `tokenizers` record."""
    return {
        name: weights.subtokens.as_dict() for name, weights in sources.weights.items() if isinstance(weights, Encoder)
    }


def describe_interface(wiring: Wiring, sources: OpenSources) -> dict[str, Value]:
    """Return how a host fills the inputs and reads the outputs: the `interface` record."""
    head = first_head(wiring, sources)
    spans = head.spans if isinstance(head, TokenLabels) else False
    prompt, pairs = prompt_of(head), label_pairs_of(head)
    return {
        "inputs": [
            InputEntry(name, fill.rule, next(iter(fill.subjects), ""), fill.parts).as_dict()
            for name, fill in fills(wiring).items()
        ],
        "outputs": [Output(name, wiring.gives(name)).as_dict() for name in wiring.spec.outputs],
        "language_models": {
            name: weights.characters.as_dict()
            for name, weights in sources.weights.items()
            if isinstance(weights, CharLmWeights)
        },
        "tags": Tags(head.label_type if head else "", spans=spans).as_dict(),
        **({"prompt": prompt.as_dict()} if prompt else {}),
        **({"label_pairs": pairs.as_dict()} if pairs else {}),
        **({"sentences_at_once": head.texts.at_once} if head and head.texts.at_once > 1 else {}),
    }


def _parts(wiring: Wiring, parameters: Mapping[str, int]) -> list[Value]:
    parts: list[Value] = []
    named = {output.reference.text for output in wiring.spec.outputs.values()}
    named |= {edge.reference.text for edges in wiring.edges.values() for edge in edges}
    for name in wiring.order:
        node = wiring.spec.graph[name]
        inputs: list[Value] = [{"port": edge.port, "from": edge.reference.text} for edge in wiring.edges[name]]
        gives = {
            port.name: str(wiring.tensors[f"{name}.{port.name}"])
            for port in wiring.outputs[name]
            if not port.on_request or f"{name}.{port.name}" in named
        }
        parts.append(
            {
                "id": name,
                "kind": node.kind,
                "weights": ", ".join(path.text for path in node.paths) or None,
                "parameters": parameters.get(name, 0),
                "inputs": inputs,
                "outputs": dict(gives),
            }
        )
    return parts


def _versions(sources: OpenSources) -> dict[str, str]:
    """Return the versions of the packages that took part."""
    result = {}
    for package in (*_PACKAGES, *(package for form in sources.forms.values() for package in form.packages)):
        try:
            result[package] = metadata.version(package)
        except metadata.PackageNotFoundError:  # run from a source tree that is not installed
            result[package] = "unknown"
    return result
