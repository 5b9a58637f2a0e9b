"""firmware/lutin/console.py and lutin.status(): the device answers for itself."""

import pytest
from unixport import Rig

HOME = {"ssid": "Home", "password": "correct-horse-9"}


@pytest.fixture
def board():
    with Rig("device", heap="16M") as rig:
        rig.call("new", [HOME])
        yield rig


def test_status_at_the_repl_says_what_the_console_says(board):
    board.call("repl_status")
    assert board.output[-1] == "not started: lutin.start()"
    board.call("boot")
    board.call("run", 2000)
    board.output.clear()
    board.call("repl_status")
    screen = board.call("console", "status")
    # Uptime and heap are not the same twice.
    assert [line.split()[:2] for line in board.output] == [line.split()[:2] for line in screen]


@pytest.mark.parametrize(
    "line", ["", "  ", "STATUS", "update", "status now", "log", "help", "\x00", "x" * 5000, "%s%d"]
)
def test_every_line_has_an_answer(board, line):
    board.call("boot")
    board.call("run", 500)
    answer = board.call("console", line)
    assert all(len(text) < 300 for text in answer)
    # What is asked for there shows in the log.
    assert bool(answer) == (line.strip() not in ("", "update"))


def test_the_log_command_shows_the_kept_lines(board):
    board.call("boot")
    board.call("run", 500)
    assert board.call("console", "log")[0].endswith("I start: power-on, board unix, id 240ac4123456")


def test_why_not_and_since_when_are_on_the_screen(board):
    board.call("store", {"ssid": "Elsewhere", "password": "whatever-else"})
    board.call("boot")
    board.call("run", 120000)
    text = "\n".join(board.call("console", "status"))
    assert "Elsewhere" in text
    assert "no-network" in text
    assert "attempts" in text
    assert "whatever-else" not in text
