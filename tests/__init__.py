"""Tests.  The threading backend is chosen before any other oslo import.

A busy machine must not fail a property test, and none leaves files behind.
"""

import hypothesis
from oslo_service import backend

backend.init_backend(backend.BackendType.THREADING)

hypothesis.settings.register_profile(
    "escalator",
    deadline=None,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("escalator")
