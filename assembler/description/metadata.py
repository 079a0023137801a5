"""What a host and a reader need to know of a model, as the JSON that its `metadata_props` carry."""

from __future__ import annotations

import hashlib
import json
from importlib import metadata
from types import MappingProxyType
from typing import TYPE_CHECKING

from assembler.core.errors import SpecError
from assembler.core.problems import Problem, in_order
from assembler.description.source_tasks import first_head, source_tasks
from assembler.interface.ports import InputEntry, Output, Tags
from assembler.weights.decisions import TokenLabels
from assembler.weights.encoders import EncoderWeights
from assembler.weights.language_models import CharLmWeights
from assembler.weights.tables import PieceWeights, TableWeights
from assembler.wiring.fills import Fill, fills

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from assembler.core.values import Value
    from assembler.sources.opening import OpenSources
    from assembler.wiring.graph import Wiring

#: The format of the metadata; `runtime/metadata.py` reads it.
FORMAT = 1
#: The names of all keys begin with this.
PREFIX = "assembler."
#: The packages whose versions are kept: those that decide what is computed, beside those of the sources' forms.
_PACKAGES = ("flair-assembler", "onnx", "onnx-graphsurgeon", "onnxruntime")


def describe(
    wiring: Wiring,
    sources: OpenSources,
    parameters: Mapping[str, int],
    proof: Mapping[str, Value],
    resets: Mapping[str, int] | None = None,
) -> dict[str, str]:
    """Return the metadata of a model.

    Args:
        wiring: The wiring with the sources' sizes.
        sources: The open sources.
        parameters: The number of weights of each node.
        proof: What was proven, or why nothing was.
        resets: The reset character of each language model that has one.

    Raises:
        SpecError: One input would have to be filled in two ways (W013).
    """
    spec = wiring.spec
    head = first_head(wiring, sources)
    models = {name: weights for name, weights in sources.weights.items() if isinstance(weights, CharLmWeights)}
    record: dict[str, Value] = {
        "format": FORMAT,
        "labels": list(head.labels) if head else [],
        "tasks": [task.as_dict() for task in source_tasks(wiring, sources)],
        "dictionaries": {name: list(weights.characters.dictionary) for name, weights in models.items()},
        "vocabularies": describe_vocabularies(sources),
        "tokenizers": describe_tokenizers(sources),
        "interface": describe_interface(wiring, sources, resets or {}),
        "spec": {
            "name": spec.name,
            "description": spec.description,
            "text": spec.document.text,
            "sha256": hashlib.sha256(spec.document.text.encode()).hexdigest(),
            "opset": spec.opset,
            "profile": spec.profile,
        },
        "sources": {
            name: {
                "form": spec.sources[name].form,
                "location": spec.sources[name].location,
                "revision": spec.sources[name].revision,
                "sha256": digest,
            }
            for name, digest in sources.digests().items()
        },
        "parts": _parts(wiring, parameters),
        "proof": dict(proof),
        "versions": dict(_versions(sources)),
    }
    return {f"{PREFIX}{key}": _json(value) for key, value in record.items()}


def _json(value: Value) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


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
        name: weights.subtokens.as_dict()
        for name, weights in sources.weights.items()
        if isinstance(weights, EncoderWeights)
    }


def describe_interface(
    wiring: Wiring, sources: OpenSources, resets: Mapping[str, int] = MappingProxyType({})
) -> dict[str, Value]:
    """Return how a host fills the inputs and reads the outputs: the `interface` record.

    Raises:
        SpecError: One input would have to be filled in two ways (W013).
    """
    found = fills(wiring)
    models = {name: weights for name, weights in sources.weights.items() if isinstance(weights, CharLmWeights)}
    _refuse_ambiguous(wiring, found, models)
    _refuse_two_vocabularies(wiring, found, sources)
    _refuse_two_tokenizers(wiring, found, sources)
    _refuse_two_documents(wiring, sources)
    head = first_head(wiring, sources)
    described: dict[str, Value] = {}
    fed = {subject for fill in found.values() if fill.rule == "characters" for subject in fill.subjects}
    for name, weights in models.items():
        # of a model that reads a text in the graph no host writes the characters
        described[name] = weights.characters.as_dict(resets.get(name) if name in fed else None)
    spans = head.spans if isinstance(head, TokenLabels) else False
    tags = Tags(head.label_type if head else "", spans=spans)
    return {
        "inputs": [
            InputEntry(name, fill.rule, next(iter(fill.subjects), ""), fill.parts).as_dict()
            for name, fill in found.items()
        ],
        "outputs": [Output(name, wiring.gives(name)).as_dict() for name in wiring.spec.outputs],
        "language_models": described,
        "tags": tags.as_dict(),
    }


