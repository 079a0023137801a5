"""Profiles: the passes that lower a joined model, and what its proof then requires.

A profile chooses how parts are computed, never what. `check` imports this module, so each list of passes is made, and
its passes imported, only when a model is lowered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from assembler.onnx_model.model import Model

    Pass = Callable[[Model], Model]


@dataclass(frozen=True, slots=True)
class Profile:
    """A way of lowering.

    Attributes:
        name: The word after `profile:` or `--profile`.
        summary: Its purpose.
        passes: Returns the passes in order, each with its thresholds.
        tags_changed: The share of tags that may differ from the source's, or `None` for an exact profile: no tag
            differs, and scores are equal within the spec's `scores_within`.
        relative_error: The relative error that an output of floats may have where a model gives no tags, or `None` for
            an exact profile. Of other outputs the share `tags_changed` may differ.
        untagged: Returns the passes for a model that gives no tags, where they are others. Nothing is known of what it
            consists of, so they look at every operator.
    """

    name: str
    summary: str
    passes: Callable[[], Sequence[Pass]]
    tags_changed: float | None = None
    relative_error: float | None = None
    untagged: Callable[[], Sequence[Pass]] | None = None

    @property
    def lossy(self) -> bool:
        """Whether it may change what a model gives, within a budget."""
        return self.tags_changed is not None

    def lower(self, model: Model, *, tagged: bool = True) -> Model:
        """Return the model after all passes; `tagged` says whether it gives tags or labels of a known source."""
        chosen = self.passes if tagged or self.untagged is None else self.untagged
        for step in chosen():
            model = step(model)
        return model


def _portable() -> Sequence[Pass]:
    from assembler.passes.deduplication import deduplicate
    from assembler.passes.directions import read_forwards

    return read_forwards, deduplicate


def _cpu() -> Sequence[Pass]:
    from assembler.passes.deduplication import deduplicate
    from assembler.passes.directions import read_forwards
    from assembler.passes.loops import LowerLanguageModels
    from assembler.passes.reprojection import fold_reprojection
    from assembler.passes.reset_character import AddResetCharacter
    from assembler.passes.token_layers import LowerTokenLayers

    return (
        fold_reprojection,
        LowerTokenLayers(),
        # From this many states on, a loop is faster than the operator in float32 (docs/performance.md).
        LowerLanguageModels(least_hidden=512),
        AddResetCharacter(),
        read_forwards,
        deduplicate,
    )


def _int8() -> Sequence[Pass]:
    from assembler.passes.deduplication import deduplicate
    from assembler.passes.directions import read_forwards
    from assembler.passes.loops import LowerLanguageModels
    from assembler.passes.quantisation import Quantise
    from assembler.passes.reprojection import fold_reprojection
    from assembler.passes.single_lane import ReadOneLaneApart
    from assembler.passes.token_layers import LowerTokenLayers

    return (
        fold_reprojection,
        LowerTokenLayers(),
        LowerLanguageModels(),
        Quantise(),
        ReadOneLaneApart(),
        read_forwards,
        deduplicate,
    )


def _int8_of_any() -> Sequence[Pass]:
    from assembler.passes.deduplication import deduplicate
    from assembler.passes.directions import read_forwards
    from assembler.passes.loops import LowerLanguageModels
    from assembler.passes.quantisation import Quantise
    from assembler.passes.reprojection import fold_reprojection
    from assembler.passes.rounded_layers import RoundLayers
    from assembler.passes.single_lane import ReadOneLaneApart
    from assembler.passes.token_layers import LowerTokenLayers

    return (
        fold_reprojection,
        LowerTokenLayers(),
        LowerLanguageModels(),
        Quantise(),
        RoundLayers(),
        ReadOneLaneApart(),
        read_forwards,
        deduplicate,
    )


def _fp16() -> Sequence[Pass]:
    from assembler.passes.deduplication import deduplicate
    from assembler.passes.directions import read_forwards
    from assembler.passes.half_precision import Halve
    from assembler.passes.reprojection import fold_reprojection

    return fold_reprojection, read_forwards, Halve(), deduplicate


def _fp16_of_any() -> Sequence[Pass]:
    from assembler.passes.deduplication import deduplicate
    from assembler.passes.directions import read_forwards
    from assembler.passes.half_compute import ComputeInHalf
    from assembler.passes.half_precision import Halve
    from assembler.passes.reprojection import fold_reprojection

    return fold_reprojection, read_forwards, ComputeInHalf(), Halve(), deduplicate


def _cuda() -> Sequence[Pass]:
    from assembler.passes.deduplication import deduplicate
    from assembler.passes.reprojection import fold_reprojection
    from assembler.passes.reset_character import AddResetCharacter

    return fold_reprojection, AddResetCharacter(), deduplicate


PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("portable", "standard operators, in forms that engines other than ONNX Runtime run as well", _portable),
        Profile("cpu", "exact, and the fastest in float32 on processors", _cpu),
        Profile(
            "int8",
            "int8 weights, several times faster on processors; needs ONNX Runtime's own operators",
            _int8,
            tags_changed=0.005,
            relative_error=0.05,
            untagged=_int8_of_any,
        ),
        Profile(
            "fp16",
            "weights stored in half precision, half the size; computed in float32, or in half where no tags are given",
            _fp16,
            tags_changed=0.005,
            relative_error=0.01,
            untagged=_fp16_of_any,
        ),
        Profile("cuda", "exact, standard operators that cuDNN runs, packed lanes", _cuda),
    )
}
