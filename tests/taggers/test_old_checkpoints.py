"""Options and keys that older checkpoints have: flair's own rule decides, or a clear refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from assembler import SourceError, assemble
from assembler.initialisation import write_spec
from assembler.runtime import Tagger

from .conftest import HARD, compare

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from .conftest import Bench


def rewritten(bench: Bench, change: Callable[[dict[str, Any]], None]) -> Path:
    """Save a tagger's state as flair does, changed."""
    state = bench.tagger()._get_state_dict()
    change(state)
    path = bench.folder / "old.pt"
    torch.save(state, path, pickle_protocol=4)
    return path


def built(bench: Bench, path: Path) -> Tagger:
    spec = bench.folder / "old.yaml"
    spec.write_text(write_spec(str(path), bench.folder), encoding="utf-8")
    return Tagger(assemble(spec, bench.folder / "old.onnx").path)


def test_transitions_of_before_the_crf_module_are_read(bench: Bench) -> None:
    from flair.models import SequenceTagger

    def change(state: dict[str, Any]) -> None:
        state["state_dict"]["transitions"] = state["state_dict"].pop("crf.transitions")

    path = rewritten(bench, change)
    compare(SequenceTagger.load(path), built(bench, path), HARD)


def test_trained_initial_states_are_loaded_and_never_used(bench: Bench) -> None:
    from flair.models import SequenceTagger

    def change(state: dict[str, Any]) -> None:
        state["train_initial_hidden_state"] = True
        state["state_dict"]["lstm_init_h"] = torch.full((2, 6), 5.0)
        state["state_dict"]["lstm_init_c"] = torch.full((2, 6), -5.0)

    path = rewritten(bench, change)
    compare(SequenceTagger.load(path), built(bench, path), HARD)


def test_defaults_stand_in_for_keys_that_old_checkpoints_lack(bench: Bench) -> None:
    from flair.models import SequenceTagger

    def change(state: dict[str, Any]) -> None:
        for key in ("tag_format", "rnn_type", "reproject_embeddings", "train_initial_hidden_state", "__cls__"):
            del state[key]

    path = rewritten(bench, change)
    compare(SequenceTagger.load(path), built(bench, path), HARD)


def test_a_reprojection_to_another_size_is_refused_as_flair_cannot_load_it(bench: Bench) -> None:
    def change(state: dict[str, Any]) -> None:
        state["reproject_embeddings"] = 9
        state["state_dict"]["embedding2nn.weight"] = torch.zeros(9, 14)
        state["state_dict"]["embedding2nn.bias"] = torch.zeros(9)

    path = rewritten(bench, change)
    with pytest.raises(SourceError, match=r"R006 source 'tagger': the checkpoint declares embedding_length 14"):
        write_spec(str(path), bench.folder)
