"""Random flair taggers of every make, built by the spec that `init` writes and compared with flair's own `predict`."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from assembler import assemble
from assembler.initialisation import write_spec
from assembler.runtime import Tagger

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import flair
    import torch
    from flair.data import Dictionary, Sentence
    from flair.embeddings import FlairEmbeddings, StackedEmbeddings
    from flair.models import LanguageModel, SequenceTagger

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flair.embeddings import TokenEmbeddings

    from assembler.runtime import TaggedSentence

ROOT = Path(__file__).resolve().parents[2]
CHARACTERS = "\n abcdefghijklmnopqrstuvwxyzäöüß.,0123456789ABCDEFGH😀"

HARD = (
    ("der", "Hund", "bellt", "."),
    ("a",),
    ("😀", "👩‍👩‍👧"),
    ("e\u0301te\u0301", "x\u0308"),
    ("İstanbul", "DIE", "das"),
    ("tab\there", "new\nline", " ", "\u00a0"),
    ("Привет", "你好", "1.5", "2024", "\u0661\u0662"),
    ("x" * 5000, "nein"),
    ("Wort",) * 45,
    ("ja", "nein", "ja", "nein", "der", "die", "das"),
)


@dataclass(frozen=True)
class Bench:
    """Makes taggers and compares what was assembled from them."""

    folder: Path

    def language_model(self, *, forward: bool = True, hidden: int = 7) -> LanguageModel:
        dictionary = Dictionary(add_unk=True)
        for character in CHARACTERS:
            dictionary.add_item(character)
        model = LanguageModel(dictionary, forward, hidden, 1, embedding_size=5, has_decoder=False)
        for parameter in model.parameters():
            parameter.data.normal_(0, 0.8)
        return model.eval()

    def tagger(
        self,
        *embeddings: TokenEmbeddings,
        labels: Sequence[str] = ("PER", "LOC"),
        spans: bool = True,
        crf: bool = True,
        tag_format: str = "BIOES",
    ) -> SequenceTagger:
        dictionary = Dictionary(add_unk=False)
        for label in labels:
            dictionary.add_item(label)
        dictionary.span_labels = spans
        parts = list(embeddings) or [
            FlairEmbeddings(self.language_model(), name="forward"),
            FlairEmbeddings(self.language_model(forward=False), name="backward"),
        ]
        tagger = SequenceTagger(
            StackedEmbeddings(parts), dictionary, "ner", hidden_size=6, use_crf=crf, tag_format=tag_format
        )
        # wide embeddings have smaller weights after them, as trained ones have, because large ones amplify the last bit
        spread = 0.7 / max(1.0, (tagger.embeddings.embedding_length / 24) ** 0.5) ** 1.5
        for name, parameter in tagger.named_parameters():
            if not name.startswith("embeddings"):
                parameter.data.normal_(0, spread)
        return tagger.eval()

    def assembled(self, tagger: SequenceTagger, name: str = "tagger") -> tuple[SequenceTagger, Tagger]:
        """Return the tagger as flair loads it again, and what was assembled from its checkpoint."""
        checkpoint = self.folder / f"{name}.pt"
        tagger.save(checkpoint)
        spec = self.folder / f"{name}.yaml"
        spec.write_text(write_spec(str(checkpoint), self.folder), encoding="utf-8")
        result = assemble(spec, self.folder / f"{name}.onnx")
        return SequenceTagger.load(checkpoint), Tagger(result.path)


def english_sentences() -> list[tuple[str, ...]]:
    """Return the tokens of all sentences of en-ewt-dev; skip the test where the corpus is not at hand."""
    return _corpus("en-ewt-dev.iob2")


def german_sentences() -> list[tuple[str, ...]]:
    """Return the tokens of all sentences of de-gsd-dev, parts of contracted words as they are; skip likewise."""
    return _corpus("de-gsd-dev.conllu")


@cache
def _corpus(name: str) -> list[tuple[str, ...]]:
    corpus = ROOT.parent / "shared" / "corpora" / name
    if not corpus.is_file():
        pytest.skip(f"{corpus} is not here: real text stands beside the repository, not in it")
    blocks = corpus.read_text(encoding="utf-8").strip().split("\n\n")
    rows = [[line.split("\t") for line in block.splitlines() if not line.startswith("#")] for block in blocks]
    return [tuple(cells[1] for cells in block if cells[0].isdecimal()) for block in rows]


def flair_results(
    tagger: SequenceTagger, sentences: Sequence[Sequence[str]]
) -> list[tuple[list[tuple[str, float]], list[tuple[int, int, str, float]]]]:
    """Return labels with scores, and spans, from flair's own `predict`; `O` has no score there and is given 0."""
    results = []
    tokens = [Sentence(list(words)) for words in sentences]
    spans = [Sentence(list(words)) for words in sentences]
    tagger.predict(tokens, force_token_predictions=True, label_name="tag")
    tagger.predict(spans, label_name="tag")
    for by_token, by_span in zip(tokens, spans, strict=True):
        labels = [token.get_label("tag", zero_tag_value="O") for token in by_token]
        found = [
            (span[0].idx - 1, span[-1].idx, span.get_label("tag").value, span.get_label("tag").score)
            for span in by_span.get_spans("tag")
        ]
        results.append(([(label.value, label.score) for label in labels], found))
    return results


def compare(
    tagger: SequenceTagger,
    model: Tagger,
    sentences: Sequence[Sequence[str]],
    *,
    spans: bool = True,
    batch_sizes: Sequence[int] = (1, 3, 32),
) -> None:
    """Assert that the model gives flair's labels, scores within 1e-5, and spans."""
    expected = flair_results(tagger, sentences)
    for batch_size in batch_sizes:
        found: list[TaggedSentence] = model.tag([list(words) for words in sentences], batch_size=batch_size)
        for words, (labels, span_list), result in zip(sentences, expected, found, strict=True):
            ours = ["O" if label == "_" else label for label in result.labels]  # flair labels a token with neither
            assert [label for label, _ in labels] == ours, (batch_size, words)
            for (label, score), ours in zip(labels, result.scores, strict=True):
                if label not in {"O", "_"}:
                    assert abs(score - ours) <= 1e-5, (batch_size, words, label)
            if spans:
                assert [entry[:3] for entry in span_list] == [(s.start, s.end, s.label) for s in result.spans]
                for entry, ours in zip(span_list, result.spans, strict=True):
                    assert abs(entry[3] - ours.score) <= 1e-5


@pytest.fixture(autouse=True)
def _quiet_flair() -> Iterator[None]:
    """Keep flair on the CPU, and its log and warnings to itself."""
    device, level = flair.device, flair.logger.level
    flair.device = torch.device("cpu")
    flair.logger.setLevel("ERROR")
    torch.manual_seed(11)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="(torch|flair|transformers)")
        yield
    flair.device = device
    flair.logger.setLevel(level)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)
