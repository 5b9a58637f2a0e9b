"""The simulated air and `network.WLAN`: as the ESP32 port behaves, also where that is odd."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from unixport import Rig

HOME = {"ssid": "Home", "password": "secret12", "rssi": -50, "channel": 6}
ON = [["active", True], ["set", {"reconnects": 0}]]
JOIN = [["connect", "Home", "secret12"], ["wait", 5000]]


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig("wifi") as r:
        yield r


def drive(rig: Rig, *steps: Any, aps: Any = (HOME,), on: Any = ON) -> list[Any]:
    """The answers of the calls after switching on."""
    answers = rig.call("drive", list(aps), [*on, *steps])
    return answers[len([step for step in on if step[0] not in ("set", "wait")]) :]


def when(rig: Rig, until: Any, *steps: Any, aps: Any = (HOME,), question: Any = ("status",)) -> float:
    """Seconds after the steps until status() answers as asked, seen every 100 ms."""
    polls: list[Any] = []
    for _ in range(400):
        polls += [["wait", 100], list(question)]
    answers = drive(rig, *steps, ["time"], *polls, aps=aps)
    seen = answers[-400:]
    return (seen.index(until) + 1) * 0.1


def test_nothing_works_before_the_radio_is_on(rig: Rig) -> None:
    steps = [["active"], ["connect", "Home", "x"], ["disconnect"], ["scan"], ["status"], ["isconnected"]]
    assert drive(rig, *steps, on=()) == [
        False,
        "OSError: Wifi Not Started",
        "OSError: Wifi Not Started",
        "OSError: STA must be active",
        1000,
        False,
    ]


def test_joining_takes_its_time_and_gives_an_address(rig: Rig) -> None:
    questions = [["status"], ["isconnected"], ["ifconfig"], ["status", "rssi"], ["config", "channel"]]
    answers = drive(rig, JOIN[0], ["status"], ["ifconfig"], JOIN[1], *questions)
    nothing = ["0.0.0.0"] * 4
    there = ["192.168.1.23", "255.255.255.0", "192.168.1.1", "192.168.1.1"]
    assert answers == [None, 1001, nothing, 1010, True, there, -50, 6]
    assert 2 <= when(rig, 1010, ["connect", "Home", "secret12"]) <= 3.5


def test_a_connect_while_one_is_pending_is_refused_until_it_was_left(rig: Rig) -> None:
    answers = drive(rig, ["connect", "Home", "x"], ["connect", "Home", "x"], ["disconnect"],
                    ["wait", 20], ["status"], ["connect", "Home", "secret12"], ["wait", 5000],
                    ["status"], ["connect", "Home", "secret12"])  # fmt: skip
    assert answers == [
        None,
        "OSError: Wifi Internal Error",
        None,
        1000,
        None,
        1010,
        "OSError: Wifi Internal Error",
    ]


def test_leaving_takes_a_moment(rig: Rig) -> None:
    answers = drive(rig, *JOIN, ["disconnect"], ["isconnected"], ["wait", 20], ["isconnected"], ["status"])
    assert answers == [None, None, True, False, 1000]


def test_by_default_the_driver_tries_for_ever_and_hides_most_reasons(rig: Rig) -> None:
    on = [["active", True]]
    steps = [["connect", "Home", "wrong"], ["wait", 60_000], ["attempts"]]
    assert drive(rig, ["config", "reconnects"], *steps, on=on)[0] == -1
    assert drive(rig, *steps, on=on)[-1] > 10
    refusing = {**HOME, "refuse": True}
    assert drive(rig, *steps, ["status"], aps=[refusing], on=on)[-1] == 1001
    # With reconnects=0 there is one try, and its reason is told.
    assert drive(rig, *steps, ["status"], aps=[refusing])[1:] == [1, 203]


def test_a_missing_network_is_reported_after_a_full_search(rig: Rig) -> None:
    assert when(rig, 201, ["connect", "Nowhere", "secret12"]) == pytest.approx(2.5, abs=0.11)


def test_the_reason_of_an_earlier_try_stays_while_the_next_one_is_under_way(rig: Rig) -> None:
    missed = [["connect", "Nowhere", "x"], ["wait", 5000], ["disconnect"], ["wait", 100]]
    answers = drive(rig, *missed, JOIN[0], ["wait", 500], ["status"], ["wait", 5000], ["status"])
    assert answers == [None, None, None, 201, 1010]


@pytest.mark.parametrize("codes", [(202, 204, 203), (203, 204, 202), (204,), (15,)])
def test_a_wrong_password_shows_as_the_codes_say_by_turns(rig: Rig, codes: tuple[int, ...]) -> None:
    steps: list[Any] = []
    for _ in range(6):
        steps += [["connect", "Home", "wrong"], ["wait", 10_000], ["status"], ["disconnect"], ["wait", 100]]
    seen = drive(rig, *steps, aps=[{**HOME, "codes": codes}])[1::3]
    assert seen == [codes[i % len(codes)] for i in range(6)]


def test_other_security_is_told_apart_from_a_wrong_password(rig: Rig) -> None:
    assert drive(rig, ["connect", "Home"], ["wait", 5000], ["status"])[-1] == 210
    steps = [["connect", "Home", "secret12"], ["wait", 5000], ["status"]]
    assert drive(rig, *steps, aps=[{**HOME, "password": ""}])[-1] == 211


def test_refusing_shows_as_203_also_with_the_right_password(rig: Rig) -> None:
    assert drive(rig, *JOIN, ["status"], aps=[{**HOME, "refuse": True}])[-1] == 203


def test_a_dead_dhcp_leaves_the_station_associated_without_an_address(rig: Rig) -> None:
    answers = drive(rig, ["connect", "Home", "secret12"], ["wait", 600_000], ["status"], ["isconnected"],
                    ["status", "rssi"], ["ifconfig"], aps=[{**HOME, "dhcp": "dead"}])  # fmt: skip
    assert answers == [None, 1001, False, -50, ["0.0.0.0"] * 4]


def test_a_slow_dhcp_takes_twelve_seconds_and_a_repaired_one_answers(rig: Rig) -> None:
    assert 13 < when(rig, 1010, ["connect", "Home", "secret12"], aps=[{**HOME, "dhcp": "slow"}]) < 15
    steps = [["connect", "Home", "secret12"], ["wait", 60_000], ["air", 0, "dhcp", "ok"]]
    assert when(rig, 1010, *steps, aps=[{**HOME, "dhcp": "dead"}]) < 1


def test_a_router_switched_off_is_missed_after_six_seconds(rig: Rig) -> None:
    off = [*JOIN, ["air", 0, "up", False]]
    assert when(rig, False, *off, question=["isconnected"]) == pytest.approx(6, abs=0.11)
    assert drive(rig, *off, ["wait", 5900], ["isconnected"], ["wait", 200], ["status"])[-2:] == [True, 200]
    # Left to itself, the driver tries again and finds nothing.
    assert drive(rig, *off, ["wait", 10_000], ["status"], on=[["active", True]])[-1] == 201


def test_a_router_that_was_off_for_a_second_has_forgotten_the_station(rig: Rig) -> None:
    steps = [*JOIN, ["air", 0, "up", False], ["wait", 1000], ["air", 0, "up", True]]
    assert drive(rig, *steps, ["isconnected"], ["wait", 400], ["isconnected"], ["status"])[-3:] == [
        True,
        False,
        6,
    ]


def test_a_changed_password_throws_the_station_out_at_once(rig: Rig) -> None:
    steps = [*JOIN, ["air", 0, "password", "another1"], ["isconnected"], ["status"]]
    again = [["connect", "Home", "secret12"], ["wait", 10_000], ["status"]]
    assert drive(rig, *steps, *again)[1:] == [False, 3, None, 202]


def test_a_router_boots_before_it_is_heard(rig: Rig) -> None:
    steps = [["air", 0, "up", True], ["time"], ["wait", 37_000], ["scan"], ["wait", 4000], ["scan"]]
    answers = drive(rig, *steps, aps=[{**HOME, "up": False, "boot_ms": 40_000}])
    assert (len(answers[1]), len(answers[2])) == (0, 1)


def test_a_scan_blocks_two_seconds_and_tells_the_strongest_first(rig: Rig) -> None:
    aps = [{**HOME, "rssi": -80}, {**HOME, "ssid": "Café", "password": "", "rssi": -40, "channel": 11},
           {**HOME, "ssid": "Off", "up": False}, {**HOME, "ssid": "Shy", "hidden": True}]  # fmt: skip
    found, ms = drive(rig, ["scan"], ["time"], aps=aps)
    assert ms == 2000
    assert [tuple(record) for record in found] == [
        ("Café".encode(), b"\x02\0\0\0\0\x02", 11, -40, 0, False),
        (b"", b"\x02\0\0\0\0\x04", 6, -50, 3, False),
        (b"Home", b"\x02\0\0\0\0\x01", 6, -80, 3, False),
    ]


def test_there_is_no_scan_while_joining(rig: Rig) -> None:
    assert drive(rig, ["connect", "Home", "secret12"], ["scan"], ["time"])[1:] == [[], 0]


def test_of_several_with_one_name_the_strongest_is_joined_unless_one_is_asked_for(rig: Rig) -> None:
    aps = [{**HOME, "rssi": -80, "channel": 1}, {**HOME, "rssi": -40, "channel": 13}]
    assert drive(rig, *JOIN, ["config", "channel"], aps=aps)[-1] == 13


def test_a_static_address_holds_before_and_after_joining_and_goes_back_to_dhcp(rig: Rig) -> None:
    mine = ["10.0.0.7", "255.255.255.0", "10.0.0.1", "9.9.9.9"]
    before = drive(rig, ["ifconfig", mine], *JOIN, ["ifconfig"], aps=[{**HOME, "dhcp": "dead"}])
    assert before[-1] == mine
    steps = [*JOIN, ["ifconfig", mine], ["wait", 100], ["isconnected"], ["ifconfig"]]
    assert drive(rig, *steps)[-2:] == [True, mine]
    back = [["ipconfig", {"dhcp4": True}], ["ifconfig"], *JOIN, ["ifconfig"]]
    answers = drive(rig, ["ifconfig", mine], *back)
    assert (answers[1], answers[-1][0]) == (["0.0.0.0"] * 4, "192.168.1.23")
    assert drive(rig, ["ifconfig", ["10.0.0.300", "255.255.255.0", "10.0.0.1", "9.9.9.9"]])[0].startswith(
        "ValueError"
    )


def test_how_often_anybody_looks_changes_nothing(rig: Rig) -> None:
    def story(pass_time: str) -> list[Any]:
        steps: list[Any] = [["connect", "Home", "secret12"]]
        for change in (
            ["up", False],
            ["up", True],
            ["password", "b"],
            ["password", "secret12"],
            ["dhcp", "dead"],
        ):
            steps += [[pass_time, 30_000], ["status"], ["isconnected"], ["attempts"], ["air", 0, *change]]
        return drive(rig, *steps, on=[["active", True]])

    assert story("wait") == story("look")


def test_an_airspace_survives_json_and_keeps_the_life_of_those_it_knows(rig: Rig) -> None:
    aps = rig.call("to_json", [HOME, {**HOME, "ssid": "Other", "landing": True, "boot_ms": 90_000}])
    assert rig.call("to_json", aps) == aps
    assert aps[0]["bssid"] != aps[1]["bssid"]
    # Same bssid: still joined. Gone: lost.
    assert drive(rig, *JOIN, ["json", [{**aps[0], "rssi": -70}]], ["isconnected"], ["status", "rssi"])[
        -2:
    ] == [True, -70]
    assert drive(rig, *JOIN, ["json", []], ["wait", 7000], ["status"])[-1] == 200


def test_unknown_parameters_are_refused_as_the_port_refuses_them(rig: Rig) -> None:
    assert drive(rig, ["config", "nonsense"], ["status", "nonsense"], ["config", "mac"]) == [
        "ValueError: unknown config param",
        "ValueError: unknown status param",
        b"\x24\x0a\xc4\x11\x22\x33",
    ]
    assert drive(rig, ["status", "rssi"]) == ["OSError: Wifi Not Connected"]
