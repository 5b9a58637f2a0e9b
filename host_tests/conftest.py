"""Shared by all tests."""

from __future__ import annotations

import os

import pytest
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What reads a real screen in real time runs by itself, after the rest: see the Makefile."""
    for item in items:
        if item.path.name == "test_end_to_end.py":
            item.add_marker(pytest.mark.screen)
