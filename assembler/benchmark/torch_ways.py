"""flair with its layers compiled by torch, where torch can: ways of tagging to measure beside flair's own."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from flair.embeddings import FlairEmbeddings

from assembler.core.errors import SourceError
from assembler.flair_checkpoints.running import flair_at_work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from flair.models import LanguageModel

    from assembler.flair_checkpoints.opened_checkpoint import FlairSource

    #: A `forward` of flair's, and its replacement.
    Forwards = list[tuple[torch.nn.Module, Callable[..., Any]]]

COMPILED, SCRIPTED = "flair torch.compile", "flair TorchScript"


class _Layers(torch.nn.Module):
    """`LanguageModel.forward` without its decoder (flair's models/language_model.py 70-95), on tensors alone."""

    def __init__(self, model: LanguageModel) -> None:
        super().__init__()
        self.encoder, self.rnn, self.proj = model.encoder, model.rnn, model.proj

    def forward(self, ids: torch.Tensor, *hidden: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the states of each character, and those of the last."""
        given = tuple(hidden)
        output, after = self.rnn(self.encoder(ids), given if len(given) > 1 else given[0])
        output = output if self.proj is None else self.proj(output)
        return (output, *(after if isinstance(after, tuple) else (after,)))


def torch_ways(source: FlairSource, sentences: Sequence[Sequence[str]]) -> tuple[dict[str, Forwards], dict[str, str]]:
    """Return the ways that run here, and why the others do not. Trying takes up to minutes.

    `torch.compile` takes the language models and the head, with dynamic shapes; TorchScript only the language models,
    because in the head a trace would keep the lengths of its first batch.

    Args:
        source: The loaded tagger.
        sentences: A few to try each way on, in one batch and one at a time.
    """
    ways, left_out = {}, {}
    for name, build in ((COMPILED, _compiled), (SCRIPTED, _scripted)):
        try:
            with flair_at_work(source.source, f"run with {name.removeprefix('flair ')}"):
                forwards = build(source)
                with standing_in(forwards):
                    source.predict(sentences, 32)
                    source.predict(sentences, 1)
        except SourceError as err:
            left_out[name] = f"it does not run: {err.problems[0].message}"
        else:
            ways[name] = forwards
    return ways, left_out


@contextmanager
def standing_in(forwards: Forwards) -> Iterator[None]:
    """Let flair call the compiled layers in the block, and suppress torch's log of the compilation."""
    log = logging.getLogger("torch._dynamo")
    level = log.level
    log.setLevel(logging.ERROR)
    for module, forward in forwards:
        module.__dict__["forward"] = forward
    try:
        yield
    finally:
        for module, _ in forwards:
            del module.__dict__["forward"]
        log.setLevel(level)


def _models(source: FlairSource) -> list[LanguageModel]:
    return [embedding.lm for embedding in source.embeddings if isinstance(embedding, FlairEmbeddings)]


def _compiled(source: FlairSource) -> Forwards:
    modules = [*_models(source), *([source.tagger] if source.tagger is not None else [])]
    return [(module, torch.compile(module.forward, dynamic=True)) for module in modules]


@torch.no_grad()
def _scripted(source: FlairSource) -> Forwards:
    return [(model, _traced(model)) for model in _models(source)]


def _traced(model: LanguageModel) -> Callable[..., Any]:
    """Return a `LanguageModel.forward` that runs a trace."""
    state = next(model.parameters()).new_zeros(model.nlayers, 2, model.hidden_size)
    given = (torch.zeros(3, 2, dtype=torch.long, device=state.device), *[state] * model.state_count)
    frozen = torch.jit.freeze(torch.jit.trace(_Layers(model).eval(), given, check_trace=False))  # type: ignore[no-untyped-call]

    def forward(ids: torch.Tensor, hidden: tuple[torch.Tensor, ...], **_: object) -> tuple[torch.Tensor, object]:
        output, *after = frozen(ids, *hidden)
        return output, tuple(after)

    return forward
