"""Runs the simulated board as a process: power, resets, crashes, heartbeats, its two channels."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

Message = dict[str, Any]

# machine.reset_cause() as the ESP32 port numbers it. The EN pin counts as power-on there.
POWER_ON, HARD_RESET, WATCHDOG_RESET = 1, 2, 3

_EXIT_RESET = 75  # machine.reset() ends the board's process with this
_EXIT_WATCHDOG = 76
_FROM_BOARD = ("led", "report", "trace", "flash", "air")
_MAX_LINE = 1 << 20  # of the protocol
_MAX_TEXT = 2000  # of a console line
_MAX_UNSENT = 1 << 20  # bytes; a board that reads nothing gets no more light

# How a life of the board's process ended -> (what a person reads, cause of the next start, pause before it)
_ENDS = {
    "reset": ("restarted itself", HARD_RESET, False),
    "watchdog": ("was restarted by its watchdog", WATCHDOG_RESET, False),
    "crash": ("crashed", HARD_RESET, True),
    "hung": ("hung: no heartbeat, so the bench stopped it", WATCHDOG_RESET, True),
    "reset-button": ("was reset", POWER_ON, False),
    "power-cut": ("lost its power", POWER_ON, True),
    "power-off": ("was switched off", POWER_ON, False),
    "no-start": ("could not be started", POWER_ON, True),
}


class Board:
    """The board's process, from power-on to power-off and again.

    tell(message) gets everything that the board says, and of the bench's own:
    {"t": "board", …} when power or process change, {"t": "console", "lines": […]}.
    """

    def __init__(
        self,
        command: Sequence[str],
        env: dict[str, str],
        cwd: str,
        tell: Callable[[Message], None],
        tick: float = 1.0,
        silence: int = 10,
        pause: float = 1.0,
    ) -> None:
        self.on_connect: Callable[[], None] = lambda: None  # the place to say what the board must know first
        self._command = list(command)
        self._env = env
        self._cwd = cwd
        self._tell = tell
        self._tick = tick
        self._silence = silence
        self._pause = pause
        self._power = True
        self._closing = False
        self._expected = False  # a board may come to the channel
        self._poke = asyncio.Event()  # the power switch was touched
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reader_task: asyncio.Task[None] | None = None
        self._server: asyncio.Server | None = None
        self._task: asyncio.Task[None] | None = None
        self._ending = ""  # why the bench itself is ending the process
        self._silent = 0  # ticks since the last heartbeat
        self._starts = 0
        self._since = time.time()
        self._last_end: Message | None = None

    # What a person can do

    def power(self, on: bool) -> None:
        """The power switch. Off is a power cut: nothing tells the board beforehand."""
        if on != self._power:
            self._power = on
            self._poke.set()
            if not on:
                self._kill("power-off")
            self._say_board()

    def cut(self) -> None:
        """Power away in the middle of whatever it does, and back a moment later."""
        self._kill("power-cut")

    def reset(self) -> None:
        """The reset button (EN)."""
        self._kill("reset-button")

    def type(self, line: str) -> None:
        """A line of console input."""
        process = self._process
        if process and process.stdin and process.returncode is None:
            with contextlib.suppress(OSError):
                process.stdin.write(line.encode() + b"\n")

    def send(self, message: Message) -> bool:
        """One message to the board; False when it is not there to take it."""
        writer = self._writer
        if writer is None or writer.is_closing():
            return False
        if message["t"] == "light" and writer.transport.get_write_buffer_size() > _MAX_UNSENT:
            return False
        writer.write(json.dumps(message).encode() + b"\n")
        return True

    def state(self) -> Message:
        """Power and process as the page shows them."""
        return {
            "t": "board",
            "power": self._power,
            "running": self._process is not None,
            "connected": self._writer is not None,
            "starts": self._starts,
            "since": self._since,
            "last_end": self._last_end,
        }

    # Its life

    async def start(self) -> None:
        """Open the board's channel and switch it on."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, limit=_MAX_LINE)
        port = self._server.sockets[0].getsockname()[1]
        self._env = {**self._env, "LUTIN_BENCH": str(port)}
        self._task = asyncio.create_task(self._supervise())

    async def close(self) -> None:
        """Switch off and leave no process behind."""
        # Asked to end, not cancelled: a cancel that meets a power switch in the same moment gets lost.
        self._closing = True
        self._power = False
        self._poke.set()
        self._kill("power-off")
        if self._task:
            await self._task
        if self._server:
            self._server.close()

    def _kill(self, why: str) -> None:
        process = self._process
        if process and process.returncode is None and not self._ending:
            self._ending = why
            with contextlib.suppress(ProcessLookupError):
                process.kill()

    async def _supervise(self) -> None:
        cause = POWER_ON
        while not self._closing:
            self._poke.clear()
            if not self._power:
                await self._poke.wait()
                cause = POWER_ON
                continue
            how, code = await self._live(cause)
            words, cause, pause = _ENDS[how]
            note = f"the board {words}" + (f" (exit code {code})" if how == "crash" else "")
            self._last_end = {"how": how, "code": code, "text": note, "at": time.time()}
            self._note(note)
            self._say_board()
            if pause and self._power:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._poke.wait(), self._pause)

    async def _live(self, cause: int) -> tuple[str, int | None]:
        """One life of the process: (how it ended, exit code)."""
        self._ending = ""
        self._silent = 0
        self._expected = True
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                cwd=self._cwd,
                env={**os.environ, **self._env, "LUTIN_RESET_CAUSE": str(cause)},
                start_new_session=True,  # Ctrl-C is for the bench, which then ends the board
            )
        except OSError as error:
            self._note(f"{self._command[0]}: {error.strerror}")
            return "no-start", None
        self._process = process
        self._starts += 1
        self._since = time.time()
        self._say_board()
        if not self._power:  # switched off while it was being started
            self._kill("power-off")
        helpers = [asyncio.create_task(self._console(process)), asyncio.create_task(self._watch())]
        try:
            code = await process.wait()
            await asyncio.wait([helpers[0]], timeout=1)  # its last words
        finally:
            for helper in helpers:
                helper.cancel()
        self._expected = False
        if self._reader_task:
            await asyncio.wait([self._reader_task], timeout=1)
        if self._writer:
            self._writer.close()
        self._writer = None
        self._reader_task = None
        self._process = None
        self._since = time.time()
        return self._ending or {_EXIT_RESET: "reset", _EXIT_WATCHDOG: "watchdog"}.get(code, "crash"), code

    async def _watch(self) -> None:
        # Ticks are counted, not time: a desk that sleeps must not look like a board that hangs.
        while True:
            await asyncio.sleep(self._tick)
            self._silent += 1
            if self._silent > self._silence:
                self._kill("hung")

    async def _console(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout
        rest = b""
        while True:
            try:
                # A prompt has no line end: show it when nothing follows.
                data = await asyncio.wait_for(process.stdout.read(4096), 0.25 if rest else None)
            except asyncio.TimeoutError:
                self._lines([rest])
                rest = b""
                continue
            if not data:
                break
            *lines, rest = (rest + data).split(b"\n")
            if len(rest) > _MAX_TEXT:
                lines.append(rest)
                rest = b""
            self._lines(lines)
        if rest:
            self._lines([rest])

    def _lines(self, lines: list[bytes]) -> None:
        texts = [line.decode("utf-8", "replace").rstrip("\r")[:_MAX_TEXT] for line in lines]
        if texts:
            self._tell({"t": "console", "lines": texts})

    def _note(self, text: str) -> None:
        self._tell({"t": "console", "lines": [f"-- {text}"]})

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._writer is not None or not self._expected:
            writer.close()  # there is one board
            return
        self._writer = writer
        self._reader_task = asyncio.current_task()
        self.on_connect()
        self._say_board()
        try:
            while line := await reader.readline():
                self._heard(line)
        except ConnectionError:
            pass  # it has ended, with something from here unread
        except (OSError, ValueError) as error:  # ValueError: a line without end
            self._note(f"the board's channel broke: {error}")
        finally:
            writer.close()

    def _heard(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            message = None
        kind = message.get("t") if isinstance(message, dict) else None
        if kind == "pulse":
            self._silent = 0
        elif isinstance(message, dict) and kind in _FROM_BOARD:
            self._tell(message)
        else:
            self._note(f"unreadable from the board: {line[:80]!r}")

    def _say_board(self) -> None:
        self._tell(self.state())
