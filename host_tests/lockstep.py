"""A server in virtual time: it sleeps on the board's clock, which moves only when neither has anything to do.

    with Lockstep(folder) as net:             # a HostileServer in a thread
        rig.call("lockstep", net.control)     # rigs/lockstep.py: the board asks here before it idles
        net.server.mode = "slow"

Nobody guesses how long the other takes: before the board lets time pass it asks here, in the loop in
which the server runs, and is told how far the clock may go: not past the moment at which the server
wants to say something. So a server that sends one byte a second costs no second, and a busy machine
makes nothing time out.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import ssl
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

from lutin_tools.hostile import HostileServer, Request

_T = TypeVar("_T")
_TURNS = 40  # of the loop, after which it has done what there was to do

Client = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Lockstep:
    """A loop in a thread, with a HostileServer on `port`, and who answers the board on `control`."""

    def __init__(self, folder: Path, context: ssl.SSLContext | None = None) -> None:
        self._now = 0.0  # s of the board's
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda loop, context: None)  # failed handshakes are no news here
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.server = HostileServer(folder, context=context, sleep=self.sleep)
        self.port = self.run(self.server.start())
        self.control = self.listen(self._control)

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """In the loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    def add(self, folder: Path, context: ssl.SSLContext) -> tuple[HostileServer, int]:
        """One more server; it and its port."""
        server = HostileServer(folder, context=context, sleep=self.sleep)
        return server, self.run(server.start())

    def listen(self, client: Client, context: ssl.SSLContext | None = None) -> int:
        """A server of the test's own; its port."""

        async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task
            self._tasks.add(task)
            with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
                await client(reader, writer)
            self._tasks.discard(task)
            writer.close()

        async def begin() -> int:
            server = await asyncio.start_server(served, "127.0.0.1", 0, ssl=context)
            return server.sockets[0].getsockname()[1]

        return self.run(begin())

    async def sleep(self, seconds: float) -> None:
        """As asyncio's, on the board's clock."""
        future = self._loop.create_future()
        self._order += 1
        heapq.heappush(self._sleepers, (self._now + seconds, self._order, future))
        await future

    def requests(self) -> list[Request]:
        """Those that have come so far, the last one included."""
        self.run(self._settle())
        return self.server.requests

    @contextlib.contextmanager
    def still(self) -> Iterator[None]:
        """Within this, time may pass though no server waits for it."""
        task = self.run(self._sleep_long())
        yield
        self._loop.call_soon_threadsafe(task.cancel)

    async def _sleep_long(self) -> asyncio.Task[None]:
        return self._loop.create_task(self.sleep(1e6))

    async def _control(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Each line is what the board would like to sleep, in µs; the answer is what it may."""
        while line := await reader.readline():
            await self._settle()
            wish = int(line) / 1e6
            while self._sleepers and self._sleepers[0][2].done():
                heapq.heappop(self._sleepers)
            if not self._sleepers:
                step = -1.0  # nobody here keeps still on purpose
            else:
                step = min(wish, self._sleepers[0][0] - self._now)
                self._now += step
            while self._sleepers and self._sleepers[0][0] <= self._now:
                future = heapq.heappop(self._sleepers)[2]
                if not future.done():
                    future.set_result(None)
            await self._settle()
            writer.write(b"%d\n" % (step * 1e6))

    async def _settle(self) -> None:
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    def close(self) -> None:
        """The end."""
        self.run(self.server.close())
        for task in list(self._tasks):
            self._loop.call_soon_threadsafe(task.cancel)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def __enter__(self) -> Lockstep:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
