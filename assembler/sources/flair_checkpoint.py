"""Loads flair checkpoints: the weights of each part as arrays, and the loaded model as the reference.

Everything is read off the loaded object, never off the checkpoint or the spec: `with_whitespace` and the order of the
embeddings, for two, do not survive flair's own save and load.
"""

from __future__ import annotations

import hashlib
import logging
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import flair
from flair.data import Sentence
from flair.embeddings import FlairEmbeddings, StackedEmbeddings, TokenEmbeddings, WordEmbeddings
from flair.embeddings.token import HashEmbeddings, OneHotEmbeddings
from flair.models import LanguageModel, SequenceTagger

from assembler.errors import SourceError
from assembler.problems import Problem
from assembler.sources.digest import checked_digest
from assembler.sources.flair_extraction import (
    char_lm_weights,
    crf_weights,
    hash_table,
    head_weights,
    one_hot_table,
    word_table,
)
from assembler.sources.flair_location import fetch, local_file
from assembler.sources.flair_prediction import Tagged, embed, predict
from assembler.sources.trust import check_language_model_sizes, check_tagger_sizes, damaged, load_checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from flair.data import Dictionary

    from assembler.parts.kind import Weights
    from assembler.sources.weights import Array
    from assembler.spec.model import Source

#: The embeddings whose parts can be built.
_SUPPORTED = ("StackedEmbeddings", "FlairEmbeddings", "WordEmbeddings", "OneHotEmbeddings", "HashEmbeddings")
_HINT = f"embeddings that can be assembled: {', '.join(_SUPPORTED)}"

#: What flair and torch raise on a state that does not fit the model.
_UNFIT = (RuntimeError, LookupError, TypeError, AttributeError, ValueError, AssertionError, ArithmeticError)


@contextmanager
def quiet_flair() -> Iterator[None]:
    """Keep flair off stdout, and on the CPU, where the proof runs."""
    log = logging.getLogger("flair")
    level, device = log.level, flair.device
    log.setLevel(logging.CRITICAL)  # it writes its errors on stdout too; what they mean, it raises
    flair.device = _cpu()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
        flair.device = device


def _cpu() -> Any:  # noqa: ANN401 - torch has no stubs of its own here
    import torch

    return torch.device("cpu")


def stacked(tagger: SequenceTagger) -> list[TokenEmbeddings]:
    """Return the embeddings of a tagger by their place in its stack."""
    stack = tagger.embeddings
    return list(stack.embeddings) if isinstance(stack, StackedEmbeddings) else [stack]


