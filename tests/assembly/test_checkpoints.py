"""A checkpoint runs no code unless it is trusted, and a damaged one is a problem, never a traceback."""

from __future__ import annotations

import hashlib
import os
import pickle
import random
import re
import socket
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from flair.data import Dictionary
from flair.embeddings import StackedEmbeddings, WordEmbeddings
from flair.embeddings.token import HashEmbeddings

from assembler.core.errors import AssemblerError, SourceError
from assembler.core.problems import Mark
from assembler.flair_checkpoints.form import open_flair_source
from assembler.forms.source import Setting, Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from flair.models import SequenceTagger

    from tests.assembly.conftest import Outcome, Workshop


class Attack:
    """Touches a file when it is read."""

    def __init__(self, target: Path, function: Callable[..., object] = os.system) -> None:
        self._call = (function, (f"touch {target}",))

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return self._call


def source(path: Path, sha256: str | None = None) -> Source:
    return Source("tagger", "flair", str(path), sha256, Mark("stack.yaml", 4, 20))


def problem(path: Path, *, trust: bool = False, sha256: str | None = None) -> str:
    """Open a checkpoint that must be refused, and return the text of the problem."""
    with pytest.raises(SourceError) as caught:
        open_flair_source(source(path, sha256), Setting(Path(), 17, trust=trust))
    text = str(caught.value)
    assert text.startswith("stack.yaml:4:20: ")
    return text.removeprefix("stack.yaml:4:20: ")


@pytest.mark.parametrize("archive", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("protocol", [2, 4])
def test_an_object_that_runs_code_runs_nothing(tmp_path: Path, protocol: int, *, archive: bool) -> None:
    path, touched = tmp_path / "evil.pt", tmp_path / "touched"
    state = {"__cls__": "SequenceTagger", "tag_dictionary": Attack(touched), "state_dict": {"a": torch.zeros(2)}}
    torch.save(state, path, pickle_protocol=protocol, _use_new_zipfile_serialization=archive)
    name = f"{os.system.__module__}.system"
    text = problem(path)
    assert text.startswith(f"R003 source 'tagger': the checkpoint names {name}, which is not on the list of plain data")
    assert "pass --trust if you know where it comes from" in text
    assert not touched.exists()
    # the attack itself is real: trust lets it run
    with pytest.raises(SourceError):
        open_flair_source(source(path), Setting(Path(), 17, trust=True))
    assert touched.exists()


@pytest.mark.parametrize("function", [eval, exec, __import__, getattr, Path.unlink])
def test_no_function_beyond_the_list_is_reached(tmp_path: Path, function: Callable[..., object]) -> None:
    path = tmp_path / "evil.pt"
    torch.save({"x": Attack(tmp_path / "touched", function)}, path)
    assert re.match(r"R003 source 'tagger': the checkpoint names \w+(\.\w+)+, which", problem(path))


def test_a_name_with_dots_does_not_reach_behind_the_list(tmp_path: Path) -> None:
    """Since protocol 4 a name may have dots: `flair.data` `Dictionary.load` would download."""
    body = b"\x80\x04\x8c\x0aflair.data\x8c\x0fDictionary.load\x93\x8c\x05chars\x85R."
    path = tmp_path / "evil.pt"
    torch.save({}, path)
    import zipfile

    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in records.items():
            archive.writestr(name, body if name.endswith("data.pkl") else data)
    assert problem(path).startswith("R003 source 'tagger': the checkpoint names flair.data.Dictionary.load, which")


# Writes a file when torch.jit loads it, to which torch.load hands a TorchScript archive over.
TORCHSCRIPT = """
import sys, warnings
warnings.simplefilter("ignore")
import torch
from typing import Tuple
class Scripted(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.x = torch.zeros(1)
    @torch.jit.export
    def __getstate__(self) -> Tuple[torch.Tensor, bool]:
        return (self.x, self.training)
    @torch.jit.export
    def __setstate__(self, state: Tuple[torch.Tensor, bool]) -> None:
        torch.save(state[0], "touched")
        self.x = state[0]
        self.training = state[1]
    def forward(self, y: torch.Tensor):
        return self.x + y
torch.jit.script(Scripted()).save("evil.pt")
"""


@pytest.mark.parametrize("trust", [True, False])
def test_a_torchscript_archive_which_has_code_of_its_own_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, trust: bool
) -> None:
    import subprocess

    script = tmp_path / "script.py"  # TorchScript compiles from the source of a file
    script.write_text(TORCHSCRIPT)
    subprocess.run([sys.executable, str(script)], cwd=tmp_path, check=True, capture_output=True)
    monkeypatch.chdir(tmp_path)
    text = problem(tmp_path / "evil.pt", trust=trust)
    assert text == "R005 source 'tagger': the checkpoint is a TorchScript archive, not a flair model"
    assert not (tmp_path / "touched").exists()


