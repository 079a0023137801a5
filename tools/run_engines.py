"""Run OpenVINO beside ONNX Runtime on a file of every kind of head and interface, and print a table.

    make engines          # or: python tools/run_engines.py [TAGGER.pt ...]

The taggers and classifiers are small and random, made here; trained ones can be named beside them. The text is a part of
the sample that comes with the package. A file that OpenVINO does not load, or of which it gives other tags or scores,
ends the run with 1. It computes in float32 here: its own default is bf16 where the processor has it.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import sys
import tempfile
import warnings
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from assembler import assemble
from assembler.initialisation import write_spec
from assembler.interface.tasks import TokenTask
from assembler.proof.builtin_sample import evenly, sample_sentences
from assembler.runtime.context import InContext
from assembler.runtime.encoding import encode
from assembler.runtime.metadata import Metadata
from assembler.runtime.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PROFILES = ("portable", "cpu")
_SENTENCES, _BATCH = 64, 16
#: Both engines add in an order of their own.
_WITHIN = 1e-4
#: OpenVINO computes float64 in float32 as well, and the score of a span is a difference of sums over the whole batch.
_SPANS_WITHIN = 1e-3
_CHARACTERS = "\n abcdefghijklmnopqrstuvwxyzäöüßABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,;:!?-()"
_HEADS: dict[str, dict[str, Any]] = {
    "LSTM": {},
    "LSTM, 2 layers": {"rnn_layers": 2},
    "GRU": {"rnn_type": "GRU"},
    "RNN": {"rnn_type": "RNN"},
    "no RNN": {"use_rnn": False},
}


def _characters(**options: bool) -> list[Any]:
    """Return a forward and a backward language model as embeddings."""
    from flair.data import Dictionary
    from flair.embeddings import FlairEmbeddings
    from flair.models import LanguageModel

    dictionary = Dictionary(add_unk=True)
    for character in _CHARACTERS:
        dictionary.add_item(character)
    models = [LanguageModel(dictionary, forward, 24, 1, embedding_size=8) for forward in (True, False)]
    for model in models:
        for parameter in model.parameters():
            parameter.data.normal_(0, 0.4)
    return [
        FlairEmbeddings(model, name=name, **options)
        for model, name in zip(models, ("forward", "backward"), strict=True)
    ]


def _words() -> Any:  # noqa: ANN401 - flair has no types here
    from flair.embeddings import WordEmbeddings

    vocabulary = {word: row for row, word in enumerate(("the", "der", "die", "in", "a", "of", "und"))}
    found = WordEmbeddings(None, vocab=vocabulary, embedding_length=6, name="words")
    found.embedding.weight.data.normal_()
    return found


def _pieces(folder: Path) -> Any:  # noqa: ANN401
    """Return a table of word pieces, whose sentencepiece model is trained on the sample."""
    from flair.embeddings import BytePairEmbeddings
    from sentencepiece import SentencePieceTrainer

    written = io.BytesIO()
    lines = (" ".join(words) for words in sample_sentences())
    SentencePieceTrainer.train(
        sentence_iterator=lines, model_writer=written, vocab_size=800, model_type="bpe", minloglevel=2
    )
    (folder / "pieces.spm").write_bytes(written.getvalue())
    found = BytePairEmbeddings(name="pieces", dim=6, model_file_path=folder / "pieces.spm")
    found.embedding.weight.data.normal_()
    return found


def _encoder(folder: Path) -> Any:  # noqa: ANN401
    """Return a BERT of three layers, with word pieces that are trained on the sample."""
    from flair.embeddings import TransformerWordEmbeddings
    from tokenizers import BertWordPieceTokenizer

    bert: Any = import_module("transformers")  # some of its functions have no types
    pieces = BertWordPieceTokenizer(lowercase=False)
    pieces.train_from_iterator([" ".join(words) for words in sample_sentences()], vocab_size=600, show_progress=False)
    tokenizer = bert.BertTokenizerFast(tokenizer_object=pieces._tokenizer, model_max_length=64)  # noqa: SLF001
    options = {"hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 40}
    model = bert.BertModel(bert.BertConfig(len(tokenizer), max_position_embeddings=64, **options))
    for name, parameter in model.named_parameters():
        parameter.data.normal_(1.0 if "orm.weight" in name else 0.0, 0.25)
    for each in (model, tokenizer):
        each.save_pretrained(folder / "encoder")
    found = TransformerWordEmbeddings(str(folder / "encoder"), name="encoder", allow_long_sentences=True)
    found.fine_tune = False
    return found.eval()


def _tagger(*embeddings: Any, crf: bool, **options: Any) -> Any:  # noqa: ANN401
    from flair.data import Dictionary
    from flair.embeddings import StackedEmbeddings
    from flair.models import SequenceTagger

    labels = Dictionary(add_unk=False)
    for label in ("PER", "LOC", "ORG"):
        labels.add_item(label)
    labels.span_labels = True
    tagger = SequenceTagger(StackedEmbeddings([*embeddings]), labels, "ner", hidden_size=16, use_crf=crf, **options)
    for name, parameter in tagger.named_parameters():
        if not name.startswith("embeddings"):
            parameter.data.normal_(0, 0.3)
    return tagger.eval()


def _classifiers() -> Iterator[tuple[str, Any]]:
    from flair.data import Dictionary
    from flair.embeddings import DocumentLMEmbeddings, DocumentPoolEmbeddings, DocumentRNNEmbeddings
    from flair.models import TextClassifier

    labels = Dictionary(add_unk=False)
    for label in ("good", "bad", "odd"):
        labels.add_item(label)
    documents = {
        "document pool": DocumentPoolEmbeddings(_characters()),
        "document RNN": DocumentRNNEmbeddings(_characters(), hidden_size=16, bidirectional=True, rnn_type="LSTM"),
        "document GRU": DocumentRNNEmbeddings(_characters(), hidden_size=16, bidirectional=True, rnn_type="GRU"),
        "document LM": DocumentLMEmbeddings(_characters()),
    }
    for name, document in documents.items():
        yield name, TextClassifier(document, label_type="kind", label_dictionary=labels).eval()


def _specs(folder: Path, named: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """Yield what a spec is of, and the spec."""
    files: dict[str, list[Path]] = {path.stem: [path.resolve()] for path in named}

    def save(name: str, model: Any) -> None:  # noqa: ANN401
        path = folder / f"{len(files)}.pt"
        model.save(path)
        files[name] = [path]

    for (head, options), crf in itertools.product(_HEADS.items(), (False, True)):
        save(f"{head}, {'CRF' if crf else 'softmax'}", _tagger(*_characters(), crf=crf, **options))
    save("with words, CRF", _tagger(*_characters(), _words(), crf=True))
    save("cased and untokenised texts, CRF", _tagger(*_characters(is_lower=True, tokenized_lm=False), crf=True))
    save("with word pieces, CRF", _tagger(*_characters(), _pieces(folder), crf=True))
    save("transformer encoder, CRF", _tagger(_encoder(folder), crf=True))
    save("transformer encoder, softmax", _tagger(_encoder(folder), crf=False, use_rnn=False))
    for name, model in _classifiers():
        save(name, model)
    files["two taggers"] = [*files["LSTM, softmax"], *files["GRU, CRF"]]
    for name, paths in files.items():
        for text in (False, True):
            if text and name.startswith(("with word pieces", "transformer")):
                continue  # these have no interface of text
            spec = folder / f"{len(list(folder.glob('*.yaml')))}.yaml"
            spec.write_text(write_spec([str(path) for path in paths], folder, text=text), encoding="utf-8")
            yield f"{name}, {'text' if text else 'indices'}", spec


def _compare(path: Path, sentences: Sequence[Sequence[str]]) -> tuple[str, bool]:
    """Return what OpenVINO gives beside ONNX Runtime, and whether it is the same."""
    import openvino

    session = Session.open(path)
    about = Metadata.read(session.metadata, session.file)
    try:
        compiled = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    except RuntimeError as err:
        reason = " ".join(str(err).split())
        return f"does not load: {reason[-160:]}", False
    tokens = {name for task in about.tasks if isinstance(task, TokenTask) for name in (task.prediction, task.scores)}
    names = [output.name for output in about.interface.outputs]
    compared, changed, gaps = 0, 0, {True: 0.0, False: 0.0}
    for start in range(0, len(sentences), _BATCH):
        batch = sentences[start : start + _BATCH]
        feeds = encode(about.interface, [InContext(tuple(words)) for words in batch])
        counts = np.array([len(words) for words in batch])
        given = compiled({name: feeds[name] for entry in compiled.inputs for name in entry.names & feeds.keys()})
        for name, array in zip(names, session.run(tuple(names), feeds), strict=True):
            other = np.asarray(given[name])
            if array.shape != other.shape:
                return f"{name} has the shape {list(other.shape)} instead of {list(array.shape)}", False
            inside = np.arange(array.shape[1]) < counts[:, np.newaxis] if name in tokens else slice(None)
            ours, theirs = array[inside], other[inside]
            compared += ours.size
            if ours.dtype.kind == "f":
                gap = float(np.abs(ours - theirs).max(initial=0.0))
                gaps[name == "span_score"] = max(gaps[name == "span_score"], gap)
            else:
                changed += int((ours.astype(object) != theirs.astype(object)).sum())
    spans = f", those of spans within {gaps[True]:.1e}" if gaps[True] else ""
    same = not changed and gaps[False] <= _WITHIN and gaps[True] <= _SPANS_WITHIN
    return f"{compared} values, {changed} tags differ, scores within {gaps[False]:.1e}{spans}", same


def main() -> int:
    """Print the table, and return 1 if a line of it failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("taggers", nargs="*", type=Path)
    named = parser.parse_args().taggers
    import flair
    import openvino
    import torch

    flair.device = torch.device("cpu")
    torch.manual_seed(5)
    sentences = [[*words] for words in evenly(sample_sentences(), _SENTENCES)]
    failed = 0
    print(f"OpenVINO {openvino.__version__}, float32, beside ONNX Runtime on {len(sentences)} sentences")
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        flair.logger.setLevel("ERROR")
        with contextlib.redirect_stdout(io.StringIO()):
            specs = list(_specs(Path(name), named))
        for (what, spec), profile in itertools.product(specs, _PROFILES):
            built = assemble(spec, spec.with_suffix(".onnx"), profile=profile, proof=False)
            said, same = _compare(built.path, sentences)
            failed += not same
            print(f"| {what} | {profile} | {'same' if same else 'FAILS'} | {said} |", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
