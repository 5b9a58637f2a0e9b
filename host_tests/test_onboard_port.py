"""--port: what runs on a real board runs against the desk's stand-in, at the other end of a terminal.

The stand-in is MicroPython's unix port at its raw REPL, booted from the filesystem that a board is flashed with. It
has no soft reset, no serial line that loses bytes, and a board's speed only where the simulation has it.
"""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
import wholeboard
from lutin_tools import filesystem
from lutin_tools.paths import ROOT, micropython

_BOOT = """
import os, power_on
power_on.leave_host()
from sim import loop, state, world
loop.install()
state.load(power_on.HOST + os.getenv("LUTIN_STATE"))
power_on.mount()
power_on.execute("/boot.py")
"""


@pytest.fixture
def port(tmp_path: Path) -> Iterator[str]:
    files = filesystem.board_files("unix", wholeboard.KEY, 1)
    (tmp_path / "vfs.bin").write_bytes(filesystem.image(files, wholeboard.VFS))
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    path = f"{ROOT / 'boards' / 'unix'}:{os.environ.get('MICROPYTHON_LIB', '.frozen')}"
    board = subprocess.Popen(
        [micropython(), "-X", "heapsize=4M", "-i", "-c", _BOOT],
        stdin=ours,
        stdout=ours,
        stderr=ours,
        env=dict(os.environ, MICROPYPATH=path, LUTIN_STATE=str(tmp_path), TERM="dumb"),
        start_new_session=True,
    )
    yield os.ttyname(theirs)
    board.kill()
    board.wait()
    os.close(ours)
    os.close(theirs)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """pytest, told of a port."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-s", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


def test_a_board_at_a_port_is_tested_with_its_own_modules_and_the_desk_is_left_out(port: str) -> None:
    done = run("--port", port, "host_tests/onboard", "host_tests/test_window.py")
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    assert re.search(r"^16 passed, [1-9]\d* deselected", done.stdout, re.M)
    assert "board unix micropython" in done.stdout
    assert "left out" not in done.stdout


def test_without_a_port_the_summary_says_what_was_left_out() -> None:
    done = run("host_tests/onboard", "--collect-only")
    assert re.search(r"16 deselected", done.stdout)
    assert re.search(r"^left out, for they need a board \(--port PORT\): .*recorded light", done.stdout, re.M)
