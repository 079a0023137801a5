"""The numbers of the spec language: its version, its defaults, and the largest values of its keys."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The version of the spec language.
VERSION = 1
#: The opset at which models are emitted if the spec names none.
DEFAULT_OPSET = 17
#: The opsets at which every built-in kind can be emitted.
OPSETS = (13, 28)
#: The largest tolerance of scores that a spec may allow.
LARGEST_TOLERANCE = 0.1
#: The largest share of tags that a spec may let a lossy profile change, and of accuracy that it may let it lose. If
#: more than one tag in ten changes, it is another model, whose errors a user would take for the source's.
LARGEST_CHANGE = 0.1
#: The least that a proof has to cover if the spec does not say. `proof/coverage.py` counts it.
LEAST: Mapping[str, int] = MappingProxyType({"tokens": 30, "lengths": 3, "labels": 2, "spans": 10})
#: The profile of a spec that names none.
DEFAULT_PROFILE = "portable"
