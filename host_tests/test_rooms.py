"""Rooms: what is in memory while somebody is in them, and not before or after."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lightmaker import packet, record, symbols
from unixport import Rig
from wholeboard import Board, Server, new_board, publish

MINUTE = 60000
ROOMS = (
    "blinkup.receiver",
    "broker.",
    "console",
    "update.ask",
    "update.look",
    "update.release",
    "update.own",
    "rules",
)


@pytest.fixture
def rig() -> Iterator[Rig]:
    with Rig("rooms") as one:
        yield one


def test_a_room_that_is_left_gives_its_memory_back(rig: Rig) -> None:
    rig.call("furnish")
    rig.call("enter", "broker.broker", "broker.mdns")
    rig.call("leave", "broker")
    empty = rig.call("used")
    rig.call("enter", "broker.broker", "broker.mdns")
    full = rig.call("used")
    rig.call("leave", "broker")
    assert full - empty > 20000
    assert rig.call("used") - empty < (full - empty) // 50
    loaded, known = rig.call("here")
    assert not [name for name in loaded + known if name.startswith("broker")]


def test_what_was_there_first_stays_and_what_is_told_to(rig: Rig) -> None:
    rig.call("enter", "update.policy")
    rig.call("furnish")
    rig.call("enter", "update.look", "update.offer", "broker.packets")
    rig.call("leave", "update", "look")
    loaded, known = rig.call("here")
    assert {"update.policy", "update.look", "broker.packets"} <= set(loaded) & set(known)
    assert "update.offer" not in loaded + known


def test_a_name_that_only_begins_the_same_is_another_room(rig: Rig) -> None:
    rig.call("furnish")
    rig.call("enter", "log", "settings", "store")
    rig.call("leave", "set")
    assert {"log", "settings", "store"} <= set(rig.call("here")[0])


def test_in_a_large_house_nothing_leaves(rig: Rig) -> None:
    rig.call("enter", "broker.packets")
    rig.call("leave", "broker")
    assert "broker.packets" in rig.call("here")[0]


@pytest.mark.parametrize(("heap", "large"), [("200K", False), ("2M", True)])
def test_a_house_is_large_where_there_is_memory_for_all_rooms(heap: str, large: bool) -> None:
    with Rig("rooms", heap=heap) as rig:
        assert rig.call("large") is large


@pytest.fixture
def board(tmp_path: Path, server: Server) -> Iterator[Board]:
    (tmp_path / "board").mkdir()
    one = new_board(tmp_path / "board", server.url)
    one.small = True
    publish(server.folder, 1)
    one.on(100)
    assert one.until(lambda report: report["state"]["name"] == "connected", MINUTE)
    yield one
    one.off()


def inside(board: Board) -> list[str]:
    """The rooms of this house that are in memory."""
    return [name for name in board.call("loaded") if name.startswith(ROOMS)]


def test_of_a_board_that_is_connected_no_room_is_in_memory(board: Board) -> None:
    board.run(20000)
    assert inside(board) == []
    board.call("console", "update")
    board.run(5000)
    assert inside(board) == []
    assert any("status" in line for line in board.call("console", "help"))
    assert inside(board) == []


def test_without_a_network_blinkup_is_in_memory_before_there_is_light(board: Board) -> None:
    board.call("air", "Home", up=False)
    board.run(2 * MINUTE)
    assert inside(board) == ["blinkup.receiver"]
    board.call("air", "Home", up=True)
    board.run(2 * MINUTE)
    assert board.state() == "connected" and inside(board) == []


def flashed(board: Board, ssid: bytes) -> None:
    """A phone flashes another network at it."""
    light = symbols(packet(record(1, ssid) + record(6, b"another-horse")), end=6)
    board.run(board.call("shine", light, 60) + 2000)


def ssid(board: Board) -> str:
    """Of the network that comes first."""
    return str(board.report()["settings"]["networks"][0]["ssid"])


def test_a_board_that_is_connected_hears_blinkup_all_the_same(board: Board) -> None:
    flashed(board, b"Elsewhere")
    assert ssid(board) == "Elsewhere"
    assert not [name for name in inside(board) if name != "blinkup.receiver"]


def test_a_look_makes_way_for_blinkup_where_there_is_no_memory_for_both(board: Board, server: Server) -> None:
    server.hostile.mode = "no-answer"
    board.call("console", "update")
    board.run(1000)
    assert "update.look" in inside(board)
    board.call("memory", 20000)
    flashed(board, b"Elsewhere")
    assert any("gives way to BlinkUp" in line for line in board.console())
    assert ssid(board) == "Elsewhere"
    # And it is made up for.
    server.hostile.mode = "none"
    board.call("memory", 100000)
    board.call("add_ap", ssid="Elsewhere", password="another-horse")
    asked = len(server.hostile.requests)
    board.run(3 * MINUTE)
    assert len(server.hostile.requests) > asked


def test_a_board_without_memory_for_blinkup_says_so_and_hears_it_when_there_is_some(board: Board) -> None:
    board.call("starve", "lutin.blinkup.receiver")
    flashed(board, b"Elsewhere")
    assert sum("no memory to receive" in line for line in board.console()) == 1
    assert board.ends == [] and board.call("alive")
    flashed(board, b"Elsewhere")
    assert ssid(board) == "Elsewhere"
