"""application.py and tasks.py: the owner's program runs beside the device and cannot take it down."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import wholeboard
from lutin_tools.paths import ROOT
from unixport import Rig
from wholeboard import Board, Server, new_board, publish

MINUTE = 60000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig("application") as r:
        yield r


def main(body: str) -> str:
    return "async def main(imp):\n" + textwrap.indent(textwrap.dedent(body).strip() + "\n", "    ")


def crashes(rig: Rig) -> list[str]:
    return [text for level, text in rig.call("lines") if level == "E" and ", time " in text]


# Crashes


@pytest.mark.parametrize(
    "text",
    [
        main("await asyncio.sleep(1)\nraise ValueError('no')"),
        main("return 1 // 0"),
        "import nowhere",
        "main = 5",
        "x = 1",
        "this is no program",
        main("bytearray(10**12)"),
        main("raise SystemExit"),
        "raise SystemExit",
        main("class Odd(BaseException):\n    pass\nraise Odd"),
        main(
            "class Odd(Exception):\n    def __repr__(self):\n        return 1 // 0\n    __str__ = __repr__\nraise Odd"
        ),
        main("imp.wakeup(1, lambda: 1 // 0)"),
        main("async def late():\n    raise ValueError\nimp.wakeup(1, late)\nawait asyncio.sleep(10)"),
        main(
            "async def other():\n    raise ValueError\nasyncio.create_task(other())\nawait asyncio.sleep(10)"
        ),
        main(
            "async def other():\n    raise SystemExit\nasyncio.create_task(other())\nawait asyncio.sleep(10)"
        ),
        main("async def other():\n    raise SystemExit\nawait asyncio.wait_for(other(), 5)"),
        main("async def other():\n    raise SystemExit\nawait asyncio.gather(other(), other())"),
        main("while True:\n    imp.wakeup(1000, print)"),
        main("def f():\n    f()\nf()"),
    ],
)
def test_one_that_keeps_crashing_is_left_out_for_a_day(rig: Rig, text: str) -> None:
    assert rig.call("begin", text, 2 * MINUTE, tick=MINUTE)
    told = rig.call("told")
    assert (told["state"], told["given_up"], told["well"]) == ("stopped", True, False)
    assert len(told["starts"]) == len(crashes(rig)) == 5
    assert told["report"]["error"]
    assert rig.call("run", DAY)
    told = rig.call("told")
    assert len(told["starts"]) == 10 and told["starts"][5] >= DAY
    assert told["changes"] == 3 and told["pardons"] == 1


def test_pauses_between_starts_grow(rig: Rig) -> None:
    rig.call("begin", main("raise ValueError"), MINUTE)
    starts = rig.call("told")["starts"]
    pauses = [later - earlier for earlier, later in zip(starts, starts[1:], strict=False)]  # noqa: RUF007
    assert [round(pause, -3) for pause in pauses] == [1000, 2000, 4000, 8000]


def test_crashes_that_are_far_apart_do_not_stop_it(rig: Rig) -> None:
    rig.call("begin", main("await asyncio.sleep(200)\nraise ValueError"), HOUR)
    assert rig.call("told")["state"] == "running"
    assert len(crashes(rig)) >= 15


def test_everything_of_it_ends_with_a_crash(rig: Rig) -> None:
    text = main(
        """
        async def stubborn(name):
            while True:
                try:
                    await asyncio.sleep(1)
                    imp.log(name)
                except BaseException:
                    pass
        def tick():
            imp.wakeup(1, tick)
            imp.log("timer")
        tick()
        imp.on("a", lambda value: imp.log("message"))
        imp.on_disconnect(lambda: imp.log("gone"))
        asyncio.create_task(stubborn("stubborn"))
        imp.wakeup(0, lambda: asyncio.create_task(stubborn("child")))
        await asyncio.sleep(4)
        1 // 0
        """
    )
    rig.call("begin", text, 3500)
    assert rig.call("message", "a", b"")
    before = [text for _, text in rig.call("lines")]
    assert {"app: stubborn", "app: child", "app: timer"} <= set(before)
    rig.call("run", 1000)
    at = len(rig.call("lines"))
    assert not rig.call("message", "a", b"")
    rig.call("join", False)
    rig.call("change", text=None)
    rig.call("run", 20000)
    assert rig.call("lines")[at:] == []
    assert rig.call("told")["state"] == "none"


def test_an_exception_that_it_awaits_is_its_own_affair(rig: Rig) -> None:
    text = main(
        """
        async def other():
            raise ValueError
        task = asyncio.create_task(other())
        try:
            await task
        except ValueError:
            imp.log("caught")
        results = await asyncio.gather(other(), other(), return_exceptions=True)
        try:
            await asyncio.wait_for(asyncio.Event().wait(), 1)
        except asyncio.TimeoutError:
            imp.log("late")
        await asyncio.sleep(1000)
        """
    )
    rig.call("begin", text, 10000)
    assert rig.call("told")["state"] == "running"
    assert [text for _, text in rig.call("lines")][1:] == ["app: caught", "app: late"]


def test_an_exception_of_the_devices_own_is_none_of_the_application(rig: Rig) -> None:
    rig.call("begin", main("await asyncio.sleep(1e5)"), 1000)
    rig.call("blunder")
    assert rig.call("run", 30000)
    assert rig.call("told")["state"] == "running"
    assert any("of the device" in line for line in rig.output)


def test_one_that_holds_the_board_up_for_more_than_ten_seconds_at_a_time_is_a_crash(rig: Rig) -> None:
    text = "import time\n" + main("while True:\n    time.sleep(%d)\n    await asyncio.sleep(0)")
    rig.call("begin", text % 9, 5 * MINUTE)
    assert crashes(rig) == []
    rig.call("begin", text % 11, 5 * MINUTE)
    assert rig.call("told")["state"] == "stopped"
    assert "blocked" in crashes(rig)[0]


def test_one_that_leaves_no_memory_goes_before_the_device_does(rig: Rig) -> None:
    leak = """
        import gc
        hoard = None
        while True:
            gc.collect()
            while gc.mem_free() > 20000:
                for _ in range(20):
                    hoard = hoard, bytearray(100)
            hoard = hoard, bytearray(32)
            await asyncio.sleep_ms(100)
        """
    with Rig("application", heap="1M") as small:
        assert small.call("begin", main(leak), 5 * MINUTE, tick=1000)
        assert small.call("told")["state"] == "stopped"
        assert any("bytes left" in line for line in crashes(small)), crashes(small)


def test_what_main_leaves_behind_goes_on_after_its_end(rig: Rig) -> None:
    rig.call("begin", main("imp.on('a', lambda value: imp.log('heard'))"), 1000)
    assert rig.call("told")["state"] == "running"
    rig.call("message", "a", b"1")
    rig.call("run", 2 * MINUTE)
    assert rig.call("lines")[-1][1] == "app: heard"
    assert rig.call("told")["well"]
    rig.call("begin", main("pass"), 1000)
    assert rig.call("told")["state"] == "ended"


def test_no_application_is_well_and_takes_nothing(rig: Rig) -> None:
    rig.call("begin", None, 1000)
    told = rig.call("told")
    assert (told["state"], told["well"]) == ("none", True)


def test_what_was_deployed_by_hand_waits_for_the_end_of_a_trial_and_does_not_count_in_it(rig: Rig) -> None:
    rig.call("begin", main("raise ValueError"), 5 * MINUTE, place="deployed", on_trial=True)
    told = rig.call("told")
    assert (told["state"], told["well"], told["starts"]) == ("waiting", True, [])
    rig.call("trial_ends")
    rig.call("run", MINUTE)
    assert len(rig.call("told")["starts"]) == 5
    rig.call("begin", main("raise ValueError"), MINUTE, place="a", on_trial=True)
    assert len(rig.call("told")["starts"]) == 5 and not rig.call("told")["well"]


def test_one_that_has_caused_a_restart_leaves_the_first_minute_alone(rig: Rig) -> None:
    rig.call("begin", main("pass"), 2 * MINUTE, strikes=1)
    assert MINUTE <= rig.call("told")["starts"][0] < MINUTE + 1000
    rig.call("begin", main("pass"), 2 * MINUTE)
    assert rig.call("told")["starts"] == [0]


# Whole boards


@pytest.fixture
def flashed(tmp_path: Path) -> Iterator[Callable[..., Board]]:
    """Boards with an application in the factory's slot, and perhaps one that was deployed."""
    made: list[Board] = []

    def make(text: str, deployed: str = "", server: str = "") -> Board:
        (tmp_path / "app").mkdir()
        (tmp_path / "app" / "__init__.py").write_text("import asyncio\n" + text)
        (tmp_path / "board").mkdir()
        one = new_board(tmp_path / "board", server, app=tmp_path / "app")
        if deployed:
            one.touch("write", "/deployed/app/__init__.py", "import asyncio\n" + deployed)
        made.append(one)
        return one

    yield make
    for one in made:
        one.off()


