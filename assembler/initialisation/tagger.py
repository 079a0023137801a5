"""The spec of a tagger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.initialisation.embeddings import embeddings
from assembler.initialisation.heading import head_lines, input_lines
from assembler.initialisation.naming import in_quotes, stack_name

if TYPE_CHECKING:
    from assembler.sources.flair_checkpoint import FlairSource


def tagger_spec(opened: FlairSource, given: str) -> str:
    """Return the spec of a tagger: its embeddings, joined in its own order, and its head."""
    found = embeddings(opened)
    order = [embedding for place in opened.order() for embedding in found if embedding.place == place]
    label_type = str(getattr(opened.tagger, "label_type", "tags"))
    description = in_quotes(f"Tags of the type {label_type}, as flair's own tagger gives them.")
    lines = head_lines(opened, given, stack_name(given), description)
    inputs = {name: shape for embedding in found for name, shape in embedding.inputs.items()}
    lines += ["# What a host feeds: docs/hosts.md has the layout of each."]
    lines += input_lines({**inputs, "lengths": "[sentences]"})
    lines += ["", "graph:", *(line for embedding in found for line in embedding.lines)]
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
