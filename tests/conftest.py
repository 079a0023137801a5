"""What all tests share."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# No test asserts a time: a machine under load must not fail one.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
