"""Regular expressions of known tokenisers are taken; one that could take for ever is refused before it is run."""

from __future__ import annotations

import time

import pytest

from assembler.runtime.tokenizer_bounds import unbounded_steps
from assembler.runtime.tokenizer_patterns import is_bounded

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace("{1,3}", "")
GPT4O = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CLIP = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
PLAIN = [
    " {2,}",
    r"\s+",
    r"\d",
    r"[\r\n]+",
    r"[0-9][0-9][0-9]",
    r" ?[\p{L}\p{N}]+",
    r"\p{N}{1,3}",
    "[一-龥ぁ-ゟ]+",
    "``",
    "a+b",
]
HOSTILE = [
    "(a+)+$",
    "(a|aa)+$",
    "(.*)*x",
    "a*a*b",
    "a?a?b",
    r"(a)\1",
    r"a*\1",
    r"(?=a*)b",
    "a+|b+",
    "a{2}{3}",
    r"\k<n>",
    "a" * 101,
]
TEXTS = ["a" * 10_000, " " * 10_000, "\n \r" * 3_333, ("a" * 30 + "!") * 300, "Aa1 ." * 2_000]


@pytest.mark.parametrize("pattern", [GPT2, LLAMA3, QWEN2, GPT4O, CLIP, *PLAIN])
def test_expressions_of_known_tokenisers_and_plain_ones_are_taken_and_are_quick(pattern: str) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    assert is_bounded(pattern)
    split = tokenizers.pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated")
    begun = time.process_time()
    for text in TEXTS:
        split.pre_tokenize_str(text)
    assert time.process_time() - begun < 20


@pytest.mark.parametrize("pattern", HOSTILE)
@pytest.mark.parametrize(
    ("sort", "kind", "inner"), [("normalizer", "Replace", "normalizers"), ("pre_tokenizer", "Split", "pretokenizers")]
)
def test_an_expression_whose_cost_has_no_bound_is_refused(pattern: str, sort: str, kind: str, inner: str) -> None:
    step = {"type": kind, "pattern": {"Regex": pattern}, "content": "", "behavior": "Isolated", "invert": False}
    expected = f"its {sort} has a regular expression that no known tokeniser has, and no bound: "
    for steps in (step, {"type": "Sequence", inner: [{"type": "Sequence", inner: [step]}]}):
        assert unbounded_steps({sort: steps}) == expected + ascii(pattern[:100])
    assert unbounded_steps({sort: step | {"pattern": {"String": pattern}}}) is None
