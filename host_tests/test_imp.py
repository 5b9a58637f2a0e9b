"""imp.py: what an application is given, and what it is refused."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

import pytest
from lutin_tools.board import folders
from unixport import Rig


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig("application") as r:
        yield r


def begin(rig: Rig, body: str, ms: int = 1000, **conditions: Any) -> None:
    """An application whose main has this body; the device must live on."""
    main = "async def main(imp):\n" + textwrap.indent(textwrap.dedent(body).strip() + "\n", "    ")
    assert rig.call("begin", main, ms, **conditions)


def said(rig: Rig, prefix: str = "app: ") -> list[str]:
    return [text.removeprefix(prefix) for _, text in rig.call("lines") if text.startswith(prefix)]


def refused(rig: Rig, expression: str) -> str:
    """The name of what an expression is refused with."""
    begin(rig, f"try:\n    {expression}\n    imp.log('taken')\nexcept imp.Error as e:\n    imp.log(e.name)")
    return said(rig)[1]


# Log and messages


def test_log_lines_have_their_level_and_stay_on_one_line(rig: Rig) -> None:
    begin(rig, "imp.log('one\\ntwo', 'warn'); imp.log(3, 'error'); imp.log(None)")
    assert rig.call("lines")[1:4] == [["W", "app: one two"], ["E", "app: 3"], ["I", "app: None"]]
    assert refused(rig, "imp.log('x', 'loud')") == "no-such-level"


def test_a_flood_of_lines_leaves_the_devices_own_in_the_log(rig: Rig) -> None:
    begin(rig, "imp.log('first')\nwhile True:\n    imp.log('again')\n    await asyncio.sleep_ms(10)", 4000)
    assert len(said(rig)) <= 26
    rig.call("run", 100000)
    assert any("lines left out" in line for line in said(rig))
    assert rig.call("told")["state"] == "running"


def test_values_are_sent_as_they_are_or_as_json(rig: Rig) -> None:
    begin(
        rig,
        """
        for value in ("21.5", b"\\x00\\xff", bytearray(b"x"), 21, [True, None], {"a": "b"}):
            assert imp.send("value", value) is True
        imp.send("kept", "x", retain=True)
        """,
    )
    sent = rig.call("told")["sent"]
    assert [data for _, data, _ in sent] == [
        b"21.5",
        b"\x00\xff",
        b"x",
        b"21",
        b"[true, null]",
        b'{"a": "b"}',
        b"x",
    ]
    assert [(topic, retain) for topic, _, retain in sent] == [("value", False)] * 6 + [("kept", True)]


@pytest.mark.parametrize("topic", ["''", "'a/b'", "'+'", "'#'", "'a b'", "'x' * 65", "'a\\0'", "5", "None"])
def test_a_topic_that_could_not_be_is_refused(rig: Rig, topic: str) -> None:
    assert refused(rig, f"imp.send({topic}, 1)") == "topic-invalid"
    assert refused(rig, f"imp.on({topic}, print)") == "topic-invalid"


def test_a_value_that_is_too_large_is_refused_and_a_flood_is_not_sent(rig: Rig) -> None:
    assert refused(rig, "imp.send('a', 'x' * 5000)") == "value-too-large"
    begin(rig, "while True:\n    imp.send('a', 1)\n    await asyncio.sleep_ms(1)", 10000)
    assert 100 <= len(rig.call("told")["sent"]) <= 170


def test_messages_come_one_after_the_other_as_what_they_say(rig: Rig) -> None:
    begin(
        rig,
        """
        async def slow(value):
            await asyncio.sleep(1)
            imp.log(repr(value))
        imp.on("slow", slow)
        imp.on("fast", lambda value: imp.log(repr(value)))
        """,
    )
    rig.call("message", "slow", b'{"a": 1}')
    for data in (b"21.5", b"on", b"\xff\xfe", b""):
        assert rig.call("message", "fast", data)
    rig.call("run", 500)
    assert said(rig)[2:] == []
    rig.call("run", 1000)
    assert said(rig)[2:] == ["{'a': 1}", "21.5", "'on'", "b'\\xff\\xfe'", "''"]
    assert rig.call("told")["state"] == "running"


def test_messages_for_handlers_that_are_busy_do_not_fill_the_memory(rig: Rig) -> None:
    begin(rig, "async def stuck(value):\n    await asyncio.Event().wait()\nimp.on('a', stuck)")
    for _ in range(500):
        rig.call("message", "a", bytes(100))
    assert 0 < sum("is lost" in line for line in said(rig)) <= 21


# Settings


def test_settings_are_there_after_a_crash_and_another_start(rig: Rig) -> None:
    begin(
        rig,
        """
        imp.settings["runs"] = imp.settings.get("runs", 0) + 1
        imp.settings["never"] = imp.settings.get("never", 0)
        imp.settings.save()
        imp.settings["never"] = 1
        imp.log("run %d %d" % (imp.settings["runs"], imp.settings["never"]))
        if imp.settings["runs"] < 3:
            raise ValueError
        """,
        60000,
    )
    assert [line for line in said(rig) if line.startswith("run")] == ["run 1 1", "run 2 1", "run 3 1"]


@pytest.mark.parametrize("torn", ["before", "start", "middle", "noise", "end"])
def test_a_power_cut_at_any_flash_operation_leaves_the_old_settings_or_the_new(rig: Rig, torn: str) -> None:
    found, whole = rig.call("cuts", torn)
    assert whole and len(found) >= 3
    assert set(found) <= {20.5, 23}
    assert found == sorted(found) and found[0] == 20.5


def test_what_cannot_be_stored_is_refused_by_name_and_the_old_stays(rig: Rig) -> None:
    assert refused(rig, "imp.settings['a'] = 'x' * 4080; imp.settings.save()") == "settings-too-large"
    assert refused(rig, "imp.settings['a'] = float('nan'); imp.settings.save()") == "settings-not-json"
    assert refused(rig, "imp.settings['a'] = 'x' * 4060; imp.settings.save()") == "taken"
    assert rig.call("settings_on", 8, "error") == ["no-sector-left", {"a": 1}]
    assert rig.call("settings_on", 3, "error") == [None, {"a": 2}]


def test_an_application_that_saves_without_end_does_not_wear_out_the_flash(rig: Rig) -> None:
    begin(
        rig,
        """
        saved = 0
        for i in range(600):
            imp.settings["i"] = i
            try:
                imp.settings.save()
                saved += 1
            except imp.Error as e:
                why = e.name
            await asyncio.sleep(10)
        imp.log("%d %s" % (saved, why))
        """,
        6100000,
    )
    saved, why = next(line for line in said(rig) if "often" in line).split()
    assert why == "saved-too-often" and 25 <= int(saved) <= 31


# Light, pins, time


def test_its_light_is_seen_only_while_the_devices_own_is_dark(rig: Rig) -> None:
    begin(rig, "imp.light('G1R1')", 1000)
    assert [colour for _, colour in rig.call("told")["light"][-3:]] in (["G", "R", "G"], ["R", "G", "R"])
    rig.call("say", 1, True)  # no-settings: amber
    rig.call("run", 100)
    seen = len(rig.call("told")["light"])
    rig.call("run", 30000)
    assert {colour for _, colour in rig.call("told")["light"][seen:]} == {"A", "-"}
    rig.call("say", 1, False)
    rig.call("run", 5000)
    seen = len(rig.call("told")["light"])
    rig.call("run", 1000)
    assert {colour for _, colour in rig.call("told")["light"][seen:]} == {"G", "R"}


def test_its_light_goes_with_it(rig: Rig) -> None:
    begin(rig, "imp.light('G8')\nawait asyncio.sleep(2)\nraise ValueError", 1000)
    assert rig.call("told")["light"][-1][1] == "G"
    rig.call("run", 1500)
    assert rig.call("told")["light"][-1][1] == "-"


@pytest.mark.parametrize(
    "cells", ["G", "G0", "G100", "B1", "1", "G1x", "'" + "G1" * 40 + "'", "5", "b'G1'", "G1 R1"]
)
def test_a_pattern_that_is_none_is_refused(rig: Rig, cells: str) -> None:
    cells = cells if cells[0] in "'b5" else repr(cells)
    assert refused(rig, f"imp.light({cells})") == "light-invalid"


def test_pins_go_by_the_boards_names_and_those_of_the_device_are_not_among_them(rig: Rig) -> None:
    begin(
        rig,
        """
        out = imp.pin("IO4", 3, value=1)
        imp.log("level %d" % out())
        """,
    )
    assert said(rig)[1] == "level 1"
    assert refused(rig, "imp.pin('IO34')") == refused(rig, "imp.pin('SENSOR')") == "no-such-pin"
    board = folders.named("unix")
    assert rig.call("pins", EYE=34, RED=25, BOOT=0) == board.free
    ours = {*board.led.pins, board.sensor.pin, board.button.pin if board.button else 0}
    assert not ours & set(board.free.values())


def test_a_wakeup_comes_once_at_its_time_and_can_be_cancelled(rig: Rig) -> None:
    begin(
        rig,
        """
        async def late():
            imp.log("late at %d" % imp.uptime())
        imp.wakeup(0.5, lambda: imp.log("soon"))
        imp.wakeup(7 * 86400, late)
        imp.wakeup(1, lambda: imp.log("never")).cancel()
        """,
        600,
        tick=3600000,
    )
    assert said(rig)[1:] == ["main has ended", "soon"]
    rig.call("run", 7 * 86400000)
    assert said(rig)[3:] == ["late at 604800"]
    assert rig.call("told")["state"] == "ended"


def test_it_hears_of_the_network_and_knows_its_device(rig: Rig) -> None:
    begin(
        rig,
        """
        imp.on_connect(lambda: imp.log("here %d" % imp.connected()))
        async def gone():
            imp.log("gone %d" % imp.connected())
        imp.on_disconnect(gone)
        imp.log("%s %s %s %d" % (imp.id, imp.name, imp.board, imp.rssi()))
        """,
    )
    rig.call("join", False)
    rig.call("run", 10)
    rig.call("join", True)
    rig.call("run", 10)
    assert said(rig)[1:] == ["240ac4123456 Kitchen unix -60", "main has ended", "gone 0", "here 1"]


def test_a_restart_of_its_own_is_known_as_one(rig: Rig) -> None:
    begin(rig, "imp.restart()")
    assert rig.call("told")["restarts"] == [False]


# Restarts for updates


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [("60", 60), ("0.5", 0.5), ("10**9", 10**9), ("None", 0), ("-5", 0), ("'60'", 0), ("True", 0)]
    + [("float('nan')", 0), ("[60]", 0), ("{}", 0)],
)
def test_an_answer_about_a_restart_is_a_number_of_seconds_or_no_objection(
    rig: Rig, answer: str, seconds: float
) -> None:
    begin(rig, f"imp.update_ready(lambda number: {answer} if number == 7 else 0)")
    assert rig.call("ready", 7)[0] == seconds
    assert rig.call("ready", 8)[0] == 0
    begin(
        rig, f"async def ask(number):\n    await asyncio.sleep(1)\n    return {answer}\nimp.update_ready(ask)"
    )
    assert rig.call("ready", 7)[0] == seconds


@pytest.mark.parametrize("body", ["return 1 // 0", "await asyncio.Event().wait()", "raise SystemExit"])
def test_a_handler_that_crashes_or_hangs_has_no_objection(rig: Rig, body: str) -> None:
    begin(rig, f"async def ask(number):\n    {body}\n    return 60\nimp.update_ready(ask)")
    seconds, ms = rig.call("ready", 7)
    assert seconds == 0 and ms <= 5000
    assert rig.call("run", 10000)
