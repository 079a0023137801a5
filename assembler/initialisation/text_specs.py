"""The spec of taggers and classifiers that take text and output labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.core.errors import SourceError
from assembler.core.problems import Problem
from assembler.initialisation.checkpoint_specs import Stack, bases_of, description_of, words_of
from assembler.initialisation.document_parts import document_parts
from assembler.initialisation.draft import Draft, Input, Part
from assembler.initialisation.embeddings import embeddings
from assembler.initialisation.heading import PINNED, compared, sources
from assembler.initialisation.text_embeddings import TOKENS, embedding_parts, text_parts, why_not
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


def text_spec(given: Sequence[Given], name: str, further: Further) -> Draft:
    """Return the spec of one or several checkpoints whose host feeds text, and nothing else.

    Embeddings with the same weights become one part, whichever checkpoint they are in.

    Raises:
        SourceError: One of them has no labels, or reads what standard operators cannot compute from text (R005).
    """
    models = [model for each in given for model in each.opened.models()]
    read = [weights for each in given for weights in _read(each.opened)]
    found = embeddings(models, embedding_parts)
    stack = Stack([*text_parts(read), *(part for embedding in found.parts for part in embedding.parts)])
    for base, model in bases_of(models).items():
        add = _add_sentence_labels if model.of_sentences() else _add_token_labels
        add(stack, f"{base}_" if len(models) > 1 else "", model, found.of(model), further)
    against, proven = compared(given)
    return Draft(
        name=name,
        description=description_of(models),
        sources=sources(given),
        pinned=PINNED,
        inputs=[Input("text", ("sentences", "characters"), "int32")],
        fed="The code points of each sentence's tokens, joined by single spaces, padded with 0: docs/hosts.md.",
        parts=stack.parts,
        outputs=stack.outputs,
        against=against,
        proven=proven,
    )


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
    decoder, labels = f"{base}head", f"{base}labels"
    rows = words_of(stack, base, order)
    stack.parts.append(Part(decoder, "tagger_head", {"embeddings": rows, "lengths": _LENGTHS}, f"{path}.head"))
    if f"{path}.crf" in model.paths():
        fed = {"emissions": f"{decoder}.emissions", "lengths": _LENGTHS}
        decoder = f"{base}crf"
        stack.parts.append(Part(decoder, "crf", fed, f"{path}.crf", about="Viterbi decoding"))
    # spans are read by the rules of the kind `spans`
    has_spans = isinstance(head, TaggerHeadWeights) and head.spans and head.reading == "sequence_tagger"
    decided = {"prediction": f"{decoder}.prediction", "scores": f"{decoder}.scores", "lengths": _COUNTS}
    for kind in ("labels", *(["spans"] if has_spans else [])):
        stack.parts.append(Part(f"{base}{kind}", kind, decided, f"{path}.head"))
    stack.outputs |= {f"{base}labels": f"{labels}.labels", f"{base}scores": f"{labels}.scores", "lengths": _COUNTS}
    stack.outputs[f"{base}prediction"] = f"{labels}.prediction"
    stack.outputs |= {f"{base}span_{name}": f"{base}spans.{name}" for name in _SPANS} if has_spans else {}
    stack.outputs |= further.of_tokens(base, decoder)


def _add_sentence_labels(
    stack: Stack, base: str, model: FlairSource, order: Sequence[Embedding], further: Further
) -> None:
    """Add the documents and the head of a classifier, and its labels."""
    parts, fed = document_parts(base, model, order, lambda: words_of(stack, base, order), _LENGTHS)
    path, decided = f"{model.prefix}.head", {"probabilities": f"{base}head.probabilities", "lengths": _COUNTS}
    stack.parts += [*parts, Part(f"{base}head", "text_head", {"documents": fed}, path)]
    stack.parts.append(Part(f"{base}labels", "sentence_labels", decided, path))
    stack.outputs |= {f"{base}labels": f"{base}labels.labels", f"{base}scores": f"{base}labels.scores"}
    stack.outputs |= {"lengths": _COUNTS, f"{base}probabilities": f"{base}labels.probabilities"}
    stack.outputs |= further.of_head(base)
