"""The few calls of Linux that Python has no name for."""

from __future__ import annotations

import ctypes
import os
from functools import cache


class SystemCallError(OSError):
    """The kernel refuses a call, or lacks it."""


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def prctl(option: int, *arguments: int) -> None:
    """Change something about this process.

    Raises:
        SystemCallError: The kernel refuses.
    """
    padded = [ctypes.c_ulong(argument) for argument in (*arguments, *[0] * (4 - len(arguments)))]
    _require(_library().prctl(ctypes.c_int(option), *padded))


def unshare(flags: int) -> None:
    """Leave namespaces for new ones.

    Raises:
        SystemCallError: The kernel refuses.
    """
    _require(_library().unshare(ctypes.c_int(flags)))


def system_call(number: int, *arguments: int | ctypes.c_void_p) -> int:
    """Make a call by its number, and return its result.

    Raises:
        SystemCallError: The kernel refuses, or lacks it.
    """
    given = [each if isinstance(each, ctypes.c_void_p) else ctypes.c_long(each) for each in arguments]
    syscall = _library().syscall
    syscall.restype = ctypes.c_long
    return _require(syscall(ctypes.c_long(number), *given))


def _require(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise SystemCallError(number, os.strerror(number))
    return result
