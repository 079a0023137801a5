"""What the proof counts and forgives: each rule by values on both sides of it. No model is needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from assembler.core.errors import ParityError
from assembler.onnx_model.emitter import Emitter
from assembler.onnx_model.fragment import INLINE_BYTES, STUB, tensor_proto
from assembler.proof.accuracy import Accuracy
from assembler.proof.budget import Count, Losses, losses_record, require_kept
from assembler.proof.interval import fewest
from assembler.proof.measured_text import OWN
from assembler.spec.reading import load_spec

GOOD = Path(__file__).parents[1] / "good" / "one-input.yaml"


def losses(changed: int, counted: int, *, largest: float = 0.1, text: str = OWN, elsewhere: int = 0) -> Losses:
    return Losses(Count(changed, counted), (text,), 0.005, largest, {"task": "t", "against": "a"}, Count(1, elsewhere))


def refusal(found: Losses) -> str:
    with pytest.raises(ParityError) as caught:
        require_kept(load_spec(GOOD), "tagger", found, ())
    return str(caught.value)


def test_what_keeps_to_its_budget_on_enough_text_passes() -> None:
    require_kept(load_spec(GOOD), "tagger", losses(5, 1000), ())
    require_kept(load_spec(GOOD), "tagger", losses(0, fewest(0.005)), ())


def test_one_tag_above_the_budget_is_refused_with_what_would_pass() -> None:
    message = refusal(losses(6, 1000))
    assert "P001 the profile 'portable' changes more tags of 'tagger' than it may: 6 of 1,000 tags differ" in message
    assert "allowed are 0.50%; the largest difference of a score is 0.1" in message
    assert "    hint: nothing was written; choose an exact profile, or allow more" in message
    assert message.endswith("or allow more with 'tags_changed' in the spec's proof: 0.0060 would pass")


def test_the_share_that_would_pass_is_rounded_up() -> None:
    assert "0.0072 would pass" in refusal(losses(5, 697))  # 0.717 %


@pytest.mark.parametrize(("changed", "hint"), [(100, "0.1000 would pass"), (101, "no spec may allow more than 10%")])
def test_no_more_than_a_spec_may_allow_is_proposed(changed: int, hint: str) -> None:
    assert hint in refusal(losses(changed, 1000))


def test_text_of_its_own_is_proposed_where_other_text_was_measured() -> None:
    hint = "; if the tagger is made for other text, name such text under 'sentences' there"
    assert refusal(losses(6, 1000, text="en")).endswith(hint)
    assert not refusal(losses(6, 1000)).endswith(hint)


def test_a_score_that_is_no_number_is_refused_although_no_tag_differs() -> None:
    assert "P001" in refusal(losses(0, 1000, largest=float("nan")))


def test_one_token_less_than_can_show_the_budget_is_refused() -> None:
    few = fewest(0.005) - 1
    message = refusal(losses(0, few))
    assert f"P009 the profile 'portable' may change 0.50% of the tags of 'tagger', and {few} tokens are too" in message
    assert f"a file of at least {few + 1} tokens under 'sentences'" in message


def test_the_record_of_a_lossy_model_has_its_figures_and_those_elsewhere() -> None:
    record = losses_record([losses(1, 1000, largest=0.12345, elsewhere=10)])
    assert record["elsewhere"] == {"tags_changed": 1, "tokens_compared": 10, "interval": [0.017876, 0.404150]}
    assert (record["tags_changed"], record["tokens_compared"], record["largest_difference"]) == (1, 1000, 0.123)
    assert record["scores_within"] == 0.01
    assert "task" not in record
    assert "elsewhere" not in losses_record([losses(1, 1000)])
    assert len(losses_record([losses(1, 1000)] * 2)["tasks"]) == 2  # type: ignore[arg-type]
    assert "on languages of which the source is less sure: 1 of 10 tags differ" in str(losses(1, 1000, elsewhere=10))


@pytest.mark.parametrize(
    ("measure", "source", "model", "text"),
    [
        (
            "accuracy",
            0.93,
            0.905,
            "accuracy on 40 gold tokens: the source's 93.00%, the model's 90.50%, a loss of 2.50%",
        ),
        ("span F1", 0.9, 0.95, "span F1 on 40 gold spans: the source's 90.00%, the model's 95.00%, a loss of 0.00%"),
    ],
)
def test_the_loss_that_is_printed_is_what_the_source_has_more(
    measure: str, source: float, model: float, text: str
) -> None:
    found = Accuracy(measure, source, model, 0.025, 40)
    assert str(found) == f"{text}; allowed are 2.50%"
    assert found.kept
    assert found.record() == {
        "gold": {"measure": measure, "source": source, "model": model, "loss_allowed": 0.025, "counted": 40}
    }


def test_a_loss_above_what_is_allowed_is_not_kept() -> None:
    assert Accuracy("accuracy", 0.93, 0.905, 0.025, 40).kept
    assert not Accuracy("accuracy", 0.93, 0.9049, 0.025, 40).kept


def test_weights_are_large_values_of_any_type_and_small_ones_that_are_real() -> None:
    emit = Emitter({}, 17)
    large = INLINE_BYTES // 4 + 1
    for name, array in {
        "rows": np.zeros((2, 3), np.float32),
        "half": np.zeros(5, np.float16),
        "axes": np.zeros(7, np.int64),
        "names": np.array(["a"] * 11, dtype=object),
        "large": np.zeros(large, np.float32),
        "ids": np.zeros(large, np.int64),
    }.items():
        emit.initializer(name, array)
    emit.output("tensor", emit.op("Identity", ["rows"], "kept"))
    assert emit.fragment().weight_count() == 6 + 5 + 2 * large


def test_a_small_initializer_is_whole_and_a_large_one_names_where_its_weights_are() -> None:
    small = tensor_proto("small", np.zeros(INLINE_BYTES // 4, np.float32))
    assert (small.name, small.external_data, len(small.raw_data)) == ("small", [], INLINE_BYTES)
    words = tensor_proto("words", np.array(["word"] * INLINE_BYTES, dtype=object))
    assert (words.name, len(words.string_data)) == ("words", INLINE_BYTES)
    large = tensor_proto("large", np.zeros((1, INLINE_BYTES), np.int16))
    assert (large.name, [*large.dims], large.data_type) == ("large", [1, INLINE_BYTES], onnx.TensorProto.INT16)
    assert large.data_location == onnx.TensorProto.EXTERNAL
    assert [(entry.key, entry.value) for entry in large.external_data] == [("location", STUB)]


def test_the_figures_of_a_lossy_model_say_what_they_were_counted_on() -> None:
    figures = losses(1, 1000, text="en").figures()
    assert figures["measured_on"] == ["en"]
    assert figures["tags_changed_allowed"] == 0.005
    rounded = Accuracy("accuracy", 2 / 3, 1 / 3, 0.5, 3).record()["gold"]
    assert rounded == {"measure": "accuracy", "source": 0.666667, "model": 0.333333, "loss_allowed": 0.5, "counted": 3}
