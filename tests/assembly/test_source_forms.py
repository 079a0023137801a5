"""Forms of source of third parties: the package of docs/sources.md, built, installed and found by its entry points."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")
MODULES = ("form", "archive", "kind")
ARCHIVE = "npz_tagger/archive.py"
OTHER_FORMS = """
from dataclasses import replace
FLAIR, DIGEST = (replace(FORM, name=name) for name in ("flair", "sha256"))
OPTION = replace(FORM, keys={"onnx": {}})
"""
WORDS = ("der", "hund", "bellt", ".", "ja", "die", "katze")
LABELS = ("DET", "NOUN", "VERB", "PUNCT")

#: None of the commands needs flair or torch: they cannot even be imported.
PROGRAM = "import sys; sys.modules['flair'] = sys.modules['torch'] = None; from assembler.cli.main import main; main()"


def block(language: str, place: int = 0) -> str:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[place]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the package of the page, install it, and return the folder to put on the path."""
    folder = tmp_path_factory.mktemp("package")
    source, target = folder / "source", folder / "site"
    (source / "npz_tagger").mkdir(parents=True)
    (source / "npz_tagger" / "__init__.py").touch()
    for place, name in enumerate(MODULES):
        (source / "npz_tagger" / f"{name}.py").write_text(block("python", place), encoding="utf-8")
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        f'[project]\nname = "npz-tagger"\nversion = "1.0"\n{block("toml")}',
        encoding="utf-8",
    )
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *offline, "--target", str(target), str(source)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return target


def changed(site: Path, folder: Path, file: str, old: str, new: str) -> Path:
    """Return a copy of the installed package with one file changed."""
    copy = folder / "site"
    shutil.copytree(site, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (path,) = copy.glob(file)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return copy


def arrays() -> dict[str, np.ndarray]:
    random = np.random.default_rng(4)
    return {
        "words": np.array(WORDS),
        "table": random.standard_normal((len(WORDS) + 1, 6)).astype(np.float32),
        "weight": random.standard_normal((len(LABELS), 6)).astype(np.float32),
        "bias": random.standard_normal(len(LABELS)).astype(np.float32),
        "labels": np.array(LABELS),
    }


def written(folder: Path, change: Callable[[str], str] = lambda text: text) -> Path:
    """Write the spec of the page, changed, and the archive beside it."""
    np.savez(folder / "net.npz", **arrays())
    path = folder / "npz.yaml"
    path.write_text(change(block("yaml")), encoding="utf-8")
    return path


def command(site: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(site)]), "PYTHONIOENCODING": "utf-8"}
    run = [sys.executable, "-c", PROGRAM, *(str(word) for word in words)]
    return subprocess.run(run, env=environment, capture_output=True, text=True, check=False)


def expected(tokens: list[str]) -> list[str]:
    """Label tokens with the arrays, by themselves."""
    given = arrays()
    rows = given["table"][[WORDS.index(token) if token in WORDS else len(WORDS) for token in tokens]]
    return [LABELS[number] for number in (rows @ given["weight"].T + given["bias"]).argmax(1)]


def test_a_spec_with_a_form_of_an_installed_package_is_checked(site: Path, tmp_path: Path) -> None:
    run = command(site, "check", "--strict", written(tmp_path))
    assert (run.returncode, run.stdout, run.stderr) == (0, "1 spec: no problems\n", "")
    (tmp_path / "net.npz").unlink()
    run = command(site, "check", tmp_path / "npz.yaml")
    assert f"the source 'net' is not checked: {tmp_path / 'net.npz'} is not here" in run.stdout + run.stderr


def test_check_imports_the_form_but_not_what_reads_it(site: Path, tmp_path: Path) -> None:
    program = f"import assembler, sys; assembler.check({str(written(tmp_path))!r})\n"
    program += "print(sorted({'npz_tagger.form', 'npz_tagger.archive', 'numpy', 'onnx', 'torch'} & set(sys.modules)))"
    path = os.pathsep.join([str(ROOT), str(site)])
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout == "['npz_tagger.form']\n", run.stderr


@pytest.mark.parametrize("profile", ["portable", "cpu"])
def test_a_stack_of_its_parts_is_built_proven_verified_and_run(site: Path, tmp_path: Path, profile: str) -> None:
    spec, model = written(tmp_path), tmp_path / "m.onnx"
    built = command(site, spec, "-o", model, "--profile", profile, "--format", "json")
    assert built.returncode == 0, built.stderr
    proof = json.loads(built.stdout)["proof"]
    assert proof["against"] == "net"
    assert proof["tokens"] > 100
    sha256 = hashlib.sha256((tmp_path / "net.npz").read_bytes()).hexdigest()
    shown = json.loads(command(site, "inspect", model, "--format", "json").stdout)
    assert shown["sources"] == [["net", "npz net.npz", f"sha256 {sha256}"]]
    assert shown["versions"]["numpy"] == np.__version__
    assert "flair" not in shown["versions"]
    assert "torch" not in shown["versions"]
    for words in (("verify", model), ("verify", model, "--spec", spec)):
        assert (run := command(site, *words)).returncode == 0, run.stderr
    text = tmp_path / "text.txt"
    text.write_text("der hund bellt .\nja katze\n", encoding="utf-8")
    # the runtime needs neither the package nor what it was built from
    tagged = json.loads(command(tmp_path, "tag", model, text, "--format", "json").stdout)
    assert [each["labels"] for each in tagged] == [expected(["der", "hund", "bellt", "."]), expected(["ja", "katze"])]


