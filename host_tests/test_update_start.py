"""boot.py, main.py and update/start.py: what no update rewrites gets a board out of everything."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import wholeboard
from lutin_tools.release import build
from wholeboard import Board, Server, publish

MINUTE = 60000


def updated(board: Board, server: Server, number: int = 2) -> None:
    """The board is on release 2, confirmed, in slot a; and off."""
    publish(server.folder, number)
    board.on(1000)
    assert board.until(lambda report: report["update"]["highest"] == number, 3 * MINUTE)
    board.off()
    board.ends.clear()


def patched(folder: Path, name: str, text: str) -> Path:
    """The firmware with another text in one file."""
    shutil.copytree(build.FIRMWARE / "lutin", folder / "lutin")
    (folder / "lutin" / name).write_text(text)
    return folder


def test_a_release_that_rots_in_its_slot_is_left_and_healed_and_not_rejected(
    board: Board, server: Server
) -> None:
    updated(board, server)
    board.touch("garble", "/a/lutin/device.mpy")
    board.on(1000)
    assert board.until(lambda report: report["update"]["number"] == 1, 3 * MINUTE)
    assert board.ends.count(wholeboard.RESET) == 3
    # The file that is wrong is fetched, and no other.
    asked = len(server.hostile.requests)
    assert board.until(
        lambda report: report["update"]["number"] == 2 and not report["update"]["trial"], 5 * MINUTE
    )
    assert board.update()["rejected"] is None
    blobs = [request for request in server.hostile.requests[asked:] if "blobs" in request.path]
    assert len(blobs) <= 1


@pytest.mark.parametrize(
    "path", ["/factory/lutin/update/start.mpy", "/factory/lutin/store.mpy", "/factory/release.json"]
)
def test_with_a_damaged_factory_slot_the_release_that_is_there_still_runs(
    board: Board, server: Server, path: str
) -> None:
    updated(board, server)
    board.touch("remove", path)
    board.on(MINUTE)
    assert (board.update()["slot"], board.state()) == ("a", "connected")
    # And the next release comes.
    publish(server.folder, 3)
    board.call("console", "update")
    board.run(8000)
    assert board.ends == [wholeboard.RESET]


def test_a_boot_that_cannot_be_counted_is_not_tried(board: Board, server: Server) -> None:
    publish(server.folder, 2)
    board.on(100)
    while not board.ends:
        board.run(500)
    # Armed, and the boot under way ends: now the flash of the records dies.
    board.off()
    board.worn = True
    board.on(MINUTE)
    assert board.update()["slot"] == "factory"
    assert any("not counted" in line for line in board.console())


def test_a_release_that_hangs_while_it_is_imported_is_ended_by_the_watchdog(
    board: Board, server: Server, tmp_path: Path
) -> None:
    bad = patched(tmp_path / "bad", "__init__.py", "import time\nwhile True:\n    time.sleep_ms(100)\n")
    publish(server.folder, 2, firmware=bad)
    board.on(1000)
    assert board.until(lambda report: report["update"]["rejected"] == 2, 30 * MINUTE, 5000)
    assert board.ends.count(wholeboard.WATCHDOG) == 3


def test_a_release_that_ends_by_itself_does_not_stop_the_board(
    board: Board, server: Server, tmp_path: Path
) -> None:
    bad = patched(tmp_path / "bad", "__init__.py", "def start():\n    pass\n")
    publish(server.folder, 2, firmware=bad)
    board.on(1000)
    assert board.until(lambda report: report["update"]["rejected"] == 2, 30 * MINUTE, 5000)


def test_crashes_that_are_far_apart_do_not_cost_a_release_its_slot(board: Board, server: Server) -> None:
    updated(board, server)
    for _ in range(4):
        board.cause = 3  # the watchdog
        board.on(11 * MINUTE)
        assert board.update()["slot"] == "a"
        board.off()
    for _ in range(3):
        board.cause = 3
        board.on(1000)
        board.off()
    board.on(1000)
    assert board.update()["slot"] == "factory"


def test_settings_survive_every_release(board: Board, server: Server) -> None:
    updated(board, server)
    board.on(MINUTE)
    assert board.report()["settings"]["networks"][0]["ssid"] == "Home"
