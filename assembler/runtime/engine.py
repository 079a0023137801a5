"""The only import of ONNX Runtime: all our code imports it from here, so that it never starts with telemetry on.

Importing this module imports ONNX Runtime.
"""

from __future__ import annotations

from assembler.core.telemetry import switch_off

switch_off()

import onnxruntime as ort  # noqa: E402, TID251 - the door; the line above has to come first

# If another program imported it before us, its first event was sent; those of our sessions are still held back.
ort.disable_telemetry_events()

__all__ = ["ort"]
