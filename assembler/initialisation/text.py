"""The spec of a tagger that takes text and outputs labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.errors import SourceError
from assembler.core.problems import Problem
from assembler.initialisation.embeddings import language_model_lines
from assembler.initialisation.heading import head_lines
from assembler.initialisation.naming import in_quotes
from assembler.parts.text_characters import reasons
from assembler.weights.heads import TaggerHeadWeights
from assembler.weights.language_models import CharLmWeights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.flair_checkpoints.source import FlairSource
    from assembler.initialisation.further import Further
    from assembler.initialisation.heading import Given

_HINT = "--interface indices: the host, or our run time, then makes what the model takes"
_SPANS = ("sentence", "start", "end", "label", "score")


def text_spec(given: Sequence[Given], name: str, further: Further) -> str:
    """Return the spec of a tagger whose host feeds text, and nothing else.

    Raises:
        SourceError: It reads something that standard operators cannot compute from text, or there are several (R005).
    """
    opened = given[0].opened
    if len(given) > 1 or opened.tasks:
        raise _refused(opened, "the text interface is that of one tagger, not of several")
    if opened.language_model is not None:
        raise _refused(opened, "a language model alone has no labels; the text interface is that of taggers")
    head = opened.weights("tagger.head")
    if not isinstance(head, TaggerHeadWeights):
        raise _refused(opened, "the model labels sentences, not tokens; the text interface is that of taggers")
    models = _language_models(opened)
    description = in_quotes(f"Tags of the type {head.label_type}, as flair's own tagger gives them.")
    lines = head_lines(given, name, description)
    lines += ["# The code points of each sentence's tokens, joined by single spaces, padded with 0: docs/hosts.md."]
    lines += ["inputs:", "  text: {type: int32, shape: [sentences, characters]}", "", "graph:"]
    lines += ["  tokens:", "    kind: text_tokens", "    inputs: {text: text}"]
    numbered = len({model.characters.direction for model in models}) < len(models)
    names = [f"{model.characters.direction}{place if numbered else ''}" for place, model in enumerate(models)]
    for place, (base, model) in enumerate(zip(names, models, strict=True)):
        lines += _embedding_lines(place, base, model)
    rows = f"{names[0]}_words.rows"
    if len(models) > 1:
        lines += ["  # flair joins embeddings in the order of their names, which is not always that of the stack."]
        lines += ["  words:", "    kind: concat"]
        lines += [f"    inputs: [{', '.join(f'{names[place]}_words.rows' for place in opened.order())}]"]
        rows = "words.rows"
    lines += ["  head:", "    kind: tagger_head", "    weights: tagger.head"]
    lines += [f"    inputs: {{embeddings: {rows}, lengths: tokens.lengths}}"]
    lines += [*_decoder_lines(head), "", "outputs:", *_output_lines(head, further), ""]
    lines += ["# Name a file of your own sentences here to prove the model on your kind of text as well:"]
    lines += ["# proof: {against: tagger, sentences: sentences.txt}   # one a line, tokens separated by spaces"]
    lines += ["proof: {against: tagger}"]
    return "\n".join(lines) + "\n"


def _language_models(opened: FlairSource) -> list[CharLmWeights]:
    """Return the language models of a tagger that has nothing else before its head."""
    found = [opened.weights(f"tagger.embeddings.{place}") for place in range(len(opened.embeddings))]
    models = []
    for place, weights in enumerate(found):
        what = f"embedding {place} of the tagger"
        if not isinstance(weights, CharLmWeights):
            kind = type(opened.embeddings[place]).__name__
            raise _refused(opened, f"{what} is {kind}: no standard operator looks up what it reads in a text")
        for reason in reasons(weights.characters):
            raise _refused(opened, f"{what} {reason}")
        models.append(weights)
    return models


def _refused(opened: FlairSource, message: str) -> SourceError:
    return SourceError(Problem.at(opened.source.mark, "R005", f"source '{opened.source.name}': {message}", _HINT))


def _embedding_lines(place: int, name: str, model: CharLmWeights) -> list[str]:
    path = f"tagger.embeddings.{place}"
    return [
        f"  {name}_characters:",
        "    kind: text_characters",
        f"    weights: {path}",
        "    inputs: {text: tokens.text, sizes: tokens.sizes}",
        *language_model_lines(f"{name}_lm", model, path, f"{name}_characters.characters", f"{name}_characters.lengths"),
        f"  {name}_indices:",
        "    kind: text_indices",
        f"    weights: {path}",
        "    inputs: {starts: tokens.starts, ends: tokens.ends, sizes: tokens.sizes, counts: tokens.counts}",
        f"  {name}_words:",
        "    kind: gather",
        f"    inputs: {{states: {name}_lm.states, indices: {name}_indices.indices}}",
    ]


def _has_spans(head: TaggerHeadWeights) -> bool:
    """Return whether the labels are read as spans, by the rules of the kind `spans`."""
    return head.spans and head.reading == "sequence_tagger"


def _decoder_lines(head: TaggerHeadWeights) -> list[str]:
    """Return the parts after the head: the CRF, the labels and the spans."""
    lines, decoder = [], "head"
    if head.has_crf:
        decoder = "crf"
        lines = ["  crf:   # Viterbi decoding", "    kind: crf", "    weights: tagger.crf"]
        lines += ["    inputs: {emissions: head.emissions, lengths: tokens.lengths}"]
    fed = f"    inputs: {{prediction: {decoder}.prediction, scores: {decoder}.scores, lengths: tokens.counts}}"
    for kind in ("labels", *(["spans"] if _has_spans(head) else [])):
        lines += [f"  {kind}:", f"    kind: {kind}", "    weights: tagger.head", fed]
    return lines


def _output_lines(head: TaggerHeadWeights, further: Further) -> list[str]:
    lines = ["  labels: labels.labels", "  scores: labels.scores", "  lengths: tokens.counts"]
    lines += ["  prediction: labels.prediction"]
    lines += [f"  span_{name}: spans.{name}" for name in _SPANS] if _has_spans(head) else []
    decoder = "crf" if head.has_crf else "head"
    return lines + [f"  {output}: {tensor}" for output, tensor in further.of_tokens("", decoder).items()]