def said(one: Board) -> list[str]:
    """What applications have logged, in all lives."""
    return [line.split("app: ")[1] for line in one.console() if "app: " in line and "boot" not in line]


def test_a_board_whose_application_is_left_out_says_so_and_a_day_later_takes_it_back(
    flashed: Callable[..., Board],
) -> None:
    one = flashed(
        "starts = []\n"
        + main(
            """
            starts.append(1)
            imp.log("start %d" % len(starts))
            if imp.uptime() < 3600:
                raise ValueError
            await asyncio.sleep(1e5)
            """
        )
    )
    one.on(MINUTE)
    assert said(one).count("start 1") == 5  # each time it is imported anew
    assert (one.state(), one.report()["app"]) == ("app-stopped", "stopped")
    screen = one.call("console", "status")
    assert "app       stopped, from slot factory" in screen and any("ValueError" in line for line in screen)
    one.call("leap", DAY - 2 * MINUTE)
    one.run(MINUTE)
    assert one.state() == "app-stopped"
    one.run(MINUTE)
    assert (one.state(), one.report()["app"]) == ("connected", "running")
    assert one.ends == [] and one.call("alive")


def test_one_that_was_deployed_by_hand_comes_before_the_slots(flashed: Callable[..., Board]) -> None:
    one = flashed(main("imp.log('slot')"), main("from app import more\nimp.log(more.text)"))
    one.touch("write", "/deployed/app/more.py", "text = 'deployed'\n")
    one.on(5000)
    assert said(one) == ["started, from deployed", "deployed", "main has ended"]
    assert one.report()["application"]["from"] == "deployed"
    one.off()
    one.touch("remove_tree", "/deployed")
    one.on(5000)
    assert said(one)[3:] == ["started, from factory", "slot", "main has ended"]


