"""The packets of MQTT 3.1.1: written into a small buffer, and what comes in, not taken at its word."""

import asyncio
import struct

from micropython import const

from ..net import failure
from ..states import Failure

# First bytes of packets, flags included where they are fixed.
CONNECT = const(0x10)
CONNACK = const(0x20)
PUBLISH = const(0x30)
PUBACK = const(0x40)
PUBREC = const(0x50)
PUBREL = const(0x62)
PUBCOMP = const(0x70)
SUBSCRIBE = const(0x82)
SUBACK = const(0x90)
PINGREQ = const(0xC0)
PINGRESP = const(0xD0)
DISCONNECT = const(0xE0)

REFUSED = const(0x80)  # for one topic, in a SUBACK
_SIZE = const(512)  # of what is sent at once
_BUFFER = const(1024)
_MOST = const(_BUFFER - 5)  # of a packet without its head
_SAID = const(300)  # of a longer one: so much is enough for its topic and number
_CODES = ("", "protocol", "id rejected", "server unavailable", "bad login", "not authorised")


class Writer:
    """One packet at a time: `count` bytes of `view`, and then the pieces of `rest`, if that is not None."""

    def __init__(self):
        self._buffer = bytearray(_SIZE)
        self.view = memoryview(self._buffer)
        self.count = 0
        self.rest = None

    def bare(self, kind):
        """A packet that is nothing but its kind."""
        self._buffer[0], self._buffer[1] = kind, 0
        self.count, self.rest = 2, None

    def short(self, kind, number):
        """A packet that is only about another one."""
        struct.pack_into(">BBH", self._buffer, 0, kind, 2, number)
        self.count, self.rest = 4, None

    def publish(self, topic, data, qos=0, retain=False, again=False, number=0):
        """topic: bytes, up to 400 of them; data: bytes, or an object with a length that gives pieces."""
        at = self._head(
            PUBLISH | again << 3 | qos << 1 | retain, 2 + len(topic) + (2 if qos else 0) + len(data)
        )
        at = self._string(at, topic)
        if qos:
            struct.pack_into(">H", self._buffer, at, number)
            at += 2
        end = at + len(data)
        self.rest = None
        if not isinstance(data, (bytes, bytearray)):
            end, self.rest = at, data
        elif end > _SIZE:
            end, self.rest = at, _pieces(data)
        else:
            self.view[at:end] = data
        self.count = end

    def more(self):
        """The rest, as much of it as is sent at once."""
        at = 0
        for piece in self.rest or ():
            size = len(piece)
            if at + size > _SIZE:
                yield self.view[:at]
                at = 0
            if size > _SIZE:
                yield piece
            else:
                self.view[at : at + size] = piece
                at += size
        yield self.view[:at]
        self.rest = None

    def subscribe(self, topics, number):
        """All of them with QoS 1."""
        at = self._head(SUBSCRIBE, 2 + sum([3 + len(topic) for topic in topics]))
        struct.pack_into(">H", self._buffer, at, number)
        at += 2
        for topic in topics:
            at = self._string(at, topic)
            self._buffer[at] = 1
            at += 1
        self.count, self.rest = at, None

    def _head(self, first, size):
        self._buffer[0] = first
        at = 1
        while True:
            self._buffer[at] = size & 0x7F | (0x80 if size > 0x7F else 0)
            at += 1
            size >>= 7
            if not size:
                return at

    def _string(self, at, data):
        struct.pack_into(">H", self._buffer, at, len(data))
        at += 2
        self.view[at : at + len(data)] = data
        return at + len(data)


class Reader:
    """Its memory is made once; it serves one connection after the other."""

    def __init__(self, received):
        # received(): called when bytes have come
        self._received = received
        self._buffer = bytearray(_BUFFER)
        self._view = memoryview(self._buffer)
        self._readinto = _nobody
        self._start = self._end = 0
        self.body = self._view[:0]  # of the packet that is here, or its beginning
        self.missing = 0  # bytes of it that are not
        self.partly = False  # something of a packet is here, and the rest is being waited for

    def open(self, readinto):
        """Read this stream from now on."""
        self._readinto = readinto
        self._start = self._end = 0
        self.missing = 0
        self.partly = False

    async def next(self):
        """The next packet's first byte; `body` holds until the next call."""
        while self.missing:
            if self._start == self._end:
                await self._fill()
            count = min(self.missing, self._end - self._start)
            self._start += count
            self.missing -= count
            await asyncio.sleep_ms(0)  # there may be 256 MB of it
        self.partly = False
        await self._need(1)
        self.partly = True
        first = self._buffer[self._start]
        size = at = 0
        while True:
            at += 1
            await self._need(at + 1)
            byte = self._buffer[self._start + at]
            size |= (byte & 0x7F) << 7 * (at - 1)
            if byte < 0x80:
                break
            if at == 4:
                raise malformed("remaining length")
        here = size if size <= _MOST else _SAID
        await self._need(at + 1 + here)
        begin = self._start + at + 1
        self._start = begin + here
        self.missing = size - here
        self.partly = self.missing > 0
        self.body = self._view[begin : self._start]
        return first

    async def peek(self):
        """The first few bytes of the first packet, to see whether it is one."""
        await self._need(1)
        return bytes(self._view[self._start : min(self._end, self._start + 5)])

    async def _need(self, count):
        """Have so many bytes in one piece."""
        if self._start and self._start + count > _BUFFER:
            self._end -= self._start
            self._view[: self._end] = self._view[self._start : self._start + self._end]
            self._start = 0
        while self._end - self._start < count:
            await self._fill()

    async def _fill(self):
        if self._start == self._end:
            self._start = self._end = 0
        while True:
            try:
                count = await self._readinto(self._view[self._end :])
            except (OSError, ValueError) as e:
                raise failure(e)
            if count is not None:
                break
        if not count:
            raise Failure("connection-lost", "the broker hung up")
        self._end += count
        self._received()


