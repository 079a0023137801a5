"""Runs flair: quietly, on the device it is told, what it raises on a damaged model made a problem of its file."""

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

#: What Rust code raises through Python: no Exception, and without a class that could be imported.
_PANIC = "PanicException"


@contextmanager
def quiet_flair(device: str = "cpu") -> Iterator[None]:
    """Keep flair off stdout, and on a device: the CPU, where the proof runs, unless a benchmark says otherwise."""
    log = logging.getLogger("flair")
    level, before = log.level, flair.device
    log.setLevel(logging.CRITICAL)  # it writes its errors on stdout too; what they mean, it raises
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
    """Let torch do without the kernels of oneDNN in the block."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # to set them warns of a GPU that is not there
        with torch.backends.mkldnn.flags(enabled=False):
            yield


@contextmanager
def other_threads() -> Iterator[None]:
    """Let torch run with one thread in the block, or with two where it has one."""
    before = torch.get_num_threads()
    torch.set_num_threads(2 if before == 1 else 1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def offline() -> Iterator[None]:
    """Keep huggingface_hub and transformers from asking the hub.

    What flair is given names nothing that could be fetched. This is the second lock: what is built from a file at hand
    opens no connection, whatever flair and transformers look for beside it.
    """
    from huggingface_hub import constants
    from huggingface_hub.utils._http import reset_sessions
    from transformers.utils import hub

    before = constants.HF_HUB_OFFLINE, hub._is_offline_mode  # noqa: SLF001 - it has no other switch
    constants.HF_HUB_OFFLINE = hub._is_offline_mode = True  # noqa: SLF001 - see above
    reset_sessions()  # those that are open would go on as they were made
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE, hub._is_offline_mode = before  # noqa: SLF001 - see above
        reset_sessions()


@contextmanager
def flair_at_work(source: Source, what: str) -> Iterator[None]:
    """Run flair in the block, and nothing else, without a connection.

    flair checks little of what it loads, and transformers and tokenizers, which it calls, raise whatever class is at
    hand; tokenizers raises bare `Exception`. So all of them are taken for a damaged file here.

    Args:
        source: The source whose model it is.
        what: What flair does not do, such as `load this checkpoint`.

    Raises:
        SourceError: flair has raised something (R006).
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