def test_the_digest_is_compared_before_anything_is_unpickled(tmp_path: Path) -> None:
    path, touched = tmp_path / "evil.pt", tmp_path / "touched"
    torch.save({"x": Attack(touched)}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    text = problem(path, trust=True, sha256="0" * 64)
    assert text.startswith(f"R002 source 'tagger': the file has the digest {digest}, the spec pins {'0' * 64}")
    assert "if it is meant, pin its digest" in text
    assert not touched.exists()


def test_a_pinned_digest_that_fits_is_silent(shop: Workshop, folder: Path) -> None:
    digest = hashlib.sha256((folder / "tagger.pt").read_bytes()).hexdigest()
    result = shop.build(shop.spec(folder, pin=f", sha256: {digest}"))
    assert result.sources == {"tagger": digest}
    assert result.unpinned == ()
    assert shop.build(shop.spec(folder)).unpinned == ("tagger",)


def object_state(tagger: SequenceTagger) -> dict[str, object]:
    """Return what flair before 0.12 saved: a state with the embeddings as an object."""
    return {
        "state_dict": tagger.state_dict(),
        "embeddings": tagger.embeddings,
        "hidden_size": tagger.hidden_size,
        "tag_dictionary": tagger.label_dictionary,
        "tag_type": tagger.tag_type,
        "use_crf": False,
        "use_rnn": True,
        "rnn_layers": 1,
        "use_word_dropout": 0.0,
        "use_locked_dropout": 0.0,
    }


@pytest.mark.parametrize("archive", [True, False], ids=["zip", "legacy"])
def test_an_object_pickle_is_read_when_it_is_trusted(
    shop: Workshop, folder: Path, tagger: SequenceTagger, *, archive: bool
) -> None:
    torch.save(object_state(tagger), folder / "tagger.pt", _use_new_zipfile_serialization=archive)
    assert problem(folder / "tagger.pt").startswith(
        "R003 source 'tagger': the checkpoint names flair.embeddings.token."
    )
    spec = shop.spec(folder)
    with pytest.raises(SourceError, match=r"stack\.yaml:5:19: R003 .* which is not on the list"):
        shop.build(spec)
    result = shop.build(spec, trust=True)
    from assembler.runtime import Tagger

    sentences = [["der", "hund", "bellt"], ["ja"]]
    given = [list(row.labels) for row in Tagger(result.path).tag(sentences)]
    assert given == [[label for label, _ in row] for row in shop.flair_tags(tagger, sentences)]


def test_a_gru_language_model_is_read_from_an_object_pickle(shop: Workshop, tmp_path: Path) -> None:
    """flair 0.15.1 forgets the cell when it saves a tagger, and cannot load what it saved."""
    stack = shop.embeddings(
        shop.language_model(cell="gru", seed=1), shop.language_model(cell="gru", forward=False, seed=2)
    )
    tagger = shop.tagger(stack)
    shop.save(tagger, tmp_path / "tagger.pt")
    assert "R006 source 'tagger': flair 0.15.1 does not load this checkpoint: Error(s) in loading" in problem(
        tmp_path / "tagger.pt"
    )
    torch.save(object_state(tagger), tmp_path / "tagger.pt")
    assert shop.build(shop.spec(tmp_path), trust=True).proven is not None


def test_trust_is_an_option_of_the_command_line(
    shop: Workshop, folder: Path, tagger: SequenceTagger, cli: Callable[..., Outcome]
) -> None:
    torch.save(object_state(tagger), folder / "tagger.pt")
    spec = shop.spec(folder)
    done = cli(spec, "-o", folder / "o.onnx")
    assert (done.code, "R003" in done.err, (folder / "o.onnx").exists()) == (1, True, False)
    assert cli(spec, "-o", folder / "o.onnx", "--trust").code == 0
    assert cli("verify", folder / "o.onnx", "--spec", spec).code == 1
    assert cli("verify", folder / "o.onnx", "--spec", spec, "--trust").code == 0
    assert cli("init", folder / "tagger.pt").code == 1
    assert "kind: tagger_head" in cli("init", folder / "tagger.pt", "--trust").out


# --- damage


DAMAGED = {
    "empty": b"",
    "text": b"this is no checkpoint\n" * 50,
    "zip": b"PK\x03\x04 but no archive",
    "pickle": pickle.dumps([1, 2, 3])[:-1],
    "protocol": b"\x80\xff",
    "null": bytes(1000),
}


@pytest.mark.parametrize("trust", [True, False])
@pytest.mark.parametrize("name", DAMAGED)
def test_a_file_that_is_no_checkpoint_is_a_problem(tmp_path: Path, name: str, *, trust: bool) -> None:
    (tmp_path / "bad.pt").write_bytes(DAMAGED[name])
    text = problem(tmp_path / "bad.pt", trust=trust)
    assert text.startswith("R006 source 'tagger': bad.pt is not a checkpoint that can be read: ")


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.9, 0.999])
def test_a_truncated_checkpoint_is_a_problem(checkpoint: Path, tmp_path: Path, share: float) -> None:
    data = checkpoint.read_bytes()
    (tmp_path / "bad.pt").write_bytes(data[: int(len(data) * share)])
    assert problem(tmp_path / "bad.pt").startswith(
        "R006 source 'tagger': bad.pt is not a checkpoint that can be read: "
    )


