"""The text on which a lossy model is measured: the spec's own, and the fitting languages of the built-in sample.

A tagger is unsure about text for which it was not made, and rounding changes most where it is unsure: in flair's
`pos-english-fast` int8 changes 0.2 % of the tags of English text, and ten times as many of German. The budget is about
the tagger's own kind of text. The spec's sentences say what that is. If they are too few, the languages decide whose
characters the model has and about which its source is surest. Others are counted separately.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.passes.profiles import PROFILES
from assembler.proof.builtin_sample import by_language, evenly
from assembler.proof.interval import fewest
from assembler.proof.samples import own_sentences
from assembler.proof.task_results import source_results
from assembler.weights.language_models import CharLmWeights
from assembler.weights.tables import TableWeights

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from assembler.description.source_tasks import SourceTask
    from assembler.sources.opening import OpenSources
    from assembler.spec.stack_spec import Spec

#: The name of the spec's own sentences in a list of languages.
OWN = "the spec's sentences"
#: With so many tokens in the spec's sentences no language is added, and with so many in all no further one.
_OWN_ENOUGH, _ENOUGH = 1000, 2500
#: How many sentences of each language show how sure the source is.
_TRIED = 5
#: How much smaller the share of known characters of a language may be than that of the best-known one.
_UNKNOWN = 0.05
#: A language of which the source is sure enough has at most so many times the doubt of the surest one.
_SURE = 1.5


@dataclass(frozen=True, slots=True)
class MeasuredText:
    """The text on which a lossy model of one task is measured.

    Attributes:
        judged: The places of the sentences to which the budget applies, by their names.
        elsewhere: The places of sentences of other languages.
    """

    judged: Mapping[str, tuple[int, ...]]
    elsewhere: tuple[int, ...]


def allowed_share(spec: Spec) -> float | None:
    """Return the share of tags that may change, or `None` for an exact profile."""
    default = PROFILES[spec.profile].tags_changed
    return default if default is None or spec.proof.tags_changed is None else spec.proof.tags_changed


def measured_text(
    spec: Spec, tasks: Sequence[SourceTask], sentences: Sequence[Sequence[str]], sources: OpenSources
) -> tuple[list[Sequence[str]], tuple[MeasuredText, ...]]:
    """Return the sentences of a lossy model's proof, and for each task those on which it is measured.

    Args:
        spec: The spec, with a lossy profile.
        tasks: The tasks with a loaded model.
        sentences: All that model and source can read, those of the built-in sample included.
        sources: The sources.
    """
    groups, rest = _groups(spec, sentences)
    own = groups.pop(OWN, [])
    tried = {name: list(evenly(group, _TRIED)) for name, group in groups.items()}
    known = _known_characters(sources)
    chosen = [_chosen(spec, task, own, groups, _in_order(task, tried, known)) for task in tasks]
    kept: dict[tuple[str, ...], int] = {}
    whole = [*(tokens for names in chosen for name in names for tokens in groups[name])]
    for tokens in (*own, *whole, *(each for group in tried.values() for each in group), *rest):
        kept.setdefault(tuple(tokens), len(kept))
    texts = []
    for names in chosen:
        judged = {OWN: own, **{name: groups[name] for name in names}}
        others = [tokens for name, group in tried.items() if name not in names for tokens in group]
        places = {name: tuple(dict.fromkeys(kept[tuple(each)] for each in group)) for name, group in judged.items()}
        own_places = {place for group in places.values() for place in group}
        elsewhere = (kept[tuple(tokens)] for tokens in others)
        texts.append(
            MeasuredText(
                {name: group for name, group in places.items() if group},
                tuple(place for place in elsewhere if place not in own_places),
            )
        )
    return [*kept], tuple(texts)


def _groups(
    spec: Spec, sentences: Sequence[Sequence[str]]
) -> tuple[dict[str, list[Sequence[str]]], list[Sequence[str]]]:
    """Return the sentences of the spec and of each language of the sample, and those that are no text."""
    given = own_sentences(spec)
    own = {tuple(tokens) for tokens in given}
    languages = {tokens: language for language, group in by_language().items() for tokens in group}
    groups: dict[str, list[Sequence[str]]] = {}
    rest = []
    for tokens in sentences:
        name = OWN if tuple(tokens) in own else languages.get(tuple(tokens))
        if name is None:
            rest.append(tokens)
        else:
            groups.setdefault(name, []).append(tokens)
    return groups, rest


def _known_characters(sources: OpenSources) -> frozenset[str] | None:
    """Return the characters that the model distinguishes, or `None` if it has no list of them."""
    found: set[str] = set()
    for weights in sources.weights.values():
        if isinstance(weights, CharLmWeights):
            found.update(weights.characters.dictionary)
        elif isinstance(weights, TableWeights):
            found.update(letter for word in weights.words.words for letter in word)
    return frozenset(found) if found else None


def _in_order(
    task: SourceTask, tried: Mapping[str, Sequence[Sequence[str]]], known: frozenset[str] | None
) -> list[tuple[str, float]]:
    """Return the languages whose characters are known, with the source's doubt, the surest first."""
    shares = {name: _share_known(group, known) for name, group in tried.items()}
    best = max(shares.values(), default=0.0)
    names = [name for name, share in shares.items() if share >= best - _UNKNOWN]
    doubts = {name: _doubt(task, tried[name]) for name in names}
    return sorted(doubts.items(), key=lambda entry: entry[1])