def test_a_model_that_does_not_compute_what_its_reference_does_is_not_written(site: Path, tmp_path: Path) -> None:
    wrong = changed(site, tmp_path, ARCHIVE, '.T + self.arrays["bias"]', '.T - self.arrays["bias"]')
    run = command(wrong, written(tmp_path), "-o", tmp_path / "m.onnx")
    assert run.returncode == 3
    assert "P001 the model does not reproduce the tags and scores of 'net'" in run.stderr
    assert not (tmp_path / "m.onnx").exists()


def test_a_spec_that_wires_other_rows_than_the_reference_has_is_told_where(site: Path, tmp_path: Path) -> None:
    other = changed(site, tmp_path, ARCHIVE, "row_of.get(token, len(row_of))", "row_of.get(token, 0)")
    run = command(other, written(tmp_path), "-o", tmp_path / "m.onnx")
    assert run.returncode == 3
    assert "P001 the model does not reproduce the tags and scores of 'net'" in run.stderr
    assert "table.rows: differs by" in run.stderr


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("{npz: net.npz}", "{npzz: net.npz}", "S001 'sources.net': unknown key 'npzz'\n    hint: did you mean 'npz'?"),
        ("{npz: net.npz}", "{zip: net.npz}", "S002 'sources.net': needs a key 'flair' or 'onnx' or 'spec' or 'npz'"),
        ("{npz: net.npz}", "{npz: net.npz, revision: a}", "S001 'sources.net': unknown key 'revision'"),
        ("{npz: net.npz}", "{npz: 3}", "S003 'sources.net.npz': got a number (3), expected text"),
        (
            "kind: embedding,",
            "kind: char_lm,",
            "W012 table: kind 'char_lm' takes its weights from a source of the form 'flair', 'net' is of",
        ),
        (
            "kind: embedding,",
            "kind: onnx,",
            "W012 table: kind 'onnx' takes its weights from a source of the form 'onnx', 'net' is of the form 'npz'",
        ),
        ("outputs:", "proof: {against: nett}\noutputs:", "W012 proof: there is no source 'nett'"),
    ],
)
def test_check_names_what_is_wrong_with_such_a_source(
    site: Path, tmp_path: Path, old: str, new: str, code: str
) -> None:
    run = command(site, "check", written(tmp_path, lambda text: text.replace(old, new)))
    assert run.returncode == 1
    assert code in run.stdout


def test_its_kind_takes_no_weights_of_another_sort(site: Path, tmp_path: Path) -> None:
    run = command(site, written(tmp_path, lambda text: text.replace("net.layer", "net.table")), "-o", tmp_path / "m")
    assert run.returncode == 1
    assert "R007 tags: 'net.table' is a part of kind 'embedding', not 'linear_tags'" in run.stderr
    run = command(site, written(tmp_path, lambda text: text.replace("net.layer", "net.layers")), "-o", tmp_path / "m")
    assert "R007 tags: the source 'net' has no part 'net.layers'\n    hint: did you mean 'net.layer'?" in run.stderr


def test_the_proof_can_be_against_it(site: Path, tmp_path: Path) -> None:
    spec = written(tmp_path, lambda text: text + "proof: {against: net}\n")
    assert command(site, "check", spec).returncode == 0
    text = "version: 1\nname: a\nsources: {net: {onnx: a.onnx}}\ngraph: {a: {kind: onnx, weights: net}}\n"
    spec.write_text(text + "outputs: {y: a.y}\nproof: {against: net}\n", encoding="utf-8")
    run = command(site, "check", spec)
    assert "1 spec: no problems" in run.stdout, "a whole graph can be a reference too"


def test_the_schema_for_editors_knows_it(site: Path) -> None:
    source = json.loads(command(site, "schema").stdout)["properties"]["sources"]["additionalProperties"]
    assert (
        source["description"]
        == "One source: a flair checkpoint or an exported subgraph or another spec or a NumPy archive."
    )
    assert source["else"]["else"]["then"]["properties"].keys() == {"npz", "sha256"}


def npz(**changes: object) -> bytes:
    """Return an archive with some arrays replaced; one of objects is pickled by numpy."""
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=True, **{**arrays(), **changes})
    return stream.getvalue()


