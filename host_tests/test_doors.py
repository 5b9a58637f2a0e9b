"""Doors: the broker of a board without PSRAM comes and goes, and nothing of what it has to say is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import mqtt
import pytest
from lightmaker import packet, record, symbols
from lutin_tools import filesystem
from mqtt import Mosquitto, Peer
from wholeboard import HOME, KEY, Board, Server, publish

MINUTE = 60000
pytestmark = pytest.mark.skipif(mqtt.MOSQUITTO is None, reason="mosquitto is not installed")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    (tmp_path / "mosquitto").mkdir()
    one = Mosquitto(tmp_path / "mosquitto", "max_inflight_messages 0")
    yield one
    one.stop()


@pytest.fixture
def peer(broker: Mosquitto) -> Iterator[Peer]:
    one = Peer(broker.port, "lutin/#")
    yield one
    one.close()


@pytest.fixture
def board(tmp_path: Path, server: Server, broker: Mosquitto, peer: Peer) -> Iterator[Board]:
    """Connected to all of them."""
    (tmp_path / "board").mkdir()
    one = Board(tmp_path / "board", filesystem.board_files("unix", KEY, 1))
    one.touch("settings", {**HOME, "server": server.url, "broker": f"mqtt://127.0.0.1:{broker.port}"})
    one.small = True
    publish(server.folder, 1)
    one.on(100)
    assert one.until(lambda report: report["broker"]["state"] == "connected", MINUTE)
    one.run(3000)
    assert peer.wait(lambda: available(peer) == [b"online"])
    yield one
    one.off()


def available(peer: Peer) -> list[bytes]:
    return [message.data for message in peer.messages("availability")]


def is_log_whole(board: Board, peer: Peer) -> bool:
    """Whether each line of the board's log has come, once and in order."""
    peer.settled()
    found = [message.json for message in peer.messages("/log")]
    assert [one["seq"] for one in found] == list(range(len(found)))
    texts = [one["text"] for one in found]
    lines = board.call("lines")
    return texts[-len(lines) :] == lines


def test_the_broker_leaves_for_a_look_comes_back_and_has_each_line_of_the_log_once(
    board: Board, server: Server, peer: Peer
) -> None:
    server.hostile.mode = "no-answer"
    board.call("console", "update")
    board.run(2000)
    loaded = board.call("loaded")
    assert "broker.broker" not in loaded and "update.look" in loaded
    assert peer.wait(lambda: available(peer) == [b"online", b"offline"])
    server.hostile.mode = "none"
    assert board.until(lambda report: report["broker"]["state"] == "connected", 5 * MINUTE)
    board.run(3000)
    assert is_log_whole(board, peer)


def test_commands_that_came_while_it_was_away_are_obeyed_and_the_level_stays(
    board: Board, server: Server, peer: Peer
) -> None:
    name = board.report()["id"]
    peer.publish(f"lutin/{name}/command", json.dumps({"command": "log", "level": "warn"}))
    peer.settled()
    board.run(1000)
    assert board.report()["broker"]["log"]["level"] == "warn"
    server.hostile.mode = "no-answer"
    board.call("console", "update")
    board.run(2000)
    assert board.report()["broker"]["log"]["level"] == "warn"
    server.hostile.mode = "none"
    assert board.until(lambda report: report["broker"]["state"] == "connected", 5 * MINUTE)
    board.run(1000)
    assert board.report()["broker"]["log"]["level"] == "warn"
    peer.publish(f"lutin/{name}/command", "identify")
    peer.settled()
    board.run(500)
    assert board.state() == "identify"


def test_where_there_is_no_memory_for_a_broker_light_and_log_say_so_and_it_is_tried_again(
    board: Board, broker: Mosquitto, server: Server, peer: Peer
) -> None:
    board.off()
    board.on(100)
    board.call("starve", "lutin.broker.broker")
    assert board.until(lambda report: report["state"]["name"] == "no-broker", MINUTE)
    assert board.report()["state"]["detail"] == "out-of-memory"
    assert board.ends == ["off"] and board.call("alive")
    assert board.until(lambda report: report["broker"]["state"] == "connected", 15 * MINUTE)
    board.run(2000)
    assert board.state() == "connected"


def test_the_broker_makes_way_for_blinkup(board: Board, peer: Peer) -> None:
    board.call("memory", 20000)
    light = symbols(packet(record(1, b"Home") + record(6, b"correct-horse-9") + record(0x83, b"Lamp")), end=6)
    board.run(board.call("shine", light, 60) + 2000)
    board.call("memory", 100000)
    assert board.report()["settings"]["name"] == "Lamp"
    assert board.until(lambda report: report["broker"]["state"] == "connected", 5 * MINUTE)
    board.run(3000)
    assert available(peer)[-1] == b"online"
    assert is_log_whole(board, peer)
