"""Each name that flair's classes know leads to the file that flair itself fetches."""

from __future__ import annotations

import ast
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import flair.models
import pytest
from flair.class_utils import get_non_abstract_subclasses
from flair.models import EntityMentionLinker, SequenceTagger
from flair.nn import Classifier

from assembler.core.problems import Mark
from assembler.flair_checkpoints.model_names import fetch, is_name
from assembler.forms.source import Source

if TYPE_CHECKING:
    from collections.abc import Iterator

LOADERS = [cls for cls in get_non_abstract_subclasses(flair.nn.Model) if "_fetch_model" in vars(cls)]


def names() -> Iterator[str]:
    """Yield the names in the source of flair's own maps: keys of tables, and what a name is compared with."""
    for cls in LOADERS:
        tree = ast.parse(inspect.cleandoc(inspect.getsource(cls._fetch_model)))
        for node in ast.walk(tree):
            found: list[ast.expr | None] = []
            if isinstance(node, ast.Dict):
                found = [*node.keys]
            elif isinstance(node, ast.Subscript):
                found = [node.slice]
            elif isinstance(node, ast.Compare):
                found = [*node.comparators]
            yield from (each.value for each in found if isinstance(each, ast.Constant) and isinstance(each.value, str))


NAMES = sorted(set(names()))


@pytest.fixture
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let flair's fetching return what it would fetch. The hub has those models alone whose name has an owner."""

    def of_hub(name: str) -> str:
        if "/" not in name:
            message = f"404: {name}"
            raise OSError(message)
        return f"hub:{name}"

    for module in {sys.modules[cls.__module__] for cls in LOADERS}:
        monkeypatch.setattr(module, "hf_download", of_hub, raising=False)
        monkeypatch.setattr(module, "cached_path", lambda url, **_: url, raising=False)


def by_flair(name: str) -> str:
    """Return what `Classifier.load` fetches (nn/model.py 151-164), or the `load` of the linkers, which are none."""
    for cls in (*get_non_abstract_subclasses(Classifier), EntityMentionLinker):
        try:
            path = str(cls._fetch_model(name))
        except OSError:
            continue
        if path != name:
            return path
    raise LookupError(name)


def test_the_names_are_found_in_flairs_source() -> None:
    assert {"ner", "de-pos", "sentiment-fast", "de-offensive-language", "linker", "tars-ner", "tars-base"} <= set(NAMES)
    assert {"relations", "hunflair2", "gene-linker", "communicative-functions"} <= set(NAMES)
    assert len(NAMES) > 70


@pytest.mark.usefixtures("_no_network")
@pytest.mark.parametrize("name", [*NAMES, "flair/ner-english", "somebody/some-model"])
def test_a_name_leads_to_what_flair_fetches(name: str) -> None:
    source = Source("tagger", "flair", name, None, Mark("spec.yaml", 1, 1))
    assert is_name(source)
    assert fetch(source) == Path(by_flair(name))


@pytest.mark.usefixtures("_no_network")
def test_a_revision_goes_to_the_hub() -> None:
    source = Source("tagger", "flair", "flair/ner-english", None, Mark("spec.yaml", 1, 1), {"revision": "v1"})
    assert (
        fetch(source) == Path("hub:flair/ner-english@v1") == Path(SequenceTagger._fetch_model("flair/ner-english@v1"))
    )
