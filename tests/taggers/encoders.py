"""Small transformer encoders of every supported make, with tokenisers trained on a few words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import transformers
from flair.embeddings import TransformerWordEmbeddings
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

if TYPE_CHECKING:
    from pathlib import Path

TEXT = (
    "der Hund bellt laut . die Katze schläft nicht . George Washington went to Washington , D.C. .",
    "Donaudampfschifffahrt 1.5 2024 ja nein das dem den Hunde Katzen schlafen bellen gehen going went",
)
SIZE = {"hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 40}


def encoder(folder: Path, make: str, *, longest: int = 48, **options: object) -> TransformerWordEmbeddings:
    """Return embeddings of a random encoder of a make, saved as transformers saves it and loaded by flair."""
    torch.manual_seed(sum(map(ord, make)))
    path = folder / f"encoder-{make}"
    if not path.exists():
        tokenizer = _TOKENIZERS[make](longest)
        model = _MODELS[make](len(tokenizer), tokenizer.pad_token_id)
        for name, parameter in model.named_parameters():
            parameter.data.normal_(1.0 if "orm.weight" in name else 0.0, 0.25)
        model.save_pretrained(path)
        tokenizer.save_pretrained(path)
    embedding = TransformerWordEmbeddings(str(path), name=f"encoder-{make}", **options)
    embedding.fine_tune = False
    return embedding.eval()


def _special(tokenizer: Tokenizer, first: str, last: str) -> None:
    places = [(text, tokenizer.token_to_id(text)) for text in (first, last)]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{first} $A {last}", special_tokens=places)


def _word_pieces(cls: type, longest: int) -> transformers.PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))  # noqa: S106 - a subtoken
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(TEXT, trainers.WordPieceTrainer(vocab_size=120, special_tokens=specials))
    _special(tokenizer, "[CLS]", "[SEP]")
    return cls(tokenizer_object=tokenizer, model_max_length=longest)


def _bytes(longest: int) -> transformers.PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=True)
    return transformers.RobertaTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=longest, add_prefix_space=True
    )


def _sentence_pieces(cls: type, longest: int) -> transformers.PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer.train_from_iterator(
        TEXT,
        trainers.UnigramTrainer(vocab_size=130, special_tokens=specials, unk_token="<unk>"),  # noqa: S106
    )
    _special(tokenizer, "<s>", "</s>")
    return cls(tokenizer_object=tokenizer, model_max_length=longest)


_TOKENIZERS = {
    "bert": lambda longest: _word_pieces(transformers.BertTokenizerFast, longest),
    "electra": lambda longest: _word_pieces(transformers.ElectraTokenizerFast, longest),
    "distilbert": lambda longest: _word_pieces(transformers.DistilBertTokenizerFast, longest),
    "roberta": _bytes,
    "xlm-roberta": lambda longest: _sentence_pieces(transformers.XLMRobertaTokenizerFast, longest),
    "camembert": lambda longest: _sentence_pieces(transformers.CamembertTokenizerFast, longest),
}
_MODELS = {
    "bert": lambda words, _: transformers.BertModel(
        transformers.BertConfig(vocab_size=words, max_position_embeddings=160, **SIZE)
    ),
    "electra": lambda words, _: transformers.ElectraModel(
        transformers.ElectraConfig(
            vocab_size=words, max_position_embeddings=160, embedding_size=16, hidden_act="gelu_new", **SIZE
        )
    ),
    "distilbert": lambda words, _: transformers.DistilBertModel(
        transformers.DistilBertConfig(
            vocab_size=words, max_position_embeddings=160, dim=24, hidden_dim=40, n_layers=3, n_heads=4
        )
    ),
    "roberta": lambda words, padding: transformers.RobertaModel(
        transformers.RobertaConfig(vocab_size=words, max_position_embeddings=162, pad_token_id=padding, **SIZE)
    ),
    "xlm-roberta": lambda words, padding: transformers.XLMRobertaModel(
        transformers.XLMRobertaConfig(
            vocab_size=words, max_position_embeddings=162, pad_token_id=padding, hidden_act="relu", **SIZE
        )
    ),
    "camembert": lambda words, padding: transformers.CamembertModel(
        transformers.CamembertConfig(vocab_size=words, max_position_embeddings=162, pad_token_id=padding, **SIZE)
    ),
}
