"""`assemble convert` writes plain data that computes what the objects computed, whatever the pickle tries."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from assembler import SourceError
from assembler.conversion import converting
from assembler.conversion.converting import convert
from assembler.initialisation import write_spec
from assembler.runtime import Tagger

from .conftest import torch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Outcome, Workshop

    Cli = Callable[..., Outcome]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux confines a process without rights")

SENTENCES = [["der", "hund", "bellt", "."], ["wir", "sehen", "uns", "😀"], ["ja"], ["die", "katze"] * 4]


def test_what_saving_loses_is_kept(shop: Workshop, tmp_path: Path, cli: Cli) -> None:
    """`with_whitespace`, the cell of a language model, and the name that puts a table behind the others."""
    from flair.data import Dictionary
    from flair.embeddings import FlairEmbeddings, StackedEmbeddings
    from flair.embeddings.token import OneHotEmbeddings
    from flair.models import SequenceTagger

    words = Dictionary()
    for word in ("der", "hund"):
        words.add_item(word)
    table = OneHotEmbeddings(words, embedding_length=4)
    model = FlairEmbeddings(shop.language_model(cell="gru"), with_whitespace=False, name="lm")
    tagger = shop.tagger(StackedEmbeddings([table, model]))
    old, new = tmp_path / "old.pt", tmp_path / "new.pt"
    torch.save(tagger, old)

    outcome = cli("convert", old, "-o", new)
    assert outcome.code == 0, outcome.err
    assert "no network, no reading but of the libraries, no writing to files, no other process" in outcome.out
    assert "flair itself joins the embeddings in another order" in outcome.out

    specs = [write_spec(str(path), tmp_path, trust=path == old, name="same") for path in (old, new)]
    assert _without_source(specs[0]) == _without_source(specs[1])
    models = []
    for path, text in zip((old, new), specs, strict=True):
        spec = shop.spec(tmp_path / path.stem, text)
        spec.write_text(text.replace(path.name, f"../{path.name}"), encoding="utf-8")
        models.append(Tagger(shop.build(spec, trust=path == old).path))
    one, two = (each.tag(SENTENCES, force_tokens=True) for each in models)
    assert [each.labels for each in one] == [each.labels for each in two]
    np.testing.assert_array_equal(*([score for each in side for score in each.scores] for side in (one, two)))
    assert SequenceTagger.load(new).embeddings.embeddings[1].with_whitespace is False


def _without_source(spec: str) -> list[str]:
    return [line for line in spec.splitlines() if "sha256" not in line]


#: Tries what must fail, and tells of it by the type of the labels, which everything reads.
ATTACK = """
import os, socket, subprocess
def tried(act):
    try: act()
    except OSError as err: return type(err).__name__
    return 'done'
found = [tried(act) for act in (
    lambda: open(FOLDER + '/made', 'w'), lambda: os.unlink(FOLDER + '/hostile.pt'), lambda: open(FOLDER + '/secret'),
    socket.socket, os.fork, lambda: subprocess.run(['true']))]
"""


class Attack:
    """Is a text once it was unpickled, which says what came of the attack."""

    def __init__(self, folder: Path) -> None:
        self.code = ATTACK.replace("FOLDER", repr(str(folder)))

    def __reduce__(self) -> tuple[object, ...]:
        return eval, (f"(lambda own: exec({self.code!r}, own) or '-'.join(own['found']))({{}})",)


def test_a_hostile_object_gets_nowhere_and_its_weights_are_read(shop: Workshop, tmp_path: Path) -> None:
    from flair.models import SequenceTagger

    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    tagger = shop.tagger()
    tagger.tag_type = Attack(tmp_path)  # type: ignore[assignment] # that is the attack
    torch.save(tagger, tmp_path / "hostile.pt")
    found = convert(tmp_path / "hostile.pt", tmp_path / "new.pt")
    assert found.held.missing() == ()
    assert found.order_is_kept
    assert SequenceTagger.load(found.path).tag_type == "-".join(["PermissionError"] * 6)
    assert not (tmp_path / "made").exists()
    with pytest.raises(SourceError, match=r"R016 .*plain data already"):
        convert(found.path, tmp_path / "again.pt")
    assert not (tmp_path / "again.pt").exists()


GARBAGE_TASK = """
def answer(file, request, answers):
    answers.write(b"garbage" * 99)
"""


def test_garbage_in_the_pipe_is_refused(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "garbage_task.py").write_text(GARBAGE_TASK, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(converting, "_TASK", "garbage_task")
    torch.save(Attack(tmp_path), tmp_path / "old.pt")
    (tmp_path / "new.pt").write_text("older", encoding="utf-8")
    outcome = cli("convert", tmp_path / "old.pt", "-o", tmp_path / "new.pt")
    assert outcome.code == 1
    assert "R018 the confined process that read the file gave no plain checkpoint: what it sent is" in outcome.err
    assert (tmp_path / "new.pt").read_text(encoding="utf-8") == "older"
    assert not [*tmp_path.glob("*.partial")]
    again = cli("convert", tmp_path / "old.pt", "-o", tmp_path / "old.pt")
    assert again.code == 2
    assert "is the file that is to be converted" in again.err


def test_another_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(converting.sys, "platform", "darwin")
    with pytest.raises(SourceError, match=r"R017 .*which only Linux has; this is darwin"):
        convert(tmp_path / "old.pt", tmp_path / "new.pt")


def test_kept_names_are_checked(tmp_path: Path, shop: Workshop) -> None:
    state: dict[str, Any] = shop.tagger()._get_state_dict()
    state["assembler"] = {"names": ["one", 2]}
    torch.save(state, tmp_path / "names.pt", pickle_protocol=4)
    with pytest.raises(SourceError, match=r"R006 .*the names under 'assembler' are not those of \d embeddings"):
        write_spec(str(tmp_path / "names.pt"), tmp_path)
