"""firmware/lutin/blinkup/listener.py: sampling that neither misses light nor starves the board."""

import pytest
from lightmaker import packet, record, symbols
from unixport import Rig

HOME = {"ssid": "Home", "password": "correct-horse-9"}
PACKET = packet(record(1, b"Home") + record(6, b"correct-horse-9"))


@pytest.fixture
def board():
    with Rig("device", heap="16M") as rig:
        yield rig


@pytest.mark.parametrize("hz", [50, 60, 100, 120])
@pytest.mark.parametrize("strength", [0.05, 0.4])
def test_a_flickering_lamp_starves_no_duty_and_does_not_keep_the_light_dark(board, hz, strength):
    board.call("new", [HOME])
    board.call("store", HOME)
    board.call("light", mains=strength, mains_hz=hz, ambient=0.1)
    board.call("boot")
    assert board.call("run_until", "connected", 30000)
    board.call("run", 25000)
    start = board.call("now_ms")
    board.call("run", 5000)
    shown = board.call("leds", start)
    assert 8 <= len(shown) <= 16  # green 500, dark 500; a false start or two may darken it for a moment
    assert board.call("alive")
    assert not any("understood" in line for line in board.call("lines"))


@pytest.mark.parametrize("hz", [100, 120])
def test_blinkup_is_heard_under_a_lamp_that_flickered_long_before(board, hz):
    board.call("new", [HOME])
    board.call("light", mains=0.15, mains_hz=hz, ambient=0.05)
    board.call("boot")
    board.call("run", 60000)
    ms = board.call("shine", symbols(PACKET, end=6), 60)
    board.call("run", ms + 10000)
    assert board.call("report")["state"]["name"] == "connected"


@pytest.mark.parametrize("fps", [10, 20, 30, 60, 90, 120])
def test_a_sync_is_noticed_in_time_at_every_rate(board, fps):
    board.call("new", [HOME])
    board.call("boot")
    board.call("run", 1000)
    ms = board.call("shine", symbols(PACKET, end=6), fps)
    board.call("run", ms + 10000)
    assert board.call("report")["state"]["name"] == "connected"


def test_the_collector_is_off_only_while_light_is_received(board):
    board.call("new", [HOME])
    board.call("boot")
    board.call("run", 1000)
    assert board.call("collecting")
    ms = board.call("shine", symbols(PACKET, end=6), 60)
    board.call("peek_collecting", ms // 2)
    board.call("run", ms + 100)
    assert board.call("peeked") == [False]
    board.call("run", 4000)
    assert board.call("collecting")


@pytest.mark.parametrize("mains", [0.0, 0.3])
def test_a_closed_eye_sees_nothing_and_costs_nothing_even_under_a_lamp(board, mains):
    board.call("new", [HOME])
    board.call("store", HOME)
    board.call("light", mains=mains, mains_hz=50, ambient=0.1)
    board.call("boot")
    board.call("run", 120000)
    assert not board.call("report")["blinkup"]["open"]
    board.call("count_samples")
    ms = board.call("shine", symbols(packet(record(7)), end=6), 60)
    board.call("run", ms + 2000)
    assert board.call("samples") == 0
    assert board.call("report")["settings"]["networks"][0]["ssid"] == "Home"


def test_a_packet_longer_than_the_watchdogs_patience_does_not_restart_the_board(board):
    board.call("new", [HOME])
    board.call("boot")
    board.call("run", 1000)
    long = packet(record(1, b"Home") + record(6, b"correct-horse-9") + record(99, b"x" * 120))
    ms = board.call("shine", symbols(long, end=6), 20)
    assert ms > 90000
    assert board.call("run", ms + 10000) is True
    assert board.call("report")["state"]["name"] == "connected"