def connect(name, login, clean, keepalive, topic, will):
    """The first packet, as bytes. login: (user, password), None for either one that is not there."""
    user, password = login
    flags = 0x24 | clean << 1  # the will: retained, QoS 1
    parts = [name, topic, will]
    if user is not None:
        flags |= 0x80
        parts.append(user)
        if password is not None:  # which 3.1.1 allows with a user only
            flags |= 0x40
            parts.append(password)
    body = b"\0\4MQTT" + bytes([4, flags]) + struct.pack(">H", keepalive)
    for part in parts:
        body += struct.pack(">H", len(part)) + part
    size = len(body)
    head = bytes([CONNECT, size]) if size < 128 else bytes([CONNECT, size & 0x7F | 0x80, size >> 7])
    return head + body


def malformed(what):
    """The Failure that a packet is which should not be."""
    return Failure("broker-malformed", what)


def greeted(body):
    """Whether the broker knows this device's session; Failure where it refuses."""
    if len(body) != 2 or body[0] > 1:
        raise malformed("CONNACK")
    if body[1]:
        if body[1] >= len(_CODES) or body[0]:
            raise malformed("CONNACK")
        raise Failure("broker-refused", _CODES[body[1]])
    return body[0] == 1


def published(first, body):
    """(topic, packet's number or 0, where the data begin) of a PUBLISH that is here or has begun to be."""
    qos = first >> 1 & 3
    if qos > 1:
        raise malformed("PUBLISH with QoS %d" % qos)
    if first & 8 and not qos:
        raise malformed("PUBLISH again without QoS")
    if len(body) < 2:
        raise malformed("PUBLISH")
    at = 2 + (body[0] << 8 | body[1])
    if at == 2 or at + 2 * qos > len(body):
        raise malformed("PUBLISH")
    topic = text(body[2:at])
    if "+" in topic or "#" in topic:
        raise malformed("topic")
    number = 0
    if qos:
        number = body[at] << 8 | body[at + 1]
        at += 2
        if not number:
            raise malformed("PUBLISH without a number")
    return topic, number, at


def number(body):
    """The number in a packet that is about another one."""
    if len(body) != 2 or not (body[0] or body[1]):
        raise malformed("acknowledgement")
    return body[0] << 8 | body[1]


def subscribed(body, count):
    """The answers of a SUBACK, as bytes."""
    codes = bytes(body[2:])
    if len(body) < 2 or len(codes) != count or any(code > 2 and code != REFUSED for code in codes):
        raise malformed("SUBACK")
    return codes


def text(view):
    """UTF-8 as MQTT allows it: no NUL, no surrogates, nothing longer than it needs to be."""
    try:
        string = str(view, "utf-8")
    except UnicodeError:
        raise malformed("UTF-8")
    size = len(view)
    for c in string:
        n = ord(c)
        if not n or 0xD800 <= n < 0xE000 or n > 0x10FFFF:
            raise malformed("UTF-8")
        size -= 1 + (n > 0x7F) + (n > 0x7FF) + (n > 0xFFFF)
    if size:
        raise malformed("UTF-8")
    return string


class Pieces:
    """Data of which the whole is never in memory."""

    def __init__(self, pieces):
        self._pieces = pieces

    def __len__(self):
        return sum(len(piece) for piece in self._pieces)

    def __iter__(self):
        return iter(self._pieces)


def _pieces(data):
    """As much as is sent at once."""
    view = memoryview(data)
    for at in range(0, len(data), _SIZE):
        yield view[at : at + _SIZE]


async def _nobody(_):
    raise RuntimeError