HANGS = "import time\n" + main("await asyncio.sleep(2)\nwhile True:\n    time.sleep(1)")
TAKES_IT_DOWN = "import machine, time\n" + main(
    """
    imp.settings["starts"] = imp.settings.get("starts", 0) + 1
    imp.settings.save()
    await asyncio.sleep(2)
    if imp.settings["starts"] % 2:
        machine.reset()
    while True:
        time.sleep(1)
    """
)
WELL = main("imp.log('well')\nawait asyncio.sleep(1e5)")


def stopped(report: Any) -> bool:
    return report["app"] == "stopped" and report["state"]["name"] == "app-stopped"


def test_one_that_takes_the_board_down_at_every_start_loses_before_the_release_does(
    flashed: Callable[..., Board],
) -> None:
    one = flashed(WELL, TAKES_IT_DOWN)
    one.on(1000)
    assert one.until(stopped, 6 * MINUTE, 15000)
    assert one.ends == [wholeboard.RESET, wholeboard.WATCHDOG, wholeboard.RESET]
    assert (one.update()["slot"], one.update()["suspect"]) == ("factory", None)
    one.off()
    one.on(10000)
    assert one.state() == "app-stopped"  # a pulled plug changes nothing; whoever restarts it wants to see it
    one.call("console", "restart")
    one.run(2000)
    assert one.report()["app"] == "running"
    one.until(stopped, 6 * MINUTE, 15000)
    one.off()
    one.touch("write", "/deployed/app/__init__.py", "import asyncio\n" + WELL)
    one.on(5000)
    assert one.report()["app"] == "running"


