"""The paths by which parts name their weights: the source must be there, and able to have such a part."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from assembler.core.problems import Known, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.core.problems import Guesses
    from assembler.spec.model import Spec

#: Which form of source each kind takes its weights from; other kinds take either.
_OF_FLAIR = (
    "char_lm", "transformer", "embedding", "piece_embedding", "tagger_head", "crf", "word_layers", "document_rnn",
    "text_head", "text_characters", "text_indices", "labels", "spans",
)  # fmt: skip
_FORMS = {**dict.fromkeys(_OF_FLAIR, "flair"), "onnx": "onnx"}
#: What a flair model has: a tagger, a task of several, or a language model, which is named by its source alone.
_PATH = re.compile(r"[^.]+(\.tasks\.[^.]+)?(\.(embeddings\.(0|[1-9][0-9]*)|head|crf|document))?", re.ASCII)


def weights_problems(spec: Spec, guesses: Guesses) -> Iterator[Problem]:
    """Yield a problem for each part whose weights cannot be where it says (W012, W023)."""
    sources = Known(spec.sources)
    for node in spec.graph.values():
        if node.weights is None:
            continue
        source = node.weights.partition(".")[0]
        if source not in spec.sources:
            hint = guesses.suggest(source, sources, what="sources")
            yield Problem.at(node.weights_mark, "W012", f"{node.name}: there is no source '{source}'", hint)
            continue
        wanted, form = _FORMS.get(node.kind), spec.sources[source].form
        if wanted is not None and form != wanted:
            message = f"{node.name}: kind '{node.kind}' takes its weights from a source of the form '{wanted}', "
            message += f"'{source}' is of the form '{form}'"
            yield Problem.at(node.weights_mark, "W012", message)
        elif form == "flair" and not _PATH.fullmatch(node.weights):
            message = f"{node.name}: no flair source has a part '{node.weights}'"
            yield Problem.at(node.weights_mark, "W023", message, _nearest(node.weights, guesses))
        elif form == "onnx" and node.weights != source:
            message = f"{node.name}: an exported subgraph has no part '{node.weights}'"
            yield Problem.at(node.weights_mark, "W023", message, f"name the source alone: '{source}'")


def _nearest(path: str, guesses: Guesses) -> str:
    """Return a hint at the path that was meant: with the number and the task of the one that was written."""
    task = re.match(r"[^.]+\.tasks\.[^.]+(?=\.)", path)
    model = task.group() if task else path.partition(".")[0]
    number = re.search(r"[0-9]+$", path)
    known = (f"embeddings.{int(number.group()) if number else 0}", "head", "crf", "document")
    return guesses.suggest(path, Known(f"{model}.{part}" for part in known), what="its parts can be")
