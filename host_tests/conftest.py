"""Shared by all tests."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# The same examples in every run on CI; more of them, and new ones, with LUTIN_EXAMPLES=1000.
settings.register_profile(
    "lutin",
    max_examples=int(os.environ.get("LUTIN_EXAMPLES", "60")),
    deadline=None,
    derandomize="LUTIN_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("lutin")
