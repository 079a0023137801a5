"""Switches off what a library would send.

ONNX Runtime sends telemetry by default, since 1.29 on Linux too: it keeps a device id below the home folder and asks a
server's address within a minute. Nothing of it happens where this variable is set before the library begins
(`Privacy.md` of its wheel, "Disabling Telemetry").
"""

from __future__ import annotations

import os

#: What ONNX Runtime reads when it begins.
VARIABLE = "ORT_DISABLE_TELEMETRY"


def switch_off() -> None:
    """Switch ONNX Runtime's telemetry off for this process and those that it starts.

    What a user has set does not matter: nothing that runs our code sends anything.
    """
    os.environ[VARIABLE] = "1"
