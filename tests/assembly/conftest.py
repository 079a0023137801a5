"""Small random flair models, the specs that stitch them, and the ways to build and run these."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx
import onnxruntime as ort
import pytest

from assembler import assemble
from assembler.cli.main import main
from assembler.onnx_model.serialisation import lay_out, write_model
from assembler.passes.deduplication import deduplicate
from assembler.passes.profiles import PROFILES
from assembler.surgery.emission import emit_parts
from assembler.surgery.joining import join

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import flair
    import torch
    from flair.data import Dictionary, Sentence
    from flair.embeddings import FlairEmbeddings, StackedEmbeddings
    from flair.models import LanguageModel, SequenceTagger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy as np

    from assembler import Assembled
    from assembler.onnx_model.model import Model
    from assembler.passes.profiles import Pass

    Resize = Callable[..., None]

# The models are so small that a second thread costs more than it brings, most of all where other programs run.
torch.set_num_threads(1)

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED = REPOSITORY.parent / "shared"

CHARACTERS = ("\n", " ", *"abcdefghijklmnopqrstuvwxyzäöü.", "😀")
LABELS = ("NOUN", "VERB", "DET", "PUNCT", "ADJ")
SENTENCES = (
    "der hund bellt .",
    "die katze schläft auf dem sofa .",
    "ja",
    "wir sehen uns morgen früh am bahnhof 😀",
)


@pytest.fixture(autouse=True)
def _keep_process_state() -> Iterator[None]:
    """Keep what flair and the command line set for the whole process."""
    device, handler = flair.device, signal.getsignal(signal.SIGTERM)
    flair.device = torch.device("cpu")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="(torch|flair|transformers)")
        yield
    flair.device = device
    signal.signal(signal.SIGTERM, handler)


@dataclass(frozen=True)
class Outcome:
    """What a command left."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Workshop:
    """Makes models and specs."""

    repository: Path = REPOSITORY
    shared: Path = SHARED
    environment: Mapping[str, str] = field(default_factory=lambda: {**os.environ, "PYTHONWARNINGS": "ignore"})

    def language_model(
        self,
        *,
        forward: bool = True,
        seed: int = 0,
        hidden: int = 8,
        layers: int = 1,
        projection: int | None = None,
        cell: str = "lstm",
        marker: str = "\n",
        characters: Sequence[str] = CHARACTERS,
    ) -> LanguageModel:
        """Return a language model whose weights are large enough for differences to show."""
        torch.manual_seed(1000 + seed)
        dictionary = Dictionary(add_unk=True)
        for character in characters:
            dictionary.add_item(character)
        with _quiet_flair():
            model = LanguageModel(
                dictionary,
                forward,
                hidden_size=hidden,
                nlayers=layers,
                embedding_size=6,
                nout=projection,
                document_delimiter=marker,
                dropout=0.1,
                recurrent_type=cell,
                has_decoder=False,
            )
        for parameter in model.parameters():
            parameter.data.normal_(0, 0.7)
        return model.eval()

    def embeddings(
        self,
        *models: LanguageModel,
        names: Sequence[str] | None = None,
        with_whitespace: bool = True,
        lowercase: bool = False,
    ) -> StackedEmbeddings:
        """Return a stack of language models; given names stay bare, as in checkpoints of 2019."""
        parts = []
        for place, model in enumerate(models):
            name = names[place] if names else f"lm-{place}"
            part = FlairEmbeddings(model, name=name, with_whitespace=with_whitespace, has_decoder=False)
            part.is_lower = lowercase
            parts.append(part)
        return StackedEmbeddings(parts, overwrite_names=names is None)

    def tagger(
        self,
        embeddings: StackedEmbeddings | None = None,
        *,
        cell: str = "LSTM",
        layers: int = 1,
        use_rnn: bool = True,
        reproject: bool = True,
        labels: Sequence[str] = LABELS,
        seed: int = 0,
    ) -> SequenceTagger:
        """Return a random tagger with a forward and a backward language model, unless told otherwise."""
        stack = embeddings or self.embeddings(self.language_model(seed=1), self.language_model(forward=False, seed=2))
        dictionary = Dictionary(add_unk=False)
        for label in labels:
            dictionary.add_item(label)
        torch.manual_seed(2000 + seed)
        with _quiet_flair():
            tagger = SequenceTagger(
                stack,
                dictionary,
                "upos",
                hidden_size=8,
                rnn_layers=layers,
                rnn_type=cell,
                use_rnn=use_rnn,
                use_crf=False,
                reproject_embeddings=reproject,
                word_dropout=0.0,
                locked_dropout=0.0,
            )
        for name, parameter in tagger.named_parameters():
            if not name.startswith("embeddings"):
                parameter.data.normal_(0, 0.6)
        return tagger.eval()

    def save(self, model: LanguageModel | SequenceTagger, path: Path) -> Path:
        """Save a model as flair does."""
        model.save(path)
        return path

    def spec(self, folder: Path, text: str | None = None, *, name: str = "stack.yaml", **changes: str) -> Path:
        """Write a spec: the usual one for two language models unless given, with texts of it replaced."""
        text = USUAL if text is None else text
        for old, new in changes.items():
            text = text.replace(f"<{old}>", new)
        for old, new in DEFAULTS.items():
            text = text.replace(f"<{old}>", new)
        folder.mkdir(exist_ok=True, parents=True)
        (folder / "sentences.txt").write_text("\n".join(SENTENCES), encoding="utf-8")
        path = folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def build(self, spec: Path, **options: Any) -> Assembled:  # noqa: ANN401 - the options of `assemble`
        """Assemble a spec beside itself."""
        return assemble(spec, spec.with_suffix(".onnx"), **options)

    def model(self, text: str) -> onnx.ModelProto:
        """Return a model from ONNX's text format."""
        return onnx.parser.parse_model(text)

    def run(self, path: Path, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run a model file and return its outputs by name."""
        session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))

    def joined(self, spec: Path) -> Model:
        """Return the joined and deduplicated model of a spec, unproven."""
        from assembler.spec.reading import load_spec
        from assembler.workflows.fitting import wired_sources

        wiring, _ = wired_sources(load_spec(spec), trust=False)
        return deduplicate(join(wiring, emit_parts(wiring)))

    def write(self, model: Model, path: Path) -> Path:
        """Write a model to a file."""
        with path.open("wb") as stream:
            write_model(model, lay_out(model), stream)
        return path

    def metadata(self, path: Path) -> dict[str, Any]:
        """Return the assembler's metadata of a model file."""
        model = onnx.load(path, load_external_data=False)
        return {entry.key.removeprefix("assembler."): json.loads(entry.value) for entry in model.metadata_props}

    def flair_tags(self, tagger: SequenceTagger, sentences: Sequence[Sequence[str]]) -> list[list[tuple[str, float]]]:
        """Return label and score per token from flair's own `predict`."""
        whole = [Sentence(list(tokens)) for tokens in sentences]
        with _quiet_flair():
            tagger.predict(whole, mini_batch_size=32, force_token_predictions=True, label_name="predicted")
        return [
            [(token.get_label("predicted").value, token.get_label("predicted").score) for token in sentence]
            for sentence in whole
        ]

    def command(self, *words: str | Path, **options: Any) -> Outcome:  # noqa: ANN401 - the options of subprocess.run
        """Run the real command line in a process of its own."""
        done = subprocess.run(
            [str(Path(sys.executable).with_name("assemble")), *map(str, words)],
            capture_output=True,
            check=False,
            env=dict(self.environment),
            **options,
        )
        return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())