def code_of_refusal(path: Path) -> str | None:
    """Open a checkpoint and return the code of its problem, or `None`; any other error is a bug."""
    try:
        opened = open_flair_source(source(path), Setting(Path(), 17, trust=False))
        for part in opened.paths():
            opened.weights(part)
    except SourceError as err:
        return err.problems[0].code
    return None


def test_a_checkpoint_with_flipped_bytes_is_read_or_refused(checkpoint: Path, tmp_path: Path) -> None:
    data = checkpoint.read_bytes()
    draw = random.Random(7)  # noqa: S311 - no secrets
    path = tmp_path / "bad.pt"
    codes: list[str | None] = []
    for _ in range(60):
        changed = bytearray(data)
        for _ in range(draw.choice((1, 3, 20))):
            changed[draw.randrange(min(len(data), 4000))] = draw.randrange(256)
        path.write_bytes(changed)
        codes.append(code_of_refusal(path))
    assert set(codes) <= {None, "R003", "R005", "R006"}
    assert codes.count(None) < 30


WRONG = [None, 3, -1, "text", [], {}, 1.5, b"bytes", torch.zeros(3), {"a": 1}, (1,), True]


def saved_state(path: Path) -> dict[str, object]:
    return torch.load(path, weights_only=False)


def test_a_state_with_any_value_of_another_type_is_read_or_refused(checkpoint: Path, tmp_path: Path) -> None:
    path = tmp_path / "bad.pt"
    keys = list(saved_state(checkpoint))
    codes: dict[object, set[str | None]] = defaultdict(set)
    for number, key in enumerate(keys):
        for wrong in WRONG[number % 2 :: 2]:
            state = saved_state(checkpoint)
            state[key] = wrong
            torch.save(state, path, pickle_protocol=4)
            codes[key].add(code_of_refusal(path))
    assert set().union(*codes.values()) <= {None, "R005", "R006"}
    refused = {key for key, found in codes.items() if "R006" in found}
    assert {"state_dict", "embeddings", "tag_dictionary", "hidden_size", "rnn_layers"} <= refused


def test_embeddings_with_any_value_of_another_type_are_read_or_refused(checkpoint: Path, tmp_path: Path) -> None:
    path = tmp_path / "bad.pt"
    first = saved_state(checkpoint)["embeddings"]["embeddings"][0]
    codes: dict[object, set[str | None]] = defaultdict(set)
    for key in [*first, *(("model_params", inner) for inner in first["model_params"])]:
        for wrong in WRONG[::3]:
            state = saved_state(checkpoint)
            entry = state["embeddings"]["embeddings"][0]
            if isinstance(key, tuple):
                entry[key[0]][key[1]] = wrong
            else:
                entry[key] = wrong
            torch.save(state, path, pickle_protocol=4)
            codes[key].add(code_of_refusal(path))
    assert set().union(*codes.values()) <= {None, "R005", "R006"}
    refused = {key for key, found in codes.items() if found - {None}}
    assert {"__cls__", "model_params", ("model_params", "dictionary")} <= refused


