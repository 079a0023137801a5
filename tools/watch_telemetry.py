"""Watch what our programs ask of the network, and what they leave in the home folder.

    python tools/watch_telemetry.py --seconds 60

Each program runs under strace, with an empty home and an empty folder to work in, and stays alive for SECONDS after its
work: ONNX Runtime's telemetry, which we switch off, asks for an address within 45. `--control` runs ONNX Runtime alone
with its telemetry on, and shows that such things are seen. The exit code is 1 where something was.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_SPEC = _ROOT / "specs" / "demo-pos.yaml"
#: What ONNX Runtime looks at to keep still where software is tested; the switch shall do it alone.
_QUIET = re.compile(
    r"^(CI|GITHUB_|TF_BUILD|GITLAB|TRAVIS|JENKINS|BUILD|TEAMCITY|CIRCLE|APPVEYOR|CODEBUILD|ORT_|PYTEST)"
)
#: A look-up of a name connects too. A socket alone is none: libraries make one to see whether there is IPv6.
_NETWORK = re.compile(r"\b(connect|sendto|sendmsg|sendmmsg)\((?!.*AF_UNIX)")

_WAIT = "import time; time.sleep({seconds})"
_TAGGER = "from assembler.runtime import Tagger; Tagger({model!r}).tag([['Hallo', '!']]);" + _WAIT
_COMMAND = """
import time
from assembler.cli.main import main
try: main({words!r})
finally: time.sleep({seconds})
"""
_CONTROL = "import onnxruntime; onnxruntime.InferenceSession({model!r});" + _WAIT


def watched(program: str, home: Path, work: Path) -> list[str]:
    """Run a program under strace; return what it asked of the network, and the files that it left.

    Raises:
        CalledProcessError: It fails, or strace may not watch here.
    """
    environment = {name: value for name, value in os.environ.items() if not _QUIET.match(name)}
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        environment.pop(name, None)
    environment |= {"HOME": str(home), "PYTHONPATH": str(_ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    log = home.parent / f"{home.name}.strace"
    strace = ["strace", "-f", "--seccomp-bpf", "-qq", "-e", "trace=%network", "-o", str(log)]
    subprocess.run(  # noqa: S603 - our own programs
        [*strace, sys.executable, "-c", program], cwd=work, env=environment, check=True, capture_output=True, text=True
    )
    calls = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if _NETWORK.search(line)]
    left = [path for folder in (home, work) for path in folder.rglob("*") if path.is_file()]
    return [*calls, *(str(path.relative_to(home.parent)) for path in left if path.suffix != ".onnx")]


def programs(model: Path, seconds: float) -> dict[str, str]:
    """Return the programs by what they are."""
    (text := model.with_suffix(".txt")).write_text("Hallo !\n", encoding="utf-8")
    return {
        "Tagger": _TAGGER.format(model=str(model), seconds=seconds),
        "tag": _COMMAND.format(words=["tag", str(model), str(text)], seconds=seconds),
        "build": _COMMAND.format(words=[str(_SPEC), "-o", "built.onnx"], seconds=seconds),
    }


def main() -> None:
    """Watch, and print a line for each program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--only", choices=("Tagger", "tag", "build"))
    parser.add_argument("--control", action="store_true")
    arguments = parser.parse_args()
    if shutil.which("strace") is None:
        sys.exit("strace is not here")
    seen = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = folder / "demo.onnx"
        subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "assembler", str(_SPEC), "-o", str(model), "--no-proof"], check=True, cwd=_ROOT,
            capture_output=True,
        )  # fmt: skip
        chosen = programs(model, arguments.seconds)
        if arguments.control:
            chosen = {"control": _CONTROL.format(model=str(model), seconds=arguments.seconds)}
        for what, program in chosen.items():
            if arguments.only in {None, what} or arguments.control:
                home, work = folder / f"{what}-home", folder / f"{what}-work"
                home.mkdir()
                work.mkdir()
                found = watched(program, home, work)
                seen |= bool(found)
                print(
                    f"{what}: {len(found)} calls and files in {arguments.seconds:g} s", *found, sep="\n  ", flush=True
                )
    sys.exit(int(seen))


if __name__ == "__main__":
    main()
