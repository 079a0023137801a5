"""What all tests share."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from assembler.runtime import Tagger, TextClassifier

# No test asserts a time: a machine under load must not fail one.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

# Tests run beside each other on the same cores: threads that spin would take them from those that work.
for _runtime in (Tagger, TextClassifier):
    (_runtime.__init__.__kwdefaults__ or {})["spin"] = False
