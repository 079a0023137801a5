"""Why a checkpoint is not read. The caller turns each reason into a problem of its source."""

from __future__ import annotations

import re

#: The number of characters of a stranger's name that are shown.
_SHOWN = 100
_DOTTED = re.compile(r"\w+(\.\w+)*")


class RefusalError(Exception):
    """A checkpoint is not read; the text says why."""


class DamagedError(RefusalError):
    """The file is not a checkpoint, is incomplete, or declares more than it holds."""


class NotPlainError(RefusalError):
    """The pickle names a class or a function that is not plain data.

    Attributes:
        name: The name, shortened, and quoted if it is not a Python name.
    """

    def __init__(self, module: str, name: str) -> None:
        """Keep the name in a form that can be printed."""
        dotted = f"{module[:_SHOWN]}.{name[:_SHOWN]}"
        self.name = dotted if _DOTTED.fullmatch(dotted) else ascii(dotted)
        super().__init__(self.name)


class OtherFormError(RefusalError):
    """The file is complete, but has a form that is never read, trusted or not.

    Attributes:
        code: The code of the problem.
        hint: What to do instead, or `None`.
    """

    def __init__(self, code: str, message: str, hint: str | None = None) -> None:
        """Keep what the problem says."""
        super().__init__(message)
        self.code = code
        self.hint = hint
