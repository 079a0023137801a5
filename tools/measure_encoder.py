"""Measure the time and the peak memory of assembling a tagger of XLM-R large's size, with random weights.

    python tools/measure_encoder.py --layers 24

An encoder of LAYERS layers, 1,024 hidden states and 250,002 subtokens under a linear head, as in flair's ner-*-large, with
context and overlong sentences in pieces; saved by flair, then built and proven by `assemble` in a process of its own.
It takes three times the size of the weights on disk: 7 GB at 24 layers.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

from measure_assembly import measured

_HIDDEN, _INNER, _HEADS, _SUBTOKENS, _POSITIONS = 1024, 4096, 16, 250_002, 514
_TEXT = ("George Washington went to Washington . Berlin ist eine Stadt , der Hund bellt und die Katze schläft nicht .",)


def save_random_encoder(folder: Path, layers: int) -> None:
    """Save an encoder with a small tokeniser, as transformers does."""
    transformers: Any = import_module("transformers")  # half of it has no types
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.UnigramTrainer(vocab_size=150, special_tokens=special, unk_token=special[3])
    tokenizer.train_from_iterator(_TEXT, trainer)
    ends = [(text, tokenizer.token_to_id(text)) for text in ("<s>", "</s>")]
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    transformers.XLMRobertaTokenizerFast(tokenizer_object=tokenizer, model_max_length=512).save_pretrained(folder)
    config = transformers.XLMRobertaConfig(
        vocab_size=_SUBTOKENS,
        hidden_size=_HIDDEN,
        num_hidden_layers=layers,
        num_attention_heads=_HEADS,
        intermediate_size=_INNER,
        max_position_embeddings=_POSITIONS,
        type_vocab_size=1,
        pad_token_id=1,
    )
    transformers.XLMRobertaModel(config).save_pretrained(folder)


def save_random_tagger(path: Path, folder: Path) -> None:
    """Save a tagger as flair's ner-*-large are made."""
    import flair
    import torch
    from flair.data import Dictionary
    from flair.embeddings import TransformerWordEmbeddings
    from flair.models import SequenceTagger

    flair.device = torch.device("cpu")
    torch.manual_seed(7)
    embeddings = TransformerWordEmbeddings(str(folder), layers="-1", use_context=True, allow_long_sentences=True)
    labels = Dictionary(add_unk=False)
    for label in ("PER", "LOC", "ORG", "MISC"):
        labels.add_item(label)
    tagger = SequenceTagger(
        embeddings, labels, "ner", use_rnn=False, use_crf=False, reproject_embeddings=False, tag_format="BIOES"
    )
    tagger.save(path)


def main() -> None:
    """Measure, and print one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--save", nargs=2, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--child", nargs=2, type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.save:
        save_random_encoder(arguments.save[1], arguments.layers)
        save_random_tagger(*arguments.save)
        return
    if arguments.child:
        print(json.dumps(measured(*arguments.child)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkpoint, spec, output = folder / "tagger.pt", folder / "tagger.yaml", folder / "tagger.onnx"
        layers = ["--layers", str(arguments.layers)]
        subprocess.run([sys.executable, __file__, *layers, "--save", checkpoint, folder / "encoder"], check=True)  # noqa: S603
        command = [sys.executable, "-m", "assembler"]
        subprocess.run([*command, "init", checkpoint, "-o", spec], check=True, stdout=subprocess.DEVNULL)  # noqa: S603
        child = subprocess.run([sys.executable, __file__, "--child", spec, output], check=True, stdout=subprocess.PIPE)  # noqa: S603
        found = json.loads(child.stdout)
        size = sum(file.stat().st_size for file in folder.glob("tagger*") if file not in {checkpoint, spec})
    more = found["peak"] - found["before"]
    print(
        f"layers {arguments.layers}: {size / 1e9:.2f} GB, assembled and proven in {found['seconds']:.0f} s, "
        f"{more / 1e9:.2f} GB beyond the imports ({more / size:.2f} times the model), "
        f"largest difference {found['largest']:.1e}"
    )


if __name__ == "__main__":
    main()
