"""Values that a checkpoint names in many places, or nests in stages: every walk over them stays in proportion."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from flair.data import Dictionary

from assembler.core.errors import SourceError
from assembler.core.problems import Mark
from assembler.flair_checkpoints.form import open_flair_source
from assembler.flair_checkpoints.pickles import DamagedError
from assembler.flair_checkpoints.rebuilding import rebuilt
from assembler.flair_checkpoints.stored_dictionary import check_dictionary
from assembler.flair_checkpoints.stored_encoder import encoder_refused_as_stored
from assembler.forms.source import Setting, Source

if TYPE_CHECKING:
    from collections.abc import Callable

DEMO = Path(__file__).parents[2] / "specs" / "weights" / "demo-pos.pt"
SOURCE = Source("t", "flair", "x.pt", None, Mark("s.yaml", 1, 1))


def doubled(times: int, *, kind: type = list) -> object:
    value: object = kind(["a", "b"])
    for _ in range(times):
        value = kind([value, value])
    return value


def in_stages(height: int) -> list[object]:
    """Return a list of tuples, each nested fifty deep in the one before: none is deep where it is first met."""
    stages: list[object] = [1]
    for _ in range(height):
        value = stages[-1]
        for _ in range(50):
            value = (value,)
        stages.append(value)
    return stages


def opened(path: Path) -> str:
    source = Source("t", "flair", path.name, None, Mark("s.yaml", 1, 1))
    with pytest.raises(SourceError) as raised:
        open_flair_source(source, Setting(path.parent, 17, trust=False))
    [problem] = raised.value.problems
    return f"{problem.code} {problem.message}"


@pytest.mark.parametrize("kind", [list, tuple])
def test_a_value_that_doubles_forty_times_is_refused(kind: type) -> None:
    with pytest.raises(DamagedError, match="repeats parts of itself so often"):
        rebuilt({"x": doubled(40, kind=kind)}, 1000)


def test_what_is_nested_in_stages_is_refused_as_deep() -> None:
    with pytest.raises(DamagedError, match="nested more than 64 deep"):
        rebuilt({"x": in_stages(40)}, 10_000)


def test_what_a_few_places_share_is_made_once() -> None:
    shared = ["a", ("b", 1)]
    made = rebuilt({"x": shared, "y": [shared, shared]}, 100)
    assert made == {"x": shared, "y": [shared, shared]}


def test_one_model_named_as_many_tasks_is_refused(tmp_path: Path) -> None:
    state = torch.load(DEMO, map_location="cpu", weights_only=False)
    many = tmp_path / "many.pt"
    torch.save({"__cls__": "MultitaskModel", "model_states": {f"t{number}": state for number in range(100)}}, many)
    assert "R006" in opened(many)
    assert "repeats parts of itself so often" in opened(many)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: state.update(rnn_type=doubled(12)), "recurrent layers of the unknown type a list"),
        (lambda state: state.update(rnn_type={"LSTM": 1}), "recurrent layers of the unknown type a dict"),
        (lambda state: state.update(rnn_type="\x1b[2J"), r"recurrent layers of the unknown type '\x1b[2J'"),
    ],
)
def test_a_type_of_layers_that_is_no_text_is_refused(
    tmp_path: Path, change: Callable[[dict[str, object]], None], words: str
) -> None:
    state = torch.load(DEMO, map_location="cpu", weights_only=False)
    change(state)
    odd = tmp_path / "odd.pt"
    torch.save(state, odd)
    assert words in opened(odd)


@pytest.mark.parametrize("key", ["dtype", "torch_dtype"])
@pytest.mark.parametrize("value", [["x"], {"x": 1}, doubled(12, kind=tuple), b"float32", 1.0])
def test_a_type_of_numbers_that_is_no_text_is_refused(key: str, value: object) -> None:
    sizes = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    config = dict.fromkeys((*sizes, "max_position_embeddings", "type_vocab_size"), 4)
    reason = encoder_refused_as_stored({"config_state_dict": {"model_type": "bert", **config, key: value}})
    assert reason is not None
    assert "holds numbers of the type" in reason


def test_more_layers_than_an_encoder_has_are_refused() -> None:
    reason = encoder_refused_as_stored({"layers": ",".join(["-1"] * 101)})
    assert reason is not None
    assert reason.startswith("has the layers '-1,-1")


def test_a_label_twice_is_found_at_once_in_a_long_list() -> None:
    dictionary = Dictionary(add_unk=False)
    items = [f"{number}".encode() for number in range(200_000)]
    dictionary.idx2item = [*items, items[-1]]
    dictionary.item2idx = {item: number for number, item in enumerate(items)}
    with pytest.raises(SourceError, match="holds b'199999' twice"):
        check_dictionary(SOURCE, "the dictionary of labels", dictionary, distinct=True)
