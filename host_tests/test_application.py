"""application.py: the owner's program runs beside the device and cannot take it down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from wholeboard import Board, new_board

HEAD = "import asyncio\n"


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Callable[[str], Board]]:
    made: list[Board] = []

    def make(text: str) -> Board:
        (tmp_path / "app").mkdir()
        (tmp_path / "app" / "__init__.py").write_text(HEAD + text)
        (tmp_path / "board").mkdir()
        made.append(new_board(tmp_path / "board", "", app=tmp_path / "app"))
        return made[-1]

    yield make
    for one in made:
        one.off()


def test_it_runs_and_its_lines_are_in_the_devices_log(board: Callable[[str], Board]) -> None:
    one = board(
        "async def main(imp):\n    for i in range(3):\n        imp.log('line %d' % i)\n        await asyncio.sleep(1)\n"
    )
    one.on(10000)
    said = [line for line in one.call("lines") if line.startswith("app:")]
    assert said == ["app: line 0", "app: line 1", "app: line 2", "app: has ended"]
    assert one.state() == "connected"


@pytest.mark.parametrize(
    "text",
    [
        "async def main(imp):\n    await asyncio.sleep(1)\n    raise ValueError('no')\n",
        "async def main(imp):\n    return 1 // 0\n",
        "import nowhere\n",
        "main = 5\n",
        "x = 1\n",
        "async def main(imp):\n    bytearray(10**9)\n",
    ],
)
def test_one_that_keeps_crashing_is_given_up_and_the_light_says_so(
    board: Callable[[str], Board], text: str
) -> None:
    one = board(text)
    one.on(60000)
    assert one.ends == []
    assert one.state() == "app-stopped"
    crashes = [line for line in one.call("lines") if line.startswith("app:") and "time" in line]
    assert len(crashes) == 5
    assert one.call("alive")
    one.run(60000)
    assert one.state() == "app-stopped"


def test_one_that_crashes_now_and_then_is_started_again_each_time(board: Callable[[str], Board]) -> None:
    one = board("async def main(imp):\n    await asyncio.sleep(200)\n    raise ValueError('now and then')\n")
    one.on(3600000)
    assert one.state() == "connected"
    crashes = [line for line in one.call("lines") if "now and then" in line]
    assert len(crashes) >= 15
