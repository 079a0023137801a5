"""Writes a static folder that tags text in the browser: a page, the model, and ONNX Runtime for the web."""

from __future__ import annotations

import json
import reprlib
import secrets
import shutil
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from assembler.core.errors import AssemblerError, ModelError
from assembler.core.problems import Problem
from assembler.interface.fields import Fields
from assembler.page.folder import DESCRIPTION, WRITER, foreign, replace_folder
from assembler.runtime.wholeness import require_whole
from assembler.workflows.inspection import inspect, model_entries, model_header

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from assembler.core.values import Value
    from assembler.onnx_file.header import OnnxHeader

#: The files of onnxruntime-web that a page needs: its module, and the processor's code with the module that loads it.
RUNTIME_FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
_ASSETS = ("index.html", "page.css", "page.js")
#: Every file that a page can have.
FILES = frozenset((*_ASSETS, DESCRIPTION, "model.onnx", "graph.svg", *(f"ort/{name}" for name in RUNTIME_FILES)))
_GIVEN = ("labels", "scores", "lengths")
_MOST_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Page:
    """A page that was written.

    Attributes:
        folder: Its folder.
        size: The bytes of all its files.
    """

    folder: Path
    size: int


def find_runtime(start: Path) -> Path | None:
    """Return the folder of onnxruntime-web's files that npm has installed here, or in a folder above."""
    for folder in (start, *start.parents):
        found = folder / "node_modules" / "onnxruntime-web" / "dist"
        if all((found / name).is_file() for name in RUNTIME_FILES):
            return found
    return None


def require_page(model: Path) -> None:
    """Refuse a model that has no page.

    Raises:
        ModelError: As `write_page`, but for M009.
    """
    _described(model)


def write_page(model: Path, folder: Path, runtime: Path, *, replace: bool = False) -> Page:
    """Write the page of a model.

    Args:
        model: A model that takes text.
        folder: The folder to write. It gets its name when it is complete.
        runtime: The folder with `RUNTIME_FILES`.
        replace: Whether an existing page is replaced.

    Raises:
        ModelError: The model does not take text, or takes texts of a fixed size, or keeps its weights beside it (M014),
            was not written by the assembler (M010 to M013), or is damaged (M021, M022); or the folder cannot be
            written, or exists and does not hold exactly one of our pages (M009).
    """
    described = _described(model)
    require_whole(str(model))
    reason = foreign(folder, FILES) if replace and folder.exists() else None
    if reason is not None:
        raise ModelError(Problem("M009", f"is not replaced: {reason}", "choose another folder", str(folder)))
    stage = folder.with_name(f"{folder.name}.{secrets.token_hex(4)}.partial")
    try:
        stage.mkdir()
        _fill(stage, model, runtime, described)
        size = sum(path.stat().st_size for path in stage.rglob("*") if path.is_file())
        if replace and folder.exists():
            replace_folder(folder, stage)
        else:
            stage.rename(folder)
    except OSError as err:
        problem = Problem("M009", f"cannot be written: {err.strerror or err}", "choose another folder", str(folder))
        raise ModelError(problem) from err
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return Page(folder, size)


def _fill(stage: Path, model: Path, runtime: Path, described: Mapping[str, Value]) -> None:
    assets = resources.files("assembler.page") / "assets"
    for name in _ASSETS:
        (stage / name).write_bytes((assets / name).read_bytes())
    (stage / DESCRIPTION).write_text(json.dumps(described, indent=1), encoding="ascii")  # halves of pairs may be in it
    shutil.copyfile(model, stage / "model.onnx")
    (stage / "ort").mkdir()
    for name in RUNTIME_FILES:
        shutil.copyfile(runtime / name, stage / "ort" / name)
    drawing = _drawing(str(described["spec"]))
    if drawing is not None:
        (stage / "graph.svg").write_bytes(drawing.encode("utf-8", "replace"))


def _described(model: Path) -> dict[str, Value]:
    """Return what the page says of the model, and how it feeds it."""
    header = model_header(model)
    entries = model_entries(model, header)
    interface, tasks = entries.get("interface"), entries.get("tasks")
    inputs = interface.get("inputs", []) if isinstance(interface, dict) else []
    outputs = tasks[0].get("outputs", {}) if isinstance(tasks, list) and tasks and isinstance(tasks[0], dict) else {}
    if [entry.get("fill") for entry in inputs] != ["text"] or not set(_GIVEN) <= set(outputs):
        hint = "write its spec with `assemble init SOURCE --interface text`, and assemble it again"
        message = "a page needs a model that takes text and gives labels, scores and lengths"
        raise ModelError(Problem("M014", message, hint, str(model)))
    _require_open_shape(header, str(inputs[0]["name"]), model)
    found = inspect(model)
    if _has_data_beside(model):
        message = "its weights are in a file beside it, which a page cannot load"
        raise ModelError(Problem("M014", message, "assemble it without --external-above", str(model)))
    spec = entries.get("spec")
    return {
        "writer": WRITER,
        "about": json.loads(json.dumps(found.as_dict())),
        "spec": str(spec.get("text", "")) if isinstance(spec, dict) else "",
        "input": inputs[0]["name"],
        "outputs": {gives: outputs[gives] for gives in _GIVEN},
        "examples": [" ".join(tokens) for tokens in _examples(entries.get("proof"), str(model))],
    }


def _require_open_shape(header: OnnxHeader, name: str, model: Path) -> None:
    dims = header.inputs[name].dims if name in header.inputs else None
    if dims is None or any(isinstance(dim, int) for dim in dims):
        message = "its text input has a fixed shape; a page tags as many sentences and characters as are typed"
        raise ModelError(Problem("M014", message, "give the input the shape [sentences, characters]", str(model)))


def _examples(proof: object, file: str) -> list[tuple[str, ...]]:
    """Return the tokens of the first sentences of a proof; one that was skipped has none.

    Raises:
        ModelError: The proof is damaged (M013).
    """
    if proof is None:
        return []
    record = Fields.of(proof, "proof", file)
    golden = record.values.get("golden", [])
    if not isinstance(golden, list):
        message = f"expected a list, got {reprlib.repr(golden)}"
        raise record.error("golden", message)  # noqa: EM101 - a key, no message
    return [
        Fields.of(entry, f"proof.golden[{place}]", file).strings("tokens")
        for place, entry in enumerate(golden[:_MOST_EXAMPLES])
    ]


def _has_data_beside(model: Path) -> bool:
    import onnx
    from onnx.external_data_helper import uses_external_data

    return any(map(uses_external_data, onnx.load(model, load_external_data=False).graph.initializer))


def _drawing(text: str) -> str | None:
    """Return the drawing of a spec, or `None` if a kind of part is not installed here."""
    from assembler.drawing.svg import svg
    from assembler.spec.reading import parse_spec
    from assembler.wiring.graph import wire

    with suppress(AssemblerError):
        return svg(wire(parse_spec(text, "spec.yaml")))
    return None