def test_a_language_model_with_any_value_of_another_type_is_read_or_refused(shop: Workshop, tmp_path: Path) -> None:
    path = shop.save(shop.language_model(), tmp_path / "lm.pt")
    codes: dict[object, set[str | None]] = defaultdict(set)
    for key in saved_state(path):
        for wrong in WRONG[::2]:
            state = saved_state(path)
            state[key] = wrong
            torch.save(state, tmp_path / "bad.pt", pickle_protocol=4)
            codes[key].add(code_of_refusal(tmp_path / "bad.pt"))
    assert set().union(*codes.values()) <= {None, "R005", "R006"}
    assert "R006" in codes["dictionary"]
    assert "R006" in codes["state_dict"]


def test_a_state_that_lacks_a_weight_is_refused(shop: Workshop, tmp_path: Path) -> None:
    path = shop.save(shop.language_model(), tmp_path / "lm.pt")
    state = saved_state(path)
    del state["state_dict"]["rnn.bias_ih_l0"]
    torch.save(state, path, pickle_protocol=4)
    assert problem(path) == "R006 source 'tagger': the checkpoint lacks rnn.bias_ih_l0"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([1, 2], "R005 source 'tagger': the checkpoint is a list, not a flair model"),
        ({"a": 1}, "R005 source 'tagger': the checkpoint is neither a SequenceTagger nor a LanguageModel"),
        ({"__cls__": "ClusteringModel"}, "R005 source 'tagger': the checkpoint is ClusteringModel"),
        (torch.zeros(2), "R005 source 'tagger': the checkpoint is a Tensor, not a flair model"),
    ],
)
def test_a_checkpoint_of_something_else_is_named(tmp_path: Path, content: object, words: str) -> None:
    torch.save(content, tmp_path / "other.pt")
    assert problem(tmp_path / "other.pt").startswith(words)


def test_embeddings_that_cannot_be_assembled_are_named_before_flair_makes_them(
    checkpoint: Path, tmp_path: Path
) -> None:
    state = saved_state(checkpoint)
    state["embeddings"]["embeddings"][1]["__cls__"] = "flair.embeddings.token.FastTextEmbeddings"
    torch.save(state, tmp_path / "tagger.pt", pickle_protocol=4)
    text = problem(tmp_path / "tagger.pt")
    assert text.startswith("R005 source 'tagger': the tagger uses FastTextEmbeddings")
    assert "FlairEmbeddings" in text


def test_two_embeddings_of_one_name_are_refused(shop: Workshop, tmp_path: Path) -> None:
    stack = shop.embeddings(shop.language_model(seed=1), shop.language_model(forward=False, seed=2), names=["x", "x"])
    torch.save(object_state(shop.tagger(stack)), tmp_path / "tagger.pt")
    assert "R005 source 'tagger': two embeddings of the tagger have the name 'x'" in problem(
        tmp_path / "tagger.pt", trust=True
    )


# --- what flair would stumble over, or make before it looks


def refused(path: Path, change: Callable[[dict[str, Any]], object], to: Path) -> str:
    """Save a changed state, and return the problem, which is R006."""
    state = saved_state(path)
    change(state)
    torch.save(state, to / "bad.pt", pickle_protocol=4)
    text = problem(to / "bad.pt")
    assert text.startswith("R006 source 'tagger': ")
    return text.removeprefix("R006 source 'tagger': ")


