"""ONNX Runtime sends telemetry unless it is switched off before it begins; nothing of ours lets it begin so."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOOL = ROOT / "tools" / "watch_telemetry.py"


def watched(*options: str) -> subprocess.CompletedProcess[str]:
    """Run the watch; skip where this machine cannot watch."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not here: `make clients` installs it where it can")
    if subprocess.run([strace, "-f", "-o", os.devnull, "true"], capture_output=True, check=False).returncode:
        pytest.skip("strace may not watch processes here")
    return subprocess.run([sys.executable, TOOL, *options], capture_output=True, text=True, check=False)


def printed(code: str, **changed: str) -> str:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": os.environ.get("HOME", "/"), **changed}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("what", ["Tagger", "tag", "build"])
def test_nothing_is_asked_of_the_network_and_no_file_is_left(what: str) -> None:
    done = watched("--seconds", "1", "--only", what)
    assert done.stdout == f"{what}: 0 calls and files in 1 s\n", done.stderr
    assert done.returncode == 0


def test_the_watch_sees_what_onnx_runtime_leaves_where_it_is_not_switched_off() -> None:
    done = watched("--seconds", "1", "--control")
    if "control: 0 calls" in done.stdout:
        pytest.skip("this ONNX Runtime has no telemetry")
    assert "deviceid" in done.stdout
    assert done.returncode == 1


@pytest.mark.parametrize("module", ["assembler", "assembler.runtime", "assembler.cli.main", "assembler.runtime.engine"])
def test_telemetry_is_off_before_the_library_is_loaded_whatever_is_set(module: str) -> None:
    code = f"""
import sys
class Guard:
    def find_spec(self, name, path=None, target=None):
        if name == "onnxruntime":
            import os
            print("begins with", os.environ["ORT_DISABLE_TELEMETRY"])
sys.meta_path.insert(0, Guard())
import {module}
import assembler.runtime.engine
"""
    assert printed(code, ORT_DISABLE_TELEMETRY="0") == "begins with 1"


def test_a_library_that_began_before_us_is_told_to_be_silent() -> None:
    code = """
import onnxruntime
onnxruntime.disable_telemetry_events = lambda: print("silent")
import assembler.runtime.engine
"""
    assert printed(code, ORT_DISABLE_TELEMETRY="1") == "silent"


def test_nothing_of_ours_loads_onnx_runtime_by_another_door() -> None:
    door = ROOT / "assembler" / "runtime" / "engine.py"
    sources = [path for folder in ("assembler", "tools") for path in (ROOT / folder).rglob("*.py") if path != door]
    loading = ("import onnxruntime", "from onnxruntime", 'import_module("onnxruntime")')
    found = [
        path.name
        for path in sources
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip().startswith(loading[:2]) or loading[2] in line
    ]
    assert found == []


@pytest.mark.parametrize("name", ["python/tag.py", "node/tag.mjs", "c/tag.c", "csharp/Tag.cs"])
def test_an_example_switches_it_off_before_it_loads_the_library(name: str) -> None:
    text = (ROOT / "examples" / name).read_text(encoding="utf-8")
    loads = {"tag.py": "import onnxruntime", "tag.mjs": 'import("onnxruntime-node")', "tag.c": "CreateEnv("}
    assert -1 < text.find("ORT_DISABLE_TELEMETRY") < text.find(loads.get(Path(name).name, "At<CreateEnv>(api"))
