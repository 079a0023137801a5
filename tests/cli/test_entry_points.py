"""Kinds of third parties: packages that are really built, installed and found by their entry points."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

KIND = '''
"""A kind of a third party."""

from assembler import Kind, Port, Ports, TensorType


def ports(part):
    arriving = part.arriving("tensor")
    return Ports(
        (Port("tensor", TensorType("float32", None)),),
        (Port("doubled", TensorType("float32", arriving.dims)),),
    )


def build(part, emit):
    tensor = emit.input("tensor")
    emit.output("doubled", emit.op("Add", [tensor, tensor], "double"))


DOUBLE = Kind(
    name="{name}",
    summary="Every value twice as large.",
    ports=ports,
    build=build,
    parameters={{"times": {{"type": "integer", "maximum": 3, "description": "How often.", "examples": [1]}}}},
    example={{"kind": "{name}", "inputs": {{"tensor": "a.tensor"}}}},
)
NOT_A_KIND = "double"
'''

SPEC = """version: 1
name: third
inputs:
  x: {{type: {dtype}, shape: [rows, 4]}}
graph:
  twice: {{kind: {kind}, {more}inputs: {{tensor: x}}}}
outputs: {{y: twice.doubled}}
"""


def install(folder: Path, value: str, *, kind: str = "acme_double") -> Path:
    """Build a package with one entry point, install it, and return the folder to put on the path."""
    source, target = folder / "source", folder / "site"
    (source / "acme_kinds").mkdir(parents=True)
    (source / "acme_kinds" / "__init__.py").write_text(KIND.format(name=kind), encoding="utf-8")
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "acme-kinds"\nversion = "1.0"\n'
        f'[project.entry-points."assembler.kinds"]\nacme = "{value}"\n',
        encoding="utf-8",
    )
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *offline, "--target", str(target), str(source)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return target


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("package"), "acme_kinds:DOUBLE")


def assemble(site: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    program = "from assembler.cli.main import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(site), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-c", program, *(str(word) for word in words)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def written(folder: Path, *, dtype: str = "float32", kind: str = "acme_double", more: str = "") -> Path:
    path = folder / "third.yaml"
    path.write_text(SPEC.format(dtype=dtype, kind=kind, more=more), encoding="utf-8")
    return path


def test_a_kind_of_an_installed_package_can_be_named_in_a_spec(site: Path, tmp_path: Path) -> None:
    run = assemble(site, "check", written(tmp_path))
    assert (run.returncode, run.stdout, run.stderr) == (0, "1 spec: no problems\n", "")


def test_without_the_package_the_kind_is_not_known(tmp_path: Path) -> None:
    run = assemble(tmp_path, "check", written(tmp_path))
    assert run.returncode == 1
    assert "S005 'graph.twice.kind': there is no kind 'acme_double'" in run.stdout


def test_its_ports_parameters_and_name_are_checked_like_those_of_our_own(site: Path, tmp_path: Path) -> None:
    run = assemble(site, "check", written(tmp_path, dtype="int64"))
    assert run.returncode == 1
    assert "W003 x → twice.tensor: int64[rows, 4] cannot feed float32[…]: the element types differ" in run.stdout
    run = assemble(site, "check", written(tmp_path, more="times: 4, "))
    assert "S004 'graph.twice.times': got 4, expected at most 3" in run.stdout
    run = assemble(site, "check", written(tmp_path, more="tims: 1, "))
    assert "S001 'graph.twice': unknown key 'tims'\n    hint: did you mean 'times'?" in run.stdout
    run = assemble(site, "check", written(tmp_path, kind="acme_dubble"))
    assert "hint: did you mean 'acme_double'?" in run.stdout


def test_the_schema_for_editors_knows_it(site: Path) -> None:
    run = assemble(site, "schema")
    assert run.returncode == 0
    node = json.loads(run.stdout)["properties"]["graph"]["additionalProperties"]
    assert node["properties"]["kind"]["enum"][-1] == "acme_double"
    assert node["allOf"][-1]["then"]["properties"]["times"]["description"] == "How often."


def test_it_is_assembled_and_proven(site: Path, tmp_path: Path) -> None:
    target = tmp_path / "third.onnx"
    run = assemble(site, written(tmp_path), "-o", target)
    assert run.returncode == 0, run.stderr
    assert target.is_file()


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("acme_kinds.nowhere:DOUBLE", "cannot be loaded: No module named 'acme_kinds.nowhere'"),
        ("acme_kinds:NONE", "cannot be loaded: module 'acme_kinds' has no attribute 'NONE'"),
        ("acme_kinds:NOT_A_KIND", "is a str, not a Kind"),
    ],
)
def test_a_broken_entry_point_is_a_problem_that_names_it(tmp_path: Path, value: str, what: str) -> None:
    site = install(tmp_path, value)
    run = assemble(site, "check", written(tmp_path))
    assert run.returncode == 1
    assert f"K001 entry point 'acme' = '{value}' of the group 'assembler.kinds' {what}" in run.stdout + run.stderr
    assert "hint: " in run.stdout + run.stderr
    assert "Traceback" not in run.stderr


def test_a_name_that_is_taken_is_a_problem_that_names_the_package(tmp_path: Path) -> None:
    site = install(tmp_path, "acme_kinds:DOUBLE", kind="gather")
    run = assemble(site, "check", written(tmp_path))
    assert run.returncode == 1
    told = "K002 entry point 'acme' = 'acme_kinds:DOUBLE' brings a kind 'gather', a name that is taken"
    assert told in run.stdout + run.stderr
    assert "hint: choose another name for the kind" in run.stdout + run.stderr
    assert "Traceback" not in run.stderr
