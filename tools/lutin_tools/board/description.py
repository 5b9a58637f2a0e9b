"""A board's description: what board.toml can say, and how it is read."""

from __future__ import annotations

import difflib
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports]

from ..paths import ROOT
from .chips import CHIPS, Chip

DESCRIPTION = "board.toml"
SIMULATED = "unix"  # as the name of a MicroPython build: the board is one only on the desk

KINDS = {"bicolour": 2, "ws2812": 1, "single": 1}  # kind of LED -> pins that it has
SIZES = {f"{mb}MB": mb << 20 for mb in (2, 4, 8, 16, 32)}

# (type, subtype) in words -> the numbers in the table
TYPES = {"app": 0x00, "data": 0x01}
SUBTYPES: dict[str, dict[str, int]] = {
    "app": {"factory": 0x00, "test": 0x20, **{f"ota_{n}": 0x10 + n for n in range(16)}},
    "data": {
        "ota": 0x00,
        "phy": 0x01,
        "nvs": 0x02,
        "coredump": 0x03,
        "nvs_keys": 0x04,
        "efuse": 0x05,
        "undefined": 0x06,
        "fat": 0x81,
        "spiffs": 0x82,
        "littlefs": 0x83,
    },
}


class BoardError(Exception):
    """A description that cannot be read: one complaint a line, each a sentence."""

    def __init__(self, complaints: list[str]) -> None:
        super().__init__("\n".join(complaints))
        self.complaints = complaints


@dataclass(frozen=True)
class Partition:
    """One line of the partition table."""

    name: str
    type: str
    subtype: str | int
    offset: int
    size: int

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.offset + self.size

    def numbers(self) -> tuple[int, int]:
        """Type and subtype as the binary table has them."""
        subtype = self.subtype
        return TYPES[self.type], subtype if isinstance(subtype, int) else SUBTYPES[self.type][subtype]


@dataclass(frozen=True)
class Led:
    """The status light; on_board: it comes with the board, and nobody wires it."""

    kind: str
    pins: tuple[int, ...]
    lit: int = 1
    on_board: bool = False
    ohms: int = 0


@dataclass(frozen=True)
class Sensor:
    """The phototransistor: from 3.3 V to the pin, and `ohms` from the pin to ground."""

    pin: int
    ohms: int


@dataclass(frozen=True)
class Button:
    """Low while pressed."""

    pin: int
    on_board: bool = False
    label: str = "BOOT"


@dataclass(frozen=True)
class Header:
    """What is printed beside the pins, from top to bottom, seen from the side with the chip."""

    left: tuple[str | int, ...] = ()
    right: tuple[str | int, ...] = ()
    usb: str = "bottom"
    names: dict[str, int] = field(default_factory=dict)  # printed name -> GPIO, where it is no number

    def gpio(self, printed: str | int) -> int | None:
        """The GPIO of one of these pins; None for power and the rest."""
        if isinstance(printed, int):
            return printed
        return self.names.get(printed)


@dataclass(frozen=True)
class Board:
    """A whole description."""

    name: str
    title: str
    chip: Chip
    micropython: str
    flash: int  # bytes
    led: Led
    sensor: Sensor
    button: Button | None
    partitions: tuple[Partition, ...]
    header: Header
    psram: str = "none"
    free: dict[str, int] = field(default_factory=dict)  # name for applications -> GPIO

    @property
    def simulated(self) -> bool:
        """There is no such thing to hold in the hand."""
        return self.micropython == SIMULATED

    def partition(self, name: str) -> Partition | None:
        """The partition of this name."""
        return next((part for part in self.partitions if part.name == name), None)


# Reading


class _Reader:
    """Takes values out of a table and collects what is wrong with them."""

    def __init__(self, table: dict[str, Any], where: str, complaints: list[str]) -> None:
        self.table = table
        self.where = where  # "" or "led." …
        self.complaints = complaints
        self.known: set[str] = set()

    def say(self, text: str) -> None:
        """Complain."""
        self.complaints.append(text)

    def take(self, key: str, kind: type, default: Any = None, what: str = "") -> Any:
        """The value, of this type; a missing one is a complaint unless there is a default."""
        self.known.add(key)
        if key not in self.table:
            if default is None:
                self.say(f"{self.where}{key} is missing; it is {what or _WORDS[kind]}.")
            return default
        value = self.table[key]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self.say(f"{self.where}{key} is {value!r}, and must be {what or _WORDS[kind]}.")
            return default
        return value

    def pick(self, key: str, choice: list[Any], default: Any = None) -> Any:
        """A value out of a few."""
        what = " or ".join([", ".join(map(str, choice[:-1])), str(choice[-1])]).removeprefix(" or ")
        value = self.take(key, type(choice[0]), default, what)
        if value is not None and value not in choice:
            self.say(f"{self.where}{key} is {value!r}, and must be {what}.")
            return default
        return value

    def ints(self, key: str) -> tuple[int, ...]:
        """A list of whole numbers."""
        values = self.take(key, list, what="a list of GPIO numbers")
        if values is None:
            return ()
        if not all(isinstance(value, int) and not isinstance(value, bool) for value in values):
            self.say(f"{self.where}{key} is {values!r}, and must be a list of GPIO numbers.")
            return ()
        return tuple(values)

    def section(self, key: str, needed: bool = True) -> _Reader | None:
        """A table inside this one."""
        table = self.take(key, dict, None if needed else {}, f"a section [{self.where}{key}]")
        return None if table is None else _Reader(table, f"{self.where}{key}.", self.complaints)

    def done(self) -> None:
        """Whatever nobody asked for is a slip of the pen."""
        for key in self.table:
            if key not in self.known:
                near = difflib.get_close_matches(key, self.known, 1)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(self.known))}."
                self.say(f"{self.where}{key} means nothing; {hint}")


