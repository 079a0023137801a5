"""Draws a report as SVG."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from assembler.benchmark.curves import Curve
    from assembler.benchmark.results import Report
    from assembler.benchmark.stacks import StackReport

_COLOURS = ("#8a8f98", "#4c78a8", "#f58518", "#54a24b", "#b279a2", "#e45756")


def chart(report: Report | StackReport, than: str = "flair") -> str:
    """Return bars of how many times the speed of `than` each way has, in batches and one at a time, or by inputs."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    kinds = list(dict.fromkeys(speed.batch for speed in report.speeds))
    with mpl.rc_context({"svg.hashsalt": "flair-assembler", "font.size": 10}):
        figure = Figure(figsize=(4 * len(kinds), 3.2), layout="constrained")
        for place, kind in enumerate(kinds):
            axes = figure.add_subplot(1, len(kinds), place + 1)
            speeds = [speed for speed in report.speeds if speed.batch == kind]
            names = [speed.name for speed in speeds]
            bars = axes.barh(names, [speed.ratio for speed in speeds], color=_COLOURS[: len(names)])
            axes.bar_label(bars, [f"{speed.ratio:.2f}×" for speed in speeds], padding=3)  # noqa: RUF001
            axes.invert_yaxis()
            axes.margins(x=0.2)
            axes.set_title(kind)
            axes.set_xlabel(f"times the speed of {than}")
        return _svg(figure)


def curve_chart(curve: Curve) -> str:
    """Return lines of the seconds of a call, and of the microseconds of a character, by size."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(point.name for point in curve.points))
    with mpl.rc_context({"svg.hashsalt": "flair-assembler", "font.size": 10}):
        figure = Figure(figsize=(8, 3.2), layout="constrained")
        for place, (what, unit) in enumerate((("seconds", "seconds"), ("microseconds", "µs a character"))):
            axes = figure.add_subplot(1, 2, place + 1)
            for name, colour in zip(names, _COLOURS[1:], strict=False):
                own = [point for point in curve.points if point.name == name]
                values = [getattr(point, what) for point in own]
                axes.plot([point.size for point in own], values, marker="o", color=colour, label=name)
            axes.set_xscale("log")
            axes.set_yscale("log" if what == "seconds" else "linear")
            axes.set_ylim(bottom=None if what == "seconds" else 0)
            axes.set_xlabel("characters of one sentence" if curve.of == "characters" else "sentences in one call")
            axes.set_ylabel(unit)
        if names:
            figure.axes[0].legend()
        return _svg(figure)


def _svg(figure: Figure) -> str:
    stream = StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return stream.getvalue()
