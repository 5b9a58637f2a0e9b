"""One connection to a broker: MQTT 3.1.1 over TCP or TLS. However it ends, it ends by name."""

import asyncio
import sys

from micropython import const

from ..net import failure
from ..states import Failure
from . import packets

KEEPALIVE = const(60)  # s

_PING = const(45000)  # ms without a byte in one of the directions
_SILENCE = const(15000)  # ms that an answer may take: to the login, to a ping; or the way out be blocked
_PATIENCE = const(60000)  # ms for an acknowledgement, or for the rest of a packet
_TICK = const(5000)  # ms between two looks for what takes too long,
_FAST = const(1000)  # and before the greeting
_STEP = const(100)  # ms
_SUBSCRIBED = const(7)  # the packet's number; see outbox.py for the others


class Client:
    """One connection at a time, with memory that is made here."""

    def __init__(self, dialler, uptime, outbox, deliver, denied):
        # deliver(topic, data, retained), data None: too long; called after it was acknowledged.
        # denied(topic): one to which we may not subscribe
        self._dialler = dialler
        self._uptime = uptime
        self._outbox = outbox
        self._deliver = deliver
        self._denied = denied
        self._reader = packets.Reader(self._received)
        self._writer = packets.Writer()
        self._wake = asyncio.Event()
        self._acknowledged = asyncio.Event()
        self._main = None  # the task, while there is a connection
        self._failure = None  # what it ends with
        self._stage = ""  # what is being waited for before the greeting
        self._topics = ()  # to subscribe to
        self._began = self._heard = self._said = 0  # ms
        self._writing = self._pinged = self._packet = None  # since when, ms
        self._kind = self._number = 0  # of the acknowledgement to be sent
        self._ping = self._leaving = self.left = False
        outbox.wake = self._wake.set

    async def session(self, place, tls, hello, topics, say, greeted):
        """Connect, and stay until it fails. greeted(present): the broker has taken the login.

        place: (host, port). tls: None or (ca, cert, key). hello: CONNECT. say(state, host).
        """
        sender = None
        self._main = asyncio.current_task()
        self._failure = None
        self._topics = topics
        self._writing = self._pinged = self._packet = None
        self._number = 0
        self._ping = self._leaving = self.left = False
        self._at("no connection")
        watcher = asyncio.create_task(self._watch())
        try:
            self._dialler.dial(place[0], place[1], say)
            self._at("no connection")  # resolving blocks
            if tls:
                self._dialler.encrypt(place[0], tls[0], tls[1], tls[2])
            stream = await self._dialler.first(hello)
            self._at("no answer to the login")
            self._reader.open(stream.readinto)
            present = await self._greeting()
            self._stage = ""
            greeted(present)
            sender = asyncio.create_task(self._send(stream))
            while True:
                await self._take(await self._reader.next())
                await asyncio.sleep_ms(0)  # a flood of packets leaves room for the other duties
        except asyncio.CancelledError:
            if self._failure:
                raise self._failure
            raise  # somebody else's
        except Exception as e:
            raise _named(e)
        finally:
            self._main = None
            watcher.cancel()
            if sender:
                sender.cancel()
            self._outbox.end()
            self._dialler.close()

    def end(self, why):
        """End the connection, if there is one."""
        if self._main and not self._failure:
            self._failure = why
            self._main.cancel()

    def leave(self):
        """Say goodbye as soon as all has been sent; `left` tells when."""
        self._leaving = True
        self._wake.set()

    def _at(self, stage):
        self._stage = stage
        self._began = self._heard = self._said = self._uptime()

    def _received(self):
        self._heard = self._uptime()
        self._pinged = None

    async def _greeting(self):
        """The answer to the login; whether the broker knows the session."""
        begin = await self._reader.peek()
        if begin[:1] in (b"H", b"<"):
            raise Failure("landing-page-http", "instead of the broker")
        if begin[0] != packets.CONNACK or begin[1:2] not in (b"", b"\2"):
            raise Failure("not-mqtt")
        await self._reader.next()
        return packets.greeted(self._reader.body)

    async def _take(self, first):
        """One packet."""
        body = self._reader.body
        kind = first & 0xF0
        if kind == packets.PUBLISH:
            topic, number, at = packets.published(first, body)
            data = None if self._reader.missing else bytes(body[at:])
            if number:
                await self._acknowledge(packets.PUBACK, number)
            self._deliver(topic, data, bool(first & 1))
        elif first & 15 or self._reader.missing:
            raise packets.malformed("packet %d" % (first >> 4))
        elif kind == packets.PUBACK:
            self._outbox.acknowledged(packets.number(body))
        elif kind == packets.PUBREC:
            number = packets.number(body)
            if not self._outbox.received(number):
                await self._acknowledge(packets.PUBREL, number)
        elif kind == packets.PUBCOMP:
            self._outbox.completed(packets.number(body))
        elif kind == packets.SUBACK:
            self._granted(packets.subscribed(body, len(self._topics)))
        elif kind != packets.PINGRESP or len(body):
            raise packets.malformed("packet %d" % (first >> 4))
        self._wake.set()

    def _granted(self, codes):
        for i, code in enumerate(codes):
            if code == packets.REFUSED:
                self._denied(str(self._topics[i], "utf-8"))

    async def _acknowledge(self, kind, number):
        """Returns when it has been sent: what comes in does so no faster than its answers go out."""
        self._acknowledged.clear()
        self._kind, self._number = kind, number
        self._wake.set()
        await self._acknowledged.wait()

    async def _send(self, stream):
        """All that is to be sent, one packet after the other."""
        subscribe = len(self._topics) > 0
        try:
            while True:
                self._wake.clear()
                acknowledged = self._number
                if acknowledged:
                    self._writer.short(self._kind, acknowledged)
                    self._number = 0
                elif subscribe:
                    subscribe = False
                    self._writer.subscribe(self._topics, _SUBSCRIBED)
                elif self._outbox.next(self._writer):
                    pass
                elif self._ping:
                    self._ping = False
                    self._pinged = self._uptime()
                    self._writer.bare(packets.PINGREQ)
                elif self._leaving and self._outbox.empty():
                    self._writer.bare(packets.DISCONNECT)
                    await self._write(stream)
                    self.left = True
                    return
                elif self._outbox.postponed():
                    # Not by wait_for(), which can lose a cancellation: this task would go on for ever.
                    await asyncio.sleep_ms(_STEP)
                    continue
                else:
                    await self._wake.wait()
                    continue
                await self._write(stream)
                if acknowledged:
                    self._acknowledged.set()
        except (OSError, ValueError) as e:
            self.end(failure(e))
        except Exception as e:  # whatever it is, it is said by the other task
            self.end(_named(e))

    async def _write(self, stream):
        writer = self._writer
        self._writing = self._uptime()
        stream.write(writer.view[: writer.count])
        await stream.drain()
        if writer.rest is not None:
            for piece in writer.more():
                stream.write(piece)
                await stream.drain()
                self._writing = self._uptime()
        self._writing = None
        self._said = self._uptime()

    async def _watch(self):
        """End the connection when something takes too long."""
        while True:
            late = self._late(self._uptime())
            if late:
                self.end(late)
                return
            await asyncio.sleep_ms(_FAST if self._stage else _TICK)

    def _late(self, now):
        """The Failure that waiting any longer would be."""
        if self._stage:
            return Failure("timed-out", self._stage) if now - self._began >= _SILENCE else None
        if self._writing is not None and now - self._writing >= _SILENCE:
            return Failure("timed-out", "the broker takes nothing")
        if self._pinged is not None and now - self._pinged >= _SILENCE:
            return Failure("silent", "no answer to a ping")
        if not self._reader.partly:
            self._packet = None
        elif self._packet is None:
            self._packet = now
        elif now - self._packet >= _PATIENCE + 2 * self._reader.missing:
            return Failure("timed-out", "a packet that does not end")
        since = self._outbox.since()
        if since is not None and now - since >= _PATIENCE:
            return Failure("timed-out", "no acknowledgement")
        if now - self._said >= _PING or (now - self._heard >= _PING and self._pinged is None):
            self._ping = True
        self._wake.set()  # also for a status that nobody has asked for
        return None


def _named(error):
    """The Failure that it is."""
    if isinstance(error, Failure):
        return error
    if isinstance(error, MemoryError):
        return Failure("out-of-memory")
    # A mistake of ours. As a dead duty it would restart the board each time.
    sys.print_exception(error)
    return Failure("internal-error", repr(error)[:60])
