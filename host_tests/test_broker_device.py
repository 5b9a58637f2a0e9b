"""Whole devices and their broker: what light, report and topics say, and who is obeyed."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import mqtt
import pytest
import wholeboard
from lutin_tools import filesystem
from mqtt import Mosquitto, Peer, free_port
from unixport import Rig
from wholeboard import HOME, KEY, Board

needs_mosquitto = pytest.mark.skipif(mqtt.MOSQUITTO is None, reason="mosquitto is not installed")
MINUTE = 60000


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    one = Mosquitto(tmp_path_factory.mktemp("mosquitto"))
    yield one
    one.stop()


@pytest.fixture
def peer(broker: Mosquitto) -> Iterator[Peer]:
    one = Peer(broker.port, "lutin/#")
    yield one
    one.close()


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig("broker_device", heap="8M") as r:
        yield r


@needs_mosquitto
def test_a_board_with_a_broker_is_heard_restarts_on_command_once_and_is_missed_when_its_power_goes(
    broker: Mosquitto, tmp_path: Path
) -> None:
    board = Board(tmp_path, filesystem.board_files("unix", KEY, 1))
    board.touch("settings", {**HOME, "broker": f"mqtt://127.0.0.1:{broker.port}"})
    board.on(100)
    name = board.report()["id"]
    first = Peer(broker.port)
    first.publish(f"lutin/{name}/command", "restart", 1, True)
    first.settled()
    first.close()
    assert board.until(lambda report: report["state"]["name"] == "connected", 20000, 500)
    board.run(1000)
    assert board.ends == [] and any("retained" in line for line in board.console())
    peer = Peer(broker.port, "lutin/#")
    assert peer.wait(lambda: peer.messages("availability") and peer.messages("status"))
    assert all(message.retained for message in peer.messages("availability") + peer.messages("status"))
    assert peer.messages("status")[0].json["state"]["name"] == "connected"
    peer.publish(f"lutin/{name}/command", "restart")
    peer.settled()
    board.run(2000)
    assert board.ends == [wholeboard.RESET]
    assert board.until(lambda report: report["broker"]["state"] == "connected", 20000, 500)
    board.run(3000)
    assert board.ends == [wholeboard.RESET]
    peer.settled()
    heard = [message.data for message in peer.messages("availability")]
    assert heard == [b"online", b"offline", b"online"]
    assert f"Received DISCONNECT from lutin-{name}" in broker.log()
    starts = [message.json["start"] for message in peer.messages("/log")]
    assert len(set(starts)) == 2
    board.off()
    assert peer.wait(lambda: [m.data for m in peer.messages("availability")][3:] == [b"offline"])
    peer.close()


@needs_mosquitto
def test_connected_is_shown_only_when_the_broker_is_well_too_and_its_failure_opens_the_light_once(
    rig: Rig, broker: Mosquitto
) -> None:
    gone = free_port()
    rig.call("new", [HOME])
    rig.call("store", {**HOME, "broker": f"mqtt://127.0.0.1:{gone}"})
    rig.call("boot")
    rig.call("run", 30000)
    assert "connected" not in [text.partition("state: ")[2] for text in rig.call("lines")]
    state = rig.call("report")["state"]
    assert state["name"] == "no-broker" and state["detail"].startswith("refused")
    rig.call("run", 2 * MINUTE)
    assert not rig.call("opened")
    since = rig.call("now_ms")
    rig.call("run", 10 * MINUTE)
    assert rig.call("leds", since) == []
    rig.call("new", [HOME])
    rig.call("store", {**HOME, "broker": f"mqtt://127.0.0.1:{broker.port}"})
    rig.call("boot")
    assert rig.call("run_until", "connected", 20000)
    rig.call("air", "Home", up=False)
    assert rig.call("run_until", "no-network", MINUTE)  # and not: no-broker
    rig.call("run", MINUTE)
    assert rig.call("report")["broker"]["state"] == "off"
    rig.call("air", "Home", up=True)
    assert rig.call("run_until", "connected", 2 * MINUTE)
    assert rig.call("alive")


def responder(port: int) -> socket.socket:
    """Answers, as a multicast responder does, whoever asks alone; the broker is on that port."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                data, address = server.recvfrom(2000)
            except OSError:
                return
            service = data[12:-4]
            assert service == b"\6_lutin\4_tcp\5local\0"
            pointer = b"\xc0\x0c"

            def record(name: bytes, kind: int, body: bytes) -> bytes:
                return name + struct.pack(">HHIH", kind, 1, 10, len(body)) + body

            host = b"\4desk\5local\0"
            answers = record(pointer, 12, b"\4desk" + pointer)
            answers += record(b"\4desk" + pointer, 33, struct.pack(">HHH", 0, 0, port) + host)
            answers += record(b"\4desk" + pointer, 16, b"\6path=/\3v=1")
            answers += record(host, 1, socket.inet_aton("127.0.0.1"))
            server.sendto(data[:2] + struct.pack(">HHHHH", 0x8400, 1, 4, 0, 0) + data[12:] + answers, address)

    threading.Thread(target=serve, daemon=True).start()
    return server


@needs_mosquitto
def test_a_board_without_a_broker_finds_one_tells_it_all_and_takes_no_command_from_it(
    rig: Rig, broker: Mosquitto, peer: Peer
) -> None:
    server = responder(broker.port)
    rig.call("new", [HOME])
    rig.call("multicast", server.getsockname()[1])
    rig.call("store", HOME)
    rig.call("boot")
    assert rig.call("run_until", "connected", 20000)
    for _ in range(50):
        rig.call("run", 100)
        if rig.call("report")["broker"]["state"] == "found":
            break
    name = rig.call("report")["id"]
    assert peer.wait(lambda: peer.messages(name + "/status") and peer.messages(name + "/log"))
    peer.publish(f"lutin/{name}/command", "restart")
    peer.settled()
    assert rig.call("run", 3000) is True
    assert not any("restart" in line for line in rig.call("lines"))
    assert rig.call("report")["state"]["name"] == "connected"
    server.close()


def test_where_nobody_answers_a_board_without_a_broker_asks_seldom_and_says_nothing(rig: Rig) -> None:
    asked = []
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    server.setblocking(False)
    rig.call("new", [HOME])
    rig.call("store", HOME)
    rig.call("boot")
    rig.call("run", 20 * MINUTE)  # nobody hears those
    rig.call("multicast", server.getsockname()[1])
    rig.call("run", 30 * MINUTE)
    while True:
        try:
            asked.append(server.recv(2000))
        except BlockingIOError:
            break
    assert 2 <= len(asked) <= 3
    assert not any("broker" in line for line in rig.call("lines"))
    server.close()
