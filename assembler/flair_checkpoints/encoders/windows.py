"""Longformer's local attention, computed in a way that can be traced.

transformers 4.57 cuts a text into overlapping windows, as many as the traced text has. Where no subtoken has global
attention, and flair gives none any, the same is attention to every place that is no further than half a window away.
ML is transformers 4.57's models/longformer/modeling_longformer.py.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from transformers.models.longformer.modeling_longformer import LongformerSelfAttention

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def whole_windows() -> Iterator[None]:
    """Let Longformer compare all places of a text in the block, of which only those in the window count."""
    attention: Any = LongformerSelfAttention
    before = attention.forward
    attention.forward = _attend
    try:
        yield
    finally:
        attention.forward = before


def _attend(self: Any, states: torch.Tensor, attention_mask: torch.Tensor, **_others: object) -> tuple[torch.Tensor]:  # noqa: ANN401
    """Return what ML 483-690 gives without global attention.

    Args:
        self: The layer.
        states: float32 [texts, subtokens, features].
        attention_mask: [texts, subtokens], below 0 where there is no subtoken.
        **_others: What is only of use for global attention.
    """
    texts, length, _ = states.shape

    def heads(layer: torch.nn.Linear) -> torch.Tensor:
        split: torch.Tensor = layer(states).view(texts, length, self.num_heads, self.head_dim)
        return split.transpose(1, 2)

    query, key, value = (heads(layer) for layer in (self.query, self.key, self.value))
    places = torch.arange(length)
    far = (places[:, None] - places[None, :]).abs() > self.one_sided_attn_window_size
    masked = attention_mask < 0
    scores = (query / math.sqrt(self.head_dim)) @ key.transpose(-1, -2)
    scores = scores.masked_fill(far[None, None] | masked[:, None, None], torch.finfo(scores.dtype).min)
    shares = torch.softmax(scores, dim=-1).masked_fill(masked[:, None, :, None], 0.0)
    return ((shares @ value).transpose(1, 2).reshape(texts, length, self.embed_dim),)
