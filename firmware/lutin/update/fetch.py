"""Fetches a file over HTTP or HTTPS. Whatever answers, it ends: with an Answer, or a Failure by name."""

import asyncio

from micropython import const

from ..states import Failure
from . import http
from .link import Link, follow, number, split

_SILENCE_MS = const(15000)  # without a byte
_GRACE_MS = const(60000)  # that a request may take, and besides:
_BYTE_MS = const(2)  # for each byte of the body
_REDIRECTS = const(2)
_ELSEWHERE = (301, 302, 303, 307, 308)
_SPACE = b" \t\r\n\xef\xbb\xbf"
_NAMED = {401: "http-401", 407: "proxy-login", 511: "landing-page-login"}


class Answer:
    """status: 200, 206 or 304; length: bytes of body that came; page: whether it begins as pages do."""

    def __init__(self, status, etag, length, page):
        self.status = status
        self.etag = etag
        self.length = length
        self.page = page


class Fetcher:
    """One request at a time, with memory that is made here."""

    def __init__(self, resolve, new_socket, clock, log, wrap_tls=None):
        # resolve, new_socket: socket.getaddrinfo and socket.socket; clock: the time module
        self._clock = clock
        self._wire = http.Wire(self._received)
        self._head = http.Head()
        self._link = Link(resolve, new_socket, clock, log, wrap_tls, self._wire, self._head)
        self._body = _Body(None, 0, False)
        self._stage = ""  # what it would mean to wait for too long now
        self._late = ""  # what it has meant
        self._began = self._heard = 0  # ms

    async def get(
        self,
        url,
        sink,
        most,
        offset=0,
        etag=None,
        ca=None,
        proxy=None,
        before=None,
        say=None,
        page=True,
    ):
        """Fetch url into the sink, until it holds `most` bytes, those before `offset` included.

        sink: begin(start), 0 or offset, before the first byte; write(memoryview). ca: DER. proxy:
        (server, port, user, password). before(): called before each request. say(state, host).
        page: a body that begins as a page does is one; else only a Content-Type makes it one.
        """
        try:
            target = split(url)
        except ValueError:
            raise Failure("bad-address")
        etag = http.etag(etag) if etag and not offset else None
        fields = ["Range: bytes=%d-" % offset] if offset else ["If-None-Match: " + etag] if etag else []

        def tell(state, host):
            if say:
                say(state, host)
            self._begin()  # resolving blocks, and has limits of its own

        watcher = None
        try:
            self._body = _Body(sink, most, page)
            self._begin()
            watcher = asyncio.create_task(self._watch(asyncio.current_task()))
            for _ in range(_REDIRECTS + 1):
                if before:
                    before()
                self._begin()
                await self._link.ask(target, fields, ca, proxy, tell)
                self._stage = "no answer"
                await self._wire.head(self._head)
                if self._head.status not in _ELSEWHERE:
                    return await self._judge(offset, etag)
                self._link.close()
                target = follow(target, self._head.location)
            raise Failure("redirect-too-often")
        except asyncio.CancelledError:
            if self._late:
                raise Failure("timed-out", self._late)
            raise  # somebody else's
        except MemoryError:
            raise Failure("out-of-memory")
        finally:
            if watcher:
                watcher.cancel()
            self._link.close()

    def _begin(self):
        """A request begins."""
        self._stage, self._late = "connecting", ""
        self._began = self._heard = self._clock.ticks_ms()

    def _received(self):
        self._stage = "silence"
        self._heard = self._clock.ticks_ms()

    async def _watch(self, task):
        """End the task when the other side takes too long."""
        while True:
            now = self._clock.ticks_ms()
            quiet = _SILENCE_MS - self._clock.ticks_diff(now, self._heard)
            slow = _GRACE_MS + _BYTE_MS * self._body.taken - self._clock.ticks_diff(now, self._began)
            if quiet <= 0 or slow <= 0:
                self._late = self._stage if quiet <= 0 else "too slow"
                task.cancel()
                return
            await asyncio.sleep_ms(min(quiet, slow))

    async def _judge(self, offset, etag):
        """What the status means; and then the body."""
        head, body = self._head, self._body
        status = head.status
        if status == 304 and etag:
            return Answer(304, head.etag or etag, 0, False)
        if status == 416 and offset:
            if head.range != b"bytes */%d" % offset:
                body.mistrust("range-refused")
            body.begin(offset)
            return Answer(206, head.etag, 0, False)  # all of it is here already
        if status not in (200, 206):
            raise Failure(_NAMED.get(status) or "http-%d" % status)
        if head.html:
            raise Failure("landing-page-html")
        if head.wrong:
            raise head.wrong
        if head.chunked and head.length is not None:
            raise Failure("header-length-invalid", "beside chunks")
        part = None
        if status == 206:
            part = _part(head, offset)
            if part is None:
                body.mistrust("range-wrong")
        body.begin(offset if part else 0)
        body.expect(head.length or 0)
        await self._wire.body(head, body.take)
        if self._wire.surplus():
            body.mistrust("body-too-long")
        if part not in (None, body.taken):
            body.mistrust("range-wrong")
        body.end()
        return Answer(status, head.etag, body.taken, body.page)


class _Body:
    """Where a body goes, and what is looked at on the way."""

    def __init__(self, sink, most, strict):
        self._sink = sink
        self._most = most
        self._strict = strict
        self._start = 0
        self._waiting = False  # for the first byte, to begin
        self._looking = False  # for the first letter
        self.taken = 0
        self.page = False

    def begin(self, start):
        """What comes belongs behind so many bytes."""
        self._start = start
        if start:
            self._sink.begin(start)
        else:
            # Not before it is known that this is no page: what is there may be good.
            self._waiting = self._looking = True

    def expect(self, count):
        """So many bytes are to come."""
        if self._start + self.taken + count > self._most:
            self.mistrust("body-too-large")

    def take(self, view):
        """Some bytes."""
        self.expect(len(view))
        if self._looking:
            for char in view:
                if char not in _SPACE:
                    self._looking = False
                    self.page = char == 60  # <
                    break
            if self.page and self._strict:
                raise Failure("landing-page-html")
        self.end()
        self.taken += len(view)
        self._sink.write(view)

    def end(self):
        """There is no page to come."""
        if self._waiting:
            self._waiting = False
            self._sink.begin(0)

    def mistrust(self, name):
        """What is here already does not go together with what the server says: begin anew next time."""
        self._sink.begin(0)
        raise Failure(name)


def _part(head, offset):
    """The length of the part that is offered, from offset to the end; None if it is another one."""
    words = head.range.replace(b"-", b" ").replace(b"/", b" ").split(b" ")
    if not offset or len(words) != 4 or words[0] != b"bytes":
        return None
    first, last = number(words[1]), number(words[2])
    if first != offset or last is None or last < offset or words[3] not in (b"*", b"%d" % (last + 1)):
        return None
    length = last + 1 - offset
    return length if head.length in (None, length) else None
