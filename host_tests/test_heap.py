"""The whole device in the memory that a real board has: boot, BlinkUp, join, a first update and its trial."""

from __future__ import annotations

from pathlib import Path

import heapboard
import mqtt
import pytest
from wholeboard import Server

STAGES = [
    "after boot",
    "listening",
    "connected",
    "looking, at most",
    "updating, at most",
    "on trial",
    "confirmed",
]


@pytest.fixture(params=["this build", "32 bits"])
def build(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "32 bits":
        if not heapboard.MICROPYTHON_32.exists():
            pytest.skip("no MicroPython of 32 bits: make micropython-32bit (needs gcc-multilib)")
        monkeypatch.setenv("MICROPYTHON", str(heapboard.MICROPYTHON_32))
        monkeypatch.delenv("MICROPYTHON_LIB", raising=False)


def lived(tmp_path: Path, server: Server, areas: tuple[int, ...]) -> list[heapboard.Stage]:
    (tmp_path / "board").mkdir()
    board = heapboard.HeapBoard(tmp_path / "board", server, areas)
    try:
        stages = list(board.story())
    finally:
        board.close()
    assert not any(
        "MemoryError" in line or "memory" in line.split("E ")[-1] for line in board.lines if " E " in line
    )
    return stages


@pytest.mark.usefixtures("build")
def test_the_device_boots_hears_joins_and_updates_itself_in_the_memory_of_an_esp32(
    tmp_path: Path, server: Server
) -> None:
    assert [stage.name for stage in lived(tmp_path, server, heapboard.BOARD)] == STAGES


@pytest.mark.usefixtures("build")
def test_the_device_updates_itself_beside_all_its_rooms_where_there_is_memory_for_them(
    tmp_path: Path, server: Server
) -> None:
    assert [stage.name for stage in lived(tmp_path, server, heapboard.LARGE)] == STAGES


@pytest.mark.skipif(mqtt.MOSQUITTO is None, reason="mosquitto is not installed")
@pytest.mark.usefixtures("build")
def test_the_memory_of_an_esp32_is_enough_for_a_broker_too(tmp_path: Path, server: Server) -> None:
    for name in ("board", "mosquitto"):
        (tmp_path / name).mkdir()
    broker = mqtt.Mosquitto(tmp_path / "mosquitto", "max_inflight_messages 0")
    peer = mqtt.Peer(broker.port, "#")
    board = heapboard.HeapBoard(tmp_path / "board", server)
    try:
        stages = list(board.broker_story(f"mqtt://127.0.0.1:{broker.port}"))
        assert len(stages) == 2
        assert not [line for line in board.lines if "memory" in line]
        peer.settled()
        # Twice, for the broker has left for the look.
        for topic in ("/status", "/config"):
            assert len(peer.messages(topic)) >= 2
        lines = [message.json["seq"] for message in peer.messages("/log")]
        assert lines == list(range(len(lines))) and len(lines) > 10
    finally:
        board.close()
        peer.close()
        broker.stop()
