"""Characters get the ids of flair's dictionary, and 0 where it has none."""

from __future__ import annotations

from assembler.runtime import Alphabet


def test_a_character_gets_the_place_of_its_item() -> None:
    assert Alphabet(("<unk>", "a", "ä", "😀")).encode("ä😀a").tolist() == [2, 3, 1]


def test_an_unknown_character_gets_0_even_where_0_is_a_character() -> None:
    assert Alphabet(("x", "a")).encode("aあx\U0010ffff\0").tolist() == [1, 0, 0, 0, 0]


def test_an_item_of_several_characters_matches_nothing() -> None:
    assert Alphabet(("<unk>", "", "ab", "a")).encode("ab<").tolist() == [3, 0, 0]


def test_a_lone_surrogate_is_unknown_even_where_an_item_is_one() -> None:
    assert Alphabet(("<unk>", "\ud83d", "\ude00", "😀")).encode("\ud83d\ude00😀").tolist() == [0, 0, 3]


def test_the_later_of_two_equal_items_wins() -> None:
    assert Alphabet(("a", "b", "a")).encode("ab").tolist() == [2, 1]


def test_an_alphabet_may_be_empty_and_reach_the_last_code_point() -> None:
    assert Alphabet(()).encode("a\0").tolist() == [0, 0]
    assert Alphabet(("<unk>", "\U0010ffff", "\0")).encode("\U0010ffff\U0010fffe\0").tolist() == [1, 0, 2]


def test_nothing_is_normalised() -> None:
    assert Alphabet(("<unk>", "é", "e", "\u0301")).encode("ée\u0301").tolist() == [1, 2, 3]


def test_alphabets_of_equal_items_are_equal() -> None:
    assert Alphabet(("a", "b")) == Alphabet(("a", "b"))
    assert Alphabet(("a", "b")) != Alphabet(("b", "a"))
