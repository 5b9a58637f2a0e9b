"""A whole board in the memory of a real one: what it is given, and its way from power-on to an update."""

from __future__ import annotations

import os
import re
import shutil
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import wholeboard
from lightmaker import packet, record, symbols
from lutin_tools import filesystem
from lutin_tools.paths import ROOT
from lutin_tools.release import build
from unixport import Rig

# MicroPython 1.25 (ports/esp32/mpconfigport.h) gives Python 56 KB on an ESP32 (64 on S3 and C3), and as much
# again when that is full: "chosen so they can grow the heap once (double it) and still have enough internal
# RAM to start WiFi and make a HTTPS request". A third part would take the largest piece that is left (py/gc.c),
# which is the one that TLS needs. Of each part 56000 bytes are usable: "GC: total: 112000" says an ESP32 of two.
PART = 56000
# In use at the bare prompt of an official build (1.22), and by asyncio when it is imported (1.25, 32 bits).
BARE = 5152 + 4240
BOARD = (PART - BARE, PART)
# With PSRAM there are megabytes; half of one is what rooms.py takes for a house with room for everything.
LARGE = (512 * 1024,)

# The unix port with an ESP32's numbers and objects: `make micropython-32bit`, or one that you have.
MICROPYTHON_32 = Path(
    os.environ.get("MICROPYTHON_32") or ROOT / ".cache" / "micropython-32bit" / "micropython"
)

_LIGHT = 4  # s after power-on


@dataclass
class Stage:
    """What the firmware had in use at one point of the story, in bytes, and the largest piece that was free."""

    name: str
    used: int
    largest: int


class HeapBoard:
    """Flashed with this tree; `wide` is 2 where objects are those of 64 bits, and all figures are twice a board's."""

    def __init__(self, folder: Path, server: wholeboard.Server, areas: tuple[int, ...] = BOARD) -> None:
        self.folder = folder
        self.server = server
        self.lines: list[str] = []
        self.rig: Rig | None = None
        with Rig("heap") as rig:
            self.wide: int = rig.call("wide")
        self.areas = [area * self.wide for area in areas]
        files = filesystem.board_files("unix", wholeboard.KEY, 1)
        (folder / "vfs.bin").write_bytes(filesystem.image(files, wholeboard.VFS))

    def story(self, measure: bool = False) -> Iterator[Stage]:
        """Boot, BlinkUp, join, a first update, its trial; a Stage at each step. Fails where the board does."""
        ends = self._set_up()
        self._run(_LIGHT * 1000 - 500)
        yield self._stage("after boot")
        self._call("note", ends - 3000)
        self._run(ends - self._call("now_ms") + 100)
        yield Stage("listening", self._call("most"), self._largest())
        self._until("connected", 60)
        yield self._stage("connected")
        wholeboard.publish(self.server.folder, 2, firmware=self._changed())
        self._call("watch", 3 if measure else 0)
        self._call("command", "update")
        self._to_the_restart()
        yield Stage("looking, at most", self._call("most"), 0)
        if any("for a life of its own" in line for line in self.console()):
            self._begin([])
            self._call("watch", 3 if measure else 0)
            self._to_the_restart()
        yield Stage("updating, at most", self._call("most"), 0)
        self._begin([])
        self._until("connected", 120)
        yield self._stage("on trial")
        for _ in range(60):
            self._run(2000)
            if any("release 2 is confirmed" in line for line in self.console()):
                break
        yield self._stage("confirmed")
        self.close()

    def broker_story(self, broker: str) -> Iterator[Stage]:
        """Boot, BlinkUp with a broker in it, join, connect, a look, connect again."""
        ends = self._set_up(record(0x82, broker.encode()))
        self._run(ends + 100)
        self._until("connected", 60)
        self._run(5000)
        yield self._stage("with a broker")
        self._call("command", "update")
        self._run(15000)
        self._until("connected", 60)
        self._run(5000)
        yield self._stage("after a look")
        self.close()

    def _set_up(self, more: bytes = b"") -> int:
        """Power on, release 1 on the server, BlinkUp to come; the ms at which that will have ended."""
        wholeboard.publish(self.server.folder, 1)
        records = record(1, b"Home") + record(6, b"correct-horse-9") + record(0x81, self.server.url.encode())
        records += more
        records += record(0x80, struct.pack(">I", zlib.crc32(records)))
        return self._begin(symbols(packet(records), end=6))

    def _to_the_restart(self) -> None:
        for _ in range(600):
            end = self._call("run", 500)
            if end is not True:
                break
        assert end == wholeboard.RESET, f"{end}: {self.console()}"

    def _changed(self) -> Path:
        """A firmware of which every fifth file is another one, so that there is something to fetch."""
        tree = self.folder / "firmware"
        shutil.copytree(build.FIRMWARE, tree)
        for path in sorted(tree.rglob("*.py"))[::5]:
            path.write_text(path.read_text(encoding="utf-8") + '\n\n_ANOTHER = "release"\n', encoding="utf-8")
        return tree

    def console(self) -> list[str]:
        return self.lines + (self.rig.output if self.rig else [])

    def close(self) -> None:
        if self.rig:
            self.lines += self.rig.output
            self.rig.close()
            self.rig = None

    def _begin(self, light: list[float]) -> int:
        self.close()
        # Beside the firmware's memory, the simulated world's.
        self.rig = Rig("heap", heap=f"{1000 * self.wide + 2 * sum(self.areas) // 1024}K")
        ends = self._call("prepare", str(self.folder), light, 60, _LIGHT)
        self._call("fence", self.areas)
        assert self._call("boot", 100) is True, self.console()
        return ends

    def _call(self, function: str, *args: object) -> int:
        assert self.rig
        return self.rig.call(function, *args)

    def _run(self, ms: int) -> None:
        assert self._call("run", ms) is True, self.console()

    def _until(self, state: str, seconds: int) -> None:
        for _ in range(seconds * 2):
            self._run(500)
            if self._call("state") == state:
                return
        raise AssertionError(f"not {state}: {self.console()}")

    def _stage(self, name: str) -> Stage:
        used = self._call("used")
        self._call("free")
        return Stage(name, used, self._largest())

    def _largest(self) -> int:
        found = [re.search(r"max free sz: (\d+)", line) for line in self.console()]
        blocks = [int(match[1]) for match in found if match]
        return blocks[-1] * 16 * self.wide if blocks else 0
