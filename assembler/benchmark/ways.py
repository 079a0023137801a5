"""The ways of tagging that a benchmark measures: flair's own, with its layers compiled by torch, and our models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from assembler.benchmark.device import require_first
from assembler.core.errors import SpecError
from assembler.core.problems import Problem
from assembler.flair_checkpoints.form import FORM

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from assembler.benchmark.device import Device
    from assembler.benchmark.torch_ways import Forwards
    from assembler.description.source_tasks import SourceTask
    from assembler.flair_checkpoints.opened_checkpoint import FlairSource
    from assembler.forms.opened import SourceModel
    from assembler.proof.parity import TaggedTokens
    from assembler.runtime import Tagger
    from assembler.spec.stack_spec import Spec

    Sentences = Sequence[list[str]]

#: The default batch of flair's own `predict`.
FLAIRS_BATCH = 32


@dataclass(frozen=True, slots=True)
class Way:
    """A way of tagging: how it is measured, in batches of a size or of its own, and its results."""

    run: Callable[[Sentences, int | None], object]
    tags: Callable[[Sentences, int | None], Sequence[TaggedTokens]]


def spread(sentences: Sentences, count: int) -> Sentences:
    """Return some sentences, from the first to the last."""
    return sentences[:: max(1, len(sentences) // count)][:count]


def flair_source(spec: Spec, tasks: Sequence[SourceTask]) -> FlairSource:
    """Return the tagger to measure against.

    Raises:
        SpecError: No loaded tagger predicts tags of tokens (W019).
    """
    source = tasks[0].model if tasks else None
    if source is None or tasks[0].task.by_sentence or not _is_flairs(spec, source):
        message = "the stack has no tags of a flair tagger, so there is nothing to measure against"
        raise SpecError(Problem.at(spec.proof.mark, "W019", message))
    return cast("FlairSource", source)


def _is_flairs(spec: Spec, model: SourceModel) -> bool:
    """Return whether a model is flair's own. Without an import of flair, only its source shows that."""
    return spec.sources[model.prefix.partition(".")[0]].form == FORM.name


def flair_way(source: FlairSource) -> Way:
    """Return flair's own way, on the device where the source is."""
    return Way(
        lambda sentences, batch: source.run_predict(sentences, batch or FLAIRS_BATCH),
        lambda sentences, batch: source.predict(sentences, batch or FLAIRS_BATCH),
    )


def compiled_ways(source: FlairSource, sentences: Sentences) -> tuple[dict[str, Way], dict[str, str]]:
    """Return flair's way with its layers compiled by torch, as far as this runs here, and why the others do not."""
    from assembler.benchmark import torch_ways

    found, left_out = torch_ways.torch_ways(source, spread(sentences, 4))
    plain = flair_way(source)

    def way(forwards: Forwards) -> Way:
        def run(some: Sentences, batch: int | None) -> None:
            with torch_ways.standing_in(forwards):
                plain.run(some, batch)

        def tags(some: Sentences, batch: int | None) -> Sequence[TaggedTokens]:
            with torch_ways.standing_in(forwards):
                return plain.tags(some, batch)

        return Way(run, tags)

    return {name: way(forwards) for name, forwards in found.items()}, left_out


def model_way(tagger: Tagger, device: Device) -> Way:
    """Return the way of one of our models.

    Raises:
        DeviceError: It does not run on the device.
    """
    require_first(device, tagger.providers)

    def tags(sentences: Sentences, batch: int | None) -> Sequence[TaggedTokens]:
        return tagger.tag(sentences, batch_size=batch)

    return Way(tags, tags)
