"""What is known of all devices; what comes from the broker goes into the log and to the pages."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from . import logs, messages
from .link import Heard
from .messages import Filter, Line, Message, Refused

_FLUSH = 0.1  # s between two messages to a page
_RETRY = 3.0  # s, when the log cannot be written
_MOST_UNWRITTEN = 50_000  # lines; what comes then is not acknowledged, and comes again
_MOST_LIVE = 500  # lines in one message to a page; who is further behind gets the latest
_MOST_BEHIND = 200  # messages; a page that is further behind is let go and comes back
_SHOWN = 300  # lines that a search finds at once


@dataclass
class Device:
    """One, as it last said."""

    id: str
    status: Message | None = None
    online: bool = False
    seen: float = 0.0  # when it last said something
    claimed: bool = False  # it has this broker in its settings, and so takes commands
    boot: float | None = None  # when it started, as its uptime says

    def message(self) -> Message:
        """For pages."""
        claimed = self.claimed
        said = (self.status or {}).get("broker")
        if said in ("set", "found"):
            claimed = said == "set"
        return {
            "id": self.id,
            "online": self.online,
            "seen": self.seen,
            "claimed": claimed,
            "status": self.status,
        }


class Page:
    """One open page: what it is to be told, and which lines it wants."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[str | None] = asyncio.Queue()
        self.filter = Filter()

    def tell(self, message: Message) -> None:
        """Soon."""
        self.queue.put_nowait(json.dumps(message))


@dataclass
class Unwritten:
    """A line on its way into the log."""

    device: str
    line: Line
    at: float
    boot: float | None
    done: Callable[[], object] = field(repr=False)