def test_a_reset_now_and_then_is_forgiven(flashed: Callable[..., Board]) -> None:
    one = flashed("import machine\n" + main("await asyncio.sleep(11 * 60)\nmachine.reset()"))
    one.on(1000)
    for count in range(1, 5):
        one.run(MINUTE + 2000)
        one.call("leap", 9 * MINUTE)
        assert one.until(lambda report, count=count: len(one.ends) == count, 3 * MINUTE, 15000)
    assert one.ends == [wholeboard.RESET] * 4


def test_a_good_release_is_confirmed_beside_a_deployed_application_that_hangs(
    flashed: Callable[..., Board], server: Server
) -> None:
    publish(server.folder, 2)
    one = flashed(WELL, HANGS, server.url)
    one.on(10000)  # before it hangs for the first time
    assert one.until(lambda report: report["update"]["highest"] == 2, 10 * MINUTE, 15000)
    assert one.until(stopped, 10 * MINUTE, 15000)
    assert (one.update()["slot"], one.update()["suspect"]) == ("a", None)


def test_a_restart_into_a_release_is_put_off_by_the_application_and_then_done(
    flashed: Callable[..., Board], server: Server
) -> None:
    publish(server.folder, 2)
    one = flashed(
        main(
            """
            asked = []
            def ask(number):
                asked.append(imp.uptime())
                imp.log("asked for %d" % number)
                return 3 * 3600 if len(asked) == 1 else 1800 if len(asked) == 2 else 0
            imp.update_ready(ask)
            """
        ),
        server=server.url,
    )
    one.on(MINUTE)
    assert one.state() == "update-waiting"
    assert 3500 < one.update()["put_off"] <= 3600
    assert any("put the restart off" in line for line in one.call("console", "status"))
    one.call("air", "Home", up=False)
    one.run(MINUTE)
    one.call("air", "Home", up=True)
    one.call("leap", 57 * MINUTE)
    one.run(2 * MINUTE)
    one.call("leap", 27 * MINUTE)
    one.run(MINUTE)
    assert one.ends == [] and one.state() == "update-waiting"
    one.run(2 * MINUTE)
    assert one.ends == [wholeboard.RESET] and one.update()["number"] == 2
    assert said(one).count("asked for 2") == 3


def test_no_application_puts_a_restart_off_for_more_than_a_day(
    flashed: Callable[..., Board], server: Server
) -> None:
    publish(server.folder, 2)
    one = flashed(main("imp.update_ready(lambda number: 1e9)"), server=server.url)
    one.on(10000)
    for _ in range(23):
        one.call("leap", HOUR - 5000)
        one.run(5000)
    assert one.ends == [] and one.update()["put_off"]
    one.call("leap", HOUR - 5000)
    one.run(10000)
    assert one.ends == [wholeboard.RESET]


def test_the_thermometer_of_the_examples_measures_heats_and_keeps_its_setpoint(tmp_path: Path) -> None:
    one = new_board(tmp_path, "", app=ROOT / "examples" / "thermometer" / "app")
    one.on(100)
    one.call("volts", 32, 0.69)  # 19 degrees
    one.call("take_messages")
    one.run(MINUTE)
    assert one.call("level", 18) == 1
    assert said(one)[-1] == "19.0 degrees, setpoint 20.0"
    one.call("hear", "setpoint", b"18.5")
    one.call("hear", "setpoint", b"hot")
    one.run(MINUTE)
    assert said(one)[-3:] == ["new setpoint 18.5", "no setpoint: 'hot'", "19.0 degrees, setpoint 18.5"]
    assert one.call("level", 18) == 0
    topic, data = one.call("sent")[-1]
    assert topic == "temperature"
    assert json.loads(data).items() >= {"setpoint": 18.5, "heating": False}.items()
    one.off()
    one.on(5000)
    assert said(one)[-2:] == ["-50.0 degrees, setpoint 18.5", "main has ended"]
    one.off()
