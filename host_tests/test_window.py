"""firmware/lutin/window.py and uptime.py: the first minute, and time that does not wrap."""

import pytest
from unixport import Rig


@pytest.fixture(scope="module")
def rig():
    with Rig("led") as r:
        yield r


def test_nothing_can_shorten_the_first_minute_and_each_renewal_gives_another(rig):
    assert rig.call("opened", [], 62) == [True] * 60 + [False] * 2
    assert rig.call("opened", [0, 30, 100], 200) == [True] * 90 + [False] * 10 + [True] * 60 + [False] * 40


@pytest.mark.parametrize("start", [0, ((1 << 30) - 5) * 1000])
def test_uptime_goes_on_where_ticks_wrap(rig, start):
    assert rig.call("long_uptime", start, 30) == 30 * 24 * 3600 * 1000
