"""flair joins embeddings by name, so "10-…" comes before "2-…": a spec must do the same."""

from __future__ import annotations

from assembler.core.problems import Problem
from assembler.forms.opened import Joined
from assembler.spec.reading import parse_spec
from assembler.wiring.concat_order import order_problems
from assembler.wiring.graph import Wiring, wire


def stack(joined: list[str], count: int, more: str = "") -> Wiring:
    """Wire a tagger of `count` language models, of which the rows named are joined."""
    lines = ["version: 1", "name: a", "sources: {tagger: {flair: a.pt}}", "inputs:"]
    lines += ["  ids: {type: int64, shape: [characters, sentences]}", "  at: {type: int64, shape: [total_tokens]}"]
    lines += ["  lengths: {type: int64, shape: [sentences]}", "graph:"]
    for index in range(count):
        lines.append(f"  lm{index}: {{kind: char_lm, weights: tagger.embeddings.{index}, ")
        lines.append("    inputs: {characters: ids, lengths: lengths}}")
        lines.append(f"  e{index}: {{kind: gather, inputs: {{states: lm{index}.states, indices: at}}}}")
    lines += more.splitlines()
    lines.append(f"  words: {{kind: concat, inputs: [{', '.join(joined)}]}}")
    lines.append(
        "  head: {kind: tagger_head, weights: tagger.head, inputs: {embeddings: words.rows, lengths: lengths}}"
    )
    lines.append("outputs:\n  tags: head.prediction")
    lines += [f"  states{index}: lm{index}.states" for index in range(count)]
    lines += [f"  rows{index}: e{index}.rows" for index in range(count)]
    return wire(parse_spec("\n".join(lines), "a.yaml"))


def orders(order: list[int]) -> dict[str, Joined]:
    paths = tuple(f"tagger.embeddings.{place}" for place in order)
    return {"tagger": Joined(paths, "flair sorts them by name")}


def rows(*indices: int) -> list[str]:
    return [f"e{index}.rows" for index in indices]


BY_NAME = [0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9]


def test_twelve_embeddings_sort_by_name_and_not_by_number() -> None:
    assert sorted(range(12), key=lambda index: f"{index}-") == BY_NAME
    wiring = stack(rows(*range(12)), 12)
    (problem,) = order_problems(wiring, orders(BY_NAME))
    mark = wiring.feeding("words", "inputs")[0].reference.mark
    right = ", ".join(rows(*BY_NAME))
    message = "words: the tagger 'tagger' joins its embeddings in another order"
    assert problem == Problem.at(mark, "W015", message, f"flair sorts them by name; write inputs: [{right}]")
    assert order_problems(stack(rows(*BY_NAME), 12), orders(BY_NAME)) == []


def test_two_embeddings_the_wrong_way_round_are_told() -> None:
    (problem,) = order_problems(stack(rows(0, 1), 2), orders([1, 0]))
    assert problem.hint == "flair sorts them by name; write inputs: [e1.rows, e0.rows]"
    assert order_problems(stack(rows(1, 0), 2), orders([1, 0])) == []


def test_an_embedding_that_is_left_out_is_named() -> None:
    (problem,) = order_problems(stack(rows(0, 2), 3), orders([0, 1, 2]))
    assert (problem.code, problem.message) == ("W015", "words: the tagger 'tagger' also reads tagger.embeddings.1")
    assert problem.hint == "give each embedding of the tagger a part, and join them all"


def test_a_layout_of_the_authors_own_is_left_to_the_proof() -> None:
    joined = "  pair: {kind: concat, inputs: [e1.rows, e0.rows]}"
    assert order_problems(stack(["pair.rows", "e2.rows"], 3, joined), orders([0, 1, 2])) == []
    assert order_problems(stack(rows(0, 0), 2), orders([0, 1])) == []


def test_a_source_whose_order_is_not_known_is_not_compared() -> None:
    assert order_problems(stack(rows(1, 0), 2), {}) == []


def test_all_embeddings_that_are_left_out_are_named_in_the_models_own_order() -> None:
    (problem,) = order_problems(stack(rows(1), 4), orders([3, 1, 0, 2]))
    left_out = "tagger.embeddings.3, tagger.embeddings.0, tagger.embeddings.2"
    assert problem.message == f"words: the tagger 'tagger' also reads {left_out}"


def test_an_equal_embedding_of_another_model_may_stand_for_ones_own() -> None:
    paths = ("other.embeddings.7", "tagger.embeddings.1")
    order = {"tagger": Joined(paths, "flair sorts them by name")}
    same = {"other.embeddings.7": "other.embeddings.7", "tagger.embeddings.0": "other.embeddings.7"}
    assert order_problems(stack(rows(0, 1), 2), order, same) == []
    (problem,) = order_problems(stack(rows(1, 0), 2), order, same)
    assert problem.hint == "flair sorts them by name; write inputs: [e0.rows, e1.rows]"