@dataclass(frozen=True, slots=True, eq=False)
class FlairSource:
    """A loaded flair checkpoint.

    Attributes:
        source: The source in the spec.
        digest: The SHA-256 of its file.
        tagger: The loaded tagger, or `None` if the checkpoint is a language model alone.
        language_model: The loaded language model, or `None`.
    """

    source: Source
    digest: str
    tagger: SequenceTagger | None
    language_model: LanguageModel | None

    @property
    def embeddings(self) -> list[TokenEmbeddings]:
        """The tagger's embeddings by their place in its stack."""
        return [] if self.tagger is None else stacked(self.tagger)

    def can_read(self, sentence: Sequence[str]) -> bool:
        """Return whether flair itself can tag a sentence.

        OneHotEmbeddings and HashEmbeddings encode tokens as UTF-8 and fail on half a surrogate pair (DA 92, TK 1245).
        """
        if not any(isinstance(embedding, OneHotEmbeddings | HashEmbeddings) for embedding in self.embeddings):
            return True
        return not any("\ud800" <= character <= "\udfff" for token in sentence for character in token)

    def order(self) -> list[int]:
        """Return the places of the embeddings in the order in which flair joins them.

        flair sorts by name, not by place (data.py 315-322): "10-x" stands before "2-x", and the unprefixed names of
        old checkpoints put backward before forward.
        """
        names = [embedding.name for embedding in self.embeddings]
        return sorted(range(len(names)), key=names.__getitem__)

    def paths(self) -> list[str]:
        """Return what a spec can name under `weights`."""
        name = self.source.name
        if self.tagger is None:
            return [name]
        crf = [f"{name}.crf"] if self.tagger.use_crf else []
        return [*(f"{name}.embeddings.{index}" for index in range(len(self.embeddings))), f"{name}.head", *crf]

    def weights(self, path: str) -> Weights | None:
        """Return the weights of one part, or `None` if there is no such part."""
        if path not in self.paths():
            return None
        if self.language_model is not None:
            return char_lm_weights(self.language_model, with_whitespace=True, lowercase=False)
        if self.tagger is not None and path.endswith(".head"):
            return head_weights(self.tagger)
        if self.tagger is not None and path.endswith(".crf"):
            return crf_weights(self.tagger)
        return _embedding_weights(self.embeddings[int(path.rpartition(".")[2])])

    def predict(self, sentences: Sequence[Sequence[str]], batch_size: int) -> list[Tagged]:
        """Return flair's own labels and scores, in the order of the sentences."""
        if self.tagger is None:
            raise TypeError(self.source.name)
        with quiet_flair():
            return predict(self.tagger, sentences, batch_size)

    def run_predict(self, sentences: Sequence[Sequence[str]], batch_size: int) -> None:
        """Call flair's own `predict`, for measuring."""
        if self.tagger is None:
            raise TypeError(self.source.name)
        with quiet_flair():
            self.tagger.predict([Sentence(list(tokens)) for tokens in sentences], mini_batch_size=batch_size)

    def embedded(self, sentences: Sequence[Sequence[str]]) -> tuple[Array, list[int]]:
        """Return the tagger's own embeddings, and the width of each in the order in which flair joins them.

        Args:
            sentences: Sentences without empty tokens.

        Returns:
            float32 [sentences, tokens, features], zeros behind each sentence's end, and the widths of the features.
        """
        if self.tagger is None:
            raise TypeError(self.source.name)
        with quiet_flair():
            widths = [self.embeddings[place].embedding_length for place in self.order()]
            return embed(self.tagger, sentences), widths


def _embedding_weights(embedding: TokenEmbeddings) -> Weights:
    """Return the weights of one embedding, which is of a supported class."""
    if isinstance(embedding, WordEmbeddings):
        return word_table(embedding)
    if isinstance(embedding, OneHotEmbeddings):
        return one_hot_table(embedding)
    if isinstance(embedding, HashEmbeddings):
        return hash_table(embedding)
    if isinstance(embedding, FlairEmbeddings):
        return char_lm_weights(
            embedding.lm, with_whitespace=embedding.with_whitespace, lowercase=getattr(embedding, "is_lower", False)
        )
    raise TypeError(embedding)


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
        digest = checked_digest(source, path)
        state = load_checkpoint(source, path, trust=trust)
        if isinstance(state, dict) and "is_forward_lm" in state:
            return FlairSource(source, digest, None, _language_model(source, state))
        tagger = _tagger(source, state)
    return FlairSource(source, digest, tagger, None)


def _refuse(source: Source, message: str, hint: str | None = None) -> SourceError:
    return SourceError(Problem.at(source.mark, "R005", f"source '{source.name}': {message}", hint))


def _tagger(source: Source, state: object) -> SequenceTagger:
    if isinstance(state, dict):
        cls = state.get("__cls__", "SequenceTagger")
        if cls != "SequenceTagger" or "tag_dictionary" not in state:
            what = cls if cls != "SequenceTagger" else "neither a SequenceTagger nor a LanguageModel"
            raise _refuse(source, f"the checkpoint is {what}", "SequenceTagger and LanguageModel can be assembled")
        if str(state.get("rnn_type", "LSTM")) not in {"LSTM", "GRU", "RNN"}:
            raise _refuse(source, f"the tagger has recurrent layers of the unknown type {state['rnn_type']!r}")
        _check_stored_embeddings(source, state.get("embeddings"))
        check_tagger_sizes(source, state)
        try:
            tagger = SequenceTagger.load(state)
        except _UNFIT as err:
            reason = str(err).strip().splitlines()[0] if str(err).strip() else type(err).__name__
            raise damaged(source, f"flair {flair.__version__} does not load this checkpoint: {reason}") from err
    elif isinstance(state, SequenceTagger):
        tagger = state.eval()
    else:
        raise _refuse(source, f"the checkpoint is a {type(state).__name__}, not a flair model")
    _check_tagger(source, tagger)
    return tagger


