"""The simulated board in real time at the other end of a terminal, as a board behind its serial port."""

from __future__ import annotations

import os
import pty
import subprocess
import termios
import threading
import tty
from pathlib import Path

from lutin_tools import filesystem
from lutin_tools.paths import ROOT, micropython
from wholeboard import KEY, VFS

_BOARD = (micropython(), "-X", "heapsize=4M", "-i", "boards/unix/power_on.py")
_RESET = 75  # what the process ends with when the chip restarts


class PtyBoard:
    """Started again whenever it restarts itself. Interrupted, it is at MicroPython's REPL."""

    def __init__(self, state: Path) -> None:
        self.vfs = state / "vfs.bin"
        self.vfs.write_bytes(filesystem.image(filesystem.board_files("unix", KEY, 1), VFS))
        self.starts = 0
        self.said = b""  # all that went over the line to the desk
        self._state = state
        self._ours, self._theirs = pty.openpty()  # the desk's end is a terminal of its own
        self._desk, desk = pty.openpty()
        for end in (self._theirs, desk):
            tty.setraw(end)
        # Ctrl-C interrupts, as it does in the serial driver of a board.
        modes = termios.tcgetattr(self._theirs)
        modes[3] |= termios.ISIG
        termios.tcsetattr(self._theirs, termios.TCSANOW, modes)
        self.port = os.ttyname(desk)
        self._off = False
        self._process: subprocess.Popen[bytes] | None = None
        for work, ends in (
            (self._live, ()),
            (self._carry, (self._ours, self._desk)),
            (self._carry, (self._desk, self._ours)),
        ):
            threading.Thread(target=work, args=ends, daemon=True).start()

    def off(self) -> None:
        """The cable is pulled."""
        self._off = True
        if self._process:
            self._process.kill()
            self._process.wait()

    def files(self) -> dict[str, bytes]:
        """What is on its filesystem."""
        return filesystem.read(self.vfs.read_bytes())

    def _live(self) -> None:
        cause = 1
        while not self._off:
            self.starts += 1
            self._process = subprocess.Popen(
                # Who opens a terminal as the first of a session has it for Ctrl-C.
                ["sh", "-c", 'exec "$@" <"$0" >"$0" 2>&1', os.ttyname(self._theirs), *_BOARD],
                cwd=ROOT,
                env=dict(
                    os.environ,
                    MICROPYPATH="boards/unix:.frozen",
                    LUTIN_STATE=str(self._state),
                    LUTIN_RESET_CAUSE=str(cause),
                    TERM="dumb",
                ),
                start_new_session=True,
            )
            if self._process.wait() != _RESET:
                return
            cause = 2

    def _carry(self, source: int, target: int) -> None:
        while not self._off:
            try:
                data = os.read(source, 4096)
                if source == self._ours:
                    self.said += data
                os.write(target, data)
            except OSError:
                return