def entry(state: dict[str, Any]) -> dict[str, Any]:
    return state["embeddings"]["embeddings"][0]


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "embeddings": (
        lambda state: state["embeddings"].update(embeddings=5),
        "the stack of the tagger is a int, expected a list of embeddings",
    ),
    "embedding": (
        lambda state: state["embeddings"]["embeddings"].append("x"),
        "embedding 2 of the tagger is a str",
    ),
    "no embeddings": (
        lambda state: state.update(embeddings=None),
        "the embeddings of the tagger are a NoneType",
    ),
    "name": (
        lambda state: entry(state).update(name=5),
        "embedding 0 of the tagger has the value 5 as its name, expected a text or none",
    ),
    "type": (
        lambda state: state.update(tag_type=5),
        "the tagger has the value 5 as its tag_type, expected a text",
    ),
    "half a type": (
        lambda state: state.update(tag_type="\ud800"),
        r"the tagger has the value '\ud800' as its tag_type, expected a text",
    ),
    "delimiters": (
        lambda state: entry(state)["model_params"].update(document_delimiter=["a"]),
        "the language model of embedding 0 of the tagger has a list as its document_delimiter, expected a text",
    ),
    "half a delimiter": (
        lambda state: entry(state)["model_params"].update(document_delimiter="\ud800"),
        (
            r"the language model of embedding 0 of the tagger has the value '\ud800' as its document_delimiter, "
            "expected a text"
        ),
    ),
    "text": (
        lambda state: entry(state)["model_params"]["dictionary"].idx2item.__setitem__(5, "x"),
        "the dictionary of characters holds 'x', which is no UTF-8",
    ),
    "not UTF-8": (
        lambda state: entry(state)["model_params"]["dictionary"].idx2item.__setitem__(5, b"\xff"),
        "the dictionary of characters holds b'\\xff', which is no UTF-8",
    ),
    "surrogate": (
        lambda state: entry(state)["model_params"]["dictionary"].idx2item.__setitem__(5, b"\xed\xa0\x80"),
        "the dictionary of characters holds b'\\xed\\xa0\\x80', which is no UTF-8",
    ),
    "decoded": (
        lambda state: vars(entry(state)["model_params"]["dictionary"])["item2idx_not_encoded"].update({None: 1}),
        (
            "bad.pt is not a checkpoint that can be read: a table has a NoneType as a key, expected a text, bytes or a "
            "small number"
        ),
    ),
    "number": (
        lambda state: state["tag_dictionary"].item2idx.update({b"X": 10**30}),
        "the dictionary of labels gives b'X' a row that none of its 5 items has",
    ),
    "no number": (
        lambda state: state["tag_dictionary"].item2idx.update({b"X": None}),
        "the dictionary of labels gives b'X' a row that none of its 5 items has",
    ),
    "no items": (
        lambda state: vars(state["tag_dictionary"]).update(item2idx=[1]),
        "the dictionary of labels is none",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_flair_would_stumble_over_is_damage(checkpoint: Path, tmp_path: Path, name: str) -> None:
    change, words = CHANGES[name]
    assert refused(checkpoint, change, tmp_path) == words


def test_what_flair_met_and_did_not_know_is_no_damage(checkpoint: Path, tmp_path: Path) -> None:
    state = saved_state(checkpoint)
    vars(entry(state)["model_params"]["dictionary"])["item2idx_not_encoded"].update({"\ud800": 0})
    torch.save(state, tmp_path / "met.pt", pickle_protocol=4)
    assert code_of_refusal(tmp_path / "met.pt") is None
    words = refused(
        checkpoint,
        lambda state: vars(entry(state)["model_params"]["dictionary"])["item2idx_not_encoded"].update({"\ud800": 3}),
        tmp_path,
    )
    assert words == r"the dictionary of characters holds '\ud800', which is no text"


def test_stacks_in_stacks_end_somewhere(checkpoint: Path, tmp_path: Path) -> None:
    def nest(state: dict[str, Any]) -> None:
        for _ in range(9):
            state["embeddings"] = {"__cls__": "StackedEmbeddings", "embeddings": [state["embeddings"]]}

    assert refused(checkpoint, nest, tmp_path) == "the tagger has stacks in stacks, more than 8 deep"


def test_a_stack_that_is_its_own_member_is_damage(checkpoint: Path, tmp_path: Path) -> None:
    words = refused(checkpoint, lambda state: state["embeddings"]["embeddings"].append(state["embeddings"]), tmp_path)
    assert words == (
        "bad.pt is not a checkpoint that can be read: its pickle fills what is no list or table, or one that holds "
        "itself or is in use already"
    )


SIZES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "hidden_size of a language model": (
        lambda state: entry(state)["model_params"].update(hidden_size=9000),
        (
            r"hidden_size 9000, embedding_size 6: that is 54000 values of embeddings\.list_embedding_0\.lm\.rnn\."
            r"weight_ih_l0, of which it holds \d+"
        ),
    ),
    "nlayers": (
        lambda state: entry(state)["model_params"].update(nlayers=3),
        (
            r"hidden_size 8, hidden_size 8: that is 64 values of embeddings\.list_embedding_0\.lm\.rnn\.weight_ih_l1, "
            r"of which it holds 0"
        ),
    ),
    "embedding_size": (
        lambda state: entry(state)["model_params"].update(embedding_size=10**9),
        r"characters \d+, embedding_size 1000000000: that is \d+ values of .*encoder\.weight, of which it holds \d+",
    ),
    "nout": (
        lambda state: entry(state)["model_params"].update(nout=10**6),
        r"nout 1000000, hidden_size 8: that is 8000000 values of .*proj\.weight, of which it holds 0",
    ),
    "decoder": (
        lambda state: entry(state)["model_params"].update(has_decoder=True),
        r"characters \d+, hidden_size 8: that is \d+ values of .*decoder\.weight, of which it holds 0",
    ),
    "hidden_size": (
        lambda state: state.update(hidden_size=20_000),
        r"hidden_size 20000, embedding_length 16: that is 320000 values of rnn\.weight_ih_l0, of which it holds 512",
    ),
    "rnn_layers": (
        lambda state: state.update(rnn_layers=10**6),
        r"hidden_size 8, directions 2, hidden_size 8: that is 128 values of rnn\.weight_ih_l1, of which it holds 0",
    ),
    "labels": (
        lambda state: [state["tag_dictionary"].add_item(f"L{number}") for number in range(1000)],
        r"labels 1005, directions 2, hidden_size 8: that is 16080 values of linear\.weight, of which it holds 80",
    ),
    "crf": (
        lambda state: state.update(use_crf=True),
        r"labels 5, labels 5: that is 25 values of crf\.transitions, of which it holds 0",
    ),
}


