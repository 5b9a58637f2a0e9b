"""`lutin serve` in a thread of the test, with the address of everything in it."""

from __future__ import annotations

import asyncio
import fcntl
import tempfile
import threading
from pathlib import Path
from typing import Any

from lutin_tools import cli
from lutin_tools.home import server
from lutin_tools.release import keys
from unixport import ROOT

KEY = ROOT / "host_tests" / "keys" / "test-key-1.pem"
DEADLINE = 20  # s


class HomeServer:
    """Started when it has been made; ports are any that are free."""

    def __init__(self, folder: Path, *options: str, password: str = "", key: bool = False) -> None:
        fixed = [
            "--port",
            "0",
            "--page-port",
            "0",
            "--bind",
            "127.0.0.1",
            "--logs",
            str(folder / "log.sqlite"),
        ]
        if "--broker" not in options:
            fixed += ["--broker-port", "0"]
        self._turn = None
        if "--mdns-interface" not in options:
            fixed += ["--no-mdns"]
        else:  # one at a time: a board that asks would hear another test's server
            self._turn = (Path(tempfile.gettempdir()) / "lutin-tests-mdns").open("w")
            fcntl.flock(self._turn, fcntl.LOCK_EX)
        self.asked = cli.parser().parse_args(["serve", str(folder / "releases"), *fixed, *options])
        self.asked.folder.mkdir(exist_ok=True)
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.server: Any = self.do(self._make(keys.load(KEY) if key else None, password))
        self.page = self.server._runners[1].addresses[0][1]
        self.url = f"http://127.0.0.1:{self.page}"
        self.releases = self.server._runners[0].addresses[0][1]
        self.broker = self.server._broker.port if self.server._broker else 0
        self.home = self.server.home

    async def _make(self, key: keys.Key | None, password: str) -> server.Server:
        made = server.Server(self.asked, key, password)
        try:
            await made.start()
        except BaseException:
            await made.close()
            raise
        return made

    def do(self, coroutine: Any) -> Any:
        """In its loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(DEADLINE)

    def find(self, **wanted: Any) -> list[dict[str, Any]]:
        """The lines that it keeps."""
        return self.server._log.find(server.messages.wanted(wanted))

    def close(self) -> None:
        self.do(self.server.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        if self._turn:
            self._turn.close()