def _refuse_ambiguous(wiring: Wiring, found: Mapping[str, Fill], models: Mapping[str, CharLmWeights]) -> None:
    """Refuse an input that two language models share and would want filled differently."""
    problems = []
    for name, fill in found.items():
        shared = [(model, models[model].characters) for model in fill.subjects if model in models]
        for model, characters in shared[1:]:
            first, reference = shared[0]
            if fill.rule == "character_lengths":
                keys: Sequence[str] = ("start_marker", "end_marker", "lowercase", "tokenized")
                read = ("lowercase", "tokenized")
                same = all(getattr(characters, key) == getattr(reference, key) for key in read) and (
                    characters.start_marker == reference.start_marker
                    # lower-casing can lengthen a marker
                    or (not characters.lowercase and len(characters.start_marker) == len(reference.start_marker))
                )
            else:
                keys = ("direction", "dictionary", "start_marker", "lowercase", "padding", "with_whitespace")
                keys = (*keys, "tokenized")
                same = all(getattr(characters, key) == getattr(reference, key) for key in keys)
            if not same:
                message = f"the input '{name}' feeds '{first}' and '{model}', which want it filled differently"
                hint = f"they differ in one of: {', '.join(keys)}; give each an input of its own"
                problems.append(Problem.at(wiring.spec.inputs[name].mark, "W013", message, hint))
    if problems:
        raise SpecError(*in_order(problems))


def _refuse_two_vocabularies(wiring: Wiring, found: Mapping[str, Fill], sources: OpenSources) -> None:
    """Refuse an input that two tables with different vocabularies share."""
    problems = []
    for name, fill in found.items():
        given = [sources.weights.get(table) for table in fill.subjects]
        shared = [weights.words for weights in given if isinstance(weights, TableWeights | PieceWeights)]
        if any(words != shared[0] for words in shared[1:]):
            message = f"the input '{name}' feeds {' and '.join(repr(table) for table in fill.subjects)}, "
            message += "which have different vocabularies"
            problems.append(Problem.at(wiring.spec.inputs[name].mark, "W013", message, "give each an input of its own"))
    if problems:
        raise SpecError(*in_order(problems))


def _refuse_two_tokenizers(wiring: Wiring, found: Mapping[str, Fill], sources: OpenSources) -> None:
    """Refuse an input that two encoders with different tokenisers share."""
    problems = []
    for name, fill in found.items():
        shared = [weights for node in fill.subjects if isinstance(weights := sources.weights.get(node), EncoderWeights)]
        if any(weights.subtokens != shared[0].subtokens for weights in shared[1:]):
            message = f"the input '{name}' feeds {' and '.join(repr(node) for node in fill.subjects)}, "
            message += "which have different tokenisers"
            problems.append(Problem.at(wiring.spec.inputs[name].mark, "W013", message, "give each an input of its own"))
    if problems:
        raise SpecError(*in_order(problems))


def _refuse_two_documents(wiring: Wiring, sources: OpenSources) -> None:
    """Refuse encoders of which one reads across the ends of documents and another does not: the context is one."""
    reading = {
        name: weights.subtokens.documents
        for name, weights in sources.weights.items()
        if isinstance(weights, EncoderWeights) and weights.subtokens.context
    }
    if len(set(reading.values())) > 1:
        first, second = (next(name for name, ends in reading.items() if ends is wanted) for wanted in (True, False))
        message = f"'{first}' reads no further than its document, '{second}' does (respect_document_boundaries)"
        hint = "assemble them in two files"
        raise SpecError(Problem.at(wiring.spec.graph[second].mark, "W013", message, hint))


def _parts(wiring: Wiring, parameters: Mapping[str, int]) -> list[Value]:
    parts: list[Value] = []
    for name in wiring.order:
        node = wiring.spec.graph[name]
        inputs: list[Value] = [{"port": edge.port, "from": edge.reference.text} for edge in wiring.edges[name]]
        gives = {
            text.partition(".")[2]: str(type_) for text, type_ in wiring.tensors.items() if text.startswith(f"{name}.")
        }
        parts.append(
            {
                "id": name,
                "kind": node.kind,
                "weights": node.weights,
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
