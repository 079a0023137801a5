"""A model file that is measured as it is, with the spec that it carries."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assembler.core.errors import ModelError, SourceError
from assembler.core.problems import Problem
from assembler.interface.fields import damaged
from assembler.spec.reading import parse_spec
from assembler.workflows.inspection import model_entries, model_header

if TYPE_CHECKING:
    from pathlib import Path

    from assembler.spec.stack_spec import Spec


@dataclass(frozen=True, slots=True)
class Given:
    """A model that is not built again.

    Attributes:
        path: The file.
        profile: Its profile.
        spec: Its spec; paths are relative to the folder of the model, and each source is pinned.
    """

    path: Path
    profile: str
    spec: Spec


def given_model(path: Path) -> Given:
    """Read which spec a model was built from.

    Raises:
        ModelError: It is none of ours, or its metadata is damaged (M010 to M014).
        SourceError: A source is not where the spec says, seen from the model (R001).
    """
    entries = model_entries(path, model_header(path))
    record, sources = entries.get("spec"), entries.get("sources")
    if not isinstance(record, dict) or not isinstance(record.get("text"), str) or not isinstance(sources, dict):
        raise damaged("spec", "it holds no spec", str(path))  # noqa: EM101 - a place, no message
    spec = parse_spec(record["text"], str(path.with_name("the spec of the model")))
    missing = next((each for each in spec.sources.values() if not (spec.folder / each.location).exists()), None)
    if missing is not None:
        message = f"the source '{missing.name}' is not at {spec.folder / missing.location}"
        hint = "the spec of a model names its parts from where the model is: put it beside the spec, or give the spec"
        raise SourceError(Problem("R001", message, hint, str(path)))
    digests = {name: str(each.get("sha256")) for name, each in sources.items() if isinstance(each, dict)}
    if digests.keys() != spec.sources.keys():
        raise ModelError(Problem("M013", "its sources are not those of its spec", "build it again", str(path)))
    pinned = {name: replace(source, sha256=digests[name]) for name, source in spec.sources.items()}
    return Given(path, str(record.get("profile")), replace(spec, sources=pinned))
