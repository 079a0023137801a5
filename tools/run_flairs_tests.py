"""Runs flair's own tests twice, with flair's models and with assembled ones in their place, and compares.

    git clone --branch v0.15.1 https://github.com/flairNLP/flair
    python tools/run_flairs_tests.py flair

Nothing is downloaded: small models stand for those that tests fetch (`flairs_tests_stand_ins.py`), on both sides, and
tests that need anything else are skipped on both. Exits with 1 if a test passes with flair's models alone.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SIDES = ("flair", "assembled")
Results = dict[str, dict[str, Any]]


def run_tests(checkout: Path, side: str, folder: Path, tests: list[str]) -> Results:
    """Return what became of each test, by its id."""
    results = folder / f"{side}.json"
    path = os.pathsep.join([str(checkout), str(HERE), str(HERE.parent)])
    own = {"FLAIRS_TESTS_SIDE": side, "FLAIRS_TESTS_RESULTS": str(results)}
    own |= {"FLAIRS_TESTS_STAND_INS": str(folder / "stand-ins"), "PYTHONPATH": path, "HF_HUB_OFFLINE": "1"}
    own |= {"FLAIR_CACHE_ROOT": str(folder / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
    options = [
        "-q",
        "--tb=no",
        "--show-capture=no",
        "-p",
        "flairs_tests_plugin",
        "-p",
        "no:cacheprovider",
        "-o",
        "addopts=",
        "-o",
        "filterwarnings=ignore",
    ]
    command = [
        sys.executable,
        "-m",
        "pytest",
        *options,
        "--runintegration",
        "--force-cpu",
        "--continue-on-collection-errors",
    ]
    done = subprocess.run([*command, *tests], cwd=checkout, env={**os.environ, **own}, check=False)  # noqa: S603 - our own
    if not results.exists():
        sys.exit(f"pytest of {side} ended with {done.returncode} and without results")
    found: Results = json.loads(results.read_text(encoding="utf-8"))
    return found


def report(theirs: Results, ours: Results) -> int:
    """Print the counts and what only one side passes; return 1 if flair alone passes a test."""
    groups = {
        "with an assembled model in place": [name for name in theirs if ours.get(name, {}).get("assembled")],
        "with models that cannot be assembled": [
            name for name in theirs if not ours.get(name, {}).get("assembled") and ours.get(name, {}).get("left")
        ],
    }
    known = {name for names in groups.values() for name in names}
    groups["the rest"] = [name for name in theirs if name not in known]
    for what, names in groups.items():
        counts = [Counter(side.get(name, {}).get("outcome", "missing") for name in names) for side in (theirs, ours)]
        told = ", ".join(f"{side} passes {count['passed']}" for side, count in zip(SIDES, counts, strict=True))
        others = "; ".join(f"{side}: {dict(count)}" for side, count in zip(SIDES, counts, strict=True))
        print(f"{len(names)} tests {what}: {told}   ({others})")
    for name, reason in sorted({(name, ours[name]["left"]) for name in ours if ours[name].get("left")}):
        print(f"  left to flair: {name}: {reason}")
    alone = [
        name for name in theirs if theirs[name]["outcome"] == "passed" and ours.get(name, {}).get("outcome") != "passed"
    ]
    for name in alone:
        print(f"  flair alone passes {name}: {ours.get(name, {}).get('why', 'missing')}")
    for name in theirs:
        if theirs[name]["outcome"] == "failed":
            print(f"  flair fails {name}: {theirs[name]['why']}")
    return int(bool(alone))


def main() -> None:
    """Run both sides."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path, help="flair's source at v0.15.1")
    parser.add_argument("tests", nargs="*", default=["tests"], help="test files below it  [default: tests]")
    arguments = parser.parse_args()
    checkout = arguments.checkout.resolve()
    if not (checkout / "tests" / "model_test_utils.py").is_file():
        parser.error(f"there are no tests of flair in {checkout}")
    with tempfile.TemporaryDirectory() as folder:
        theirs, ours = (run_tests(checkout, side, Path(folder), arguments.tests) for side in SIDES)
    sys.exit(report(theirs, ours))


if __name__ == "__main__":
    main()
