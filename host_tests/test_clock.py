"""The simulated clock: what every other test stands on."""

import pytest
from unixport import Rig


@pytest.fixture(scope="module")
def rig():
    with Rig("clock") as r:
        yield r


@pytest.mark.parametrize("start", [0, (1 << 30) * 1000 - 5_000_000, (1 << 30) - 2_500_000])
def test_virtual_hours_pass_in_order_also_across_a_wrap(rig, start):
    assert rig.call("order", start) == [
        ["fast", 1_000_000],
        ["event", 1_500_000],
        ["fast", 2_000_000],
        ["fast", 3_000_000],
        ["timeout", 3_010_000],
        ["slow", 3_600_000_000],
        ["slow", 7_200_000_000],
    ]


def test_ticks_and_epoch_are_the_esp32s(rig):
    assert rig.call("ticks_after", (1 << 30) + 7) == [7, (1 << 30) // 1000, 1073, [2000, 1, 1]]


def test_tasks_are_cancelled_wherever_they_wait(rig):
    assert rig.call("cancelled") == ["outer", "caller", True, "sleeper", False, [None, None]]
