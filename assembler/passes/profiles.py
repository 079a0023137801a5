"""Profiles: which passes lower a joined model, and what its proof then asks.

A profile chooses how parts are computed, never what. This module knows the passes by name alone: `check` reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from assembler.onnx_model.model import Model

    Pass = Callable[[Model], Model]


@dataclass(frozen=True, slots=True)
class Profile:
    """A way of lowering.

    Attributes:
        name: The word after `profile:` or `--profile`.
        summary: What it is for.
        passes: `module:function` in `assembler.passes`, in order.
        tags_changed: The share of tags that may differ from the source's, or `None` for an exact profile: no tag
            differs, and scores are equal within the spec's `scores_within`.
    """

    name: str
    summary: str
    passes: tuple[str, ...]
    tags_changed: float | None = None

    def lower(self, model: Model) -> Model:
        """Return the model after all passes."""
        for entry in self.passes:
            module, _, name = entry.partition(":")
            step: Pass = getattr(import_module(f"assembler.passes.{module}"), name)
            model = step(model)
        return model


_FOLD = "reprojection:fold_reprojection"
_LOOPS = "loops:lower_language_models"
_LARGE_LOOPS = "loops:lower_large_language_models"
_TOKENS = "token_layers:lower_token_layers"
_RESETS = "reset_character:add_reset_character"
_FORWARDS = "directions:read_forwards"
_SHARE = "deduplication:deduplicate"

PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(
            "portable",
            "standard operators, in forms that engines other than ONNX Runtime run as well",
            (_FORWARDS, _SHARE),
        ),
        Profile(
            "cpu",
            "exact, and the fastest in float32 on processors",
            (_FOLD, _TOKENS, _LARGE_LOOPS, _RESETS, _FORWARDS, _SHARE),
        ),
        Profile(
            "int8",
            "int8 weights, several times faster on processors; needs ONNX Runtime's own operators",
            (_FOLD, _TOKENS, _LOOPS, "quantisation:quantise", "single_lane:read_one_lane_apart", _FORWARDS, _SHARE),
            tags_changed=0.005,
        ),
        Profile(
            "fp16",
            "weights stored in half precision, computed in float32: half the size",
            (_FOLD, _FORWARDS, "half_precision:halve", _SHARE),
            tags_changed=0.005,
        ),
        Profile("cuda", "exact, standard operators that cuDNN runs, packed lanes", (_FOLD, _RESETS, _SHARE)),
    )
}
