"""update/record.py: which slot runs, whatever has happened to the ones that were tried."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unixport import Rig

ALL = ["factory", "a", "b"]
HOME_A = [["set", "home", 1], ["set", "home_number", 5], ["set", "highest", 5]]
Steps = list[list[Any]]


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig("update_rules") as r:
        yield r


def run(rig: Rig, *steps: Any) -> tuple[list[Any], dict[str, int]]:
    """The slots (or what else each step gave) and the record in the end."""
    flat: Steps = [step for part in steps for step in (part if isinstance(part[0], list) else [part])]
    out, record = rig.call("history", flat)
    return out, record


def slots(out: list[Any]) -> list[str]:
    return [entry[0] for entry in out if isinstance(entry, list)]


def start(*whole: str, base: int = 0, crashed: bool = False) -> list[Any]:
    return ["start", list(whole) or ALL, base, crashed]


def test_a_new_board_runs_the_factorys_release(rig: Rig) -> None:
    out, record = run(rig, start(), start())
    assert out == [["factory", False, 0]] * 2
    assert record["suspect"] == 0


def test_a_trial_gets_three_boots_and_then_the_release_before_it_runs(rig: Rig) -> None:
    out, record = run(rig, HOME_A, ["arm", "b", 6], *[start()] * 5)
    assert slots(out) == ["b", "b", "b", "a", "a"]
    assert (record["suspect"], record["rejected"], record["home"]) == (6, 0, 1)


def test_every_boot_on_trial_is_a_change_that_must_be_kept(rig: Rig) -> None:
    out, _ = run(rig, HOME_A, ["arm", "b", 6], *[start()] * 5)
    assert [entry[1] for entry in out[-5:]] == [True, True, True, True, False]


def test_a_confirmed_release_stays(rig: Rig) -> None:
    out, record = run(rig, HOME_A, ["arm", "b", 6], start(), ["confirm", 3], *[start()] * 6)
    assert slots(out) == ["b"] * 7
    assert (record["highest"], record["floor"], record["previous"], record["previous_number"]) == (6, 3, 1, 5)


def test_the_floor_never_falls(rig: Rig) -> None:
    _, record = run(rig, HOME_A, ["arm", "b", 6], ["confirm", 3], ["arm", "a", 7], ["confirm", 1])
    assert record["floor"] == 3


@pytest.mark.parametrize(("guilty", "rejected"), [(True, 6), (False, 0)])
def test_a_suspect_is_rejected_only_if_another_release_reached_more(
    rig: Rig, guilty: bool, rejected: int
) -> None:
    _, record = run(rig, HOME_A, ["arm", "b", 6], *[start()] * 4, ["judge", guilty])
    assert (record["suspect"], record["rejected"]) == (0, rejected)


def test_a_slot_that_is_not_whole_is_never_run(rig: Rig) -> None:
    out, record = run(rig, HOME_A, ["arm", "b", 6], start("factory", "a"))
    assert slots(out) == ["a"] and record["suspect"] == 6
    out, _ = run(rig, HOME_A, start("factory", "b"))
    assert slots(out) == ["factory"]


def test_a_confirmed_release_that_crashes_three_times_in_a_row_is_left(rig: Rig) -> None:
    both = [*HOME_A, ["arm", "b", 6], ["confirm", 0]]
    out, record = run(rig, both, ["crash"], start(), ["crash"], start(crashed=True), start())
    assert slots(out) == ["b", "a", "a"]
    assert (record["suspect"], record["home_number"], record["crashes"]) == (6, 5, 0)
    out, record = run(rig, both, *[["crash"]] * 3, start(), *[["crash"]] * 3, start())
    assert slots(out) == ["a", "factory"]
    assert record["suspect"] == 5


def test_power_cuts_and_restarts_do_not_count_against_a_confirmed_release(rig: Rig) -> None:
    out, _ = run(rig, HOME_A, *[start()] * 20)
    assert set(slots(out)) == {"a"}


def test_nothing_counts_on_a_slot_that_is_being_overwritten(rig: Rig) -> None:
    both = [*HOME_A, ["arm", "b", 6], ["confirm", 0]]
    out, record = run(rig, both, ["claim", "a"], ["claim", "a"], *[["crash"]] * 3, start())
    assert out[len(both) : len(both) + 2] == [True, False]
    assert slots(out) == ["factory"]
    assert record["previous"] == 0
    out, _ = run(rig, HOME_A, ["arm", "b", 6], ["claim", "b"], start())
    assert slots(out) == ["a"]


def test_a_base_gets_three_attempts_each_of_which_the_boot_loader_is_told(rig: Rig) -> None:
    # It runs once, the boot loader goes back to the old base, and that one's boot.py tells it again.
    armed = [*HOME_A, ["arm", "b", 6, 2]]
    lives = [start(base=2), start(base=1), start(base=2), start(base=1), start(base=2), start(base=1)]
    out, record = run(rig, armed, *lives)
    assert [entry[2] for entry in out[-6:]] == [0, 2, 0, 2, 0, 0]
    assert [entry[0] for entry in out[-6:]] == ["b", "b", "b", "b", "b", "a"]
    assert record["suspect"] == 6


def test_a_base_that_never_starts_at_all_is_given_up(rig: Rig) -> None:
    out, _ = run(rig, HOME_A, ["arm", "b", 6, 2], *[start(base=1)] * 4)
    assert [(entry[0], entry[2]) for entry in out[-4:]] == [("b", 2), ("b", 2), ("a", 0), ("a", 0)]


def test_a_boot_loader_that_does_not_go_back_is_told_to(rig: Rig) -> None:
    out, _ = run(rig, HOME_A, ["arm", "b", 6, 2], *[start(base=2)] * 8)
    assert [(entry[0], entry[2]) for entry in out[-8:]] == [("b", 0)] * 6 + [("a", 1), ("a", 0)]


def test_a_base_is_confirmed_with_its_release(rig: Rig) -> None:
    out, record = run(
        rig, HOME_A, ["arm", "b", 6, 2], start(base=2), ["confirm", 0], start(base=2), start(base=2)
    )
    assert slots(out)[-2:] == ["b", "b"]
    assert record["base"] == record["runs"] == 0


def test_what_a_later_release_adds_to_the_record_outlives_this_one(rig: Rig) -> None:
    data, _ = rig.call("again", b"")
    kept, _ = rig.call("again", data + b"from the future")
    assert kept == data + b"from the future"


@given(st.binary(max_size=60))
def test_any_bytes_are_a_record_or_a_new_one(rig: Rig, data: bytes) -> None:
    kept, fields = rig.call("again", data)
    assert fields["home"] < 3 and fields["trial"] < 3 and fields["previous"] < 3
    assert rig.call("again", kept)[0] == kept


_STEP = st.one_of(
    st.tuples(st.just("arm"), st.sampled_from(["a", "b"]), st.integers(2, 9), st.sampled_from([0, 0, 2])),
    st.tuples(
        st.just("start"),
        st.sampled_from([ALL, ALL, ["factory", "a"], ["factory"]]),
        st.integers(0, 2),
        st.booleans(),
    ),
    st.tuples(st.sampled_from(["crash"])),
    st.tuples(st.just("judge"), st.booleans()),
    st.tuples(st.just("claim"), st.sampled_from(["a", "b"])),
    st.tuples(st.just("confirm"), st.integers(0, 9)),
)


@settings(max_examples=150)
@given(st.lists(_STEP, max_size=25))
def test_in_any_history_what_runs_is_whole_and_no_trial_lasts_longer_than_it_may(
    rig: Rig, steps: list[Any]
) -> None:
    # Only what the device does: it confirms what runs, and never overwrites that.
    allowed: Steps = []
    trial = False
    for step in steps:
        if step[0] == "confirm" and not trial:
            continue
        if step[0] == "arm":
            trial = True
        elif step[0] in ("confirm", "claim"):
            trial = False
        allowed.append(list(step))
    out, record = rig.call("history", allowed)
    boots = 0
    for step, got in zip(allowed, out, strict=True):
        if step[0] == "start":
            assert got[0] == "factory" or got[0] in step[1]
            boots += 1
        elif step[0] in ("arm", "confirm", "claim"):
            boots = 0
    # However it goes on, after a dozen starts no trial is left.
    out, record = rig.call("history", [*allowed, *[["start", ALL, base, False] for base in [2, 1] * 6]])
    assert record["trial"] == 0
    assert record["boots"] <= 3


def test_crashes_of_the_release_before_do_not_count_against_the_new_one(rig: Rig) -> None:
    _, record = run(rig, HOME_A, ["crash"], ["crash"], ["arm", "b", 6], start(), ["confirm", 0])
    assert record["crashes"] == 0
