"""A damaged interface is a problem that names its field, never a bare exception."""

from __future__ import annotations

import base64
import copy
import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sentencepiece import SentencePieceTrainer

from assembler.core.errors import ModelError
from assembler.interface.fill_rules import RULES
from assembler.interface.ports import Output
from assembler.runtime import Interface, Tags, encode
from assembler.runtime.fill.inputs import Unfilled
from assembler.runtime.fill.of_language_models import CharacterLengths, Characters, Indices
from assembler.runtime.fill.of_sentences import Striping, TokenLengths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from assembler.interface.fill_rules import Rule

    MakeInterface = Callable[..., dict[str, dict[str, object]]]

JUNK = [None, True, 3, -1, 2**70, 1.5, float("nan"), "x", "", [], ["x"], [[]], {}, {"x": {}}, {"x": 1}]
OPTIONAL = {("interface", "tags"), *(("dictionaries", "lm", number) for number in range(100))}


@pytest.fixture
def stacked(metadata: MakeInterface) -> dict[str, dict[str, object]]:
    """Return metadata with every kind of input."""
    entries = metadata()
    entries["interface"]["inputs"].append({"name": "striping", "fill": "striping", "parts": 2})
    entries["interface"]["outputs"].append({"name": "states", "gives": None})
    return entries


def _read(entries: dict[str, dict[str, object]]) -> Interface:
    return Interface.from_metadata(entries["interface"], entries["dictionaries"], file="m.onnx")