@pytest.mark.parametrize("name", SIZES)
def test_a_tagger_that_declares_more_than_it_holds_is_refused(checkpoint: Path, tmp_path: Path, name: str) -> None:
    change, words = SIZES[name]
    assert re.fullmatch(f"the checkpoint declares {words}", refused(checkpoint, change, tmp_path))


@pytest.mark.parametrize("size", [-1, 2**40, "9", None, 1.5, torch.tensor(9000)])
def test_what_is_no_size_is_refused(checkpoint: Path, tmp_path: Path, size: object) -> None:
    words = refused(checkpoint, lambda state: entry(state)["model_params"].update(embedding_size=size), tmp_path)
    assert words.startswith("the checkpoint declares as its embedding_size ")
    assert words.endswith(", expected a size")


TABLES: dict[str, tuple[dict[str, Any], str]] = {
    "WordEmbeddings": (
        {"vocab": {"a": 0}, "embedding_length": 10**9, "name": "w"},
        (
            "words 2, embedding_length 1000000000: that is 2000000000 values of "
            "embeddings.list_embedding_0.embedding.weight"
        ),
    ),
    "OneHotEmbeddings": (
        {"vocab_dictionary": Dictionary(), "embedding_length": 10**9},
        (
            "words 1, embedding_length 1000000000: that is 1000000000 values of "
            "embeddings.list_embedding_0.embedding_layer.weight"
        ),
    ),
    "HashEmbeddings": (
        {"num_embeddings": 10**6, "embedding_length": 10**4},
        (
            "num_embeddings 1000000, embedding_length 10000: that is 10000000000 values of "
            "embeddings.list_embedding_0.embedding_layer.weight"
        ),
    ),
}


@pytest.mark.parametrize("cls", TABLES)
def test_a_table_that_declares_more_than_it_holds_is_refused(checkpoint: Path, tmp_path: Path, cls: str) -> None:
    table, words = TABLES[cls]

    def change(state: dict[str, Any]) -> None:
        state["embeddings"]["embeddings"][0] = {"__cls__": cls, **table}

    assert refused(checkpoint, change, tmp_path) == f"the checkpoint declares {words}, of which it holds 0"


def test_a_small_file_does_not_make_a_large_language_model(shop: Workshop, tmp_path: Path) -> None:
    path = shop.save(shop.language_model(), tmp_path / "lm.pt")

    def empty(state: dict[str, Any]) -> None:
        state.update(hidden_size=9000, nlayers=3, state_dict={})

    assert re.fullmatch(
        r"the checkpoint declares characters \d+, embedding_size 6: that is \d+ values of encoder\.weight, "
        r"of which it holds 0",
        refused(path, empty, tmp_path),
    )


