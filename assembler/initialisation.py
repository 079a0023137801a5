"""Writes the spec of a loaded flair checkpoint."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from assembler.errors import SourceError
from assembler.problems import Mark
from assembler.sources.weights import CharLmWeights
from assembler.spec.model import Source
from assembler.spec.reading import parse_spec

if TYPE_CHECKING:
    from assembler.sources.flair_checkpoint import FlairSource


@dataclass(frozen=True, slots=True)
class _LanguageModel:
    """The names of one language model in the spec.

    Attributes:
        place: Its place in the tagger's stack.
        weights: Its characters and sizes.
        node: The id of its node.
        words: The id of the gather behind it.
        characters: The input of its characters.
        indices: The input of its indices.
        lengths: The input of its character lengths.
    """

    place: int
    weights: CharLmWeights
    node: str
    words: str
    characters: str
    indices: str
    lengths: str


def write_spec(location: str, folder: Path, *, trust: bool = False) -> str:
    """Return a commented, minimal spec for a flair checkpoint.

    Args:
        location: A local checkpoint, relative to the current folder, or a name that flair knows (`name@revision`).
        folder: The folder that the spec will lie in; the path of the checkpoint is made relative to it.
        trust: Whether object pickles, which can run code, may be read.

    Raises:
        SourceError: The checkpoint is missing, not trusted, damaged or not supported (R001 to R008).
    """
    from assembler.sources.opening import open_flair_source

    name, _, revision = location.partition("@") if not Path(location).exists() else (location, "", "")
    source = Source("tagger", "flair", name, revision or None, None, convert=False, mark=Mark(location, 1, 1))
    try:
        opened = open_flair_source(source, Path(), trust=trust)
    except SourceError as err:  # there is no spec yet that could have lines
        problems = [replace(problem, line=None, column=None) for problem in err.problems]
        raise SourceError(*problems) from err
    given = os.path.relpath(name, folder) if Path(name).is_file() else name
    text = _language_model_spec(opened, given) if opened.tagger is None else _tagger_spec(opened, given)
    parse_spec(text, str(folder / "spec.yaml"))  # a spec of ours must pass our own schema
    return text


def _head_lines(opened: FlairSource, given: str, name: str, description: str) -> list[str]:
    location = Path(given).as_posix()
    revision = f", revision: {_quoted(opened.source.revision)}" if opened.source.revision else ""
    return [
        "version: 1",
        f"name: {name}",
        f"description: {description}",
        "",
        "# The digest pins the file: another one under the same name is refused.",
        "sources:",
        f"  tagger: {{flair: {_quoted(location)}{revision}, sha256: {opened.digest}}}",
        "",
    ]


def _quoted(text: str) -> str:
    """Return text as YAML, in quotes where it needs them."""
    plain = re.fullmatch(r"[A-Za-z0-9_./][A-Za-z0-9_./@-]*", text) and not re.fullmatch(r"[0-9.eE+-]+|true|false", text)
    return text if plain else json.dumps(text, ensure_ascii=False)


def _stack_name(given: str) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(given).name.removesuffix(".pt").removesuffix(".bin")).strip("-._")
    return name[:100] or "stack"


def _tagger_spec(opened: FlairSource, given: str) -> str:
    tagger = opened.tagger
    models = _language_models(opened)
    order = [model for place in opened.order() for model in models if model.place == place]
    label_type = str(getattr(tagger, "label_type", "tags"))
    description = json.dumps(f"Tags of the type {label_type}, as flair's own tagger gives them.", ensure_ascii=False)
    lines = _head_lines(opened, given, _stack_name(given), description)
    lines += ["# What a host feeds: docs/hosts.md has the layout of each.", *_inputs(models), ""]
    lines += ["graph:"]
    for model in models:
        lines += _language_model_lines(model)
    for model in models:
        feeds = f"states: {model.node}.states, indices: {model.indices}"
        lines += [f"  {model.words}:", "    kind: gather", f"    inputs: {{{feeds}}}"]
    embeddings = f"{order[0].words}.rows"
    if len(order) > 1:
        lines += ["  # flair joins embeddings in the order of their names, which is not always that of the stack."]
        lines += ["  words:", "    kind: concat"]
        lines += [f"    inputs: [{', '.join(f'{model.words}.rows' for model in order)}]"]
        embeddings = "words.rows"
    lines += ["  head:", "    kind: tagger_head", "    weights: tagger.head"]
    lines += [f"    inputs: {{embeddings: {embeddings}, lengths: lengths}}"]
    decoder = "head"
    if f"{opened.source.name}.crf" in opened.paths():
        decoder = "crf"
        lines += ["  crf:   # Viterbi decoding; head.emissions can be an output too"]
        lines += ["    kind: crf", "    weights: tagger.crf"]
        lines += ["    inputs: {emissions: head.emissions, lengths: lengths}"]
    lines += ["", "outputs:", f"  scores: {decoder}.scores", f"  prediction: {decoder}.prediction", ""]
    lines += ["# Name a file of your own sentences here to prove the model on your kind of text as well:"]
    lines += ["# proof: {against: tagger, sentences: sentences.txt}   # one a line, tokens separated by spaces"]
    lines += ["proof: {against: tagger}"]
    return "\n".join(lines) + "\n"


def _language_model_spec(opened: FlairSource, given: str) -> str:
    weights = opened.weights("tagger")
    if not isinstance(weights, CharLmWeights):
        raise TypeError(weights)
    model = _LanguageModel(0, weights, "lm", "words", "characters", "indices", "characterLengths")
    lines = _head_lines(opened, given, _stack_name(given), "The hidden states of a character language model.")
    lines += [
        "inputs:",
        "  characters:       {type: int64, shape: [characters, sentences]}",
        "  characterLengths: {type: int64, shape: [sentences]}",
        "",
        "graph:",
        *_language_model_lines(model, "tagger"),
        "",
        "outputs:",
        "  states: lm.states",
    ]
    return "\n".join(lines) + "\n"


def _language_models(opened: FlairSource) -> list[_LanguageModel]:
    """Name the language models: the names that hosts know for a pair of both directions, numbered ones otherwise."""
    found = [(place, opened.weights(f"tagger.embeddings.{place}")) for place in range(len(opened.embeddings))]
    weights = [(place, each) for place, each in found if isinstance(each, CharLmWeights)]
    directions = [each.characters.direction for _, each in weights]
    named = len(set(directions)) == len(directions)
    markers = {(len(each.characters.start_marker), each.characters.lowercase) for _, each in weights}
    shared = len(markers) == 1 and not any(each.characters.lowercase for _, each in weights)
    models = []
    for place, each in weights:
        base = each.characters.direction if named else f"{each.characters.direction}{place}"
        lengths = "characterLengths" if shared else f"{base}CharacterLengths"
        models.append(_LanguageModel(place, each, f"{base}_lm", f"{base}_words", base, f"{base}Indices", lengths))
    return models


def _inputs(models: list[_LanguageModel]) -> list[str]:
    shapes: dict[str, str] = {}
    for model in models:
        shapes[model.characters] = "[characters, sentences]"
        shapes[model.indices] = "[total_tokens]"
    for model in models:
        # Lengths in characters that differ per model go with texts that differ in length, which need dims of their own.
        shapes.setdefault(model.lengths, "[sentences]")
    if len({model.lengths for model in models}) > 1:
        shapes.update({model.characters: f"[{model.characters}_characters, sentences]" for model in models})
    shapes["lengths"] = "[sentences]"
    width = max(map(len, shapes)) + 1
    return ["inputs:", *(f"  {f'{name}:':<{width}} {{type: int64, shape: {shape}}}" for name, shape in shapes.items())]


def _language_model_lines(model: _LanguageModel, weights: str | None = None) -> list[str]:
    recurrent = model.weights.recurrent
    layers = "" if len(recurrent.layers) == 1 else f"{len(recurrent.layers)} layers of "
    size = f"{layers}{recurrent.cell}({recurrent.hidden_size})"
    characters = model.weights.characters
    return [
        f"  {model.node}:   # {size}, {len(characters.dictionary)} characters, {characters.direction}",
        "    kind: char_lm",
        f"    weights: {weights or f'tagger.embeddings.{model.place}'}",
        f"    inputs: {{characters: {model.characters}, lengths: {model.lengths}}}",
    ]
