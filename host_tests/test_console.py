"""firmware/lutin/console.py and lutin.status(): the device answers for itself."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
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


def put(board, settings, size=100):
    """What a program does; the last answer."""
    text = settings if isinstance(settings, str) else json.dumps(settings, separators=(",", ":"))
    text = text.replace(" ", "\\u0020")
    board.call("console", "put")
    for i in range(0, len(text), size):
        (answer,) = board.call("console", "put " + text[i : i + size])
        assert json.loads(answer) == {"put": min(i + size, len(text))}
    (answer,) = board.call("console", "apply")
    return json.loads(answer)


def test_settings_of_a_program_are_stored_and_read_back_like_those_of_blinkup(board):
    board.call("boot")
    answer = put(board, {"ssid": "Home", "password": HOME["password"], "name": "kitchen lamp"}, 7)
    assert answer["generation"] == 1
    assert answer["settings"]["name"] == "kitchen lamp"
    assert answer["settings"]["networks"][0]["password"] is True
    assert board.call("run_until", "connected", 30000)
    assert board.call("report")["wifi"]["ssid"] == "Home"
    assert HOME["password"] not in "\n".join([*board.call("lines"), *board.output])
    assert put(board, {"led": "always"})["settings"]["led"] == "always"
    assert put(board, {"clear": True})["settings"]["networks"] == []


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ("", "settings-malformed"),
        ("{", "settings-malformed"),
        ("[1]", "settings-malformed"),
        ("{}", "settings-malformed"),
        ("[" * 2000, "settings-malformed"),
        ({"ssid": 1}, "ssid-invalid"),
        ({"ssid": "x", "proxy": []}, "proxy-invalid"),
        ({"ssid": "x", "proxy": {"port": "80"}}, "proxy-invalid"),
        ({"ssid": "x", "static": [1, 2, 3, 4]}, "address-invalid"),
        ({"password": "whatever-else"}, "network-name-missing"),
        ({"led": "blue"}, "led-invalid"),
        ({"ca": "no base64"}, "ca-invalid"),
        ({"ca": "AAAA"}, "ca-invalid"),
        ({"colour": "red"}, "setting-unknown"),
        ({"clear": True, "name": "x"}, "clear-not-alone"),
    ],
)
def test_settings_of_a_program_are_refused_by_name(board, settings, name):
    board.call("boot")
    assert put(board, settings) == {"refused": name}
    assert json.loads(board.call("console", "settings")[0])["generation"] == 0


def test_what_the_flash_does_not_take_is_refused_and_nothing_is_joined(board):
    board.call("store", HOME)
    board.call("boot")
    board.call("run", 20000)
    board.call("wear", list(range(8)))
    answer = put(board, {"name": "another"})
    assert answer["refused"] == "not-stored"
    board.call("run", 5000)
    assert board.call("report")["state"]["name"] == "not-stored"
    assert board.call("report")["wifi"]["ssid"] is None


def test_a_piece_that_has_lost_its_beginning_is_not_repeated(board):
    board.call("boot")
    answer = board.call("console", '"password":"whatever-else"}')
    assert answer[0] == "unknown command"
    assert "whatever" not in "\n".join(answer)


def test_more_than_any_settings_need_is_refused_and_forgotten(board):
    board.call("boot")
    for _ in range(31):
        (answer,) = board.call("console", "put " + "x" * 200)
    assert json.loads(answer) == {"refused": "settings-too-large"}
    assert json.loads(board.call("console", "put {")[0]) == {"put": 1}


_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=6,
)
_names = (
    "ssid",
    "password",
    "static",
    "proxy",
    "server",
    "broker",
    "name",
    "led",
    "add",
    "ca",
    "cert",
    "key",
)


@given(asked=st.dictionaries(st.sampled_from(_names), _anything, max_size=3))
def test_whatever_a_program_sends_has_one_answer(shared, asked):
    answer = put(shared, asked)
    assert set(answer) in ({"refused"}, {"settings", "generation"})


@pytest.fixture(scope="module")
def shared():
    with Rig("device", heap="16M") as rig:
        rig.call("new", [])
        rig.call("boot")
        yield rig
