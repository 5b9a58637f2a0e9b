"""firmware/lutin/log.py: the last lines, in order, within bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unixport import Rig


@pytest.fixture(scope="module")
def rig():
    with Rig("led") as r:
        yield r


@given(st.lists(st.text(alphabet="abc é", max_size=30), max_size=20), st.integers(1, 8), st.integers(0, 25))
def test_the_last_lines_are_kept_in_order_and_cut_to_their_width(rig, texts, size, since):
    lines, heard, shown = rig.call("ring", texts, size, since)
    kept = [[i, 1234567, 1, text[:20]] for i, text in enumerate(texts)][-size:]
    assert lines == [line for line in kept if line[0] >= since]
    assert heard == list(range(len(texts)))
    assert shown == ([f"   1234.567 W {texts[-1][:20]}"] if texts else [])


def test_half_a_character_is_no_reason_to_send_what_nobody_can_read(rig):
    (line,) = rig.call("ring", ["half \ud83d pair"], 4, 0)[0]
    assert line[3] == "half ? pair"


LINES = st.tuples(st.integers(0, 2), st.text(alphabet="abc é☎", max_size=40), st.booleans())


@given(st.lists(LINES, max_size=40), st.integers(270, 400), st.integers(1, 12))
def test_whatever_is_logged_the_newest_lines_are_whole_and_each_that_made_room_was_told(
    rig, entries, room, size
):
    kept, lost = rig.call("narrow", entries, room, size)
    whole = [[i, 5, level, text, mark] for i, (level, text, mark) in enumerate(entries)]
    for i, lines in enumerate(kept):
        assert lines == whole[i + 1 - len(lines) : i + 1]
        assert 1 <= len(lines) <= size
        # No line made room that need not: no more than the two longest ends of the memory lie idle.
        if len(lines) < min(size, i + 1):
            assert sum(11 + len(line[3].encode()) for line in lines) > room - 2 * (11 + 3 * 40)
    assert lost == list(range(len(entries) - len(kept[-1]) if kept else 0))
