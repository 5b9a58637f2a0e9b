"""What goes wrong between a desk and a board: in one or two sentences, with the next thing to try."""

from __future__ import annotations

import os
import re
from pathlib import Path

AGAIN = "Run the same command again: a board that is half written takes it as well as a new one."


class Mishap(Exception):
    """Its text is for people: what is wrong, and what to do."""


_BUTTON = "Hold BOOT, press EN (or RST) and let go of it, let go of BOOT, and run the same command again"
_STARTED = f"The board started its own program and not the boot loader. {_BUTTON}."
_DEAF = (
    "The board is ready to be flashed but does not hear this machine. Take away whatever is wired to its pin "
    "RX, or try another cable."
)
_STRANGER = "Something answers that is no chip that lutin knows. Is it really an ESP32, ESP32-S3 or ESP32-C3?"
_MUTE = f"The board does not answer. {_BUTTON}; if that does not help, try another cable and no hub."
# What esptool says when it cannot begin (its words, as of 5.6) -> what a person should know
_CONNECTING = (
    (r"Wrong boot mode", _STARTED),
    (r"TX path seems to be down", _DEAF),
    (r"Unexpected chip|Failed to autodetect", _STRANGER),
    (r"Failed to connect|No serial data|Invalid head of packet|Timed out|No more data", _MUTE),
)


def connecting(error: Exception, port: str, chip: str) -> Mishap:
    """Why there is no connection; error: esptool's or pyserial's."""
    text = str(error)
    if re.search(r"Errno 13|Permission denied|PermissionError", text):
        return Mishap(_permission(port))
    if re.search(r"Errno 11\b|Errno 16\b|exclusively lock|resource busy|Access is denied", text, re.I):
        who = holders(port)
        by = f" by {', '.join(who)}" if who else " by another program, such as a terminal or an editor"
        return Mishap(f"{port} is in use{by}. End that, and run the same command again.")
    if re.search(r"Errno 2\b|FileNotFoundError|No such file", text):
        return Mishap(
            f"There is no {port}. Is the board plugged in, with a cable that carries data? Leave PORT out "
            "and it is looked for."
        )
    for pattern, sentence in _CONNECTING:
        if re.search(pattern, text):
            return Mishap(sentence)
    return Mishap(f"No connection with the {chip} on {port}: {_first(text)}")


def wrong_chip(port: str, found: str, board: str, wanted: str) -> Mishap:
    """Another chip than the board's."""
    return Mishap(
        f"On {port} is an {found}, and {board} has an {wanted}. Name the board that it is, or another port; "
        "nothing was written."
    )


def small_flash(has: int, needs: int, board: str) -> Mishap:
    """Less flash than the image fills."""
    return Mishap(
        f"The board has {has >> 20} MB of flash, and {board} is made for {needs >> 20} MB. Set flash and the "
        "partitions in a board.toml of your own; nothing was written."
    )


def no_flash() -> Mishap:
    """The flash does not say what it is."""
    return Mishap(
        "The board's flash does not answer. Take away whatever is wired to its pins (on an ESP32 a high "
        "GPIO12 gives it the wrong voltage), and run the same command again; nothing was written."
    )


def broken_off(error: Exception, port: str) -> Mishap:
    """In the midst of writing."""
    if not os.path.exists(port):
        return Mishap(f"The board has gone: {port} is not there any more. Plug it in. {AGAIN}")
    return Mishap(
        f"The writing broke off ({_first(str(error))}), also at the lowest speed. Try another cable, and no "
        f"hub. {AGAIN}"
    )


def holders(port: str) -> list[str]:
    """Who has it open, as far as Linux tells: "screen (process 123)"."""
    real = os.path.realpath(port)
    found = []
    for entry in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(entry) != real:
                continue
            name = (entry.parent.parent / "comm").read_text().strip()
        except OSError:
            continue  # it has ended, or is somebody else's
        who = f"{name} (process {entry.parts[2]})"
        if who not in found:
            found.append(who)
    return found


def _permission(port: str) -> str:
    """Linux gives serial ports to a group."""
    group = "dialout"
    try:
        import grp

        group = grp.getgrgid(os.stat(port).st_gid).gr_name
    except (ImportError, OSError, KeyError):
        pass
    if group == "root":  # nobody should be made a member of that
        return f"You may not use {port}: it belongs to root alone. A udev rule for serial ports is missing."
    return (
        f"You may not use {port}: it belongs to the group {group}. Type `sudo usermod -aG {group} $USER`, "
        "log out and in again, and run the same command again."
    )


def _first(text: str) -> str:
    """The first line that says something, without its full stop."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else "no reason given"