_SUBTYPES = {"app": "factory, test, ota_0 to ota_15", "data": ", ".join(SUBTYPES["data"])}
_WORDS = {int: "a whole number", str: "a text", bool: "true or false", list: "a list", dict: "a section"}


def load(folder: Path) -> Board:
    """The description in this folder; BoardError if it cannot be understood."""
    path = folder / DESCRIPTION
    shown = _shown(path)
    if not path.is_file():
        raise BoardError([f"There is no {shown}; every board has one, see boards/README.md."])
    try:
        table = tomllib.loads(path.read_bytes().decode())
    except UnicodeDecodeError:
        raise BoardError([f"{shown} is not in UTF-8."]) from None
    except (tomllib.TOMLDecodeError, RecursionError) as e:
        raise BoardError([f"{shown} is no TOML: {str(e) or 'nested too deep'}."]) from None
    complaints: list[str] = []
    board = _board(_Reader(table, "", complaints))
    if complaints or board is None:
        raise BoardError([f"{shown}: {text}" for text in complaints])
    return board


def _board(top: _Reader) -> Board | None:
    name = top.take("name", str)
    title = top.take("title", str)
    chip = top.pick("chip", list(CHIPS))
    build = top.take("micropython", str, what="the name of an official build, such as ESP32_GENERIC")
    flash = top.pick("flash", list(SIZES))
    psram = top.pick("psram", ["none", "quad", "octal"], "none")

    led = button = sensor = None
    if section := top.section("led"):
        kind = section.pick("kind", list(KINDS))
        led = Led(
            kind,
            section.ints("pins"),
            section.pick("lit", [0, 1], 1),
            section.take("on_board", bool, False),
            section.take("ohms", int, 0),
        )
        section.done()
    if section := top.section("sensor"):
        sensor = Sensor(section.take("pin", int), section.take("ohms", int))
        section.done()
    if (section := top.section("button", needed=False)) and section.table:
        label = section.take("label", str, "BOOT")
        button = Button(section.take("pin", int), section.take("on_board", bool, False), label)
        section.done()

    free: dict[str, int] = {}
    if section := top.section("free", needed=False):
        for key in section.table:
            number = section.take(key, int, what="a GPIO number")
            if number is not None:
                free[key] = number
    header = _header(top)
    partitions = _partitions(top)
    top.done()
    if top.complaints or not (led and sensor):
        return None
    return Board(
        name, title, CHIPS[chip], build, SIZES[flash], led, sensor, button, partitions, header, psram, free
    )


def _header(top: _Reader) -> Header:
    section = top.section("header", needed=False)
    if not section or not section.table:
        return Header()
    sides = []
    for side in ("left", "right"):
        pins = section.take(side, list, what="a list of what is printed beside the pins")
        if any(not isinstance(pin, (str, int)) or isinstance(pin, bool) for pin in pins or ()):
            section.say(f'header.{side} must be a list of GPIO numbers and of texts, such as 34 or "3V3".')
        sides.append(tuple(pins or ()))
    names: dict[str, int] = {}
    if inner := section.section("names", needed=False):
        names = {key: inner.take(key, int, -1, "a GPIO number") for key in inner.table}
    header = Header(sides[0], sides[1], section.pick("usb", ["bottom", "top"], "bottom"), names)
    section.done()
    return header


def _partitions(top: _Reader) -> tuple[Partition, ...]:
    rows = top.take("partition", list, what="a list of sections [[partition]]")
    found: list[Partition] = []
    for index, row in enumerate(rows or ()):
        if not isinstance(row, dict):
            top.say("partition must be a list of sections [[partition]].")
            break
        one = _Reader(row, f"partition {row.get('name', index + 1)}: ", top.complaints)
        name = one.take("name", str)
        kind = one.pick("type", list(TYPES))
        subtype = row.get("subtype")
        one.known.add("subtype")
        if isinstance(subtype, int) and not isinstance(subtype, bool):
            if not 0 <= subtype <= 0xFE:
                one.say(f"{one.where}subtype is {subtype}, and must be a number from 0 to 0xFE.")
        elif kind and subtype not in SUBTYPES[kind]:
            one.say(f"{one.where}subtype is {subtype!r}, and must be a number or one of {_SUBTYPES[kind]}.")
        offset = one.take("offset", int, what="an address in the flash")
        size = one.take("size", int, what="a number of bytes")
        one.done()
        if None not in (name, kind, subtype, offset, size):
            found.append(Partition(name, kind, subtype, offset, size))
    return tuple(found)


def _shown(path: Path) -> str:
    """As a person would type it."""
    try:
        return str(path.resolve().relative_to(ROOT))
    except ValueError:
        return str(path)
