"""Small transformer encoders of the architectures that torch exports, with tokenisers of their real kinds."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, NamedTuple

import sentencepiece
import torch
import transformers
from flair.embeddings import TransformerDocumentEmbeddings, TransformerWordEmbeddings
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import CONFIG_MAPPING, AutoModel, T5EncoderModel

from .encoders import TEXT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

WORDS, WIDTH = 320, 24
_BERT = {
    "hidden_size": WIDTH, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 40,
    "max_position_embeddings": 160,
}  # fmt: skip
_GPT = {"n_embd": WIDTH, "n_layer": 2, "n_head": 4, "n_positions": 160}
_XLM = {"use_lang_emb": False, "emb_dim": WIDTH, "n_layers": 2, "n_heads": 4, "max_position_embeddings": 160}
_T5 = {"d_model": WIDTH, "d_kv": 6, "d_ff": 40, "num_layers": 2, "num_heads": 4}
_LLAMA = {**_BERT, "num_hidden_layers": 2, "num_key_value_heads": 2, "head_dim": 6}
_BART = {
    "d_model": WIDTH, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4,
    "decoder_attention_heads": 4, "encoder_ffn_dim": 40, "decoder_ffn_dim": 40, "max_position_embeddings": 160,
}  # fmt: skip
_DEBERTA = {
    **_BERT, "relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_biased_input": False,
}  # fmt: skip


class Make(NamedTuple):
    """How an encoder of an architecture is made.

    Attributes:
        tokenizer: One of `TOKENIZERS`.
        cls: The class of its tokeniser.
        settings: Its configuration.
    """

    tokenizer: str
    cls: str
    settings: Mapping[str, Any]


MAKES: Mapping[str, Make] = {
    "albert": Make("unigram", "AlbertTokenizerFast", {**_BERT, "embedding_size": 16}),
    "bart": Make("bytes", "BartTokenizerFast", _BART),
    "big_bird": Make("unigram", "BigBirdTokenizerFast", {**_BERT, "block_size": 16, "num_random_blocks": 3}),
    "bloom": Make("bytes", "BloomTokenizerFast", {"hidden_size": WIDTH, "n_layer": 2, "n_head": 4}),
    "canine": Make("characters", "CanineTokenizer", {**_BERT, "num_hash_buckets": 64, "downsampling_rate": 4}),
    "codegen": Make("bytes", "CodeGenTokenizerFast", {**_GPT, "rotary_dim": 4}),
    "convbert": Make("pieces", "ConvBertTokenizerFast", {**_BERT, "embedding_size": 16, "conv_kernel_size": 3}),
    "data2vec-text": Make("bytes", "RobertaTokenizerFast", _BERT),
    "deberta": Make("bytes", "DebertaTokenizerFast", {**_DEBERTA, "max_relative_positions": 16}),
    "deberta-v2": Make(
        "unigram",
        "DebertaV2TokenizerFast",
        {**_DEBERTA, "position_buckets": 8, "norm_rel_ebd": "layer_norm", "share_att_key": True,
         "conv_kernel_size": 3, "conv_act": "gelu"},
    ),
    "ernie": Make("pieces", "BertTokenizerFast", _BERT),
    "esm": Make("pieces", "PreTrainedTokenizerFast", {**_BERT, "position_embedding_type": "rotary"}),
    "falcon": Make(
        "bytes", "PreTrainedTokenizerFast", {"hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 4}
    ),
    "flaubert": Make("ends", "PreTrainedTokenizerFast", _XLM),
    "fnet": Make("unigram", "FNetTokenizerFast", _BERT),
    "funnel": Make(
        "pieces", "FunnelTokenizerFast",
        {"d_model": WIDTH, "n_head": 4, "d_head": 6, "d_inner": 40, "block_sizes": [1, 1]},
    ),
    "gemma": Make("merges", "GemmaTokenizerFast", _LLAMA),
    "gemma2": Make("merges", "GemmaTokenizerFast", {**_LLAMA, "sliding_window": 8}),
    "gpt2": Make("bytes", "GPT2TokenizerFast", _GPT),
    "gpt_neo": Make(
        "bytes", "GPT2TokenizerFast",
        {"hidden_size": WIDTH, "num_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]],
         "max_position_embeddings": 160, "window_size": 8, "intermediate_size": 40},
    ),
    "gpt_neox": Make("bytes", "GPTNeoXTokenizerFast", _BERT),
    "gptj": Make("bytes", "GPT2TokenizerFast", {**_GPT, "rotary_dim": 4}),
    "ibert": Make("bytes", "RobertaTokenizerFast", _BERT),
    "led": Make(
        "bytes", "LEDTokenizerFast",
        {**_BART, "attention_window": 8, "max_encoder_position_embeddings": 160,
         "max_decoder_position_embeddings": 160},
    ),
    "llama": Make("bytes", "PreTrainedTokenizerFast", _LLAMA),
    "longformer": Make("bytes", "LongformerTokenizerFast", {**_BERT, "attention_window": 8}),
    "luke": Make("bytes", "RobertaTokenizerFast", {**_BERT, "entity_vocab_size": 10, "entity_emb_size": 8}),
    "megatron-bert": Make("pieces", "BertTokenizerFast", _BERT),
    "mistral": Make("bytes", "PreTrainedTokenizerFast", {**_LLAMA, "sliding_window": 8}),
    "mobilebert": Make(
        "pieces", "MobileBertTokenizerFast",
        {**_BERT, "embedding_size": 16, "true_hidden_size": 16, "intra_bottleneck_size": 16},
    ),
    "modernbert": Make(
        "bytes", "PreTrainedTokenizerFast", {**_BERT, "local_attention": 8, "global_attn_every_n_layers": 2}
    ),
    "mpnet": Make("pieces", "MPNetTokenizerFast", _BERT),
    "mra": Make("bytes", "RobertaTokenizerFast", {**_BERT, "block_per_row": 1}),
    "mt5": Make("sentencepiece", "T5Tokenizer", _T5),
    "nystromformer": Make("unigram", "AlbertTokenizerFast", _BERT),
    "openai-gpt": Make("ends", "OpenAIGPTTokenizerFast", _GPT),
    "opt": Make(
        "bytes", "GPT2TokenizerFast",
        {"hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 4, "ffn_dim": 40,
         "max_position_embeddings": 160, "word_embed_proj_dim": WIDTH},
    ),
    "qwen2": Make("bytes", "Qwen2TokenizerFast", _LLAMA),
    "qwen3": Make("bytes", "Qwen2TokenizerFast", _LLAMA),
    "rembert": Make("unigram", "RemBertTokenizerFast", {**_BERT, "input_embedding_size": 16}),
    "roberta-prelayernorm": Make("bytes", "RobertaTokenizerFast", _BERT),
    "roc_bert": Make("pieces", "BertTokenizerFast", {**_BERT, "enable_pronunciation": False, "enable_shape": False}),
    "roformer": Make("pieces", "BertTokenizerFast", {**_BERT, "embedding_size": 16}),
    "splinter": Make("pieces", "BertTokenizerFast", _BERT),
    "squeezebert": Make("pieces", "SqueezeBertTokenizerFast", {**_BERT, "embedding_size": WIDTH}),
    "t5": Make("sentencepiece", "T5Tokenizer", _T5),
    "xlm": Make("ends", "PreTrainedTokenizerFast", _XLM),
    "xlm-roberta-xl": Make("unigram", "XLMRobertaTokenizerFast", _BERT),
    "xlnet": Make(
        "unigram", "XLNetTokenizerFast", {"d_model": WIDTH, "n_layer": 2, "n_head": 4, "d_inner": 40}
    ),
    "xmod": Make("unigram", "XLMRobertaTokenizerFast", {**_BERT, "languages": ["en_XX"], "default_language": "en_XX"}),
    "yoso": Make("unigram", "AlbertTokenizerFast", _BERT),
}  # fmt: skip
_SPECIAL = {"pad_token": "<pad>", "unk_token": "<unk>"}
_ENDS = {"bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>", "sep_token": "</s>", "mask_token": "<mask>"}
_SPECIALS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
#: The tokenisers that put nothing around a text, as those of GPT.
_BARE = frozenset(
    {"BloomTokenizerFast", "CodeGenTokenizerFast", "GPT2TokenizerFast", "GPTNeoXTokenizerFast", "Qwen2TokenizerFast"}
    | {"OpenAIGPTTokenizerFast"}
)
#: Where each puts its own subtokens around a text.
_AROUND = {
    "XLNetTokenizerFast": "$A </s> <s>", "T5TokenizerFast": "$A </s>", "GemmaTokenizerFast": "<s> $A",
}  # fmt: skip


def exported_encoder(
    folder: Path, architecture: str, *, longest: int = 48, documents: bool = False, **options: object
) -> TransformerWordEmbeddings | TransformerDocumentEmbeddings:
    """Return embeddings of a random encoder, saved as transformers saves it and loaded by flair."""
    torch.manual_seed(sum(map(ord, architecture)))
    path = folder / f"encoder-{architecture}-{longest}"
    if not path.exists():
        make = MAKES[architecture]
        tokenizer = _tokenizer(make, longest) if make.tokenizer in TOKENIZERS else _slow(make, folder, longest)
        encoder_of(architecture, tokenizer).save_pretrained(path)
        tokenizer.save_pretrained(path)
    cls = TransformerDocumentEmbeddings if documents else TransformerWordEmbeddings
    embedding = cls(str(path), name=f"encoder-{architecture}", **options)
    embedding.fine_tune = False
    return embedding.eval()


def encoder_of(architecture: str, tokenizer: transformers.PreTrainedTokenizerBase) -> torch.nn.Module:
    """Return a random encoder for a tokeniser."""
    special = {name: getattr(tokenizer, name) for name in ("pad_token_id", "bos_token_id", "eos_token_id")}
    special |= {name: getattr(tokenizer, name) for name in ("cls_token_id", "sep_token_id")}
    known = {name: number for name, number in special.items() if number is not None}
    cls = CONFIG_MAPPING[architecture]
    words = {} if architecture == "canine" else {"vocab_size": len(tokenizer)}
    config = cls(**words, **MAKES[architecture].settings, **known)
    config.architectures = ["FunnelModel"] if architecture == "funnel" else None  # it has two
    norm = 0.0 if architecture.startswith("gemma") else 1.0  # Gemma's are added to 1
    model = T5EncoderModel(config) if architecture in {"t5", "mt5"} else AutoModel.from_config(config)
    for name, parameter in model.named_parameters():
        parameter.data.normal_(norm if "orm.weight" in name else 0.0, 0.2)
    return model


def _tokenizer(make: Make, longest: int) -> transformers.PreTrainedTokenizerBase:
    tokenizer = TOKENIZERS[make.tokenizer]()
    cls = getattr(transformers, make.cls)
    special = _SPECIAL if make.cls in _BARE else {**_SPECIAL, **_ENDS}
    around = None if make.cls in _BARE else _AROUND.get(make.cls, "<s> $A </s>")
    made = cls(tokenizer_object=tokenizer, model_max_length=longest, **special)
    if around is not None:
        pairs = [(text, tokenizer.token_to_id(text)) for text in ("<s>", "</s>")]
        made.backend_tokenizer.post_processor = processors.TemplateProcessing(single=around, special_tokens=pairs)
    return made


def _slow(make: Make, folder: Path, longest: int) -> transformers.PreTrainedTokenizerBase:
    """Return a tokeniser without a fast form: that of CANINE, or one of sentencepiece, which transformers converts."""
    cls = getattr(transformers, make.cls)
    if make.tokenizer == "characters":
        return cls(model_max_length=longest)
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([*TEXT, *"abcdefghijklmnopqrstuvwxyz"]), model_writer=written, vocab_size=70,
        model_type="unigram", pad_id=0, eos_id=1, unk_id=2, bos_id=3, minloglevel=2,
        byte_fallback=False,
    )  # fmt: skip
    path = folder / f"{make.tokenizer}.model"
    path.write_bytes(written.getvalue())
    return cls(
        vocab_file=str(path), model_max_length=longest, **({"extra_ids": 0} if make.cls == "T5Tokenizer" else {})
    )


def _pieces() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))  # noqa: S106 - a subtoken
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(TEXT, trainers.WordPieceTrainer(vocab_size=150, special_tokens=_SPECIALS))
    return tokenizer


def _bytes() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=WORDS, special_tokens=_SPECIALS, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(TEXT, trainer)
    return tokenizer


def _unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=150, special_tokens=_SPECIALS, unk_token="<unk>")  # noqa: S106 - a subtoken
    tokenizer.train_from_iterator(TEXT, trainer)
    return tokenizer


def _merges() -> Tokenizer:
    """Return byte-pair merges over sentencepiece's marks, with bytes for what is unknown, as Llama has them."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))  # noqa: S106 - a subtoken
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    specials = [*_SPECIALS, *(f"<0x{number:02X}>" for number in range(256))]
    tokenizer.train_from_iterator(TEXT, trainers.BpeTrainer(vocab_size=WORDS + 60, special_tokens=specials))
    return tokenizer


def _ends() -> Tokenizer:
    """Return byte-pair merges with a mark at the ends of words, as the first GPT has them."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))  # noqa: S106 - a subtoken
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.BpeTrainer(vocab_size=150, special_tokens=_SPECIALS, end_of_word_suffix="</w>")
    tokenizer.train_from_iterator(TEXT, trainer)
    return tokenizer


TOKENIZERS: Mapping[str, Callable[[], Tokenizer]] = {
    "pieces": _pieces, "bytes": _bytes, "unigram": _unigram, "merges": _merges, "ends": _ends,
}  # fmt: skip
