"""Exports a transformer encoder of any architecture as ONNX, with torch's own exporter.

Of torch's two exporters the one that traces is used: it emits the opset that the stack has, exports more architectures,
and takes a second where the other takes fifteen and a package more. docs/encoders.md has what was tried.
A trace may take a size for a constant, so nothing here is trusted: the proof compares what the graph computes with the
loaded model, at several batch sizes and lengths. MU is transformers 4.57's masking_utils.py.
"""

from __future__ import annotations

import io
import logging
import warnings
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import onnx
import torch
from transformers import masking_utils

from assembler.flair_checkpoints.encoders.architectures import reason_of
from assembler.flair_checkpoints.encoders.windows import whole_windows
from assembler.onnx_model.fragment import tensor_proto

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from assembler.core.arrays import Array

_FED = ("subtokens", "mask")
_AXES = {0: "pieces", 1: "subtokens"}
#: The sizes of the example that is traced. No dim of an encoder is likely to have one of them.
_PIECES, _LENGTH = 3, 11


class ExportError(Exception):
    """Torch cannot export an encoder; the text is its reason, in one line."""


def exported(encoder: torch.nn.Module, opset: int, weights: Mapping[str, Array], padding: int) -> onnx.GraphProto:
    """Return an encoder as a graph, from `subtokens` and `mask`, both int64 [pieces, subtokens], to `states`.

    Args:
        encoder: A module that takes both and returns the states.
        opset: The version of the default operator domain.
        weights: The weights and buffers of the module by their names in it.
        padding: The subtoken after the end of a shorter piece.

    Returns:
        The graph. Its initializers are the weights that it reads, stubs for large ones.

    Raises:
        ExportError: Torch fails, or the graph needs operators of another domain than ONNX's own.
    """
    written: Any = io.BytesIO()  # the exporter that traces takes one, as its types do not say
    with torch.no_grad(), _quiet(), _traceable(), whole_windows():
        try:
            torch.onnx.export(
                encoder,
                _example(padding),
                written,
                input_names=list(_FED),
                output_names=["states"],
                dynamic_axes=dict.fromkeys((*_FED, "states"), _AXES),
                opset_version=opset,
                dynamo=False,
                export_params=False,  # the weights are read where they are, not copied
                do_constant_folding=False,
            )
        except Exception as err:
            raise ExportError(reason_of(err)) from err
    graph = onnx.load_from_string(written.getvalue()).graph
    strange = next((node for node in graph.node if node.domain not in {"", "ai.onnx"}), None)
    if strange is not None:
        message = f"it needs the operator {strange.domain}::{strange.op_type}"
        raise ExportError(message)
    return _with_weights(graph, weights)


def _with_weights(graph: onnx.GraphProto, weights: Mapping[str, Array]) -> onnx.GraphProto:
    """Return the nodes of a graph and the weights that it reads, which the exporter makes inputs."""
    result = onnx.GraphProto(name=graph.name)
    for node in graph.node:
        node.ClearField("doc_string")  # where torch's code is, on this machine
    result.node.extend(graph.node)
    for each in graph.input:
        if each.name in weights:
            result.initializer.append(tensor_proto(each.name, weights[each.name]))
        elif each.name not in _FED:
            message = f"it reads '{each.name}', which is no weight of the encoder"
            raise ExportError(message)
    result.initializer.extend(graph.initializer)
    return result


def _example(padding: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return pieces of different lengths, as the encoder is fed."""
    subtokens = torch.full((_PIECES, _LENGTH), padding)
    mask = torch.zeros((_PIECES, _LENGTH), dtype=torch.int64)
    for piece in range(_PIECES):
        length = _LENGTH - 2 * piece
        subtokens[piece, :length] = torch.arange(length) + (padding == 0)
        mask[piece, :length] = 1
    return subtokens, mask


@contextmanager
def _quiet() -> Iterator[None]:
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a warning for each size that the trace takes for a constant
            yield
    finally:
        log.setLevel(level)


@contextmanager
def _traceable() -> Iterator[None]:
    """Let transformers make its masks of causal and of local attention by broadcasting.

    It uses torch.vmap (MU 170-194), which cannot be traced. transformers 5 broadcasts too.
    """
    library: Any = masking_utils
    before = library._vmap_for_bhqkv, library.TransformGetItemToIndex  # noqa: SLF001 - it has no switch
    library._vmap_for_bhqkv, library.TransformGetItemToIndex = _broadcast, nullcontext  # noqa: SLF001 - see above
    try:
        yield
    finally:
        library._vmap_for_bhqkv, library.TransformGetItemToIndex = before  # noqa: SLF001 - see above


def _broadcast(rule: Callable[..., Any], bh_indices: bool = True) -> Callable[..., Any]:  # noqa: FBT001, FBT002 - MU 170
    """Return a rule on indices of batches, heads, queries and keys for whole axes of them."""

    def masked(batch: Any, head: Any, query: torch.Tensor, key: torch.Tensor) -> Any:  # noqa: ANN401
        if not bh_indices:
            return rule(batch, head, query[:, None], key[None, :])
        axes = (batch[:, None, None, None], head[None, :, None, None], query[None, None, :, None])
        return rule(*axes, key[None, None, None, :])

    return masked
