"""The one door to ONNX Runtime: everything of ours imports it from here, so that it never begins with telemetry on.

Importing this module imports ONNX Runtime.
"""

from __future__ import annotations

from assembler.core.telemetry import switch_off

switch_off()

import onnxruntime as ort  # noqa: E402, TID251 - the door; the line above has to come first

# Where somebody imported it before us, its first event is gone; those of our sessions are held back all the same.
ort.disable_telemetry_events()

__all__ = ["ort"]
