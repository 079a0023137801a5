"""What all tests share."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

from assembler.runtime import Tagger, TaskRunner, TextClassifier

# No test asserts a time: a machine under load must not fail one.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

# A shell starts jobs in the background with SIGINT ignored, and processes inherit that. A build that a test interrupts
# would then never stop.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests run beside each other on the same cores: threads that spin would take them from those that work.
for _runtime in (Tagger, TaskRunner, TextClassifier):
    (_runtime.__init__.__kwdefaults__ or {})["spin"] = False