class Home:
    """Between broker, log and pages."""

    def __init__(
        self,
        log: logs.Logs,
        send: Callable[[str, bytes, bool], None],
        about: Callable[[], Message],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._log = log
        self._send = send
        self._about = about
        self._clock = clock
        self._devices: dict[str, Device] = {}
        self._pages: set[Page] = set()
        self._changed: set[str] = set()  # devices that pages have to be told of
        self._unnoted: set[str] = set()  # and the log
        self._live: deque[Message] = deque(maxlen=5000)
        self._unwritten: deque[Unwritten] = deque()
        self._wake = asyncio.Event()
        self._broker = "not connected yet"  # what is wrong with it
        self._disk = ""  # what is wrong with the log
        self._refused = 0  # messages that made no sense
        self._write = ThreadPoolExecutor(1, "log")
        self._read = ThreadPoolExecutor(1, "search")
        self._tasks: list[asyncio.Task[None]] = []
        for device, status, seen, claimed in log.devices():
            self._devices[device] = Device(device, status or None, False, seen, claimed)

    def start(self) -> None:
        """Begin to write and to tell."""
        self._tasks = [asyncio.create_task(self._keep()), asyncio.create_task(self._flush())]

    async def close(self) -> None:
        """Write what is there, and let the pages go."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(sqlite3.Error):
            await self._store(list(self._unwritten))
        for page in list(self._pages):
            self.leave(page)
        self._write.shutdown()
        self._read.shutdown()

    # From the broker

    def connected(self, trouble: str) -> None:
        """The broker is there, or what is wrong."""
        self._broker = trouble
        if trouble:
            # Nobody knows now. Who is online is told anew at the next connection.
            for device in self._devices.values():
                self._mark(device, False)
        self._tell(self.health())

    def heard(self, message: Heard) -> None:
        """One message; nothing in it may do any harm."""
        found = messages.topic(message.topic)
        device = self._device(found[0]) if found else None
        if found is None or device is None:
            message.done()
            return
        what = found[1]
        try:
            if what == "log":
                line = messages.line(message.data)
                self._changed.add(device.id)
                device.seen = now = self._clock()
                boot = (
                    device.boot
                    if device.boot is not None and line.up / 1000 < now - device.boot + 2
                    else None
                )
                if len(self._unwritten) < _MOST_UNWRITTEN:
                    self._unwritten.append(Unwritten(device.id, line, now, boot, message.done))
                    self._wake.set()
                return
            if what == "status":
                self._status(device, message)
            elif what == "availability" and message.data:
                self._mark(device, messages.availability(message.data))
            elif what == "discovery":
                device.claimed = bool(message.data)
                self._changed.add(device.id)
                self._unnoted.add(device.id)
        except Refused:
            self._refused += 1
        message.done()

    def _device(self, name: str) -> Device | None:
        if name not in self._devices:
            if len(self._devices) >= messages.MOST_DEVICES:
                return None
            self._devices[name] = Device(name)
        return self._devices[name]

    def _status(self, device: Device, message: Heard) -> None:
        if not message.data:
            return
        status = messages.status(message.data)
        device.status = status
        if not message.retained:  # else it is as old as the broker likes
            device.seen = self._clock()
            if status["uptime"] is not None:
                device.boot = device.seen - status["uptime"]
            self._mark(device, True)
        self._changed.add(device.id)
        self._unnoted.add(device.id)

    def _mark(self, device: Device, online: bool) -> None:
        if device.online != online:
            device.online = online
            if online:
                device.seen = self._clock()
        self._changed.add(device.id)

    # Into the log

    async def _keep(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch = list(self._unwritten)
            if not batch and not self._unnoted:
                continue
            try:
                await self._store(batch)
                if self._disk:
                    self._disk = ""
                    self._tell(self.health())
            except sqlite3.Error as e:
                self._disk = logs.why(e)
                self._tell(self.health())
                await asyncio.sleep(_RETRY)
                self._wake.set()

    async def _store(self, batch: list[Unwritten]) -> None:
        """Into the log, then out of the queue, then acknowledged."""
        noted, self._unnoted = self._unnoted, set()
        devices = [self._devices[name] for name in noted if name in self._devices]

        def store() -> list[Message]:
            new = self._log.add([(one.device, one.line, one.at, one.boot) for one in batch]) if batch else []
            for device in devices:
                self._log.note(device.id, device.status or {}, device.seen, device.claimed)
            return new

        try:
            new = await asyncio.get_running_loop().run_in_executor(self._write, store)
        except sqlite3.Error:
            self._unnoted |= noted
            raise
        for one in batch:
            self._unwritten.popleft()
            one.done()
        self._live.extend(new)

    # To the pages

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(_FLUSH)
            changed, self._changed = self._changed, set()
            for name in changed:
                if name in self._devices:
                    self._tell({"t": "device", "device": self._devices[name].message()})
            if self._unnoted:
                self._wake.set()
            if self._live:
                lines = list(self._live)
                self._live.clear()
                for page in list(self._pages):
                    fitting = [line for line in lines if self._fits(page.filter, line)]
                    if fitting:
                        page.tell({"t": "lines", "lines": fitting[-_MOST_LIVE:]})

    def _fits(self, wanted: Filter, line: Message) -> bool:
        level = messages.LEVELS.index(line["level"])
        return wanted.fits(line["device"], level, line["text"], line["time"])

    def tell(self, message: Message) -> None:
        """Every page."""
        self._tell(message)

    def _tell(self, message: Message) -> None:
        for page in list(self._pages):
            if page.queue.qsize() > _MOST_BEHIND:
                while not page.queue.empty():
                    page.queue.get_nowait()
                self.leave(page)
            else:
                page.tell(message)

    def health(self) -> Message:
        """What is wrong, if anything."""
        return {"t": "health", "broker": self._broker, "log": self._disk}

    async def come(self) -> Page:
        """A new page, and what it begins with."""
        page = Page()
        page.tell(
            {
                "t": "hello",
                **self._about(),
                "devices": [device.message() for device in self._devices.values()],
                "health": self.health(),
            }
        )
        self._pages.add(page)
        return page

    def leave(self, page: Page) -> None:
        """It is gone, or to go."""
        self._pages.discard(page)
        page.queue.put_nowait(None)

    async def asked(self, page: Page, message: Message) -> None:
        """What a page asks; Refused says why not."""
        kind = message.get("t")
        if kind == "search":
            await self._search(page, message)
        elif kind == "command":
            name, data = messages.command(message)
            device = self._devices.get(name)
            if device is None or not device.online:
                raise Refused("the device is not connected")
            self._send(f"{messages.PREFIX}/{name}/command", data, False)
            page.tell({"t": "sent", "id": name, "command": message["command"]})
        elif kind == "forget":
            await self._forget(messages.device(message))
        else:
            raise Refused("this server does not know that message")

    async def _search(self, page: Page, message: Message) -> None:
        wanted, before = messages.wanted(message), messages.before(message)
        if before is None:
            page.filter = wanted
        find: Coroutine[Any, Any, list[Message]] = asyncio.wait_for(
            asyncio.get_running_loop().run_in_executor(self._read, self._log.find, wanted, before, _SHOWN), 20
        )
        try:
            lines = await find
        except (sqlite3.Error, asyncio.TimeoutError) as e:
            raise Refused(f"the log cannot be searched: {e}") from None
        found = {"t": "found", "n": message.get("n"), "lines": lines, "more": len(lines) == _SHOWN}
        page.tell({**found, "before": message.get("before")})

    async def _forget(self, name: str) -> None:
        device = self._devices.get(name)
        if device and device.online:
            raise Refused("the device is connected, and would be here again at once")
        self._devices.pop(name, None)
        for what in ("availability", "status"):
            self._send(f"{messages.PREFIX}/{name}/{what}", b"", True)
        try:
            await asyncio.get_running_loop().run_in_executor(self._write, self._log.forget, name)
        except sqlite3.Error as e:
            raise Refused(f"its lines are still there: {logs.why(e)}") from None
        self._tell({"t": "gone", "id": name})

    def releases_known(self) -> list[int]:
        """Every number that a device has heard of: only a higher one is taken."""
        known = [0]
        for device in self._devices.values():
            release = (device.status or {}).get("release") or {}
            for value in (*release.values(), (release.get("trial") or {}).get("number")):
                if isinstance(value, (int, float)) and 0 < value < 1 << 31:
                    known.append(int(value))
        return known
