"""Which files a process may open: the kernel's Landlock, which anybody may restrict themselves with.

The numbers are those of include/uapi/linux/landlock.h.
"""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING

from assembler.confinement.kernel import SystemCallError, system_call

if TYPE_CHECKING:
    from collections.abc import Iterable

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_ASK_VERSION, _BENEATH = 1, 1
_READ_FILE, _READ_FOLDER = 1 << 2, 1 << 3
#: How many of the rights on files each version of Landlock knows, from the first on.
_RIGHTS = (13, 14, 15, 15, 16)
_WITH_NETWORK, _WITH_SCOPES = 4, 6
_BOTH_BITS = 0b11


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("rights", ctypes.c_uint64), ("folder", ctypes.c_int32))


def read_only(folders: Iterable[str]) -> bool:
    """Let this process open nothing from now on but files below some folders, for reading; it cannot be undone.

    Files that are open stay open. From its fourth version on Landlock also refuses connections of TCP, and from its
    sixth signals to processes that are not confined.

    Returns:
        Whether the kernel does it.
    """
    try:
        version = system_call(_CREATE, 0, 0, _ASK_VERSION)
        rules = _Ruleset(files=(1 << _RIGHTS[min(version, len(_RIGHTS)) - 1]) - 1)
        rules.network = _BOTH_BITS if version >= _WITH_NETWORK else 0
        rules.scopes = _BOTH_BITS if version >= _WITH_SCOPES else 0
        size = 8 * (1 + (version >= _WITH_NETWORK) + (version >= _WITH_SCOPES))
        ruleset = system_call(_CREATE, ctypes.c_void_p(ctypes.addressof(rules)), size, 0)
    except SystemCallError:
        return False
    try:
        for folder in folders:
            _allow(ruleset, folder)
        system_call(_RESTRICT, ruleset, 0)
    except SystemCallError:
        return False
    finally:
        os.close(ruleset)
    return True


def _allow(ruleset: int, folder: str) -> None:
    try:
        descriptor = os.open(folder, getattr(os, "O_PATH", 0) | os.O_CLOEXEC | os.O_DIRECTORY)
    except OSError:  # not there: nothing to allow
        return
    try:
        rule = _Beneath(_READ_FILE | _READ_FOLDER, descriptor)
        system_call(_ADD, ruleset, _BENEATH, ctypes.c_void_p(ctypes.addressof(rule)), 0)
    finally:
        os.close(descriptor)
