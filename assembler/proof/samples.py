"""The sentences on which a proof runs: those of the spec, some that come with the package, and hard ones."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.core.errors import ModelError, SpecError
from assembler.core.problems import Problem
from assembler.core.regular_files import read_regular_text
from assembler.passes.profiles import PROFILES
from assembler.proof.builtin_sample import by_language, evenly, sample_sentences

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from assembler.core.errors import AssemblerError
    from assembler.core.problems import Mark
    from assembler.interface.encoder_inputs import Subtokens
    from assembler.spec.stack_spec import Spec

#: One token, one character, and text that language models have not seen.
HARD: tuple[tuple[str, ...], ...] = (
    ("a",),
    ("Donaudampfschifffahrtsgesellschaftskapitän",),
    (".", "!"),
    ("😀", "👩‍👩‍👧‍👦", "🏳️‍🌈"),  # beyond the BMP, joined by zero-width joiners
    ("e\u0301te\u0301", "Zu\u0308rich"),  # combining marks
    ("\u0130stanbul", "\u0131\u015eIK", "\u01c5"),  # lower-casing changes their length or their kind
    ("Привет", "мир", "שלום", "你好", "हिन्दी"),
    ("\u200b", "\ufeffx", "a\u00a0b", "tab\there", "new\nline"),
    ("\ud83d", "\udc00x"),  # halves of surrogate pairs
    (" ", "a", " "),
    tuple("abcdefghijklmnopqrstuvwxyz"),
    ("ab",) * 37,
    ("DIE", "1.5", "2024", "\u0661\u0662", "NATO-2", "3rd", "#", "0"),  # the ways in which words are looked up
    ("ja", "Donaudampfschifffahrt" * 12, "nein"),  # a long token; `REPEATED` says why it is not one repeated letter
)

#: No exact proof covers a character that is repeated this often. The report says so, with the reason.
_REPEATED = re.compile(r"(\S)\1{15,}")
REPEATED = (
    "left out: tokens with one character 16 times in a row or more, because there large language models amplify the "
    "last bit of float32, in flair too (README, Limits)"
)

#: Words that every tokeniser can split, at least letter by letter.
_PLAIN = ("a", "man", "went", "to", "Berlin", ",", "in", "1999", "der", "Hund", "ist", "da", ".")

#: The most sentences of a spec's file that an exact proof takes, drawn evenly from its first to its last.
MOST_SENTENCES = 64
#: How many of the sentences that come with the package an exact proof takes.
BUILT_IN = 64

#: The most words of a sentence that is long for an encoder that cuts none.
_LONG = 512
#: The words that are taken from each vocabulary.
WORDS = 24


def vocabulary_sentences(vocabularies: Iterable[Sequence[str]]) -> list[list[str]]:
    """Return a sentence of words from each vocabulary, evenly spaced from its first word to its last."""
    sentences = []
    for words in vocabularies:
        step = max(1, (len(words) - 1) // (WORDS - 1))
        picked = [*words[:-1:step][: WORDS - 1], *words[-1:]]
        sentences.append([word for word in picked if word])
    return [tokens for tokens in sentences if tokens]


def encoder_sentences(encoders: Iterable[Subtokens]) -> list[list[str]]:
    """Return two sentences for each encoder: one of its special subtokens, and one that is too long to read at once."""
    sentences = []
    for encoder in encoders:
        added = json.loads(encoder.tokenizer).get("added_tokens", [])
        special = [entry["content"] for entry in added if entry.get("special")][:WORDS]
        sentences.append(["a", *special, "b", *(f"x{text}" for text in special[:3])])
        limit = encoder.most * (5 if encoder.stride else 3) // 2  # several pieces, or more than are kept
        longest = limit or min(encoder.positions // 4, _LONG) or _LONG
        sentences.append([_PLAIN[number % len(_PLAIN)] for number in range(longest)])
    return sentences


def proof_sentences(spec: Spec) -> list[list[str]]:
    """Return the sentences on which a tagger is measured by default: those of the spec's file, and hard ones.

    Raises:
        SpecError: The file of the spec cannot be read, or holds no sentence (W014).
    """
    given = own_sentences(spec)
    return [*evenly(given, MOST_SENTENCES), *(list(tokens) for tokens in HARD)]


@dataclass(frozen=True, slots=True)
class ProofText:
    """The sentences of a proof.

    Attributes:
        sentences: Those of the spec's file, those that come with the package, and the hard ones, in this order.
        taken: How many are of the spec's file.
        given: How many the file has; 0 without a file.
        repeated: How many of the file were left out, because a token repeats one character.
    """

    sentences: list[list[str]]
    taken: int
    given: int
    repeated: int = 0


def proof_text(spec: Spec, fitting: Callable[[Sequence[Sequence[str]]], Sequence[Sequence[str]]]) -> ProofText:
    """Return the sentences of a spec's proof.

    An exact proof takes some of a long file, from its beginning to its end, and some of the sentences that come with
    the package; a lossy one measures on all of the file, and on as many of those as it needs (`measured_text`).

    Args:
        spec: The spec.
        fitting: Leaves out the sentences that the model's inputs cannot express.

    Raises:
        SpecError: The file of the spec cannot be read, or holds no sentence (W014).
    """
    given = own_sentences(spec)
    lossy = PROFILES[spec.profile].lossy
    steady = given if lossy else [tokens for tokens in given if not any(map(_REPEATED.search, tokens))]
    fit = fitting(steady)
    own = fit if lossy else evenly(fit, MOST_SENTENCES)
    whole = [tokens for group in by_language().values() for tokens in group]
    built_in = fitting(whole) if lossy else evenly(fitting(sample_sentences()), BUILT_IN)
    others = [*built_in, *fitting(HARD)]
    return ProofText([list(tokens) for tokens in (*own, *others)], len(own), len(given), len(given) - len(steady))


def own_sentences(spec: Spec) -> list[list[str]]:
    """Return the sentences of the file that a spec names for its proof."""
    location = spec.proof.sentences
    return [] if location is None else read_sentences(spec.folder / location, spec.proof.sentences_mark)


def read_sentences(path: Path, mark: Mark | None = None) -> list[list[str]]:
    """Return the sentences of a file: one a line, tokens separated by spaces; empty lines are passed over.

    Args:
        path: The file.
        mark: Where the spec names it, or `None` where a caller does.

    Raises:
        SpecError: A spec names it, and it cannot be read or holds no sentence (W014).
        ModelError: A caller names it, likewise (T003).
    """
    try:
        text = read_regular_text(path)
    except (OSError, UnicodeDecodeError) as err:
        reason = (err.strerror or str(err)) if isinstance(err, OSError) else "it is not UTF-8"
        raise _unread(path, mark, f"cannot be read: {reason}") from err
    sentences = [[token for token in line.split(" ") if token] for line in text.split("\n")]
    sentences = [tokens for tokens in sentences if tokens]
    if not sentences:
        raise _unread(path, mark, "holds no sentence", "one a line, tokens separated by spaces")
    return sentences


def _unread(path: Path, mark: Mark | None, what: str, hint: str | None = None) -> AssemblerError:
    if mark is None:
        return ModelError(Problem("T003", what, hint, str(path)))
    return SpecError(Problem.at(mark, "W014", f"proof: the file of sentences, {path}, {what}", hint))