def _places(value: object, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in items:
        yield (*place, key)
        yield from _places(child, (*place, key))


def _parent(entries: dict, place: tuple[str | int, ...]) -> dict | list:
    for key in place[:-1]:
        entries = entries[key]
    return entries


def _codes(entries: dict[str, dict[str, object]]) -> set[str]:
    try:
        _read(entries)
    except ModelError as err:
        return {problem.code for problem in err.problems}
    return set()


def test_an_interface_is_what_the_metadata_say(stacked: dict) -> None:
    interface = _read(stacked)
    (model,) = interface.language_models
    assert interface.inputs == (
        Characters("forward", model),
        Indices("forwardIndices", model),
        CharacterLengths("characterLengths", model),
        TokenLengths("lengths"),
        Striping("striping", 2),
    )
    assert interface.outputs == (Output("scores", "scores"), Output("prediction", "prediction"), Output("states", None))
    assert interface.tags == Tags("upos", spans=False)
    assert (model.name, model.backward, model.start_marker, model.padding) == ("lm", False, "\n", 2)
    assert (interface.output("scores"), interface.output("rows")) == ("scores", None)


def test_every_missing_field_is_named(stacked: dict) -> None:
    places = [place for place in _places(stacked) if isinstance(place[-1], str) and place not in OPTIONAL]
    assert len(places) > 25
    for place in places[1:]:
        if place == ("dictionaries",):
            continue
        entries = copy.deepcopy(stacked)
        del _parent(entries, place)[place[-1]]
        with pytest.raises(ModelError, match=r"m\.onnx: M013 assembler\.") as caught:
            _read(entries)
        assert str(place[-1]) in str(caught.value)


def test_no_damage_escapes_as_another_exception(stacked: dict) -> None:
    codes: set[str] = set()
    for place in _places(stacked):
        for junk in JUNK:
            entries = copy.deepcopy(stacked)
            _parent(entries, place)[place[-1]] = junk
            codes |= _codes(entries)
    assert codes == {"M013"}


@pytest.mark.parametrize(
    ("place", "junk", "message"),
    [
        (("interface", "inputs"), {}, r"assembler\.interface\.inputs: expected a list, got \{\}"),
        (("interface", "inputs", 1), "x", r"assembler\.interface\.inputs\[1\]: expected an object, got 'x'"),
        (("interface", "inputs", 0, "name"), 3, r"inputs\[0\]\.name: expected a string, got 3"),
        (
            ("interface", "inputs", 0, "language_model"),
            "x",
            r"inputs\[0\]\.language_model: expected one of lm, got 'x'",
        ),
        (
            ("interface", "inputs", 4, "parts"),
            True,
            r"inputs\[4\]\.parts: expected an integer from 1 to 1024, got True",
        ),
        (
            ("interface", "inputs", 4, "parts"),
            10**12,
            r"inputs\[4\]\.parts: expected an integer from 1 to 1024, got 10+",
        ),
        (("interface", "inputs", 3, "name"), "forward", r"assembler\.interface\.inputs: 'forward' occurs twice"),
        (("interface", "outputs", 1, "name"), "scores", r"assembler\.interface\.outputs: 'scores' occurs twice"),
        (("interface", "outputs", 2, "gives"), "scores", r"assembler\.interface\.outputs: 'scores' occurs twice"),
        (("interface", "outputs", 2, "gives"), 1, r"outputs\[2\]\.gives: expected a string, got 1"),
        (
            ("interface", "language_models", "lm", "direction"),
            "sideways",
            r"language_models\.lm\.direction: expected one of forward, backward, got 'sideways'",
        ),
        (
            ("interface", "language_models", "lm", "lowercase"),
            1,
            r"language_models\.lm\.lowercase: expected true or false, got 1",
        ),
        (("dictionaries", "lm"), "abc", r"assembler\.dictionaries\.lm: expected a list of strings, got 'abc'"),
        (("dictionaries", "lm", 2), None, r"assembler\.dictionaries\.lm: expected a list of strings, got \["),
        (("dictionaries",), {}, r"assembler\.dictionaries\.lm: the field is missing"),
        (("interface", "tags"), [], r"assembler\.interface\.tags: expected an object, got \[\]"),
    ],
)
def test_a_damaged_field_is_named_with_what_was_expected(
    stacked: dict, place: tuple[str | int, ...], junk: object, message: str
) -> None:
    _parent(stacked, place)[place[-1]] = junk
    with pytest.raises(ModelError, match=rf"m\.onnx: M013 .*{message}"):
        _read(stacked)


RULES_WITHOUT_TOKENIZER = [rule for rule in RULES.values() if rule.subject != "tokenizer"]


@pytest.mark.parametrize("rule", RULES_WITHOUT_TOKENIZER, ids=lambda rule: rule.name)
def test_every_rule_of_the_table_can_be_read_and_filled(stacked: dict, rule: Rule) -> None:
    entry = {"name": "x", "fill": rule.name} | ({"parts": 2} if rule.counted else {})
    if rule.subject is not None:
        entry[rule.subject] = rule.name if rule.subject == "vocabulary" else "lm"
    stacked["interface"]["inputs"] = [entry]
    written = io.BytesIO()
    SentencePieceTrainer.train(sentence_iterator=iter(["a b"]), model_writer=written, vocab_size=6, minloglevel=2)
    vocabularies = {
        "words": {"rule": "word", "words": ["a"], "unknown": 1},
        "pieces": {"rule": "pieces", "zeros": True, "blank": 6, "model": base64.b64encode(written.getvalue()).decode()},
    }
    interface = Interface.from_metadata(stacked["interface"], stacked["dictionaries"], vocabularies)
    array = encode(interface, [["a", "b"], ["c"]])["x"]
    assert (array.dtype, array.ndim) == (np.dtype(rule.dtype), rule.axes)


@pytest.mark.parametrize(("rule", "wants"), [("word_ids", "'word_ids'"), (None, "something that the model does not")])
def test_an_input_that_the_runtime_cannot_fill_is_read_but_not_encoded(
    stacked: dict, rule: str | None, wants: str
) -> None:
    stacked["interface"]["inputs"][3]["fill"] = rule
    interface = _read(stacked)
    assert interface.inputs[3] == Unfilled("lengths", rule)
    with pytest.raises(ModelError, match=f"M014 input 'lengths' wants {wants}.*, which this runtime cannot fill"):
        encode(interface, [["a"]])


def test_the_problems_of_all_inputs_are_reported_together(stacked: dict) -> None:
    stacked["interface"]["inputs"][0]["fill"] = 3
    del stacked["interface"]["inputs"][2]["name"]
    with pytest.raises(ModelError, match="M013") as caught:
        _read(stacked)
    assert [problem.message for problem in caught.value.problems] == [
        "assembler.interface.inputs[0].fill: expected a string, got 3",
        "assembler.interface.inputs[2].name: the field is missing",
    ]


@pytest.mark.parametrize("tags", [None, {}])
def test_an_interface_without_tags_is_fine(stacked: dict, tags: object) -> None:
    stacked["interface"]["tags"] = tags
    assert _read(stacked).tags is None
