"""Train the demo weights: two character language models and a German part-of-speech tagger, below 3 MB together.

    python tools/train_demo.py --corpora ../shared/corpora --output specs/weights/demo-pos.pt

The text is UD_German-GSD (dev part, CC BY-SA 4.0) and UD_German-PUD (CC BY-SA 3.0). The last 100 sentences of PUD are
held back from the language models and from the tagger, the 100 before them pick the epoch.
About ten minutes on two cores.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import NamedTuple

import flair
import torch
from flair.data import Corpus, Dictionary, Sentence
from flair.datasets import FlairDatapointDataset
from flair.embeddings import FlairEmbeddings, StackedEmbeddings
from flair.models import LanguageModel, SequenceTagger
from flair.trainers import ModelTrainer
from flair.trainers.language_model_trainer import LanguageModelTrainer, TextCorpus

HIDDEN = 160
CHARACTER_EMBEDDING = 48
HELD_BACK = 100


def read_conllu(path: Path) -> list[list[tuple[str, str]]]:
    """Return the sentences of a CoNLL-U file as (form, UPOS) pairs; multiword lines and empty nodes are left out."""
    sentences = []
    sentence: list[tuple[str, str]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        cells = line.split("\t")
        if len(cells) == 1 and sentence and not line.startswith("#"):
            sentences.append(sentence)
            sentence = []
        elif cells[0].isdigit():
            _, form, _, tag, *_ = cells
            sentence.append((form, tag))
    if sentence:
        sentences.append(sentence)
    return sentences


class Lines(NamedTuple):
    """Tokenised text, one sentence a line."""

    train: list[str]
    valid: list[str]
    test: list[str]


def train_language_model(lines: Lines, dictionary: Dictionary, *, forward: bool, folder: Path) -> Path:
    """Train one character language model and return the path of the best."""
    corpus_folder = folder / "text"
    (corpus_folder / "train").mkdir(parents=True, exist_ok=True)
    for name, text in (("train/1.txt", lines.train), ("valid.txt", lines.valid), ("test.txt", lines.test)):
        (corpus_folder / name).write_text("\n".join(text) + "\n", encoding="utf-8")
    corpus = TextCorpus(corpus_folder, dictionary, forward, character_level=True)
    model = LanguageModel(
        dictionary, forward, hidden_size=HIDDEN, nlayers=1, embedding_size=CHARACTER_EMBEDDING, dropout=0.05
    )
    base = folder / ("forward" if forward else "backward")
    LanguageModelTrainer(model, corpus, optimizer=torch.optim.Adam).train(
        base, sequence_length=100, learning_rate=0.004, mini_batch_size=16, max_epochs=60, patience=3, num_workers=0
    )
    return base / "best-lm.pt"


def labelled(sentences: list[list[tuple[str, str]]]) -> FlairDatapointDataset[Sentence]:
    """Return flair sentences whose tokens carry their UPOS tag as a gold label."""
    result = []
    for rows in sentences:
        sentence = Sentence([form for form, _ in rows])
        for token, (_, tag) in zip(sentence, rows, strict=True):
            token.add_label("upos", tag)
        result.append(sentence)
    return FlairDatapointDataset(result)


def main() -> None:
    """Train, save and print the accuracy on the sentences held back."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    flair.set_seed(20)

    pud = read_conllu(arguments.corpora / "de-pud.conllu")
    train = read_conllu(arguments.corpora / "de-gsd-dev.conllu") + pud[: -2 * HELD_BACK]
    dev, test = pud[-2 * HELD_BACK : -HELD_BACK], pud[-HELD_BACK:]
    lines = Lines(*([" ".join(form for form, _ in rows) for rows in part] for part in (train, dev, test)))
    characters = Dictionary(add_unk=True)
    for character in sorted(set("\n" + "".join(lines.train))):
        characters.add_item(character)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stack = StackedEmbeddings(
            [
                FlairEmbeddings(
                    str(train_language_model(lines, characters, forward=forward, folder=folder)),
                    has_decoder=False,
                    name="demo-forward" if forward else "demo-backward",
                )
                for forward in (True, False)
            ]
        )
        corpus: Corpus[Sentence] = Corpus(train=labelled(train), dev=labelled(dev), test=labelled(test), name="demo")
        tagger = SequenceTagger(
            stack,
            corpus.make_label_dictionary("upos", add_unk=False),
            "upos",
            hidden_size=64,
            use_crf=False,
            reproject_embeddings=True,
        )
        result = ModelTrainer(tagger, corpus).train(folder / "tagger", max_epochs=60, mini_batch_size=16, patience=3)
        best = SequenceTagger.load(folder / "tagger" / "best-model.pt")
        best.save(arguments.output)
    print(f"accuracy on the last {HELD_BACK} sentences of PUD: {result['test_score']:.4f}")


if __name__ == "__main__":
    main()
