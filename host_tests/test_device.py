"""firmware/lutin/device.py: the story that lutin began with, a test for each of its sentences."""

from itertools import pairwise

import pytest
from lightmaker import packet, record, symbols
from unixport import Rig

HOME = {"ssid": "Home", "password": "correct-horse-9"}
OLD = {"ssid": "Old", "password": "old-password"}
ALL_SECTORS = list(range(8))


def blinkup(ssid=None, password=None, *extra):
    """The light of a packet, 60 symbols a second."""
    records = b"".join(
        ([record(1, ssid.encode())] if ssid else [])
        + ([record(6, password.encode())] if password else [])
        + list(extra)
    )
    return symbols(packet(records), end=6)


CLEAR = blinkup(None, None, record(7))


@pytest.fixture
def board():
    with Rig("device", heap="16M") as rig:
        yield rig


def flash(board, levels, then_ms=4000):
    """Shine a packet at the board, and let it show what came of it."""
    ms = board.call("shine", levels, 60)
    board.call("run", ms)
    start = board.call("now_ms")
    board.call("run", then_ms)
    return start


def colours(board, since_ms):
    """What the light showed since then, as text."""
    return "".join(colour for _, colour in board.call("leds", since_ms))


def flashes(board):
    """How many short red flashes came after each long one: what a person counts."""
    shown = board.call("leds", 0)
    counts = [0]
    for on, off in pairwise(shown):
        if on[1] == "R":
            if off[0] - on[0] > 400:
                counts.append(0)
            else:
                counts[-1] += 1
    return counts


def state(board):
    return board.call("report")["state"]["name"]


def test_blinkup_gives_green_and_the_network_is_joined(board):
    board.call("new", [HOME])
    board.call("boot")
    board.call("run", 2000)
    assert colours(board, 0).startswith("A-A-")
    before = board.call("now_ms")
    start = flash(board, blinkup(**HOME), 8000)
    assert (start - before) > 5000
    shown = board.call("leds", start - 1000)
    green = next(ms for ms, colour in shown if colour == "G")
    off = next(ms for ms, colour in shown if ms > green)
    assert off - green >= 3000
    assert state(board) == "connected"
    assert board.call("report")["settings"]["networks"][0]["ssid"] == "Home"


