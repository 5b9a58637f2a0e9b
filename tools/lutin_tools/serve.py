"""The part of `lutin serve` that serves a release, and nothing else, to the owner's network."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import logging
import socket
import ssl
import time
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

from . import certificates
from .release import build, check, read
from .release.read import Refused

ANY = ("0.0.0.0", "::", "")


class Server:
    """Serves release.json and blobs of a folder, and nothing else."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def application(self) -> web.Application:
        """For aiohttp."""
        application = web.Application(middlewares=[_logged])
        application.router.add_get("/{name:.*}", self._answer)
        return application

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        kind, keep = "application/octet-stream", "max-age=31536000, immutable"
        if name == build.RELEASE:
            kind, keep = "application/json", "no-cache"
        elif not (name.startswith("blobs/") and read.BLOB.fullmatch(name[6:])):
            raise web.HTTPNotFound
        try:
            data = (self._folder / name).read_bytes()
        except OSError:
            raise web.HTTPNotFound from None
        headers = {
            "ETag": f'"{hashlib.sha256(data).hexdigest()[:32]}"',
            "Accept-Ranges": "bytes",
            "Cache-Control": keep,
        }
        if _has(request.headers.get("If-None-Match", ""), headers["ETag"]):
            return web.Response(status=304, headers=headers)
        status, part = 200, slice(0, len(data))
        if "Range" in request.headers and request.headers.get("If-Range", headers["ETag"]) == headers["ETag"]:
            status, part = _range(request, len(data))
            if status == 416:
                headers["Content-Range"] = f"bytes */{len(data)}"
                return web.Response(status=416, headers=headers)
            if status == 206:
                headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{len(data)}"
        return web.Response(status=status, body=data[part], content_type=kind, headers=headers)


def _has(header: str, etag: str) -> bool:
    """If-None-Match: a list, in which weak ones count too."""
    return header.strip() == "*" or etag in [each.strip().removeprefix("W/") for each in header.split(",")]


def _range(request: web.Request, length: int) -> tuple[int, slice]:
    """(status, part): a range that is not understood is as good as none."""
    try:
        asked = request.http_range
    except ValueError:
        return 200, slice(0, length)
    start, stop, _ = asked.indices(length)
    # bytes=-0 asks for nothing, and slices know no such end.
    if start >= stop or request.headers["Range"].endswith("=-0"):
        return 416, slice(0, 0)
    return 206, slice(start, stop)


@web.middleware
async def _logged(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A line for each request."""
    status, length = 500, 0
    try:
        answer = await handler(request)
        body = answer.body if isinstance(answer, web.Response) else None
        status, length = answer.status, len(body) if isinstance(body, bytes) else 0
        return answer
    except web.HTTPException as e:
        status = e.status
        raise
    finally:
        asked = request.headers.get("Range")
        words = [
            time.strftime("%H:%M:%S"),
            request.remote or "-",
            request.method,
            _printable(request.raw_path),
            str(status),
            str(0 if request.method == "HEAD" else length),
            _printable(asked) if asked else "",
        ]
        print(" ".join(words).rstrip(), flush=True)


def _printable(text: str) -> str:
    """Whoever asks chooses it, and a terminal obeys what it prints."""
    return "".join(c if "!" <= c <= "~" else f"%{ord(c):02X}" for c in text)[:200]


def run(asked: argparse.Namespace) -> int:
    """Serve until it is interrupted."""
    release = check.Place(asked.folder).release()  # refuses a folder without one
    context = tls(asked)
    print(f"release {release.number}, version {release.version}, for {', '.join(release.boards)}")
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # rubbish that is no HTTP is no news
    asyncio.run(_serve(Server(asked.folder), asked.bind, asked.port, context))
    return 0


def tls(asked: argparse.Namespace) -> ssl.SSLContext | None:
    """As the options say."""
    if asked.cert or asked.cert_key:
        if asked.tls or not (asked.cert and asked.cert_key):
            raise Refused("tls", "--cert and --cert-key belong together, and --tls makes its own")
        cert, key = asked.cert, asked.cert_key
    elif asked.tls:
        if asked.tls_dir.resolve().is_relative_to(asked.folder.resolve()):
            raise Refused("tls", f"{asked.tls_dir} lies in what is served, and holds private keys")
        bound = [] if asked.bind in ANY else [asked.bind]
        made = certificates.ensure(asked.tls_dir, certificates.own_names(), [*own_addresses(), *bound])
        print(f"CA for devices and `lutin release show --ca`: {made.ca_der}")
        cert, key = made.cert, made.key
    else:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(cert, key, password=lambda: "")
    except (ssl.SSLError, ValueError, OSError) as e:
        raise Refused("tls", f"{cert} and {key} cannot be used: {getattr(e, 'reason', '') or e}") from None
    return context


async def _serve(server: Server, bind: str, port: int, context: ssl.SSLContext | None) -> None:
    runner = web.AppRunner(server.application(), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, bind, port, ssl_context=context)
        try:
            await site.start()
        except OSError as e:
            raise Refused("no-server", f"{bind} port {port}: {e.strerror or e}") from None
        port = runner.addresses[0][1]
        scheme = "https" if context else "http"
        for address in own_addresses() if bind in ANY else [bind]:
            host = f"[{address}]" if ":" in address else address
            print(f"{scheme}://{host}:{port}/", flush=True)
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def own_addresses() -> list[str]:
    """Of this machine, IPv4: those that its name has, the one that it would use, and 127.0.0.1."""
    found: set[str] = {primary()}
    with contextlib.suppress(OSError):
        for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET):
            found.add(str(info[4][0]))
    found.discard("127.0.0.1")
    return [*sorted(found), "127.0.0.1"]


def primary() -> str:
    """The address that this machine would use itself; 127.0.0.1 without a network."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing
        return str(probe.getsockname()[0])
    return "127.0.0.1"
