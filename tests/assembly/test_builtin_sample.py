from collections import Counter

from assembler.proof.builtin_sample import LANGUAGES, drawn_sentences, evenly, sample_sentences


def test_the_sample_has_some_thousand_tokens_of_many_languages_and_lengths() -> None:
    sentences = sample_sentences()
    tokens = [token for sentence in sentences for token in sentence]
    assert len(LANGUAGES) >= 12
    assert 3_000 <= len(tokens) <= 4_500
    assert len(set(tokens)) > 1_500
    assert min(map(len, sentences)) == 1
    assert max(map(len, sentences)) >= 40


def test_the_sample_is_tokenised_and_says_nothing_twice() -> None:
    sentences = sample_sentences()
    assert all(token and not any(letter.isspace() for letter in token) for tokens in sentences for token in tokens)
    assert [tokens for tokens, count in Counter(sentences).items() if count > 1] == []
    assert all(sum(map(len, tokens)) < 300 for tokens in sentences)


def test_a_draw_takes_sentences_of_each_language_from_beginning_to_end() -> None:
    whole, drawn = sample_sentences(), drawn_sentences(80)
    assert len(drawn) == len(set(drawn)) == 80
    assert (drawn[0], drawn[-1]) == (whole[0], whole[-1])
    assert drawn == drawn_sentences(80)
    assert drawn_sentences(10_000) == whole


def test_items_are_drawn_evenly() -> None:
    assert list(evenly(range(11), 3)) == [0, 5, 10]
    assert list(evenly(range(3), 5)) == [0, 1, 2]
    assert list(evenly(range(3), 1)) == [0]
    assert list(evenly(range(3), 0)) == []
