"""tools/lutin_tools/usb/: a board at hand, over its serial line."""

from __future__ import annotations

import base64
import io
import json
import math
import os
import pty
import random
import re
import subprocess
import threading
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from lutin_tools import cli
from lutin_tools.flash.mishaps import Mishap
from lutin_tools.flash.port import Port, only
from lutin_tools.paths import micropython
from lutin_tools.usb import line, listen, sensor, settings, update
from lutin_tools.usb.listen import Trace
from ptyboard import PtyBoard
from wholeboard import Server, publish

PASSWORD = "correct-horse-9"


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PtyBoard]:
    one = PtyBoard(tmp_path_factory.mktemp("board"))
    yield one
    one.off()


def wait(board: PtyBoard) -> None:
    """Until it has read its release: the unix port may hang if Ctrl-C comes while it makes many strings."""
    with line.Line(board.port) as one:
        while not one.report()["update"]["number"]:
            pass


@pytest.fixture
def lutin(board: PtyBoard, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """The command; (exit code, what it printed, what it complained of)."""

    def run(*words: str, typed: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        wait(board)
        code = cli.main([*words, "--port", board.port])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_status_and_log_say_what_the_console_says(lutin):
    code, out, _ = lutin("status")
    assert code == 0
    assert out.startswith("state ")
    assert "release   1 (1) in slot factory" in out
    assert json.loads(lutin("status", "--json")[1])["board"] == "unix"
    code, out, _ = lutin("log")
    assert code == 0
    assert "start: " in out
    assert "{" not in out


def test_settings_go_through_the_door_that_blinkup_has_and_no_password_comes_back(lutin, board, tmp_path):
    made = tmp_path / "ca.pem"
    made.write_bytes(_certificate())
    words = ("--network", "Home", "--password-stdin", "--name", "kitchen lamp", "--ca", str(made))
    code, out, err = lutin("settings", *words, typed=PASSWORD + "\n")
    assert (code, err) == (0, "")
    assert "network   Home, with a password" in out
    assert "kitchen lamp" in out
    assert "holds     a CA" in out
    assert "generation 1" in out
    shown = json.loads(lutin("settings", "--json")[1])
    assert shown["settings"]["networks"] == [
        {"ssid": "Home", "password": True, "static": None, "proxy": None}
    ]
    assert shown["generation"] == 1
    assert PASSWORD.encode() not in board.said
    assert PASSWORD not in out


def test_no_space_is_lost_where_settings_are_cut_into_pieces(lutin, monkeypatch):
    monkeypatch.setattr(line, "_PIECE", 1)
    assert lutin("settings", "--name", "a  lamp ")[0] == 0
    assert json.loads(lutin("settings", "--json")[1])["settings"]["name"] == "a  lamp "


def test_what_a_board_refuses_is_named_and_nothing_changes(lutin):
    before = lutin("settings", "--json")[1]
    for words, name in (
        (("--server", "ftp://example"), "server-invalid"),
        (("--broker", "http://example"), "broker-invalid"),
        (("--name", "x" * 33), "device-name-too-long"),
        (("--network", "N", "--open", "--static", "1.2.3.4"), "static-address-incomplete"),
    ):
        code, _, err = lutin("settings", *words)
        assert code == 1
        assert name in err
    assert lutin("settings", "--json")[1] == before


def test_update_says_that_nothing_is_new_and_why_a_look_has_failed(lutin, tmp_path, monkeypatch):
    monkeypatch.setattr(update, "_STEP", 0.2)
    lutin("settings", "--network", "Home", "--password-stdin", typed=PASSWORD + "\n")
    publish(tmp_path / "releases", 1)
    server = Server(tmp_path / "releases")
    try:
        code, out, err = lutin("update", server.url)
        assert (code, err) == (0, "")
        assert "Nothing new: release 1 (1) is the newest." in out
        (tmp_path / "releases" / "release.json").unlink()
        code, _, err = lutin("update", "--quiet")
        assert code == 1
        assert "It failed: http-404" in err
    finally:
        server.close()


def test_an_application_is_deployed_read_back_and_removed(lutin, board, tmp_path, monkeypatch):
    (tmp_path / "app").mkdir()
    code, _, err = lutin("app", "deploy", str(tmp_path / "app"))
    assert (code, "async def main(imp)" in err) == (1, True)
    (tmp_path / "app" / "__init__.py").write_text(
        "async def main(imp):\n    imp.log('hello from the desk')\n"
    )
    (tmp_path / "app" / "table.bin").write_bytes(bytes(range(256)) * 3)
    starts = board.starts
    code, out, err = lutin("app", "deploy", str(tmp_path / "app"))
    assert (code, err) == (0, "")
    assert "2 files" in out
    assert board.files()["deployed/app/table.bin"] == bytes(range(256)) * 3
    with line.Line(board.port) as open_line:
        while not any("hello from the desk" in text for text in open_line.text("log")):
            assert open_line.report()["uptime"] < 20  # a moment after the rest, and not on probation
        assert open_line.report()["application"]["restarts"] == 0
    assert board.starts == starts + 1
    run = line.Line.run
    with monkeypatch.context() as patch:
        patch.setattr(
            line.Line, "run", lambda self, code, *more: run(self, code.replace("\\x00\\x01", ""), *more)
        )
        code, _, err = lutin("app", "deploy", str(tmp_path / "app"))
    assert (code, "is not what was written" in err) == (1, True)
    assert board.files()["deployed/app/table.bin"] == bytes(range(256)) * 3
    (tmp_path / "app" / "table.bin").write_bytes(b"another")
    assert lutin("app", "deploy", str(tmp_path / "app"))[0] == 0
    assert board.files()["deployed/app/table.bin"] == b"another"
    assert "It is gone." in lutin("app", "remove")[1]
    assert not any(name.startswith("deployed") for name in board.files())
    assert "There was none" in lutin("app", "remove")[1]


def test_listen_records_a_trace_says_how_the_sensor_is_and_starts_lutin_again(lutin, board, tmp_path):
    starts = board.starts
    code, out, err = lutin("listen", "--seconds", "1", "-o", str(tmp_path / "trace.bin"), "--decode")
    assert "Hold the sending screen" in err
    assert "samples in" in out
    assert code == 1  # nobody shines at it
    assert (tmp_path / "trace.bin").stat().st_size % 6 == 0
    assert '"reason": "no-sync"' in out
    with line.Line(board.port) as open_line:
        open_line.report()
    assert board.starts == starts + 1


def test_whatever_goes_wrong_meanwhile_the_board_is_started_again(board):
    wait(board)
    starts = board.starts
    with line.Line(board.port) as one:
        with pytest.raises(Mishap, match="NameError"), one.stopped():
            one.run("nonsense")
        one.report()
    assert board.starts == starts + 1


# Without a board


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, str]]:
    """A port at which something is that is not lutin."""
    monkeypatch.setattr(line, "_WAKING", 0.3)
    monkeypatch.setattr(line, "_ANSWER", 0.3)
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    yield ours, os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


