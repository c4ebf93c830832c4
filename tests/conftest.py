"""Loads the fixtures that give tests real servers, and lets no property depend on how fast the machine is."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.support.plugin"]

# A machine that is busy with other things is no failure.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
