"""Loads flair checkpoints: the weights of each part as arrays, and the loaded model as the reference.

Everything is read off the loaded object, never off the checkpoint or the spec: `with_whitespace` and the order of the
embeddings, for two, do not survive flair's own save and load.
"""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import flair
from flair.data import Sentence
from flair.embeddings import FlairEmbeddings, TokenEmbeddings, TransformerWordEmbeddings, WordEmbeddings
from flair.embeddings.token import BytePairEmbeddings, HashEmbeddings, OneHotEmbeddings
from flair.models import LanguageModel, SequenceTagger

from assembler.sources.digest import checked_digest
from assembler.sources.flair_acceptance import (
    check_language_model,
    check_stored_embeddings,
    check_tagger,
    refuse,
    stacked,
)
from assembler.sources.flair_encoder import encoder_weights
from assembler.sources.flair_extraction import (
    char_lm_weights,
    crf_weights,
    hash_table,
    head_weights,
    one_hot_table,
    piece_table,
    word_table,
)
from assembler.sources.flair_location import fetch, local_file
from assembler.sources.flair_prediction import Tagged, embed, predict
from assembler.sources.flair_sizes import check_language_model_sizes, check_tagger_sizes
from assembler.sources.trust import damaged, load_checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from assembler.parts.kind import Weights
    from assembler.sources.weights import Array
    from assembler.spec.model import Source


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

        OneHotEmbeddings and HashEmbeddings encode tokens as UTF-8 and fail on half a surrogate pair (DA 92, TK 1245),
        as does the tokeniser of an encoder; so do BytePairEmbeddings, and on tokens that have no pieces, such as a
        zero-width space (TK 1474). A language model on untokenised text strips white space behind the last token, and
        then looks for states behind the text, or before it, which depend on what else is in the batch (TK 838).
        """
        untokenized = any(isinstance(each, FlairEmbeddings) and not each.tokenized_lm for each in self.embeddings)
        if untokenized and any(token != token.rstrip() for token in sentence[-1:]):
            return False
        return all(_can_read(embedding, token) for embedding in self.embeddings for token in sentence)

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


def _can_read(embedding: TokenEmbeddings, token: str) -> bool:
    if not isinstance(embedding, OneHotEmbeddings | HashEmbeddings | BytePairEmbeddings | TransformerWordEmbeddings):
        return True
    if any("\ud800" <= character <= "\udfff" for character in token):
        return False
    if not isinstance(embedding, BytePairEmbeddings) or not token.strip():
        return True
    read = embedding._preprocess(token) if embedding.do_preproc else token  # noqa: SLF001 - flair's own way to read it
    return bool(embedding.spm.EncodeAsIds(read.lower()))


def _embedding_weights(embedding: TokenEmbeddings) -> Weights:
    """Return the weights of one embedding, which is of a supported class."""
    if isinstance(embedding, WordEmbeddings):
        return word_table(embedding)
    if isinstance(embedding, OneHotEmbeddings):
        return one_hot_table(embedding)
    if isinstance(embedding, HashEmbeddings):
        return hash_table(embedding)
    if isinstance(embedding, TransformerWordEmbeddings):
        return encoder_weights(embedding)
    if isinstance(embedding, BytePairEmbeddings):
        return piece_table(embedding)
    if isinstance(embedding, FlairEmbeddings):
        return char_lm_weights(
            embedding.lm,
            with_whitespace=embedding.with_whitespace,
            lowercase=getattr(embedding, "is_lower", False),
            tokenized=embedding.tokenized_lm,
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


def _tagger(source: Source, state: object) -> SequenceTagger:
    if isinstance(state, dict):
        cls = state.get("__cls__", "SequenceTagger")
        if cls != "SequenceTagger" or "tag_dictionary" not in state:
            what = cls if cls != "SequenceTagger" else "neither a SequenceTagger nor a LanguageModel"
            raise refuse(source, f"the checkpoint is {what}", "SequenceTagger and LanguageModel can be assembled")
        if str(state.get("rnn_type", "LSTM")) not in {"LSTM", "GRU", "RNN"}:
            raise refuse(source, f"the tagger has recurrent layers of the unknown type {state['rnn_type']!r}")
        check_stored_embeddings(source, state.get("embeddings"))
        check_tagger_sizes(source, state)
        try:
            tagger = SequenceTagger.load(state)
        except _UNFIT as err:
            reason = str(err).strip().splitlines()[0] if str(err).strip() else type(err).__name__
            raise damaged(source, f"flair {flair.__version__} does not load this checkpoint: {reason}") from err
    elif isinstance(state, SequenceTagger):
        tagger = state.eval()
    else:
        raise refuse(source, f"the checkpoint is a {type(state).__name__}, not a flair model")
    check_tagger(source, tagger)
    return tagger


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
    check_language_model(source, model)
    return model.eval()
