"""`lutin serve` as a whole server: its broker, its log, its announcement, and what its page may ask."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from fake_device import STATUS, FakeDevice
from homeserver import KEY, HomeServer
from hypothesis import given
from hypothesis import strategies as st
from lutin_tools import cli
from lutin_tools.home import broker, messages, server
from lutin_tools.home.logs import Logs
from lutin_tools.home.messages import Filter, Line
from lutin_tools.release import check, read
from unixport import ROOT
from zeroconf import ServiceBrowser, ServiceListener, Zeroconf

DEADLINE = 60  # s
MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")


def until(true: Callable[[], Any]) -> Any:
    """Wait for it; nothing here takes long, except on a machine that is busy."""
    deadline = time.monotonic() + DEADLINE
    while not (value := true()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return value


def known(home: HomeServer, device: str) -> dict[str, Any]:
    """What pages are told of a device."""
    found = home.home._devices.get(device)
    return found.message() if found else {"online": False, "claimed": False, "status": {"name": None}}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HomeServer]:
    served = HomeServer(tmp_path_factory.mktemp("home"), key=True)
    yield served
    served.close()


# --- what devices say ------------------------------------------------------------------------------


@given(st.one_of(st.binary(max_size=200), st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), lambda s: st.lists(s) | st.dictionaries(st.sampled_from([*STATUS, "start", "seq", "up", "level", "text", "dropped", "number", "ssid"]), s), max_leaves=20).map(lambda value: json.dumps(value).encode())))  # fmt: skip
def test_whatever_a_device_says_is_refused_or_harmless(data: bytes) -> None:
    for understand in (messages.status, messages.line, messages.availability):
        try:
            value = understand(data)
        except messages.Refused:
            continue
        text = json.dumps(
            value if not isinstance(value, Line) else vars(value), allow_nan=False, ensure_ascii=False
        )
        assert text.isprintable()


def test_a_status_that_is_wrong_in_places_is_taken_for_the_rest() -> None:
    wrong = {
        **STATUS,
        "network": 5,
        "uptime": "long",
        "name": "<b>\x1b[31m\u202e",
        "state": {"number": 17, "detail": ["x"]},
        "more": 1,
    }
    status = messages.status(json.dumps(wrong).encode())
    assert (status["network"], status["uptime"], status["name"]) == (None, None, "<b>\ufffd[31m\ufffd")
    assert status["state"] == {"number": 17, "name": None, "sentence": None, "detail": None}
    assert status["release"]["number"] == 3 and "more" not in status


# --- the log ---------------------------------------------------------------------------------------


def line(seq: int, text: str = "x", **more: Any) -> Line:
    return Line(**{"start": "a", "seq": seq, "up": seq * 1000, "level": 0, "text": text, **more})


def texts(log: Logs, **wanted: Any) -> list[str]:
    return [one["text"] for one in log.find(Filter(**wanted))]


def test_a_line_is_kept_once_and_a_gap_shows_until_it_is_filled(tmp_path: Path) -> None:
    log = Logs(tmp_path / "log.sqlite")
    add = lambda *lines: log.add([("d", one, 1000 + one.seq, None) for one in lines])  # noqa: E731
    assert len(add(line(1), line(2))) == 2
    assert add(line(2, "again")) == []
    assert [one["text"] for one in add(line(10, "ten"))] == ["7 lines lost", "ten"]
    add(line(6, "six"))
    assert texts(log) == ["x", "x", "3 lines lost", "six", "3 lines lost", "ten"]
    # What the device itself says of lines that it has lost; and another start, or device, is none.
    add(line(11, "4 lines lost", dropped=4), line(15))
    log.add([("d", line(1, start="b"), 2000, None), ("e", line(90), 2000, None)])
    assert [one["dropped"] for one in log.find(Filter())] == [0, 0, 3, 0, 3, 0, 4, 0, 0, 0]


def test_a_line_from_before_the_connection_has_the_time_at_which_it_was_logged(tmp_path: Path) -> None:
    log = Logs(tmp_path / "log.sqlite")
    for seq, up in ((1, 1), (2, 2), (3, 3600)):
        log.add([("d", line(seq, up=up * 1000, offline=True), 1_000_000, None)])
    assert [round(one["time"]) for one in log.find(Filter())] == [996_401, 996_402, 1_000_000]
    log.add([("d", line(4, up=3_700_000), 1_000_000, None)])  # live: so it started 3700 s ago
    assert [round(one["time"]) for one in log.find(Filter())] == [996_301, 996_302, 999_900, 1_000_000]
    # A status has told when it started.
    log.add([("e", line(5, offline=True), 1_000_000, 999_000)])
    assert log.find(Filter(device="e"))[0]["time"] == 999_005


def test_the_oldest_lines_go(tmp_path: Path) -> None:
    log = Logs(tmp_path / "log.sqlite", lines=100)
    log.add([("d", line(n, str(n)), n, None) for n in range(1, 251)])
    assert (log.count(), texts(log)[0], texts(log)[-1]) == (100, "151", "250")
    log = Logs(tmp_path / "small.sqlite", megabytes=0.3)
    for block in range(20):
        log.add([("d", line(block * 100 + n, "y" * 200), n, None) for n in range(1, 101)])
    assert 300 < log.count() < 1500
    assert sum(path.stat().st_size for path in tmp_path.glob("small.sqlite")) < 600_000


def test_it_is_searched_by_words_device_level_and_time(tmp_path: Path) -> None:
    log = Logs(tmp_path / "log.sqlite")
    for n, (device, level, text) in enumerate(
        [("d", 0, "Pumpe läuft"), ("e", 1, "pump 100% '; DROP"), ("d", 2, "WÄRME_zu_hoch pump")]
    ):
        log.add([(device, line(1, text, level=level, start=str(n)), 100 + n, None)])
    search = lambda **message: texts(log, **vars(messages.wanted(message)))  # noqa: E731
    assert len(search()) == 3 and len(search(text="PUMP")) == 3
    assert search(text="pump wärme") == search(level="error") == ["WÄRME_zu_hoch pump"]
    assert (
        search(text="100% ';") == search(device="e") == search(since=101, until=102) == ["pump 100% '; DROP"]
    )
    assert search(text="l_u") == search(text="%")[:0] == search(device="d", level="warn", until=102) == []
    newest = log.find(Filter(), most=1)[0]
    assert [one["text"][0] for one in log.find(Filter(), (newest["time"], newest["id"]))] == ["P", "p"]
    for wrong in ({"device": "../x"}, {"text": 5}, {"level": "all"}, {"since": "now"}, {"text": "x" * 201}):
        with pytest.raises(messages.Refused):
            messages.wanted(wrong)


def test_what_was_kept_outlives_kill_9(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom lutin_tools.home.logs import Logs\n"
        "from lutin_tools.home.messages import Line\nlog = Logs(Path(sys.argv[1]))\n"
        "for n in range(1, 10**6):\n"
        "    log.add([('d', Line('a', n, n, 0, 'x'), n, None)])\n    print(n, flush=True)\n"
    )
    path = tmp_path / "log.sqlite"
    env = {**os.environ, "PYTHONPATH": str(ROOT / "tools")}
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, env=env, text=True
    ) as process:
        assert process.stdout
        said = [int(process.stdout.readline()) for _ in range(300)]
        process.send_signal(signal.SIGKILL)
        said += [int(one) for one in process.stdout if one.endswith("\n")]
    log = Logs(path)
    assert said[-1] <= log.count() <= said[-1] + 1
    assert log.add([("d", line(said[-1]), 1, None)]) == []


def test_a_log_that_cannot_be_used_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "damaged").write_bytes(b"no database" * 1000)
    sqlite3.connect(tmp_path / "other").execute("CREATE TABLE x (y)")
    (tmp_path / "file").write_text("")
    for name, why in (
        ("damaged", "move it away"),
        ("other", "something else"),
        ("file/log", "another file"),
        (".", "permissions"),
    ):
        with pytest.raises(read.Refused, match=why):
            Logs(tmp_path / name)


def test_a_full_disk_is_said_and_what_came_meanwhile_is_written_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.sys.modules["lutin_tools.home.home"], "_RETRY", 0.05)
    served = HomeServer(tmp_path)
    device = FakeDevice(served.broker, "d1").there()
    database = served.server._log._writer
    pages = database.execute("PRAGMA page_count").fetchone()[0]
    database.execute(f"PRAGMA max_page_count = {pages + 2}")
    for n in range(200):
        device.log(f"{n} " + "x" * 900)
    until(lambda: "disk is full" in served.home.health()["log"])
    database.execute("PRAGMA max_page_count = 1000000")
    until(lambda: len(served.find()) == 200)
    until(lambda: served.home.health()["log"] == "")
    device.close()
    served.close()


# --- the broker ------------------------------------------------------------------------------------


class Wire:
    """MQTT as bytes, so that a connection can break wherever one likes."""

    def __init__(
        self,
        port: int,
        name: str,
        clean: bool = False,
        keepalive: int = 60,
        will: bytes = b"",
        login: str = "",
    ) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
        self.rest = b""
        flags = clean << 1 | (0x2C if will else 0) | (0xC0 if login else 0)
        text = lambda data: struct.pack(">H", len(data)) + data  # noqa: E731
        body = text(b"MQTT") + bytes([4, flags]) + struct.pack(">H", keepalive) + text(name.encode())
        body += text(will) + text(b"offline") if will else b""
        body += b"".join(text(part.encode()) for part in login.split(":")) if login else b""
        self.send(0x10, body)
        kind, self.answer = self.get() or (0, b"")
        assert kind == 0x20

    def send(self, kind: int, body: bytes) -> None:
        size = len(body)
        assert size < 128 * 128
        length = bytes([size]) if size < 128 else bytes([size % 128 | 128, size // 128])
        self.socket.sendall(bytes([kind]) + length + body)

    def publish(
        self, number: int, text: bytes, topic: bytes = b"lutin/w/log", dup: bool = False, qos: int = 2
    ) -> None:
        self.send(
            0x30 | dup << 3 | qos << 1,
            struct.pack(">H", len(topic)) + topic + struct.pack(">H", number) + text,
        )

    def get(self) -> tuple[int, bytes] | None:
        """(first byte, body) of the next packet; None at the end."""
        while True:
            if len(self.rest) > 1 and self.rest[1] < 128 and len(self.rest) >= 2 + self.rest[1]:
                end = 2 + self.rest[1]
                packet, self.rest = (self.rest[0], self.rest[2:end]), self.rest[end:]
                return packet
            try:
                more = self.socket.recv(4096)
            except ConnectionResetError:
                more = b""
            if not more:
                return None
            self.rest += more

    def kill(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def said(seq: int, text: str, start: str = "77") -> bytes:
    return json.dumps({"start": start, "seq": seq, "up": seq, "level": "info", "text": text}).encode()


def test_exactly_once_through_connections_that_are_killed_at_every_step(home: HomeServer) -> None:
    id1 = struct.pack(">H", 1)
    seen: list[str] = []
    listener = FakeDevice(home.broker, "listener").there()
    listener.client.on_message = lambda _, __, message: seen.append(json.loads(message.payload)["text"])
    listener.client.subscribe("lutin/w/log", 2)
    wire = Wire(home.broker, "w")
    wire.publish(1, said(1, "one"))
    assert wire.get() == (0x50, id1)  # PUBREC
    wire.kill()
    wire = Wire(home.broker, "w")
    assert wire.answer == b"\1\0"  # the session was kept
    wire.publish(1, said(1, "one"), dup=True)
    assert wire.get() == (0x50, id1)
    wire.publish(1, said(1, "one"), dup=True)
    assert wire.get() == (0x50, id1)
    wire.send(0x62, id1)  # PUBREL, whose answer is lost
    until(lambda: seen)
    wire.kill()
    wire = Wire(home.broker, "w")
    wire.send(0x62, id1)
    assert wire.get() == (0x70, id1)  # PUBCOMP
    wire.publish(1, said(2, "two"))
    assert wire.get() == (0x50, id1)
    wire.send(0x62, id1)
    assert wire.get() == (0x70, id1)
    until(lambda: "two" in seen)
    assert seen == ["one", "two"]
    wire.kill()
    listener.close()


def test_a_client_that_leaves_at_once_loses_nothing_that_it_has_sent(home: HomeServer) -> None:
    wire = Wire(home.broker, "hasty", clean=True)
    for n in range(1, 301):
        wire.publish(n, said(n, f"hasty {n}"), b"lutin/hasty/log", qos=1)
    for _ in range(300):
        assert (wire.get() or (0,))[0] == 0x40
    wire.send(0xE0, b"")
    wire.socket.close()
    until(lambda: len(home.server._log.find(Filter(device="hasty"), most=1000)) == 300)


def test_who_falls_silent_is_offline_and_who_comes_again_stays_online(home: HomeServer) -> None:
    online = lambda: known(home, "silent")["online"]  # noqa: E731
    home.server._broker.config.timeout_disconnect_delay = 0
    wire = Wire(home.broker, "lutin-silent", keepalive=1, will=b"lutin/silent/availability")
    home.server._broker.config.timeout_disconnect_delay = 30
    device = FakeDevice(home.broker, "silent")  # the same client takes the connection over
    device.there()
    assert wire.get() is None
    until(online)
    device.status(name="still here")
    until(lambda: known(home, "silent")["status"]["name"] == "still here" and online())
    device.client.publish("lutin/silent/echo", b"", 1)
    assert ask(home, {"t": "command", "id": "silent", "command": "identify"})["t"] == "sent"
    assert device.news.wait(DEADLINE) and device.commands == [b"identify"]
    device.close()
    home.server._broker.config.timeout_disconnect_delay = 0
    wire = Wire(home.broker, "lutin-silent", keepalive=1, will=b"lutin/silent/availability")
    wire.publish(1, b"online", b"lutin/silent/availability", qos=1)
    until(online)
    assert wire.get() and wire.get() is None  # what it had sent is acknowledged; then it says nothing
    until(lambda: not online())
    home.server._broker.config.timeout_disconnect_delay = 30


def test_without_its_password_nobody_comes_in_or_pushes_another_out(tmp_path: Path) -> None:
    served = HomeServer(tmp_path, "--user", "owner", password="s3cret")
    device = FakeDevice(served.broker, "d1", user="owner", password="s3cret").there()
    until(lambda: known(served, "d1")["online"])
    for login, code in (("", 5), ("owner:wrong", 4), ("home:s3cret", 4)):
        assert Wire(served.broker, "lutin-d1", login=login).answer == bytes([0, code])
    device.log("still here")
    until(lambda: [one["text"] for one in served.find()] == ["still here"])
    assert device.client.is_connected()
    assert not any("s3cret" in json.dumps(said) for said in (served.server._about(), served.home.health()))
    device.close()
    served.close()


def test_rubbish_costs_only_whoever_sent_it(home: HomeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    device = FakeDevice(home.broker, "d1").there()
    rubbish = [
        b"",
        b"\x10",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x10\xff\xff\xff\x7f",
        os.urandom(500),
        b"\x10\x02\x00\x09",
        b"\xf0\x00" * 50,
    ]
    for data in rubbish:
        with socket.create_connection(("127.0.0.1", home.broker)) as raw:
            raw.sendall(data)
    for data in (
        b"\x30\xff\xff\xff\x7f",
        b"\x36\x06\x00\x01a\x00\x01x",
        b"\x62\x02\xff\xff",
        b"\x82\x05\x00\x01\x00\x00\x07",
        b"\x00\x00",
        b"\x30\x02\x00\x09",
        b"\x3d",
    ):
        wire = Wire(home.broker, "rude", clean=True)
        wire.socket.sendall(data * 3)
        wire.kill()
    wire = Wire(home.broker, "rude", clean=True)
    wire.socket.sendall(b"\x30\xff\xff\x7f\0\1a" + b"x" * 1000)  # 2 MB will follow, it says
    assert wire.get() is None
    monkeypatch.setattr(broker, "_REST", 0.1)
    wire = Wire(home.broker, "rude", clean=True)
    wire.socket.sendall(b"\x30\x50\0\1a")  # and then nothing
    assert wire.get() is None
    monkeypatch.undo()
    for topic in (
        "lutin/x y/status",
        "lutin//log",
        "lutin/d1/log/more",
        "lutin/d1/status",
        "lutin/d1/log",
        "lutin/d1/availability",
    ):
        for data in (b"\xff", b"{", b"[]", b"[" * 9000, b'{"seq": 1e999}', b"x" * 100_000):
            device.client.publish(topic, data, 1)
    device.log("<img src=x onerror=alert(1)>\x1b[2J")
    until(
        lambda: (
            [one["text"] for one in home.find(device="d1")][-1:] == ["<img src=x onerror=alert(1)>\ufffd[2J"]
        )
    )
    device.status(name="<b>x</b>")
    until(lambda: known(home, "d1")["online"] and known(home, "d1")["status"]["name"] == "<b>x</b>")
    device.close()


def test_what_is_retained_goes_to_who_asks_for_it_and_a_command_waits_for_who_is_away(
    home: HomeServer,
) -> None:
    device = FakeDevice(home.broker, "d2").there()
    wire = Wire(home.broker, "away")
    wire.send(0x82, b"\0\1" + struct.pack(">H", 17) + b"lutin/d2/command" + b"x" + b"\1")
    assert wire.get() == (0x90, b"\0\1\1")
    wire.kill()
    until(lambda: home.server._broker._sessions["away"][0].transitions.state != "connected")
    device.client.publish("lutin/d2/commandx", b"identify", 1).wait_for_publish(DEADLINE)
    wire = Wire(home.broker, "away")
    kind, body = wire.get() or (0, b"")
    assert kind & 0xF0 == 0x30 and not kind & 1 and body.endswith(b"identify")  # no retained one
    wire.kill()
    wire = Wire(home.broker, "away")  # it was not acknowledged, so it comes again
    assert (wire.get() or (0, b""))[0] & 8
    wire.kill()
    stranger = Wire(home.broker, "stranger", clean=True)
    stranger.send(0xC0, b"")
    assert stranger.get() == (0xD0, b"")  # the answer to its ping, and nothing of anybody's before it
    stranger.kill()
    device.close()


@pytest.mark.skipif(not MOSQUITTO, reason="no mosquitto")
def test_with_another_broker_nothing_is_missed_while_this_server_is_away(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "conf").write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"
    )
    with subprocess.Popen(
        [str(MOSQUITTO), "-c", str(tmp_path / "conf")], stderr=subprocess.DEVNULL
    ) as mosquitto:
        served = HomeServer(tmp_path, "--broker", f"mqtt://127.0.0.1:{port}")
        until(lambda: served.home.health()["broker"] == "")
        device = FakeDevice(port, "d1", name="Shed").there()
        device.log("before")
        until(lambda: len(served.find()) == 1)
        served.close()
        for n in range(100):
            device.log(f"meanwhile {n}").wait_for_publish(DEADLINE)
        served = HomeServer(tmp_path, "--broker", f"mqtt://127.0.0.1:{port}")
        assert known(served, "d1")["status"]["name"] == "Shed"  # known from the file
        until(lambda: len(served.find()) == 101)
        assert [one["text"] for one in served.find()] == ["before", *(f"meanwhile {n}" for n in range(100))]
        until(lambda: known(served, "d1")["online"])
        mosquitto.terminate()
        until(lambda: "lost" in served.home.health()["broker"])
        assert not known(served, "d1")["online"]
        device.close()
        served.close()


# --- the page's server -----------------------------------------------------------------------------


def ask(
    home: HomeServer, *asked: dict[str, Any] | str, kind: str = "", headers: dict[str, str] | None = None
) -> Any:
    """The answer to the last of these messages: the first that is neither news of devices nor hello."""

    async def go() -> Any:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{home.url}/ws", headers=headers) as page,
        ):
            for message in asked:
                await page.send_str(message if isinstance(message, str) else json.dumps(message))
            async for frame in page:
                answer = json.loads(frame.data)
                if answer["t"] == kind or (not kind and answer["t"] not in ("hello", "device", "lines")):
                    return answer
        raise AssertionError("the server hung up")

    return asyncio.run(asyncio.wait_for(go(), DEADLINE))


def test_commands_reach_the_device_and_what_makes_no_sense_reaches_nobody(home: HomeServer) -> None:
    device = FakeDevice(home.broker, "d3").there()
    until(lambda: known(home, "d3")["claimed"] and known(home, "d3")["online"])
    for command, data in (
        ("restart", b"restart"),
        ("update", b"update"),
        ("blinkup", b"blinkup"),
        ("log", b'{"command": "log", "level": "warn"}'),
    ):
        device.news.clear()
        assert ask(home, {"t": "command", "id": "d3", "command": command, "level": "warn"})["t"] == "sent"
        assert device.news.wait(DEADLINE) and device.commands[-1] == data
    for wrong in (
        "x", "[1]", "[" * 20_000, {"t": "rm"}, {"t": "command", "id": "d3", "command": "format"}, {"t": "command", "id": "d3", "command": ["log"]},
        {"t": "command", "id": "d3/#", "command": "restart"}, {"t": "command", "id": "nobody", "command": "restart"},
        {"t": "command", "id": "d3", "command": "log", "level": "all"}, {"t": "search", "before": [1]}, {"t": "forget", "id": "d3"}, {"t": "publish", "version": "\x1b"},
    ):  # fmt: skip
        assert ask(home, wrong)["t"] == "refused", wrong
    assert len(device.commands) == 4
    device.close()


def test_a_page_elsewhere_can_neither_look_nor_command(home: HomeServer) -> None:
    async def status(path: str, **headers: str) -> int:
        async with (
            aiohttp.ClientSession() as session,
            session.get(home.url + path, headers=headers) as answer,
        ):
            return answer.status

    assert asyncio.run(status("/")) == asyncio.run(status("/sender/")) == 200
    assert (
        asyncio.run(status("/", Host="evil.example"))
        == asyncio.run(status("/ws", Host=f"192.168.1.2:{home.page}"))
        == 403
    )
    for origin in ("http://evil.example", "null", f"http://localhost:{home.page + 1}"):
        with pytest.raises(aiohttp.WSServerHandshakeError):
            ask(home, {"t": "search"}, headers={"Origin": origin})
    assert ask(home, {"t": "search", "n": 7}, headers={"Origin": home.url})["n"] == 7
    assert asyncio.run(status("/home/../server.py")) == asyncio.run(status("/release.json")) == 404


def test_an_open_page_asks_for_the_login(tmp_path: Path) -> None:
    served = HomeServer(tmp_path, "--page-bind", "0.0.0.0", "--user", "owner", password="söcret:x")

    async def status(login: Any, host: str = "") -> int:
        headers = {"Host": host} if host else {}
        async with (
            aiohttp.ClientSession(auth=login) as session,
            session.get(served.url, headers=headers) as answer,
        ):
            return answer.status

    assert asyncio.run(status(None)) == asyncio.run(status(aiohttp.BasicAuth("owner", "wrong"))) == 401
    right = aiohttp.BasicAuth("owner", "söcret:x", "utf-8")
    assert asyncio.run(status(right)) == asyncio.run(status(right, "192.168.7.7:1")) == 200
    assert asyncio.run(status(right, "evil.example")) == 403
    served.close()


def test_the_button_publishes_above_all_that_devices_have_heard_of(home: HomeServer) -> None:
    device = FakeDevice(home.broker, "d4").there()
    device.status(
        release={"number": 3, "version": "3", "slot": "a", "trial": {"number": 41, "boots": 1, "of": 3}}
    )
    until(lambda: 41 in home.home.releases_known())
    assert ask(home, {"t": "publish", "version": "spring"}, kind="releases")["busy"] == 42
    until(lambda: home.server.publisher.state()["result"])
    assert (home.server.publisher.state()["latest"]["number"], home.server.publisher.state()["failed"]) == (
        42,
        False,
    )
    report = check.examine(check.Place(f"http://127.0.0.1:{home.releases}"))
    assert (report.problems, report.release.number, report.release.version) == ([], 42, "spring")
    device.close()


def test_a_device_that_is_gone_can_be_forgotten(home: HomeServer) -> None:
    device = FakeDevice(home.broker, "d5").there()
    device.log("last words")
    until(lambda: home.find(device="d5"))
    device.cut()
    until(lambda: not known(home, "d5")["online"])
    assert ask(home, {"t": "forget", "id": "d5"}, kind="gone")["id"] == "d5"
    assert not home.find(device="d5")
    until(lambda: "lutin/d5/status" not in home.server._broker.retained_messages)


# --- mDNS, and the command -------------------------------------------------------------------------


def test_it_is_found_by_a_browser_and_by_a_single_question_until_it_stops(tmp_path: Path) -> None:
    found: dict[str, Any] = {}

    class Listener(ServiceListener):
        def add_service(self, zc: Zeroconf, type_: str, name: str) -> None:
            info = zc.get_service_info(type_, name)
            if info and info.port == served.broker:  # others may be at work on this machine
                found[name] = info

        def remove_service(self, zc: Zeroconf, type_: str, name: str) -> None:
            found.pop(name, None)

        def update_service(self, zc: Zeroconf, type_: str, name: str) -> None: ...

    served = HomeServer(tmp_path, "--mdns-interface", "127.0.0.1")
    browser = Zeroconf(interfaces=["127.0.0.1"])
    ServiceBrowser(browser, "_lutin._tcp.local.", Listener())
    info = until(lambda: next(iter(found.values()), None))
    assert "127.0.0.1" in info.parsed_addresses()
    url = f"http://127.0.0.1:{served.releases}/"
    assert info.decoded_properties == {"path": "/", "server": url, "v": "1"}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:  # not from port 5353: a legacy query
        asker.bind(("127.0.0.1", 0))
        asker.settimeout(DEADLINE)
        asker.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        question = b"\x12\x34\0\0\0\1\0\0\0\0\0\0\x06_lutin\x04_tcp\x05local\0\0\x0c\0\1"
        asker.sendto(question, ("224.0.0.251", 5353))
        while url.encode() not in (answer := asker.recv(1500)):
            pass
    assert answer[:2] == b"\x12\x34" and struct.pack(">H", served.broker) in answer
    assert socket.inet_aton("127.0.0.1") in answer
    served.close()
    until(lambda: not found)
    browser.close()


def test_what_cannot_be_done_is_said_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "release.json").write_text("{}")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        good = [
            "--bind",
            "127.0.0.1",
            "--port",
            "0",
            "--broker-port",
            "0",
            "--no-mdns",
            "--logs",
            str(tmp_path / "log.sqlite"),
        ]
        for folder, arguments, why in (
            ("r", ["--port", port], "--port PORT"), ("r", ["--broker-port", port], "--broker-port PORT"), ("r", ["--page-port", port], "--page-port PORT"),
            ("r", ["--bind", "192.0.2.77"], "no such address"), ("r", ["--port", "70000"], "65535"),
            ("r", ["--logs", str(tmp_path / "file" / "x")], "--logs FILE"), ("r", ["--logs", str(KEY)], "move it away"), ("r", ["--keep", "5"], "at least 100"),
            ("r", ["--password-file", str(KEY)], "--user"), ("r", ["--user", "x"], "--password-file"), ("r", ["--user", "x", "--password-file", str(tmp_path / "no")], "No such file"),
            ("r", ["--key", str(tmp_path / "no.pem")], "lutin keys new"), ("file", [], "exists"), (".", [], "release.json"),
        ):  # fmt: skip
            assert cli.main(["serve", str(tmp_path / folder), *good, *arguments]) == 1
            error = capsys.readouterr().err
            assert why in error and error.count("\n") == 1, (arguments, error)


def test_the_lights_of_the_page_are_those_of_the_firmware() -> None:
    table = server.states()
    assert table[17] == {"name": "connected", "sentence": "Connected.", "cells": "G4-4", "once": False}
    assert table[3]["once"] and table[3]["cells"] == "G24"