def test_the_light_is_dark_while_blinkup_is_received(board):
    board.call("new", [])
    board.call("boot")
    board.call("run", 2000)
    start = board.call("now_ms")
    ms = board.call("shine", blinkup(**HOME), 60)
    board.call("peek", ms // 2)
    board.call("run", ms)
    # From the moment in which a sync can be told from a lamp, until the packet's end.
    before = [entry for entry in board.call("leds", 0) if entry[0] < start + ms - 300]
    assert before[-1][0] < start + 1300
    assert before[-1][1] == "-"
    assert board.call("peeked") == ["receiving"]


def test_green_comes_only_after_the_settings_were_read_back(board):
    """Power is cut at every flash operation of the save: green was never shown before it."""
    cuts = 0
    while True:
        board.call("new", [HOME])
        board.call("boot")
        board.call("run", 500)
        board.call("cut_after", cuts, "middle")
        ms = board.call("shine", blinkup(**HOME), 60)
        start = board.call("now_ms")
        if board.call("run", ms + 1000) != "power cut":
            break
        assert "G" not in colours(board, start)
        cuts += 1
        board.call("boot")
        board.call("run", 3000)
        assert state(board) in ("no-settings", "searching", "joining", "address", "connected")
    assert cuts >= 3
    assert "G" in colours(board, start)


def test_new_settings_win_even_when_only_the_old_network_is_in_the_air(board):
    board.call("new", [OLD])
    board.call("store", OLD)
    board.call("boot")
    assert board.call("run_until", "connected", 30000)
    flash(board, blinkup(**HOME), 0)
    seen = len(board.call("joined"))
    board.call("run", 10 * 60000)
    board.call("boot")
    board.call("run", 10 * 60000)
    tried = board.call("joined")[seen:]
    assert set(tried) == {"Home"}
    assert state(board) in ("no-network", "searching")


def test_clear_gives_green_then_amber_and_nothing_is_joined(board):
    board.call("new", [HOME])
    board.call("store", HOME)
    board.call("boot")
    assert board.call("run_until", "connected", 30000)
    start = flash(board, CLEAR, 10000)
    shown = colours(board, start - 500)
    assert "G" in shown
    assert shown.endswith(("A-A-A-A", "A-A-A-"))
    seen = len(board.call("joined"))
    board.call("run", 5 * 60000)
    board.call("boot")
    board.call("run", 5 * 60000)
    assert board.call("joined")[seen:] == []
    assert state(board) == "no-settings"
    assert board.call("report")["settings"]["networks"] == []


@pytest.mark.parametrize("mode", ["stuck", "error", "frozen"])
def test_with_all_sectors_worn_the_light_says_not_stored_and_never_green(board, mode):
    board.call("new", [HOME, OLD])
    board.call("store", OLD)
    board.call("boot")
    assert board.call("run_until", "connected", 30000)
    board.call("run", 20000)
    board.call("wear", ALL_SECTORS, mode)
    seen = len(board.call("joined"))
    start = flash(board, blinkup(**HOME), 0)
    board.call("run", 10 * 60000)
    shown = colours(board, start - 300)
    assert "G" not in shown
    assert shown.count("RA-") > 100
    assert state(board) == "not-stored"
    # Neither the old network nor the new one is used as if nothing had happened.
    assert board.call("report")["wifi"]["ssid"] is None
    assert board.call("report")["wifi"]["state"] == "no-settings"
    assert board.call("joined")[seen:] == []
    assert any("could not be stored" in line for line in board.call("lines"))


def test_a_router_that_comes_up_ten_minutes_later_is_joined_without_help(board):
    board.call("new", [{**HOME, "up": False}])
    board.call("store", HOME)
    board.call("boot")
    board.call("run", 600000)
    assert state(board) in ("no-network", "searching")
    board.call("air", "Home", up=True)
    assert board.call("run_until", "connected", 90000)


def test_a_wrong_password_is_named_and_corrected_by_a_second_blinkup(board):
    board.call("new", [HOME])
    board.call("boot")
    board.call("run", 500)
    flash(board, blinkup("Home", "correct-horse-8"), 0)
    assert board.call("run_until", "wrong-password", 60000)
    board.call("run", 40000)
    assert 4 in flashes(board)  # one long, four short
    assert "wrong-password" in board.call("report")["wifi"]["reason"]
    flash(board, blinkup(**HOME), 0)
    assert board.call("run_until", "connected", 60000)


def test_blinkup_stays_open_for_as_long_as_the_network_cannot_be_joined(board):
    board.call("new", [HOME])
    board.call("store", OLD)
    board.call("boot")
    board.call("run", 3 * 3600 * 1000)
    flash(board, blinkup(**HOME), 0)
    assert board.call("run_until", "connected", 60000)


def test_the_light_goes_dark_after_a_minute_and_its_last_pattern_names_what_failed(board):
    board.call("new", [HOME])
    board.call("store", {**HOME, "password": "wrong-password"})
    board.call("boot")
    board.call("run", 180000)
    shown = board.call("leds", 0)
    assert 60000 <= shown[-1][0] <= 70000
    assert shown[-1][1] == "-"
    assert flashes(board)[-1] == 4  # wrong password
    assert board.call("run", 60000) is True
    assert board.call("leds", 75000) == []


def test_the_light_names_the_failure_also_when_a_try_is_under_way_at_the_end(board):
    """The window closes in the middle of a try: what failed before is shown once more."""

    def begin():
        board.call("new", [HOME])
        board.call("store", {**HOME, "password": "wrong-password"})
        board.call("boot")

    begin()
    joining = None
    while joining is None or joining < 130000:
        board.call("run", 500)
        if state(board) == "joining":
            joining = board.call("now_ms")
    begin()
    board.call("run", joining - 59000)
    board.call("press", True)
    board.call("run", 1100)
    board.call("press", False)
    board.call("run", 65000)
    assert flashes(board)[-1] == 4  # wrong password, not the three of joining


def test_something_else_in_the_servers_place_is_named_and_left_when_it_is_gone(board):
    board.call("new", [{**HOME, "landing": True}])
    board.call("store", {**HOME, "server": "http://updates.example/lutin"})
    board.call("boot")
    assert board.call("run_until", "landing-page", 30000)
    assert board.call("report")["wifi"]["state"] == "connected"
    seen = len(board.call("joined"))
    board.call("run", 3 * 3600 * 1000)
    assert board.call("joined")[seen:] == []  # the network is not to blame
    # Each attempt shows for a minute what came of it.
    assert "AR-R" in colours(board, 3600 * 1000).replace("A-R", "AR")


def test_a_press_of_the_button_asks_the_server_at_once(board):
    board.call("new", [{**HOME, "landing": True}])
    board.call("store", {**HOME, "server": "http://updates.example/lutin"})
    board.call("boot")
    assert board.call("run_until", "landing-page", 30000)
    board.call("run", 20 * 60000)  # the pauses have become long
    before = board.call("report")["update"]["failure"]["count"]
    board.call("press", True)
    board.call("run", 3000)
    board.call("press", False)
    assert board.call("report")["update"]["failure"]["count"] == before + 1


def test_a_new_server_is_asked_at_once(board):
    board.call("new", [{**HOME, "landing": True}])
    board.call("store", {**HOME, "server": "http://updates.example/lutin"})
    board.call("boot")
    assert board.call("run_until", "landing-page", 30000)
    board.call("run", 4 * 3600 * 1000)  # the pauses have become long
    board.call("press", True)
    board.call("run", 1100)
    flash(board, blinkup(None, None, record(0x81, b"")), 4000)
    assert board.call("report")["settings"]["server"] == ""
    assert board.call("run_until", "connected", 30000) is not None


def test_the_button_opens_the_window_again(board):
    board.call("new", [HOME])
    board.call("store", HOME)
    board.call("boot")
    board.call("run", 120000)
    assert not board.call("report")["blinkup"]["open"]
    start = board.call("now_ms")
    board.call("press", True)
    board.call("run", 1500)
    board.call("press", False)
    board.call("run", 30000)
    assert board.call("report")["blinkup"]["open"]
    assert "G-G-" in colours(board, start)
    board.call("run", 60000)
    assert not board.call("report")["blinkup"]["open"]


def test_light_that_is_not_understood_gives_red_and_changes_nothing(board):
    board.call("new", [HOME])
    board.call("store", HOME)
    board.call("boot")
    assert board.call("run_until", "connected", 30000)
    levels = blinkup("Other", "other-password")
    start = board.call("now_ms")
    ms = board.call("shine", levels[: len(levels) // 2], 60)
    board.call("run", ms + 6000)
    assert "R" in colours(board, start)
    red = next(entry for entry in board.call("leds", start) if entry[1] == "R")
    assert red[0] - (start + ms) < 2000
    assert state(board) == "connected"
    assert board.call("report")["settings"]["networks"][0]["ssid"] == "Home"


def test_a_repeated_transmission_does_not_drop_the_connection_that_it_made(board):
    board.call("new", [HOME])
    board.call("boot")
    board.call("run", 500)
    ms = board.call("shine", blinkup(**HOME) * 4, 60)
    board.call("run", ms + 20000)
    assert state(board) == "connected"
    assert board.call("joined").count("Home") == 1
    assert board.call("report")["generation"] == 1


def test_a_sender_carried_away_after_green_gives_no_red(board):
    board.call("new", [HOME])
    board.call("boot")
    board.call("run", 500)
    levels = blinkup(**HOME) * 3
    start = board.call("now_ms")
    ms = board.call("shine", levels[: len(levels) * 5 // 6], 60)
    board.call("run", ms + 10000)
    assert "G" in colours(board, start)
    assert "-R--" not in colours(board, start) and "not-understood" not in str(board.call("lines"))
    assert any("a repetition was" in line for line in board.call("lines"))


def test_a_missing_partition_is_shown_as_no_memory(board):
    board.call("new", [HOME])
    board.call("no_flash")
    board.call("boot")
    start = board.call("now_ms")
    board.call("run", 10000)
    assert state(board) == "no-memory"
    assert "-AR-AR-AR" in colours(board, start)
    flash(board, blinkup(**HOME), 3000)
    assert state(board) == "not-stored"
    assert "G" not in colours(board, start)


def test_status_tells_everything_in_one_screen_and_no_password(board):
    board.call("new", [HOME])
    board.call("store", HOME)
    board.call("boot")
    assert board.call("run_until", "connected", 30000)
    text = "\n".join(board.call("console", "status"))
    for word in ("connected", "Home", "192.168.", "dBm", "power-on", "generation", "release", "heap"):
        assert word in text
    assert len(text.splitlines()) <= 24
    board.call("console", "help")
    everything = "\n".join([text, *board.output, *board.call("lines"), str(board.call("report"))])
    assert HOME["password"] not in everything


def test_a_restart_by_console_is_orderly(board):
    board.call("new", [HOME])
    board.call("store", HOME)
    board.call("boot")
    board.call("run", 5000)
    board.call("console", "restart")
    assert board.call("run", 5000) == 75
    board.call("boot")
    assert board.call("run_until", "connected", 30000)


def test_a_dead_duty_is_named_and_the_watchdog_restarts_the_board(board):
    board.call("new", [HOME])
    board.call("boot")
    board.call("run", 1000)
    board.call("kill_duty")
    assert board.call("run", 60000) == 76
    assert any("duty light has failed" in line for line in board.call("lines"))


def test_an_unplugged_console_is_no_reason_to_restart(board):
    board.call("new", [HOME])
    board.call("boot", console=True)
    assert board.call("run", 120000) is True


def test_an_unreadable_record_is_said_and_not_overwritten(board):
    board.call("new", [HOME])
    board.call("store_bytes", b"\xffgarbage")
    before = board.call("operations")
    board.call("boot")
    board.call("run", 10000)
    assert state(board) == "no-settings"
    assert any("not readable" in line for line in board.call("lines"))
    assert board.call("operations") == before


def test_eight_hours_with_the_router_going_up_and_down_cost_no_heap_and_no_duty(board):
    board.call("new", [HOME])
    board.call("store", HOME)
    board.call("boot")
    assert board.call("run_until", "connected", 30000)
    heaps = []
    for hour in range(8):
        board.call("air", "Home", up=False)
        board.call("run", 240000)
        assert state(board) in ("no-network", "searching", "lost")
        board.call("air", "Home", up=True)
        assert board.call("run_until", "connected", 90000), hour
        board.call("run", 3600000 - 240000 - 90000)
        heaps.append(board.call("heap"))
    assert max(heaps[2:]) - min(heaps[2:]) < 2048
    assert board.call("alive")
    assert board.call("now_ms") >= 7 * 3600 * 1000
