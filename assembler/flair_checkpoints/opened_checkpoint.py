"""Loads flair checkpoints: the weights of each part as arrays, and the loaded model as the reference.

Everything is read from the loaded object, never from the checkpoint or the spec. For example, `with_whitespace` and the
order of the embeddings do not survive flair's own save and load.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from flair.data import Sentence

from assembler.flair_checkpoints.char_language_model import char_lm_weights, load_language_model
from assembler.flair_checkpoints.document_embeddings import document_registry
from assembler.flair_checkpoints.embeddings.embedding_registry import reader_of as embedding_reader_of
from assembler.flair_checkpoints.embeddings.embedding_stack import by_name, can_read, embed
from assembler.flair_checkpoints.model_names import fetch
from assembler.flair_checkpoints.models.model_registry import load_labeller, reader_of, stored_tasks
from assembler.flair_checkpoints.models.of_documents import DocumentModelReader
from assembler.flair_checkpoints.running import flair_at_work, kernels_off, other_threads, quiet_flair
from assembler.flair_checkpoints.trust import load_checkpoint
from assembler.forms.opened import Joined
from assembler.sources.location import local_file
from assembler.sources.opened_file import OpenedFile, open_source
from assembler.weights.decisions import prompt_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from flair.embeddings import DocumentEmbeddings, TokenEmbeddings
    from flair.models import LanguageModel

    from assembler.core.arrays import Array
    from assembler.flair_checkpoints.models.model_reader import ModelReader
    from assembler.flair_checkpoints.models.model_registry import Labeller
    from assembler.forms.opened import Classified, Rated, Tagged
    from assembler.forms.source import Source
    from assembler.interface.examples import Example
    from assembler.weights.decisions import Decisions
    from assembler.weights.documents import NumberHeadWeights, TextHeadWeights
    from assembler.weights.heads import TaggerHeadWeights
    from assembler.weights.protocol import Weights


@dataclass(frozen=True, slots=True, eq=False)
class FlairSource:
    """A loaded flair checkpoint.

    Attributes:
        source: The source in the spec.
        digest: The SHA-256 of its file.
        tagger: The loaded tagger or classifier; `None` for a language model alone, and for several tasks.
        language_model: The loaded language model, or `None`.
        prefix: The prefix of its parts' names in a spec: the name of the source, or `source.tasks.NAME`.
        tasks: The models of a MultitaskModel by name; each has its own embeddings, equal or not.
        device: Where its model is and runs, as torch calls it.
    """

    source: Source
    digest: str
    tagger: Labeller | None
    language_model: LanguageModel | None
    prefix: str
    tasks: Mapping[str, FlairSource] = field(default_factory=dict)
    device: str = "cpu"

    def moved(self, device: str) -> FlairSource:
        """Return the source with its model on another device. The model itself is moved, not copied."""
        if self.tagger is not None:
            self.tagger.to(device)
        return replace(self, device=device)

    def models(self) -> tuple[FlairSource, ...]:
        """Return the models in the checkpoint: itself, or its tasks."""
        return tuple(self.tasks.values()) or (self,)

    def model_at(self, path: str) -> FlairSource | None:
        """Return the model that a part belongs to."""
        return next((model for model in self.models() if f"{path}.".startswith(f"{model.prefix}.")), None)

    @property
    def reader(self) -> ModelReader[Any]:
        """What is known of the class of its model.

        Raises:
            TypeError: It is a language model, or several tasks.
        """
        return reader_of(self._labeller())

    def _prompt(self) -> tuple[str, ...]:
        """Return the words that its model puts before each sentence."""
        return prompt_of(self.decisions()).words

    def _labeller(self) -> Labeller:
        if self.tagger is None:
            raise TypeError(self.prefix)
        return self.tagger

    @property
    def embeddings(self) -> list[TokenEmbeddings]:
        """The tagger's embeddings by their place in its stack."""
        return [] if self.tagger is None else self.reader.members(self.tagger)

    def can_read(self, sentence: Sequence[str]) -> bool:
        """Return whether flair itself can tag a sentence."""
        return can_read(self.embeddings, [*self._prompt(), *sentence])

    def reads_neighbours(self) -> bool:
        """Return whether the output for a sentence depends on the sentences around it."""
        return any(getattr(embedding, "context_length", 0) for embedding in self.embeddings)

    def order(self) -> list[int]:
        """Return the places of the embeddings in the order in which flair joins them."""
        return by_name(self.embeddings)

    def joined(self) -> Joined | None:
        """Return in which order flair joins the embeddings."""
        paths = tuple(f"{self.prefix}.embeddings.{place}" for place in self.order())
        return Joined(paths, "flair sorts them by name") if paths else None

    def decisions(self) -> Decisions | None:
        """Return what the tagger or classifier labels; `None` for a language model."""
        return None if self.tagger is None else self.head().decisions

    def paths(self) -> list[str]:
        """Return what a spec can name under `weights`."""
        if self.tasks:
            return [path for model in self.tasks.values() for path in model.paths()]
        if self.tagger is None:
            return [self.prefix]
        parts = [*(f"embeddings.{index}" for index in range(len(self.embeddings))), *self.reader.parts(self.tagger)]
        return [f"{self.prefix}.{part}" for part in parts]

    def weights(self, path: str) -> Weights | None:
        """Return the weights of one part, or `None` if there is no such part."""
        owner = self.model_at(path)
        if owner is None or path not in owner.paths():
            return None
        return owner._weights(path)  # noqa: SLF001 - one of our own kind

    def _weights(self, path: str) -> Weights | None:
        if self.language_model is not None:
            return char_lm_weights(self.language_model, with_whitespace=True, lowercase=False)
        part = path.removeprefix(f"{self.prefix}.")
        if part.startswith("embeddings."):
            embedding = self.embeddings[int(part.rpartition(".")[2])]
            return embedding_reader_of(embedding).weights(embedding)
        return self.reader.parts(self._labeller())[part]()

    def of_sentences(self) -> bool:
        """Return whether it labels sentences; otherwise tokens."""
        return self.tagger is not None and self.reader.of_sentences

    def _documents(self) -> DocumentEmbeddings:
        reader = self.reader
        if not isinstance(reader, DocumentModelReader):
            raise TypeError(self.prefix)
        return reader.documents(self._labeller())

    def pools_each(self) -> bool:
        """Return whether the documents of a classifier are pooled from each embedding alone."""
        document = self._documents()
        return document_registry.reader_of(document).pools_each

    def poolings(self) -> list[str]:
        """Return how a classifier of sentences pools its tokens, embedding by embedding if `pools_each`."""
        document = self._documents()
        return document_registry.reader_of(document).poolings(document)

    def head(self) -> TaggerHeadWeights | TextHeadWeights | NumberHeadWeights:
        """Return the head of the model, which knows its labels."""
        return self.reader.head(self._labeller())

    def predict(self, sentences: Sequence[Sequence[str]], batch_size: int, *, exact_sums: bool = False) -> list[Tagged]:
        """Return flair's own labels and scores of each token, in the order of the sentences.

        Args:
            sentences: The sentences.
            batch_size: How many of them run at once.
            exact_sums: Whether the sums of a CRF are made in float64; it changes nothing for a model without one.
        """
        with quiet_flair(self.device), flair_at_work(self.source, "tag with this checkpoint"):
            return self.reader.predict(self._labeller(), sentences, batch_size, exact_sums=exact_sums)

    def classify(self, sentences: Sequence[Sequence[str]], batch_size: int) -> list[Classified]:
        """Return flair's own labels of each sentence, and the probabilities of all classes."""
        with quiet_flair(self.device), flair_at_work(self.source, "classify with this checkpoint"):
            return self.reader.classify(self._labeller(), sentences, batch_size)

    def label(self, examples: Sequence[Example], batch_size: int) -> Sequence[Classified | Rated]:
        """Return flair's own labels of each example, or its number."""
        with quiet_flair(self.device), flair_at_work(self.source, "label with this checkpoint"):
            return self.reader.label(self._labeller(), examples, batch_size)

    def decoded(self, emissions: Array, lengths: Array) -> list[Tagged]:
        """Return flair's own labels and scores for given emissions."""
        with quiet_flair(), flair_at_work(self.source, "decode emissions with this checkpoint"):
            return self.reader.decode(self._labeller(), emissions, lengths)

    def spans(self, labels: Sequence[str], scores: Sequence[float]) -> list[tuple[int, int, str, float]]:
        """Return the spans that flair itself reads from labels."""
        return self.reader.spans(self._labeller(), labels, scores)

    def unsteady(self) -> Iterator[AbstractContextManager[None]]:
        """Yield blocks in which torch adds up in another order: without the kernels of oneDNN, with other threads."""
        yield kernels_off()
        yield other_threads()

    def run_predict(self, sentences: Sequence[Sequence[str]], batch_size: int) -> None:
        """Call flair's own `predict`, for measuring."""
        labeller: Any = self._labeller()
        with quiet_flair(self.device):
            labeller.predict([Sentence(list(tokens)) for tokens in sentences], mini_batch_size=batch_size)

    def embedded(self, sentences: Sequence[Sequence[str]]) -> tuple[Array, list[int]]:
        """Return the tagger's own embeddings, and the width of each in the order in which flair joins them.

        Args:
            sentences: Sentences without empty tokens.

        Returns:
            float32 [sentences, tokens, features], zeros after each sentence's end, and the widths of the features.
        """
        if self.tagger is None:
            raise TypeError(self.prefix)
        with quiet_flair(), flair_at_work(self.source, "embed with this checkpoint"):
            widths = [self.embeddings[place].embedding_length for place in self.order()]
            return embed(self.embeddings, [[*self._prompt(), *sentence] for sentence in sentences]), widths


