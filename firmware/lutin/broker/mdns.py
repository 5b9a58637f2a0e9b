"""Looks for a broker in the local network: DNS-SD over multicast DNS, as one who asks and does not listen."""

import asyncio
import struct

from micropython import const

SERVICE = b"\x06_lutin\x04_tcp\x05local\x00"

_GROUP = "224.0.0.251"
_PORT = const(5353)
_INTERNET = const(2)  # AF_INET, everywhere
_DATAGRAM = const(2)  # SOCK_DGRAM
_A = const(1)
_PTR = const(12)
_TXT = const(16)
_SRV = const(33)
_ANY = const(255)
_SIZE = const(1024)
_RECORDS = const(32)
_NAME = const(255)
_JUMPS = const(16)
_ROUNDS = const(3)  # questions: which, where, and at which address
_WAIT = const(100)  # ms
_LOOKS = const(12)  # of that length, for each question


class Finder:
    """Asks from a port of its own, so that the answer comes to us alone (RFC 6762, 6.7)."""

    def __init__(self, resolve, new_socket, random):
        # resolve, new_socket: socket.getaddrinfo and socket.socket
        self._resolve = resolve
        self._new_socket = new_socket
        self._random = random

    async def find(self):
        """(address, port) of a broker; None: nobody answers, or not in a way that can be used."""
        buffer = bytearray(_SIZE)  # for these seconds only
        sock = None
        try:
            sock = self._new_socket(_INTERNET, _DATAGRAM)
            sock.setblocking(False)
            group = self._resolve(_GROUP, _PORT)[0][-1]
            found = Found()
            for _ in range(_ROUNDS):
                asked = int(self._random() * 65535) + 1
                sock.sendto(found.question(asked), group)
                if not await _listen(sock, buffer, asked, found):
                    return None
                if found.address:
                    return found.address, found.port
        except OSError:
            pass  # no network, or one without multicast
        finally:
            if sock:
                sock.close()
        return None


class Found:
    """What is known by now of one instance of the service."""

    def __init__(self):
        self.instance = None  # names in DNS's own form, without compression
        self.host = None
        self.port = 0
        self.address = ""

    def step(self):
        """How far we are: 0 to 3."""
        return bool(self.instance) + bool(self.host) + bool(self.address)

    def question(self, asked):
        """The message that asks for what is missing."""
        kind, name = (_PTR, SERVICE) if not self.instance else (_ANY, self.instance)
        if self.host:
            kind, name = _A, self.host
        # Unicast answers, please: the top bit of the class.
        return struct.pack(">HHHHHH", asked, 0, 1, 0, 0, 0) + name + struct.pack(">HH", kind, 0x8001)

    def take(self, data, asked):
        """Learn from a message; ValueError or IndexError if it is none."""
        if len(data) < 12:
            raise ValueError
        number, flags, questions, *counts = struct.unpack(">HHHHHH", data)
        if number != asked or flags & 0xF80F != 0x8000 or questions > 4 or sum(counts) > _RECORDS:
            raise ValueError
        at = 12
        for _ in range(questions):
            at = _name(data, at)[1] + 4
        records = []
        for _ in range(sum(counts)):
            name, at = _name(data, at)
            if at + 10 > len(data):
                raise ValueError
            kind, klass, _, size = struct.unpack_from(">HHIH", data, at)
            at += 10
            if at + size > len(data):
                raise ValueError
            if klass & 0x7FFF == 1:
                records.append((kind, name, at, size))
            at += size
        # Each record can only be understood with the one before it, which may stand behind it.
        lessons = (_PTR, self._instance), (_TXT, self._text), (_SRV, self._host), (_A, self._address)
        for kind, learn in lessons:
            for record in records:
                if record[0] == kind:
                    learn(data, record[1], record[2], record[3])

    def _instance(self, data, name, at, size):
        if name == _low(SERVICE) and not self.instance:
            instance = _name(data, at)[0]
            if instance.endswith(name) and instance != name:
                self.instance = instance

    def _text(self, data, name, at, size):
        """A version that is not ours is none that we can talk to."""
        if name != self.instance or self.host:
            return
        end = at + size
        while at < end:
            part = bytes(data[at + 1 : min(at + 1 + data[at], end)])
            at += 1 + data[at]
            if part.startswith(b"v=") and part != b"v=1":
                self.instance = None
                return

    def _host(self, data, name, at, size):
        if name == self.instance and not self.host and size > 7:
            port = data[at + 4] << 8 | data[at + 5]
            if port:
                self.host, self.port = _name(data, at + 6)[0], port

    def _address(self, data, name, at, size):
        if name == self.host and not self.address and size == 4 and 1 <= data[at] < 224:
            self.address = ".".join([str(data[at + i]) for i in range(4)])


async def _listen(sock, buffer, asked, found):
    """Take answers until one of them helps; False if none does."""
    # Not through the event loop: nothing is urgent here, and a datagram waits.
    for _ in range(_LOOKS):
        await asyncio.sleep_ms(_WAIT)
        while True:
            count = sock.readinto(buffer)
            if not count:
                break
            before = found.step()
            try:
                found.take(memoryview(buffer)[:count], asked)
            except (ValueError, IndexError):
                pass  # no message of DNS
            if found.step() > before:
                return True
            await asyncio.sleep_ms(0)
    return False


def _name(data, at):
    """(name without compression and in lower case, where it ends)."""
    out = b""
    end = None
    for _ in range(_JUMPS):
        while True:
            size = data[at]
            if size >= 0xC0:
                break
            if size > 63 or len(out) + size + 1 > _NAME or at + 1 + size > len(data):
                raise ValueError
            out += bytes(data[at : at + 1 + size])
            at += 1 + size
            if not size:
                return _low(out), at if end is None else end
        target = (size & 0x3F) << 8 | data[at + 1]
        if end is None:
            end = at + 2
        if target >= at:
            raise ValueError  # only backwards: no way round in a circle
        at = target
    raise ValueError


def _low(name):
    """Lengths are below 64, where no letter is."""
    return name.lower()
