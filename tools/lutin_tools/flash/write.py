"""Onto the board, by esptool as a library: one connection, its own progress bar, and errors as exceptions."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from ..board.description import Board
from . import mishaps
from .image import Image, quiet
from .mishaps import Mishap

BAUDS = (460800, 230400, 115200)
CONSOLE = 115200
ATTEMPTS = 7  # to get through to the boot loader


def write(
    port: str, board: Board, image: Image, erase: bool = False, say: Callable[[str], None] = print
) -> Any:
    """Write it and start it; the open serial port, for whoever wants to see what the board says.

    A speed that the cable or its USB bridge cannot keep up with is followed by a lower one.
    """
    import serial
    from esptool.util import FatalError

    failures = (FatalError, serial.SerialException, OSError)
    for baud in BAUDS:
        esp = _connected(port, board, image, failures, say)
        try:
            with quiet():
                if baud != CONSOLE:
                    esp.change_baud(baud)
            _written(esp, image, erase)
            return _started(esp)
        except failures as e:
            with contextlib.suppress(*failures):
                esp._port.close()
            gone = mishaps.broken_off(e, port)
            if baud == BAUDS[-1] or "is not there any more" in str(gone):
                raise gone from None
            say(f"That did not go well at {baud} baud ({mishaps._first(str(e))}); once more, slower.")
        except BaseException:
            with contextlib.suppress(*failures):
                esp._port.close()
            raise
    raise AssertionError("unreachable")


def _connected(port: str, board: Board, image: Image, failures: Any, say: Callable[[str], None]) -> Any:
    """esptool's loader on the right chip with enough flash; nothing was written until here."""
    from esptool import cmds
    from esptool.util import flash_size_bytes

    esp: Any = None
    try:
        with quiet():
            esp = cmds.detect_chip(port, CONSOLE, connect_attempts=ATTEMPTS)
            found = esp.CHIP_NAME
            if found.lower().replace("-", "") != board.chip.name:
                raise mishaps.wrong_chip(port, found, board.name, board.chip.title)
            esp = cmds.run_stub(esp)
            cmds.attach_flash(esp)
            size = flash_size_bytes(cmds.detect_flash_size(esp)) or 0
        if not size:
            raise mishaps.no_flash()
        if size < image.flash:
            raise mishaps.small_flash(size, image.flash, board.name)
        more = f", of which {image.flash >> 20} MB are used" if size > image.flash else ""
        say(f"{port}: {found}, {size >> 20} MB of flash{more}.")
        return esp
    except (*failures, Mishap) as e:
        if esp:
            with contextlib.suppress(*failures):
                esp._port.close()
        if isinstance(e, Mishap):
            raise
        raise mishaps.connecting(e, port, board.chip.title) from None


def _written(esp: Any, image: Image, erase: bool) -> None:
    from esptool import cmds

    cmds.write_flash(esp, image.pieces(erase), erase_all=erase)


def _started(esp: Any) -> Any:
    """Reset into what was written, with the port ready for the first word that it says."""
    from esptool import cmds

    port = esp._port
    port.baudrate = CONSOLE
    port.reset_input_buffer()
    with quiet():
        cmds.reset_chip(esp, "hard-reset")
    return port
