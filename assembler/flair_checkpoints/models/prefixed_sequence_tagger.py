"""`PrefixedSequenceTagger` (HunFlair2): a SequenceTagger that reads each sentence behind a prompt.

PT is flair 0.15.1's models/prefixed_tagger.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from flair.data import Sentence
from flair.models import PrefixedSequenceTagger
from flair.models.prefixed_tagger import EntityTypeTaskPromptAugmentationStrategy

from assembler.flair_checkpoints.models.sequence_tagger import SequenceTaggerReader, head_weights, predict
from assembler.flair_checkpoints.stored_dictionary import is_text
from assembler.flair_checkpoints.trust import damaged, refuse
from assembler.forms.opened import Tagged
from assembler.interface.prompts import MOST_WORDS, Prompt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flair.models import SequenceTagger

    from assembler.flair_checkpoints.stored_values import Keys
    from assembler.forms.source import Source
    from assembler.weights.heads import TaggerHeadWeights

_STRATEGY = "augmentation_strategy"


class PrefixedSequenceTaggerReader(SequenceTaggerReader):
    """Reads `PrefixedSequenceTagger` with the only strategy that flair has.

    Its own `predict` copies spans back to a sentence, and fails on labels of tokens (PT 168-174). So a tagger without
    spans is refused.
    """

    cls: ClassVar[type[SequenceTagger]] = PrefixedSequenceTagger  # type: ignore[misc] # of the class that is loaded
    names = ("PrefixedSequenceTagger",)
    keys: ClassVar[Keys] = {
        **SequenceTaggerReader.keys,
        _STRATEGY: ("a strategy of flair's", lambda value: type(value) is EntityTypeTaskPromptAugmentationStrategy),
    }

    def check_stored(self, source: Source, state: Mapping[str, Any]) -> None:
        """Refuse a tagger without a strategy, which flair cannot load."""
        if _STRATEGY not in state:
            raise damaged(source, "the tagger has no augmentation strategy, without which flair does not load it")
        super().check_stored(source, state)

    def check(self, source: Source, model: SequenceTagger) -> None:
        """Refuse a strategy other than flair's, a damaged one, and labels that flair itself cannot copy back."""
        strategy = _strategy(model)
        if type(strategy) is not EntityTypeTaskPromptAugmentationStrategy:
            what = f"the tagger puts words before sentences by a {type(strategy).__name__}"
            raise refuse(source, what, "EntityTypeTaskPromptAugmentationStrategy can be assembled")
        parts = vars(strategy)
        for name in ("entity_types", "task_prompt"):
            words = parts.get(name)
            if type(words) is not list or not 0 < len(words) <= MOST_WORDS or not all(map(_is_word, words)):
                raise damaged(source, f"the {name} of the tagger's augmentation strategy are no list of words")
        if not model.predict_spans:
            hint = "flair itself fails when it predicts with such a tagger (prefixed_tagger.py 170)"
            raise refuse(source, "the tagger has a prompt and labels without spans", hint)
        super().check(source, model)

    def prompt(self, model: SequenceTagger) -> Prompt:
        """Return what its strategy puts before sentences (PT 121-122)."""
        strategy = _strategy(model)
        return Prompt(tuple(strategy.task_prompt), tuple(strategy.entity_types))

    def head(self, model: SequenceTagger) -> TaggerHeadWeights:
        """Return the head, which knows the prompt."""
        return replace(head_weights(model), prompt=self.prompt(model))

    def predict(
        self, model: SequenceTagger, sentences: Sequence[Sequence[str]], batch_size: int, *, exact_sums: bool
    ) -> list[Tagged]:
        """Tag sentences behind the prompt, as `PrefixedSequenceTagger.predict` does (PT 274-291)."""
        given = [Sentence(list(tokens)) for tokens in sentences]
        augmented = [_strategy(model).augment_sentence(sentence, model.tag_type) for sentence in given]
        words = [[token.text for token in sentence] for sentence in augmented]
        count = len(self.prompt(model).words)
        found = predict(model, words, batch_size, exact_sums=exact_sums)
        return [Tagged(each.labels[count:], each.scores[count:]) for each in found]


def _strategy(model: SequenceTagger) -> Any:  # noqa: ANN401 - any class, until it was checked
    loaded: Any = model
    return loaded.augmentation_strategy


def _is_word(value: object) -> bool:
    return is_text(value) and bool(value)
