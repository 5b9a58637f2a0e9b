"""What a board's folder holds besides its description and its page: all of it is made from these."""

from __future__ import annotations

from pathlib import Path

from . import definition, wiring
from .description import DESCRIPTION, Board, load


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
        "",
        "FREE = {  # for applications",
        *[f'    "{name}": {pin},' for name, pin in board.free.items()],
        "}",
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
