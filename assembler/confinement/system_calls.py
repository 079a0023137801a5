"""The system calls that a confined process keeps, as a filter of the kernel's (seccomp).

Each call that is not listed fails with EPERM: sockets, new processes, programs, signals, and all that changes files.
Files are opened for reading alone. The numbers are those of the kernel's own tables (arch/x86/entry/syscalls and
include/uapi/asm-generic/unistd.h), the layout that of linux/seccomp.h and linux/filter.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.confinement.kernel import SystemCallError, system_call

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SET_FILTER, _ALL_THREADS = 1, 1
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000 | errno.EPERM
_NUMBER, _MACHINE, _ARGUMENTS = 0, 4, 16
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND  # O_TMPFILE needs the first or the second
#: What may be asked of descriptors (F_DUPFD to F_GETFL, F_DUPFD_CLOEXEC; not to send signals), of terminals (whether
#: one is there; FIOCLEX, FIONCLEX), and of the process (PR_SET_NAME, PR_GET_NAME, PR_SET_VMA).
_DESCRIPTORS = (0, 1, 2, 3, 1030)
_DEVICES = (0x5401, 0x5450, 0x5451)
_PROCESS = (15, 16, 0x53564D41)


#: The calls that are allowed whatever their arguments: their numbers on x86_64 and aarch64, -1 where there is none.
_PLAIN: Mapping[str, tuple[int, int]] = {
    "read": (0, 63), "write": (1, 64), "close": (3, 57), "lseek": (8, 62), "pread64": (17, 67), "readv": (19, 65),
    "writev": (20, 66), "dup": (32, 23), "dup2": (33, -1), "dup3": (292, 24), "poll": (7, -1), "ppoll": (271, 73),
    "stat": (4, -1), "fstat": (5, 80), "lstat": (6, -1), "newfstatat": (262, 79), "statx": (332, 291),
    "statfs": (137, 43), "fstatfs": (138, 44), "access": (21, -1), "faccessat": (269, 48), "faccessat2": (439, 439),
    "getdents": (78, -1), "getdents64": (217, 61), "getcwd": (79, 17), "readlink": (89, -1), "readlinkat": (267, 78),
    "fadvise64": (221, 223), "mmap": (9, 222), "mprotect": (10, 226), "munmap": (11, 215), "brk": (12, 214),
    "mremap": (25, 216), "mincore": (27, 232), "madvise": (28, 233), "get_mempolicy": (239, 236),
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "sigaltstack": (131, 132),
    "restart_syscall": (219, 128), "futex": (202, 98), "set_robust_list": (273, 99), "rseq": (334, 293),
    "membarrier": (324, 283), "sched_yield": (24, 124), "sched_getaffinity": (204, 123), "getcpu": (309, 168),
    "nanosleep": (35, 101), "clock_nanosleep": (230, 115), "clock_gettime": (228, 113), "clock_getres": (229, 114),
    "gettimeofday": (96, 169), "time": (201, -1), "times": (100, 153), "getpid": (39, 172), "getppid": (110, 173),
    "gettid": (186, 178), "getuid": (102, 174), "geteuid": (107, 175), "getgid": (104, 176), "getegid": (108, 177),
    "uname": (63, 160), "sysinfo": (99, 179), "getrlimit": (97, 163), "getrusage": (98, 165), "getrandom": (318, 278),
    "arch_prctl": (158, -1), "exit": (60, 93), "exit_group": (231, 94),
}  # fmt: skip
#: Those that open a file, with the place of their flags.
_OPENING: Mapping[str, tuple[int, int, int]] = {"open": (2, -1, 1), "openat": (257, 56, 2)}
#: Those that are allowed with some values of one argument: its place, and the values.
_CHOSEN: Mapping[str, tuple[int, int, int, tuple[int, ...]]] = {
    "fcntl": (72, 25, 1, _DESCRIPTORS),
    "ioctl": (16, 29, 1, _DEVICES),
    "prctl": (157, 167, 0, _PROCESS),
}


@dataclass(frozen=True, slots=True)
class _Machine:
    """A processor.

    Attributes:
        column: Where the tables have its numbers.
        audit: How the kernel calls it (linux/audit.h).
        seccomp: The call that sets a filter.
    """

    column: int
    audit: int
    seccomp: int


_MACHINES = {"x86_64": _Machine(0, 0xC000003E, 317), "aarch64": _Machine(1, 0xC00000B7, 277)}


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8), ("value", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(_Instruction)))


def keep_few_system_calls() -> bool:
    """Let this process, and all its threads from now on, use the listed calls alone; it cannot be undone.

    Returns:
        Whether the kernel does it, and the processor's numbers are known.
    """
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        return False
    written = [_Instruction(*each) for each in _filter(machine)]
    array = (_Instruction * len(written))(*written)
    program = _Program(len(written), ctypes.cast(array, ctypes.POINTER(_Instruction)))
    try:
        # its result is the number of a thread that cannot have the filter
        return system_call(machine.seccomp, _SET_FILTER, _ALL_THREADS, ctypes.c_void_p(ctypes.addressof(program))) == 0
    except SystemCallError:
        return False


def _filter(machine: _Machine) -> Iterable[tuple[int, int, int, int]]:
    yield _LOAD, 0, 0, _MACHINE
    yield _EQUAL, 1, 0, machine.audit
    yield _RETURN, 0, 0, _KILL
    yield _LOAD, 0, 0, _NUMBER
    for numbers in _PLAIN.values():
        if numbers[machine.column] >= 0:
            yield _EQUAL, 0, 1, numbers[machine.column]
            yield _RETURN, 0, 0, _ALLOW
    for *both, place in _OPENING.values():
        if both[machine.column] >= 0:
            yield _EQUAL, 0, 4, both[machine.column]
            yield _LOAD, 0, 0, _low_half(place)
            yield _ANY_BIT, 0, 1, _WRITING
            yield _RETURN, 0, 0, _REFUSE
            yield _RETURN, 0, 0, _ALLOW
    for first, second, place, values in _CHOSEN.values():
        yield _EQUAL, 0, 2 * len(values) + 2, (first, second)[machine.column]
        yield _LOAD, 0, 0, _low_half(place)
        for value in values:
            yield _EQUAL, 0, 1, value
            yield _RETURN, 0, 0, _ALLOW
        yield _RETURN, 0, 0, _REFUSE
    yield _RETURN, 0, 0, _REFUSE


def _low_half(place: int) -> int:
    """Return where the filter finds the low 32 bits of an argument; both processors are little-endian."""
    return _ARGUMENTS + 8 * place