@contextmanager
def _quiet_flair() -> Iterator[None]:
    """Keep flair on the CPU, and its log and warnings to itself."""
    flair.device = torch.device("cpu")
    flair.logger.setLevel("ERROR")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


USUAL = """\
version: 1
name: stack
opset: <opset>
sources:
  tagger: {flair: <location><pin>}
inputs:
  forward:          {type: int64, shape: [characters, sentences]}
  forwardIndices:   {type: int64, shape: [total_tokens]}
  backward:         {type: int64, shape: [characters, sentences]}
  backwardIndices:  {type: int64, shape: [total_tokens]}
  characterLengths: {type: int64, shape: [sentences]}
  lengths:          {type: int64, shape: [sentences]}
graph:
  forward_lm:
    kind: char_lm
    weights: tagger.embeddings.<first>
    inputs: {characters: forward, lengths: characterLengths}
  backward_lm:
    kind: char_lm
    weights: tagger.embeddings.<second>
    inputs: {characters: backward, lengths: characterLengths}
  forward_words:
    kind: gather
    inputs: {states: forward_lm.states, indices: forwardIndices}
  backward_words:
    kind: gather
    inputs: {states: backward_lm.states, indices: backwardIndices}
  words:
    kind: concat
    inputs: [<order>]
  head:
    kind: tagger_head
    weights: tagger.head
    inputs: {embeddings: words.rows, lengths: lengths}
outputs:
  scores: head.scores
  prediction: head.prediction
proof: {against: tagger, sentences: sentences.txt<proof>}
"""

DEFAULTS = {
    "opset": "17",
    "location": "tagger.pt",
    "pin": "",
    "first": "0",
    "second": "1",
    "order": "forward_words.rows, backward_words.rows",
    "proof": "",
}


@pytest.fixture
def resize(monkeypatch: pytest.MonkeyPatch) -> Resize:
    """Return a function that gives the passes of all profiles other thresholds: each takes the place of its like."""

    def call(*passes: Pass) -> None:
        own = {type(each): each for each in passes}
        for name, profile in list(PROFILES.items()):
            steps = tuple(own.get(type(step), step) for step in profile.passes())
            monkeypatch.setitem(PROFILES, name, replace(profile, passes=partial(tuple, steps)))

    return call


@pytest.fixture(scope="session")
def shop() -> Workshop:
    return Workshop()


@pytest.fixture(scope="session")
def tagger(shop: Workshop) -> SequenceTagger:
    """Return the small tagger that most tests use, as flair loads it."""
    return shop.tagger()


@pytest.fixture(scope="session")
def checkpoint(shop: Workshop, tagger: SequenceTagger, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return its checkpoint."""
    return shop.save(tagger, tmp_path_factory.mktemp("checkpoint") / "tagger.pt")


@pytest.fixture(scope="session")
def built(shop: Workshop, checkpoint: Path) -> Path:
    """Return its assembled model; tests that change it copy it first."""
    return shop.build(shop.spec(checkpoint.parent)).path


@pytest.fixture
def folder(tmp_path: Path, checkpoint: Path) -> Path:
    """Return a folder with the small tagger in it."""
    (tmp_path / "tagger.pt").write_bytes(checkpoint.read_bytes())
    return tmp_path


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Any:  # noqa: ANN401 - a function
    """Return a function that runs the command line in this process and gives code, stdout and stderr."""

    def call(*words: str | Path) -> Outcome:
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(word) for word in words])
        out, err = capfd.readouterr()
        return Outcome(left.value.code, out, err)

    return call
