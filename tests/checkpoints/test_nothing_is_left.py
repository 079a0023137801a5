"""A checkpoint that is not trusted is read or refused without a trace: no file, no change, no run."""

from __future__ import annotations

import hashlib
import importlib
import io
import json
import os
import stat
import struct
import subprocess
import sys
import tarfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from assembler import assemble
from assembler.core.errors import SourceError
from assembler.core.problems import Mark
from assembler.flair_checkpoints import char_language_model
from assembler.flair_checkpoints.document_embeddings import document_registry
from assembler.flair_checkpoints.embeddings.embedding_registry import reader_of
from assembler.flair_checkpoints.form import open_flair_source
from assembler.flair_checkpoints.models.linear_classifier import KEYS as CLASSIFIER_KEYS
from assembler.flair_checkpoints.models.sequence_tagger import SequenceTaggerReader
from assembler.flair_checkpoints.running import flair_at_work
from assembler.forms.source import Setting, Source
from assembler.initialisation import write_spec

from .forms import DICTIONARY, ORDERED, REBUILD, Raw, a_pickle, call, dictionary, old_form, tensor, written, zip_form

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import flair
    import torch
    from flair.data import Dictionary
    from flair.embeddings import (
        DocumentLMEmbeddings,
        DocumentPoolEmbeddings,
        DocumentRNNEmbeddings,
        FlairEmbeddings,
        StackedEmbeddings,
        WordEmbeddings,
    )
    from flair.embeddings.token import HashEmbeddings, OneHotEmbeddings
    from flair.models import LanguageModel, SequenceTagger, TextClassifier, TokenClassifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flair.embeddings import Embeddings

ROOT = Path(__file__).resolve().parents[2]
VERSION = b"ctorch.torch_version\nTorchVersion\n"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    before = flair.device
    flair.device = torch.device("cpu")
    yield
    flair.device = before


def source(path: Path) -> Source:
    return Source("tagger", "flair", str(path), None, Mark("stack.yaml", 4, 20))


def refusal(path: Path) -> str:
    with pytest.raises(SourceError) as caught:
        open_flair_source(source(path), Setting(Path(), 17, trust=False))
    return str(caught.value).removeprefix("stack.yaml:4:20: ")


def state_of_the_process() -> dict[str, object]:
    """Return what a pickle could change of the functions and classes that it can name."""
    found: dict[str, object] = {}
    for module in (
        "builtins",
        "collections",
        "flair.data",
        "flair.embeddings.base",
        "torch._utils",
        "torch.torch_version",
    ):
        for name, value in vars(importlib.import_module(module)).items():
            found[f"{module}.{name}"] = id(value)
            for part in ("__defaults__", "__kwdefaults__", "__code__", "__name__", "__module__"):
                found[f"{module}.{name}.{part}"] = str(getattr(value, part, None))
            if isinstance(value, type):
                found[f"{module}.{name} of"] = {key: str(inner) for key, inner in vars(value).items()}
    return found


# --- what changed the process, or wrote


def build(target: Raw | bytes, state: object) -> bytes:
    return bytes(target) + written(state) + b"b"


CHANGES = {
    "defaults of a function": build(REBUILD, (None, {"__defaults__": ({"neg": True},)})),
    "name of a function": build(REBUILD, (None, {"__name__": "other", "dump_patches": True})),
    "methods of a class": build(VERSION, (None, {"__str__": Raw(VERSION), "__eq__": Raw(VERSION)})),
    "attributes of a class": build(DICTIONARY, {"add_item": 1}),
    "slots of an object": build(Raw(DICTIONARY + b")\x81"), (None, {"__class__": 1})),
    "a table's class": build(call(ORDERED), (None, {"__class__": 1})),
}


@pytest.mark.parametrize("form", [zip_form, old_form])
@pytest.mark.parametrize("name", CHANGES)
def test_what_is_refused_changes_no_function_and_no_class(
    tmp_path: Path, form: Callable[[bytes], bytes], name: str
) -> None:
    path = tmp_path / "poison.pt"
    path.write_bytes(form(b"\x80\x02" + CHANGES[name] + b"0N."))
    before = state_of_the_process()
    assert refusal(path).startswith("R006 source 'tagger': poison.pt is not a checkpoint that can be read: ")
    assert state_of_the_process() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["poison.pt"]


