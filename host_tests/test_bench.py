"""The bench: supervisor, server and page, with a stand-in for the board (fake_board.py)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from littlefs import LittleFS
from lutin_tools.bench import messages, pixels, releases, server
from lutin_tools.bench.supervisor import Board
from lutin_tools.release import keys, read
from unixport import ROOT

try:
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=20_000)
except ImportError:  # then the tests of the page are skipped
    sync_playwright = None

KEY = ROOT / "host_tests" / "keys" / "test-key-1.pem"
FAKE = [sys.executable, str(ROOT / "host_tests" / "fake_board.py")]
DEADLINE = 20  # s; nothing here takes one, except on a machine that is busy with something else

Message = dict[str, Any]


# --- supervisor ------------------------------------------------------------------------------------


class Watched:
    """A board under the supervisor, and everything that it told."""

    def __init__(self, state: Path, command: list[str] | None = None, tick: float = 1.0) -> None:
        state.mkdir(exist_ok=True)
        self.heard: list[Message] = []
        self.news = asyncio.Event()
        env = {"LUTIN_STATE": str(state)}
        self.board = Board(command or FAKE, env, str(ROOT), self.tell, tick=tick, pause=0.05)

    def tell(self, message: Message) -> None:
        self.heard.append(message)
        self.news.set()

    async def until(self, true: Callable[[Message], Any], since: int = 0) -> Message:
        """The first message from `since` on for which it is true."""
        deadline = time.monotonic() + DEADLINE
        while True:
            for message in self.heard[since:]:
                if true(message):
                    return message
            self.news.clear()
            await asyncio.wait_for(self.news.wait(), deadline - time.monotonic())

    async def line(self, text: str, since: int = 0) -> None:
        """Wait for a console line with that text."""
        await self.until(lambda m: m["t"] == "console" and any(text in line for line in m["lines"]), since)

    async def end(self) -> tuple[Message, int]:
        """(how its present life ends, from where on the next one is heard)."""
        since = len(self.heard)
        message = await self.until(lambda m: m["t"] == "board" and not m["running"] and m["last_end"], since)
        return message["last_end"], since


def watch(state: Path, story: Callable[[Watched], Coroutine[Any, Any, None]], **options: Any) -> None:
    """Tell a story with a board that has come up."""

    async def run() -> None:
        watched = Watched(state, **options)
        await watched.board.start()
        try:
            await story(watched)
        finally:
            await asyncio.wait_for(watched.board.close(), DEADLINE)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("code", "how", "cause"), [(75, "reset", 2), (76, "watchdog", 3), (1, "crash", 2), (0, "crash", 2)]
)
def test_a_board_that_ends_starts_again_and_is_told_why(
    tmp_path: Path, code: int, how: str, cause: int
) -> None:
    async def story(watched: Watched) -> None:
        await watched.line("reset cause 1")
        watched.board.type(f"exit {code}")
        end, since = await watched.end()
        assert (end["how"], end["code"]) == (how, code)
        await watched.line(f"reset cause {cause}", since)

    watch(tmp_path, story)


def test_a_power_cut_kills_the_process_and_power_comes_back(tmp_path: Path) -> None:
    async def story(watched: Watched) -> None:
        await watched.line("reset cause 1")
        watched.board.cut()
        end, since = await watched.end()
        assert (end["how"], end["code"]) == ("power-cut", -signal.SIGKILL)
        await watched.line("reset cause 1", since)

    watch(tmp_path, story)


def test_switched_off_it_stays_off_until_switched_on(tmp_path: Path) -> None:
    async def story(watched: Watched) -> None:
        await watched.line("reset cause 1")
        watched.board.power(False)
        end, since = await watched.end()
        assert (end["how"], end["code"]) == ("power-off", -signal.SIGKILL)
        assert not watched.board.state()["power"]
        watched.board.cut()
        watched.board.reset()
        watched.board.type("status")
        assert not watched.board.send({"t": "button", "down": True})
        assert watched.board.state()["starts"] == 1
        watched.board.power(True)
        await watched.line("reset cause 1", since)
        assert watched.board.state()["starts"] == 2

    watch(tmp_path, story)


def test_the_reset_button_starts_it_again(tmp_path: Path) -> None:
    async def story(watched: Watched) -> None:
        await watched.line("reset cause 1")
        watched.board.reset()
        end, since = await watched.end()
        assert end["how"] == "reset-button"
        await watched.line("reset cause 1", since)

    watch(tmp_path, story)


def test_a_board_without_heartbeats_is_stopped_as_hung(tmp_path: Path) -> None:
    async def story(watched: Watched) -> None:
        await watched.until(lambda m: m["t"] == "report")
        watched.board.type("hang")
        end, since = await watched.end()
        assert end["how"] == "hung"
        assert "hung" in end["text"]
        await watched.line("reset cause 3", since)

    watch(tmp_path, story, tick=0.1)


def test_a_board_that_never_reports_is_hung_too(tmp_path: Path) -> None:
    async def story(watched: Watched) -> None:
        end, _ = await watched.end()
        assert end["how"] == "hung"

    watch(tmp_path, story, command=[sys.executable, "-c", "input()"], tick=0.02)


def test_heartbeats_keep_it_alive(tmp_path: Path) -> None:
    async def story(watched: Watched) -> None:
        await watched.until(lambda m: m["t"] == "report" and m["report"]["uptime"] >= 2)
        assert watched.board.state()["starts"] == 1

    watch(tmp_path, story, tick=0.1)  # hung after 1 s of silence


def test_a_board_that_cannot_be_started_says_so(tmp_path: Path) -> None:
    async def story(watched: Watched) -> None:
        await watched.line("/no/such/micropython: No such file")

    watch(tmp_path, story, command=["/no/such/micropython"])


def test_closing_leaves_no_process_at_whatever_moment(tmp_path: Path) -> None:
    async def story(after: Callable[[Watched], Coroutine[Any, Any, None]]) -> None:
        watched = Watched(tmp_path)
        await watched.board.start()
        await after(watched)
        await asyncio.wait_for(watched.board.close(), DEADLINE)
        assert not watched.board.state()["running"]

    async def at_once(watched: Watched) -> None:
        pass

    async def running(watched: Watched) -> None:
        await watched.line("a fake board")

    async def just_crashed(watched: Watched) -> None:
        await watched.line("a fake board")
        watched.board.type("exit 1")
        await watched.end()

    for after in (at_once, running, just_crashed):
        asyncio.run(story(after))


def test_rubbish_from_the_board_is_named_and_harms_nothing(tmp_path: Path) -> None:
    async def story(watched: Watched) -> None:
        await watched.line("a fake board")
        watched.board.type("rubbish")
        await watched.line("unreadable from the board: b'this is no JSON")
        await watched.line("unreadable from the board: b'[1]")
        await watched.until(lambda m: m["t"] == "report", len(watched.heard))

    watch(tmp_path, story)


def test_a_prompt_without_line_end_is_shown(tmp_path: Path) -> None:
    async def story(watched: Watched) -> None:
        await watched.line("a fake board")
        watched.board.type("prompt")
        await watched.line(">>> ")

    watch(tmp_path, story)


def test_only_the_first_who_comes_is_the_board(tmp_path: Path) -> None:
    async def story(watched: Watched) -> None:
        await watched.until(lambda m: m["t"] == "report")
        port = int(watched.board._env["LUTIN_BENCH"])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await asyncio.wait_for(reader.read(), DEADLINE) == b""
        writer.close()
        await watched.until(lambda m: m["t"] == "report", len(watched.heard))

    watch(tmp_path, story)


# --- pixels ----------------------------------------------------------------------------------------


def video(*levels: tuple[int, int]) -> bytes:
    """(grey byte, how many frames)…"""
    return b"".join(bytes([grey]) * (8 * 8 * 3) * count for grey, count in levels)


def test_levels_are_linear_light_and_timed_by_frame_count() -> None:
    frames = pixels.Levels().feed(video((0, 4), (188, 4), (255, 4)))
    assert [us for us, _ in frames] == [0, 16666, 33333]
    assert [level for _, level in frames] == pytest.approx([0, 0.5, 1], abs=0.01)


def test_a_level_that_stays_is_repeated_so_that_the_clocks_stay_together() -> None:
    frames = pixels.Levels().feed(video((255, 241)))
    assert [us for us, _ in frames] == [100_000 * n for n in range(11)]


@given(st.lists(st.integers(1, 700), max_size=20))
def test_the_pipe_may_cut_the_video_anywhere(sizes: list[int]) -> None:
    whole = video((0, 3), (255, 2), (7, 1), (188, 9))
    levels = pixels.Levels()
    frames: list[list[float]] = []
    at = 0
    for size in [*sizes, len(whole)]:
        frames += levels.feed(whole[at : at + size])
        at += size
    assert frames == pixels.Levels().feed(whole)


# --- what the page may ask -------------------------------------------------------------------------

AP = {"bssid": "02:00:00:00:00:01", "ssid": "a", "password": "", "up": True, "rssi": -40, "codes": [202]}


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ({"t": "ap", "do": "add", "ap": {"ssid": ""}}, "needs a name"),
        ({"t": "ap", "do": "add", "ap": {}}, "name"),
        ({"t": "ap", "do": "add", "ap": {"ssid": "é" * 17}}, "at most 32 bytes"),
        ({"t": "ap", "do": "add", "ap": {"ssid": "b", "password": "short"}}, "8 to 63"),
        ({"t": "ap", "do": "add", "ap": {"ssid": "b", "colour": 1}}, "no 'colour'"),
        ({"t": "ap", "do": "set", "bssid": "nobody", "ap": {}}, "gone"),
        ({"t": "ap", "do": "set", "bssid": AP["bssid"], "ap": {"dhcp": "perhaps"}}, "DHCP"),
        ({"t": "ap", "do": "set", "bssid": AP["bssid"], "ap": {"rssi": 7}}, "signal"),
        ({"t": "ap", "do": "set", "bssid": AP["bssid"], "ap": {"bssid": "x"}}, "no 'bssid'"),
        ({"t": "ap", "do": "burn", "bssid": AP["bssid"]}, "added, set or removed"),
    ],
)
def test_an_airspace_that_cannot_be_is_refused_with_the_reason(message: Message, why: str) -> None:
    with pytest.raises(messages.Refused, match=why):
        messages.change_air([AP], message)


def test_changing_one_access_point_leaves_the_rest_of_it_alone() -> None:
    points = messages.change_air([AP], {"do": "set", "bssid": AP["bssid"], "ap": {"up": False}})
    assert points == [{**AP, "up": False}]
    points = messages.change_air([AP], {"do": "add", "ap": {"ssid": "b", "password": "12345678"}})
    assert points[0] == AP
    assert points[1]["bssid"] != AP["bssid"]
    assert messages.change_air(points, {"do": "remove", "bssid": AP["bssid"]}) == points[1:]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KINDS = st.sampled_from(
    ["power", "cut", "reset", "button", "console", "light", "wear", "ap", "room", "board", "publish", "wrong"]
)
NAMES = st.sampled_from(
    ["on", "down", "text", "frames", "sector", "worn", "do", "ap", "bssid", "ambient", "mode", "kind", "x"]
)


@given(kind=KINDS, rest=st.dictionaries(NAMES, JSON | st.sampled_from(["add", "set", AP["bssid"]])))
def test_no_message_of_a_page_upsets_the_bench(kind: str, rest: Message, tmp_path_factory: Any) -> None:
    class Nobody:
        def send(self, message: Message) -> bool:
            json.dumps(message, allow_nan=False)
            return True

        def nothing(self, *_: Any) -> None: ...

        power = cut = reset = type = nothing

    bench = server.Bench(tmp_path_factory.getbasetemp())
    bench.board = Nobody()  # pyright: ignore[reportAttributeAccessIssue]
    bench.releases._begin = lambda kind, number: None  # building has tests of its own
    bench.heard({"t": "air", "aps": [AP]})
    with contextlib.suppress(messages.Refused):
        bench.asked({**rest, "t": kind})
    json.dumps(bench.hello(), allow_nan=False)


# --- server ----------------------------------------------------------------------------------------

RUN = """
import sys
from pathlib import Path
from lutin_tools.bench import server
port, state, reset, light, near = sys.argv[1:6]
release_port = int(near) if near else None
sys.exit(
    server.run(int(port), Path(state), reset == "reset", False, light or None, sys.argv[6:] or None, release_port)
)
"""


class Desk:
    """`lutin run` with the fake board (or with the simulated one: command=[]), as a process."""

    def __init__(
        self,
        state: Path,
        port: int = 0,
        light: str = "",
        reset: bool = False,
        release_port: int | None = None,
        command: list[str] = FAKE,
    ) -> None:
        if not state.exists():
            give_key(state)
        near = "" if release_port is None else str(release_port)
        arguments = [str(port), str(state), "reset" if reset else "", light, near, *command]
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUN, *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT / "tools")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        self.said: list[str] = []
        found = None
        while not found and (line := self.process.stdout.readline()):
            self.said.append(line)
            found = re.search(r"http://localhost:(\d+)", line)
        self.port = int(found[1]) if found else 0
        self.url = f"http://localhost:{self.port}"

    def stop(self, number: int | None = signal.SIGINT) -> tuple[int, str]:
        """(exit code, what it said on stderr); None: it is stopping already."""
        if number and self.process.poll() is None:
            self.process.send_signal(number)
        try:
            _, said = self.process.communicate(timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return self.process.returncode, said


def give_key(state: Path) -> None:
    """To make a key takes seconds, now and then."""
    (state / "keys").mkdir(parents=True)
    shutil.copy(KEY, state / "keys" / keys.SIGNING)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "desk")
    yield desk
    desk.stop()


class Visitor:
    """A page's WebSocket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.heard: list[Message] = []  # since it asked last

    async def until(self, kind: str, true: Callable[[Message], Any] = lambda _: True) -> Message:
        """The first such message since it asked last, heard already or still to come."""
        deadline = time.monotonic() + DEADLINE
        at = 0
        while True:
            while at == len(self.heard):
                assert time.monotonic() < deadline, f"no such {kind}"
                self.heard.append(await self.socket.receive_json(timeout=DEADLINE))
            message = self.heard[at]
            if message["t"] == kind and true(message):
                return message
            at += 1

    async def line(self, text: str) -> str:
        """The whole console line that has this text."""
        message = await self.until("console", lambda m: any(text in line for line in m["lines"]))
        return next(line for line in message["lines"] if text in line)

    async def ask(self, **message: Any) -> None:
        self.heard.clear()
        await self.socket.send_json(message)


