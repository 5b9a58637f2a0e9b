"""The serial line to a board, by mpremote's transport: lutin's console, or MicroPython's raw REPL."""

from __future__ import annotations

import contextlib
import io
import json
import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from mpremote.transport import TransportError, TransportExecError
from mpremote.transport_serial import SerialTransport
from serial import SerialException

from ..flash import port as ports
from ..flash.mishaps import Mishap, connecting

LOG = re.compile(r"^ *(\d+)\.(\d{3}) ([IWE]) (.*)$")  # a line of lutin's log on the console
_ANSWER = 10.0  # s for an answer; a board that looks for networks says nothing for two of them
_WAKING = 20.0  # s for the first: to open a port starts some boards anew
_PIECE = 200  # characters of settings in one command
_TRIES = 3  # to interrupt what runs, and to open a port that is in use
_TIMEOUT = 5.0  # s for a byte within a transfer
_PROMPT = 2.0  # s for what runs to give way
_BACK = 20.0  # s for a port to come back: USB of the chip's own goes with a restart
# Who was interrupted in boot.py has no release on the path yet. lutin's watchdog goes on without lutin, its
# memory is needed for other things, and the restart that follows is nobody's fault.
_PREPARE = """
try:
    import lutin
except ImportError:
    import sys
    sys.path.insert(0, "/factory")
    import lutin
from lutin import board as _board
_dog = _board.watchdog(30000)
getattr(lutin.running(), "excuse", print)()
import asyncio, gc
asyncio.new_event_loop()
lutin._device = None
gc.collect()
"""

_SILENT = (
    "The board says nothing. Is it flashed with lutin (`lutin flash`), and is this its port? On a board with "
    "two USB sockets the console may be in the other one."
)
_OTHER = "Something talks at {}, and it is not lutin's console. The last line was: {}"
_REPL = (
    "MicroPython runs and lutin does not: somebody has interrupted it, or it cannot start. Press EN (or "
    "RST); if that does not help, `lutin flash` writes it anew."
)
_GONE = "The board has gone from {}. Plug it in again, and run the same command again."


class Refusal(Mishap):
    """The board has refused something; `name` says what in a word."""

    def __init__(self, name: str, detail: str = "") -> None:
        super().__init__(f"{name} ({detail})" if detail else name)
        self.name = name
        self.detail = detail


