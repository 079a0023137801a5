"""Of two taggers in one stack, the labels are those of the one whose tags the model gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from assembler import assemble
from assembler.initialisation import write_spec
from assembler.runtime import Tagger

if TYPE_CHECKING:
    from .conftest import Bench

OTHER = """\
  other_head:
    kind: tagger_head
    weights: other.head
    inputs: {embeddings: words.rows, lengths: lengths}
"""


@pytest.mark.parametrize("crf", [True, False])
def test_a_second_head_does_not_lend_its_labels(bench: Bench, *, crf: bool) -> None:
    """The second head comes first in the spec, has other labels of another type, and gives emissions alone."""
    tagger = bench.tagger(crf=crf, labels=("PER", "LOC"))
    other = bench.tagger(crf=crf, labels=("WRONG", "FALSE"), spans=False)
    other.tag_type = "other"
    tagger.save(bench.folder / "tagger.pt")
    other.save(bench.folder / "other.pt")
    text = write_spec(str(bench.folder / "tagger.pt"), bench.folder)
    text = text.replace("\nsources:\n", "\nsources:\n  other: {flair: other.pt}\n")
    text = text.replace("  head:\n", f"{OTHER}  head:\n")
    text = text.replace("\noutputs:\n", "\noutputs:\n  emissions: other_head.emissions\n")
    spec = bench.folder / "two.yaml"
    spec.write_text(text, encoding="utf-8")
    # The second head reads the first tagger's embeddings, so its own are no reference: only what is wired counts.
    other.embeddings = tagger.embeddings
    other.save(bench.folder / "other.pt")
    model = Tagger(assemble(spec, bench.folder / "two.onnx").path)
    assert model.labels == tuple(tagger.label_dictionary.get_items())
    tags = model.interface.tags
    assert tags is not None
    assert (tags.label_type, tags.spans) == ("ner", True)
