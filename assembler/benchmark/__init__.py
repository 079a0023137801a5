"""Measures an assembled tagger side by side with flair: the same weights, the same text, in turns."""

from __future__ import annotations

from assembler.benchmark.curves import Curve, Point
from assembler.benchmark.growth import measure_curve
from assembler.benchmark.measuring import measure
from assembler.benchmark.results import Report, Speed

__all__ = ["Curve", "Point", "Report", "Speed", "measure", "measure_curve"]
