"""Whether a board's folder is right. Every complaint is a sentence: what is wrong, what would be right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from ..paths import ROOT
from .description import KINDS, Board, BoardError, Partition, load
from .made import files

SECTOR = 4096
_APP_STEP = 0x10000  # where an application may begin
_TABLE_END = 0x9000  # the partition table itself is at 0x8000
_LUTIN = 8 * SECTOR  # the store's eight sectors
_VFS = 100 * SECTOR  # less than this holds not even a factory release and one slot
_OTADATA = 2 * SECTOR
_NVS = 3 * SECTOR
# The smallest place that an application may have: a little more than the smallest official build of today.
_SLOT_SMALL = 0x180000  # builds called -OTA are made to fit into this
_SLOT = 0x1A0000


@dataclass(frozen=True)
class Complaint:
    """One sentence; refused: the board is wrong, and not only to be used with care."""

    text: str
    refused: bool = True


def check(folder: Path) -> list[Complaint]:
    """Everything that is wrong with this folder."""
    try:
        board = load(folder)
    except BoardError as e:
        return [Complaint(text) for text in e.complaints]
    found = list(description(board))
    if folder.name != board.name:
        found.append(Complaint(f"name is {board.name!r}, and must be that of the folder, {folder.name!r}."))
    if not found or not any(complaint.refused for complaint in found):
        found += made(board, folder)
    if not board.simulated:
        found += page(board, folder)
    return found


def description(board: Board) -> Iterator[Complaint]:
    """What is wrong with a board by itself."""
    yield from names(board)
    yield from pins(board)
    yield from header(board)
    yield from partitions(board)


# Names and values


def names(board: Board) -> Iterator[Complaint]:
    """Name, title, build and resistors."""
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", board.name) or len(board.name) > 32:
        yield Complaint(
            f"name is {board.name!r}, and must be small letters and digits, single hyphens between them, "
            "32 at most."
        )
    if not board.title or not board.title.isprintable() or set(board.title) & set("\"'\\{}<>&"):
        yield Complaint(f"title is {board.title!r}, and must be words without quotes or angle brackets.")
    official = rf"{board.chip.build}(-[A-Z0-9_]+)?"
    if not board.simulated and not re.fullmatch(official, board.micropython):
        yield Complaint(
            f"micropython is {board.micropython!r}; a build for the {board.chip.title} is called "
            f"{board.chip.build}, with a variant behind a hyphen if need be."
        )
    if board.psram != "none" and board.psram not in board.chip.psram:
        known = " or ".join(["none", *board.chip.psram])
        yield Complaint(f"psram is {board.psram!r}; on the {board.chip.title} it is {known}.")
    if not 1000 <= board.sensor.ohms <= 1_000_000:
        yield Complaint(
            f"sensor.ohms is {board.sensor.ohms}, and must be from 1000 to 1000000; 4700 suits most parts."
        )
    led = board.led
    if not led.on_board and not board.simulated and not 100 <= led.ohms <= 2200:
        yield Complaint(
            f"led.ohms is {led.ohms}, and must be from 100 to 2200, because the LED is not on the board; "
            "220 suits most."
        )


# Pins


def users(board: Board) -> list[tuple[str, int, bool]]:
    """(use, GPIO, whether it comes wired with the board) of every pin that lutin uses."""
    uses = [("led", pin, board.led.on_board) for pin in board.led.pins]
    uses.append(("sensor", board.sensor.pin, False))
    if board.button:
        uses.append(("button", board.button.pin, board.button.on_board))
    return uses


def pins(board: Board) -> Iterator[Complaint]:
    """Pins that there are not, that are taken, or that cannot do what they are for."""
    chip, led = board.chip, board.led
    wanted = KINDS[led.kind]
    # A WS2812 may be on one of several pins, by revision of the board; they all say the same.
    if len(led.pins) != wanted and not (led.kind == "ws2812" and led.on_board and led.pins):
        count = {1: "one pin", 2: "two, red and green"}[wanted]
        yield Complaint(f"led.pins has {len(led.pins)} pins, and a {led.kind} LED has {count}.")
    if led.kind == "ws2812" and led.lit != 1:
        yield Complaint("led.lit is 0, and must be 1 or left out: a WS2812 has no level that lights it.")

    seen: dict[int, str] = {}
    lutins = users(board)
    for use, pin, _ in lutins + [(f"free.{name}", pin, False) for name, pin in board.free.items()]:
        if pin in seen:
            yield Complaint(f"GPIO{pin} is used twice, by {seen[pin]} and by {use}; each pin has one use.")
        seen[pin] = use

    for use, pin, on_board in lutins:
        reason = taken(board, pin)
        if reason:
            yield Complaint(f"{use}: {reason}; use another pin.")
            continue
        if pin in chip.strapping and not on_board:
            yield Complaint(
                f"{use}: GPIO{pin} is a strapping pin ({chip.strapping[pin]}); use another pin, "
                "or say on_board = true if it comes wired like that."
            )
        if pin in chip.uart0:
            yield Complaint(f"{use}: GPIO{pin} belongs to UART0, console and boot loader; use another pin.")
        if pin in chip.input_only and use == "led":
            yield Complaint(
                f"led: GPIO{pin} can only be input on the {chip.title}; use a pin that is none of "
                f"{ranges(chip.input_only)}."
            )
        if pin in chip.input_only and use == "button":
            yield Complaint(
                f"button: GPIO{pin} has no pull-up on the {chip.title}; use a pin that is none of "
                f"{ranges(chip.input_only)}."
            )
        if use == "sensor" and pin not in chip.adc1:
            yield Complaint(
                f"sensor: GPIO{pin} is no pin of ADC1, and nothing else measures while WiFi is on; "
                f"on the {chip.title} use one of {ranges(chip.adc1)}."
            )

    for name, pin in board.free.items():
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
            yield Complaint(f"free.{name}: a name is letters, digits and underscores, a letter first.")
        reason = taken(board, pin)
        if reason:
            yield Complaint(f"free.{name}: {reason}; leave it out.")
        elif pin in chip.strapping:
            yield Complaint(
                f"free.{name}: GPIO{pin} is a strapping pin: {chip.strapping[pin]}.", refused=False
            )
        elif pin in chip.uart0:
            yield Complaint(f"free.{name}: GPIO{pin} carries the console, UART0.", refused=False)


def taken(board: Board, pin: int) -> str:
    """Why nobody can have this pin; empty if anybody can."""
    chip = board.chip
    if pin not in chip.exists:
        return f"the {chip.title} has no GPIO{pin}, only {ranges(chip.exists)}"
    if pin in chip.flash:
        return f"GPIO{pin} is wired to the flash"
    if pin in chip.psram.get(board.psram, ()):
        return f"GPIO{pin} is wired to the {board.psram} PSRAM"
    if pin in chip.usb:
        return f"GPIO{pin} belongs to the chip's USB port"
    return ""


def ranges(numbers: frozenset[int]) -> str:
    """ "0 to 4, 7": as people say it."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and parts[-1][-1] == number - 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(str(part[0]) if len(part) == 1 else f"{part[0]} to {part[-1]}" for part in parts)


