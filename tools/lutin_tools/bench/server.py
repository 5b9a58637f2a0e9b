"""`lutin run`: the bench page on localhost, and the simulated board behind it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import json
import os
import re
import secrets
import signal
import sys
import threading
import webbrowser
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from ..paths import ROOT, micropython
from . import messages, pixels
from . import releases as desk
from .messages import Refused
from .supervisor import Board

Message = dict[str, Any]

WEB = Path(__file__).resolve().parents[1] / "web"
HEAP = "2M"  # of the firmware and of the world around it, which share one interpreter
# The firmware itself is on the board's flash.
_PATH = ":".join((str(ROOT / "boards" / "unix"), ".frozen"))

# What a new board begins without. Named one by one: --reset never removes a folder.
_STATE_FILES = ("flash.bin", "written.json", "wear.json", "air.json", "room.json")
_WINDOW_US = 12_000_000  # of LED and trace kept for a page that opens late
_MAX_BEHIND = 2000  # messages; a page that is further behind is let go and comes back
_ROOM = {"ambient": 0.0, "mains": 0.0, "mains_hz": 100.0}


class Bench:
    """Passes messages between the board and every open page, and knows the latest of each kind."""

    def __init__(self, state: Path, pixels_rule: bool = False) -> None:
        self.board: Board | None = None
        self.releases = desk.Releases(state, self._tell)
        self._state = state
        self._pixels_rule = pixels_rule  # light comes from painted pixels, not from the page's events
        self._pages: set[asyncio.Queue[str | None]] = set()
        self._latest: dict[str, Message] = {}
        self._console: deque[str] = deque(maxlen=500)
        self._led: deque[Message] = deque()
        self._trace: deque[Message] = deque()
        self._owed: dict[Any, Message] = {}  # for the board when it comes back
        self._room = {**_ROOM, **self._load_room()}

    # From the board

    def heard(self, message: Message) -> None:
        """Keep what a late page needs, and tell the pages."""
        kind = message["t"]
        if kind == "board":
            was = self._latest.get("board", {})
            if message["starts"] != was.get("starts"):
                self._led.clear()  # its clock begins anew
                self._trace.clear()
            if not message["running"]:
                self._latest.pop("report", None)
            self._latest["board"] = message
        elif kind == "console":
            self._console.extend(message["lines"])
        elif kind in ("led", "trace"):
            kept = self._led if kind == "led" else self._trace
            kept.append(message)
            # The newest LED message before the window tells what it showed when it began.
            while len(kept) > 2 and kept[1].get("us", 0) < message.get("us", 0) - _WINDOW_US:
                kept.popleft()
        else:
            self._latest[kind] = message
        self._tell(message)

    def board_is_there(self) -> None:
        """A board has just come up: tell it what changed while it was off."""
        assert self.board
        self.board.send({"t": "room", **self._room})
        for message in self._owed.values():
            self.board.send(message)
        self._owed.clear()

    def light(self, frames: list[list[float]]) -> None:
        """Light from painted pixels."""
        if self.board:
            self.board.send({"t": "light", "frames": frames})

    # From a page

    def asked(self, message: Message) -> None:
        """Do what a page asks; Refused says why not."""
        assert self.board
        kind = message.get("t")
        if kind == "power":
            self.board.power(messages.power(message))
        elif kind == "cut":
            self.board.cut()
        elif kind == "reset":
            self.board.reset()
        elif kind == "console":
            line = messages.console_line(message)
            self.heard({"t": "console", "lines": [f"> {line}"]})
            self.board.type(line)
        elif kind == "ap":
            air = self._latest.get("air", {}).get("aps", [])
            new = {"t": "air", "aps": messages.change_air(air, message)}
            self._deliver("air", new)
            self.heard(new)
        elif kind == "room":
            self._room.update(messages.room(message))
            self._save_room()
            self.board.send({"t": "room", **self._room})
            self._tell({"t": "room", **self._room})
        elif kind == "publish":
            report = self._latest.get("report", {}).get("report", {})
            self.releases.publish(message, report.get("update") or {})
        elif kind == "wrong":
            self.releases.wrong(message)
        else:
            checked = messages.for_board(message)
            if kind == "wear":
                self._deliver(("wear", checked["sector"]), checked)
            elif not (kind == "light" and self._pixels_rule):
                self.board.send(checked)

    def _deliver(self, key: Any, message: Message) -> None:
        """To the board, now or when it is back."""
        assert self.board
        if not self.board.send(message):
            self._owed[key] = message

    # The pages

    def hello(self) -> Message:
        """All that a page needs to begin with."""
        return {
            "t": "hello",
            "light": "pixels" if self._pixels_rule else "page",
            "room": self._room,
            "console": list(self._console),
            "led": list(self._led),
            "trace": list(self._trace),
            **self.releases.hello(),
            **self._latest,
        }

    def _tell(self, message: Message) -> None:
        text = json.dumps(message)
        for page in list(self._pages):
            if page.qsize() > _MAX_BEHIND:
                while not page.empty():
                    page.get_nowait()
                self._let_go(page)
            else:
                page.put_nowait(text)

    def _let_go(self, page: asyncio.Queue[str | None]) -> None:
        self._pages.discard(page)
        page.put_nowait(None)

    def close(self) -> None:
        """Let every page go."""
        for page in list(self._pages):
            self._let_go(page)

    async def websocket(self, request: web.Request) -> web.StreamResponse:
        """One page's connection."""
        origin = request.headers.get("Origin")
        # A program without a browser sends none; a web page cannot leave it out.
        if origin is not None and origin != f"http://{request.host}":
            raise web.HTTPForbidden(text="this bench listens only to its own page\n")
        socket = web.WebSocketResponse(heartbeat=20, max_msg_size=1 << 20)
        await socket.prepare(request)
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        queue.put_nowait(json.dumps(self.hello()))
        self._pages.add(queue)
        sender = asyncio.create_task(_drain(queue, socket))
        try:
            async for frame in socket:
                if frame.type is not WSMsgType.TEXT:
                    continue
                try:
                    message = json.loads(frame.data)
                    if not isinstance(message, dict):
                        raise Refused("a message is an object")
                    self.asked(message)
                except ValueError:
                    queue.put_nowait(json.dumps({"t": "refused", "why": "a message is JSON"}))
                except Refused as refusal:
                    queue.put_nowait(json.dumps({"t": "refused", "why": str(refusal)}))
        finally:
            self._pages.discard(queue)
            sender.cancel()
        return socket

    # The room's light is the bench's own: the board's files know nothing of lamps

    def _load_room(self) -> dict[str, float]:
        try:
            return messages.room(json.loads((self._state / "room.json").read_text()))  # pyright: ignore[reportReturnType]
        except (OSError, ValueError, TypeError, Refused):
            return {}

    def _save_room(self) -> None:
        with contextlib.suppress(OSError):
            (self._state / "room.json").write_text(json.dumps(self._room) + "\n")


