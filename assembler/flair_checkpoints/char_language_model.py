"""Language models of characters: stored, sized, loaded and read; alone, or in `FlairEmbeddings`.

LM is flair 0.15.1's models/language_model.py, TK its embeddings/token.py, DA its data.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from flair.models import LanguageModel
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from assembler.flair_checkpoints.declared_sizes import Need, check_sizes, declared, is_on, length_of, recurrent_needs
from assembler.flair_checkpoints.running import flair_at_work
from assembler.flair_checkpoints.stored_dictionary import check_dictionary, is_text, items_by_id
from assembler.flair_checkpoints.stored_values import (
    COUNT,
    DICTIONARY,
    FLAG,
    SHARE,
    TEXT,
    known_values,
    or_none,
    stored_weights,
)
from assembler.flair_checkpoints.torch_layers import array_of, linear_of, recurrent_of
from assembler.flair_checkpoints.trust import damaged
from assembler.interface.language_model_inputs import Characters
from assembler.weights.language_models import CharLmWeights

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flair.data import Dictionary

    from assembler.core.arrays import Arrays
    from assembler.flair_checkpoints.stored_values import Keys
    from assembler.forms.source import Source

#: The keys that flair writes (LM 22-35).
KEYS: Keys = {
    "dictionary": DICTIONARY, "is_forward_lm": FLAG, "hidden_size": COUNT, "nlayers": COUNT, "embedding_size": COUNT,
    "nout": or_none(COUNT), "document_delimiter": TEXT, "dropout": SHARE, "recurrent_type": TEXT, "has_decoder": FLAG,
}  # fmt: skip


def language_model_needs(parameters: Mapping[str, Any], prefix: str) -> Iterator[Need]:
    """Yield the weights of a `LanguageModel` (language_model.py 39-64); the gates of a cell add a factor up to 4."""
    hidden, features = (declared(parameters, name) for name in ("hidden_size", "embedding_size"))
    characters = ("characters", length_of(parameters.get("dictionary")))
    yield Need(f"{prefix}encoder.weight", (characters, features))
    yield from recurrent_needs(f"{prefix}rnn", declared(parameters, "nlayers"), (features,), (hidden,))
    if parameters.get("nout") is not None:
        nout = declared(parameters, "nout")
        yield Need(f"{prefix}proj.weight", (nout, hidden))
        hidden = nout
    if prefix and is_on(parameters.get("has_decoder", True)):  # not made for a language model alone
        yield Need(f"{prefix}decoder.weight", (characters, hidden))


def check_language_model(source: Source, model: LanguageModel) -> None:
    """Refuse a language model whose texts cannot be written as UTF-8 (R006)."""
    check_dictionary(source, "the dictionary of characters", model.dictionary)
    if not is_text(vars(model).get("document_delimiter", "\n")):  # old objects lack it
        raise damaged(source, "the document_delimiter of a language model is no text")


def load_language_model(source: Source, state: Mapping[str, Any]) -> LanguageModel:
    """Load a state that was read safely as `LanguageModel.load_language_model` does (LM 191-212)."""
    check_sizes(source, state.get("state_dict"), language_model_needs(state, ""))
    weights = stored_weights(source, state)
    given: dict[str, Any] = known_values(source, "the language model", state, KEYS)
    with flair_at_work(source, "load this language model"):
        model = LanguageModel(
            dictionary=given["dictionary"],
            is_forward_lm=bool(given["is_forward_lm"]),
            hidden_size=given["hidden_size"],
            nlayers=given["nlayers"],
            embedding_size=given["embedding_size"],
            nout=given["nout"],
            document_delimiter=given.get("document_delimiter", "\n"),
            dropout=given["dropout"],
            recurrent_type=given.get("recurrent_type", "lstm"),
            has_decoder=False,
        )
        model.load_state_dict(weights, strict=False)
    missing = set(model.state_dict()) - set(weights)
    if missing:
        raise damaged(source, f"the checkpoint lacks {', '.join(sorted(missing))}")
    check_language_model(source, model)
    return model.eval()


def char_lm_weights(
    model: LanguageModel, *, with_whitespace: bool, lowercase: bool, tokenized: bool = True
) -> CharLmWeights:
    """Return the weights of a language model. The decoder is not used for embeddings and left out."""
    return CharLmWeights(
        embedding=array_of(model.encoder.weight),
        recurrent=recurrent_of(model.rnn),
        projection=linear_of(model.proj) if model.proj is not None else None,
        characters=Characters(
            dictionary=_characters(model.dictionary, len(model.encoder.weight)),
            direction="forward" if model.is_forward_lm else "backward",
            # old objects lack the attribute (TK 804)
            start_marker=str(vars(model).get("document_delimiter", "\n")),
            end_marker=" ",  # always (TK 805)
            with_whitespace=with_whitespace,
            lowercase=lowercase,
            padding=_padding(model.dictionary),
            tokenized=tokenized,
        ),
        reference=lambda inputs: _run_language_model(model, inputs),
    )


def _characters(dictionary: Dictionary, rows: int) -> tuple[str, ...]:
    """Return the characters of a dictionary by id.

    flair looks characters up in a decoded copy that it makes once and stores with the model, or else in `item2idx` (DA
    105-125). `idx2item` can disagree with both. Items of more than one code point can never match.
    """
    cached = vars(dictionary).get("item2idx_not_encoded")
    decoded = cached if cached is not None else {k.decode("utf-8"): v for k, v in dictionary.item2idx.items()}
    matching = {item: number for item, number in decoded.items() if len(item) == 1}
    items = list(items_by_id(matching, rows, "a character dictionary"))
    for number, item in enumerate(dictionary.idx2item[:rows]):
        text = item.decode("utf-8")
        if not items[number] and len(text) != 1:
            items[number] = text  # such as <unk>: it is never looked up, but a person may want to see it
    return tuple(items)


def _padding(dictionary: Dictionary) -> int:
    """Return the id of a space (LM 134), or 0 if the dictionary lacks it, whatever 0 means there."""
    return int(dictionary.item2idx.get(b" ", 0))


@torch.no_grad()
def _run_language_model(model: LanguageModel, inputs: Arrays) -> Arrays:
    """Run the loaded modules. States after a text's own length are zeros, as those of ONNX's LSTM."""
    characters = torch.from_numpy(np.array(inputs["characters"]))
    lengths = torch.from_numpy(np.array(inputs["lengths"]))
    packed = pack_padded_sequence(model.encoder(characters), lengths, enforce_sorted=False)
    output, _ = model.rnn(packed)
    states, _ = pad_packed_sequence(output, total_length=characters.shape[0])
    if model.proj is not None:
        states = model.proj(states)
    return {"states": array_of(states)}
