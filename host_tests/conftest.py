"""Shared by all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from wholeboard import Board, Server

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


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server of releases, with none on it yet; whoever needs no such thing has a fixture of its own."""
    from wholeboard import Server

    (tmp_path / "releases").mkdir()
    one = Server(tmp_path / "releases")
    yield one
    one.close()


@pytest.fixture
def board(tmp_path: Path, server: Server) -> Iterator[Board]:
    """A board that was flashed with this tree and knows that server; off."""
    from wholeboard import new_board

    (tmp_path / "board").mkdir()
    one = new_board(tmp_path / "board", server.url)
    yield one
    one.off()
