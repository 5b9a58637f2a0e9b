"""The boards' folders, and what is made from their descriptions. `lutin board …`"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from .boardfile import DESCRIPTION, Board, BoardError, load
from .paths import ROOT

FOLDER = ROOT / "boards"


def pins_py(board: Board) -> str:
    """The module `pins` of this board."""
    led = board.led
    pins = f"({led.pins[0]},)" if len(led.pins) == 1 else "(" + ", ".join(map(str, led.pins)) + ")"
    others = ", ".join(f'"{kind}"' for kind in ("bicolour", "single", "ws2812") if kind != led.kind)
    meaning = "bicolour: red, green; single and ws2812: one"
    if led.kind == "ws2812" and len(led.pins) > 1:
        meaning = "the same light on each: which one has the LED depends on the board's revision"
    lines = [
        f'"""Which pin is what on the {board.title}."""',
        "",
        f'NAME = "{board.name}"',
        "",
        f'LED = "{led.kind}"  # or {others}',
        f"LED_PINS = {pins}  # {meaning}",
        f"LED_LIT = {led.lit}  # the level that lights it",
        f"SENSOR = {board.sensor.pin}",
        f"BUTTON = {board.button.pin if board.button else None}",
    ]
    return "\n".join(lines) + "\n"


def partitions_csv(board: Board) -> str:
    """The partition table, as ESP-IDF reads it."""
    lines = [
        f"# Partition table of {board.name}, made from {DESCRIPTION}.",
        "# Name, Type, SubType, Offset, Size, Flags",
    ]
    for part in board.partitions:
        subtype = f"0x{part.subtype:02x}" if isinstance(part.subtype, int) else part.subtype
        lines.append(f"{part.name}, {part.type}, {subtype}, 0x{part.offset:x}, 0x{part.size:x},")
    return "\n".join(lines) + "\n"


def files(board: Board) -> dict[str, str]:
    """Everything in the folder that is made from the description, by name."""
    made = {"pins.py": pins_py(board)}
    if not board.simulated:
        from . import definition, wiring

        made["partitions.csv"] = partitions_csv(board)
        made["wiring.svg"] = wiring.svg(board)
        made.update(definition.files(board))
    return made


def make(folder: Path) -> list[Path]:
    """Write what is made from the description; the files that have changed."""
    changed: list[Path] = []
    for name, text in files(load(folder)).items():
        path = folder / name
        if not path.exists() or path.read_bytes() != text.encode():
            path.write_bytes(text.encode())
            changed.append(path)
    return changed


def folders() -> list[Path]:
    """Every board's folder, by name."""
    return sorted(path.parent for path in FOLDER.glob(f"*/{DESCRIPTION}"))


def find(name: str | Path) -> Path:
    """A board's folder, from its name or its path."""
    path = Path(name)
    return FOLDER / path if len(path.parts) == 1 and not path.is_dir() else path


def named(name: str) -> Board:
    """The board of this name, for programs; BoardError with the names that there are."""
    path = find(name)
    if not (path / DESCRIPTION).exists():
        names = ", ".join(folder.name for folder in folders())
        raise BoardError([f"There is no board {name}; there are {names}."])
    return load(path)


# The command


def add_commands(subparsers: Any) -> None:
    """`lutin board list | check | make`."""
    board = subparsers.add_parser(
        "board", help="the boards: list, check, make", description="The folders in boards/."
    )
    actions = board.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="what boards there are")
    check = actions.add_parser("check", help="whether a board's folder is right, and what is not")
    check.add_argument("folder", nargs="*", help="name or path; all boards if none is given")
    maker = actions.add_parser("make", help="write what is made from board.toml")
    maker.add_argument("folder", nargs="+", help="name or path")


def run(arguments: argparse.Namespace) -> int:
    """Do it; the exit code."""
    if arguments.action == "list":
        return _list()
    asked = [find(name).resolve() for name in arguments.folder] or folders()
    return max([_make(folder) if arguments.action == "make" else _check(folder) for folder in asked])


def _list() -> int:
    wrong = 0
    for folder in folders():
        try:
            board = load(folder)
            print(f"{board.name:22} {board.chip.title:9} {board.flash >> 20:2} MB  {board.title}")
        except BoardError as e:
            wrong = 1
            print(e, file=sys.stderr)
    return wrong


def _check(folder: Path) -> int:
    from . import boardcheck

    complaints = boardcheck.check(folder)
    for complaint in complaints:
        print(f"{folder.name}: {'' if complaint.refused else 'mind: '}{complaint.text}", file=sys.stderr)
    refused = any(complaint.refused for complaint in complaints)
    if not refused:
        print(f"{folder.name}: right.")
    return 1 if refused else 0


def _make(folder: Path) -> int:
    try:
        changed = make(folder)
    except BoardError as e:
        print(e, file=sys.stderr)
        return 1
    print(f"{folder.name}: " + (", ".join(path.name for path in changed) or "nothing to do"))
    return 0
