"""update/policy.py: a server that fails is asked little, for ever; one that works, every six hours."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from unixport import Rig

HOUR = 3600000


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig("update_rules") as r:
        yield r


def most_in_an_hour(asked: list[int]) -> int:
    return max(sum(1 for other in asked if at <= other < at + HOUR) for at in asked)


@pytest.mark.parametrize("dice", [0.0, 0.5, 0.999])
@pytest.mark.parametrize("per_look", [1, 2, 3, 5, 20])
def test_a_failing_server_gets_at_most_eight_requests_in_any_hour(
    rig: Rig, per_look: int, dice: float
) -> None:
    asked, looks, _ = rig.call("failing", 72, per_look, dice=dice)
    assert most_in_an_hour(asked) <= 8
    assert looks >= 72 // 8  # and is asked for ever


def test_restarts_do_not_make_a_board_ask_more(rig: Rig) -> None:
    for minutes in (1, 3, 20):
        asked, _, _ = rig.call("failing", 24, 2, restarts=minutes)
        assert most_in_an_hour(asked) <= 8
        # A pause begins anew with each start, so a board that never lives long enough asks no more.
        assert len(asked) <= 40


def test_a_person_who_presses_again_and_again_does_not_either(rig: Rig) -> None:
    asked, _, _ = rig.call("failing", 5, 1, told=1)
    assert most_in_an_hour(asked) <= 8


def test_requests_that_brought_something_do_not_count(rig: Rig) -> None:
    asked, _, _ = rig.call("failing", 1, 40, fruitful=39)
    assert len(asked) > 100


def test_a_pause_is_never_longer_than_six_hours_and_a_quarter_more(rig: Rig) -> None:
    asked, _, _ = rig.call("failing", 100, 1, dice=0.999)
    assert max(b - a for a, b in pairwise(asked)) <= 7.6 * HOUR
    assert asked[1] - asked[0] <= 90000


def test_boards_behind_one_router_do_not_ask_in_step(rig: Rig) -> None:
    first, _, _ = rig.call("failing", 10, 1, dice=0.1)
    second, _, _ = rig.call("failing", 10, 1, dice=0.8)
    assert len(set(first) & set(second)) <= 2


def test_the_last_failure_its_count_and_the_back_off_outlive_a_restart(rig: Rig) -> None:
    report, wait, etag, number = rig.call("kept")
    assert report == {"name": "http-503", "detail": "busy", "count": 3, "ago": None, "at": 1800000000}
    assert wait == 4 * 60000
    assert (etag, number) == ('"abc"', 7)


@pytest.mark.parametrize(
    "data", [b"", b"x", b"[]", b"null", b'{"a":1}', b"[1,2,3,4,5,6,[]]", b'["x",1,1,1,"","",""]', b"\xff\x00"]
)
def test_a_damaged_memory_of_failures_is_no_failure(rig: Rig, data: bytes) -> None:
    report, wait, _, _ = rig.call("kept", data)
    assert wait >= 0
    assert report is None or isinstance(report, dict)


def test_a_success_ends_the_back_off_and_is_stored_once(rig: Rig) -> None:
    report, wait, saves = rig.call("success_after", 6)
    assert report is None
    assert 4.5 * HOUR <= wait <= 7.5 * HOUR
    assert saves == 0  # nothing new: the flash is left alone


def test_a_worn_memory_costs_the_back_off_over_restarts_and_nothing_else(rig: Rig) -> None:
    asked, _, saves = rig.call("failing", 24, 1, broken=True)
    assert most_in_an_hour(asked) <= 8
    assert saves == 0


def test_where_a_trial_hangs_on_it_the_first_look_does_not_wait(rig: Rig) -> None:
    wait, first = rig.call("wait_first", 3)
    assert wait > 0 and first == 0


def test_every_failure_has_a_light(rig: Rig) -> None:
    names = [
        "name-not-resolved",
        "refused",
        "tls-wrong-name",
        "http-404",
        "landing-page-redirect",
        "wrong-board",
        "no-space",
    ]
    lights = [
        "no-name",
        "no-server",
        "no-server",
        "no-server",
        "landing-page",
        "update-refused",
        "update-refused",
    ]
    assert rig.call("states_of", names) == lights