def test_answers_to_an_earlier_question_are_not_taken_for_this_one(deaf):
    ours, port = deaf
    with line.Line(port) as one:
        os.write(ours, b'le": 1}\r\n{"put": 0}\r\n{"put": 0}\r\n{"put": 3}\r\nstate well\r\n{"put": 0}\r\n')
        assert one.text("status") == ["state well"]


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (b"", "The board says nothing."),
        (b"NMEA $GPGGA\r\n", "it is not lutin's console. The last line was: NMEA $GPGGA"),
        (b"Traceback\r\n>>> ", "MicroPython runs and lutin does not"),
    ],
)
def test_who_does_not_answer_as_lutin_is_told_apart(deaf, said, sentence):
    ours, port = deaf
    with line.Line(port) as one:
        os.write(ours, said)
        with pytest.raises(Mishap, match=re.escape(sentence)):
            one.report()


def test_a_port_that_goes_with_a_restart_is_opened_again(tmp_path, monkeypatch):
    monkeypatch.setattr(line, "_BACK", 1.0)
    port = tmp_path / "port"
    ends = []
    for _ in range(2):
        ends.append(pty.openpty())
        tty.setraw(ends[-1][1])
    port.symlink_to(os.ttyname(ends[0][1]))
    with line.Line(str(port)) as one:
        os.write(ends[0][0], b"before\n")
        said = one.lines(5)
        assert next(said) == "before"
        os.close(ends[0][0])
        port.unlink()
        port.symlink_to(os.ttyname(ends[1][1]))
        # Who opens a port throws away what was said before.
        later = threading.Timer(0.5, os.write, (ends[1][0], b"after\n"))
        later.start()
        assert next(said) == "after"
        os.close(ends[1][0])
        port.unlink()
        with pytest.raises(Mishap, match="has gone from"):
            one.say("status")


