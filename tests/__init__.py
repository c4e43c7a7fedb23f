"""Tests.  Importing the programs' room chooses the threading backend.

A busy machine must not fail a property test, and none leaves files behind.
"""

import hypothesis

import escalator.cmd  # noqa: F401

hypothesis.settings.register_profile(
    "escalator",
    deadline=None,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("escalator")