def test_a_model_built_after_a_refusal_has_the_same_bytes(tmp_path: Path) -> None:
    spec = ROOT / "specs" / "demo-pos.yaml"
    (tmp_path / "poison.pt").write_bytes(old_form(b"\x80\x02" + CHANGES["defaults of a function"] + b"."))
    digests = []
    for name in ("before.onnx", "after.onnx"):
        digests.append(hashlib.sha256(assemble(spec, tmp_path / name, proof=False).path.read_bytes()).hexdigest())
        refusal(tmp_path / "poison.pt")
    assert digests[0] == digests[1]


def test_no_patch_is_written_where_the_checkpoint_says(tmp_path: Path) -> None:
    changed = build(REBUILD, (None, {"__name__": str(tmp_path / "target"), "dump_patches": True}))
    module = written(("module", Raw(REBUILD), "other text", "x")) + b"Q."
    for operations in (changed + b"0" + module, module):
        (tmp_path / "patch.pt").write_bytes(old_form(b"\x80\x02" + operations))
        assert refusal(tmp_path / "patch.pt").startswith("R006 ")
    assert [entry.name for entry in tmp_path.iterdir()] == ["patch.pt"]


@pytest.mark.parametrize("trust", [True, False])
@pytest.mark.parametrize("kind", [tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.FIFOTYPE, tarfile.REGTYPE])
def test_a_tar_archive_touches_no_file(tmp_path: Path, kind: bytes, *, trust: bool) -> None:
    victim = tmp_path / "victim"
    victim.write_text("as it was")
    victim.chmod(0o640)
    with tarfile.open(tmp_path / "evil.pt", "w") as archive:
        member = tarfile.TarInfo("storages")
        member.type, member.mode, member.linkname, member.mtime = kind, 0o4777, str(victim), 1
        member.uid = member.gid = 65534
        archive.addfile(member)
    before = victim.stat()
    with pytest.raises(SourceError, match="R006 source 'tagger': the checkpoint is a tar archive") as caught:
        open_flair_source(source(tmp_path / "evil.pt"), Setting(Path(), 17, trust=trust))
    assert "save the model anew" in str(caught.value)
    after = victim.stat()
    assert (after.st_uid, after.st_mode, after.st_mtime) == (before.st_uid, before.st_mode, before.st_mtime)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["evil.pt", "victim"]


