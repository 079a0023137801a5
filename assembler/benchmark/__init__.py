"""Measures an assembled tagger side by side with flair: the same weights, the same text, in turns.

The names are loaded when they are first used: a process that measures the memory of a model imports this package too.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assembler.benchmark.curves import Curve, Point
    from assembler.benchmark.growth import measure_curve
    from assembler.benchmark.measuring import measure
    from assembler.benchmark.results import Report, Speed

__all__ = ["Curve", "Point", "Report", "Speed", "measure", "measure_curve"]

_HOMES = {"Curve": "curves", "Point": "curves", "Report": "results", "Speed": "results"}
_HOMES |= {"measure": "measuring", "measure_curve": "growth"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        message = f"module '{__name__}' has no attribute '{name}'"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
