"""firmware/lutin/led.py and status.py: every state that a person can see."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unixport import Rig

LONG = [("-", 500), ("R", 500)]


def counted(flashes):
    """One long red flash, then so many short ones, with dark between."""
    cells = [*LONG, ("-", 500)]
    for i in range(flashes):
        cells += [("R", 250)] + ([("-", 250)] if i < flashes - 1 else [])
    return cells


# The table of docs/status-light.md, written down a second time.
PATTERNS = {
    "no-settings": [("A", 500), ("-", 500)],
    "received": [("G", 3000)],
    "not-understood": [("R", 2000)],
    "searching": counted(2),
    "no-network": counted(2),
    "lost": counted(2),
    "joining": counted(3),
    "wrong-password": counted(4),
    "refused": counted(5),
    "address": [("-", 500), ("R", 250), ("A", 250)],
    "no-address": [("-", 500), ("R", 250), ("A", 250)],
    "resolving": [("-", 500), ("A", 250), ("R", 250)],
    "no-name": [("-", 500), ("A", 250), ("R", 250)],
    "connecting": [("-", 500), ("A", 500), ("-", 500), ("R", 250)],
    "no-server": [("-", 500), ("A", 500), ("-", 500), ("R", 250)],
    "landing-page": [("-", 500), ("A", 500), ("-", 500), ("R", 250), ("-", 250), ("R", 250)],
    "connected": [("G", 500), ("-", 500)],
    "downloading": [("G", 250), ("-", 250), ("G", 500), ("-", 500)],
    "installing": [("G", 1000)],
    "update-refused": [("-", 500), ("A", 500), ("-", 500)] + [("R", 250), ("-", 250)] * 2 + [("R", 250)],
    "rolled-back": [("G", 500), ("-", 500), ("R", 250), ("-", 250)],
    "app-stopped": [("G", 500), ("-", 500)] + [("R", 125), ("-", 125)] * 4,
    "not-stored": [("-", 500), ("R", 500), ("A", 250)],
    "no-memory": [("-", 500), ("A", 500), ("R", 250)],
    "receiving": [("-", 125)],
    "starting": [("-", 125)],
    "no-broker": [("-", 500), ("A", 500), ("-", 500)] + [("R", 250), ("-", 250)] * 3 + [("R", 250)],
    "broker-refused": [("-", 500), ("A", 500), ("-", 500)] + [("R", 250), ("-", 250)] * 4 + [("R", 250)],
    "identify": [("R", 125), ("G", 125), ("A", 125), ("-", 125)] * 10,
    "update-waiting": [("G", 1750), ("-", 250)],
}
ONCE = {"received", "not-understood", "identify"}


@pytest.fixture(scope="module")
def rig():
    with Rig("led") as r:
        yield r


@pytest.fixture(scope="module")
def table(rig):
    return rig.call("table")


def changes(cells, ms):
    """[(ms, colour)] at which a light that shows these cells again and again changes."""
    out = []
    at = 0
    while at < ms:
        for colour, length in cells:
            if at < ms and (not out or out[-1][1] != colour):
                out.append([at, colour])
            at += length
    return out


def test_every_state_has_a_number_a_name_and_a_sentence_of_its_own(rig, table):
    assert [row[0] for row in table] == list(range(len(table)))
    assert len({row[1] for row in table}) == len({row[4] for row in table}) == len(table)
    assert {row[1] for row in table} == PATTERNS.keys()
    names = {name.lower().replace("_", "-"): number for name, number in rig.call("numbers").items()}
    assert {row[1]: row[0] for row in table}.items() <= names.items()


@pytest.mark.parametrize("name", PATTERNS)
def test_each_state_shows_its_pattern(rig, table, name):
    number = next(row[0] for row in table if row[1] == name)
    assert next(row[3] for row in table if row[1] == name) == (name in ONCE)
    shown = rig.call("play", [[0, "show", number]], 6000)
    if name in ONCE:
        played = [[sum(ms for _, ms in PATTERNS[name][:i]), c] for i, (c, _) in enumerate(PATTERNS[name])]
        end = [sum(ms for _, ms in PATTERNS[name]), "-"]
        assert shown == played + ([end] if played[-1][1] != "-" else [])
    else:
        expected = changes(PATTERNS[name], 6000)
        assert [e for e in shown if e[0] < 6000] == (
            expected if expected[0][1] != "-" else [[0, "-"], *expected[1:]]
        )


def test_two_states_look_alike_only_where_the_design_says_so(table):
    alike = {}
    for _, name, cells, _, _ in table:
        alike.setdefault(cells, set()).add(name)
    assert [names for names in alike.values() if len(names) > 1] == [
        names
        for names in (
            {"starting", "receiving"},
            {"searching", "no-network", "lost"},
            {"address", "no-address"},
            {"resolving", "no-name"},
            {"connecting", "no-server"},
        )
    ]


def test_on_a_single_led_the_number_of_flashes_still_tells_failures_of_joining_apart(table):
    counts = {}
    for _, name, cells, _, _ in table:
        if name in ("no-network", "joining", "wrong-password", "refused"):
            counts[name] = cells.count("R2")
    assert counts == {"no-network": 2, "joining": 3, "wrong-password": 4, "refused": 5}


def test_a_result_comes_over_a_stage_and_the_stage_comes_back(rig, table):
    number = {row[1]: row[0] for row in table}
    shown = rig.call(
        "play",
        [
            [0, "show", number["connected"]],
            [750, "show", number["received"]],
            [1000, "show", number["no-settings"]],
        ],
        6000,
    )
    assert shown[:5] == [[0, "G"], [500, "-"], [750, "G"], [3750, "A"], [4250, "-"]]


def test_a_state_that_is_said_again_does_not_break_the_rhythm(rig, table):
    number = next(row[0] for row in table if row[1] == "connected")
    shown = rig.call("play", [[at, "show", number] for at in range(0, 3000, 100)], 3000)
    assert shown == [[at, "G" if at % 1000 == 0 else "-"] for at in range(0, 3500, 500)][: len(shown)]
    assert len(shown) >= 6


def test_darkness_comes_at_once_and_a_result_is_shown_after_it(rig, table):
    number = {row[1]: row[0] for row in table}
    shown = rig.call(
        "play",
        [
            [0, "show", number["connected"]],
            [250, "dark", True],
            [5000, "show", number["received"]],
            [5250, "dark", False],
        ],
        9000,
    )
    assert shown[:4] == [[0, "G"], [250, "-"], [5250, "G"], [8750, "-"]]


def test_a_closed_window_is_dark_but_for_results_and_lets_the_last_pattern_end(rig, table):
    number = {row[1]: row[0] for row in table}
    script = [
        [0, "show", number["connected"]],
        [1100, "open", False],
        [5000, "show", number["not-understood"]],
    ]
    assert rig.call("play", script, 9000) == [
        [0, "G"],
        [500, "-"],
        [1000, "G"],
        [1500, "-"],
        [5000, "R"],
        [7000, "-"],
    ]


def test_the_last_pattern_before_dark_is_the_one_asked_for(rig, table):
    number = {row[1]: row[0] for row in table}
    script = [
        [0, "show", number["connected"]],
        [1100, "close", number["no-network"]],
        [9000, "open", True],
    ]
    last = [[at + 1100, colour] for at, colour in changes(PATTERNS["no-network"], 2250)]
    shown = rig.call("play", script, 9400)
    assert shown[2:] == [[1000, "G"], *last, [1100 + 2250, "-"], [9000, "G"]]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 4000),
            st.one_of(
                st.tuples(st.just("show"), st.integers(0, 25)),
                st.tuples(st.sampled_from(["open", "dark"]), st.booleans()),
            ),
        ),
        max_size=12,
    )
)
def test_whatever_happens_the_light_ends_on_the_right_pattern(rig, table, events):
    script = sorted([[at, method, argument] for at, (method, argument) in events], key=lambda e: e[0])
    state, is_open, dark = 0, True, False
    for _, method, argument in script:
        if method == "show" and not table[argument][3]:
            state = argument
        elif method == "open":
            is_open = argument
        elif method == "dark":
            dark = argument
    shown = rig.call("play", script, 24000)
    late = [colour for at, colour in shown if at >= 16000]
    cells = PATTERNS[table[state][1]]
    lit = {colour for colour, _ in cells}
    if dark or not is_open:
        assert late == [] and (not shown or shown[-1][1] == "-")
    elif len(lit) > 1:
        assert set(late) == lit
    else:
        assert late == [] and (shown[-1][1] if shown else "-") in lit


def test_each_driver_lights_what_the_colour_says(rig):
    assert rig.call("drivers") == {
        "bicolour0": [[1, 1], [0, 1], [1, 0], [0, 0]],
        "bicolour1": [[0, 0], [1, 0], [0, 1], [1, 1]],
        "single0": [1, 0, 0, 0],
        "single1": [0, 1, 1, 1],
        "pixel": [[0, 0, 0], [40, 0, 0], [0, 40, 0], [36, 18, 0]],
    }
