"""Reads an encoder whose operators torch exports, from the embeddings that flair has loaded.

TF is flair 0.15.1's embeddings/transformer.py.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from assembler.core.errors import SourceError
from assembler.core.problems import Problem
from assembler.flair_checkpoints.encoders.architectures import plain_settings, reason_of
from assembler.flair_checkpoints.encoders.exporting import ExportError, exported
from assembler.weights.encoders import ExportedEncoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import onnx
    from flair.embeddings.transformer import TransformerEmbeddings

    from assembler.core.arrays import Array, Arrays
    from assembler.interface.encoder_inputs import Subtokens
    from assembler.weights.documents import SubtokenDocumentWeights

#: The tables of positions, by the last word of their names.
_POSITIONS = frozenset({"position_embeddings", "embed_positions", "wpe", "positions_embed"})
#: Subtokens of a trial, and how many for padding are added to them.
_TRIED, _ADDED = 6, 5
#: What a trial's states may differ by, as a share of the largest.
_SAME = 1e-3


class _States(torch.nn.Module):
    """The states of an encoder as flair uses them (TF 1413-1425), without the layers that it leaves out."""

    def __init__(self, embedding: TransformerEmbeddings) -> None:
        super().__init__()
        self.model = embedding.model
        self._chosen, self._mean = embedding.layer_indexes, embedding.layer_mean

    def forward(self, subtokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        hidden = self.model(subtokens, attention_mask=mask)[-1]
        chosen: list[torch.Tensor] = [hidden[number] for number in self._chosen]
        if len(chosen) == 1:
            return chosen[0]
        return torch.stack(chosen).mean(dim=0) if self._mean else torch.cat(chosen, dim=-1)


def exported_encoder(
    embedding: TransformerEmbeddings,
    subtokens: Subtokens,
    documents: SubtokenDocumentWeights | None,
    reference: Callable[[Arrays], Arrays],
) -> ExportedEncoder:
    """Return an encoder that torch exports when its operators are wanted.

    Args:
        embedding: The loaded embeddings, which were accepted.
        subtokens: How a host makes its input.
        documents: How flair makes documents, if it does.
        reference: Runs the loaded encoder.
    """
    hidden = _hidden(embedding, *_trial(embedding))
    states, config = _States(embedding).eval(), embedding.model.config
    named = (*states.named_parameters(remove_duplicate=False), *states.named_buffers(remove_duplicate=False))
    weights = {name: _array(tensor) for name, tensor in named}

    @cache
    def graph(opset: int) -> onnx.GraphProto:
        try:
            try:
                return exported(states, opset, weights, subtokens.padding)
            except ExportError:
                with _plain_attention(embedding.model):
                    return exported(states, opset, weights, subtokens.padding)
        except ExportError as err:
            message = f"torch {torch.__version__} cannot export the encoder '{config.model_type}': {err}"
            raise SourceError(Problem("R019", message, "another opset may have the operators that it needs")) from err

    return ExportedEncoder(
        chosen=tuple(number % len(hidden) for number in embedding.layer_indexes),
        mean=bool(embedding.layer_mean),
        pooling=embedding.subtoken_pooling,
        documents=documents,
        subtokens=subtokens,
        reference=reference,
        architecture=str(config.model_type),
        configuration=json.dumps(plain_settings(config.to_dict()), sort_keys=True),
        features=int(hidden[0].shape[-1]),
        layers=len(hidden) - 1,
        rows=len(embedding.model.get_input_embeddings().weight),
        parameters=weights,
        graph=graph,
    )


def exported_refused(embedding: TransformerEmbeddings) -> Iterator[str]:
    """Yield the reasons why an encoder of no family of ours cannot be assembled. Some of them are found by a trial."""
    config = embedding.model.config
    if getattr(config, "attention_type", None) == "block_sparse":
        yield from _blocks_refused(embedding)
    if any(parameter.dtype != torch.float32 for parameter in embedding.model.parameters()):
        yield "has weights of another type than float32"
        return
    try:
        hidden = _hidden(embedding, *_trial(embedding))
        torch.stack(hidden)
    except Exception as err:  # noqa: BLE001 - of any code, any error can be the reason
        yield f"is of the type '{config.model_type}', on which flair 0.15.1 fails itself: {reason_of(err)}"
        return
    if not all(-len(hidden) <= number < len(hidden) for number in embedding.layer_indexes):
        yield f"gives the layers {embedding.layer_indexes}, of which it has {len(hidden)}"
    if hidden[0].shape[-1] != config.hidden_size:
        yield f"gives states of {hidden[0].shape[-1]} features, which its configuration says are {config.hidden_size}"
    if not is_steady(embedding, "right"):
        yield "reads the padding of shorter texts too, so that what it gives depends on the other sentences of a batch"


def _blocks_refused(embedding: TransformerEmbeddings) -> Iterator[str]:
    """Yield the reason against random blocks. Where no text is long enough for them, all is as without them.

    transformers 4.57 then reads without blocks, and goes on without (modeling_big_bird.py 1907-1917).
    """
    config: Any = embedding.model.config
    least = (5 + 2 * config.num_random_blocks) * config.block_size
    longest = embedding.tokenizer.model_max_length if embedding.truncate else config.max_position_embeddings
    if longest > least:
        yield f"reads texts of more than {least} subtokens by random blocks (attention_type 'block_sparse')"
    else:
        model: Any = embedding.model
        model.set_attention_type("original_full")


def is_steady(embedding: TransformerEmbeddings, side: str) -> bool:
    """Return whether padding at a side leaves an encoder's states as they are."""
    subtokens, mask = _trial(embedding)
    padding = torch.full((1, _ADDED), int(embedding.tokenizer.pad_token_id or 0))
    nothing = torch.zeros_like(padding)
    pairs = ((subtokens, padding), (mask, nothing))
    padded = [torch.cat(pair if side == "right" else pair[::-1], dim=1) for pair in pairs]
    states, others = (_hidden(embedding, *fed)[-1] for fed in ((subtokens, mask), padded))
    real = others[:, :_TRIED] if side == "right" else others[:, -_TRIED:]
    return bool(torch.isfinite(real).all()) and float((states - real).abs().max()) <= _SAME * float(states.abs().max())