def test_weights_that_are_larger_than_their_memory_are_refused(shop: Workshop, tmp_path: Path) -> None:
    path = shop.save(shop.language_model(), tmp_path / "lm.pt")

    def expand(state: dict[str, Any]) -> None:
        state["state_dict"]["rnn.weight_hh_l0"] = torch.zeros(1).expand(4 * 9000, 9000)

    words = refused(path, expand, tmp_path)
    assert words == (
        "bad.pt is not a checkpoint that can be read: the weights of the checkpoint are of 1296000000 bytes, of which "
        "it holds 4"
    )


def test_a_way_to_hash_that_python_does_not_know_is_damage(shop: Workshop, tmp_path: Path) -> None:
    for method in ("nope", "shake_128"):
        stack = StackedEmbeddings([HashEmbeddings(4, 3, method)])
        path = shop.save(shop.tagger(stack), tmp_path / "tagger.pt")
        assert problem(path) == (
            f"R006 source 'tagger': embedding 0 of the tagger hashes by '{method}', which Python does not know"
        )


def test_a_vocabulary_of_no_words_is_damage(shop: Workshop, tmp_path: Path) -> None:
    table = WordEmbeddings(None, vocab={"a": 0, "b": 1}, embedding_length=3, name="w")
    path = shop.save(shop.tagger(StackedEmbeddings([table])), tmp_path / "tagger.pt")
    words = refused(path, lambda state: entry(state).update(vocab={"a": 0, 5: "x"}), tmp_path)
    assert words == ("embedding 0 of the tagger has a dict as its vocab, expected a table of words and rows")


def test_an_archive_whose_names_are_no_text_is_damage(checkpoint: Path, tmp_path: Path) -> None:
    """torch lists the names of an archive's records, and decodes them."""
    data = checkpoint.read_bytes()
    at = data.rindex(b"/version") - 2  # in the directory at the archive's end
    (tmp_path / "bad.pt").write_bytes(data[:at] + b"\xad" + data[at + 1 :])
    assert problem(tmp_path / "bad.pt").startswith(
        "R006 source 'tagger': bad.pt is not a checkpoint that can be read: "
    )


# --- where sources are


@pytest.mark.parametrize("location", ["a" * 300, "a" * 300 + ".pt"])
def test_a_name_that_no_file_can_have_is_a_problem(shop: Workshop, folder: Path, location: str) -> None:
    with pytest.raises(SourceError, match=r"R001 source 'tagger': .* cannot be looked up: File name too long"):
        shop.build(shop.spec(folder, location=location))


def test_a_link_to_itself_is_a_problem(shop: Workshop, folder: Path) -> None:
    (folder / "a").symlink_to("b")
    (folder / "b").symlink_to("a")
    with pytest.raises(SourceError, match=r"R001 source 'tagger': .*/a is a link that leads to no file"):
        shop.build(shop.spec(folder, location="a"))


def test_a_missing_checkpoint_is_a_problem_with_the_nearest_name(shop: Workshop, folder: Path) -> None:
    with pytest.raises(SourceError, match=r"R001 source 'tagger': .*tager\.pt is not there") as caught:
        shop.build(shop.spec(folder, location="tager.pt"))
    assert caught.value.problems[0].hint == "did you mean 'tagger.pt'?"
    with pytest.raises(SourceError, match=r"R001 source 'tagger': .* is a folder\n.*name a file in it: tagger\.pt"):
        shop.build(shop.spec(folder, location="."))


