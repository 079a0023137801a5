"""Reads the checkpoints of torch without running anything in them.

`read_checkpoint` takes a stream and returns plain values. It uses neither torch nor flair, and calls no pickle, no
library for archives and nothing that a file names.
"""

from assembler.flair_checkpoints.pickles.checkpoints import read_checkpoint
from assembler.flair_checkpoints.pickles.named_classes import named_classes
from assembler.flair_checkpoints.pickles.plain_values import StoredDictionary, StoredFile, StoredStrategy, Tensor
from assembler.flair_checkpoints.pickles.rejections import DamagedError, NotPlainError, OtherFormError, RefusalError

__all__ = [
    "DamagedError",
    "NotPlainError",
    "OtherFormError",
    "RefusalError",
    "StoredDictionary",
    "StoredFile",
    "StoredStrategy",
    "Tensor",
    "named_classes",
    "read_checkpoint",
]
