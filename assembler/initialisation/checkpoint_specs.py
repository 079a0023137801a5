"""The spec of taggers and classifiers: of one, or of several that share their common parts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from assembler.core.errors import SourceError
from assembler.core.problems import Problem
from assembler.initialisation.document_parts import document_parts
from assembler.initialisation.draft import Draft, Input, Part
from assembler.initialisation.embeddings import embeddings
from assembler.initialisation.heading import PINNED, Given, compared, lengths_last, sources
from assembler.interface.examples import SENTENCES
from assembler.weights.decisions import label_pairs_of, prompt_of
from assembler.weights.documents import NumberHeadWeights
from assembler.weights.heads import TaggerHeadWeights

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from assembler.flair_checkpoints.opened_checkpoint import FlairSource
    from assembler.initialisation.embeddings import Embedding
    from assembler.initialisation.further import Further

#: The prefixes of the names of embeddings' parts.
_TAKEN = re.compile(r"(forward|backward|table|encoder|pieces)\d*")


@dataclass(slots=True)
class Stack:
    """The parts of a spec, and what they give.

    Attributes:
        parts: The parts.
        outputs: For each output what feeds it.
        joined: For each list of rows that were joined, the tensor.
    """

    parts: list[Part] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    joined: dict[tuple[str, ...], str] = field(default_factory=dict)


def tagger_spec(given: Sequence[Given], name: str, further: Further) -> Draft:
    """Return the spec of one or several checkpoints: embeddings, joined in each model's own order, and heads.

    Embeddings with the same weights become one part, whichever checkpoint they are in.
    """
    models = [model for each in given for model in each.opened.models()]
    _require_one_prompt(models)
    found = embeddings(models)
    stack = Stack([part for embedding in found.parts for part in embedding.parts])
    for base, model in bases_of(models).items():
        _add(stack, f"{base}_" if len(models) > 1 else "", model, found.of(model), further)
    inputs = {each.name: each for embedding in found.parts for each in embedding.inputs}
    if any(feed.text == "lengths" for part in stack.parts for feed in part.feeds()):
        inputs["lengths"] = Input("lengths", ("sentences",))
    against, proven = compared(given)
    return Draft(
        name=name,
        description=description_of(models),
        sources=sources(given),
        pinned=PINNED,
        inputs=lengths_last(inputs.values()),
        fed="What a host feeds: docs/hosts.md has the layout of each.",
        parts=stack.parts,
        outputs=stack.outputs,
        against=against,
        proven=proven,
    )


def _require_one_prompt(models: Sequence[FlairSource]) -> None:
    """Refuse models that read sentences behind different prompts, or one of them behind none.

    Raises:
        SourceError: They do (R005).
    """
    asked = next((model for model in models if label_pairs_of(model.decisions()) is not None), None)
    if asked is not None and len(models) > 1:
        message = f"'{asked.prefix}' reads a label beside each text, and others would read that text too"
        raise SourceError(Problem.at(asked.source.mark, "R005", message, "assemble it in a file of its own"))
    first = prompt_of(models[0].decisions())
    for model in models[1:]:
        own = prompt_of(model.decisions())
        if own != first:
            read = [f"behind '{' '.join(each.words)}'" if each else "without a prompt" for each in (first, own)]
            message = f"'{models[0].prefix}' reads sentences {read[0]}, '{model.prefix}' reads them {read[1]}"
            hint = "a model reads its sentences once: assemble them in two files"
            raise SourceError(Problem.at(model.source.mark, "R005", message, hint))


def description_of(models: Sequence[FlairSource]) -> str:
    """Return what the model is, in a sentence."""
    types = dict.fromkeys(model.head().label_type for model in models)
    kind = f"type {next(iter(types))}" if len(types) == 1 else f"types {', '.join(types)}"
    of_sentences = [model.of_sentences() for model in models]
    what = "Labels of sentences," if all(of_sentences) else "Tags and labels" if any(of_sentences) else "Tags"
    whose = "models give" if len(models) > 1 else "classifier gives" if all(of_sentences) else "tagger gives"
    return f"{what} of the {kind}, as flair's own {whose} them."


def bases_of(models: Sequence[FlairSource]) -> Mapping[str, FlairSource]:
    """Name each model by its task, or by its type of labels."""
    bases: dict[str, FlairSource] = {}
    for model in models:
        wanted = model.prefix.rpartition(".")[2] if ".tasks." in model.prefix else model.head().label_type
        wanted = re.sub(r"\W+", "_", wanted, flags=re.ASCII).strip("_") or "task"
        wanted = f"task_{wanted}" if wanted[0].isdigit() or _TAKEN.fullmatch(wanted) else wanted
        base, number = wanted, 1
        while base in bases:
            number += 1
            base = f"{wanted}{number}"
        bases[base] = model
    return bases


def _add(stack: Stack, base: str, model: FlairSource, order: Sequence[Embedding], further: Further) -> None:
    """Add the parts of a model after its embeddings."""
    node, path = f"{base}head", f"{model.prefix}.head"
    if model.of_sentences():
        parts, fed = document_parts(base, model, order, lambda: words_of(stack, base, order))
        stack.parts += parts
        head = model.head()
        rates = isinstance(head, NumberHeadWeights)
        kind, output = ("number_head", "numbers") if rates else ("text_head", "probabilities")
        texts = SENTENCES if isinstance(head, TaggerHeadWeights) else head.texts
        if texts.at_once > 1:
            joined, about = f"{base}texts", "of each example, one after another"
            counted = {"texts": texts.count}
            stack.parts.append(Part(joined, "side_by_side", {"documents": fed}, parameters=counted, about=about))
            fed = f"{joined}.documents"
        stack.parts.append(Part(node, kind, {"documents": fed}, path))
        stack.outputs |= {f"{base}{output}": f"{node}.{output}", **further.of_head(base)}
        return
    rows = words_of(stack, base, order)
    stack.parts.append(Part(node, "tagger_head", {"embeddings": rows, "lengths": "lengths"}, path))
    decoder = node
    if (crf := f"{model.prefix}.crf") in model.paths():
        decoder = f"{base}crf"
        about = f"Viterbi decoding; {node}.emissions can be an output too"
        fed_crf = {"emissions": f"{node}.emissions", "lengths": "lengths"}
        stack.parts.append(Part(decoder, "crf", fed_crf, crf, about=about))
    stack.outputs[f"{base}scores"] = f"{decoder}.scores"
    stack.outputs |= {f"{base}prediction": f"{decoder}.prediction", **further.of_tokens(base, decoder)}


def words_of(stack: Stack, base: str, order: Sequence[Embedding]) -> str:
    """Return the tensor of a model's words, joined from its embeddings if there are several."""
    rows = tuple(embedding.rows for embedding in order)
    if len(rows) == 1:
        return rows[0]
    if rows not in stack.joined:
        name = "words" if not stack.joined else f"{base}words"
        above = "flair joins embeddings in the order of their names, which is not always that of the stack."
        stack.parts.append(Part(name, "concat", rows, above=above))
        stack.joined[rows] = f"{name}.rows"
    return stack.joined[rows]
