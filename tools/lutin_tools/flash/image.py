"""One image of a board's whole flash: joined from its parts, and read again."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from littlefs import LittleFS
from littlefs.errors import LittleFSError

from .. import filesystem
from ..board.chips import CHIPS
from ..board.description import SIZES, Board, Partition
from ..release import read
from ..release.keys import Key
from . import micropython, table
from .mishaps import Mishap

SETTINGS = "lutin"  # the partition that flashing leaves alone
FILES = "vfs"
_BLOCK = 4096
_SECTOR = 4096
_SIZE_CODES = {
    1 << 20: 0,
    2 << 20: 1,
    4 << 20: 2,
    8 << 20: 3,
    16 << 20: 4,
    32 << 20: 5,
}  # in the loader's header


@dataclass(frozen=True)
class Part:
    """A piece of the flash."""

    name: str
    offset: int
    size: int
    used: int  # bytes; of files, whole blocks
    kind: str  # loader, table, app, files, settings, blank
    what: str = ""  # in words

    @property
    def end(self) -> int:
        return self.offset + self.size


@dataclass
class Image:
    """What an image holds, as read from its bytes."""

    data: bytes
    chip: str
    flash: int  # bytes, by the boot loader's header
    board: str
    number: int  # of the factory's release
    version: str
    keys: list[str]  # ids that this release trusts
    micropython: str  # version; "" if it does not say
    partitions: list[Partition]
    parts: list[Part] = field(default_factory=list)

    def pieces(self, erase: bool) -> list[Any]:
        """(address, data) to write: all but the settings and unused slots, or all that is not blank."""
        found: list[tuple[int, bytes]] = []
        for part in self.parts:
            if part.kind == "settings" or (not part.used and (erase or part.kind == "app")):
                continue
            # What lies behind an application is never read.
            data = self.data[part.offset : part.offset + (part.used if part.kind == "app" else part.size)]
            if found and found[-1][0] + len(found[-1][1]) == part.offset:
                found[-1] = (found[-1][0], found[-1][1] + data)
            else:
                found.append((part.offset, data))
        return found


def make(
    board: Board,
    build: micropython.Build,
    key: Key | Path,
    number: int = 1,
    version: str | None = None,
    app: Path | None = None,
) -> bytes:
    """The image: official boot loader and application, our table, and our files."""
    apps = [part for part in board.partitions if part.type == "app"]
    vfs = board.partition(FILES)
    if not apps or not vfs:
        raise Mishap(f"{board.name} has no partition for MicroPython, or none for files.")
    home = min(apps, key=lambda part: part.offset)
    over = len(build.application) - home.size
    if over > 0:
        raise Mishap(
            f"MicroPython does not fit: {build.name} has {len(build.application)} bytes, and the partition "
            f"{home.name} {home.size}, so {over} are too many. Take a smaller build, or make "
            f"the partition larger in boards/{board.name}/board.toml."
        )
    files = filesystem.image(filesystem.board_files(board.name, key, number, version, app=app), vfs.size)
    return join(
        board,
        [
            (board.chip.bootloader, build.loader),
            (table.OFFSET, table.encode(board.partitions)),
            (home.offset, build.application),
            (vfs.offset, files),
        ],
    )


def join(board: Board, pieces: list[Any]) -> bytes:
    """One image, blank between the pieces, with the flash's size in the boot loader's header."""
    from esptool.cmds import merge_bin

    size = next(word for word, number in SIZES.items() if number == board.flash)
    with quiet():
        # otadata stays blank: then the boot loader starts ota_0.
        joined = merge_bin(pieces, board.chip.name, flash_size=size, pad_to_size=size)
    if joined is None or len(joined) != board.flash:
        raise Mishap(f"The image has more than the {size} of {board.name}.")
    return joined


def of(data: bytes, called: str = "The image") -> Image:
    """What an image holds; Mishap if it is none of ours, or damaged."""
    if data[:1] == b"\xe9":
        at = 0
    elif data[0x1000:0x1001] == b"\xe9":
        at = 0x1000
    else:
        raise Mishap(f"{called} is no image of a board: make one with `lutin image`.")
    chip = micropython._IDS.get(int.from_bytes(data[at + 12 : at + 14], "little"), "")
    if chip not in CHIPS or CHIPS[chip].bootloader != at:
        raise Mishap(f"{called} is for a chip that lutin does not know.")
    loader = micropython.image(data[at : table.OFFSET], chip, f"{called}: the boot loader")
    size = next((size for size, code in _SIZE_CODES.items() if code == loader[3] >> 4), 0)
    partitions = table.decode(data[table.OFFSET : table.OFFSET + table.ROOM])
    encoded = len(partitions) * 32 + 32
    vfs = next((part for part in partitions if part.name == FILES), None)
    if not vfs or max(part.end for part in partitions) > len(data):
        raise Mishap(f"{called} ends early, or has no files: make it again with `lutin image`.")
    board, release, used = _files(data[vfs.offset : vfs.end], called)
    found = Image(
        data,
        chip,
        size,
        board,
        release.number,
        release.version,
        [read.key_id(k) for k in release.keys],
        "",
        partitions,
    )
    found.parts = [
        Part("boot loader", at, table.OFFSET - at, len(loader), "loader"),
        Part("table", table.OFFSET, table.ROOM, encoded, "table", f"{len(partitions)} partitions"),
    ]
    for part in sorted(partitions, key=lambda part: part.offset):
        inside = data[part.offset : part.end]
        made = Part(part.name, part.offset, part.size, 0, "blank", _BLANK.get(part.name, "blank"))
        if part.name == FILES:
            words = f"files: {used} of {part.size // _BLOCK} blocks"
            made = Part(part.name, part.offset, part.size, used * _BLOCK, "files", words)
        elif part.name == SETTINGS:
            made = Part(part.name, part.offset, part.size, 0, "settings", "settings: left as they are")
        elif part.type == "app" and inside[:1] == b"\xe9":
            app = micropython.image(inside, chip, f"{called}: {part.name}")
            banner = micropython._BANNER.search(app)
            found.micropython = banner[1].decode() if banner else ""
            words = f"MicroPython {found.micropython}".rstrip()
            made = Part(part.name, part.offset, part.size, len(app), "app", words)
        elif part.type == "app":
            made = Part(part.name, part.offset, part.size, 0, "app", "blank: for a MicroPython over the air")
        found.parts.append(made)
    return found


_BLANK = {"nvs": "blank: WiFi's calibration", "otadata": "blank: ota_0 starts", "phy_init": "blank: not used"}


def show(image: Image) -> str:
    """The map, and what is in it."""
    lines = [f"{'offset':>8} {'size':>8} {'used':>8} {'free':>8}  part"]
    for part in image.parts:
        free = part.size - part.used
        words = f"{part.name:12}{part.what}".rstrip()
        lines.append(f"{part.offset:#08x} {part.size:>8} {part.used:>8} {free:>8}  {words}")
    left = len(image.data) - max(part.end for part in image.parts)
    if left:
        lines.append(f"{len(image.data) - left:#08x} {left:>8} {'0':>8} {left:>8}  no partition")
    release = f"release {image.number}" + (
        f" ({image.version})" if image.version != str(image.number) else ""
    )
    lines.append(f"board {image.board}, {CHIPS[image.chip].title}, {image.flash >> 20} MB")
    lines.append(f"{release} in the factory slot; it trusts the key {', '.join(image.keys)}")
    return "\n".join(lines)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing of what esptool says: its errors are exceptions."""
    from esptool.logger import log

    log.set_verbosity("silent")
    try:
        yield
    finally:
        log.set_verbosity("auto")


def _files(vfs: bytes, called: str) -> tuple[str, read.Release, int]:
    """(board's name, factory's release, blocks in use) of a filesystem."""
    fs = LittleFS(block_size=_BLOCK, block_count=len(vfs) // _BLOCK, mount=False)
    fs.context.buffer = bytearray(vfs)
    try:
        fs.mount()
        used = fs.used_block_count
        with fs.open("pins.py", "rb") as file:
            pins = file.read()
        with fs.open(f"{filesystem.FACTORY}/release.json", "rb") as file:
            release = file.read()
    except (LittleFSError, OSError) as e:
        raise Mishap(f"{called}: its filesystem cannot be read ({e}).") from None
    names = [
        ast.literal_eval(node.value)
        for node in ast.parse(pins).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id == "NAME"
    ]
    return str(names[0]) if names else "", read.parse(release), used
