"""A module's name says what it does, so two modules that share a name do the same job in two rooms."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "assembler"
READ_AND_RUN = "a class of flair's: how its checkpoints are read, and its adapter inside flair"

#: The names that several rooms may share: the rooms, and the job.
SHARED = {
    "bounds": ("onnx_subgraphs runtime", "refuses files without a bound: those of sources, and models"),
    "form": (
        "flair_checkpoints forms inner_specs onnx_subgraphs",
        "the definition of a form of source, and each of o",
    ),
    "graph": ("cli wiring", "a command has a module of its name; the other wires the graph that it draws"),
    "header": ("inner_specs onnx_file", "the ports of a source: of a spec, and of an ONNX file"),
    "peeking": ("inner_specs onnx_subgraphs", "reads the ports of sources without their weights, for two forms"),
    "prefixed_sequence_tagger": ("flair flair_checkpoints.models", READ_AND_RUN),
    "process": ("confinement isolation", "our end of a separate process: for pickles, and for graphs"),
    "reading": ("inner_specs spec", "reads a spec: one within another, and the outermost"),
    "registry": ("forms parts", "lists what the package has and what others add"),
    "schema": ("cli spec", "a command has a module of its name; the other makes the schema that it prints"),
    "sequence_tagger": ("flair flair_checkpoints.models", READ_AND_RUN),
    "session": ("isolation runtime", "a loaded model: in the separate process, and in ours"),
    "spans": ("parts runtime", "reads spans from tags as flair does: in the graph, and for a host"),
    "text_classifier": ("flair flair_checkpoints.models", READ_AND_RUN),
    "token_classifier": ("flair flair_checkpoints.models", READ_AND_RUN),
}


def test_two_modules_of_one_name_do_the_same_job() -> None:
    rooms: dict[str, list[str]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.stem not in {"__init__", "__main__"}:
            rooms[path.stem].append(".".join(path.parent.relative_to(PACKAGE).parts))
    shared = {name: " ".join(sorted(found)) for name, found in rooms.items() if len(found) > 1}
    assert shared == {name: found for name, (found, _) in SHARED.items()}, "name a module by its job, or add it here"