def visit(desk: Desk, story: Callable[[Visitor], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        async with aiohttp.ClientSession() as session, session.ws_connect(desk.url + "/ws") as socket:
            await story(Visitor(socket))

    asyncio.run(run())


def test_what_the_page_does_reaches_the_board(desk: Desk) -> None:
    async def story(page: Visitor) -> None:
        await page.until("report")
        await page.ask(t="button", down=True)
        assert await page.line("button") == 'got {"t": "button", "down": true}'
        await page.ask(t="light", frames=[[1000, 0.5]])
        assert await page.line("light") == 'got {"t": "light", "frames": [[1000, 0.5]]}'
        await page.ask(t="wear", sector=2, worn=True)
        assert (await page.until("flash", lambda m: m["sectors"][2]["worn"]))["sectors"][1]["worn"] is False
        await page.ask(t="room", ambient=0.25)
        assert '"ambient": 0.25' in await page.line("room")
        await page.ask(t="console", text="status")
        await page.line("> status")
        await page.line("lutin: state 1, no-settings")

    visit(desk, story)


def test_a_page_that_opens_late_learns_all_at_once(desk: Desk) -> None:
    async def first(page: Visitor) -> None:
        await page.until("trace")
        await page.until("led")
        await page.until("report")

    async def late(page: Visitor) -> None:
        hello = await page.until("hello")
        assert hello["board"]["running"]
        assert hello["report"]["report"]["state"]["name"] == "no-settings"
        assert hello["led"] and hello["trace"] and hello["flash"]["sectors"] and hello["air"]["aps"]
        assert "a fake board, reset cause 1" in hello["console"]

    visit(desk, first)
    visit(desk, late)


def test_the_air_can_be_changed_while_the_board_is_off(desk: Desk) -> None:
    async def story(page: Visitor) -> None:
        await page.until("report")
        await page.ask(t="power", on=False)
        await page.until("board", lambda m: not m["running"])
        await page.ask(t="ap", do="add", ap={"ssid": "meanwhile"})
        await page.until("air")
        await page.ask(t="wear", sector=5, worn=True)
        await page.ask(t="power", on=True)
        assert (await page.line("meanwhile")).startswith('got {"t": "air"')
        await page.until("flash", lambda m: m["sectors"][5]["worn"])

    visit(desk, story)


def test_what_cannot_be_done_is_answered_with_the_reason(desk: Desk) -> None:
    async def story(page: Visitor) -> None:
        for message, why in (
            ({"t": "fly"}, "does not know"),
            ({"t": "power", "on": 1}, "true or false"),
            ({"t": "light", "frames": [[0, 2]]}, "level"),
            ({"t": "wear", "sector": "all", "worn": True}, "number"),
            ({"t": "room", "ambient": 7}, "0 to 1"),
            ({"t": "publish", "kind": "perfect"}, "no kind 'perfect'"),
            ({"t": "publish", "kind": "older-than-installed"}, "lower than release 1"),
            ({"t": "wrong", "mode": ["none"]}, "no mode"),
            ({"t": "wrong", "mode": "page-200", "applies_to": "icons"}, "no applies_to 'icons'"),
            ([1], "object"),
        ):
            page.heard.clear()
            await page.socket.send_json(message)
            assert why in (await page.until("refused"))["why"]
        page.heard.clear()
        await page.socket.send_str("{")
        assert "JSON" in (await page.until("refused"))["why"]
        await page.until("report")

    visit(desk, story)


def http(desk: Desk, path: str, **headers: str) -> tuple[int, str]:
    async def run() -> tuple[int, str]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(desk.url + path, headers=headers) as answer,
        ):
            return answer.status, await answer.text()

    return asyncio.run(run())


@pytest.mark.parametrize("origin", ["http://evil.example", "http://localhost:1", "https://localhost", "null"])
def test_a_foreign_web_page_cannot_drive_the_bench(desk: Desk, origin: str) -> None:
    async def run() -> None:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(desk.url + "/ws", headers={"Origin": origin})
            assert refused.value.status == 403
            own = await session.ws_connect(desk.url + "/ws", headers={"Origin": desk.url})
            assert (await own.receive_json(timeout=DEADLINE))["t"] == "hello"
            await own.close()

    asyncio.run(run())


def test_under_a_foreign_name_it_does_not_answer(desk: Desk) -> None:
    assert http(desk, "/", Host=f"evil.example:{desk.port}")[0] == 403
    assert http(desk, "/")[0] == 200


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no 127.0.0.2")
def test_it_listens_on_this_machine_only(desk: Desk) -> None:
    # Who listens everywhere answers here too.
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", desk.port), timeout=DEADLINE).close()
    socket.create_connection(("127.0.0.1", desk.port), timeout=DEADLINE).close()


def test_the_sender_is_served_beside_the_page(desk: Desk) -> None:
    status, text = http(desk, "/sender/")
    assert status == 200
    for name in re.findall(r'(?:src|href)="([\w.]+)"', text):
        assert http(desk, f"/sender/{name}")[0] == 200, name
    assert http(desk, "/sender")[1] == text
    assert http(desk, "/sender/../../bench/server.py")[0] == 404


def test_a_taken_port_is_named_with_what_to_do(desk: Desk, tmp_path: Path) -> None:
    code, said = Desk(tmp_path / "other", port=desk.port).stop()
    assert code == 1
    assert f"port {desk.port} is in use" in said
    assert f"PORT={desk.port + 2}" in said  # the next one is the release server's


def test_two_benches_never_share_a_board(desk: Desk, tmp_path: Path) -> None:
    code, said = Desk(tmp_path / "desk").stop()
    assert code == 1
    assert "another bench is using the board" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_everything(tmp_path: Path, number: int) -> None:
    desk = Desk(tmp_path / "desk")
    processes: list[str] = []

    async def story(page: Visitor) -> None:
        await page.until("report")
        with contextlib.suppress(FileNotFoundError):
            tasks = Path(f"/proc/{desk.process.pid}/task")
            processes.extend(p for task in tasks.iterdir() for p in (task / "children").read_text().split())
        desk.process.send_signal(number)
        await page.socket.receive(timeout=DEADLINE)

    visit(desk, story)
    assert desk.stop(None) == (0, "")
    assert not [pid for pid in processes if Path(f"/proc/{pid}").exists()]


def test_air_wear_and_room_outlive_a_stop_and_a_reset_begins_anew(tmp_path: Path) -> None:
    state = tmp_path / "desk"

    async def change(page: Visitor) -> None:
        await page.until("report")
        await page.ask(t="ap", do="add", ap={"ssid": "kept"})
        await page.until("air", lambda m: len(m["aps"]) == 3)
        await page.ask(t="wear", sector=1, worn=True)
        await page.until("flash", lambda m: m["sectors"][1]["worn"])
        await page.ask(t="room", mains=0.5)
        await page.until("room")

    async def kept(page: Visitor) -> None:
        hello = await page.until("hello")
        assert hello["room"]["mains"] == 0.5
        if "air" not in hello:
            hello["air"] = await page.until("air")
            hello["flash"] = await page.until("flash")
        assert [ap["ssid"] for ap in hello["air"]["aps"]][2] == "kept"
        assert hello["flash"]["sectors"][1]["worn"]

    async def new(page: Visitor) -> None:
        hello = await page.until("hello")
        assert hello["room"]["mains"] == 0
        assert len((hello.get("air") or await page.until("air"))["aps"]) == 2

    for story, reset in ((change, False), (kept, False), (new, True)):
        if reset:
            (state / "mine.txt").write_text("not the board's")
        desk = Desk(state, reset=reset)
        visit(desk, story)
        assert desk.stop()[0] == 0
    assert (state / "mine.txt").exists()


def test_with_painted_pixels_the_pages_own_frames_count_nothing(tmp_path: Path) -> None:
    fifo = tmp_path / "pixels"
    os.mkfifo(fifo)
    desk = Desk(tmp_path / "desk", light=f"pixels:{fifo}")

    async def story(page: Visitor) -> None:
        assert (await page.until("hello"))["light"] == "pixels"
        await page.until("report")
        await page.ask(t="light", frames=[[1, 0.25]])
        await page.ask(t="button", down=True)
        await page.line('"button"')
        assert '"light", "frames"' not in json.dumps(page.heard).replace("\\", "")  # it was sent before
        with fifo.open("wb", 0) as pipe:
            pipe.write(video((255, 1)))
            assert await page.line("light") == 'got {"t": "light", "frames": [[0, 1.0]]}'

    visit(desk, story)
    assert desk.stop()[0] == 0


@pytest.mark.parametrize("light", ["moon", "pixels:", "pixels:/no/such/file"])
def test_a_source_of_light_that_is_none_is_refused(tmp_path: Path, light: str) -> None:
    code, said = Desk(tmp_path / "desk", light=light).stop()
    assert code == 2
    assert "--light" in said


def test_a_port_that_cannot_be_is_refused(tmp_path: Path) -> None:
    code, said = Desk(tmp_path / "desk", port=70000).stop()
    assert code == 2
    assert "70000" in said


# --- releases --------------------------------------------------------------------------------------


def fetch(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=DEADLINE) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


async def publish(page: Visitor, kind: str = "good") -> Message:
    """What is then on the server."""
    await page.ask(t="publish", kind=kind)
    begun = await page.until("releases", lambda m: m["busy"] == kind)
    del page.heard[: page.heard.index(begun)]
    return await page.until("releases", lambda m: not m["busy"])


def test_a_release_is_published_above_every_number_that_the_board_knows(desk: Desk, tmp_path: Path) -> None:
    told: list[Message] = []

    async def story(page: Visitor) -> None:
        await page.until("report")
        await page.ask(t="console", text="release rejected")  # it has rejected 8
        await page.until("report", lambda m: m["report"]["update"]["rejected"])
        told.append(await publish(page))
        await page.ask(t="console", text="release new")
        await page.until("report", lambda m: not m["report"]["update"]["rejected"])
        told.append(await publish(page, "wrong-board"))
        told.append(await publish(page))

    visit(desk, story)
    assert [(m["published"]["number"], m["published"]["kind"]) for m in told] == [
        (9, "good"),
        (10, "wrong-board"),
        (11, "good"),
    ]
    release = read.parse(fetch(told[-1]["url"] + "release.json")[1])
    assert release.number == 11
    assert release.boards == ["unix"]
    read.verify(release, [keys.public(KEY)])
    for blob in release.files[:3]:
        read.decode(blob, fetch(f"{told[-1]['url']}blobs/{blob.sha256}")[1])


def test_a_release_that_is_older_is_older_than_what_the_board_runs(desk: Desk) -> None:
    async def story(page: Visitor) -> None:
        await page.until("report")
        await page.ask(t="console", text="release rejected")  # it runs 7
        await page.until("report", lambda m: m["report"]["update"]["number"] == 7)
        assert (await publish(page))["published"]["number"] == 9  # it has rejected 8
        assert (await publish(page, "older-than-installed"))["published"]["number"] == 6
        assert (await publish(page))["published"]["number"] == 10

    visit(desk, story)


def test_what_cannot_be_built_is_said_and_the_next_one_can(desk: Desk, tmp_path: Path) -> None:
    key = tmp_path / "desk" / "keys" / keys.SIGNING
    good = key.read_bytes()

    async def story(page: Visitor) -> None:
        key.write_text("no key")
        await page.ask(t="publish")
        assert "not built: no-key" in (await page.until("refused"))["why"]
        key.write_bytes(good)
        assert (await publish(page))["published"]["kind"] == "good"

    visit(desk, story)


def test_the_server_is_wrong_where_asked_and_at_once_and_tells_who_asked(desk: Desk) -> None:
    async def story(page: Visitor) -> None:
        hello = await page.until("hello")
        assert hello["modes"]["none"] and hello["kinds"]["good"]
        url = (await publish(page))["url"]
        blob = "blobs/" + 64 * "0"
        await page.ask(t="wrong", mode="page-200", applies_to="blobs")
        assert (await page.until("releases"))["mode"] == "page-200"
        expected = []
        for path, page_there in (("release.json", False), (blob, True)):
            status, body = await asyncio.to_thread(fetch, url + path)
            assert (status, b"<html>" in body) == (200, page_there)
            asked = await page.until("request", lambda m, path=path: m["path"] == "/" + path)
            assert asked["status"] == 200
            assert len(body) < asked["bytes"] < len(body) + 500  # with its head
            expected.append(asked)
        await page.ask(t="wrong", mode="none")
        await page.until("releases", lambda m: m["mode"] == "none" and m["applies_to"] == "blobs")
        assert (await asyncio.to_thread(fetch, url + blob))[0] == 404
        async with aiohttp.ClientSession() as session, session.ws_connect(desk.url + "/ws") as late:
            assert (await Visitor(late).until("hello"))["requests"][:2] == expected

    visit(desk, story)


def test_the_release_server_keeps_its_address(tmp_path: Path) -> None:
    async def start(wanted: int | None = None) -> tuple[int, str]:
        server = releases.Releases(tmp_path, lambda message: None)
        try:
            said = await server.start(0, wanted)
        finally:
            await server.close()
        return int(server.url.rpartition(":")[2].rstrip("/")), said

    port, said = asyncio.run(start())
    assert not said
    assert asyncio.run(start()) == (port, "")
    with socket.create_server(("127.0.0.1", port)):
        with pytest.raises(releases.PortTaken, match=f"port {port}: it is in use"):
            asyncio.run(start(port))
        other, said = asyncio.run(start())
    assert f"Port {port} is in use, so the release server is at http://127.0.0.1:{other}/" in said
    assert asyncio.run(start()) == (other, "")  # and stays there
    assert asyncio.run(start(port)) == (port, "")


def test_a_release_port_that_cannot_be_had_is_named_with_what_to_do(desk: Desk, tmp_path: Path) -> None:
    code, said = Desk(tmp_path / "other", release_port=desk.port).stop()
    assert code == 1
    assert f"port {desk.port}: it is in use. Choose another: --release-port" in said


def on_flash(state: Path) -> dict[str, bytes]:
    """The factory's files, by name, as they are on the board's flash."""
    image = (state / "vfs.bin").read_bytes()
    fs = LittleFS(block_size=4096, block_count=len(image) // 4096, mount=False)
    fs.context.buffer = bytearray(image)
    fs.mount()
    found = {}
    for path in ("boot.py", "main.py", "pins.py", "factory/release.json", "factory/lutin/__init__.mpy"):
        with fs.open(path, "rb") as file:
            found[path] = file.read()
    return found


def test_a_board_is_flashed_when_it_is_new_or_when_the_tree_has_changed(tmp_path: Path) -> None:
    give_key(tmp_path)
    said: list[str] = []

    def number() -> int:
        """Of the release on flash, which is the one on the server."""
        flashed = on_flash(tmp_path)["factory/release.json"]
        assert flashed == (tmp_path / "releases" / "release.json").read_bytes()
        return read.parse(flashed).number

    releases.flash(tmp_path, said.append)
    assert number() == 1
    assert re.fullmatch(
        r"The board was flashed with this tree's firmware \(release 1, \d+ files\)\.", said.pop()
    )
    assert on_flash(tmp_path)["boot.py"] == (ROOT / "firmware" / "boot.py").read_bytes()
    (tmp_path / "vfs.bin").write_bytes(b"what the board has made of it")
    (tmp_path / "flash.bin").write_bytes(b"settings")
    releases.flash(tmp_path, said.append)
    assert said == []
    assert (tmp_path / "vfs.bin").read_bytes() == b"what the board has made of it"
    flashed = tmp_path / "flashed.json"
    flashed.write_text(json.dumps({**json.loads(flashed.read_text()), "contents": "another tree's"}))
    releases.flash(tmp_path, said.append)
    assert number() == 2  # not below what it may have run
    assert "release 2" in said.pop()
    shutil.copy(KEY.with_name("test-key-2.pem"), tmp_path / "keys" / keys.SIGNING)  # nor with another's key
    releases.flash(tmp_path, said.append)
    assert number() == 3
    assert (tmp_path / "flash.bin").read_bytes() == b"settings"


def test_a_new_board_begins_with_release_1_and_the_desk_keeps_its_key(tmp_path: Path) -> None:
    give_key(tmp_path)
    for _ in range(2):
        (tmp_path / "vfs.bin").unlink(missing_ok=True)
        releases.flash(tmp_path, lambda text: None)
    mine = tmp_path / "releases" / "blobs" / "mine.txt"
    mine.write_text("not the board's")
    releases.reset(tmp_path)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"keys/signing-key.pem", "releases/blobs/mine.txt"}
    releases.flash(tmp_path, lambda text: None)
    assert read.parse(on_flash(tmp_path)["factory/release.json"]).number == 1


def test_the_simulated_board_runs_from_what_was_flashed(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "desk", command=[])
    assert "release 1" in desk.said[0]

    async def story(page: Visitor) -> None:
        update = (await page.until("report", lambda m: m["report"]["update"]["number"]))["report"]["update"]
        assert (update["slot"], update["number"]) == ("factory", 1)
        assert update["slots"] == [{"slot": "factory", "number": 1, "version": "1"}]
        await page.ask(t="cut")
        await page.until("board", lambda m: m["starts"] == 2)
        await page.until("report")

    visit(desk, story)
    assert desk.stop() == (0, "")
    again = Desk(tmp_path / "desk", command=[])
    assert len(again.said) == 1  # the address, and nothing flashed
    assert again.stop()[0] == 0


# --- page ------------------------------------------------------------------------------------------

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(not (CHROMIUM and sync_playwright), reason="no chromium, or no playwright")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any, desk: Desk) -> Iterator[Any]:
    """The bench page on a desktop's width; it must not have complained when it is closed."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    complaints: list[str] = []
    page.on(
        "console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    # A frame that is given another address lets go of the one before.
    page.on(
        "requestfailed",
        lambda request: complaints.append(request.url) if request.failure != "net::ERR_ABORTED" else None,
    )
    page.on("response", lambda answer: complaints.append(answer.url) if answer.status >= 400 else None)
    page.goto(desk.url)
    expect(page.locator("#state-name")).to_have_text("no-settings")
    yield page
    page.close()
    assert complaints == []


def tell(page: Any, line: str) -> None:
    """Type to the fake board."""
    page.locator("#console-input").fill(line)
    page.locator("#console-input").press("Enter")


def has_line(page: Any, text: str) -> None:
    expect(page.locator("#console-lines p", has_text=text).last).to_be_visible()


@needs_browser
def test_the_page_shows_the_light_and_what_it_means(page: Any) -> None:
    expect(page.locator("#state-number")).to_have_text("1")
    expect(page.locator("#state-sentence")).to_have_text("No settings: waiting for BlinkUp.")
    assert page.locator("#state-sentence").get_attribute("aria-live") == "polite"
    expect(page.locator("#blinkup")).to_have_text("BlinkUp open")
    for colour in ("amber", "off", "amber"):
        expect(page.locator("#lens")).to_have_attribute("aria-label", f"LED: {colour}")
    tell(page, "say 17")
    expect(page.locator("#state-sentence")).to_have_text("Connected.")
    expect(page.locator("#lens")).to_have_attribute("data-colour", "green")


@needs_browser
def test_the_scope_draws_led_and_sensor(page: Any) -> None:
    # Amber in the LED's lanes, and the sensor's line below them.
    colours = """() => {
      const canvas = document.getElementById('scope');
      // Of a copy: Chromium complains about a canvas that is read again and again.
      const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
      copy.drawImage(canvas, 0, 0);
      const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
      let amber = 0, line = 0;
      for (let i = 0; i < data.length; i += 4) {
        if (data[i] > 240 && data[i + 1] > 150 && data[i + 1] < 200 && data[i + 2] < 80) amber++;
        if (data[i] < 150 && data[i + 1] > 180 && data[i + 2] > 180) line++;
      }
      return amber > 300 && line > 50;
    }"""
    page.wait_for_function(colours)
    expect(page.locator("#reading")).to_contain_text("of 65535")
    page.get_by_role("button", name="2 s").click()
    expect(page.get_by_role("button", name="2 s")).to_have_attribute("aria-pressed", "true")


@needs_browser
def test_the_page_shows_which_network_since_when_and_why_not(page: Any) -> None:
    network = page.locator("#network")
    expect(network).to_contain_text("None.")
    tell(page, "say 6")
    expect(network).to_contain_text("Trying workshop")
    expect(network).to_contain_text("no access point of that name")
    expect(network).to_contain_text(re.compile(r"For\s*\d+ s"))
    expect(network).to_contain_text(re.compile(r"Attempts\s*3"))
    tell(page, "say 17")
    expect(network).to_contain_text("On workshop")
    expect(network).to_contain_text("192.168.4.23")
    expect(page.locator(".ap").first).to_contain_text("joined")


@needs_browser
def test_the_page_shows_settings_without_passwords(page: Any) -> None:
    expect(page.locator("#settings")).to_contain_text("No network stored.")
    tell(page, "say 17")
    expect(page.locator("#settings")).to_contain_text("workshop")
    expect(page.locator("#settings")).to_contain_text("password set")
    expect(page.locator("#settings")).to_contain_text("generation 7")


@needs_browser
def test_power_cut_reset_and_buttons(page: Any) -> None:
    board = page.locator("#board")
    power = page.get_by_role("switch", name="Power")
    power.click()
    expect(page.locator("#state-sentence")).to_have_text("The board is switched off.")
    expect(page.locator("#lens")).to_have_attribute("data-colour", "off")
    expect(page.locator("#cut")).to_be_disabled()
    power.press("Space")
    expect(page.locator("#state-name")).to_have_text("no-settings")
    page.locator("#cut").click()
    expect(board).to_contain_text("lost its power")
    expect(page.locator("#state-name")).to_have_text("no-settings")
    page.locator("#reset").click()
    expect(board).to_contain_text("was reset")
    expect(board).to_contain_text(re.compile(r"Starts\s*4"))
    tell(page, "exit 76")
    expect(board).to_contain_text("watchdog")


@needs_browser
@pytest.mark.parametrize("how", ["mouse", "keyboard"])
def test_the_blinkup_button_is_down_as_long_as_it_is_held(page: Any, how: str) -> None:
    button = page.locator("#button")
    if how == "mouse":
        button.hover()
        page.mouse.down()
    else:
        button.focus()
        page.keyboard.down("Space")
    has_line(page, '"button", "down": true')
    expect(button).to_have_class("down")
    assert page.locator("#console-lines p", has_text='"down": false').count() == 0
    if how == "mouse":
        page.mouse.up()
    else:
        page.keyboard.up("Space")
    has_line(page, '"button", "down": false')
    assert page.locator("#console-lines p", has_text='"down": true').count() == 1


@needs_browser
def test_access_points_come_change_and_go(page: Any) -> None:
    page.locator("#air-form [name=ssid]").fill("<b>cellar</b>")
    page.locator("#air-form [name=password]").fill("down below")
    page.locator("#air-form [name=password]").press("Enter")
    cellar = page.locator(".ap", has_text="<b>cellar</b>")  # as text: nobody's name becomes markup
    expect(cellar).to_contain_text("with password")
    cellar.locator("summary").click()
    for field, value, shown in (
        ("dhcp", "dead", "gives no address"),
        ("boot_ms", "30000", "starts in 30 s"),
        ("landing", "redirect", "landing page"),
    ):
        cellar.locator(f"[data-field={field}]").select_option(value)
        expect(cellar.locator(".ap-what")).to_contain_text(shown)
    cellar.locator("[data-field=refuse]").check()
    expect(cellar.locator(".ap-what")).to_contain_text("refuses")
    cellar.locator("[data-field=password]").fill("another one")
    cellar.locator("[data-field=password]").press("Tab")
    has_line(page, '"password": "another one"')
    cellar.get_by_role("switch").click()
    expect(cellar.locator(".ap-what")).to_contain_text("off")
    expect(page.locator("#air-count")).to_have_text("1 of 3 on")
    cellar.get_by_role("button", name="Remove").click()
    expect(cellar).to_have_count(0)


@needs_browser
def test_a_refused_change_is_explained(page: Any) -> None:
    page.locator("#air-form [name=ssid]").fill("cellar")
    page.locator("#air-form [name=password]").fill("short")
    page.locator("#air-form button").click()
    expect(page.locator("#notice")).to_contain_text("8 to 63 bytes")


@needs_browser
def test_what_is_being_typed_survives_what_the_board_says(page: Any) -> None:
    first = page.locator(".ap").first
    first.locator("summary").click()
    password = first.locator("[data-field=password]")
    password.fill("half a pass")
    page.locator(".ap").nth(1).get_by_role("switch").evaluate("button => button.click()")  # the air changes
    expect(page.locator("#air-count")).to_have_text("2 of 2 on")
    assert password.input_value() == "half a pass"


@needs_browser
def test_sectors_are_shown_and_worn_out(page: Any) -> None:
    rows = page.locator("#flash-rows tr")
    expect(rows).to_have_count(8)
    expect(rows.nth(0)).to_contain_text("settings, old")
    expect(rows.nth(1)).to_contain_text(re.compile(r"settings\s*7\s*3"))
    expect(rows.nth(4)).to_contain_text("damaged")
    worn = page.get_by_role("switch", name="Sector 2 worn out")
    worn.click()
    expect(worn).to_have_attribute("aria-checked", "true")
    worn.click()
    expect(worn).to_have_attribute("aria-checked", "false")


@needs_browser
def test_the_page_shows_releases_slots_trial_and_what_failed(page: Any) -> None:
    release = page.locator("#release")
    slots = page.locator("#slots li")
    expect(page.locator("#release-lead")).to_have_text("Release 1 runs")
    expect(slots).to_have_text([re.compile(r"1\s*runs"), re.compile("empty"), re.compile("empty")])
    expect(page.locator("#release-next")).to_have_text("no server to ask")
    expect(release.get_by_role("progressbar")).to_be_hidden()
    tell(page, "release downloading")
    expect(release.get_by_role("progressbar", name="Download")).to_have_attribute("value", "30000")
    expect(release).to_contain_text("30.0 kB of 120 kB")
    tell(page, "release trial")
    expect(page.locator("#release-lead")).to_have_text("Release 8 (0.3) on trial, boot 2 of 3")
    expect(slots.nth(1)).to_contain_text("to go back to")
    expect(slots.nth(2)).to_contain_text("boot 2 of 3")
    tell(page, "server http://192.0.2.1/")
    tell(page, "release rejected")
    expect(slots.nth(2)).to_contain_text(re.compile(r"8.*rejected"))
    expect(release).to_contain_text("release 8, never again")
    expect(release).to_contain_text("landing-page (redirect to login.example)")
    expect(release).to_contain_text("3 times, 1 min 15 s ago")
    expect(page.locator("#release-next")).to_have_text("next look in 5 h 50 min")
    expect(page.locator("#server-other:visible")).to_contain_text("http://192.0.2.1/")
    tell(page, f"server {page.locator('#server-url').inner_text()}")
    expect(page.locator("#server-other")).to_be_hidden()


@needs_browser
def test_a_release_is_published_and_the_server_spoilt_by_hand(page: Any) -> None:
    url = page.locator("#server-url").inner_text()
    expect(page.frame_locator("#sender-frame").locator("#server")).to_have_value(url)
    page.get_by_label("Publish this tree").select_option("crashes-at-import")
    page.get_by_role("button", name="Publish").press("Enter")
    expect(page.locator("#published")).to_contain_text(re.compile(r"Release 2, crashes-at-import: \d+ files"))
    page.get_by_role("button", name="Look now").click()
    has_line(page, "looking")
    expect(page.locator("#wrong-where")).to_be_hidden()
    page.get_by_label("What is wrong with the server").select_option("not-found")
    expect(page.locator("#wrong-now")).to_have_text("Nothing is found (status 404).")
    page.get_by_label("release.json").check()
    assert fetch(url + "release.json")[0] == 404
    row = page.locator("#requests tr").first
    expect(row).to_contain_text(re.compile(r"release\.json\s*404"))
    page.reload()
    expect(page.get_by_label("What is wrong with the server")).to_have_value("not-found")
    expect(page.get_by_label("release.json")).to_be_checked()
    expect(row).to_contain_text("release.json")
    page.get_by_label("What is wrong with the server").select_option("none")
    expect(page.locator("#wrong-now")).to_be_hidden()


@needs_browser
def test_the_console_scrolls_and_remembers(page: Any) -> None:
    tell(page, "many 600")
    has_line(page, "line 599")
    assert page.locator("#console-lines p").count() == 500
    at_end = "(lines => lines.scrollHeight - lines.scrollTop - lines.clientHeight < 30)"
    assert page.locator("#console-lines").evaluate(at_end)
    page.locator("#console-input").press("ArrowUp")
    assert page.locator("#console-input").input_value() == "many 600"
    page.get_by_role("button", name="status").click()
    has_line(page, "lutin: state 1")


@needs_browser
def test_the_rooms_light_is_set(page: Any) -> None:
    page.locator("[name=ambient]").fill("0.3")
    has_line(page, '"ambient": 0.3')
    page.locator("[name=mains_hz][value='120']").check()
    has_line(page, '"mains_hz": 120')
    page.reload()
    expect(page.locator("[name=mains_hz][value='120']")).to_be_checked()
    assert page.locator("[name=ambient]").input_value() == "0.3"


@needs_browser
def test_what_the_senders_square_shows_reaches_the_board(page: Any) -> None:
    sender = page.frame_locator("#sender-frame")
    sender.locator("#ssid").fill("workshop")
    sender.locator("#start").click()
    expect(sender.locator("#square")).to_be_visible()
    expect(page.locator("#blinkup")).to_have_text("receiving BlinkUp")  # the fake one says so in bright light
    # Square and Stop button are in sight together.
    height = page.viewport_size["height"]
    for place in ("#square", "#stop"):
        box = sender.locator(place).bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= height
    sender.locator("#stop").click()
    expect(page.locator("#blinkup")).to_have_text("BlinkUp open")


@needs_browser
def test_other_windows_cannot_pose_as_the_sender(page: Any) -> None:
    page.evaluate("postMessage({ lutin: 'frame', us: 1, level: 1 }, location.origin)")
    tell(page, "status")
    has_line(page, "lutin: state 1")
    assert "got" not in page.locator("#console-lines").inner_text().replace('got {"t": "room"', "")


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 768, 1024, 1440])
def test_nothing_is_wider_than_the_window(page: Any, width: int, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 780})
    for summary in page.locator(".ap summary").all():
        summary.click()
    page.locator("#wrong-mode").select_option("page-511")
    fetch(page.locator("#server-url").inner_text() + 200 * "x")
    expect(page.locator("#requests tr")).to_have_count(1)
    tell(page, "release rejected")
    tell(page, "server http://a-name-that-is-rather-long.and-another-one.example/releases/")
    tell(page, "x" * 190)
    has_line(page, "no such command: xxx")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # Nor does anything hide beyond a panel's edge.
    cut = """() => [...document.querySelectorAll('main button, main input, main select, main td, main canvas')]
      .filter((e) => e.offsetParent && e.getBoundingClientRect().right > e.closest('.panel').getBoundingClientRect().right)
      .map((e) => e.outerHTML.slice(0, 80))"""
    assert page.evaluate(cut) == []


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_contrast(page: Any, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    tell(page, "release rejected")
    tell(page, "say 6")
    page.locator("#wrong-mode").select_option("page-511")
    expect(page.locator("#network dd.bad").first).to_be_visible()
    expect(page.locator("#wrong-now")).to_be_visible()
    assert page.evaluate(CONTRAST) == []


CONTRAST = """() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const colour = rgb(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll('body *')]
    .filter((e) => e.offsetParent && !e.disabled && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
    .map((e) => {
      const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))];
      return [e.outerHTML.slice(0, 60), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
    })
    .filter(([, ratio]) => ratio < 4.5);
}"""


@needs_browser
def test_everything_that_can_be_used_has_a_name_and_takes_the_keyboard(page: Any) -> None:
    for summary in page.locator(".ap summary").all():
        summary.click()
    nameless = """() => [...document.querySelectorAll('button, input, select, summary, iframe, canvas, [role]')]
      .filter((e) => e.offsetParent !== null)
      .filter((e) => !(e.textContent.trim() || e.getAttribute('aria-label') || e.title || e.labels?.length
        || e.getAttribute('aria-labelledby') || e.getAttribute('role') === 'status'))
      .map((e) => e.outerHTML.slice(0, 80))"""
    assert page.evaluate(nameless) == []
    reached = set()
    for _ in range(90):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.className"))
    assert {
        "power",
        "cut",
        "reset",
        "button",
        "console-input",
        "console-lines",
        "hold",
        "sender-frame",
        "publish-kind",
        "publish",
        "look",
        "wrong-mode",
    } <= reached


@needs_browser
def test_the_page_comes_back_by_itself(browser: Any, tmp_path: Path) -> None:
    first = Desk(tmp_path / "desk")
    page = browser.new_page()
    page.goto(first.url)
    expect(page.locator("#link")).to_have_text("bench connected")
    tell(page, "exit 1")  # and the console begins anew with the new bench
    has_line(page, "crashed")
    first.stop()
    expect(page.locator("#link")).to_have_text("bench not answering")
    expect(page.locator("#notice")).to_be_visible()
    second = Desk(tmp_path / "desk", port=first.port)
    expect(page.locator("#link")).to_have_text("bench connected")
    expect(page.locator("#notice")).to_be_hidden()
    expect(page.locator("#state-name")).to_have_text("no-settings")
    expect(page.locator("#console-lines p", has_text="crashed")).to_have_count(0)
    page.close()
    second.stop()
