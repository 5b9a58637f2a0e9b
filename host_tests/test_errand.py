"""A board without PSRAM, which fetches its updates in lives of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from wholeboard import RESET, Board, Server, new_board, publish

MINUTE = 60000
ALONE = "start: for an update alone"
NO_PART = "no memory for a look, so there is one in a life of its own"


@pytest.fixture
def board(tmp_path: Path, server: Server) -> Iterator[Board]:
    """One that runs release 1 and has looked."""
    (tmp_path / "board").mkdir()
    one = new_board(tmp_path / "board", server.url)
    one.small = True
    publish(server.folder, 1)
    one.on(100)
    assert one.until(lambda report: report["state"]["name"] == "connected", MINUTE)
    yield one
    one.off()


def settled_on(number: int) -> Callable[[Any], bool]:
    return lambda report: report["update"]["number"] == number and not report["update"]["trial"]


def said(board: Board, words: str) -> int:
    """How often."""
    return sum(words in line for line in board.console())


def to_the_restart(board: Board, most_ms: int = 5 * MINUTE, starving: str = "") -> None:
    """Until it has restarted once more, without memory for that module."""
    before = len(board.ends)
    if starving:
        board.call("starve", starving)
    for _ in range(0, most_ms, 250):
        board.run(250)
        if len(board.ends) > before:
            return
    raise AssertionError(board.console())


def test_an_update_is_fetched_in_a_life_of_its_own_and_tried_in_the_next(
    board: Board, server: Server
) -> None:
    publish(server.folder, 2)
    board.call("console", "update")
    assert board.until(settled_on(2), 5 * MINUTE)
    assert board.ends == [RESET, RESET]
    assert said(board, ALONE) == 1
    # Only what the first and the last of the lives say.
    assert said(board, "release 2 is on trial after the restart") == 1
    board.run(3 * MINUTE)
    assert board.ends == [RESET, RESET]
    assert board.update()["strikes"] == 0


def test_light_and_log_say_what_goes_on_in_it(board: Board, server: Server) -> None:
    publish(server.folder, 2)
    board.call("console", "update")
    to_the_restart(board)
    to_the_restart(board)
    life = board.lines[next(at for at, line in enumerate(board.lines) if ALONE in line) :]
    states = [line.partition("state: ")[2].partition(" (")[0] for line in life if "state: " in line]
    assert states[-2:] == ["downloading", "installing"]


def test_a_server_that_fails_in_it_is_left_in_peace_by_the_life_that_follows(
    board: Board, server: Server
) -> None:
    publish(server.folder, 2)
    board.call("console", "update")
    to_the_restart(board)
    server.hostile.mode = "server-error"
    to_the_restart(board)
    asked = len(server.hostile.requests)
    board.run(20000)
    assert board.ends == [RESET, RESET]
    assert board.report()["update"]["failure"]["name"] == "http-500"
    assert len(server.hostile.requests) == asked
    assert board.state() == "no-server"
    assert board.update()["strikes"] == 0
    server.hostile.mode = "none"
    assert board.until(settled_on(2), 15 * MINUTE)


def test_whoever_asks_again_and_again_does_not_get_more_requests_by_that(
    board: Board, server: Server
) -> None:
    publish(server.folder, 2)
    board.call("console", "update")
    to_the_restart(board)
    server.hostile.mode = "server-error"
    asked = len(server.hostile.requests)
    for _ in range(24):
        if board.rig and board.call("running"):
            board.call("starve", "lutin.update.look")
            board.call("console", "update")
        board.run(20000)
    assert len(server.hostile.requests) - asked <= 9
    assert said(board, ALONE) < 10


def test_without_a_network_it_ends_soon_and_the_usual_life_goes_on(board: Board, server: Server) -> None:
    publish(server.folder, 2)
    board.call("console", "update")
    to_the_restart(board)
    board.call("air", "Home", up=False)
    to_the_restart(board, 3 * MINUTE)
    board.run(2 * MINUTE)
    assert board.ends == [RESET, RESET]
    assert board.state() == "no-network"
    board.call("air", "Home", up=True)
    assert board.until(settled_on(2), 20 * MINUTE)


def test_a_look_for_which_there_is_no_memory_is_had_in_a_life_of_its_own_once(
    board: Board, server: Server
) -> None:
    board.call("console", "update")
    to_the_restart(board, starving="lutin.update.look")
    assert said(board, NO_PART) == 1
    to_the_restart(board)
    asked = len(server.hostile.requests)
    board.run(2 * MINUTE)
    assert (board.ends, board.state()) == ([RESET, RESET], "connected")
    assert len(server.hostile.requests) == asked


def test_a_release_on_trial_whose_looks_find_no_memory_is_confirmed_all_the_same(
    board: Board, server: Server
) -> None:
    publish(server.folder, 2)
    board.call("console", "update")
    to_the_restart(board)
    to_the_restart(board)
    assert board.update()["trial"]["number"] == 2
    to_the_restart(board, starving="lutin.update.look")
    to_the_restart(board)
    assert board.update()["trial"]["number"] == 2  # it has proved nothing yet but that it can ask
    asked = len(server.hostile.requests)
    assert board.until(settled_on(2), 3 * MINUTE)
    assert (board.ends, len(server.hostile.requests)) == ([RESET] * 4, asked)


def test_the_life_that_fetched_a_release_proves_nothing_for_it(board: Board, server: Server) -> None:
    publish(server.folder, 2)
    board.call("console", "update")
    to_the_restart(board)
    to_the_restart(board)
    server.hostile.mode = "server-error"
    board.run(2 * MINUTE)
    assert board.update()["trial"]["number"] == 2


@pytest.mark.parametrize("torn", ["before", "middle", "end"])
def test_power_that_goes_at_any_write_of_the_order_leaves_it_given_once_or_not_at_all(
    board: Board, server: Server, torn: str
) -> None:
    board.call("console", "update")
    board.call("starve", "lutin.update.look")
    board.run(1500)
    board.off()
    for n in range(12):
        board.cause = 1
        lives, alone = len(board.ends), said(board, ALONE)
        board.on(100)
        assert board.until(lambda report: report["state"]["name"] == "connected", MINUTE, 250)
        assert said(board, ALONE) == alone
        board.call("starve", "lutin.update.look")
        board.call("cut_after", "lutin", n, torn)
        board.call("console", "update")
        for _ in range(40):
            board.run(250)
            if board.ends[lives:] not in ([], ["power cut"]):
                break
        cut = "power cut" in board.ends[lives:]
        if not cut:
            break
        board.off()
    assert not cut and n > 3
