"""A board's folder as a board definition for MicroPython; what boards share is in boards/frozen."""

from __future__ import annotations

from .description import Board

_MADE = "made from board.toml by `lutin board make`"


def files(board: Board) -> dict[str, str]:
    """The files that MicroPython's build looks for, by name."""
    return {
        "mpconfigboard.cmake": _cmake(board),
        "mpconfigboard.h": _header(board),
        "sdkconfig.board": _sdkconfig(board),
        "manifest.py": f'# {board.name}, {_MADE}.\ninclude("../frozen/manifest.py")  # noqa: F821\n',
    }


def _cmake(board: Board) -> str:
    build, _, variant = board.micropython.partition("-")
    lines = [
        f"# {board.name} for MicroPython's ports/esp32, {_MADE}.",
        f"set(IDF_TARGET {board.chip.name})",
        "# How an official build for this chip is configured changes with the version: its own file knows.",
        f"include(boards/{build}/mpconfigboard.cmake)",
    ]
    if variant:
        lines.append(f"list(APPEND SDKCONFIG_DEFAULTS boards/{build}/sdkconfig.{variant.lower()})")
    lines.append("include(${CMAKE_CURRENT_LIST_DIR}/../frozen/board.cmake)")
    return "\n".join(lines) + "\n"


def _header(board: Board) -> str:
    lines = [
        f"// {board.name}, {_MADE}.",
        f'#define MICROPY_HW_BOARD_NAME "lutin {board.name}"',
        f'#define MICROPY_HW_MCU_NAME "{board.chip.title}"',
    ]
    if board.chip.usb:
        lines.append("// The console is on both of the board's ways in.")
        lines.append("#define MICROPY_HW_ENABLE_UART_REPL (1)")
    return "\n".join(lines) + "\n"


def _sdkconfig(board: Board) -> str:
    lines = [f"# {board.name}, {_MADE}."]
    lines += [
        f"CONFIG_ESPTOOLPY_FLASHSIZE_{mb}MB={'y' if board.flash == mb << 20 else ''}"
        for mb in (2, 4, 8, 16, 32)
    ]
    return "\n".join(lines) + "\n"