def _check_stored_embeddings(source: Source, stored: object) -> None:
    """Refuse embeddings that cannot be assembled before flair makes them: some of them download, or run for minutes."""
    if isinstance(stored, TokenEmbeddings):
        return  # an object, from a checkpoint that --trust let through
    if not isinstance(stored, dict):
        raise damaged(source, f"the embeddings of the tagger are a {type(stored).__name__}")
    children = stored.get("embeddings") if _stored_class(source, stored) == _SUPPORTED[0] else []
    if not isinstance(children, list):
        raise damaged(source, f"the stack of the tagger is a {type(children).__name__}, expected a list of embeddings")
    for place, child in enumerate(children):
        if not isinstance(child, dict):
            raise damaged(source, f"embedding {place} of the tagger is a {type(child).__name__}")
        if _stored_class(source, child) == _SUPPORTED[0]:
            raise _refuse(source, f"embedding {place} of the tagger is StackedEmbeddings", _HINT)


def _stored_class(source: Source, stored: dict[str, Any]) -> str:
    """Return the class of stored embeddings, which is a supported one."""
    cls = str(stored.get("__cls__", "")).rpartition(".")[2]
    if cls not in _SUPPORTED:
        raise _refuse(source, f"the tagger uses {cls or 'embeddings without a class'}", _HINT)
    return cls


def _check_tagger(source: Source, tagger: SequenceTagger) -> None:
    if not _is_text(tagger.label_type):
        raise damaged(source, "the type of the tagger's labels is no text")
    _check_dictionary(source, "the dictionary of labels", tagger.label_dictionary)
    embeddings = stacked(tagger)
    for index, embedding in enumerate(embeddings):
        if type(embedding).__name__ not in _SUPPORTED[1:]:
            raise _refuse(source, f"embedding {index} of the tagger is {type(embedding).__name__}", _HINT)
        _check_embedding(source, f"embedding {index} of the tagger", embedding)
        reason = _option_refused(embedding)
        if reason is not None:
            raise _refuse(source, f"embedding {index} of the tagger {reason}")
    names = [embedding.name for embedding in embeddings]
    for name in names:
        if names.count(name) > 1:
            # flair skips an embedding whose name every token has already (base.py 50), so both give the first's vectors
            raise _refuse(source, f"two embeddings of the tagger have the name '{name}'", "flair takes one for both")


def _check_embedding(source: Source, what: str, embedding: TokenEmbeddings) -> None:
    """Refuse an embedding that flair loads and then stumbles over.

    Raises:
        SourceError: Its name, dictionary, vocabulary or way to hash is none (R006).
    """
    if not _is_text(embedding.name):
        raise damaged(source, f"{what} has a name that is no text")
    if isinstance(embedding, FlairEmbeddings):
        _check_language_model(source, embedding.lm)
    elif isinstance(embedding, OneHotEmbeddings):
        _check_dictionary(source, f"the vocabulary of {what}", embedding.vocab_dictionary)
    elif isinstance(embedding, WordEmbeddings):
        vocab = embedding.vocab
        if not isinstance(vocab, dict) or not all(isinstance(word, str) and _is_id(row) for word, row in vocab.items()):
            raise damaged(source, f"the vocabulary of {what} is no table of words and rows")
    elif isinstance(embedding, HashEmbeddings):
        method = vars(embedding)["_HashEmbeddings__hash_method"]
        try:
            hashlib.new(method).hexdigest()
        except (TypeError, ValueError) as err:
            raise damaged(source, f"{what} hashes by {_shown(method)}, which Python does not know") from err


