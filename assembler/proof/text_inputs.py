"""The part of a stack's interface that is filled from text, before there is a file to read it from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.description.metadata import describe_interface, describe_tokenizers, describe_vocabularies
from assembler.runtime.interface import Interface
from assembler.weights.language_models import CharLmWeights

if TYPE_CHECKING:
    from assembler.sources.opening import OpenSources
    from assembler.wiring.graph import Wiring


def text_interface(wiring: Wiring, sources: OpenSources) -> Interface | None:
    """Return the interface of those inputs that are filled from text, or `None` if there are none."""
    record = describe_interface(wiring, sources)
    inputs = record["inputs"]
    known = [entry for entry in inputs if isinstance(entry, dict) and entry["fill"]] if isinstance(inputs, list) else []
    if not known:
        return None
    dictionaries = {
        name: list(weights.characters.dictionary)
        for name, weights in sources.weights.items()
        if isinstance(weights, CharLmWeights)
    }
    return Interface.from_metadata(
        {**record, "inputs": known}, dictionaries, describe_vocabularies(sources), describe_tokenizers(sources)
    )