@pytest.mark.parametrize("location", ["nope.x", "a/b/c", "/nope", "v1.2", "no pe", ".hidden", "~/tagger"])
def test_what_no_model_of_flairs_is_called_is_looked_for_here_alone(
    shop: Workshop, folder: Path, location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assembler.flair_checkpoints.opened_checkpoint.fetch", lambda _: pytest.fail("asked flair"))
    with pytest.raises(SourceError, match=rf"R001 source 'tagger': .*{location} is not there"):
        shop.build(shop.spec(folder, location=f'"{location}"'))


@pytest.mark.parametrize("location", ["/nope", "a/b/c", "a/..", "../a", "no pe", ".hidden", "/", "a//b"])
def test_a_revision_makes_no_name_of_a_path(
    shop: Workshop, folder: Path, location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assembler.flair_checkpoints.opened_checkpoint.fetch", lambda _: pytest.fail("asked flair"))
    with pytest.raises(SourceError, match=r"R001 source 'tagger': .* is (not there|a folder)"):
        shop.build(shop.spec(folder, location=f'"{location}", revision: main'))


@pytest.mark.parametrize("kind", ["fifo", "socket", "device", "folder"])
def test_what_is_no_file_is_no_name_either(
    shop: Workshop, folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assembler.flair_checkpoints.opened_checkpoint.fetch", lambda _: pytest.fail("asked flair"))
    path = folder / "de-pos"
    if kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        monkeypatch.chdir(folder)  # names of sockets are short
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("de-pos")
    for pin in ("", ", revision: main"):
        with pytest.raises(SourceError, match=r"R001 source 'tagger': .*/de-pos is (no regular file|a folder)"):
            shop.build(shop.spec(folder, location=f"de-pos{pin}"))


@pytest.mark.parametrize("location", ["de-pos", "flair/ner-english", "me/ner-v1.2"])
def test_what_a_model_of_flairs_may_be_called_is_fetched(
    shop: Workshop, folder: Path, location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assembler.flair_checkpoints.opened_checkpoint.fetch", lambda _: folder / "tagger.pt")
    assert shop.build(shop.spec(folder, location=location)).proven is not None


def test_a_name_that_cannot_be_fetched_is_a_problem(
    shop: Workshop, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flair.models import SequenceTagger

    def fetch(name: str) -> str:
        message = f"no route to the hub of {name}\nsecond line"
        raise OSError(message)

    monkeypatch.setattr(SequenceTagger, "_fetch_model", fetch)
    words = "R004 source 'tagger': flair cannot fetch 'flair/no-such@main': no route to the hub of flair/no-such@main"
    with pytest.raises(SourceError, match=words) as caught:
        shop.build(shop.spec(folder, location="flair/no-such, revision: main"))
    assert "fetch the checkpoint elsewhere and name its path" in str(caught.value)


def test_a_part_that_the_checkpoint_lacks_is_a_problem(shop: Workshop, folder: Path) -> None:
    with pytest.raises(SourceError, match=r"R007 backward_lm: the source 'tagger' has no part 'tagger\.embeddings\.7'"):
        shop.build(shop.spec(folder, second="7"))
    spec = shop.spec(folder)
    spec.write_text(spec.read_text().replace("weights: tagger.head", "weights: tagger.embeddings.0"))
    words = "R007 head: 'tagger.embeddings.0' is a part of kind 'char_lm', not 'tagger_head'"
    with pytest.raises(SourceError, match=words) as caught:
        shop.build(spec)
    assert "tagger.embeddings.0, tagger.embeddings.1, tagger.head" in str(caught.value)


@pytest.mark.parametrize("package", ["flair", "torch"])
def test_without_flair_a_checkpoint_is_a_problem_that_names_the_package(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    for module in [name for name in sys.modules if name.startswith("assembler.flair_checkpoints.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        SourceError, match=f"R008 source 'tagger': reading a flair checkpoint needs the package '{package}'"
    ):
        open_flair_source(source(checkpoint), Setting(Path(), 17, trust=False))


# --- exported subgraphs


def test_a_damaged_subgraph_is_a_problem(shop: Workshop, tmp_path: Path) -> None:
    import onnx

    model = shop.model(
        '<ir_version: 8, opset_import: ["": 17]> g (float[n] x) => (float[n] y) <float[2] w = {1, 2}> '
        "{ t = Add(x, w) y = Relu(t) }"
    )
    data = model.SerializeToString()
    text = """\
version: 1
name: one
sources: {m: {onnx: m.onnx}}
inputs: {x: {type: float32, shape: [n]}}
graph: {part: {kind: onnx, weights: m, inputs: {x: x}}}
outputs: {result: part.y}
"""
    spec = shop.spec(tmp_path, text)
    draw = random.Random(3)  # noqa: S311 - no secrets
    codes = set()
    for trial in range(120):
        changed = bytearray(data)
        if trial % 3 == 0:
            changed = changed[: draw.randrange(len(data))]
        else:
            for _ in range(draw.choice((1, 2, 5))):
                changed[draw.randrange(len(data))] = draw.randrange(256)
        (tmp_path / "m.onnx").write_bytes(changed)
        try:
            shop.build(spec)
        except AssemblerError as err:
            codes.add(err.problems[0].code)
    assert "R006" in codes
    onnx.save(model, tmp_path / "m.onnx")
    (tmp_path / "m.onnx").write_bytes(b"")
    with pytest.raises(SourceError, match=r"R006 source 'm': .*m\.onnx is not an ONNX model"):
        shop.build(spec)
