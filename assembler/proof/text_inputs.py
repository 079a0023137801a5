"""The inputs of a stack that are filled from text, before there is a file, and the sentences that they can express."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.description.model_metadata import describe_interface, describe_tokenizers, describe_vocabularies
from assembler.interface.fill_rules import RULES
from assembler.runtime.context import in_context
from assembler.runtime.interface import Interface
from assembler.runtime.prompting import prompted
from assembler.runtime.shapes import FixedShapes
from assembler.weights.language_models import CharLmWeights
from assembler.wiring.fills import fills

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assembler.sources.opening import OpenSources
    from assembler.spec.stack_spec import Spec
    from assembler.wiring.graph import Wiring

#: How many sentences are checked together.
_AT_ONCE = 64


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


def declared_shapes(spec: Spec) -> dict[str, tuple[int | None, ...]]:
    """Return the sizes of each input of a spec; `None` for those that are free."""
    return {
        name: tuple(dim if isinstance(dim, int) else None for dim in entry.type.dims or ())
        for name, entry in spec.inputs.items()
    }


def fixed_shapes(wiring: Wiring, sources: OpenSources) -> FixedShapes | None:
    """Return the sizes that inputs which are filled from text must have, or `None` where all are free.

    Raises:
        ModelError: No run could fill the sizes (M014).
    """
    declared = declared_shapes(wiring.spec)
    if not any(size is not None for name, fill in fills(wiring).items() if fill.rule for size in declared[name]):
        return None
    interface = text_interface(wiring, sources)
    return None if interface is None else FixedShapes.declared(interface, declared, wiring.spec.name)


def expressible(wiring: Wiring, shapes: FixedShapes | None, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return the sentences that the model's inputs can express.

    In a text, no token holds a space. Inputs of fixed sizes have no space for long sentences.
    """
    spaceless = any(RULES[fill.rule].spaceless for fill in fills(wiring).values() if fill.rule)
    kept = [[*tokens] for tokens in sentences if not (spaceless and any(" " in token for token in tokens))]
    if shapes is None:
        return kept
    found: list[list[str]] = []
    for start in range(0, len(kept), _AT_ONCE):
        some = kept[start : start + _AT_ONCE]
        words = [tuple(token for token in tokens if token) for tokens in some]
        full = [tokens for tokens in words if tokens]
        around = in_context(full, shapes.interface.context, shapes.interface.prompt)
        room = iter(shapes.have_room([prompted(each, shapes.interface.prompt) for each in around]))
        found += [tokens for tokens, own in zip(some, words, strict=True) if not own or next(room)]
    return found