async def _drain(queue: asyncio.Queue[str | None], socket: web.WebSocketResponse) -> None:
    with contextlib.suppress(ConnectionError):
        while (text := await queue.get()) is not None:
            await socket.send_str(text)
        await socket.close()


_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def _guard(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Only this computer's names; a page elsewhere must neither frame the bench nor pose as it."""
    if request.host.rpartition(":")[0] not in ("localhost", "127.0.0.1"):
        raise web.HTTPForbidden(text="the bench is http://localhost here, under no other name\n")
    response = await handler(request)
    if not response.prepared:
        response.headers["Content-Security-Policy"] = "frame-ancestors 'self'"
        response.headers["Cache-Control"] = "no-cache"
        response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def application(bench: Bench) -> web.Application:
    """The web server's routes."""

    async def page(_: web.Request) -> web.StreamResponse:
        return web.FileResponse(WEB / "bench" / "index.html")

    async def sender(request: web.Request) -> web.StreamResponse:
        if not request.path.endswith("/"):
            raise web.HTTPFound("/sender/")
        return web.FileResponse(WEB / "sender" / "index.html")

    app = web.Application(middlewares=[_guard])
    app.router.add_get("/", page)
    app.router.add_get("/ws", bench.websocket)
    app.router.add_get("/sender", sender)
    app.router.add_get("/sender/", sender)
    app.router.add_static("/bench", WEB / "bench")
    if (WEB / "sender").is_dir():
        app.router.add_static("/sender", WEB / "sender")
    return app


def board_command() -> list[str]:
    """The unix port with the simulated board's first file."""
    return [micropython(), "-X", f"heapsize={HEAP}", str(ROOT / "boards" / "unix" / "power_on.py")]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _lock(state: Path) -> Any:
    """The state folder for this bench alone: two boards would ruin each other's flash."""
    file = (state / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def _mac(state: Path) -> str:
    """The chip's own number: two boards with the same one would throw each other out at a broker."""
    kept = state / "mac"
    try:
        if re.fullmatch("[0-9a-f]{12}", kept.read_text()):
            return kept.read_text()
    except (OSError, UnicodeError):
        pass
    kept.write_text("240ac4" + secrets.token_hex(3))  # a maker's, then a number
    return kept.read_text()


def _can_open_browser() -> bool:
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


async def _serve(
    port: int,
    state: Path,
    open_browser: bool,
    source: str,
    command: Sequence[str],
    release_port: int | None,
) -> int:
    loop = asyncio.get_running_loop()
    bench = Bench(state, pixels_rule=bool(source))
    env = {
        "MICROPYPATH": _PATH,
        "LUTIN_STATE": str(state),
        "LUTIN_MAC": _mac(state),
        # What it asks by mDNS a `lutin serve` on this machine hears, and nobody else.
        "LUTIN_MULTICAST": os.environ.get("LUTIN_MULTICAST", "127.0.0.1:5353"),
    }
    board = bench.board = Board(command, env, str(ROOT), bench.heard)
    board.on_connect = bench.board_is_there
    runner = web.AppRunner(application(bench), access_log=None, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    try:
        await site.start()
    except OSError as error:
        await runner.cleanup()
        if error.errno == errno.EADDRINUSE:
            _say(
                f"lutin: port {port} is in use, perhaps by another bench.\n"
                f"Stop that one, or choose another port: make run PORT={port + 2}"
                f"  (or: lutin run --port {port + 2})"
            )
        elif error.errno == errno.EACCES:
            _say(f"lutin: this user may not open port {port}. Choose one from 1024 up: make run PORT=8000")
        else:
            _say(f"lutin: port {port} cannot be opened: {error.strerror}")
        return 1
    asked, port = port, runner.addresses[0][1]
    try:
        note = await bench.releases.start(asked, release_port)
    except desk.PortTaken as error:
        _say(f"lutin: {error}")
        await runner.cleanup()
        return 1
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        await board.start()
        if source:
            pixels.follow(source, lambda frames: loop.call_soon_threadsafe(bench.light, frames))
        url = f"http://localhost:{port}"
        print(f"The bench is at {url}  (Ctrl-C stops it; the board's memory stays in {state})", flush=True)
        if note:
            print(note, flush=True)
        if open_browser and _can_open_browser():
            # A thread of its own: some browsers keep the caller until they are closed.
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
        await stop.wait()
    finally:
        await board.close()
        bench.close()
        await bench.releases.close()
        await runner.cleanup()
    print("The bench has stopped.", flush=True)
    return 0


def run(
    port: int = 8000,
    state: Path = ROOT / ".desk",
    reset: bool = False,
    open_browser: bool = True,
    light_source: str | None = None,
    command: Sequence[str] | None = None,
    release_port: int | None = None,
) -> int:
    """Serve the bench until Ctrl-C; the exit code.

    light_source: None or "page" for the sender's own frames; "pixels:-" or "pixels:PATH" for
    raw video of its painted square (see pixels.py). command replaces the simulated board, and then
    nothing is flashed. release_port: of the release server, port + 1 if None.
    """
    source = ""
    if light_source not in (None, "page"):
        kind, _, source = light_source.partition(":")
        if kind != "pixels" or not source:
            _say(f"lutin: --light {light_source}: there is page, pixels:- (standard input) and pixels:FILE")
            return 2
        if source != "-" and not os.path.exists(source):
            _say(f"lutin: --light: {source} does not exist")
            return 2
    for number in (port, release_port or 0):
        if not 0 <= number <= 65535:  # 0: any that is free
            _say(f"lutin: there is no port {number}: the last one is 65535")
            return 2
    state = Path(state).resolve()
    try:
        state.mkdir(parents=True, exist_ok=True)
        lock = _lock(state)
    except OSError as error:
        _say(
            f"lutin: the board's memory cannot be kept in {state}: {error.strerror}. "
            "Choose another: --state DIR"
        )
        return 1
    if lock is None:
        _say(f"lutin: another bench is using the board in {state}. Stop it, or choose another: --state DIR")
        return 1
    with lock:
        if reset:
            for name in _STATE_FILES:
                (state / name).unlink(missing_ok=True)
            desk.reset(state)
        if command is None:
            try:
                desk.flash(state, lambda text: print(text, flush=True))
            except (desk.Refused, OSError) as error:
                _say(f"lutin: the board cannot be flashed: {error}")
                return 1
        command = command or board_command()
        return asyncio.run(_serve(port, state, open_browser, source, command, release_port))