def open_flair(source: Source, folder: Path, *, trust: bool) -> FlairSource:
    """Load a flair checkpoint.

    Args:
        source: The source in the spec.
        folder: The folder that its path is relative to.
        trust: Whether object pickles, which can run code, may be read.

    Raises:
        SourceError: R001 to R006; R005 for an option that cannot be assembled.
    """
    path = local_file(source, folder)
    with quiet_flair():
        path = path or fetch(source)
    opened = open_source(source, path)
    try:
        return read_flair(source, opened, trust=trust)
    finally:
        opened.close()


def read_flair(source: Source, opened: OpenedFile, *, trust: bool) -> FlairSource:
    """Load the checkpoint of a source from its file, whose digest was already compared.

    Raises:
        SourceError: R003, R005, R006 as `open_flair`.
    """
    digest = opened.digest
    with quiet_flair():
        state = load_checkpoint(source, opened.stream(), opened.name, trust=trust)
        if isinstance(state, dict) and "is_forward_lm" in state:
            return FlairSource(source, digest, None, load_language_model(source, state), source.name)
        stored = stored_tasks(source, state)
        if stored is None:
            return FlairSource(source, digest, load_labeller(source, state), None, source.name)
        tasks = {}
        for name, task in stored.items():
            tasks[name] = FlairSource(source, digest, load_labeller(source, task), None, f"{source.name}.tasks.{name}")
    return FlairSource(source, digest, None, None, source.name, tasks)
