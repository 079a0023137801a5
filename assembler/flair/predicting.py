"""What `predict` does with sentences, for one adapter or for several of one file.

ST is flair 0.15.1's models/sequence_tagger_model.py, NN its nn/model.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flair.data import Sentence
from tqdm import tqdm

from assembler.flair.sentences import placed, sentences_of
from assembler.flair.stored_vectors import keep_vectors
from assembler.runtime import Wanted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from assembler.flair.assembled import Assembled


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call of `predict` asks for.

    Attributes:
        name: The type of the labels that are written.
        all_classes: Whether each class is written with its probability.
        by_token: Whether each token is labelled, even if the tags are spans.
    """

    name: str
    all_classes: bool = False
    by_token: bool = False


def predict(
    models: Sequence[Assembled],
    sentences: Iterable[Sentence] | Sentence,
    asked: Sequence[Asked],
    *,
    batch_size: int,
    verbose: bool,
    storage: str | None,
) -> Any:  # noqa: ANN401 - flair's own
    """Let one or several adapters of one file label sentences, in one run.

    Args:
        models: The adapters, in the order in which they write.
        sentences: As for `Assembled.predict`.
        asked: What is asked of each.
        batch_size: The most sentences in one run.
        verbose: Whether to show a progress bar.
        storage: flair's `embedding_storage_mode`.

    Raises:
        TypeError, ModelError: As `Assembled.predict`.
        ValueError: There is no such mode.
    """
    if storage not in {"none", "cpu", "gpu", None}:
        message = f"embedding_storage_mode: expected 'none', 'cpu' or 'gpu', got {storage!r}"
        raise ValueError(message)
    runner = models[0]._runner  # noqa: SLF001 - one file, one module
    given = sentences_of(sentences)
    if not given:
        return sentences
    filled = [sentence for sentence in given if len(sentence) > 0]
    if not filled:
        return sentences if isinstance(sentences, Sentence) else models[-1]._of_nothing(given, filled)  # noqa: SLF001
    Sentence.set_context_for_sentences(given)  # as flair does, on all of them (ST 484, NN 803)
    vectors = storage in {"cpu", "gpu"} or (
        storage is None and all(model._task.embeddings is not None for model in models)  # noqa: SLF001
    )
    needs = [model._wanted(each, vectors=vectors) for model, each in zip(models, asked, strict=True)]  # noqa: SLF001
    wanted = Wanted(
        all(need.force_tokens for need in needs),
        any(need.probabilities for need in needs),
        vectors,
    )
    tasks = [model._task for model in models]  # noqa: SLF001
    with tqdm(total=len(filled), desc="Batch inference", disable=not verbose) as bar:
        results = runner.run(
            [placed(sentence, runner.interface) for sentence in filled],
            [task.name for task in tasks],
            wanted,
            batch_size=batch_size,
            progress=bar.update,
        )
    for sentence, found in zip(filled, results, strict=True):
        for model, each in zip(models, asked, strict=True):
            model._write(sentence, found[model._task.name], each)  # noqa: SLF001
    keep_vectors(filled, tasks, results if vectors else None, storage)
    return None