def _check_language_model(source: Source, model: LanguageModel) -> None:
    """Refuse a language model whose texts cannot be written (R006)."""
    _check_dictionary(source, "the dictionary of characters", model.dictionary)
    if not _is_text(vars(model).get("document_delimiter", "\n")):  # old objects lack it
        raise damaged(source, "the document_delimiter of a language model is no text")


def _check_dictionary(source: Source, what: str, dictionary: Dictionary) -> None:
    """Refuse a dictionary of something else than UTF-8 and rows (R006)."""
    parts = vars(dictionary)
    items, rows = parts.get("idx2item"), parts.get("item2idx")
    decoded = parts.get("item2idx_not_encoded", {})  # flair's own cache of the same (data.py 116)
    if not isinstance(items, list) or not isinstance(rows, dict) or not isinstance(decoded, dict):
        raise damaged(source, f"{what} is none")
    for item in (*items, *rows):
        try:
            bytes.decode(item, "utf-8")
        except (TypeError, UnicodeDecodeError) as err:
            raise damaged(source, f"{what} holds {_shown(item)}, which is no UTF-8") from err
    for item, row in (*rows.items(), *decoded.items()):
        if not _is_id(row) or row >= len(items):
            raise damaged(source, f"{what} gives {_shown(item)} a row that none of its {len(items)} items has")
    for item, row in decoded.items():  # flair adds what it meets and does not know, with the row 0: any text at all
        if not isinstance(item, str) or (row and not _is_text(item)):
            raise damaged(source, f"{what} holds {_shown(item)}, which is no text")


def _is_id(value: object) -> bool:
    return isinstance(value, int) and value >= 0


def _is_text(value: object) -> bool:
    """Return whether a value is text that can be written as UTF-8: half a surrogate pair cannot."""
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)


def _shown(value: object) -> str:
    return f"{value!r:.60}" if isinstance(value, str | bytes) else f"a {type(value).__name__}"


def _option_refused(embedding: TokenEmbeddings) -> str | None:
    """Return what is said of an embedding with an option that cannot be assembled."""
    if isinstance(embedding, FlairEmbeddings) and not embedding.tokenized_lm:
        return "reads untokenised text (tokenized_lm=False), whose spaces a list of tokens does not have"
    if isinstance(embedding, WordEmbeddings):
        if embedding.field is not None:
            return f"reads the label '{embedding.field}' of each token instead of its text"
        if sorted(embedding.vocab.values()) != list(range(len(embedding.vocab))):
            return "has a vocabulary whose rows are not numbered from 0 without gaps"
    if isinstance(embedding, OneHotEmbeddings):
        if embedding.field != "text":
            return f"reads the label '{embedding.field}' of each token instead of its text"
        if not embedding.vocab_dictionary.add_unk:
            return "has a vocabulary without <unk>, on which flair fails at the first unknown word"
    return None


def _language_model(source: Source, state: dict[str, Any]) -> LanguageModel:
    """Do what `LanguageModel.load_language_model` does (LM 191-212), on a state that was read safely."""
    check_language_model_sizes(source, state)
    try:
        model = LanguageModel(
            dictionary=state["dictionary"],
            is_forward_lm=bool(state["is_forward_lm"]),
            hidden_size=state["hidden_size"],
            nlayers=state["nlayers"],
            embedding_size=state["embedding_size"],
            nout=state["nout"],
            document_delimiter=state.get("document_delimiter", "\n"),
            dropout=state["dropout"],
            recurrent_type=state.get("recurrent_type", "lstm"),
            has_decoder=False,
        )
        model.load_state_dict(state["state_dict"], strict=False)
    except _UNFIT as err:
        raise damaged(source, f"flair {flair.__version__} does not load this language model: {err}") from err
    missing = set(model.state_dict()) - set(state["state_dict"])
    if missing:
        raise damaged(source, f"the checkpoint lacks {', '.join(sorted(missing))}")
    _check_language_model(source, model)
    return model.eval()