def header(board: Board) -> Iterator[Complaint]:
    """Whatever is to be wired must be somewhere on the board."""
    if board.simulated:
        return
    printed = board.header.left + board.header.right
    for label in ("3V3", "GND"):
        if label not in printed:
            yield Complaint(f"header: there is no {label!r} in left or right, and the sensor needs it.")
    there = {board.header.gpio(label) for label in printed}
    for name, pin in board.header.names.items():
        if name not in printed:
            yield Complaint(f"header.names: {name!r} is in neither left nor right.")
        if pin not in board.chip.exists:
            yield Complaint(f"header.names: {name!r} is GPIO{pin}, which the {board.chip.title} has not.")
    for use, pin, on_board in users(board):
        if not on_board and pin not in there:
            yield Complaint(
                f"{use}: GPIO{pin} is in neither header.left nor header.right; use a pin that is."
            )
    for name, pin in board.free.items():
        if pin not in there:
            yield Complaint(
                f"free.{name}: GPIO{pin} is in neither header.left nor header.right; leave it out."
            )


# Partitions


def overlaps(table: tuple[Partition, ...]) -> list[tuple[Partition, Partition]]:
    """Every two that share a byte."""
    return [(a, b) for a, b in combinations(table, 2) if max(a.offset, b.offset) < min(a.end, b.end)]


def partitions(board: Board) -> Iterator[Complaint]:
    """What ESP-IDF's boot loader, MicroPython or lutin could not live with."""
    names = [part.name for part in board.partitions]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Complaint(
            f"partition {name}: the name is there {names.count(name)} times, and must be there once."
        )
    for part in board.partitions:
        where = f"partition {part.name}"
        if not re.fullmatch(r"[A-Za-z0-9_]{1,15}", part.name):
            yield Complaint(f"{where}: a name is 1 to 15 letters, digits and underscores.")
        step = _APP_STEP if part.type == "app" else SECTOR
        if part.offset % step:
            yield Complaint(
                f"{where} begins at 0x{part.offset:x}, and must begin at a multiple of 0x{step:x}, "
                f"such as 0x{part.offset // step * step:x}."
            )
        if part.size <= 0 or part.size % SECTOR:
            yield Complaint(f"{where} has 0x{part.size:x} bytes, and must have a multiple of 0x{SECTOR:x}.")
        if part.offset < _TABLE_END:
            yield Complaint(
                f"{where} begins at 0x{part.offset:x}; before 0x{_TABLE_END:x} are boot loader and table."
            )
        if part.end > board.flash:
            yield Complaint(f"{where} ends at 0x{part.end:x}, and the flash at 0x{board.flash:x}.")
    for a, b in overlaps(board.partitions):
        yield Complaint(
            f"partitions {a.name} and {b.name} overlap: {b.name} begins at 0x{b.offset:x}, "
            f"and {a.name} covers 0x{a.offset:x} to 0x{a.end - 1:x}."
        )
    yield from _data(board)
    yield from _applications(board)