def test_a_port_that_is_not_there_or_not_the_only_one_is_explained(capsys):
    assert cli.main(["status", "--port", "/dev/ttyNONE"]) == 1
    assert "There is no /dev/ttyNONE" in capsys.readouterr().err
    usb, mouse = Port("/dev/ttyUSB0", 0x10C4, 0xEA60), Port("/dev/ttyACM0", 1, 2, "a mouse")
    assert only([usb, mouse]) == "/dev/ttyUSB0"
    for ports, word in (([usb, usb], "more than one"), ([mouse], "looks like a board"), ([], "No board")):
        with pytest.raises(Mishap, match=word):
            only(ports)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--open"], "about a --network"),
        (["--network", "N"], "nobody to ask"),
        (["--network", "N", "--open", "--password", "whatever-else"], "is enough"),
        (["--network", "N", "--password-stdin"], "No password was given"),
        (["--clear", "--name", "x"], "stands alone"),
        (["--network", "N", "--open", "--proxy", "nonsense"], "host:port"),
        (["--cert", "/dev/null"], "belong together"),
        (["--ca", "/dev/null"], "no certificate"),
        (["--ca", "/nowhere"], "No such file"),
    ],
)
def test_settings_that_make_no_sense_are_refused_before_the_board_is_bothered(words, sentence, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(Mishap, match=sentence):
        settings.packet(cli.parser().parse_args(["settings", *words]))


def test_a_certificate_and_a_key_go_to_the_board_in_der(tmp_path):
    pem, key = tmp_path / "c.pem", tmp_path / "k.pem"
    pem.write_bytes(_certificate(key))
    words = ["settings", "--ca", str(pem), "--cert", str(pem), "--key", str(key)]
    packet = settings.packet(cli.parser().parse_args(words))
    assert packet["ca"] == packet["cert"]
    assert packet["ca"].startswith("MII") or packet["ca"].startswith("MI")
    assert set(packet) == {"ca", "cert", "key"}
    assert serialization.load_der_private_key(base64.b64decode(packet["key"]), None)
    assert settings.packet(cli.parser().parse_args(["settings", "--ca", ""])) == {"ca": ""}


REPORT = {
    "uptime": 100,
    "update": {
        "slot": "a", "number": 1, "version": "1", "trial": None, "progress": None, "next": 900,
        "failure": {"name": "an-older-one", "detail": "", "count": 1},
        "rejected": 1, "put_off": None,
    },
}  # fmt: skip


def _reported(up: int = 100, **more: object) -> dict:
    return {"uptime": up, "update": {**REPORT["update"], **more}}


@pytest.mark.parametrize(
    ("reports", "good", "text"),
    [
        ([_reported(next=0), _reported(next=21000)], True, "Nothing new"),
        ([_reported(next=0, progress=[1, 2]), _reported(5, number=2, trial={"number": 2}), _reported(70, number=2)], True, "Release 2"),
        ([_reported(5, number=2, trial={"number": 2}), _reported(3)], False, "failed its trial"),
        ([_reported(5, rejected=2)], False, "failed its trial"),
        ([_reported(5), _reported(90, next=21000)], True, "Nothing new"),
        ([_reported(number=1, trial={"number": 1}), _reported(160)], True, "Release 1 (1) runs, and is confirmed"),
        ([_reported(number=1, trial={"number": 1}), _reported(5, number=0)], False, "release 0 runs again"),
        ([_reported(put_off=3000)], True, "for 3000 s more"),
        ([_reported(failure={"name": "refused", "detail": "", "count": 2})], False, "It failed: refused"),
        ([_reported(slot=None)], False, "tree of sources"),
    ],
)  # fmt: skip
def test_what_becomes_of_an_update_is_said(reports, good, text):
    follower = update.Follower(REPORT)
    outcomes = [follower.see(report) for report in reports]
    assert outcomes[:-1] == [None] * (len(reports) - 1)
    assert outcomes[-1] is not None
    assert (outcomes[-1].good, text in outcomes[-1].text) == (good, True)


class OnAnErrand:
    """A line to a board that restarts to fetch a release, while it is asked, and says nothing but its log then."""

    def __init__(self) -> None:
        self.reports = [REPORT, _reported(5, number=2, trial={"number": 2}), _reported(70, number=2)]
        self.reports[0] = {**REPORT, "settings": {"server": "http://x/", "networks": [{}]}}
        self.asked = 0
        self.log = iter(
            [
                [],
                ["      0.100 I state: downloading (release 2)"],
                ["     61.000 I restart"],
                ["      0.000 I start: reset, board x, id 1"],
                [],
            ]
        )

    def say(self, command: str) -> None:
        assert command == "update"

    def lines(self, seconds: float) -> list[str]:
        return next(self.log)

    def report(self, other=None) -> dict:
        self.asked += 1
        if self.asked == 2:
            other("      0.000 I start: for an update alone")
            raise Mishap("The board says nothing.")
        report = self.reports.pop(0)
        return {"state": {"name": "x", "sentence": "X."}, **report}


def test_a_board_that_answers_nobody_while_it_fetches_a_release_is_waited_for():
    shown: list[str] = []
    board: Any = OnAnErrand()
    outcome = update.follow(board, shown.append)
    assert (outcome.good, "Release 2" in outcome.text) == (True, True)
    assert "in a life of its own: downloading (release 2)" in shown


def test_samples_come_back_from_the_characters_that_a_board_sends():
    trace = Trace()
    trace.feed(b"\r\nO")
    trace.feed(b"K"[:0] + b"1m0")  # "O1m0": O is a character of the set
    assert trace.samples == [
        (8 * ((ord("O") - 48) * 64 + 1), 0xF400 | 0xF40 >> 8 >> 4 | (61 * 64) >> 8 & 0xF)
    ]
    trace.feed(b"~000" + b"0m" + b"oo")
    assert trace.samples[1][0] - trace.samples[0][0] == 8 * (4095 + 61)
    assert trace.samples[1][1] == 65535


def test_what_the_board_sends_are_its_samples_and_their_times(tmp_path):
    (tmp_path / "lutin").mkdir()
    (tmp_path / "lutin" / "__init__.py").write_text("")
    (tmp_path / "lutin" / "led.py").write_text("")
    (tmp_path / "lutin" / "board.py").write_text(
        "import time\n"
        "class Light:\n"
        "    def show(self, colour): pass\n"
        "status_led = Light\n"
        "values = [0x1230, 0xFFF0, 0]\n"
        "def light_sensor(): return read\n"
        "def read():\n"
        "    values.append(values.pop(0))\n"
        "    if values[0] == 0: time.sleep_ms(50)\n"
        "    return values[-1]\n"
    )
    code = "class _dog: feed = lambda: None\n" + listen._ON_THE_BOARD + "_listen(300)"
    command = [micropython(), "-c", code]
    said = subprocess.run(
        command, cwd=tmp_path, capture_output=True, env={"MICROPYPATH": ":.frozen"}, check=True
    )
    trace = Trace()
    trace.feed(said.stdout)
    assert [value for _, value in trace.samples[:4]] == [0x1231, 65535, 0, 0x1231]
    assert trace.samples[1][0] >= 1000
    assert all(trace.samples[i][0] - trace.samples[i - 1][0] > 45000 for i in range(2, len(trace.samples), 3))
    assert 300000 <= trace.samples[-1][0] < 400000


def _light(level: float, swing: float = 0.0, hertz: float = 0.0, lamp: float = 0.0) -> list[tuple[int, int]]:
    """A sender's light between level and level + swing, with a lamp's on it; parts of full scale."""
    dice = random.Random(1)
    out = []
    for i in range(6000):
        us = i * 1000 + dice.randrange(100)
        value = level + swing * (us // 16667 % 2) * (0.5 if us // 33333 % 3 else 1)
        value += lamp * math.sin(2 * math.pi * hertz * us / 1e6) + dice.gauss(0, 0.002)
        out.append((us, max(0, min(65535, int(value * 65535)))))
    return out


@pytest.mark.parametrize(
    ("samples", "word", "ohms"),
    [
        (_light(0.05, 0.6), "is well", None),
        (_light(0.0), "sees nothing", None),
        (_light(0.01, 0.04), "Too dark", 56000),
        (_light(0.05, 1.5), "saturated in", 2200),
        (_light(0.6, 0.8), "bright even", 680),
        (_light(0.1, 0.4, 100, 0.15), "flickers at 100 Hz", None),
        (_light(0.1, 0.4, 120.2, 0.15), "flickers at 120 Hz", None),
        (_light(0.2, 0.4, 240, 0.2), "flickers at 240 Hz, by", None),
        ([], "no samples", None),
    ],
)
def test_the_sensor_is_judged_and_the_resistor_to_try_is_named(samples, word, ohms):
    found = sensor.judge(samples, 4700)
    assert word in found[0].text
    assert found[0].ohms == ohms
    if ohms:
        assert sensor.said(ohms) in found[0].text


def test_resistors_are_those_that_shops_have():
    assert [sensor.e12(ohms) for ohms in (4700, 5000, 9900, 11, 1, 940000)] == [
        4700,
        4700,
        10000,
        12,
        10,
        1000000,
    ]
    assert [sensor.said(ohms) for ohms in (680, 4700, 82000, 1000000)] == ["680 Ω", "4.7 kΩ", "82 kΩ", "1 MΩ"]


def _certificate(key: Path | None = None) -> bytes:
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "desk")])
    now = datetime.datetime(2026, 1, 1)
    made = x509.CertificateBuilder(name, name, private.public_key(), 1, now, now + datetime.timedelta(days=9))
    if key:
        kinds = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        key.write_bytes(private.private_bytes(serialization.Encoding.PEM, *kinds))
    return made.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
