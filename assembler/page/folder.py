"""Recognises a folder that `assemble page` has written, and replaces it, so that no other files are ever removed."""

from __future__ import annotations

import json
import secrets
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

#: The writer that `DESCRIPTION` names.
WRITER = "assemble page"
#: The file of a page that says who wrote it.
DESCRIPTION = "model.json"


def foreign(folder: Path, known: Collection[str]) -> str | None:
    """Return in words why a folder does not hold exactly one of our pages, or `None` if it does.

    Args:
        folder: What is there.
        known: The files that pages have, relative to their folder, with `/`.
    """
    if folder.is_symlink() or not folder.is_dir():
        return "it is no folder"
    folders = {name.rpartition("/")[0] for name in known}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or name not in (folders if path.is_dir() else known):
            return f"it holds '{name}', which is no part of a page"
    return None if _is_signed(folder / DESCRIPTION) else f"its {DESCRIPTION} does not say that `{WRITER}` wrote it"


def _is_signed(description: Path) -> bool:
    try:
        found = json.loads(description.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("writer") == WRITER


def replace_folder(folder: Path, successor: Path) -> None:
    """Replace one folder by another; both exist under some name until the new one is in place.

    Raises:
        OSError: It cannot be done; the old one is where it was.
    """
    old = folder.with_name(f"{folder.name}.{secrets.token_hex(4)}.old")
    folder.rename(old)
    try:
        successor.rename(folder)
    except BaseException:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
