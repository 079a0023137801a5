"""Draws a wired stack as SVG. It needs matplotlib, and no display."""

from __future__ import annotations

import warnings
from io import StringIO
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.textpath import TextToPath
from matplotlib.transforms import Affine2D

from assembler.drawing.diagram import diagram
from assembler.drawing.layout import ARROW, LEADING, arrow_lines, box_lines, laid_out

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.artist import Artist

    from assembler.drawing.diagram import Diagram, Role
    from assembler.drawing.layout import Face, Frame, Layout, Line, Point
    from assembler.wiring.graph import Wiring

#: Fill and stroke. The text on them is dark, and the ground is white in dark mode too.
_COLOURS: dict[Role, tuple[str, str]] = {
    "input": ("#e3eefb", "#4a7fb8"),
    "part": ("#f7f1e3", "#b08a3c"),
    "output": ("#e2f3e7", "#418a5d"),
}
_TEXT, _FAINT, _LINE, _GROUND = "#1c2733", "#52606d", "#8794a1", "#ffffff"
#: The height at which a box with half circles at its ends becomes one with round corners.
_STADIUM = 32.0
_POINTS_PER_INCH = 72
#: From the middle of a line of text to its baseline, in parts of its size.
_BASELINE = 0.36

#: matplotlib includes the first, so widths are measured with it. The others, for readers without it, are no wider.
_FONTS = ["DejaVu Sans", "Verdana", "Segoe UI", "Helvetica", "Arial", "sans-serif"]


def svg(wiring: Wiring) -> str:
    """Return a wired spec as the text of an SVG file: the same for the same wiring and release of matplotlib."""
    with mpl.rc_context(_settings()), warnings.catch_warnings():
        # A viewer may have a font for a glyph that ours lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        shown = diagram(wiring)
        file = StringIO()
        metadata = {"Title": shown.title, "Date": None, "Creator": None}
        figure(shown, laid_out(shown, measured)).savefig(file, format="svg", metadata=metadata)
    return file.getvalue()


def measured(line: Line) -> float:
    """Return the width of a line of text, in points."""
    text, face = line
    width, _, _ = TextToPath().get_text_width_height_descent(text, _font(face), ismath=False)
    return float(width)


def figure(shown: Diagram, layout: Layout) -> Figure:
    """Return a diagram as a figure, one unit a point, with the size that the layout has."""
    size = (layout.width / _POINTS_PER_INCH, layout.height / _POINTS_PER_INCH)
    # Neither this nor the canvas comes from pyplot, which would keep the figure and look for a display.
    drawn = Figure(figsize=size, dpi=_POINTS_PER_INCH, facecolor=_GROUND)
    FigureCanvasSVG(drawn)
    place = Affine2D().scale(1, -1).translate(0, layout.height).scale(1 / _POINTS_PER_INCH) + drawn.dpi_scale_trans
    for order, artist in enumerate(_artists(shown, layout)):
        artist.set_transform(place)
        artist.set_zorder(order)
        drawn.add_artist(artist)
    return drawn


def _artists(shown: Diagram, layout: Layout) -> Iterator[Artist]:
    """Yield what is drawn, each over those before."""
    for curve in layout.curves:
        yield _line(curve)
        yield _head(curve[-1], downwards=layout.downwards)
    for arrow, frame in zip(shown.arrows, layout.labels, strict=True):
        yield _rounded(frame, 4, (_GROUND, _GROUND))
        yield from _lines(arrow_lines(arrow), frame, (_TEXT, _FAINT))
    for box, frame in zip(shown.boxes, layout.boxes, strict=True):
        corner = 6 if box.role == "part" else min(frame.width, frame.height, _STADIUM) / 2
        yield _rounded(frame, corner, _COLOURS[box.role])
        yield from _lines(box_lines(box), frame, (_TEXT, _TEXT))


def _line(curve: Sequence[Point]) -> PathPatch:
    codes = [Path.MOVETO, *[Path.CURVE4] * (len(curve) - 1)]
    return PathPatch(Path(curve, codes), facecolor="none", edgecolor=_LINE, linewidth=1.1, capstyle="butt")


def _head(base: Point, *, downwards: bool) -> Polygon:
    x, y = base
    half = ARROW * 0.45
    corners = [(x - half, y), (x + half, y), (x, y + ARROW)]
    if not downwards:
        corners = [(x, y - half), (x, y + half), (x + ARROW, y)]
    return Polygon(corners, closed=True, facecolor=_LINE, edgecolor="none")


def _rounded(frame: Frame, corner: float, colours: tuple[str, str]) -> FancyBboxPatch:
    fill, stroke = colours
    style = f"round,pad=0,rounding_size={corner}"
    return FancyBboxPatch(
        (frame.x, frame.y), frame.width, frame.height, boxstyle=style, facecolor=fill, edgecolor=stroke, linewidth=1.1
    )


def _lines(lines: Sequence[Line], frame: Frame, colours: tuple[str, str]) -> Iterator[Text]:
    """Yield lines of text, centred in a frame; the first in the first colour, the others in the second."""
    x = frame.x + frame.width / 2
    y = frame.y + (frame.height - sum(face.size * LEADING for _, face in lines)) / 2
    for index, (text, face) in enumerate(lines):
        middle = y + face.size * LEADING / 2
        y += face.size * LEADING
        # Without parse_math=False a name with two dollar signs would be set as a formula.
        yield Text(
            x, middle + face.size * _BASELINE, text, color=colours[min(index, 1)], fontproperties=_font(face),
            ha="center", va="baseline", parse_math=False,
        )  # fmt: skip


def _font(face: Face) -> FontProperties:
    return FontProperties(size=face.size, weight="bold" if face.bold else "normal")


def _settings() -> mpl.RcParams:
    """Return settings that leave nothing to the user's matplotlibrc, nor ids in the file to chance."""
    ours = ("figure.", "font.", "patch.", "path.", "savefig.", "svg.", "text.")
    settings = mpl.RcParams({name: value for name, value in mpl.rcParamsDefault.items() if name.startswith(ours)})
    settings["font.family"] = ["sans-serif"]
    settings["font.sans-serif"] = _FONTS
    settings["svg.fonttype"] = "none"
    settings["svg.hashsalt"] = "assembler"
    return settings