def test_a_pipe_is_no_checkpoint(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pt")
    assert stat.S_ISFIFO((tmp_path / "pipe.pt").stat().st_mode)
    assert refusal(tmp_path / "pipe.pt").startswith("R001 ")


# --- what reached loaders


def language_model() -> LanguageModel:
    characters = Dictionary()
    for character in "ab \n":
        characters.add_item(character)
    return LanguageModel(characters, is_forward_lm=True, hidden_size=4, nlayers=1, embedding_size=3, has_decoder=False)


def labels() -> Dictionary:
    made = Dictionary(add_unk=False)
    for label in ("A", "B"):
        made.add_item(label)
    return made


def stack() -> StackedEmbeddings:
    words = Dictionary()
    words.add_item("a")
    return StackedEmbeddings(
        [
            FlairEmbeddings(language_model()),
            WordEmbeddings(None, vocab={"a": 0}, embedding_length=2, name="words"),
            OneHotEmbeddings(words, embedding_length=2),
            HashEmbeddings(3, 2),
        ]
    )


def tagger() -> SequenceTagger:
    return SequenceTagger(stack(), labels(), "pos", hidden_size=3, use_crf=False)


def saved(path: Path, change: Callable[[dict[str, object]], object]) -> Path:
    state = tagger()._get_state_dict()
    change(state)
    torch.save(state, path, pickle_protocol=4)
    return path


def entry(state: dict[str, object], place: int = 0) -> dict[str, object]:
    return state["embeddings"]["embeddings"][place]  # type: ignore[index]


OPTIONS: dict[str, tuple[Callable[[dict[str, object]], object], str]] = {
    "weights of their own": (
        lambda state: entry(state).update(state_dict={}),
        "embedding 0 of the tagger has the option 'state_dict'",
    ),
    "a name instead of a model": (
        lambda state: entry(state).update(model="news-forward"),
        "embedding 0 of the tagger has the option 'model'",
    ),
    "an option of the language model": (
        lambda state: entry(state)["model_params"].update(x=1),
        "the language model of embedding 0 of the tagger has the option 'x'",
    ),
    "a table by its name": (
        lambda state: entry(state, 1).update(embeddings="glove"),
        "embedding 1 of the tagger has the option 'embeddings'",
    ),
    "a table by its path": (
        lambda state: entry(state, 1).update(embeddings="/etc/passwd", no_header=True),
        "embedding 1 of the tagger has the option 'embeddings'",
    ),
    "a nested embedding": (
        lambda state: entry(state, 2).update(embeddings={"__cls__": "TransformerDocumentEmbeddings"}),
        "embedding 2 of the tagger has the option 'embeddings'",
    ),
    "an option of a hash": (
        lambda state: entry(state, 3).update(device="x"),
        "embedding 3 of the tagger has the option",
    ),
    "an option of the stack": (
        lambda state: state["embeddings"].update(overwrite_names=True),  # type: ignore[attr-defined]
        "the stack of the tagger has the option 'overwrite_names'",
    ),
    "a class by its module": (
        lambda state: entry(state).update(__cls__="flair.embeddings.token.FlairEmbeddings"),
        "the tagger uses FlairEmbeddings",
    ),
    "a class of documents": (
        lambda state: entry(state).update(__cls__="TransformerDocumentEmbeddings", model="stranger/name"),
        "the tagger uses TransformerDocumentEmbeddings",
    ),
    "a sentence transformer": (
        lambda state: state.update(embeddings={"__cls__": "SentenceTransformerDocumentEmbeddings", "model": "x"}),
        "the tagger uses SentenceTransformerDocumentEmbeddings",
    ),
    "code for a machine": (
        lambda state: entry(state).update(__cls__="TransformerJitWordEmbeddings", jit_model=b"PK"),
        "the tagger uses TransformerJitWordEmbeddings",
    ),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_that_flair_does_not_write_reaches_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    change, words = OPTIONS[name]
    path = saved(tmp_path / "tagger.pt", change)
    monkeypatch.setattr(flair.embeddings.base.Embeddings, "load_embedding", lambda *_: pytest.fail("flair was asked"))
    assert refusal(path).startswith(f"R005 source 'tagger': {words}")


def test_more_embeddings_or_tasks_than_anybody_has_are_refused(tmp_path: Path) -> None:
    def many(state: dict[str, object]) -> None:
        state["embeddings"] = {"__cls__": "StackedEmbeddings", "embeddings": [entry(state)] * 65}

    words = "R006 source 'tagger': the checkpoint stacks 65 embeddings, expected at most 64"
    assert refusal(saved(tmp_path / "tagger.pt", many)) == words
    state = {"__cls__": "MultitaskModel", "model_states": {f"t{number}": {} for number in range(65)}}
    torch.save(state, tmp_path / "tasks.pt", pickle_protocol=4)
    assert "the MultitaskModel of the checkpoint has 65 tasks, expected at most 64" in refusal(tmp_path / "tasks.pt")


def test_what_else_a_state_holds_is_not_given_to_flair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    others = {
        "allow_unk_predictions": True,
        "model_card": {"x": 1},
        "rnn": "x",
        "trust_remote_code": True,
        "dropout": 0.5,
    }
    path = saved(tmp_path / "tagger.pt", lambda state: state.update(others))
    given: dict[str, object] = {}
    load = SequenceTagger.load

    def seen(state: dict[str, object]) -> object:
        given.update(state)
        return load(state)

    monkeypatch.setattr(SequenceTagger, "load", seen)
    open_flair_source(source(path), Setting(Path(), 17, trust=False))
    assert set(given) == set(tagger()._get_state_dict()) - {"__cls__"}


@pytest.mark.parametrize(
    ("embedding", "find"),
    [
        *((each, reader_of) for each in stack().embeddings),
        (DocumentPoolEmbeddings([HashEmbeddings(3, 2)]), document_registry.reader_of),
        (DocumentRNNEmbeddings([HashEmbeddings(3, 2)]), document_registry.reader_of),
        (DocumentLMEmbeddings([FlairEmbeddings(language_model())]), document_registry.reader_of),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_known_keys_are_those_that_flair_writes(embedding: Embeddings, find: Callable[..., Any]) -> None:
    params = embedding.save_embeddings(use_state_dict=False)
    expected = set(params) - {"__cls__", "embeddings", "flair_embeddings"}
    assert set(find(embedding).keys) - {"with_whitespace", "has_decoder"} == expected
    for key, value in params.items():
        if key in expected:
            assert find(embedding).keys[key][1](value), key
    if "model_params" in params:
        assert set(params["model_params"]) == set(char_language_model.KEYS) - {"recurrent_type"}


def test_the_known_keys_of_models_are_those_that_flair_writes() -> None:
    made = tagger()._get_state_dict()
    assert set(made) - {"__cls__", "state_dict", "embeddings"} == set(SequenceTaggerReader.keys)
    words = TokenClassifier(HashEmbeddings(3, 2), labels(), "pos")._get_state_dict()
    pooled = DocumentPoolEmbeddings([HashEmbeddings(3, 2)])
    texts = TextClassifier(pooled, label_dictionary=labels(), label_type="x")._get_state_dict()
    others = {"__cls__", "state_dict", "embeddings", "document_embeddings"}
    assert (set(words) | set(texts)) - others == set(CLASSIFIER_KEYS)


def stranger(model: object, cls: object = "TransformerDocumentEmbeddings", **options: object) -> bytes:
    """Return a classifier on an encoder of a stranger's, whose code transformers would run."""
    embeddings = {"__cls__": cls, "model": model, "is_document_embedding": True, "is_token_embedding": False, **options}
    embeddings |= {"embeddings": {"__cls__": "StackedEmbeddings", "embeddings": []}, "flair_embeddings": []}
    state = {"__cls__": "TextClassifier", "document_embeddings": embeddings, "label_type": "x"}
    state |= {"label_dictionary": dictionary("x", "y"), "multi_label": False, "multi_label_threshold": 0.5}
    state["state_dict"] = {"decoder.weight": tensor((2, 1), (1, 1), of=None)}
    return zip_form(a_pickle(state), {"0": struct.pack("<4f", 1, 2, 3, 4)})


@pytest.mark.parametrize(
    "cls",
    [
        "TransformerDocumentEmbeddings",
        Raw(VERSION + written(("TransformerDocumentEmbeddings",)) + b"\x81"),
        ["DocumentPoolEmbeddings"],
        {"DocumentPoolEmbeddings": 1},
        b"DocumentPoolEmbeddings",
        "DocumentPoolEmbeddings\n",
    ],
)
@pytest.mark.parametrize(
    "key", ["transformers_tokenizer_kwargs", "transformers_config_kwargs", "transformers_model_kwargs"]
)
def test_no_code_of_a_stranger_runs(tmp_path: Path, cls: object, key: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    auto = {"auto_map": {"AutoTokenizer": ["evil.T", None], "AutoModel": "evil.T", "AutoConfig": "evil.T"}}
    (folder / "tokenizer_config.json").write_text(json.dumps({**auto, "tokenizer_class": "T"}))
    (folder / "config.json").write_text(json.dumps({**auto, "model_type": "bert"}))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'it-ran')!r}, 'w')\nclass T: pass\n")
    (tmp_path / "rce.pt").write_bytes(stranger("model", cls, **{key: {"trust_remote_code": True}}))
    assert refusal(tmp_path / "rce.pt").startswith(
        (
            "R005 source 'tagger': the classifier uses ",
            f"R005 source 'tagger': the encoder of the tagger has the option '{key}'",
        )
    )
    assert sorted(each.name for each in tmp_path.iterdir()) == ["model", "rce.pt"]


# --- tokenisers


def tokenizer(files: dict[str, object]) -> io.BytesIO:
    import zipfile

    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content if isinstance(content, str) else json.dumps(content))
    return data


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"tokenizer_config.json": {"auto_map": {}}}, "of another class"),
        ({"tokenizer_config.json": {"trust_remote_code": True}}, "the setting 'trust_remote_code'"),
        ({"tokenizer_config.json": {"gguf_file": "/etc/passwd"}}, "the setting 'gguf_file'"),
        ({"tokenizer_config.json": {"spm_file": "/etc/passwd"}}, "the setting 'spm_file'"),
        (
            {"tokenizer_config.json": {"sp_model_kwargs": {"model_file": "/etc/passwd"}}},
            "the setting 'sp_model_kwargs'",
        ),
        ({"tokenizer_config.json": {"init_inputs": ["/etc/passwd"]}}, "the setting 'init_inputs'"),
        ({"tokenizer_config.json": {"unk_token": {"content": "x", "__type": "Other"}}}, "the setting 'unk_token'"),
        ({"tokenizer_config.json": {"added_tokens_decoder": {"0": {"x": 1}}}}, "the setting 'added_tokens_decoder'"),
        ({"special_tokens_map.json": {"vocab_file": "/etc/passwd"}}, "the setting 'vocab_file'"),
        ({"special_tokens_map.json": {"additional_special_tokens": [[1]]}}, "the setting 'additional_special_tokens'"),
        ({"special_tokens_map.json": [1]}, "its settings are no object"),
        ({"added_tokens.json": {"a": "b"}}, "the setting 'added_tokens.json'"),
        ({"tokenizer_config.json": "{"}, "tokenizer_config.json: "),
        ({"tokenizer_config.json": "[" * 100_000}, "tokenizer_config.json: "),
        ({"tokenizer_config.json": "1" * 5000}, "tokenizer_config.json: "),
    ],
)
def test_a_tokeniser_with_settings_that_lead_elsewhere_is_refused(files: dict[str, object], words: str) -> None:
    from assembler.flair_checkpoints.stored_tokenizer import TokenizerRefusedError, plain_tokenizer

    config = {"tokenizer_class": "BertTokenizer"}
    whole: dict[str, object] = {"tokenizer_config.json": config, "vocab.txt": "a\n"}
    for name, content in files.items():
        whole[name] = {**config, **content} if name in whole and isinstance(content, dict) else content
    with pytest.raises(TokenizerRefusedError, match=words):
        plain_tokenizer(tokenizer(whole))