def places_of(model: torch.nn.Module) -> int:
    """Return how many subtokens an encoder has positions for; 0 where it has no table of them."""
    found = []
    for name, module in model.named_modules():
        rows = getattr(module, "weight", None)
        if name.rpartition(".")[2] in _POSITIONS and isinstance(rows, torch.Tensor):
            padding = getattr(module, "padding_idx", None)
            offset = int(getattr(module, "offset", 0)) if padding is None else padding + 1
            found.append(len(rows) - offset)
    found += [len(table) for name, table in model.named_buffers() if name.rpartition(".")[2] in _POSITIONS]
    return min(found, default=0)


def _trial(embedding: TransformerEmbeddings) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a few subtokens, none of them special, and their mask."""
    special = set(embedding.tokenizer.all_special_ids)
    usual = (number for number in range(len(embedding.tokenizer)) if number not in special)
    subtokens = torch.tensor([[number for number, _ in zip(usual, range(_TRIED), strict=False)]])
    return subtokens, torch.ones_like(subtokens)


@torch.no_grad()
def _hidden(embedding: TransformerEmbeddings, subtokens: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, ...]:
    hidden: tuple[torch.Tensor, ...] = tuple(embedding.model(subtokens, attention_mask=mask)[-1])
    return hidden


def _array(tensor: torch.Tensor) -> Array:
    array: Array = np.ascontiguousarray(tensor.detach().numpy()).reshape(tensor.shape)
    return array


@contextmanager
def _plain_attention(model: Any) -> Iterator[None]:  # noqa: ANN401 - transformers has no types
    """Let an encoder compute its attention by products and a softmax, which every opset has, in the block.

    Some then compute something else, such as Gemma 2, whose scores are capped nowhere else. The proof finds that.
    """
    before = model.config._attn_implementation  # noqa: SLF001 - transformers' own name for it
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(before)
