"""The names by which flair knows models: which locations may be one, and how flair fetches the model."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING

from assembler.core.errors import SourceError
from assembler.core.problems import Problem

if TYPE_CHECKING:
    from assembler.forms.source import Source

#: The suffixes of checkpoints.
SUFFIXES = frozenset({".pt", ".bin", ".pth", ".model"})

#: The names that only flair's taggers with a prefix know (prefixed_tagger.py 324), and those of its linkers
#: (entity_mention_linking.py 837-846).
_PREFIXED = frozenset({"hunflair2", "bioner"})
_LINKERS = r"(gene|disease|chemical|species)-linker(-no-ab3p)?"


def is_name(source: Source) -> bool:
    """Return whether a location may be a name. flair's own names have no dot, and those of the hub have one slash.

    A revision says that a name is meant, which may then have a dot. A path stays a path.
    """
    if Path(source.location).suffix in SUFFIXES:
        return False
    single = r"[\w-]+" if source.revision is None else r"[\w-][\w.-]*"
    return re.fullmatch(rf"{single}|[\w-][\w.-]*/[\w-][\w.-]*", source.location) is not None


def lacking(source: Source) -> list[str]:
    """Return the missing keys that would pin the model of a name.

    flair's own names have no slash and no revisions (sequence_tagger_model.py 670-760), so the digest alone pins them.
    """
    keys = ["revision"] if source.revision is None and "/" in source.location else []
    return keys + (["sha256"] if source.sha256 is None else [])


def _root_reason(err: BaseException) -> str:
    """Return the first line of the original error, because flair's own hides why the hub could not be reached."""
    while (cause := err.__cause__ or err.__context__) is not None:
        err = cause
    lines = str(err).strip().splitlines()
    return lines[0] if lines else type(err).__name__


def fetch(source: Source) -> Path:
    """Let flair download the model that it knows by this name, and return the file in its cache.

    Raises:
        SourceError: The hub cannot be reached, or has no such model (R004).
    """
    from huggingface_hub.utils import logging as hub_logging

    hub_logging.set_verbosity(logging.CRITICAL)  # otherwise it prints each of its retries, which take half a minute
    name = f"{source.location}@{source.revision}" if source.revision else source.location
    try:
        return Path(_fetched(name))
    except (OSError, ValueError, RuntimeError) as err:
        reason = _root_reason(err)
        message = f"source '{source.name}': flair cannot fetch '{name}': {reason}"
        hint = "without a connection, fetch the checkpoint elsewhere and name its path instead of the hub's name"
        raise SourceError(Problem.at(source.mark, "R004", message, hint)) from err


def _fetched(name: str) -> str:
    """Fetch what flair's `Classifier.load` and the `load` of its linkers would fetch (nn/model.py 151-164).

    Most classes know a few names, and return any other as it is. Three take any other name for one of the hub: taggers
    with a prefix and linkers, whose own names are therefore listed here, and SequenceTagger, which is asked last.
    flair has no public way to get the file alone.
    """
    from flair.models import (
        EntityMentionLinker,
        MultitaskModel,
        PrefixedSequenceTagger,
        RelationExtractor,
        SequenceTagger,
        TARSClassifier,
        TARSTagger,
        TextClassifier,
    )

    if name in _PREFIXED:
        return PrefixedSequenceTagger._fetch_model(name)  # noqa: SLF001 - see above
    if re.fullmatch(_LINKERS, name):
        return EntityMentionLinker._fetch_model(name)  # noqa: SLF001
    for cls in (RelationExtractor, TextClassifier, MultitaskModel, TARSTagger, TARSClassifier):
        path: str = cls._fetch_model(name)
        if path != name:
            return path
    return SequenceTagger._fetch_model(name)  # noqa: SLF001
