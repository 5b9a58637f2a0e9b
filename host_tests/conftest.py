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


# A board that one test has started finds no server that another one has.
os.environ.setdefault("LUTIN_MULTICAST", "")

ONBOARD = Path(__file__).parent / "onboard"
ON_A_BOARD = (
    "files, numbers, clock, settings, signature, recorded light, samples a second, status light, partitions, "
    "boot's rules, memory"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--port", help="the serial port of a board with lutin on it: run what can be checked there"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What reads a real screen in real time runs by itself, after the rest: see the Makefile."""
    for item in items:
        if item.path.name == "test_end_to_end.py":
            item.add_marker(pytest.mark.screen)
    # On a board only what is meant for one, and without a board nothing of that: the summary says so.
    port = bool(config.getoption("--port"))
    chosen = [item for item in items if (item.path.parent == ONBOARD) == port]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--port") and config.getoption("numprocesses", None):
        raise pytest.UsageError("--port: there is one board, so one process: leave -n out")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What no test on the desk can say."""
    if not config.getoption("--port"):
        terminalreporter.write_line(f"left out, for they need a board (--port PORT): {ON_A_BOARD}")


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
