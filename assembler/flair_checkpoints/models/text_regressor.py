"""`TextRegressor`: a linear layer on the embeddings of documents, with one output.

TR is flair 0.15.1's models/text_regression_model.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from flair.models import TextRegressor

from assembler.flair_checkpoints.declared_sizes import Need
from assembler.flair_checkpoints.document_embeddings import document_registry
from assembler.flair_checkpoints.embeddings import embedding_stack
from assembler.flair_checkpoints.models.of_documents import DocumentModelReader, given
from assembler.flair_checkpoints.stored_dictionary import is_text
from assembler.flair_checkpoints.stored_values import TEXT
from assembler.flair_checkpoints.torch_layers import array_of, linear_of
from assembler.flair_checkpoints.trust import damaged, refuse
from assembler.forms.opened import Rated
from assembler.weights.documents import NumberHeadWeights

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flair.embeddings import DocumentEmbeddings

    from assembler.core.arrays import Arrays
    from assembler.flair_checkpoints.stored_values import Keys
    from assembler.forms.source import Source
    from assembler.interface.examples import Example


class TextRegressorReader(DocumentModelReader[TextRegressor]):
    """Reads `TextRegressor`."""

    cls = TextRegressor
    names = ("TextRegressor",)
    called = "the regressor"
    keys: ClassVar[Keys] = {"label_name": TEXT}  # TR 238-244

    def check_stored(self, source: Source, state: Mapping[str, Any]) -> None:
        """Refuse documents that flair must not make."""
        self.check_embedded(source, state.get(self.embedded))

    def needs(self, state: Mapping[str, Any], stored: Mapping[str, Any]) -> Iterator[Need]:
        """Yield the weights of the documents and of the decoder (TR 31)."""
        del state
        size = yield from document_registry.needs(stored, "document_embeddings.")
        yield Need("decoder.weight", size)

    def documents(self, model: TextRegressor) -> DocumentEmbeddings:
        """Return the embeddings of documents."""
        return model.document_embeddings

    def check(self, source: Source, model: TextRegressor) -> None:
        """Refuse documents that cannot be assembled, and a decoder of another sort."""
        document_registry.check(source, self.documents(model))
        if not is_text(model.label_type):
            raise damaged(source, "the type of the regressor's numbers is no text")
        if not isinstance(model.decoder, torch.nn.Linear) or model.decoder.out_features != 1:
            raise refuse(source, "the regressor has a decoder of its own instead of a linear layer with one output")
        embedding_stack.check_members(source, self.members(model))

    def head(self, model: TextRegressor) -> NumberHeadWeights:
        """Return the linear layer after the documents."""
        return NumberHeadWeights(
            linear_of(model.decoder), str(model.label_type), lambda inputs: _run_head(model, inputs), self.texts(model)
        )

    def label(self, model: TextRegressor, examples: Sequence[Example], batch_size: int) -> list[Rated]:
        """Rate examples with flair's own `predict`, which writes a number as a label (TR 128)."""
        points: list[Any] = [given(example) for example in examples]
        model.predict(points, mini_batch_size=batch_size, label_name="rated")
        return [Rated(float(point.get_label("rated").value)) for point in points]


@torch.no_grad()
def _run_head(model: TextRegressor, inputs: Arrays) -> Arrays:
    numbers = model.decoder(torch.from_numpy(np.array(inputs["documents"])))
    return {"numbers": array_of(numbers[:, 0]), "embeddings": inputs["documents"]}
