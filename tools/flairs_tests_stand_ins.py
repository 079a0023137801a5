"""Small models in the place of those that flair's own tests download: the same for flair and for assembled models.

They are made once, with random or briefly trained weights, and have the names of what they stand for.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import flair
import numpy as np
import torch
import transformers
from flair.data import Corpus, Dictionary, Sentence
from flair.datasets import FlairDatapointDataset
from flair.embeddings import DocumentPoolEmbeddings, WordEmbeddings
from flair.models import LanguageModel, SequenceTagger, TextClassifier
from flair.trainers import ModelTrainer
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

if TYPE_CHECKING:
    from pathlib import Path

    from flair.nn import Classifier

_SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
#: The table of words that tests ask for.
TABLE = "turian"
#: The names by which they ask for encoders.
ENCODERS = ("distilbert-base-uncased", "distilbert-base-cased")
#: How the files that tests download end, or what a hub calls them, and what stands for them.
FILES = {
    "lm-news-english-forward-1024-v0.2rc.pt": "language-model.pt",
    "flair/ner-english-fast": "ner.pt",
    "sentiment-en-mix-distillbert_4.pt": "sentiment.pt",
}
_TAGGED = (("I love Berlin", "Berlin"), ("Paris is nice .", "Paris"), ("a city in Rome", "Rome"), ("no name here", ""))
_FELT = (
    ("I love Berlin", "POSITIVE"),
    ("I hate it .", "NEGATIVE"),
    ("really nice", "POSITIVE"),
    ("so bad", "NEGATIVE"),
)


def make_stand_ins(folder: Path, checkout: Path) -> None:
    """Write the stand-ins.

    Args:
        folder: Where.
        checkout: flair's source, whose test data has the words.
    """
    folder.mkdir(parents=True)
    flair.set_seed(1)
    words = _words(checkout)
    (folder / "words.json").write_text(json.dumps(words), encoding="utf-8")
    _encoder(folder / "encoder", words)
    _language_model(folder / "language-model.pt")
    _trained(_tagger(), [_named(*each) for each in _TAGGED], folder, "ner.pt")
    _trained(_classifier(), [_felt(*each) for each in _FELT], folder, "sentiment.pt")


def fill_table(table: WordEmbeddings) -> None:
    """Give a table of words its vectors; that of unknown words is zeros, as in a table that was downloaded."""
    weight = table.embedding.weight.data
    drawn = np.random.default_rng(1).normal(0, 1, (len(weight) - 1, weight.shape[1]))
    weight[:-1] = torch.from_numpy(drawn.astype(np.float32))


def _words(checkout: Path) -> list[str]:
    found = {word for text, _ in (*_TAGGED, *_FELT) for word in text.lower().split()}
    for path in sorted((checkout / "tests" / "resources" / "tasks").rglob("*")):
        if path.suffix in {".txt", ".tsv", ".testa", ".testb", ".train"} and path.is_file():
            found.update(re.findall(r"\w+|[^\w\s]", path.read_text(encoding="utf-8", errors="ignore")[:20000].lower()))
    return sorted(found)


def _encoder(folder: Path, words: list[str]) -> None:
    tokenizer = Tokenizer(models.WordPiece(unk_token=_SPECIALS[1]))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(words, trainers.WordPieceTrainer(vocab_size=400, special_tokens=[*_SPECIALS]))
    ends = [(text, tokenizer.token_to_id(text)) for text in _SPECIALS[2:4]]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    fast = transformers.DistilBertTokenizerFast(tokenizer_object=tokenizer, model_max_length=512)  # type: ignore[no-untyped-call]
    config = transformers.DistilBertConfig(  # type: ignore[no-untyped-call]
        vocab_size=len(fast), dim=32, n_layers=2, n_heads=4, hidden_dim=48, pad_token_id=fast.pad_token_id
    )
    transformers.DistilBertModel(config).save_pretrained(folder)
    fast.save_pretrained(folder)


def _language_model(path: Path) -> None:
    dictionary = Dictionary(add_unk=True)
    for character in "\n abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,!?'0123456789":
        dictionary.add_item(character)
    model = LanguageModel(dictionary, is_forward_lm=True, hidden_size=32, nlayers=1)
    for parameter in model.parameters():
        parameter.data.normal_(0, 0.5)
    model.save(path)


def _tagger() -> SequenceTagger:
    labels = Dictionary(add_unk=False)
    labels.add_item("LOC")
    labels.span_labels = True
    return SequenceTagger(WordEmbeddings("turian"), labels, "ner", hidden_size=16, use_crf=False)


def _classifier() -> TextClassifier:
    labels = Dictionary(add_unk=False)
    for label in ("POSITIVE", "NEGATIVE"):
        labels.add_item(label)
    return TextClassifier(
        DocumentPoolEmbeddings([WordEmbeddings("turian")]), label_type="sentiment", label_dictionary=labels
    )


def _named(text: str, name: str) -> Sentence:
    sentence = Sentence(text)
    for token in sentence:
        if token.text == name:
            sentence[token.idx - 1 : token.idx].add_label("ner", "LOC")
    return sentence


def _felt(text: str, label: str) -> Sentence:
    sentence = Sentence(text)
    sentence.add_label("sentiment", label)
    return sentence


def _trained(model: Classifier[Sentence], sentences: list[Sentence], folder: Path, name: str) -> None:
    data = FlairDatapointDataset(sentences)
    corpus: Corpus[Sentence] = Corpus(data, data, data)
    ModelTrainer(model, corpus).train(
        folder / "training", learning_rate=0.3, mini_batch_size=1, max_epochs=40, save_final_model=False
    )
    torch.save(model._get_state_dict(), folder / name, pickle_protocol=4)  # noqa: SLF001 - what `save` saves
