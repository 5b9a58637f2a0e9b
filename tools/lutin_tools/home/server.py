"""`lutin serve`: releases and the broker for the network, the page for this machine."""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import errno
import functools
import getpass
import hmac
import ipaddress
import json
import logging
import secrets
import signal
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from .. import serve
from ..paths import ROOT
from ..release import check, keys
from ..release.read import Refused
from . import announce, broker, link, logs, messages, publish
from .home import Home, Page
from .messages import Message

WEB = Path(__file__).resolve().parents[1] / "web"
_LOCAL = ("localhost", "127.0.0.1", "::1")
_LOOK = 2.0  # s between two looks at the release


class Server:
    """All of it, wired."""

    def __init__(self, asked: argparse.Namespace, key: keys.Key | None, password: str) -> None:
        self._asked = asked
        self._password = password
        self._tls = serve.tls(asked)
        self._log = logs.Logs(asked.logs, asked.keep, asked.keep_mb or 0)
        self._urls: Message = {}
        self._states = states()
        self.home = Home(self._log, self._send, self._about)
        self.publisher = publish.Publisher(asked.folder, key, asked.app, self.home.tell)
        self._broker: broker.Broker | None = None
        self._link: link.Link | None = None
        self._announcer: announce.Announcer | None = None
        self._runners: list[web.AppRunner] = []
        self._look: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open every door; Refused says which cannot be opened."""
        asked = self._asked
        address = serve.primary() if asked.bind in serve.ANY else asked.bind
        host = f"[{address}]" if ":" in address else address
        releases = await self._listen(serve.Server(asked.folder).application(), asked.bind, asked.port,
                                      "--port", self._tls)  # fmt: skip
        self._urls["server"] = f"{'https' if self._tls else 'http'}://{host}:{releases}/"
        where = await self._open_broker(host)
        page = asked.page_port if asked.page_port is not None else (asked.port + 1 if asked.port else 0)
        page = await self._listen(self.application(), asked.page_bind, page, "--page-port", None)
        client = self._log.fact("client", lambda: f"lutin-home-{secrets.token_hex(6)}")
        self._link = link.Link(where, client, self.home.heard, self.home.connected, asked.broker_ca)
        self.home.start()
        self._link.start()
        self._look = asyncio.create_task(self._watch())
        self._say(page, await self._announce(where))

    async def close(self) -> None:
        """Close them again, in an order in which nothing is lost."""
        if self._look:
            self._look.cancel()
        if self._announcer:
            await self._announcer.stop()
        if self._link:
            await self._link.close()
        await self.home.close()
        for runner in self._runners:
            await runner.cleanup()
        if self._broker:
            await self._broker.close()
        await self.publisher.close()
        self._log.close()

    def _send(self, topic: str, data: bytes, retain: bool) -> None:
        if self._link is None:
            raise messages.Refused("the broker is not there")
        try:
            self._link.send(topic, data, retain)
        except Refused as e:
            raise messages.Refused(str(e)) from None

    async def _listen(
        self, app: web.Application, bind: str, port: int, option: str, tls: ssl.SSLContext | None
    ) -> int:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        self._runners.append(runner)
        try:
            await web.TCPSite(runner, bind, port, ssl_context=tls).start()
        except (OSError, OverflowError) as e:
            raise taken(bind, port, option, e) from None
        return runner.addresses[0][1]

    async def _open_broker(self, host: str) -> link.Address:
        """The embedded one, or that of somebody else: where the page's own client finds it."""
        asked = self._asked
        if asked.broker:
            where = link.address(asked.broker)
            scheme = "mqtts" if where.tls else "mqtt"
            shown = host if where.host in _LOCAL else where.host
            self._urls.update(broker=f"{scheme}://{shown}:{where.port}", user=asked.user or where.user)
            if asked.user:
                where = link.Address(where.host, where.port, where.tls, asked.user, self._password)
            return where
        broker.quiet()
        port = asked.broker_port if asked.broker_port is not None else (8883 if self._tls else 1883)
        self._broker = broker.Broker(asked.user or "", self._password, self._tls)
        try:
            await self._broker.listen(asked.bind, port)
        except (OSError, OverflowError) as e:
            self._broker = None
            raise taken(asked.bind, port, "--broker-port", e) from None
        scheme = "mqtts" if self._tls else "mqtt"
        self._urls.update(broker=f"{scheme}://{host}:{self._broker.port}", user=asked.user or "")
        return link.Address("127.0.0.1", self._broker.inner_port, False, *self._broker.inner)

    async def _announce(self, where: link.Address) -> str:
        """What is announced, or why not."""
        asked = self._asked
        if asked.no_mdns:
            return "not announced: boards need this broker in their settings"
        if self._tls or asked.user or (where.tls and not self._broker):
            return "not announced by mDNS: a board without settings for a broker could not log in"
        if asked.broker and where.host not in (*_LOCAL, *serve.own_addresses()):
            return "not announced by mDNS: the broker is on another machine"
        port = self._broker.port if self._broker else where.port
        addresses = serve.own_addresses() if asked.bind in serve.ANY else [asked.bind]
        reachable = [one for one in addresses if one not in _LOCAL] or addresses
        self._announcer = announce.Announcer(reachable, port, self._urls["server"], asked.mdns_interface)
        trouble = await self._announcer.start()
        if trouble:
            return f"not announced by mDNS ({trouble}): boards need this broker in their settings"
        return "announced by mDNS as _lutin._tcp: a board without settings for a broker finds it"

    def _say(self, page: int, announced: str) -> None:
        asked = self._asked
        latest = self.publisher.state()["latest"]
        lines = [("releases", self._urls["server"])]
        if latest is None:
            lines.append(("", f"none yet in {asked.folder}: the page says how to publish the first"))
        elif latest["number"] is None:
            lines.append(("", latest["why"]))
        else:
            lines.append(("", f"release {latest['number']}, for {', '.join(latest['boards'])}"))
        lines.append(("broker", self._urls["broker"]))
        if not asked.broker and not asked.user:
            lines.append(
                ("", "it asks for no login: whoever is in this network can read and send. --user NAME")
            )
        lines.append(("", announced))
        lines.append(("log", f"{asked.logs}, the last {asked.keep} lines"))
        shown = "localhost" if asked.page_bind in _LOCAL else serve.primary()
        lines.append(("page", f"http://{shown}:{page}/"))
        if asked.page_bind not in _LOCAL and not asked.user:
            lines.append(("", "everybody in this network may use it, and command devices. --user NAME"))
        for term, text in lines:
            print(f"{term:9}{text}", flush=True)

    def _about(self) -> Message:
        """What a page has to know first."""
        return {
            "urls": self._urls,
            "tls": bool(self._tls),
            "states": self._states,
            "releases": self.publisher.state(),
            "keep": self._asked.keep,
            "key": " --key FILE" if not self._asked.key else "",
        }

    async def _watch(self) -> None:
        """Whether somebody publishes with the command."""
        while True:
            await asyncio.sleep(_LOOK)
            if self.publisher.changed():
                self.home.tell(self.publisher.state())

    # The page

    def application(self) -> web.Application:
        """Its routes."""

        async def index(_: web.Request) -> web.StreamResponse:
            return web.FileResponse(WEB / "home" / "index.html")

        async def sender(request: web.Request) -> web.StreamResponse:
            if not request.path.endswith("/"):
                raise web.HTTPFound("/sender/")
            return web.FileResponse(WEB / "sender" / "index.html")

        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/", index)
        app.router.add_get("/ws", self._websocket)
        app.router.add_get("/sender", sender)
        app.router.add_get("/sender/", sender)
        # What the bench has already is not there twice.
        for name in ("bench", "home", "sender"):
            app.router.add_static(f"/{name}", WEB / name)
        return app

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Only names of this machine, so that no page elsewhere can pose as it; and the login, if open."""
        host = request.host.rpartition(":")[0].strip("[]") if ":" in request.host else request.host
        if not self._is_own(host):
            raise web.HTTPForbidden(text="this page is http://localhost here, under no other name\n")
        if self._asked.page_bind not in _LOCAL and self._asked.user and not self._is_login(request):
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": 'Basic realm="lutin", charset="UTF-8"'})
        response = await handler(request)
        if not response.prepared:
            response.headers["Content-Security-Policy"] = (
                "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
                "form-action 'self'; frame-ancestors 'self'"
            )
            response.headers["Cache-Control"] = "no-cache"
            response.headers["X-Content-Type-Options"] = "nosniff"
            response.headers["Referrer-Policy"] = "same-origin"
        return response

    def _is_own(self, host: str) -> bool:
        if host in _LOCAL:
            return True
        if self._asked.page_bind in _LOCAL:
            return False
        # A number cannot be made to mean another machine, as a name can.
        with contextlib.suppress(ValueError):
            return bool(ipaddress.ip_address(host))
        name = socket.gethostname().lower()
        return host.lower() in (name, name.partition(".")[0], f"{name.partition('.')[0]}.local")

    def _is_login(self, request: web.Request) -> bool:
        kind, _, rest = request.headers.get("Authorization", "").partition(" ")
        try:
            given = base64.b64decode(rest, validate=True) if kind.lower() == "basic" else b""
        except ValueError:
            given = b""
        return hmac.compare_digest(given, f"{self._asked.user}:{self._password}".encode())

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        # A program without a browser sends none; a web page cannot leave it out.
        if origin is not None and origin != f"http://{request.host}":
            raise web.HTTPForbidden(text="this server listens only to its own page\n")
        socket_ = web.WebSocketResponse(heartbeat=20, max_msg_size=1 << 16)
        await socket_.prepare(request)
        page = await self.home.come()
        drain = asyncio.create_task(_drain(page, socket_))
        try:
            async for frame in socket_:
                if frame.type is WSMsgType.TEXT:
                    await self._asked_by(page, frame.data)
        finally:
            self.home.leave(page)
            drain.cancel()
        return socket_

    async def _asked_by(self, page: Page, data: str) -> None:
        try:
            message = json.loads(data)
            if not isinstance(message, dict):
                raise messages.Refused("a message is an object")
            if message.get("t") == "publish":
                self.publisher.publish(messages.version(message), self.home.releases_known())
            else:
                await self.home.asked(page, message)
        except (ValueError, RecursionError):
            page.tell({"t": "refused", "why": "a message is JSON"})
        except messages.Refused as refusal:
            page.tell({"t": "refused", "why": str(refusal)})


async def _drain(page: Page, socket_: web.WebSocketResponse) -> None:
    with contextlib.suppress(ConnectionError):
        while (text := await page.queue.get()) is not None:
            await socket_.send_str(text)
        await socket_.close()


@functools.cache
def states() -> list[Message]:
    """The table of the firmware: name, sentence and light of each state, by number."""
    path = ROOT / "firmware" / "lutin" / "states.py"
    source = path.read_text(encoding="utf-8")
    module: dict[str, Any] = {"__name__": "states", "const": lambda value: value}
    lines = [line for line in source.splitlines() if not line.startswith("from micropython")]
    exec(compile("\n".join(lines), str(path), "exec"), module)
    table: list[Message] = []
    for number in range(module["count"]()):
        cells, once = module["pattern"](number)
        table.append(
            {
                "name": module["name"](number),
                "sentence": module["sentence"](number),
                "cells": cells,
                "once": once,
            }
        )
    return table


def taken(bind: str, port: int, option: str, error: Exception) -> Refused:
    """A port that cannot be had, and what to do."""
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        what = f"it is in use, perhaps by another lutin serve, or by mosquitto. Another one: {option} PORT"
    elif number == errno.EACCES:
        what = f"this user may not open it. One from 1024 up: {option} PORT"
    elif number == errno.EADDRNOTAVAIL:
        what = "this machine has no such address"
    else:
        what = f"{getattr(error, 'strerror', None) or error}"
    return Refused("no-server", f"{bind} port {port}: {what}")


def password_of(asked: argparse.Namespace) -> str:
    """From its file, or asked for."""
    if not asked.user:
        if asked.password_file:
            raise Refused("no-login", "--password-file belongs to --user NAME")
        return ""
    if asked.password_file:
        try:
            password = asked.password_file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as e:
            raise Refused("no-login", f"{asked.password_file}: {getattr(e, 'strerror', None) or e}") from None
    elif sys.stdin.isatty():
        password = getpass.getpass(f"Password of {asked.user}: ")
    else:
        raise Refused("no-login", "there is nobody to ask for the password: --password-file FILE")
    if not password:
        raise Refused("no-login", "an empty password is none")
    return password


def run(asked: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    if asked.broker and asked.broker_port is not None:
        raise Refused("no-broker", "--broker names another one, so there is no port to choose")
    for number in (asked.port, asked.broker_port or 0, asked.page_port or 0):
        if not 0 <= number <= 65535:
            raise Refused("no-server", f"there is no port {number}: the last one is 65535")
    if asked.keep < 100:
        raise Refused("no-log", "--keep: at least 100 lines")
    try:
        asked.folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise Refused("no-release", f"{asked.folder}: {e.strerror}") from None
    if (asked.folder / "release.json").exists():
        try:
            check.Place(asked.folder).release()
        except Refused as e:
            path = asked.folder / "release.json"
            raise Refused("no-release", f"{path} is no release ({e}); remove it, or name another") from None
    password = password_of(asked)
    from ..release.commands import ask

    key = keys.load(asked.key, ask) if asked.key else None
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # rubbish that is no HTTP is no news
    return asyncio.run(_serve(asked, key, password))


async def _serve(asked: argparse.Namespace, key: keys.Key | None, password: str) -> int:
    server = Server(asked, key, password)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        await server.start()
        await stop.wait()
    finally:
        await server.close()
    return 0
