"""Names of parts, ports, inputs and loops, and what to do when one is not there."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from assembler.core.errors import SpecError
from assembler.core.problems import Problem, in_order, nearest, suggest
from assembler.spec.reading import parse_spec
from assembler.wiring.graph import wire

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

HEAD = "version: 1\nname: a\ninputs:\n  x: {type: float32, shape: [rows]}\n"


def problems(graph: list[str], outputs: str, head: str = HEAD) -> tuple[Problem, ...]:
    text = f"{head}graph:\n" + "".join(f"  {line}\n" for line in graph) + f"outputs: {{{outputs}}}\n"
    with pytest.raises(SpecError) as caught:
        wire(parse_spec(text, "a.yaml"))
    return caught.value.problems


def soft(name: str, feed: str) -> str:
    return f"{name}: {{kind: softmax, inputs: {{tensor: {feed}}}}}"


def add(name: str, left: str, right: str) -> str:
    return f"{name}: {{kind: arithmetic, operator: add, inputs: {{left: {left}, right: {right}}}}}"


def test_a_loop_is_named_from_its_first_part_on_and_stands_at_the_edge_that_closes_it() -> None:
    found = problems([soft("c", "a.tensor"), add("a", "x", "b.tensor"), soft("b", "c.tensor")], "y: b.tensor")
    assert [(p.code, p.message, p.line) for p in found] == [("W005", "a loop: c → b → a → c", 6)]
    assert found[0].hint == "'c' needs the output of 'a', which needs 'c' first: cut one of these edges"


def test_two_loops_that_do_not_touch_are_both_named() -> None:
    graph = [add("a", "x", "b.tensor"), soft("b", "a.tensor"), add("c", "b.tensor", "d.tensor"), soft("d", "c.tensor")]
    found = problems(graph, "y: d.tensor")
    assert [p.message for p in found] == ["a loop: a → b → a", "a loop: c → d → c"]
    assert found[0].hint == "'a' needs the output of 'b', which needs 'a' first: cut one of these edges"


def test_a_part_that_feeds_itself_is_a_loop() -> None:
    (found,) = problems([add("a", "x", "a.tensor")], "y: a.tensor")
    assert (found.message, found.hint) == ("a loop: a → a", "a part cannot feed itself")


def test_parts_that_wait_for_a_loop_are_not_named_in_it() -> None:
    graph = [
        soft("before", "x"),
        add("a", "before.tensor", "b.tensor"),
        soft("b", "a.tensor"),
        soft("after", "b.tensor"),
    ]
    (found,) = problems(graph, "y: after.tensor")
    assert found.message == "a loop: a → b → a"


def test_of_several_loops_through_one_part_the_same_is_named_in_every_run() -> None:
    graph = [add("a", "bb.tensor", "cc.tensor"), soft("bb", "a.tensor"), soft("cc", "a.tensor")]
    graph += [add(f"o{index}", "a.tensor", "x") for index in range(8)]
    outputs = ", ".join(f"p{index}: o{index}.tensor" for index in range(8))
    text = f"{HEAD}graph:\n" + "".join(f"  {line}\n" for line in graph) + f"outputs: {{{outputs}}}\n"
    program = (
        "import sys; from assembler.spec.reading import parse_spec; from assembler.wiring.graph import wire\n"
        "try: wire(parse_spec(sys.stdin.read(), 'a.yaml'))\n"
        "except Exception as err: print(err)\n"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", program],
            input=text,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in "1234"
    }
    assert len(told) == 1
    assert "W005 a loop: a → bb → a" in told.pop()


def test_a_typo_is_told_once_and_not_also_as_an_unused_part() -> None:
    graph = [soft("first", "x"), soft("second", "frist.tensor")]
    (found,) = problems(graph, "y: second.tensor")
    assert (found.code, found.message) == ("W001", "second.tensor: there is no part or input 'frist'")
    assert found.hint == "did you mean 'first'?"


def test_an_unknown_port_is_told_with_the_nearest_one_and_its_part_is_not_also_unfed() -> None:
    head = HEAD + "  at: {type: int64, shape: [n]}\n"
    (found,) = problems(["a: {kind: gather, inputs: {state: x, indices: at}}"], "y: a.rows", head)
    assert (found.code, found.message) == ("W002", "a: kind 'gather' has no input port 'state'")
    assert found.hint == "did you mean 'states'?"
    (found,) = problems(["a: {kind: gather, inputs: {states: x, indices: at}}"], "y: a.row", head)
    assert (found.code, found.message) == ("W009", "the output 'y': kind 'gather' has no output port 'row'")
    assert found.hint == "did you mean 'rows'?"


def test_an_unknown_port_that_is_near_no_other_lists_all() -> None:
    found = problems([soft("a", "x"), "b: {kind: softmax, inputs: {zzz: a.tensor}}"], "y: b.tensor")
    assert [(p.code, p.hint) for p in found] == [
        ("W008", "write under inputs: tensor: …"),
        ("W002", "its input ports: tensor"),
    ]


def test_a_bare_list_feeds_the_only_port_even_if_it_is_not_variadic() -> None:
    text = f"{HEAD}graph:\n  a: {{kind: softmax, inputs: [x]}}\noutputs: {{y: a.tensor}}\n"
    (edge,) = wire(parse_spec(text, "a.yaml")).edges["a"]
    assert (edge.port, edge.index, str(edge)) == ("tensor", 0, "x → a.tensor")
    (found,) = problems(["a: {kind: softmax, inputs: [x, x]}"], "y: a.tensor")
    assert found.message == "a: the port 'tensor' takes one tensor, not a list of 2"


def test_parts_on_a_dead_branch_are_all_told_but_not_the_input_they_share() -> None:
    found = problems([soft("a", "x"), soft("b", "x"), soft("c", "b.tensor")], "y: a.tensor")
    assert [(p.code, p.line) for p in found] == [("W006", 7), ("W006", 8)]


@pytest.mark.parametrize(
    ("name", "expected"), [("forwrd", "forward"), ("FORWARD", "forward"), ("zzz", None), ("forward", "forward")]
)
def test_the_nearest_name_is_found_or_none_is(name: str, expected: str | None) -> None:
    assert nearest(name, ["backward", "forward"]) == expected


def test_a_hint_gives_the_nearest_name_or_all_of_them_sorted() -> None:
    assert suggest("forwrd", ["forward", "other"]) == "did you mean 'forward'?"
    assert suggest("zzz", ["b", "a"], what="ports") == "ports: a, b"
    assert suggest("zzz", [], what="ports") == "there are no ports here"


def test_problems_are_told_by_place_each_once() -> None:
    late, early = Problem("W001", "b", file="a", line=9, column=1), Problem("W002", "a", file="a", line=2, column=7)
    assert in_order([late, early, late]) == (early, late)


class Fixed:
    """Weights of which only the sizes are known."""

    def __init__(self, **sizes: int) -> None:
        self._sizes = sizes

    def facts(self) -> Mapping[str, int]:
        return self._sizes

    def run(self, inputs: Mapping[str, NDArray[np.generic]]) -> None:
        raise NotImplementedError(inputs)


def test_sizes_that_the_weights_fix_are_compared_when_they_are_known() -> None:
    text = (
        "version: 1\nname: a\nsources: {t: {flair: a.pt}}\ninputs:\n  ids: {type: int64, shape: [c, s]}\n"
        "  at: {type: int64, shape: [n]}\n  lengths: {type: int64, shape: [s]}\ngraph:\n"
        "  lm: {kind: char_lm, weights: t.embeddings.0, inputs: {characters: ids, lengths: lengths}}\n"
        "  words: {kind: gather, inputs: {states: lm.states, indices: at}}\n"
        "  head: {kind: tagger_head, weights: t.head, inputs: {embeddings: words.rows, lengths: lengths}}\n"
        "outputs: {y: head.emissions}\n"
    )
    spec = parse_spec(text, "a.yaml")
    assert str(wire(spec).tensors["words.rows"]) == "float32[n, ?]"
    known = wire(spec, {"lm": Fixed(hidden_size=8), "head": Fixed(embedding_size=8, label_count=3)})
    assert str(known.tensors["head.emissions"]) == "float32[s, tokens, 3]"
    with pytest.raises(SpecError, match=r"W004 words\.rows → head\.embeddings: .* axis 1 is 8 here and 9"):
        wire(spec, {"lm": Fixed(hidden_size=8), "head": Fixed(embedding_size=9)})