class Line:
    """An open serial line."""

    def __init__(self, asked: str | None) -> None:
        self._asked = asked
        self.port = asked or ports.only(ports.listed())
        self._transport = self._opened()
        self._rest = b""
        self._unread: deque[str] = deque()
        self._last = ""
        self._woken = False

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError, SerialException):  # it has gone by itself
            self._transport.close()

    def _opened(self) -> SerialTransport:
        left = _TRIES
        while True:
            try:
                return SerialTransport(self.port, timeout=_TIMEOUT)
            except (TransportError, OSError, SerialException, ValueError) as e:
                why = self._reason(e)
            left -= 1
            if not left or "exclusively lock" not in str(why):
                raise connecting(why, self.port, "board")
            time.sleep(0.3)  # whoever has it may be about to end

    def _reason(self, error: Exception) -> Exception:
        """What pyserial says, which the transport swallows."""
        if not isinstance(error, TransportError):
            return error
        import serial

        try:
            serial.serial_for_url(self.port, exclusive=True).close()
        except (OSError, SerialException, ValueError) as e:
            return e
        return error

    # lutin's console

    def lines(self, seconds: float) -> Iterator[str]:
        """What the board says during so many seconds."""
        end = time.monotonic() + seconds
        serial: Any = self._transport.serial
        while True:
            *lines, self._rest = self._rest.replace(b"\r", b"\n").split(b"\n")
            for line in lines:
                text = "".join(c if c.isprintable() else "?" for c in line.decode("utf-8", "replace"))
                if text.strip():
                    self._unread.append(text)
            while self._unread:
                text = self._unread.popleft()
                self._last = text.strip()[:120]
                yield text
            left = end - time.monotonic()
            if left <= 0:
                return
            try:
                serial.timeout = min(left, 0.2)
                try:
                    self._rest += serial.read(serial.in_waiting or 1)
                finally:
                    serial.timeout = _TIMEOUT
            except (OSError, SerialException):
                serial = self._come_back()

    def say(self, command: str) -> None:
        """One command."""
        try:
            self._transport.serial.write(command.encode() + b"\n")
        except (OSError, SerialException):
            self._come_back().write(command.encode() + b"\n")

    def _come_back(self) -> Any:
        """Open a port that went away anew, perhaps under another name."""
        self.__exit__()
        self._rest = b""
        self._unread.clear()
        end = time.monotonic() + _BACK
        while time.monotonic() < end:
            time.sleep(0.2)
            with contextlib.suppress(Mishap):
                self.port = self._asked or ports.only(ports.listed())
                self._transport = self._opened()
                self._woken = False
                return self._transport.serial
        raise Mishap(_GONE.format(self.port))

    def ask(
        self,
        command: str,
        key: str,
        other: Callable[[str], None] | None = None,
        again: bool = True,
        value: object = None,
    ) -> dict[str, Any]:
        """The object with this key that answers a command; other(line) for what else is said meanwhile.

        again: the command may be given twice, as long as nobody has answered yet. value: of that key; any
        other is the answer to something else. Refusal if it is refused.
        """
        end = time.monotonic() + (_ANSWER if self._woken else _WAKING)
        while True:
            self.say(command)
            # A board that has just been started anew has not heard it.
            patience = 3.0 if again and not self._woken else _ANSWER
            for line in self.lines(min(patience, max(end - time.monotonic(), 0.1))):
                found = _parsed(line)
                if found is not None and value not in (None, found.get(key)):
                    continue
                if found is not None and (key in found or "refused" in found):
                    self._woken = True
                    if "refused" in found:
                        raise Refusal(str(found["refused"]), str(found.get("detail", "")))
                    return found
                if other and not (found or line.startswith("unknown command")):
                    other(line)
            if time.monotonic() >= end or not again or self._at_prompt():
                raise self._deaf()

    def _settle(self) -> None:
        """From here on what comes answers what is asked: nothing from before is on its way any more."""
        self.ask("put", "put")
        self.ask("put ...", "put", again=False, value=3)

    def text(self, command: str) -> list[str]:
        """The lines that answer a command for people."""
        self._settle()
        found: list[str] = []
        self.say(command)
        self.ask("put", "put", found.append, again=False)
        return found

    def report(self, other: Callable[[str], None] | None = None) -> dict[str, Any]:
        """All that the device says of itself."""
        return self.ask("report", "report", other)["report"]

    def settings(self) -> dict[str, Any]:
        """{"settings": …, "generation": …}."""
        return self.ask("settings", "settings")

    def set(self, packet: dict[str, Any]) -> dict[str, Any]:
        """Store settings; what the board has read back."""
        text = json.dumps(packet, separators=(",", ":")).replace(" ", "\\u0020")
        self._settle()
        self.ask("put", "put", again=False)
        sent = 0
        while sent < len(text):
            piece = text[sent : sent + _PIECE]
            sent += len(piece)
            if self.ask(f"put {piece}", "put", again=False)["put"] != sent:
                raise Mishap("The line to the board has lost something. Nothing was set; try again.")
        return self.ask("apply", "settings", again=False)

    def _at_prompt(self) -> bool:
        return self._rest.strip().endswith(b">>>") or self._last.startswith(">>>")

    def _deaf(self) -> Mishap:
        if self._at_prompt():
            return Mishap(_REPL)
        if self._last:
            return Mishap(_OTHER.format(self.port, self._last))
        return Mishap(_SILENT)

    # MicroPython

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """lutin does not run in here, and run() runs code; afterwards it is started anew, come what may."""
        with contextlib.suppress(Mishap):
            self.ask("put", "put")  # whoever is interrupted while it starts has nothing to offer yet
        try:
            self._interrupt()
            self.run(_PREPARE)
            yield
        finally:
            self._restart()

    def _interrupt(self) -> None:
        for left in reversed(range(_TRIES)):
            try:
                self._transport.serial.write(b"\x03")
                self._prompt()  # a second Ctrl-C in the midst of the first has odd effects
                with contextlib.redirect_stdout(io.StringIO()):  # where mpremote says what it has read
                    self._transport.enter_raw_repl(soft_reset=False, timeout_overall=4)
                return
            except TransportError:
                if not left:
                    raise Mishap(
                        "MicroPython does not let itself be interrupted. Press EN (or RST), and run the same "
                        "command again."
                    ) from None
            except (OSError, SerialException):
                raise Mishap(_GONE.format(self.port)) from None

    def feed(self) -> None:
        """The watchdog: call it every ten seconds."""
        self.run("_dog.feed()")

    def run(self, code: str, consumer: Callable[[bytes], None] | None = None, timeout: int = 30) -> str:
        """Run code; what it prints. timeout: s without a byte."""
        try:
            out, error = self._transport.exec_raw(code, timeout=timeout, data_consumer=consumer)
        except (TransportError, TransportExecError, OSError, SerialException) as e:
            raise Mishap(f"The board does not answer any more: {e}. Press EN (or RST).") from None
        if error:
            last = error.decode(errors="replace").strip().splitlines()[-1]
            if "ImportError" in last:
                raise Mishap(f"MicroPython runs there, but no lutin ({last}). `lutin flash` writes it.")
            raise Mishap(f"The board says: {last}")
        return out.decode(errors="replace")

    def stop(self) -> None:
        """End code that is still running."""
        try:
            self._transport.serial.write(b"\x03")
            self._transport.follow(3)
        except (TransportError, OSError, SerialException):
            pass  # the restart is next, and has its own ways

    def _prompt(self) -> None:
        """Wait for MicroPython's prompt; a raw REPL has none."""
        end = time.monotonic() + _PROMPT
        self._last = ""
        while time.monotonic() < end and not self._at_prompt():
            for _ in self.lines(0.05):
                pass

    def _restart(self) -> None:
        for _ in range(2):
            try:
                self._transport.exec_raw_no_follow("import machine\nmachine.reset()")
                time.sleep(0.1)
                return
            except TransportError:  # something else still runs there
                with contextlib.suppress(Mishap):
                    self._interrupt()
            except (OSError, SerialException):
                return  # with USB of the chip's own the port goes away


def _parsed(line: str) -> dict[str, Any] | None:
    """A line that is a JSON object."""
    if not line.startswith("{"):
        return None
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
