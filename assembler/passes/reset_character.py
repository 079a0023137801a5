"""Pass: the dictionary of a language model gets one more character, which resets its state to the beginning.

The embedding has one more row and one more column, 1 in the new row and 0 elsewhere; the input weights have one more
column that shuts the input and the forget gate (see `loops`, which does the same to its tables). The operator stays
ONNX's own `LSTM` or `GRU`, for processors that have a fast one.

Requires: language models of one layer whose states are only read by row, as `language_models` finds them, and whose ids
a host writes, because no other can use the character. Ensures: the same states for all other characters, bit by bit if
the runtime adds in order. A `Reset` is recorded for each. The counts of characters are no longer read, so after the end
of a text there are states instead of zeros.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.onnx_model.facts import Reset
from assembler.passes.language_model_nodes import SHUT, language_models, reset_column, with_reset_row
from assembler.passes.rewriting import Rewriting, changed

if TYPE_CHECKING:
    from assembler.onnx_model.model import Model


@dataclass(frozen=True, slots=True)
class AddResetCharacter:
    """The pass.

    Attributes:
        shut: The input of a gate that the reset character shuts.
    """

    shut: float = SHUT

    def __call__(self, model: Model) -> Model:
        """Return the model with a reset character in each language model."""
        rewriting = Rewriting(model)
        for found in [found for found in language_models(rewriting) if found.in_lanes]:
            name = rewriting.scope(f"{found.fact.part}/reset")
            table = rewriting.add(f"{name}/table", with_reset_row(found.table))
            weight = rewriting.add(f"{name}/W", reset_column(found, self.shut)[None])
            embedding = changed(found.embedding, [table, found.ids])
            _, _, *rest = found.recurrent.input[:4]
            rewriting.replace(found.embedding, [embedding])
            rewriting.replace(found.recurrent, [changed(found.recurrent, [embedding.output[0], weight, *rest])])
            rewriting.record(Reset(found.ids, found.fact.part, len(found.table)))
        return rewriting.model()