def _share_known(sentences: Sequence[Sequence[str]], known: frozenset[str] | None) -> float:
    letters = [letter for tokens in sentences for token in tokens for letter in token]
    return 1.0 if known is None or not letters else sum(letter in known for letter in letters) / len(letters)


def _doubt(task: SourceTask, sentences: Sequence[Sequence[str]]) -> float:
    """Return how far the source's scores are from sure, on average."""
    if task.model is None:
        raise TypeError(task.name)
    by_sentence = task.task.by_sentence
    examples = task.head.texts.made_of(sentences)
    scores = [each for found in source_results(task.model, task.head, examples) for each in found.scores]
    if by_sentence:  # for a class, a score of 0 is as sure as 1
        scores = [max(score, 1 - score) for score in scores]
    return 1 - math.fsum(scores) / len(scores) if scores else 1.0


def _chosen(
    spec: Spec,
    task: SourceTask,
    own: Sequence[Sequence[str]],
    groups: Mapping[str, Sequence[Sequence[str]]],
    order: Sequence[tuple[str, float]],
) -> list[str]:
    """Return the languages that are measured besides the spec's own sentences, if these are few.

    They are those of which the source is about as sure as of the first, up to some thousand tokens. Further ones are
    added only if the budget could not be shown otherwise.
    """
    needed, counted = fewest(allowed_share(spec) or 0.0), _counted(task, own)
    if counted >= max(needed, _OWN_ENOUGH):
        return []
    least, names = order[0][1] if order else 0.0, []
    for name, doubt in order:
        if counted >= (max(needed, _ENOUGH) if doubt <= _SURE * least else needed):
            break
        names.append(name)
        counted += _counted(task, groups[name])
    return names


def _counted(task: SourceTask, sentences: Sequence[Sequence[str]]) -> int:
    """Return how many labels are compared."""
    if task.task.by_sentence:
        return len(sentences) * len(task.head.labels)
    return sum(1 for tokens in sentences for token in tokens if token)


def alone_and_together(places: Sequence[int], is_long: Sequence[bool]) -> Iterator[tuple[int, list[int]]]:
    """Yield the batch sizes in which sentences are tagged, each with its places: each fourth sentence is tagged alone.

    One sentence runs through other operators than many do (`passes.single_lane`). Long ones are also alone, because a
    batch is padded to its longest sentence.
    """
    alone = [place for number, place in enumerate(places) if number % 4 == 3 or is_long[place]]  # noqa: PLR2004
    taken = {*alone}
    yield 32, [place for place in places if place not in taken]
    yield 1, alone
