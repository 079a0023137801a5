"""A profile that does not exist is wrong usage: the command line is at fault, not the spec."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from assembler.cli.main import cli

SPEC = str(Path(__file__).parents[2] / "specs" / "demo-pos.yaml")
LISTED = "Profiles: portable, cpu, int8, fp16, cuda\n"


@pytest.mark.parametrize("command", [(), ("build",), ("bench",)])
@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("int9", " Did you mean 'int8'?"),
        ("portabel", " Did you mean 'portable'?"),
        ("gpu", " Did you mean 'cuda'?"),
        ("zzz", ""),
    ],
)
def test_a_profile_that_does_not_exist_is_wrong_usage(command: tuple[str, ...], name: str, hint: str) -> None:
    done = CliRunner().invoke(cli, [*command, SPEC, "--profile", name])
    assert done.exit_code == 2
    assert done.output.endswith(f"Error: Invalid value for '--profile': there is no profile '{name}'.{hint} {LISTED}")
    assert "S006" not in done.output
