"""Ids are those that flair looks up, also where a dictionary was changed after the model was made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from flair.models import SequenceTagger

from assembler import SourceError, assemble
from assembler.initialisation import write_spec
from assembler.runtime import Tagger

from .conftest import HARD, compare

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from .conftest import Bench


def saved(bench: Bench, change: Callable[[Any], None]) -> Path:
    import torch

    state = bench.tagger(crf=False)._get_state_dict()
    for entry in state["embeddings"]["embeddings"]:
        change(entry["model_params"]["dictionary"])
    path = bench.folder / "changed.pt"
    torch.save(state, path, pickle_protocol=4)
    return path


def stale_cache(dictionary: Any) -> None:  # noqa: ANN401 - flair's Dictionary
    """Give the last character another name without the cache's knowledge."""
    dictionary.get_idx_for_items(["a"])
    number = len(dictionary.idx2item) - 1
    del dictionary.item2idx[dictionary.idx2item[number]]
    dictionary.idx2item[number] = "ж".encode()
    dictionary.item2idx["ж".encode()] = number


def test_the_cache_that_flair_stores_decides(bench: Bench) -> None:
    path = saved(bench, stale_cache)
    spec = bench.folder / "changed.yaml"
    spec.write_text(write_spec(str(path), bench.folder), encoding="utf-8")
    model = Tagger(assemble(spec, bench.folder / "changed.onnx").path)
    compare(SequenceTagger.load(path), model, [*HARD, ("ж", "😀", "жж")])


def test_two_characters_of_one_id_are_refused(bench: Bench) -> None:
    def change(dictionary: Any) -> None:  # noqa: ANN401 - flair's Dictionary
        vars(dictionary).pop("item2idx_not_encoded", None)
        dictionary.remove_item("b")
        dictionary.add_item("ж")

    path = saved(bench, change)
    with pytest.raises(SourceError, match=r"R005 a character dictionary of the model gives 'ж' the id \d+, like '😀'"):
        write_spec(str(path), bench.folder)