def zipped(data: bytes, how: int) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", how) as archive:
        archive.writestr("table.npy", data)
    return stream.getvalue()


HEADER = b"\x93NUMPY\x01\x00\x46\x00" + b"{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999999,), }\n"
HOSTILE = {
    "no archive": b"hello",
    "cut off": npz()[:-30],
    "pickled": npz(table=np.array([print], dtype=object)),
    "another type": npz(table=arrays()["table"].astype(np.float64)),
    "another shape": npz(bias=np.zeros(3, np.float32)),
    "much behind little": zipped(b"\0" * 10_000_000, zipfile.ZIP_DEFLATED),
    "a shape without values": zipped(HEADER, zipfile.ZIP_STORED),
    "no arrays": zipped(b"", zipfile.ZIP_STORED),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_archive_is_refused(site: Path, tmp_path: Path, what: str) -> None:
    spec = written(tmp_path)
    (tmp_path / "net.npz").write_bytes(HOSTILE[what])
    run = command(site, spec, "-o", tmp_path / "m.onnx")
    assert run.returncode == 1, run.stderr
    assert "R006 source 'net': net.npz is no archive of a tagger: " in run.stderr


def test_another_file_than_the_pinned_one_is_refused_before_it_is_read(site: Path, tmp_path: Path) -> None:
    pinned = "f" * 64
    spec = written(tmp_path, lambda text: text.replace("{npz: net.npz}", f"{{npz: net.npz, sha256: {pinned}}}"))
    (tmp_path / "net.npz").write_bytes(b"hello")
    run = command(site, spec, "-o", tmp_path / "m.onnx")
    assert run.returncode == 1
    assert "R002 source 'net': the file has the digest" in run.stderr


def test_no_build_writes_over_its_source(site: Path, tmp_path: Path) -> None:
    run = command(site, written(tmp_path), "-o", tmp_path / "net.npz")
    assert "M009 is a source of the spec" in run.stderr


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("opened = open_source(", "opened = 1 / 0 * open_source(", "fails: ZeroDivisionError: division by zero"),
        ("def tagged(self, tokens):", "def tagged(self, tokens):\n        1 / 0", "fails: ZeroDivisionError"),
        ("return [self.tagged(", "return [] and [self.tagged(", "gives 0 results for"),
        ("return Tagged(tuple(labels.tolist())", "return Tagged(('NOUN',)", "gives 1 labels for a sentence of"),
        ("def joined(self):", "def joined(self):\n        1 / 0", "fails: ZeroDivisionError"),
    ],
)
def test_a_form_that_fails_is_named(site: Path, tmp_path: Path, old: str, new: str, what: str) -> None:
    failing = changed(site, tmp_path, ARCHIVE, old, new)
    run = command(failing, written(tmp_path), "-o", tmp_path / "m.onnx")
    assert run.returncode == 1, run.stderr
    assert f"npz.yaml:3:22: K006 source 'net': the form 'npz', of another package, {what}" in run.stderr
    assert "report it to the author of the form" in run.stderr


@pytest.mark.parametrize("fails", ["misnamed=lambda path, guesses:", "is_name=lambda source:", "peek=lambda *_:"])
def test_a_form_that_fails_in_a_check_is_named(site: Path, tmp_path: Path, fails: str) -> None:
    failing = changed(site, tmp_path, "npz_tagger/form.py", "reference=True,", f"reference=True, {fails} 1 / 0,")
    run = command(failing, "check", "--strict", written(tmp_path))
    assert run.returncode == 1, run.stderr
    assert (
        "npz.yaml:3:22: K006 source 'net': the form 'npz', of another package, fails: ZeroDivisionError" in run.stdout
    )


@pytest.mark.parametrize(
    ("value", "code", "what"),
    [
        ("npz_tagger.nowhere:FORM", "K004", "cannot be loaded: No module named 'npz_tagger.nowhere'"),
        ("npz_tagger.kind:KIND", "K004", "is a Kind, not a SourceForm"),
        ("npz_tagger.form:FLAIR", "K005", "brings a form of source with the key 'flair', a name that is taken"),
        ("npz_tagger.form:DIGEST", "K005", "brings a form of source with the key 'sha256', a name that is taken"),
        ("npz_tagger.form:OPTION", "K005", "brings a form of source with the key 'onnx', a name that is taken"),
    ],
)
def test_a_broken_entry_point_is_a_problem_that_names_it(
    site: Path, tmp_path: Path, value: str, code: str, what: str
) -> None:
    broken = changed(site, tmp_path, "*.dist-info/entry_points.txt", "npz_tagger.form:FORM", value)
    with (broken / "npz_tagger" / "form.py").open("a", encoding="utf-8") as module:
        module.write(OTHER_FORMS)
    run = command(broken, "check", written(tmp_path))
    assert run.returncode == 1
    assert f"{code} entry point 'npz' = '{value}'" in run.stdout
    assert what in run.stdout
