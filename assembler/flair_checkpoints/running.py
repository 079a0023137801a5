"""Runs flair quietly and on a chosen device, and turns its errors on a damaged model into problems of the file."""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

import flair
import torch

from assembler.core.errors import AssemblerError
from assembler.flair_checkpoints.trust import damaged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assembler.forms.source import Source

#: The name of Rust's panics in Python: they are not an Exception, and have no class that could be imported.
_PANIC = "PanicException"


@contextmanager
def quiet_flair(device: str = "cpu") -> Iterator[None]:
    """Keep flair off stdout, and on one device: the CPU, where the proof runs, unless a benchmark chooses another."""
    log = logging.getLogger("flair")
    level, before = log.level, flair.device
    log.setLevel(logging.CRITICAL)  # it writes its errors on stdout too, but it also raises them
    flair.device = torch.device(device)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
        flair.device = before


@contextmanager
def kernels_off() -> Iterator[None]:
    """Switch off oneDNN's kernels of torch in the block."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # setting them warns about a missing GPU
        with torch.backends.mkldnn.flags(enabled=False):
            yield


@contextmanager
def other_threads() -> Iterator[None]:
    """Let torch run with one thread in the block, or with two if it has one."""
    before = torch.get_num_threads()
    torch.set_num_threads(2 if before == 1 else 1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def offline() -> Iterator[None]:
    """Keep huggingface_hub and transformers from asking the hub.

    The tables that flair receives name nothing that could be fetched. This is a second safeguard: building from a local
    file opens no connection, whatever flair and transformers look for beside it.
    """
    from huggingface_hub import constants
    from huggingface_hub.utils._http import reset_sessions
    from transformers.utils import hub

    before = constants.HF_HUB_OFFLINE, hub._is_offline_mode  # noqa: SLF001 - it has no other switch
    constants.HF_HUB_OFFLINE = hub._is_offline_mode = True  # noqa: SLF001 - see above
    reset_sessions()  # open sessions would keep their old settings
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE, hub._is_offline_mode = before  # noqa: SLF001 - see above
        reset_sessions()


@contextmanager
def flair_at_work(source: Source, what: str) -> Iterator[None]:
    """Run flair in the block, and nothing else, without a connection.

    flair checks little of what it loads. transformers and tokenizers, which it calls, raise errors of many classes, and
    tokenizers raises bare `Exception`. So all of them are taken for a damaged file here.

    Args:
        source: The source whose model it is.
        what: What flair fails to do, such as `load this checkpoint`.

    Raises:
        SourceError: flair raised an exception (R006).
    """
    try:
        with offline():
            yield
    except AssemblerError:
        raise
    except BaseException as err:
        if not isinstance(err, Exception) and type(err).__name__ != _PANIC:
            raise
        lines = str(err).strip().splitlines()
        reason = lines[0] if lines else type(err).__name__
        raise damaged(source, f"flair {flair.__version__} does not {what}: {reason:.300}") from err
