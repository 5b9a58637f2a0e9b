"""What the board says after it was flashed, until it is plain how it is."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

SILENCE = 15.0  # s without a byte from a board that has just been reset
PATIENCE = 30.0  # s for the first state
JOINING = 90.0  # s, for a board that kept its settings
_RESETS = 4  # so many starts are a loop

_STATE = re.compile(r"^\s*\d+\.\d{3} [IWE] state: ([a-z-]+)(?: \((.*)\))?")
_RESET = re.compile(r"\brst:0x[0-9a-f]+ \((\w+)\)")
_ERROR = re.compile(r"^(\w*(?:Error|Exception|Interrupt)\b.*)")
_ANEW = (
    "Run the same command with --erase (`make flash … ERASE=1`), which begins from nothing and forgets the "
    "network."
)
_HELD = (
    "The board waits to be flashed and does not start: its BOOT pin is held low. Let go of BOOT, take away "
    "what is wired to that pin, and press EN (or RST)."
)
_BROWNOUT = (
    "The board's voltage breaks down (brownout). Take another USB cable or a port of the machine itself, and "
    "take off whatever else the board feeds."
)
_SMALL = "The board has less flash than the image is for, and does not start. Is it the board that you named?"
_NOTHING = (
    "The chip finds nothing to start in its flash (invalid header): the writing broke off, or the flash is "
    "not reached. Run the same command again; if it stays so, something is wired to the flash's pins."
)
_HALF = "The boot loader finds no whole MicroPython: the writing broke off. Run the same command again."
_PANIC = (
    f"MicroPython itself has crashed (a panic). {_ANEW} If it stays so, the flash or the supply is bad, or a "
    "pin that the chip needs is wired."
)
_FILES = "MicroPython cannot read the board's files. Run the same command again."
_SILENT = (
    "It was written, and then says nothing. Press EN (or RST) once. If its light blinks amber, all is well "
    "and only the console is elsewhere: on a board with two USB sockets, in the other one."
)
_STRANGE = (
    "What it says cannot be read: another speed than 115200 baud, which boards with a crystal of 26 MHz "
    "have, or a bad cable. Look at its light."
)
# What the chip, ESP-IDF or MicroPython print -> (how often it is seen before it counts, what it means)
_LINES = (
    (r"waiting for download", 1, _HELD),
    (r"[Bb]rownout|BROWN_?OUT", 1, _BROWNOUT),
    (r"Detected size\(\w+\) smaller", 1, _SMALL),
    (r"invalid header|flash read err", 2, _NOTHING),
    (r"No bootable app|Failed to verify partition table|invalid magic byte|invalid segment", 1, _HALF),
    (r"Checksum failed|Image hash failed|Failed to verify app", 1, _HALF),
    (r"Guru Meditation|abort\(\) was called|assert failed", 1, _PANIC),
    (r"filesystem appears to be corrupted", 1, _FILES),
)
_WAITING = ("wrong-password", "refused", "no-network", "no-address", "no-name", "no-server", "landing-page")


@dataclass(frozen=True)
class Verdict:
    """good: it lives; text: for people."""

    good: bool
    text: str


class Watcher:
    """Is fed what the board says. No port and no clock in it."""

    def __init__(self, say: Callable[[str], None] = lambda line: None) -> None:
        self.state = ""  # the last one that lutin has named
        self._say = say
        self._rest = b""
        self._bytes = 0
        self._strange = 0
        self._resets = 0
        self._why = ""
        self._error = ""
        self._seen: dict[str, int] = {}
        self._last = ""

    def feed(self, data: bytes) -> Verdict | None:
        """A verdict, once there is one."""
        self._bytes += len(data)
        self._strange += sum(
            1 for byte in data if byte > 126 or (byte < 32 and byte not in b"\r\n\t\x1b\x08")
        )
        *lines, self._rest = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
        self._rest = self._rest[-200:]
        for line in lines:
            verdict = self._line(line.decode("utf-8", "replace"))
            if verdict:
                return verdict
        if self._rest == b">>> ":  # which no line end follows
            return self._no_lutin()
        return None

    def end(self) -> Verdict:
        """What there is to say when the time is over."""
        if self.state:
            return Verdict(
                True, f"lutin runs; after a while it is still at {self.state}. Its light says the same."
            )
        if not self._bytes:
            return Verdict(False, _SILENT)
        if self._strange * 4 > self._bytes:
            return Verdict(False, _STRANGE)
        last = f" The last was: {self._last}" if self._last else ""
        return Verdict(False, f"It talks, and does not come to lutin.{last} {_ANEW}")

    def _line(self, raw: str) -> Verdict | None:
        line = "".join(c if c.isprintable() else "" for c in re.sub(r"\x1b\[[0-9;]*m", "", raw)).rstrip()
        if not line.strip():
            return None
        self._say(line)
        self._last = line.strip()[:120]
        found = _STATE.match(line)
        if found:
            return self._stated(found[1], found[2] or "")
        for pattern, times, text in _LINES:
            if re.search(pattern, line):
                self._seen[pattern] = self._seen.get(pattern, 0) + 1
                if self._seen[pattern] >= times:
                    return Verdict(False, text)
        found = _ERROR.match(line)
        if found:
            self._error = found[1][:120]
        found = _RESET.search(line)
        if found:
            self._resets += 1
            self._why = found[1]
            if self._resets >= _RESETS:
                return self._loop()
        if line.startswith(">>> "):
            return self._no_lutin()
        return None

    def _stated(self, state: str, detail: str) -> Verdict | None:
        self.state = state
        more = f" ({detail})" if detail else ""
        if state == "no-settings":
            return Verdict(True, "It blinks amber: lutin runs and waits for BlinkUp.")
        if state == "connected":
            return Verdict(True, "It blinks green: it has kept its settings, and is connected.")
        if state in ("not-stored", "no-memory"):
            return Verdict(
                False,
                f"lutin runs, and cannot use its flash or memory: {state}{more}. {_ANEW} If it stays so, "
                "the flash is bad.",
            )
        if state in _WAITING:
            text = f"lutin runs and has kept its settings, and is not connected: {state}{more}."
            return Verdict(True, f"{text} It goes on trying.")
        return None  # on its way

    def _loop(self) -> Verdict:
        error = f" The last error was: {self._error}." if self._error else ""
        return Verdict(
            False, f"It starts again and again ({self._why}), and does not come to lutin.{error} {_ANEW}"
        )

    def _no_lutin(self) -> Verdict:
        error = f", because of {self._error}" if self._error else ""
        return Verdict(False, f"MicroPython runs and lutin does not{error}. {_ANEW}")


def watch(
    port: Any,
    reopen: Callable[[], Any],
    say: Callable[[str], None] = lambda line: None,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Verdict:
    """Read the console until there is a verdict.

    A port that goes with the reset, as USB of the chip's own does, is opened again by `reopen`, which gives
    None while it cannot.
    """
    watcher = Watcher(say)
    begin = now()
    heard = False
    try:
        while True:
            spent = now() - begin
            if spent > (JOINING if watcher.state else PATIENCE) or (not heard and spent > SILENCE):
                return watcher.end()
            if port is None:
                sleep(0.2)
                port = reopen()
                continue
            try:
                port.timeout = 0.2
                data = port.read(port.in_waiting or 1)
            except OSError:  # pyserial's own is one
                _close(port)
                port = None
                continue
            heard = heard or bool(data)
            verdict = watcher.feed(data)
            if verdict:
                return verdict
    finally:
        if port is not None:
            _close(port)


def opened(device: str) -> Any:
    """The console, without a reset of the board if that can be helped; None if it is not there."""
    import serial

    try:
        port = serial.serial_for_url(device, 115200, do_not_open=True)
        port.dtr = port.rts = False
        port.open()
        return port
    except (OSError, ValueError):
        return None


def _close(port: Any) -> None:
    with contextlib.suppress(OSError):  # it has gone
        port.close()