def test_names_of_files_are_left_out_of_a_tokeniser() -> None:
    import zipfile

    from assembler.flair_checkpoints.stored_tokenizer import plain_tokenizer

    notes = {
        "vocab_file": "/etc/passwd",
        "tokenizer_file": None,
        "special_tokens_map_file": "/etc/x",
        "name_or_path": "me/it",
    }
    config = {"tokenizer_class": "BertTokenizer", "unk_token": "[UNK]", "model_max_length": 512}
    made = plain_tokenizer(tokenizer({"tokenizer_config.json": {**config, **notes}, "vocab.txt": "a\n"}))
    with zipfile.ZipFile(made) as archive:
        assert archive.namelist() == ["tokenizer_config.json", "vocab.txt"]
        assert json.loads(archive.read("tokenizer_config.json")) == config


# --- connections

#: Builds a model where no socket may be opened, and says what asked for one.
OFFLINE = """
import socket, sys, warnings
warnings.simplefilter("ignore")
asked = []
def refuse(*arguments, **options):
    asked.append(arguments)
    raise OSError("no connection here")
from pathlib import Path
from assembler import assemble
from assembler.initialisation import write_spec
socket.socket.connect = socket.socket.connect_ex = refuse
socket.getaddrinfo = socket.create_connection = refuse
spec = Path("tagger.yaml")
spec.write_text(write_spec("tagger.pt", Path()), encoding="utf-8")
assemble(spec, "tagger.onnx")
print(asked)
"""


