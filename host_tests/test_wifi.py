"""wifi.py: joins, tries for ever, says truly why not, and never goes back to an old network."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unixport import Rig

HOME = {"ssid": "Home", "password": "secret12", "rssi": -50, "channel": 6}
OLD = {"ssid": "Old", "password": "oldsecret", "rssi": -40, "channel": 1}
MINE = ["Home", "secret12"]
OURS = ["Old", "oldsecret"]
MINUTE = 60_000
RESULTS = ("no-network", "wrong-password", "refused", "no-address", "lost", "connected")


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig("wifi") as r:
        yield r


def play(
    rig: Rig, aps: Any, script: Any = (), minutes: float = 2, networks: Any = (MINE,), **more: Any
) -> dict[str, Any]:
    """Play a scenario; whatever happens in it, the room must be alive at its end."""
    seen = rig.call(
        "play", networks and list(networks), list(aps), list(script), int(minutes * MINUTE), **more
    )
    assert seen["alive"]
    assert not [line for line in seen["console"] if "secret" in line]
    return seen


def states(seen: dict[str, Any]) -> list[str]:
    """The names said, in order."""
    return [state for _, state, _ in seen["said"]]


def results(seen: dict[str, Any]) -> set[str]:
    """The results said."""
    return set(states(seen)) & set(RESULTS)


def gaps(seen: dict[str, Any]) -> list[float]:
    """Seconds between a failure and the next try."""
    ends = [ms for ms, state, _ in seen["said"] if state in ("no-network", "refused", "wrong-password")]
    starts = [ms for ms, _, _ in seen["tried"]]
    return [(min(s for s in starts if s > end) - end) / 1000 for end in ends if end < starts[-1]]


# What there is to say about one network


def test_a_network_on_the_air_is_joined_within_four_seconds(rig: Rig) -> None:
    seen = play(rig, [HOME], minutes=0.07)
    assert states(seen) == ["searching", "address", "connected"]
    report = seen["report"]
    assert (report["ssid"], report["state"], report["address"]) == ("Home", "connected", "192.168.1.23")
    assert (report["rssi"], report["channel"], report["reason"]) == (-50, 6, None)
    assert report["since"] == seen["said"][-1][0] // 1000


def test_an_open_network_is_joined_without_a_password(rig: Rig) -> None:
    assert play(rig, [{**HOME, "password": ""}], networks=[["Home"]])["report"]["state"] == "connected"


@pytest.mark.parametrize("codes", [*itertools.permutations((202, 204, 203)), (204, 203), (15,), (202,)])
def test_a_wrong_password_is_named_whatever_codes_it_shows_as(rig: Rig, codes: tuple[int, ...]) -> None:
    seen = play(rig, [{**HOME, "codes": codes}], networks=[["Home", "wrong"]], minutes=10)
    assert results(seen) == {"wrong-password"}
    # Named in time for the light, which is on for 60 s.
    assert next(ms for ms, state, _ in seen["said"] if state == "wrong-password") < 15_000
    assert seen["report"]["state"] in ("wrong-password", "joining")
    assert "wrong-password" in seen["report"]["reason"]


def test_before_it_is_sure_the_stage_that_failed_is_said(rig: Rig) -> None:
    seen = play(rig, [{**HOME, "codes": (203, 203, 202)}], networks=[["Home", "wrong"]])
    first = states(seen).index("wrong-password")
    assert set(states(seen)[:first]) == {"searching", "joining"}
    assert len([ms for ms, _, _ in seen["tried"] if ms < seen["said"][first][0]]) == 3


def test_a_search_that_lasts_longer_than_a_search_is_called_joining(rig: Rig) -> None:
    seen = play(rig, [{**HOME, "codes": (204,)}], networks=[["Home", "wrong"]], minutes=0.1)
    assert states(seen)[:3] == ["searching", "joining", "wrong-password"]


def test_a_failure_that_goes_on_is_logged_once(rig: Rig) -> None:
    for fields in ({"up": False}, {"password": "x"}, {"dhcp": "dead"}):
        assert len(play(rig, [{**HOME, **fields}], minutes=120)["console"]) == 1


def test_refusing_everybody_is_named_refused(rig: Rig) -> None:
    seen = play(rig, [{**HOME, "refuse": True}])
    assert results(seen) == {"refused"}
    assert len([ms for ms, _, _ in seen["tried"] if ms < seen["said"][states(seen).index("refused")][0]]) == 3


def test_an_open_network_that_refuses_is_named_at_once(rig: Rig) -> None:
    seen = play(rig, [{**HOME, "password": "", "refuse": True}], networks=[["Home"]], minutes=0.07)
    assert results(seen) == {"refused"}


def test_a_password_missing_or_too_many_is_told_apart_from_not_found(rig: Rig) -> None:
    assert results(play(rig, [HOME], networks=[["Home"]])) == {"wrong-password"}
    assert results(play(rig, [{**HOME, "password": ""}])) == {"refused"}


@pytest.mark.parametrize("secured", [True, False])
@pytest.mark.parametrize("proven", [True, False])
def test_any_code_has_a_result_or_waits_for_a_third(rig: Rig, secured: bool, proven: bool) -> None:
    for code in [*range(1, 70), *range(200, 220)]:
        assert rig.call("judge", [code] * 3, secured, proven) is not None, code


@pytest.mark.parametrize(
    ("codes", "proven", "result"),
    [
        ([203], False, None),
        ([203, 203], False, None),
        ([203, 203, 203], False, "refused"),
        ([2, 203, 6], False, "refused"),
        ([204], False, "wrong-password"),
        ([202, 203, 203], False, "wrong-password"),
        ([203, 201], False, "no-network"),
        ([204], True, None),
        ([204, 204, 204], True, "wrong-password"),
        ([204, 200], True, "no-network"),
    ],
)
def test_the_rule(rig: Rig, codes: list[int], proven: bool, result: str | None) -> None:
    assert rig.call("judge", codes, True, proven) == result


def test_a_missing_network_is_named_and_only_searched_for(rig: Rig) -> None:
    seen = play(rig, [OLD], minutes=10)
    assert set(states(seen)) == {"searching", "no-network"}
    assert seen["report"]["attempts"] == len(seen["tried"])


def test_a_dead_dhcp_is_named_no_address(rig: Rig) -> None:
    seen = play(rig, [{**HOME, "dhcp": "dead"}])
    assert states(seen)[:3] == ["searching", "address", "no-address"]
    assert results(seen) == {"no-address"}
    # In the pauses the station is not left hanging there.
    seen = play(rig, [{**HOME, "dhcp": "dead"}], minutes=23 / 60)
    assert (seen["report"]["state"], seen["report"]["address"], seen["associated"]) == (
        "no-address",
        None,
        False,
    )


def test_a_slow_dhcp_is_waited_for(rig: Rig) -> None:
    seen = play(rig, [{**HOME, "dhcp": "slow"}])
    assert states(seen) == ["searching", "address", "connected"]


def test_a_slow_dhcp_is_waited_for_also_after_the_network_was_missing(rig: Rig) -> None:
    # The port tells the old 201 all the while.
    seen = play(rig, [{**HOME, "dhcp": "slow", "up": False}], [[MINUTE, "air", 0, "up", True]], minutes=4)
    assert states(seen)[-2:] == ["address", "connected"]
    assert states(seen).count("address") == 1


def test_an_access_point_that_dies_while_an_address_is_awaited_is_named(rig: Rig) -> None:
    seen = play(rig, [{**HOME, "dhcp": "slow"}], [[4000, "air", 0, "up", False]], minutes=0.3)
    assert states(seen)[:3] == ["searching", "address", "no-network"]


def test_a_static_address_is_used_and_dhcp_again_by_the_network_without(rig: Rig) -> None:
    mine = ["10.0.0.7", "255.255.255.0", "10.0.0.1", "9.9.9.9", "8.8.8.8"]
    fixed = [*MINE, mine]
    seen = play(rig, [{**HOME, "dhcp": "dead"}], networks=[fixed])
    assert (seen["report"]["state"], seen["ifconfig"]) == ("connected", mine[:4])
    seen = play(rig, [HOME], [[MINUTE, "use", [MINE]]], networks=[fixed])
    assert (seen["report"]["state"], seen["ifconfig"][0]) == ("connected", "192.168.1.23")
    # Within one set of settings, too.
    seen = play(rig, [OLD, HOME], [[MINUTE, "air", 0, "up", False]], networks=[[*OURS, mine], MINE])
    assert (seen["report"]["ssid"], seen["ifconfig"][0]) == ("Home", "192.168.2.23")


# For ever


def test_a_router_that_comes_up_ten_minutes_later_is_joined_without_help(rig: Rig) -> None:
    seen = play(
        rig, [{**HOME, "up": False, "boot_ms": 40_000}], [[10 * MINUTE, "air", 0, "up", True]], minutes=13
    )
    assert seen["report"]["state"] == "connected"
    assert states(seen).count("connected") == 1


def test_a_router_switched_off_is_lost_and_found_again(rig: Rig) -> None:
    script = [
        [9 * MINUTE, "air", 0, "up", True],
        [12 * MINUTE, "air", 0, "up", False],
        [14 * MINUTE, "air", 0, "up", True],
    ]
    seen = play(rig, [{**HOME, "up": False}], script, minutes=16)
    assert [state for state in states(seen) if state in ("connected", "lost")] == [
        "connected",
        "lost",
        "connected",
    ]
    # Tried again at once, and then by the short pauses first.
    lost = seen["said"][states(seen).index("lost")][0]
    after = [ms - lost for ms, _, _ in seen["tried"] if ms > lost]
    assert after[0] < 500
    assert after[1] < 8000
    assert "Home" in seen["report"]["last_failure"]


def test_a_connection_that_breaks_at_once_every_time_is_not_hammered(rig: Rig) -> None:
    script = []
    for i in range(400):
        script += [[i * 3000, "air", 0, "password", "x"], [i * 3000 + 10, "air", 0, "password", "secret12"]]
    seen = play(rig, [HOME], script, minutes=20)
    assert len(seen["tried"]) < 60


@pytest.mark.parametrize("fields", [{"up": False}, {"refuse": True}, {"password": "other"}])
def test_the_pauses_grow_to_a_minute_at_most_and_are_not_all_alike(rig: Rig, fields: dict[str, Any]) -> None:
    seen = play(rig, [{**HOME, **fields}], minutes=120)
    pauses = gaps(seen)
    assert max(pauses) <= 61
    assert all(pause >= 44 for pause in pauses[8:])
    assert len({round(pause, 1) for pause in pauses[8:]}) > 20
    assert 1.4 < (seen["tried"][1][0] - seen["said"][states(seen).index("searching") + 1][0]) / 1000 < 12


def test_a_password_changed_at_the_router_is_named_and_corrected_by_new_settings(rig: Rig) -> None:
    script = [[MINUTE, "air", 0, "password", "newsecret"], [3 * MINUTE, "use", [["Home", "newsecret"]]]]
    seen = play(rig, [HOME], script, minutes=3.2)
    assert [state for state in states(seen) if state in RESULTS and state != "wrong-password"] == [
        "connected",
        "lost",
        "connected",
    ]
    assert "wrong-password" in states(seen)
    assert seen["said"][-1][0] < 3 * MINUTE + 4000


def test_a_password_that_has_worked_is_not_called_wrong_for_one_broken_handshake(rig: Rig) -> None:
    script = [[MINUTE, "air", 0, "password", "x"], [MINUTE + 4000, "air", 0, "password", "secret12"]]
    seen = play(rig, [{**HOME, "codes": (204,)}], script)
    assert results(seen) == {"connected", "lost"}


def test_nobody_is_tried_by_the_driver_itself(rig: Rig) -> None:
    # Not after a loss, not after somebody else's code had left it joining at our start.
    seen = play(rig, [HOME], [[MINUTE, "air", 0, "up", False]], minutes=10)
    assert seen["reconnects"] == 0
    assert len(seen["tried"]) == len([call for call in seen["calls"] if call[1] == "connect"])
    seen = play(rig, [HOME, OLD], [[0, "foreign", *OURS]], minutes=10)
    assert [ssid for _, ssid, _ in seen["tried"]] == ["Old", "Home"]
    assert seen["report"]["ssid"] == "Home"


# New settings


@pytest.mark.parametrize("at", [0, 50, 100, 200, 201, 900, 1900, 2300, 2800, 30_000, 60_000])
@pytest.mark.parametrize("old", ["ok", "dead", "off", "wrong"])
def test_replaced_settings_take_effect_at_once_and_the_old_network_is_never_tried_again(
    rig: Rig, at: int, old: str
) -> None:
    fields = {"ok": {}, "dead": {"dhcp": "dead"}, "off": {"up": False}, "wrong": {"password": "x"}}[old]
    aps = [{**OLD, **fields}]  # only the old one is in the air
    seen = play(rig, aps, [[at, "use", [MINE]], [5 * MINUTE, "add", HOME]], networks=[OURS], minutes=8)
    assert [ssid for ms, ssid, _ in seen["tried"] if ms > at and ssid != "Home"] == []
    assert min(ms for ms, ssid, _ in seen["tried"] if ssid == "Home") < at + 1500
    assert [ssid for ms, _, ssid in seen["said"] if ms > at and ssid == "Old"] == []
    assert seen["report"]["ssid"] == "Home"
    assert seen["report"]["state"] == "connected"


@pytest.mark.parametrize("at", range(90, 212, 10))
def test_no_old_network_slips_through_in_the_moment_of_the_change(rig: Rig, at: int) -> None:
    seen = play(rig, [OLD], [[at, "use", []]], networks=[OURS], minutes=1)
    assert [ms for ms, _, _ in seen["tried"] if ms > at] == []


@pytest.mark.parametrize("at", [0, 100, 150, 1000, 2300, 30_000])
def test_after_a_clear_none_is_tried_and_the_connection_is_dropped(rig: Rig, at: int) -> None:
    seen = play(rig, [OLD, HOME], [[at, "use", []]], networks=[MINE, OURS], minutes=30)
    assert [ms for ms, _, _ in seen["tried"] if ms > at + 2100] == []  # a scan may be going on
    report = seen["report"]
    assert (report["state"], report["ssid"], report["address"]) == ("no-settings", None, None)
    assert seen["ifconfig"][0] == "0.0.0.0"


def test_without_settings_nothing_is_tried(rig: Rig) -> None:
    for networks in (None, []):
        seen = play(rig, [HOME, OLD], networks=networks, minutes=30)
        assert (seen["tried"], seen["said"]) == ([], [])


def test_settings_that_come_while_there_are_none_are_used_at_once(rig: Rig) -> None:
    seen = play(rig, [HOME], [[90_000, "use", [MINE]]], networks=None)
    assert seen["tried"][0][0] < 90_500


def test_new_settings_drop_the_connection_even_while_the_duty_does_not_run(rig: Rig) -> None:
    assert rig.call("clear_without_run", [MINE], [HOME]) == [True, False]


def test_a_driver_that_cannot_disconnect_is_switched_off(rig: Rig) -> None:
    script = [[30_000, "fault", "disconnect", "Wifi Internal State Error", 1], [30_000, "use", []]]
    seen = play(rig, [HOME], script, minutes=1)
    assert seen["report"]["address"] is None
    assert seen["ifconfig"][0] == "0.0.0.0"
    assert [30_000, "active", False] in seen["calls"]


# Several networks


def test_the_strongest_known_one_is_tried_first(rig: Rig) -> None:
    aps = [{**HOME, "rssi": -70}, {**OLD, "rssi": -45}, {"ssid": "Stranger", "rssi": -20}]
    seen = play(rig, aps, networks=[MINE, OURS])
    assert [ssid for _, ssid, _ in seen["tried"]] == ["Old"]
    report = seen["report"]
    assert (report["ssid"], report["channel"], report["bssid"]) == ("Old", 1, "02:00:00:00:00:02")


@pytest.mark.parametrize("order", list(itertools.permutations("ABCDE"))[::7])
def test_equally_strong_ones_are_tried_by_preference_and_unseen_ones_last(
    rig: Rig, order: tuple[str, ...]
) -> None:
    aps = [{"ssid": ssid, "password": "theirs12", "rssi": -60, "hidden": ssid == "D"} for ssid in "ABCD"]
    seen = play(rig, aps, networks=[[ssid, "wrong"] for ssid in order], minutes=0.8)
    seen_ones = [ssid for ssid in order if ssid not in "DE"]
    assert [ssid for _, ssid, _ in seen["tried"]][:5] == seen_ones + [ssid for ssid in order if ssid in "DE"]


def test_a_hidden_network_is_joined(rig: Rig) -> None:
    assert play(rig, [{**HOME, "hidden": True}], networks=[OURS, MINE])["report"]["ssid"] == "Home"


def test_the_next_one_is_joined_when_the_strongest_does_not_let_us_in(rig: Rig) -> None:
    for fields in ({"password": "x"}, {"refuse": True}, {"dhcp": "dead"}):
        seen = play(rig, [{**OLD, **fields}, HOME], networks=[OURS, MINE], minutes=0.7)
        assert seen["report"]["ssid"] == "Home"


def test_while_all_fail_the_light_shows_the_one_that_got_furthest(rig: Rig) -> None:
    seen = play(rig, [HOME], networks=[["Home", "wrong"], OURS], minutes=10)
    # Between the rounds, so most of the time, it is not "not found".
    shown: dict[str, int] = {}
    for (ms, state, _), (end, _, _) in itertools.pairwise(seen["said"]):
        shown[state] = shown.get(state, 0) + end - ms
    assert shown["wrong-password"] > 5 * MINUTE
    assert shown.get("no-network", 0) < MINUTE
    assert "wrong-password" in seen["report"]["reason"]


def test_one_network_alone_is_never_scanned_for(rig: Rig) -> None:
    assert [call for call in play(rig, [OLD], minutes=30)["calls"] if call[1] == "scan"] == []


def test_no_scan_starts_while_light_is_received_and_joining_goes_on(rig: Rig) -> None:
    script = [[0, "hold", True], [10 * MINUTE, "hold", False]]
    seen = play(rig, [{**OLD, "password": "x"}], script, networks=[MINE, OURS], minutes=12)
    assert min(call[0] for call in seen["calls"] if call[1] == "scan") >= 10 * MINUTE
    assert len([ms for ms, _, _ in seen["tried"] if ms < 10 * MINUTE]) > 10


# A driver in a bad mood


@pytest.mark.parametrize(
    "method",
    ["active", "connect", "disconnect", "status", "isconnected", "scan", "config", "ifconfig", "ipconfig"],
)
@pytest.mark.parametrize("error", ["Wifi Internal Error", "Wifi Unknown Error 0x5001"])
def test_errors_of_the_driver_are_survived_and_named(rig: Rig, method: str, error: str) -> None:
    for networks in ([MINE], [MINE, OURS]):
        script = [[0, "fault", method, error, 30], [MINUTE, "air", 0, "up", False],
                  [2 * MINUTE, "air", 0, "up", True], [3 * MINUTE, "fault", method, error, 2]]  # fmt: skip
        seen = play(rig, [HOME], script, networks=networks, minutes=15)
        assert seen["report"]["state"] == "connected", networks
        named = [line for line in seen["console"] if error in line]
        # The others are only asked where no answer is an answer, or are not called at all here.
        assert named or method in ("isconnected", "ifconfig", "scan")


def test_a_driver_that_thinks_it_is_still_connecting_is_restarted(rig: Rig) -> None:
    seen = play(rig, [HOME], [[0, "fault", "connect", "Wifi Internal Error", 4]])
    assert seen["report"]["state"] == "connected"
    assert False in [call[2] for call in seen["calls"] if call[1] == "active"]
    assert "Wifi Internal Error" in seen["report"]["last_failure"]


# For long


def test_a_day_with_a_router_going_up_and_down_takes_no_heap(rig: Rig) -> None:
    seen = rig.call("long_life", 24, [HOME], [MINE], 20 * MINUTE)
    assert not seen["done"]
    assert seen["state"] == "connected"
    assert seen["counts"]["connected"] == 37
    assert seen["counts"]["lost"] == 36
    # The log's ring is full after some cycles; from there on, nothing is kept.
    assert max(seen["heap"][40:]) - min(seen["heap"][40:]) < 1500


def test_thousands_of_failing_tries_of_many_networks_take_no_heap(rig: Rig) -> None:
    aps = [{"ssid": ssid, "password": "theirs12", "rssi": -60} for ssid in "ABC"]
    seen = rig.call("long_life", 12, [OLD, *aps], [[ssid, "wrong"] for ssid in "ABCXYZ"], 20 * MINUTE)
    assert not seen["done"]
    assert max(seen["heap"][15:]) - min(seen["heap"][15:]) < 1500


@pytest.mark.parametrize("start_ms", [(1 << 30) - 100_000, (1 << 29) - 20_000])
def test_the_wrap_of_the_ticks_is_not_noticed(rig: Rig, start_ms: int) -> None:
    script = [[30_000, "air", 0, "up", False], [90_000, "air", 0, "up", True]]
    assert (
        play(rig, [HOME], script, minutes=4, start_ms=start_ms)["said"]
        == play(rig, [HOME], script, minutes=4)["said"]
    )


# Anything in any order

SSIDS = "AB"
moments = st.integers(0, 240_000)
networks = st.lists(
    st.tuples(st.sampled_from(SSIDS), st.sampled_from(["right-one", "wrong-one", ""])),
    max_size=2,
    unique_by=lambda n: n[0],
).map(lambda pairs: [list(pair) for pair in pairs])
changes = st.one_of(
    st.tuples(moments, st.just("air"), st.integers(0, 1), st.just("up"), st.booleans()),
    st.tuples(moments, st.just("air"), st.integers(0, 1), st.just("refuse"), st.booleans()),
    st.tuples(moments, st.just("air"), st.integers(0, 1), st.just("rssi"), st.integers(-90, -30)),
    st.tuples(
        moments, st.just("air"), st.integers(0, 1), st.just("dhcp"), st.sampled_from(["ok", "slow", "dead"])
    ),
    st.tuples(
        moments,
        st.just("air"),
        st.integers(0, 1),
        st.just("password"),
        st.sampled_from(["right-one", "other-one", ""]),
    ),
    st.tuples(moments, st.just("air"), st.integers(0, 1), st.just("boot_ms"), st.sampled_from([0, 30_000])),
    st.tuples(moments, st.just("hold"), st.booleans()),
    st.tuples(moments, st.just("use"), networks),
    st.tuples(
        moments,
        st.just("fault"),
        st.sampled_from(["connect", "disconnect", "scan", "status"]),
        st.just("Wifi Internal Error"),
        st.integers(1, 3),
    ),
)
scripts = st.lists(changes, max_size=12).map(
    lambda entries: sorted((list(entry) for entry in entries), key=lambda entry: entry[0])
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=networks, script=scripts)
def test_whatever_happens_only_current_networks_are_tried_and_a_joinable_one_is_joined(
    rig: Rig, first: Any, script: Any
) -> None:
    aps = [{"ssid": ssid, "password": "right-one", "rssi": -60} for ssid in SSIDS]
    # Three quiet minutes and a half after the last change (a router may boot for half a minute).
    end = (script[-1][0] if script else 0) + 210_000
    seen = play(rig, aps, script, end / MINUTE, networks=first)
    uses = [(0, first), *seen["used"], (10**9, [])]
    for ms, ssid, key in seen["tried"]:
        allowed = [nets for (begin, nets), (end, _) in itertools.pairwise(uses) if begin <= ms <= end]
        assert any([ssid, key] in nets for nets in allowed), (ms, ssid, uses)
    air = {i: {"up": True, "refuse": False, "dhcp": "ok", "password": "right-one"} for i in range(2)}
    for entry in script:
        if entry[1] == "air" and entry[3] in air[entry[2]]:
            air[entry[2]][entry[3]] = entry[4]
    joinable = [
        ssid
        for ssid, key in uses[-2][1]
        if (ap := air[SSIDS.index(ssid)])["up"]
        and not ap["refuse"]
        and ap["dhcp"] != "dead"
        and ap["password"] == key
    ]
    if joinable:
        assert seen["report"]["state"] == "connected"
        # Not always one of these: who refuses newcomers, or whose DHCP has died, keeps whom it has.
        assert seen["report"]["ssid"] in [ssid for ssid, _ in uses[-2][1]]
    elif not uses[-2][1]:
        assert seen["ifconfig"][0] == "0.0.0.0"
