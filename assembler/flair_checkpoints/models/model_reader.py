"""What is known of one class of flair's models: how it is stored, checked, sized, loaded, read and run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from assembler.flair_checkpoints.declared_sizes import check_sizes
from assembler.flair_checkpoints.embeddings import embedding_stack
from assembler.flair_checkpoints.encoders.peft_adapters import check_adapters
from assembler.flair_checkpoints.kept_names import give_names
from assembler.flair_checkpoints.running import flair_at_work
from assembler.flair_checkpoints.stored_dictionary import check_dictionary, is_text
from assembler.flair_checkpoints.stored_values import LABELS, known_values, stored_weights
from assembler.flair_checkpoints.trust import damaged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import flair.nn
    from flair.embeddings import TokenEmbeddings

    from assembler.core.arrays import Array
    from assembler.flair_checkpoints.declared_sizes import Need
    from assembler.flair_checkpoints.stored_values import Keys
    from assembler.forms.opened import Classified, Rated, Tagged
    from assembler.forms.source import Source
    from assembler.interface.examples import Example
    from assembler.weights.documents import NumberHeadWeights, TextHeadWeights
    from assembler.weights.heads import TaggerHeadWeights
    from assembler.weights.protocol import Weights

Model = TypeVar("Model", bound="flair.nn.Model[Any]")


class ModelReader(ABC, Generic[Model]):
    """Reads the models of one class.

    A stored state passes `check_stored`, `needs` and `plain`, in this order, before flair makes a model of it. Every
    model then passes `check`.

    Attributes:
        cls: The class of loaded models.
        names: The names under which they are stored: its own, then those that it had before.
        called: What errors call such a model.
        embedded: The key of its embeddings in a state.
        keys: The other keys that flair writes for it, with the sort of each value.
        of_sentences: Whether it labels sentences, by `classify`; otherwise tokens, by `predict`.
    """

    cls: type[Model]
    names: tuple[str, ...]
    called: str
    embedded: str = "embeddings"
    keys: ClassVar[Keys]
    of_sentences: bool = False

    def load(self, source: Source, state: Mapping[str, Any]) -> Model:
        """Make the model of a state that was read safely, or that `--trust` allowed.

        Raises:
            SourceError: It has an option that cannot be assembled (R005), or is damaged (R006).
        """
        self.check_stored(source, state)
        stored, given = state.get(self.embedded), state
        if isinstance(stored, dict):  # otherwise an object, which --trust allowed, and which already has its weights
            check_adapters(source, state.get("state_dict"))
            check_sizes(source, state.get("state_dict"), self.needs(state, stored))
            state = {
                **known_values(source, self.called, state, self.keys),
                "state_dict": stored_weights(source, state),
                self.embedded: self.plain(source, stored),
            }
        with flair_at_work(source, "load this checkpoint"):
            loaded: Any = self.cls.load(state)  # type: ignore[arg-type]
        model: Model = loaded
        give_names(source, given, self.members(model))
        self.check(source, model)
        return model

    def check_stored(self, source: Source, state: Mapping[str, Any]) -> None:
        """Refuse what flair must not make (R005, R006)."""
        embedding_stack.check_stored(source, state.get(self.embedded))

    @abstractmethod
    def needs(self, state: Mapping[str, Any], stored: Mapping[str, Any]) -> Iterator[Need]:
        """Yield the weights that flair makes for the declared sizes of a state and of its stored embeddings."""

    def plain(self, source: Source, stored: object) -> dict[str, object]:
        """Return the state of the embeddings for flair (R005, R006)."""
        return embedding_stack.plain_stack(source, stored)

    def check(self, source: Source, model: Model) -> None:
        """Refuse a loaded model with an embedding, an option or a value that cannot be assembled.

        Raises:
            SourceError: An embedding or an option cannot be assembled (R005), or a value is damaged (R006).
        """
        labelled: Any = model
        if not is_text(labelled.label_type):
            raise damaged(source, "the type of the tagger's labels is no text")
        check_dictionary(source, LABELS, labelled.label_dictionary, distinct=True)
        embedding_stack.check_members(source, self.members(model))

    def members(self, model: Model) -> list[TokenEmbeddings]:
        """Return the embeddings of tokens by their place in the model's stack."""
        loaded: Any = model
        return embedding_stack.members(loaded.embeddings)

    @abstractmethod
    def head(self, model: Model) -> TaggerHeadWeights | TextHeadWeights | NumberHeadWeights:
        """Return the head of the model, which knows its labels."""

    def parts(self, model: Model) -> dict[str, Callable[[], Weights]]:
        """Return how to read each part after the embeddings, by the name that a spec has for it."""
        return {"head": lambda: self.head(model)}

    def predict(
        self, model: Model, sentences: Sequence[Sequence[str]], batch_size: int, *, exact_sums: bool
    ) -> list[Tagged]:
        """Return flair's own label and score of each token, in the order of the sentences.

        Raises:
            TypeError: The model labels sentences.
        """
        del sentences, batch_size, exact_sums
        raise TypeError(model)

    def classify(self, model: Model, sentences: Sequence[Sequence[str]], batch_size: int) -> list[Classified]:
        """Return flair's own labels of each sentence, and the probabilities of all classes.

        Raises:
            TypeError: The model labels tokens.
        """
        del sentences, batch_size
        raise TypeError(model)

    def label(self, model: Model, examples: Sequence[Example], batch_size: int) -> Sequence[Classified | Rated]:
        """Return flair's own labels of each example, or its number, for models that have `of_sentences`.

        Raises:
            TypeError: The model labels tokens.
        """
        del examples, batch_size
        raise TypeError(model)

    def decode(self, model: Model, emissions: Array, lengths: Array) -> list[Tagged]:
        """Return the labels and scores that a model of tokens decides on, for given emissions.

        Args:
            model: The loaded model.
            emissions: float32 [sentences, tokens, labels].
            lengths: int64 [sentences], each at least 1.

        Raises:
            TypeError: The model labels sentences.
        """
        del emissions, lengths
        raise TypeError(model)

    def spans(self, model: Model, labels: Sequence[str], scores: Sequence[float]) -> list[tuple[int, int, str, float]]:
        """Return the spans that a model of tokens reads: first token, the one after its last, label and score.

        Raises:
            TypeError: The model labels sentences.
        """
        del labels, scores
        raise TypeError(model)