def test_a_local_checkpoint_is_built_without_a_connection(tmp_path: Path) -> None:
    from tests.taggers.encoders import encoder

    torch.manual_seed(3)
    embeddings = StackedEmbeddings([encoder(tmp_path, "bert"), FlairEmbeddings(language_model())])
    SequenceTagger(embeddings, labels(), "pos", use_crf=False, use_rnn=False).save(tmp_path / "tagger.pt")
    environment = {**os.environ, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE], capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_hub_is_out_of_reach_while_flair_works_and_no_longer() -> None:
    import requests
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session
    from transformers.utils import is_offline_mode

    before = constants.HF_HUB_OFFLINE
    problem = source(Path("x.pt"))
    with flair_at_work(problem, "ask"):
        assert constants.HF_HUB_OFFLINE
        assert is_offline_mode()
    with pytest.raises(SourceError, match="offline mode is enabled"), flair_at_work(problem, "ask"):
        get_session().head("https://huggingface.co/x", timeout=1)
    assert before == constants.HF_HUB_OFFLINE
    assert is_offline_mode() == before
    assert isinstance(get_session(), requests.Session)


# --- what is plain


@pytest.mark.parametrize("archive", [True, False], ids=["zip", "old"])
@pytest.mark.parametrize("protocol", [2, 4])
def test_both_forms_and_protocols_make_the_same_model(tmp_path: Path, protocol: int, *, archive: bool) -> None:
    path = tmp_path / "tagger.pt"
    torch.manual_seed(7)
    state = tagger()._get_state_dict()
    torch.save(state, path, pickle_protocol=protocol, _use_new_zipfile_serialization=archive)
    opened = open_flair_source(source(path), Setting(Path(), 17, trust=False))
    assert opened.tagger is not None
    loaded = opened.tagger.state_dict()
    assert loaded.keys() == state["state_dict"].keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in state["state_dict"].items())
    assert write_spec(str(path), tmp_path).count("kind: ") > 4
