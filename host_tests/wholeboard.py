"""A whole simulated board for tests: power, restarts, flash in a folder, virtual time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lutin_tools import filesystem
from lutin_tools.hostile import HostileServer
from lutin_tools.release import build
from unixport import Rig

KEYS = Path(__file__).parent / "keys"
KEY = KEYS / "test-key-1.pem"
HOME = {"ssid": "Home", "password": "correct-horse-9"}
VFS = 232 * 4096

ROOM = int(__import__("os").environ.get("ROOM", "0"))
RESET, WATCHDOG = 75, 76
_CAUSES = {RESET: 2, WATCHDOG: 3}  # machine.reset_cause() of the life that follows


class Board:
    """Lives of one board, one process each. Whatever ends a life, the next begins at once."""

    def __init__(
        self, folder: Path, files: Mapping[str, bytes], air: Sequence[dict[str, Any]] = (HOME,)
    ) -> None:
        self.folder = folder
        self.ends: list[Any] = []  # of each life: an exit code, "power cut", "off"
        self.operations: dict[str, int] = {}  # of each flash, in the life that ended last
        self.lines: list[str] = []  # of the console, all lives
        self.ntp: int | None = None
        self.worn = False  # every sector of the records' flash
        self.air: Sequence[dict[str, Any]] | None = air  # None: as it was
        self.rig: Rig | None = None
        self.small = False  # whether its memory is: no PSRAM
        self.cause = 1  # machine.reset_cause() of the life that comes
        (folder / "vfs.bin").write_bytes(filesystem.image(files, VFS))

    def call(self, function: str, *args: Any, **more: Any) -> Any:
        """A function of rigs/life.py in the life that is."""
        assert self.rig, "the board is off"
        return self.rig.call(function, *args, **more)

    def on(self, ms: int = 100) -> None:
        """Power, and so many ms of life; through restarts."""
        self._begin()
        self._went(self.call("boot", ms), ms)

    def run(self, ms: int) -> None:
        """So many ms more; what restarts, loses no more than the rest of its step."""
        if self.rig is None:
            self.on(ms)
        else:
            self._went(self.call("run", ms), ms)

    def off(self) -> None:
        """The plug is pulled."""
        if self.rig:
            self._end("off")
        self.cause = 1

    def touch(self, function: str, *args: Any) -> None:
        """Do something to the flash of a board that is off."""
        self._begin()
        self.call(function, *args)
        self.off()
        self.ends.clear()

    def until(self, what: Any, most_ms: int, step_ms: int = 1000) -> bool:
        """Run until what(report) is true."""
        for _ in range(0, most_ms, step_ms):
            self.run(step_ms)
            if self.rig and self.call("running") and what(self.report()):
                return True
        return False

    def console(self) -> list[str]:
        """What all lives have printed."""
        return self.lines + (self.rig.output if self.rig else [])

    def report(self) -> dict[str, Any]:
        """Of the device that runs."""
        return self.call("report")

    def state(self) -> str:
        return self.report()["state"]["name"]

    def update(self) -> dict[str, Any]:
        return self.report()["update"]

    def _begin(self) -> None:
        # The board's memory, and beside it what the world around it takes.
        self.rig = Rig("life", heap="6M")
        self.call("start", str(self.folder), self.cause, self.air, self.ntp, small=self.small)
        if self.worn:
            self.call("wear", "lutin", list(range(8)))
        self.air = None

    def _went(self, end: Any, ms: int) -> None:
        if end is True:
            return
        self._end(end)
        self.cause = _CAUSES.get(end, 1)
        self.on(100)

    def _end(self, how: Any) -> None:
        assert self.rig
        self.operations = self.rig.call("operations")
        self.ends.append(how)
        self.lines += self.rig.output
        self.rig.close()
        self.rig = None


class Server:
    """A HostileServer in a thread of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self.hostile = HostileServer(folder)
        self.url = f"http://127.0.0.1:{self._do(self.hostile.start())}"

    def _do(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    def close(self) -> None:
        self._do(self.hostile.close())
        self._loop.call_soon_threadsafe(self._loop.stop)


def new_board(folder: Path, server: str, app: Path | None = None) -> Board:
    """Flashed with this tree (and an application), told of its network and its server."""
    board = Board(folder, filesystem.board_files("unix", KEY, 1, app=app))
    board.touch("settings", {**HOME, "server": server})
    return board


def publish(folder: Path, number: int, keys: Sequence[Path] = (KEY,), **more: Any) -> build.Built:
    """This tree as a release with that number."""
    return build.build(folder, list(keys), number, f"0.{number}", boards=["unix"], **more)
