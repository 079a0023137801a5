"""Loads flair checkpoints: the weights of each part as arrays, and the loaded model as the reference.

Everything is read from the loaded object, never from the checkpoint or the spec. For example, `with_whitespace` and the
order of the embeddings do not survive flair's own save and load. DA is flair 0.15.1's data.py, TK its
embeddings/token.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from flair.data import Sentence
from flair.embeddings import (
    DocumentLMEmbeddings,
    DocumentPoolEmbeddings,
    FlairEmbeddings,
    TokenEmbeddings,
    TransformerWordEmbeddings,
)
from flair.models import SequenceTagger, TextClassifier, TokenClassifier

from assembler.flair_checkpoints.acceptance import stacked
from assembler.flair_checkpoints.decoding import decode, read_spans
from assembler.flair_checkpoints.documents import document_weights, text_head_weights, token_head_weights
from assembler.flair_checkpoints.embeddings import can_read_token, embedding_weights
from assembler.flair_checkpoints.encoder import has_positions_for
from assembler.flair_checkpoints.extraction import (
    char_lm_weights,
    crf_weights,
    head_weights,
)
from assembler.flair_checkpoints.loading import load_labeller, load_language_model, stored_tasks
from assembler.flair_checkpoints.location import fetch
from assembler.flair_checkpoints.prediction import classify, embed, predict, predict_tokens
from assembler.flair_checkpoints.running import flair_at_work, kernels_off, other_threads, quiet_flair
from assembler.flair_checkpoints.trust import load_checkpoint
from assembler.forms.opened import Joined
from assembler.sources.location import local_file
from assembler.sources.opened_file import OpenedFile, open_source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from flair.models import LanguageModel

    from assembler.core.arrays import Array
    from assembler.flair_checkpoints.loading import Labeller
    from assembler.forms.opened import Classified, Tagged
    from assembler.forms.source import Source
    from assembler.weights.decisions import SentenceLabels, TokenLabels
    from assembler.weights.documents import TextHeadWeights
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
    def embeddings(self) -> list[TokenEmbeddings]:
        """The tagger's embeddings by their place in its stack."""
        return [] if self.tagger is None else stacked(self.tagger)

    def can_read(self, sentence: Sequence[str]) -> bool:
        """Return whether flair itself can tag a sentence.

        OneHotEmbeddings and HashEmbeddings encode tokens as UTF-8 and fail on half a surrogate pair (DA 92, TK 1245).
        So do the tokeniser of an encoder and BytePairEmbeddings, which also fail on tokens without pieces, such as a
        zero-width space (TK 1474). A language model on untokenised text strips white space after the last token, and
        then looks for states after the text, or before it, which depend on the rest of the batch (TK 838). An encoder
        that neither cuts nor splits fails on more subtokens than it has positions.
        """
        encoders = (each for each in self.embeddings if isinstance(each, TransformerWordEmbeddings))
        untokenized = any(isinstance(each, FlairEmbeddings) and not each.tokenized_lm for each in self.embeddings)
        if untokenized and any(token != token.rstrip() for token in sentence[-1:]):
            return False
        if not all(can_read_token(embedding, token) for embedding in self.embeddings for token in sentence):
            return False
        return all(has_positions_for(encoder, sentence) for encoder in encoders)

    def reads_neighbours(self) -> bool:
        """Return whether the output for a sentence depends on the sentences around it."""
        return any(getattr(embedding, "context_length", 0) for embedding in self.embeddings)

    def order(self) -> list[int]:
        """Return the places of the embeddings in the order in which flair joins them.

        flair sorts by name, not by place (data.py 315-322): "10-x" comes before "2-x", and the unprefixed names of old
        checkpoints put backward before forward.
        """
        names = [embedding.name for embedding in self.embeddings]
        return sorted(range(len(names)), key=names.__getitem__)

    def joined(self) -> Joined | None:
        """Return in which order flair joins the embeddings."""
        paths = tuple(f"{self.prefix}.embeddings.{place}" for place in self.order())
        return Joined(paths, "flair sorts them by name") if paths else None

    def decisions(self) -> TokenLabels | SentenceLabels | None:
        """Return what the tagger or classifier labels; `None` for a language model."""
        return None if self.tagger is None else self.head().decisions

    def paths(self) -> list[str]:
        """Return what a spec can name under `weights`."""
        if self.tasks:
            return [path for model in self.tasks.values() for path in model.paths()]
        if self.tagger is None:
            return [self.prefix]
        parts = [*(f"embeddings.{index}" for index in range(len(self.embeddings))), "head"]
        parts += ["crf"] if isinstance(self.tagger, SequenceTagger) and self.tagger.use_crf else []
        parts += ["document"] if document_weights(self.tagger) is not None else []
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
        if part == "head":
            return self.head()
        if part == "document":
            return document_weights(self.tagger)
        if part == "crf" and isinstance(self.tagger, SequenceTagger):
            return crf_weights(self.tagger)
        return embedding_weights(self.embeddings[int(part.rpartition(".")[2])])

    def pools_each(self) -> bool:
        """Return whether the documents of a classifier are pooled from each embedding alone."""
        return isinstance(self.tagger, TextClassifier) and isinstance(self.tagger.embeddings, DocumentLMEmbeddings)

    def poolings(self) -> list[str] | None:
        """Return how a TextClassifier pools its tokens, embedding by embedding if `pools_each`; otherwise `None`."""
        if not isinstance(self.tagger, TextClassifier):
            return None
        document = self.tagger.embeddings
        if isinstance(document, DocumentPoolEmbeddings):
            return [document.pooling]
        if isinstance(document, DocumentLMEmbeddings):  # embeddings/document.py 505-520
            return ["last" if self.embeddings[place].is_forward_lm else "first" for place in self.order()]
        return []

    def head(self) -> TaggerHeadWeights | TextHeadWeights:
        """Return the head of the model, which knows its labels."""
        if isinstance(self.tagger, SequenceTagger):
            return head_weights(self.tagger)
        if isinstance(self.tagger, TokenClassifier):
            return token_head_weights(self.tagger)
        if isinstance(self.tagger, TextClassifier):
            return text_head_weights(self.tagger)
        raise TypeError(self.prefix)

    def predict(self, sentences: Sequence[Sequence[str]], batch_size: int, *, exact_sums: bool = False) -> list[Tagged]:
        """Return flair's own labels and scores of each token, in the order of the sentences.

        Args:
            sentences: The sentences.
            batch_size: How many of them run at once.
            exact_sums: Whether the sums of a CRF are made in float64; it changes nothing for a model without one.
        """
        with quiet_flair(self.device), flair_at_work(self.source, "tag with this checkpoint"):
            if isinstance(self.tagger, SequenceTagger):
                return predict(self.tagger, sentences, batch_size, exact_sums=exact_sums)
            if isinstance(self.tagger, TokenClassifier):
                return predict_tokens(self.tagger, sentences, batch_size)
        raise TypeError(self.prefix)

    def classify(self, sentences: Sequence[Sequence[str]], batch_size: int) -> list[Classified]:
        """Return flair's own labels of each sentence, and the probabilities of all classes."""
        if not isinstance(self.tagger, TextClassifier):
            raise TypeError(self.prefix)
        with quiet_flair(self.device), flair_at_work(self.source, "classify with this checkpoint"):
            return classify(self.tagger, sentences, batch_size)

    def decoded(self, emissions: Array, lengths: Array) -> list[Tagged]:
        """Return flair's own labels and scores for given emissions."""
        if not isinstance(self.tagger, SequenceTagger | TokenClassifier):
            raise TypeError(self.prefix)
        with quiet_flair(), flair_at_work(self.source, "decode emissions with this checkpoint"):
            return decode(self.tagger, emissions, lengths)

    def spans(self, labels: Sequence[str], scores: Sequence[float]) -> list[tuple[int, int, str, float]]:
        """Return the spans that flair itself reads from labels."""
        if not isinstance(self.tagger, SequenceTagger | TokenClassifier):
            raise TypeError(self.prefix)
        return read_spans(self.tagger, labels, scores)

    def unsteady(self) -> Iterator[AbstractContextManager[None]]:
        """Yield blocks in which torch adds up in another order: without the kernels of oneDNN, with other threads."""
        yield kernels_off()
        yield other_threads()

    def run_predict(self, sentences: Sequence[Sequence[str]], batch_size: int) -> None:
        """Call flair's own `predict`, for measuring."""
        if self.tagger is None:
            raise TypeError(self.source.name)
        with quiet_flair(self.device):
            self.tagger.predict([Sentence(list(tokens)) for tokens in sentences], mini_batch_size=batch_size)

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
            return embed(self.embeddings, sentences), widths


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
