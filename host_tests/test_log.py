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
