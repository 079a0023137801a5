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
from assembler.sources.weights import CharLmWeights, TableWeights
from assembler.spec.model import Source
from assembler.spec.reading import parse_spec
from assembler.spec.yaml_text import parse

if TYPE_CHECKING:
    from assembler.sources.flair_checkpoint import FlairSource


@dataclass(frozen=True, slots=True)
class _Embedding:
    """One embedding of a tagger, as the spec has it.

    Attributes:
        place: Its place in the tagger's stack.
        inputs: The shape of each input that it needs.
        lines: Its parts.
        rows: The tensor that has a row for each token.
    """

    place: int
    inputs: dict[str, str]
    lines: list[str]
    rows: str


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
        f"name: {_quoted(name)}",
        f"description: {description}",
        "",
        "# The digest pins the file: another one under the same name is refused.",
        "sources:",
        f"  tagger: {{flair: {_quoted(location)}{revision}, sha256: {opened.digest}}}",
        "",
    ]


def _quoted(text: str) -> str:
    """Return text as YAML, in quotes where our own reader would take it for something else without them."""
    plain = re.fullmatch(r"[A-Za-z0-9_./][A-Za-z0-9_./@-]*", text) and parse(f"[{text}]", "").root == [text]
    return text if plain else _in_quotes(text)


def _in_quotes(text: str) -> str:
    """Return text in double quotes. JSON's escapes are YAML's; what JSON leaves plain and YAML forbids is escaped."""
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in quoted)


def _escaped(letter: str) -> str:
    return f"\\U{ord(letter):08X}"


def _stack_name(given: str) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(given).name.removesuffix(".pt").removesuffix(".bin")).strip("-._")
    return name[:100] or "stack"


def _tagger_spec(opened: FlairSource, given: str) -> str:
    embeddings = _embeddings(opened)
    order = [embedding for place in opened.order() for embedding in embeddings if embedding.place == place]
    label_type = str(getattr(opened.tagger, "label_type", "tags"))
    description = _in_quotes(f"Tags of the type {label_type}, as flair's own tagger gives them.")
    lines = _head_lines(opened, given, _stack_name(given), description)
    inputs = {name: shape for embedding in embeddings for name, shape in embedding.inputs.items()}
    lines += ["# What a host feeds: docs/hosts.md has the layout of each."]
    lines += _inputs({**inputs, "lengths": "[sentences]"})
    lines += ["", "graph:", *(line for embedding in embeddings for line in embedding.lines)]
    rows = order[0].rows
    if len(order) > 1:
        lines += ["  # flair joins embeddings in the order of their names, which is not always that of the stack."]
        lines += ["  words:", "    kind: concat"]
        lines += [f"    inputs: [{', '.join(embedding.rows for embedding in order)}]"]
        rows = "words.rows"
    lines += ["  head:", "    kind: tagger_head", "    weights: tagger.head"]
    lines += [f"    inputs: {{embeddings: {rows}, lengths: lengths}}"]
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
    lines = _head_lines(opened, given, _stack_name(given), "The hidden states of a character language model.")
    lines += [*_inputs({"characters": "[characters, sentences]", "characterLengths": "[sentences]"}), "", "graph:"]
    lines += _language_model_lines("lm", weights, "tagger", "characters", "characterLengths")
    lines += ["", "outputs:", "  states: lm.states"]
    return "\n".join(lines) + "\n"


def _embeddings(opened: FlairSource) -> list[_Embedding]:
    """Name the embeddings: as hosts know them for a pair of both directions, by numbers where it takes them."""
    found = [(place, opened.weights(f"tagger.embeddings.{place}")) for place in range(len(opened.embeddings))]
    models = [(place, each) for place, each in found if isinstance(each, CharLmWeights)]
    tables = [(place, each) for place, each in found if isinstance(each, TableWeights)]
    directions = [each.characters.direction for _, each in models]
    numbered = len(set(directions)) < len(directions)
    texts = {(each.characters.start_marker, each.characters.lowercase) for _, each in models}
    embeddings = [
        _language_model(place, each, str(place) if numbered else "", shared=len(texts) == 1) for place, each in models
    ]
    embeddings += [_table(place, each, str(place) if len(tables) > 1 else "") for place, each in tables]
    return sorted(embeddings, key=lambda embedding: embedding.place)


def _language_model(place: int, weights: CharLmWeights, number: str, *, shared: bool) -> _Embedding:
    """Name a language model; texts that differ in their markers differ in length, and have lengths of their own."""
    base = f"{weights.characters.direction}{number}"
    node, words, indices = f"{base}_lm", f"{base}_words", f"{base}Indices"
    lengths = "characterLengths" if shared else f"{base}CharacterLengths"
    characters = "characters" if shared else f"{base}_characters"
    lines = _language_model_lines(node, weights, f"tagger.embeddings.{place}", base, lengths)
    lines += [f"  {words}:", "    kind: gather", f"    inputs: {{states: {node}.states, indices: {indices}}}"]
    inputs = {base: f"[{characters}, sentences]", indices: "[total_tokens]", lengths: "[sentences]"}
    return _Embedding(place, inputs, lines, f"{words}.rows")


def _table(place: int, weights: TableWeights, number: str) -> _Embedding:
    node, words = f"table{number}", f"wordIndices{number}"
    rows, features = weights.table.shape
    lines = [
        f"  {node}:   # {rows} rows of {features}",
        "    kind: embedding",
        f"    weights: tagger.embeddings.{place}",
        f"    inputs: {{words: {words}}}",
    ]
    return _Embedding(place, {words: "[total_tokens]"}, lines, f"{node}.rows")


def _inputs(shapes: dict[str, str]) -> list[str]:
    """Return the inputs, those of lengths last, as hosts know them."""
    last = [name for name in shapes if name.endswith(("Lengths", "lengths"))]
    order = [*(name for name in shapes if name not in last), *last]
    width = max(map(len, order)) + 1
    return ["inputs:", *(f"  {f'{name}:':<{width}} {{type: int64, shape: {shapes[name]}}}" for name in order)]


def _language_model_lines(node: str, weights: CharLmWeights, path: str, characters: str, lengths: str) -> list[str]:
    recurrent = weights.recurrent
    layers = "" if len(recurrent.layers) == 1 else f"{len(recurrent.layers)} layers of "
    size = f"{layers}{recurrent.cell}({recurrent.hidden_size})"
    about = weights.characters
    return [
        f"  {node}:   # {size}, {len(about.dictionary)} characters, {about.direction}",
        "    kind: char_lm",
        f"    weights: {path}",
        f"    inputs: {{characters: {characters}, lengths: {lengths}}}",
    ]
