"""Drawings of wired stacks: what they show, that they cannot be broken, and that they stay the same."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from html import unescape
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import matplotlib as mpl
import pytest

from assembler.drawing.diagram import Arrow, Box, Diagram, diagram
from assembler.drawing.layout import ARROW, box_lines, laid_out
from assembler.drawing.mermaid import mermaid
from assembler.drawing.positions import settled
from assembler.drawing.svg import measured, svg
from assembler.spec.reading import load_spec, parse_spec
from assembler.wiring import references
from assembler.wiring.graph import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from assembler.drawing.layout import Frame, Layout, Line, Point
    from assembler.wiring.graph import Wiring

DEMO = Path(__file__).parents[1] / "specs" / "demo-pos.yaml"
SVG = "{http://www.w3.org/2000/svg}"
DRAWINGS = pytest.mark.parametrize("draw", [mermaid, svg])

#: What the demo's drawing shows, by how often at least.
SHOWN = {
    1: [
        "forward",
        "forwardIndices",
        "backward",
        "backwardIndices",
        "characterLengths",
        "lengths",
        "forward_lm",
        "backward_lm",
        "forward_words",
        "backward_words",
        "words",
        "head",
        "concat",
        "tagger_head",
        "tagger.embeddings.0",
        "tagger.embeddings.1",
        "tagger.head",
        "scores",
        "prediction",
        "rows → inputs[0]",
        "rows → inputs[1]",
        "rows → embeddings",
        "float32[sentences, tokens]",
        "int64[sentences, tokens]",
    ],
    2: [
        "char_lm",
        "gather",
        "characters",
        "indices",
        "states → states",
        "int64[characters, sentences]",
        "float32[characters, sentences, ?]",
        "int64[total_tokens]",
    ],
    3: ["int64[sentences]", "float32[total_tokens, ?]"],
}

#: Weights as a spec can have them, in YAML, and how a drawing shows them.
ODD_WEIGHTS = {
    """'tagger.a"]<b>'""": 'tagger.a"]<b>',
    """'tagger.&amp;#34;&lt;'""": "tagger.&amp;#34;&lt;",
    """'tagger.--><br/>|"|;%%{init}'""": 'tagger.--><br/>|"|;%%{init}',
    """'tagger.`*x*`__y__$a$\\_'""": "tagger.`*x*`__y__$a$\\_",
    """'tagger.style:x#1;:::part'""": "tagger.style:x#1;:::part",
    """'tagger.重み😀é'""": "tagger.重み😀é",
    r'"tagger.\x01\u202e\ufeff."': r"tagger.\x01\u202e\ufeff.",
}


def demo() -> Wiring:
    return wire(load_spec(DEMO))


def changed(*changes: tuple[str, str]) -> Wiring:
    text = DEMO.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return wire(parse_spec(text, "changed.yaml"))


def many_models(count: int) -> Wiring:
    numbers = range(count)
    lines = [
        "version: 1",
        "name: many",
        "sources: {tagger: {flair: many.pt}}",
        "inputs:",
        *(f"  characters_{i}: {{type: int64, shape: [characters_{i}, sentences]}}" for i in numbers),
        *(f"  indices_{i}: {{type: int64, shape: [total_tokens]}}" for i in numbers),
        "  character_lengths: {type: int64, shape: [sentences]}",
        "  lengths: {type: int64, shape: [sentences]}",
        "graph:",
    ]
    for i in numbers:
        lines += [
            f"  lm_{i}:",
            "    kind: char_lm",
            f"    weights: tagger.embeddings.{i}",
            "    hidden_size: 2048",
            f"    inputs: {{characters: characters_{i}, lengths: character_lengths}}",
            f"  words_{i}: {{kind: gather, inputs: {{states: lm_{i}.states, indices: indices_{i}}}}}",
        ]
    lines += [
        f"  words: {{kind: concat, inputs: [{', '.join(f'words_{i}.rows' for i in numbers)}]}}",
        "  head: {kind: tagger_head, weights: tagger.head, inputs: {embeddings: words.rows, lengths: lengths}}",
        "outputs: {scores: head.scores, prediction: head.prediction}",
    ]
    return wire(parse_spec("\n".join(lines), "many.yaml"))


def texts(drawing: str) -> list[str]:
    """Return the lines of text that a reader of a drawing sees."""
    if drawing.startswith("flowchart"):
        labels = re.findall(r'"([^"]*)"', drawing)
        # Mermaid's entities are HTML's, with # for &.
        return [unescape(re.sub(r"#(\d+);", r"&#\1;", line)) for label in labels for line in label.split("<br/>")]
    return [element.text or "" for element in parsed(drawing).iter(f"{SVG}text")]


def parsed(drawing: str) -> ET.Element:
    return ET.fromstring(drawing)  # noqa: S314 - we drew it ourselves


@DRAWINGS
def test_every_input_part_output_port_and_type_is_shown(draw: Callable[[Wiring], str]) -> None:
    shown = texts(draw(demo()))
    assert [text for least, wanted in SHOWN.items() for text in wanted if shown.count(text) < least] == []
    assert set(shown) == {text for wanted in SHOWN.values() for text in wanted}


@DRAWINGS
def test_the_type_of_every_edge_is_the_wirings(draw: Callable[[Wiring], str]) -> None:
    wiring = demo()
    references = [edge.reference.text for edges in wiring.edges.values() for edge in edges]
    references += [output.reference.text for output in wiring.spec.outputs.values()]
    types = sorted(str(wiring.tensors[reference]) for reference in references)
    assert sorted(text for text in texts(draw(wiring)) if re.match(r"(int64|float32)\[", text)) == types


def test_mermaid_joins_the_boxes_that_the_spec_joins() -> None:
    drawing = mermaid(demo())
    names = dict(re.findall(r'^    (n\d+)\(?\["([a-zA-Z_]+)', drawing, re.MULTILINE))
    pairs = re.findall(r"(n\d+) -->\|.*\| (n\d+)$", drawing, re.MULTILINE)
    assert {(names[tail], names[head]) for tail, head in pairs} == {
        ("forward", "forward_lm"),
        ("characterLengths", "forward_lm"),
        ("backward", "backward_lm"),
        ("characterLengths", "backward_lm"),
        ("forward_lm", "forward_words"),
        ("forwardIndices", "forward_words"),
        ("backward_lm", "backward_words"),
        ("backwardIndices", "backward_words"),
        ("forward_words", "words"),
        ("backward_words", "words"),
        ("words", "head"),
        ("lengths", "head"),
        ("head", "scores"),
        ("head", "prediction"),
    }


def test_mermaid_draws_inputs_and_outputs_as_stadiums_and_parts_as_boxes() -> None:
    lines = mermaid(demo()).splitlines()
    assert '    n0(["forward"]):::input' in lines
    assert '    n6["forward_lm<br/>char_lm<br/>tagger.embeddings.0"]:::part' in lines
    assert '    n12(["scores"]):::output' in lines
    assert '    n0 -->|"characters<br/>int64[characters, sentences]"| n6' in lines


@DRAWINGS
@pytest.mark.parametrize(("weights", "shown"), ODD_WEIGHTS.items())
def test_odd_weights_are_shown_as_they_are(
    draw: Callable[[Wiring], str], weights: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(references, "weights_problems", lambda *_: ())  # which would refuse such paths
    drawing = draw(changed(("tagger.embeddings.0", weights)))
    assert texts(drawing).count(shown) == 1
    assert len(texts(drawing)) == len(texts(draw(demo())))
    assert drawing.encode()


@pytest.mark.parametrize("weights", ODD_WEIGHTS)
def test_odd_weights_leave_the_statements_of_mermaid_as_they_are(weights: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "weights_problems", lambda *_: ())  # which would refuse such paths
    usual, odd = mermaid(demo()).split("\n"), mermaid(changed(("tagger.embeddings.0", weights))).split("\n")
    (line,) = set(odd) - set(usual)
    assert len(odd) == len(usual)
    assert re.fullmatch(r'    n6\["forward_lm<br/>char_lm<br/>tagger\.(?:[^\W_]|[]./-]|#\d+;)*"\]:::part', line)


@DRAWINGS
def test_words_of_mermaid_and_names_used_twice_are_no_trouble(draw: Callable[[Wiring], str]) -> None:
    # The parts and the outputs of a spec have a space of names each.
    drawing = draw(changed(("forward_lm", "end"), ("backward_lm", "subgraph"), ("  scores:", "  head:")))
    assert {"end", "subgraph"} < set(texts(drawing))
    assert texts(drawing).count("head") == 2


def test_a_name_that_mermaid_would_take_for_markdown_is_escaped() -> None:
    assert '"#95;#95;lm#95;#95;<br/>char_lm<br/>' in mermaid(changed(("forward_lm", "__lm__")))


def test_the_svg_is_xml_with_a_title_a_white_ground_and_no_date() -> None:
    drawing = svg(demo())
    root = parsed(drawing)
    assert root.tag == f"{SVG}svg"
    assert root.findtext(f"{SVG}title") == "demo-pos"
    assert re.search(r"<path[^>]*fill: #ffffff", drawing)
    assert "<dc:date>" not in drawing


@DRAWINGS
def test_the_same_wiring_gives_the_same_bytes(draw: Callable[[Wiring], str]) -> None:
    assert draw(demo()) == draw(demo())


@DRAWINGS
def test_neither_the_hash_seed_nor_a_display_nor_a_matplotlibrc_makes_a_difference(
    draw: Callable[[Wiring], str], tmp_path: Path
) -> None:
    odd = "backend: tkagg\nfont.family: serif\ntext.usetex: True\nsavefig.bbox: tight\n"
    (tmp_path / "matplotlibrc").write_text(odd, encoding="utf-8")
    name = draw.__name__
    script = (
        "import sys; from assembler.spec.reading import load_spec; from assembler.wiring.graph import wire;"
        f"from assembler.drawing.{name} import {name};"
        f"sys.stdout.buffer.write({name}(wire(load_spec(sys.argv[1]))).encode());"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    kept = {key: value for key, value in os.environ.items() if key not in {"DISPLAY", "WAYLAND_DISPLAY", "MPLBACKEND"}}
    kept["PYTHONPATH"] = os.pathsep.join([str(DEMO.parents[1]), kept.get("PYTHONPATH", "")])
    drawings = [
        subprocess.run(
            [sys.executable, "-c", script, str(DEMO)],
            env={**kept, "PYTHONHASHSEED": seed, **settings},
            check=True,
            capture_output=True,
        ).stdout
        for seed, settings in [("1", {}), ("2", {"MATPLOTLIBRC": str(tmp_path)})]
    ]
    assert drawings == [draw(demo()).encode()] * 2


def test_drawing_leaves_the_settings_of_matplotlib_alone() -> None:
    before = dict(mpl.rcParams)
    svg(demo())
    assert dict(mpl.rcParams) == before


def test_a_small_stack_is_drawn_downwards_and_fits_a_page() -> None:
    layout = laid_out(diagram(demo()), measured)
    assert layout.downwards
    assert layout.width < 620  # what GitHub shows of a README is about 830 pixels wide, 622 points


def test_a_wide_stack_is_drawn_to_the_right() -> None:
    assert not laid_out(diagram(many_models(12)), measured).downwards


def test_texts_fit_their_boxes() -> None:
    shown = diagram(demo())
    layout = laid_out(shown, measured)
    texts_of = parsed(svg(demo())).iter(f"{SVG}text")
    places = {element.text: (float(element.attrib["x"]), float(element.attrib["y"])) for element in texts_of}
    for box, frame in zip(shown.boxes, layout.boxes, strict=True):
        x, y = places[box.lines[0]]
        assert frame.x < x < frame.x + frame.width
        assert frame.y < y < frame.y + frame.height
        assert max(measured(line) for line in box_lines(box)) < frame.width


@pytest.mark.parametrize("count", [1, 2, 12])
def test_boxes_and_labels_lie_apart_and_lines_meet_only_their_own(count: int) -> None:
    shown = diagram(many_models(count))
    assert len(shown.boxes) == 4 * count + 6
    check_apart(shown, laid_out(shown, measured))


@pytest.mark.parametrize("seed", range(30))
def test_boxes_lie_apart_whatever_the_graph(seed: int) -> None:
    shown = random_diagram(random.Random(seed))  # noqa: S311 - no secret
    check_apart(shown, laid_out(shown, estimated))


def test_arrows_point_the_way_that_the_drawing_goes() -> None:
    shown = diagram(many_models(12))
    layout = laid_out(shown, measured)
    for arrow, curve in zip(shown.arrows, layout.curves, strict=True):
        assert curve[-1][0] + ARROW == pytest.approx(layout.boxes[arrow.head].x)


def test_a_tree_is_drawn_without_crossings() -> None:
    # Each part takes the outputs of two others, in an order that is not that of the spec.
    boxes = tuple(Box("part", (f"part{index}",)) for index in range(7))
    joined = [(3, 4), (0, 4), (1, 5), (2, 5), (4, 6), (5, 6)]
    layout = laid_out(Diagram("tree", boxes, tuple(Arrow(*ends, "port", "type") for ends in joined)), estimated)
    leaves = [(frame.x if layout.downwards else frame.y, index) for index, frame in enumerate(layout.boxes[:4])]
    order = [index for _, index in sorted(leaves)]
    assert {frozenset(order[:2]), frozenset(order[2:])} == {frozenset({0, 3}), frozenset({1, 2})}


def test_settled_places_are_the_nearest_that_keep_apart() -> None:
    assert settled([0, 10, 20], [5, 5]) == [0, 10, 20]
    assert settled([0, 0], [4]) == [-2, 2]
    assert settled([3, 0, 0], [1, 1]) == [0, 1, 2]
    assert settled([9, 0, 50], [1, 1]) == [4, 5, 50]


def estimated(line: Line) -> float:
    text, face = line
    return 0.6 * face.size * len(text)


def random_diagram(chance: random.Random) -> Diagram:
    """Return a diagram in which boxes feed any later ones, several times over too."""
    inputs, parts, outputs = chance.randint(1, 6), chance.randint(1, 12), chance.randint(1, 4)
    boxes = [
        *(Box("input", ("input" * chance.randint(1, 5),)) for _ in range(inputs)),
        *(Box("part", ("part", "kind", "weights" * chance.randint(1, 6))) for _ in range(parts)),
        *(Box("output", ("output",)) for _ in range(outputs)),
    ]
    arrows = [
        Arrow(chance.randrange(head), head, "port → port", "float32[dim]" * chance.randint(1, 4))
        for head in range(inputs, inputs + parts)
        for _ in range(chance.randint(0, 4))
    ]
    arrows += [
        Arrow(inputs + chance.randrange(parts), inputs + parts + index, "port", "int64[dim]")
        for index in range(outputs)
    ]
    return Diagram("random", tuple(boxes), tuple(arrows))


def check_apart(shown: Diagram, layout: Layout) -> None:
    frames = [*layout.boxes, *layout.labels]
    assert not [pair for pair in combinations(frames, 2) if overlap(*pair)]
    assert all(frame.x > 0 and frame.x + frame.width < layout.width for frame in frames)
    assert all(frame.y > 0 and frame.y + frame.height < layout.height for frame in frames)
    for index, (arrow, curve) in enumerate(zip(shown.arrows, layout.curves, strict=True)):
        own = {arrow.tail, arrow.head, len(shown.boxes) + index}
        others = [frame for place, frame in enumerate(frames) if place not in own]
        assert not [(point, frame) for point in along(curve) for frame in others if inside(point, frame)]


def overlap(one: Frame, other: Frame) -> bool:
    beside = one.x + one.width <= other.x or other.x + other.width <= one.x
    return not (beside or one.y + one.height <= other.y or other.y + other.height <= one.y)


def inside(point: Point, frame: Frame) -> bool:
    x, y = point
    return frame.x < x < frame.x + frame.width and frame.y < y < frame.y + frame.height


def along(curve: tuple[Point, ...]) -> Iterator[Point]:
    """Yield points of the cubic Bézier curves that a line is made of."""
    for start in range(0, len(curve) - 1, 3):
        four = curve[start : start + 4]
        for step in range(21):
            t = step / 20
            weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
            yield (
                sum(weight * x for weight, (x, _) in zip(weights, four, strict=True)),
                sum(weight * y for weight, (_, y) in zip(weights, four, strict=True)),
            )
