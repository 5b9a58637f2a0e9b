"""The whole device in the memory that a real board has: boot, BlinkUp, join, a first update and its trial."""

from __future__ import annotations

from pathlib import Path

import heapboard
import pytest
from wholeboard import Server

STAGES = ["after boot", "listening", "connected", "updating, at most", "on trial", "confirmed"]


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
def test_the_device_boots_hears_joins_and_updates_itself_in_the_memory_that_it_is_allowed(
    tmp_path: Path, server: Server
) -> None:
    assert [stage.name for stage in lived(tmp_path, server, heapboard.TODAY)] == STAGES


@pytest.mark.xfail(
    raises=AssertionError, reason="code alone takes more than an ESP32 has beside WiFi and TLS", strict=True
)
@pytest.mark.usefixtures("build")
def test_the_device_boots_hears_joins_and_updates_itself_in_the_memory_of_an_esp32(
    tmp_path: Path, server: Server
) -> None:
    lived(tmp_path, server, heapboard.BOARD)
