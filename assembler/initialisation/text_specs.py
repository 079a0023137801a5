"""The spec of taggers and classifiers that take text and output labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.errors import SourceError
from assembler.core.problems import Problem
from assembler.initialisation.checkpoint_specs import Stack, bases_of, description_of, proof_lines, words_of
from assembler.initialisation.document_parts import document_lines
from assembler.initialisation.embeddings import embeddings
from assembler.initialisation.heading import head_lines
from assembler.initialisation.naming import in_quotes
from assembler.initialisation.text_embeddings import TOKENS, text_lines, text_parts, why_not
from assembler.weights.decisions import SentenceNumbers, label_pairs_of, prompt_of
from assembler.weights.heads import TaggerHeadWeights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.flair_checkpoints.opened_checkpoint import FlairSource
    from assembler.initialisation.embeddings import Embedding
    from assembler.initialisation.further import Further
    from assembler.initialisation.heading import Given
    from assembler.weights.protocol import Weights

_HINT = "--interface indices: the host, or our run time, then makes what the model takes"
_SPANS = ("sentence", "start", "end", "label", "score")
_LENGTHS, _COUNTS = f"{TOKENS}.lengths", f"{TOKENS}.counts"


def text_spec(given: Sequence[Given], name: str, further: Further) -> str:
    """Return the spec of one or several checkpoints whose host feeds text, and nothing else.

    Embeddings with the same weights become one part, whichever checkpoint they are in.

    Raises:
        SourceError: One of them has no labels, or reads what standard operators cannot compute from text (R005).
    """
    models = [model for each in given for model in each.opened.models()]
    read = [weights for each in given for weights in _read(each.opened)]
    found = embeddings(models, text_parts)
    lines = head_lines(given, name, in_quotes(description_of(models)))
    lines += ["# The code points of each sentence's tokens, joined by single spaces, padded with 0: docs/hosts.md."]
    lines += ["inputs:", "  text: {type: int32, shape: [sentences, characters]}", "", "graph:", *text_lines(read)]
    lines += [line for embedding in found.parts for line in embedding.lines]
    stack = Stack()
    for base, model in bases_of(models).items():
        add = _add_sentence_labels if model.of_sentences() else _add_token_labels
        add(stack, f"{base}_" if len(models) > 1 else "", model, found.of(model), further)
    lines += [*stack.lines, "", "outputs:"]
    lines += [f"  {output}: {tensor}" for output, tensor in stack.outputs.items()]
    return "\n".join([*lines, "", *proof_lines(given)]) + "\n"


def _read(opened: FlairSource) -> list[Weights | None]:
    """Return the weights of the embeddings of a checkpoint, all of which can be computed from text.

    Raises:
        SourceError: One cannot (R005).
    """
    if opened.language_model is not None:
        raise _refused(opened, "a language model alone has no labels; the text interface is that of models with labels")
    found = []
    for model in opened.models():
        if prompt := prompt_of(model.decisions()):
            raise _refused(opened, f"the tagger reads sentences behind the prompt '{' '.join(prompt.words)}'")
        if label_pairs_of(model.decisions()) is not None:
            raise _refused(opened, "the tagger reads a label beside each text")
        decisions = model.decisions()
        if decisions is not None and decisions.texts.count > 1:
            raise _refused(opened, f"the classifier reads {decisions.texts.count} texts at once, not one sentence")
        if isinstance(decisions, SentenceNumbers):
            raise _refused(opened, "the model gives numbers, not labels")
        whose = "classifier" if model.of_sentences() else "tagger"
        for place, embedding in enumerate(model.embeddings):
            weights = model.weights(f"{model.prefix}.embeddings.{place}")
            reason = why_not(weights)
            if reason is not None:
                raise _refused(opened, f"embedding {place} of the {whose} ({type(embedding).__name__}) {reason}")
            found.append(weights)
    return found


def _refused(opened: FlairSource, message: str) -> SourceError:
    return SourceError(Problem.at(opened.source.mark, "R005", f"source '{opened.source.name}': {message}", _HINT))


def _add_token_labels(
    stack: Stack, base: str, model: FlairSource, order: Sequence[Embedding], further: Further
) -> None:
    """Add the head of a tagger, the CRF, the labels and the spans."""
    head, path = model.head(), model.prefix
    rows = words_of(stack, base, order)
    stack.lines += [f"  {base}head:", "    kind: tagger_head", f"    weights: {path}.head"]
    stack.lines += [f"    inputs: {{embeddings: {rows}, lengths: {_LENGTHS}}}"]
    decoder, labels = f"{base}head", f"{base}labels"
    if f"{path}.crf" in model.paths():
        decoder = f"{base}crf"
        stack.lines += [f"  {decoder}:   # Viterbi decoding", "    kind: crf", f"    weights: {path}.crf"]
        stack.lines += [f"    inputs: {{emissions: {base}head.emissions, lengths: {_LENGTHS}}}"]
    # spans are read by the rules of the kind `spans`
    has_spans = isinstance(head, TaggerHeadWeights) and head.spans and head.reading == "sequence_tagger"
    fed = f"    inputs: {{prediction: {decoder}.prediction, scores: {decoder}.scores, lengths: {_COUNTS}}}"
    for kind in ("labels", *(["spans"] if has_spans else [])):
        stack.lines += [f"  {base}{kind}:", f"    kind: {kind}", f"    weights: {path}.head", fed]
    stack.outputs |= {f"{base}labels": f"{labels}.labels", f"{base}scores": f"{labels}.scores", "lengths": _COUNTS}
    stack.outputs[f"{base}prediction"] = f"{labels}.prediction"
    stack.outputs |= {f"{base}span_{name}": f"{base}spans.{name}" for name in _SPANS} if has_spans else {}
    stack.outputs |= further.of_tokens(base, decoder)


def _add_sentence_labels(
    stack: Stack, base: str, model: FlairSource, order: Sequence[Embedding], further: Further
) -> None:
    """Add the documents and the head of a classifier, and its labels."""
    lines, fed = document_lines(base, model, order, lambda: words_of(stack, base, order), _LENGTHS)
    stack.lines += [*lines, f"  {base}head:", "    kind: text_head", f"    weights: {model.prefix}.head"]
    stack.lines += [f"    inputs: {{documents: {fed}}}", f"  {base}labels:", "    kind: sentence_labels"]
    stack.lines += [f"    weights: {model.prefix}.head"]
    stack.lines += [f"    inputs: {{probabilities: {base}head.probabilities, lengths: {_COUNTS}}}"]
    stack.outputs |= {f"{base}labels": f"{base}labels.labels", f"{base}scores": f"{base}labels.scores"}
    stack.outputs |= {"lengths": _COUNTS, f"{base}probabilities": f"{base}labels.probabilities"}
    stack.outputs |= further.of_head(base)
