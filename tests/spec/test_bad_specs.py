"""`tests/bad` holds a spec for each problem that `check` knows; the comments above each say what is to be found."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

import assembler
from assembler.workflows.checking import check

BAD = Path(__file__).parents[1] / "bad"
SPECS = sorted(BAD.glob("*.yaml"))
_EXPECT = re.compile(r"# expect: (?P<code>[A-Z]\d{3}) (?P<place>\d+:\d+|-) (?P<message>.+)")

#: Codes whose bad file is made by a test, because it cannot be committed: not UTF-8, or a folder, or missing.
MADE_BY_TESTS = {"Y002": "test_yaml_text.py"}
#: Codes that arise only when sources are read and a model is assembled or measured (W019): tests/assembly proves them.
OF_ASSEMBLY = {"W030", "S006", "W013", "W014", "W015", "W016", "W017", "W019", "W021", "W025", "W032"}


@dataclass
class Expected:
    code: str
    place: str
    message: str
    hint: str | None = None


def expected_problems(path: Path) -> list[Expected]:
    expected: list[Expected] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if match := _EXPECT.fullmatch(line):
            expected.append(Expected(**match.groupdict()))
        elif line.startswith("# hint: "):
            assert expected[-1].hint is None
            expected[-1].hint = line.removeprefix("# hint: ")
    return expected


def pieces_of(message: str) -> re.Pattern[str]:
    """Return a pattern for the message; `…` between spaces matches any text."""
    return re.compile(".*".join(re.escape(piece) for piece in message.split(" … ")))


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_a_bad_spec_gives_the_problems_that_it_announces_and_no_others(path: Path) -> None:
    expected = expected_problems(path)
    found = check(path, strict="\n# strict\n" in path.read_text(encoding="utf-8")).problems
    places = [(p.code, "-" if p.line is None else f"{p.line}:{p.column}") for p in found]
    assert places == [(e.code, e.place) for e in expected]
    assert expected
    for problem, announced in zip(found, expected, strict=True):
        assert problem.file == str(path)
        assert pieces_of(announced.message).search(problem.message), problem
        assert (problem.hint is None) == (announced.hint is None), problem
        assert (announced.hint or "") in (problem.hint or "")


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_a_bad_spec_is_named_after_a_problem_in_it(path: Path) -> None:
    assert path.stem.partition("-")[0] in {expected.code for expected in expected_problems(path)}


def test_every_code_of_the_yaml_schema_and_wiring_layers_has_a_bad_spec() -> None:
    package = Path(assembler.__file__).parent
    texts = [path.read_text(encoding="utf-8") for path in sorted(package.rglob("*.py"))]
    used = {code for text in texts for code in re.findall(r'"([YSW]\d{3})"', text)}
    shown = {expected.code for path in SPECS for expected in expected_problems(path)}
    assert {"Y001", "S001", "W001"} <= used
    assert used - shown - set(MADE_BY_TESTS) - OF_ASSEMBLY == set()
    assert used >= OF_ASSEMBLY | set(MADE_BY_TESTS)
    assert not shown & OF_ASSEMBLY
    for code, module in MADE_BY_TESTS.items():
        assert f'"{code}"' in Path(__file__).with_name(module).read_text(encoding="utf-8")


def test_problems_of_all_specs_come_by_file_and_place() -> None:
    found = check(BAD)
    assert found.files == tuple(str(path) for path in SPECS)
    places = [(p.file or "", p.line or 0, p.column or 0) for p in found.problems]
    assert places == sorted(places)
    assert not found.fine
