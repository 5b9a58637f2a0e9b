"""The owner's server: asked at each join, and again until it answers."""

import asyncio

from micropython import const

from . import states
from .reach import reach

_AGAIN = const(60000)  # ms, doubled at each failure
_MOST = const(3600000)


class Server:
    """Says by `say(state, detail)` whether the server is there."""

    def __init__(self, resolve, open_connection, say):
        # resolve, open_connection: socket.getaddrinfo and asyncio.open_connection
        self._resolve = resolve
        self._open_connection = open_connection
        self._say = say
        self._url = ""
        self._renewed = asyncio.Event()

    def use(self, url):
        """Ask this one from now on; "": none, because there is no network or no server."""
        self._url = url
        self._renewed.set()

    async def run(self):
        """Ask, for ever."""
        while True:
            self._renewed.clear()
            if self._url:
                await self._ask(self._url)
            await self._renewed.wait()

    async def _ask(self, url):
        """Until it has answered, or is not the one to ask any more."""
        wait = _AGAIN
        while True:
            result, detail = await reach(url, self._resolve, self._open_connection, self._tell)
            self._tell(result, detail)
            if result == states.CONNECTED or self._renewed.is_set():
                return
            try:
                await asyncio.wait_for_ms(self._renewed.wait(), wait)
                return
            except asyncio.TimeoutError:
                wait = min(2 * wait, _MOST)

    def _tell(self, state, detail):
        if not self._renewed.is_set():
            self._say(state, detail)
