"""Switches off the telemetry of a library.

ONNX Runtime sends telemetry by default, since 1.29 on Linux too: it keeps a device id below the home folder and asks a
server's address within a minute. None of this happens if this variable is set before the library starts (`Privacy.md`
of its wheel, "Disabling Telemetry").
"""

from __future__ import annotations

import os

#: The variable that ONNX Runtime reads when it starts.
VARIABLE = "ORT_DISABLE_TELEMETRY"


def switch_off() -> None:
    """Switch ONNX Runtime's telemetry off for this process and those that it starts.

    The user's own setting does not matter, because no program that runs our code sends anything.
    """
    os.environ[VARIABLE] = "1"
