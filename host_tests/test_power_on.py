"""boards/unix/power_on.py: the simulated board as a process of its own, as `make run` starts it."""

import os
import queue
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from lutin_tools import filesystem
from unixport import ROOT, micropython
from wholeboard import KEY, VFS


class Board:
    """A running process of the simulated board, in real time."""

    def __init__(self, state: Path, cause: int = 1) -> None:
        env = {
            **os.environ,
            "MICROPYPATH": "boards/unix:.frozen",
            "LUTIN_STATE": str(state),
            "LUTIN_RESET_CAUSE": str(cause),
        }
        self.process = subprocess.Popen(
            [micropython(), "-X", "heapsize=4M", "boards/unix/power_on.py"],
            cwd=ROOT,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._queue: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._queue.put(line)
        self._queue.put("")

    def type(self, line: str) -> None:
        """A line on the console."""
        assert self.process.stdin
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def until(self, text: str) -> str:
        """The next line with that text; fails when the process ends or half a minute has passed."""
        while True:
            line = self._queue.get(timeout=30)
            self.lines.append(line)
            assert line, "".join(self.lines)
            if text in line:
                return line


@pytest.fixture
def start(tmp_path: Path) -> Iterator[type[Board]]:
    boards: list[Board] = []

    state = tmp_path / "desk"
    state.mkdir()
    image = filesystem.image(filesystem.board_files("unix", KEY), VFS)
    (state / "vfs.bin").write_bytes(image)

    def make(cause: int = 1) -> Board:
        boards.append(Board(state, cause))
        return boards[-1]

    yield make  # type: ignore[misc]
    for board in boards:
        board.process.kill()
        board.process.wait()


def test_a_new_board_waits_for_blinkup_and_answers_on_its_console(start):
    board = start()
    board.until("no-settings")
    board.type("status")
    assert "1 no-settings: No settings: waiting for BlinkUp." in board.until("state ")
    assert "power-on" in board.until("started")
    board.type("nonsense")
    board.until("unknown command")
    board.until("restart")


def test_a_restart_ends_the_process_as_the_chip_would_and_says_why_the_next_time(start):
    board = start()
    board.until("no-settings")
    board.type("restart")
    board.until("I restart")
    assert board.process.wait(timeout=30) == 75
    again = start(cause=2)
    again.until("start: reset")


def test_the_flash_outlives_a_kill(start, tmp_path):
    board = start()
    board.until("no-settings")
    board.process.kill()
    board.process.wait()
    flash = tmp_path / "desk" / "flash.bin"
    image = (ROOT / "host_tests" / "images" / "store-1.bin").read_bytes()
    flash.write_bytes(image + b"\xff" * (8 * 4096 - len(image)))
    again = start()
    again.until("state: ")
    again.type("status")
    assert "generation 0" not in again.until("settings  generation")


def test_the_board_runs_in_the_heap_that_make_run_gives_it_and_survives_rubbish_on_the_console(start):
    board = start()
    board.until("no-settings")
    board.type("\x00\x07é" + "x" * 50)
    board.until("unknown command")
    board.type("x" * 5000)
    board.until("a command has at most")
    board.type("status")
    board.until("state ")
