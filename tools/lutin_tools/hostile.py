"""A web server for a release that can be wrong in every way that a person, or a test, chooses.

    server = HostileServer(folder)
    port = await server.start()
    server.mode = "truncated"

In mode "none" it serves release.json and blobs/ as any static web server does.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import re
import ssl
import time
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

_NAME = re.compile(r"release\.json|blobs/[0-9a-f]{64}")
_RANGE = re.compile(r"bytes=(\d{1,15})-(\d{0,15})")
_LOGIN = b"<!DOCTYPE html>\n<html><title>Welcome</title>Please log in to use this network.</html>\n"
_BOMB = 10_000_000  # bytes, unpacked
_FOR_EVER = 86400.0  # s
_GOODBYE = 0.05  # s
_KEPT = 1000  # requests that are remembered
_HUNG_UP = (OSError, EOFError, ValueError, asyncio.TimeoutError, asyncio.LimitOverrunError)
_PATIENCE = 30.0  # s for a client to say what it wants
APPLIES_TO = ("all", "release.json", "blobs")

Fields = Mapping[str, str]
Sleep = Callable[[float], Awaitable[object]]


@dataclass(frozen=True)
class Request:
    """One that came; status 0: it got no answer that has one."""

    time: float  # s since 1970
    method: str
    path: str
    status: int
    fields: Fields = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        asked = f" {self.fields['range']}" if "range" in self.fields else ""
        return f"{self.method} {self.path} {self.status or '-'}{asked}"


class Answer(NamedTuple):
    """What a good server says."""

    status: int
    fields: dict[str, str]
    body: bytes
    whole: bytes = b""  # the file, where the body is a part of it, or nothing


class Exchange:
    """One request and what is said to it. status is the first that was sent."""

    def __init__(
        self,
        method: str,
        path: str,
        fields: Fields,
        good: Answer,
        writer: asyncio.StreamWriter,
        gone: asyncio.Future[bytes],
        sleep: Sleep,
    ) -> None:
        self.method, self.path, self.fields, self.good = method, path, fields, good
        self.status = 0
        self._writer = writer
        self._gone = gone
        self._sleep = sleep

    @cached_property
    def body(self) -> bytes:
        """What there is to spoil, also where a good answer would have none."""
        return self.good.body or self.good.whole or b'{"nothing": "here"}\n'

    def head(self, status: int, *lines: str) -> bytes:
        """A head with these lines."""
        self.status = self.status or status
        return "\r\n".join([f"HTTP/1.1 {status} {_REASONS.get(status, 'Hm')}", *lines, "", ""]).encode()

    async def send(self, data: bytes) -> None:
        """At once; an error where nobody listens any more."""
        self._writer.write(data)
        await self._writer.drain()
        await asyncio.sleep(0)  # drain() alone gives way only where the other side is slow
        if self._gone.done():
            raise ConnectionResetError

    async def answer(self, status: int, body: bytes, *lines: str) -> None:
        """A whole and correct one."""
        head = self.head(status, *lines, f"Content-Length: {len(body)}", "Connection: close")
        await self.send(head + (b"" if self.method == "HEAD" else body))

    async def pause(self, seconds: float) -> None:
        """Say nothing for so long, or until nobody listens any more."""
        sleep = asyncio.ensure_future(self._sleep(seconds))
        try:
            await asyncio.wait({sleep, self._gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
        if self._gone.done():
            raise ConnectionResetError

    def begin(self, length: int | None, *lines: str) -> bytes:
        """The head of a good answer, but for these lines and this length; None: it says none."""
        good = self.good.status in (200, 206) and self.good.body
        told = {name: value for name, value in self.good.fields.items() if name != "Content-Length"}
        if not good:
            told = {"Content-Type": "application/json"}
        if length is not None:
            told["Content-Length"] = str(length)
        kept = [f"{name}: {value}" for name, value in told.items()]
        return self.head(self.good.status if good else 200, *lines, *kept, "Connection: close")


_REASONS = {
    200: "OK",
    206: "Partial Content",
    302: "Found",
    304: "Not Modified",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    416: "Range Not Satisfiable",
    500: "Internal Server Error",
    511: "Network Authentication Required",
}

Behaviour = Callable[[Exchange], Awaitable[None]]


class Mode(NamedTuple):
    """A way to be wrong: what a person reads, and what is done."""

    sentence: str
    behave: Behaviour


MODES: dict[str, Mode] = {}


def _mode(name: str, sentence: str) -> Callable[[Behaviour], Behaviour]:
    def note(behave: Behaviour) -> Behaviour:
        MODES[name] = Mode(sentence, behave)
        return behave

    return note


@_mode("none", "Nothing is wrong.")
async def _none(x: Exchange) -> None:
    lines = [f"{name}: {value}" for name, value in x.good.fields.items()]
    head = x.head(x.good.status, *lines, "Connection: close")
    await x.send(head + (b"" if x.method == "HEAD" else x.good.body))


@_mode("redirect-elsewhere", "A landing page: every address leads to another host.")
async def _redirect_elsewhere(x: Exchange) -> None:
    await x.answer(302, b"", "Location: http://login.example/?from=here")


@_mode("redirect-same-host", "A landing page: every address leads to a login on the same host.")
async def _redirect_same_host(x: Exchange) -> None:
    await x.answer(302, b"", "Location: /login")


@_mode("page-200", "A landing page: every address shows it.")
async def _page_200(x: Exchange) -> None:
    await x.answer(200, _LOGIN, "Content-Type: text/html; charset=utf-8")


@_mode("page-disguised", "A landing page that says it is a release.")
async def _page_disguised(x: Exchange) -> None:
    await x.answer(200, b"\r\n  " + _LOGIN, "Content-Type: application/json")


@_mode("page-511", "A landing page: “log in to the network first” (status 511).")
async def _page_511(x: Exchange) -> None:
    await x.answer(511, _LOGIN, "Content-Type: text/html")


@_mode("redirect-loop", "Every address leads to itself.")
async def _redirect_loop(x: Exchange) -> None:
    await x.answer(302, b"", f"Location: {x.path}")


@_mode("redirect-nowhere", "Redirects without saying where to.")
async def _redirect_nowhere(x: Exchange) -> None:
    await x.answer(302, b"")


@_mode("moved", "Everything has moved to another folder, and is there.")
async def _moved(x: Exchange) -> None:
    await x.answer(302, b"", f"Location: /moved{x.path}")


@_mode("not-found", "Nothing is found (status 404).")
async def _not_found(x: Exchange) -> None:
    await x.answer(404, b"<html>Not found</html>", "Content-Type: text/html")


@_mode("login", "Wants a user and a password (status 401).")
async def _login(x: Exchange) -> None:
    await x.answer(401, b"", 'WWW-Authenticate: Basic realm="releases"')


@_mode("server-error", "The server is broken (status 500).")
async def _server_error(x: Exchange) -> None:
    await x.answer(500, b"Sorry.\n", "Content-Type: text/plain")


@_mode("not-modified", "Says that nothing is new, to whoever asks (status 304).")
async def _not_modified(x: Exchange) -> None:
    await x.send(x.head(304, "Connection: close"))


@_mode("close-at-once", "Hangs up without a word.")
async def _close_at_once(x: Exchange) -> None:
    pass


@_mode("no-answer", "Listens, and says nothing.")
async def _no_answer(x: Exchange) -> None:
    await x.pause(_FOR_EVER)


@_mode("slow", "Sends one byte a second.")
async def _slow(x: Exchange) -> None:
    data = x.begin(len(x.body)) + x.body
    for at in range(len(data)):
        await x.send(data[at : at + 1])
        await x.pause(1)


@_mode("stall-in-header", "Falls silent in the header.")
async def _stall_in_header(x: Exchange) -> None:
    await x.send(x.begin(len(x.body))[:40])
    await x.pause(_FOR_EVER)


@_mode("stall-in-body", "Falls silent in the middle of a file.")
async def _stall_in_body(x: Exchange) -> None:
    await x.send(x.begin(len(x.body)) + x.body[: len(x.body) // 2])
    await x.pause(_FOR_EVER)


@_mode("truncated", "Hangs up in the middle of a file.")
async def _truncated(x: Exchange) -> None:
    await x.send(x.begin(len(x.body)) + x.body[: len(x.body) // 2])


@_mode("too-long", "Sends more than it has said.")
async def _too_long(x: Exchange) -> None:
    await x.send(x.begin(len(x.body)) + x.body + b"and more" * 500)


@_mode("empty", "Sends empty files.")
async def _empty(x: Exchange) -> None:
    await x.answer(200, b"", "Content-Type: application/json")


@_mode("wrong-bytes", "Sends files with one bit wrong.")
async def _wrong_bytes(x: Exchange) -> None:
    spoilt = bytearray(x.body)
    spoilt[len(spoilt) // 2] ^= 1
    await x.send(x.begin(len(spoilt)) + spoilt)


@_mode("endless", "Sends for ever.")
async def _endless(x: Exchange) -> None:
    await x.send(x.begin(None))
    while True:
        await x.send(bytes(8192))


@_mode("endless-headers", "Sends a header that never ends.")
async def _endless_headers(x: Exchange) -> None:
    await x.send(x.head(200)[:-2])
    while True:
        await x.send(b"X-Padding: more of the same\r\n" * 100)


@_mode("long-header-line", "Sends a line of the header that is far too long.")
async def _long_header_line(x: Exchange) -> None:
    await x.send(x.begin(len(x.body), f'ETag: "{"x" * 5000}"') + x.body)


@_mode("header-broken", "Sends a header that is none.")
async def _header_broken(x: Exchange) -> None:
    await x.send(x.begin(len(x.body), "this is no field") + x.body)


@_mode("wrong-length", "Says that a file is twice as long as it is.")
async def _wrong_length(x: Exchange) -> None:
    await x.send(x.begin(2 * len(x.body)) + x.body)


@_mode("huge-length", "Says that a file has four gigabytes.")
async def _huge_length(x: Exchange) -> None:
    await x.send(x.begin(1 << 32) + x.body)


@_mode("negative-length", "Says that a file has a negative length.")
async def _negative_length(x: Exchange) -> None:
    await x.send(x.begin(-5) + x.body)


@_mode("length-no-number", "Says that a file is “long”.")
async def _length_no_number(x: Exchange) -> None:
    await x.send(x.begin(None, "Content-Length: long") + x.body)


@_mode("two-lengths", "Says two different lengths of a file.")
async def _two_lengths(x: Exchange) -> None:
    size = len(x.body)
    await x.send(x.begin(size - 1, f"Content-Length: {size}") + x.body)


@_mode("chunked", "Sends files in chunks, which is right.")
async def _chunked(x: Exchange) -> None:
    data = x.begin(None, "Transfer-Encoding: chunked")
    size = max(1, len(x.body) // 3)
    for at in range(0, len(x.body), size):
        data += _chunk(x.body[at : at + size], b";name=value")
    await x.send(data + b"0\r\nX-Trailer: yes\r\n\r\n")


@_mode("bad-chunks", "Sends files in chunks, with lengths that are none.")
async def _bad_chunks(x: Exchange) -> None:
    await x.send(x.begin(None, "Transfer-Encoding: chunked") + b"-1f\r\n" + x.body)


@_mode("chunk-too-long", "Sends chunks that are longer than they say.")
async def _chunk_too_long(x: Exchange) -> None:
    chunk = b"%x\r\n%s and more\r\n0\r\n\r\n" % (len(x.body), x.body)
    await x.send(x.begin(None, "Transfer-Encoding: chunked") + chunk)


@_mode("chunk-line-endless", "Sends the length of a chunk with a comment that never ends.")
async def _chunk_line_endless(x: Exchange) -> None:
    await x.send(x.begin(None, "Transfer-Encoding: chunked") + b"5;")
    while True:
        await x.send(b"comment" * 500)


@_mode("chunks-truncated", "Hangs up between two chunks.")
async def _chunks_truncated(x: Exchange) -> None:
    await x.send(x.begin(None, "Transfer-Encoding: chunked") + _chunk(x.body[: len(x.body) // 2]))


@_mode("chunks-endless", "Sends chunks for ever.")
async def _chunks_endless(x: Exchange) -> None:
    await x.send(x.begin(None, "Transfer-Encoding: chunked"))
    while True:
        await x.send(_chunk(bytes(1000)) * 8)


@_mode("trailers-endless", "Sends chunks, and never ends what comes behind them.")
async def _trailers_endless(x: Exchange) -> None:
    await x.send(x.begin(None, "Transfer-Encoding: chunked") + _chunk(x.body) + b"0\r\n")
    while True:
        await x.send(b"X-Padding: more of the same\r\n" * 100)


@_mode("length-and-chunks", "Says a length, and sends chunks.")
async def _length_and_chunks(x: Exchange) -> None:
    data = x.begin(len(x.body), "Transfer-Encoding: chunked")
    await x.send(data + _chunk(x.body) + b"0\r\n\r\n")


@_mode("content-encoded", "Sends files compressed, which nobody asked for.")
async def _content_encoded(x: Exchange) -> None:
    data = gzip.compress(x.body)
    await x.send(x.begin(len(data), "Content-Encoding: gzip") + data)


@_mode("gzip-bomb", "Sends a small file that unpacks to ten megabytes, and says so.")
async def _gzip_bomb(x: Exchange) -> None:
    data = gzip.compress(bytes(_BOMB))
    await x.send(x.begin(len(data), "Content-Encoding: gzip") + data)


@_mode("zlib-bomb", "Sends files that unpack to ten megabytes.")
async def _zlib_bomb(x: Exchange) -> None:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 10)
    data = squeeze.compress(bytes(_BOMB)) + squeeze.flush()
    await x.answer(200, data, "Content-Type: application/octet-stream")


@_mode("range-ignored", "Sends the whole file when a part is asked for.")
async def _range_ignored(x: Exchange) -> None:
    await x.answer(200, x.good.whole or x.body, "Content-Type: application/octet-stream")


@_mode("range-416", "Says that there is no such part of a file (status 416).")
async def _range_416(x: Exchange) -> None:
    if "range" in x.fields:
        await x.answer(416, b"", f"Content-Range: bytes */{len(x.good.whole) + 1}")
    else:
        await _none(x)


@_mode("range-overlapping", "Sends a part that begins too early.")
async def _range_overlapping(x: Exchange) -> None:
    await _wrong_part(x, -3)


@_mode("range-shifted", "Sends a part that begins too late.")
async def _range_shifted(x: Exchange) -> None:
    await _wrong_part(x, 3)


@_mode("range-unsaid", "Sends a part without saying which.")
async def _range_unsaid(x: Exchange) -> None:
    if "range" in x.fields:
        await x.answer(206, x.body)
    else:
        await _none(x)


@_mode("part-unasked", "Sends half of a file as a part that nobody asked for.")
async def _part_unasked(x: Exchange) -> None:
    half = x.body[: len(x.body) // 2]
    await x.answer(206, half, f"Content-Range: bytes 0-{len(half) - 1}/{len(x.body)}")


@_mode("not-http", "Speaks another language (SSH).")
async def _not_http(x: Exchange) -> None:
    await x.send(b"SSH-2.0-OpenSSH_9.2\r\n")


@_mode("noise", "Sends random bytes.")
async def _noise(x: Exchange) -> None:
    await x.send(hashlib.shake_256(x.path.encode()).digest(4000))


async def _wrong_part(x: Exchange, by: int) -> None:
    """The part that was asked for, but for so many bytes."""
    asked = _RANGE.fullmatch(x.fields.get("range", ""))
    if not asked:
        return await _none(x)
    whole = x.good.whole
    start = min(max(0, int(asked[1]) + by), len(whole) - 1)
    said = f"Content-Range: bytes {start}-{len(whole) - 1}/{len(whole)}"
    return await x.answer(206, whole[start:], said)


def _chunk(data: bytes, extension: bytes = b"") -> bytes:
    return b"%x%s\r\n%s\r\n" % (len(data), extension, data) if data else b""


class HostileServer:
    """Serves the release in `folder`, as `mode` says; what applies_to leaves out is served properly."""

    def __init__(
        self,
        folder: Path,
        *,
        log: Callable[[Request], object] | None = None,
        context: ssl.SSLContext | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        # log: called for each request; context: TLS; sleep: tests have a time of their own
        self.applies_to = "all"
        self.requests: list[Request] = []
        self._mode = "none"
        self._folder = folder
        self._log = log
        self._context = context
        self._sleep = sleep
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def mode(self) -> str:
        """A name in MODES."""
        return self._mode

    @mode.setter
    def mode(self, name: str) -> None:
        if name not in MODES:
            raise ValueError(f"no mode {name!r}")
        self._mode = name

    async def start(self, port: int = 0, host: str = "127.0.0.1") -> int:
        """Begin to listen; the port."""
        self._server = await asyncio.start_server(self._accept, host, port, ssl=self._context)
        return self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Hang up on everybody."""
        if self._server:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        try:
            with contextlib.suppress(*_HUNG_UP):
                await self._serve(reader, writer)
        except asyncio.CancelledError:
            pass  # close(); asyncio would print it
        finally:
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError, asyncio.TimeoutError):
                # With TLS it would wait until the other side has said goodbye too.
                await asyncio.wait_for(writer.wait_closed(), _GOODBYE)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await asyncio.wait_for(reader.readexactly(1), _PATIENCE)
        if not head.isalpha():
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")  # as others say to TLS
            return
        head += await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _PATIENCE)
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = (first + "  ").split(" ", 2)
        fields = {}
        for line in lines:
            name, _, value = line.partition(":")
            fields[name.strip().lower()] = value.strip()
        gone = asyncio.ensure_future(reader.read(1))
        x = Exchange(method, path, fields, self._good(method, path, fields), writer, gone, self._sleep)
        try:
            await MODES[self._mode_for(path)].behave(x)
        finally:
            gone.cancel()
            self._note(Request(time.time(), method, path, x.status, fields))

    def _mode_for(self, path: str) -> str:
        if path == "/login" or path.startswith("/moved/"):
            return "none"
        blob = path.startswith("/blobs/")
        return self._mode if self.applies_to in ("all", "blobs" if blob else "release.json") else "none"

    def _note(self, request: Request) -> None:
        self.requests.append(request)
        del self.requests[:-_KEPT]
        if self._log:
            self._log(request)

    def _good(self, method: str, path: str, asked: Fields) -> Answer:
        """What a good server says."""
        if method not in ("GET", "HEAD"):
            return _text(405, "Only GET and HEAD.")
        if path == "/login":
            return Answer(200, {"Content-Type": "text/html", "Content-Length": str(len(_LOGIN))}, _LOGIN)
        name = path.partition("?")[0].removeprefix("/moved").removeprefix("/")
        data = None
        if _NAME.fullmatch(name):
            with contextlib.suppress(OSError):
                data = (self._folder / name).read_bytes()
        if data is None:
            return _text(404, "There is no such file.")
        kind = "application/json" if name == "release.json" else "application/octet-stream"
        etag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
        fields = {"Content-Type": kind, "ETag": etag, "Accept-Ranges": "bytes"}
        if etag in asked.get("if-none-match", ""):
            return Answer(304, {"ETag": etag}, b"", data)
        status, part = 200, data
        if wanted := _RANGE.fullmatch(asked.get("range", "")):
            start = int(wanted[1])
            stop = min(int(wanted[2] or len(data)) + 1, len(data))
            if start >= stop:
                said = {"Content-Range": f"bytes */{len(data)}", "Content-Length": "0"}
                return Answer(416, said, b"", data)
            status, part = 206, data[start:stop]
            fields["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
        fields["Content-Length"] = str(len(part))
        return Answer(status, fields, part, data)


def _text(status: int, text: str) -> Answer:
    body = text.encode() + b"\n"
    return Answer(status, {"Content-Type": "text/plain", "Content-Length": str(len(body))}, body)