def _data(board: Board) -> Iterator[Complaint]:
    for name, subtype, least, why in (
        ("nvs", "nvs", _NVS, "WiFi keeps its calibration there"),
        ("lutin", 0x40, _LUTIN, "it holds the settings, eight sectors of 0x1000"),
        ("vfs", "fat", _VFS, "it holds the factory's release and two slots"),
    ):
        part = board.partition(name)
        if not part:
            yield Complaint(f"partition {name} is missing: {why}.")
            continue
        wanted = f"0x{subtype:x}" if isinstance(subtype, int) else subtype
        if (part.type, part.subtype) != ("data", subtype):
            yield Complaint(f"partition {name} is {part.type}, {part.subtype}, and must be data, {wanted}.")
        if part.size < least:
            yield Complaint(
                f"partition {name} has 0x{part.size:x} bytes, and must have 0x{least:x} or more: {why}."
            )
    vfs = board.partition("vfs")
    need = blocks_needed()
    if vfs and _VFS <= vfs.size < need * SECTOR:
        yield Complaint(
            f"partition vfs has {vfs.size // SECTOR} blocks; the factory's release and two slots of the "
            f"firmware in this tree take about {need}, so updates may not find room.",
            refused=False,
        )


def _applications(board: Board) -> Iterator[Complaint]:
    least = _SLOT_SMALL if board.simulated or board.micropython.endswith("-OTA") else _SLOT
    apps = [part for part in board.partitions if part.type == "app"]
    names = [part.name for part in apps]
    if names == ["factory"]:
        (factory,) = apps
        if factory.subtype != "factory":
            yield Complaint(f"partition factory is app, {factory.subtype}, and must be app, factory.")
        yield Complaint(
            "there is one partition for MicroPython, so it cannot be updated over the air; lutin and the "
            "application can.",
            refused=False,
        )
    elif sorted(names) != ["ota_0", "ota_1"]:
        yield Complaint(
            f"partitions for MicroPython are {', '.join(names) or 'none'}, and must be ota_0 and ota_1, "
            "or factory alone."
        )
    else:
        for part in apps:
            if part.subtype != part.name:
                yield Complaint(
                    f"partition {part.name} is app, {part.subtype}, and must be app, {part.name}."
                )
        if apps[0].size != apps[1].size:
            yield Complaint(
                f"ota_0 has 0x{apps[0].size:x} bytes and ota_1 0x{apps[1].size:x}; they must be equal, "
                "because each will hold what the other held."
            )
        otadata = board.partition("otadata")
        if not otadata:
            yield Complaint(
                "partition otadata is missing: the boot loader notes there which of two to start."
            )
        elif (otadata.type, otadata.subtype) != ("data", "ota") or otadata.size != _OTADATA:
            yield Complaint(
                f"partition otadata is {otadata.type}, {otadata.subtype}, 0x{otadata.size:x} bytes, and must "
                f"be data, ota, 0x{_OTADATA:x}."
            )
    if apps and min(apps, key=lambda part: part.offset).offset != _APP_STEP:
        yield Complaint("the first partition for MicroPython must begin at 0x10000, where it is flashed.")
    for part in apps:
        if 0 < part.size < least:
            yield Complaint(
                f"partition {part.name} has 0x{part.size:x} bytes; {board.micropython} needs 0x{least:x} "
                "or more."
            )


def blocks_needed(firmware: Path = ROOT / "firmware") -> int:
    """About how many blocks of a filesystem the factory's release, two slots and a download take."""
    sizes = [path.stat().st_size for path in (firmware / "lutin").rglob("*.py")]
    folders = 1 + len({path.parent for path in (firmware / "lutin").rglob("*.py")})
    release = _blocks(300 * len(sizes) + 1800)
    # Compiled, a module has two fifths of its length; a folder is a pair of blocks.
    slot = sum(_blocks(size * 2 // 5) for size in sizes) + 2 * folders + release
    root = 2 + 3  # and boot.py, main.py, pins.py
    download = release + 2 + 4  # the next release.json, a part, and what LittleFS moves things through
    return 3 * slot + root + download


def _blocks(size: int) -> int:
    return -(-size // SECTOR)


# The rest of the folder


def made(board: Board, folder: Path) -> Iterator[Complaint]:
    """What is made from the description must be what it says now."""
    for name, text in files(board).items():
        path = folder / name
        if not path.is_file() or path.read_bytes() != text.encode():
            state = "is not what board.toml says" if path.is_file() else "is missing"
            yield Complaint(f"{name} {state}; run `lutin board make {folder.name}`.")


def page(board: Board, folder: Path) -> Iterator[Complaint]:
    """A person must find every pin on the page, and the drawing."""
    path = folder / "README.md"
    if not path.is_file():
        yield Complaint("README.md is missing: a board has a page with what to buy, its wiring and its pins.")
        return
    text = path.read_text(encoding="utf-8", errors="replace")
    for use, pin, _ in users(board):
        if not re.search(rf"\bGPIO\s?{pin}\b", text):
            yield Complaint(f"README.md does not mention GPIO{pin}, the pin of {use}.")
    if "wiring.svg" not in text:
        yield Complaint("README.md does not show wiring.svg.")
