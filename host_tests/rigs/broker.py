"""Rig for broker/: over real sockets to a real broker, and to one in here that is as wrong as a test wants it."""

import asyncio
import gc
import io
import json
import os
import random
import socket
import time

import lutin.broker.broker as room
import network
from lutin.broker import homeassistant, status
from lutin.broker.mdns import Finder, Found
from lutin.log import Log
from lutin.net import Dialler
from lutin.settings import Settings
from lutin.states import Failure, name
from lutin.uptime import Uptime
from sim import clock, world
from sim.airspace import Airspace

_one = None  # the Broker
_log = None
_task = None
_told = []  # (ms, state, detail, news)
_heard = [0, None]  # by the application: how many numbers, and the first that is not that of its turn
_obeyed = []


class _Commands:
    def obey(self, data, retained):
        # With how many acknowledgements had gone out by then.
        _obeyed.append([bytes(data), retained, len(got(0x40)) if _fakes else 0])
        return "command"


def _no_memory(report):
    raise MemoryError


class _Config:
    topic = "homeassistant/device/lutin-24ab/config"

    def __init__(self, report):
        pass

    def __len__(self):
        return 2

    def __iter__(self):
        yield b"{"
        yield b"}"


def _report():
    state = {"number": 17, "name": "connected", "sentence": "Connected.", "detail": ""}
    return {"id": "24ab", "state": state, "uptime": clock.now_us() // 1000000}


def new(settings, seed=1, new_socket=None, resolve=None, starving=False):
    """A board's broker, in its network, with these settings; it is told of the network by join().

    starving: it has no memory for Home Assistant's message.
    """
    global _one, _log, _task
    clock.virtual()
    clock._hooks.clear()
    world.multicast = None
    random.seed(seed)
    for book in (_told, _obeyed):
        book.clear()
    _heard[:] = [0, None]
    asyncio.new_event_loop()
    if new_socket:
        asyncio.core._io_queue.poller = _Poller()
    air = world.airspace = Airspace()
    wlan = network.WLAN()
    air.add("Home", "secret12")
    wlan.active(True)
    wlan.connect("Home", "secret12")
    clock.advance(5_000_000)
    status.message = lambda report: [json.dumps(report).encode()]
    status.key = lambda report: 0
    homeassistant.Config = _no_memory if starving else _Config
    uptime = Uptime(time)
    _log = Log(uptime)
    resolve = resolve or socket.getaddrinfo
    new_socket = new_socket or socket.socket
    _one = room.Broker(
        "24ab",
        os.urandom(4).hex(),
        Dialler(resolve, new_socket, time),
        Finder(resolve, new_socket, random.random).find,
        uptime,
        _log,
        random.random,
        _report,
        _Commands().obey,
        {"x": _hear},
        lambda state, detail, news: _told.append([clock.now_us() // 1000, name(state), detail, news]),
    )
    _one.settings = Settings().apply(settings)
    _task = asyncio.create_task(_one.run())
    join(True)


def _hear(data):
    if _heard[1] is None and data != b"%d" % _heard[0]:
        _heard[1] = data
    _heard[0] += 1


def join(joined):
    """The network is there, or is not."""
    _one.use(_one.settings if joined else None)


def air(up):
    """The access point goes off, or comes back; the device's WiFi notices at once."""
    world.airspace.aps[0].up = up
    clock.advance(8_000_000)
    network.WLAN().isconnected()
    join(up and network.WLAN().isconnected())


def landing(kind):
    """A landing page stands before the internet."""
    world.airspace.aps[0].landing = kind


def run(ms):
    """Let so many ms pass."""

    async def wait():
        await asyncio.sleep_ms(ms)

    asyncio.run(wait())


def until(state, most_ms, step_ms=50):
    """Run until the broker's state is this; whether it was."""
    end = clock.now_us() + most_ms * 1000
    while _one.report()["state"] != state:
        if clock.now_us() >= end:
            return False
        run(step_ms)
    return True


def drain(most_ms):
    """Run until all has arrived over there."""
    end = clock.now_us() + most_ms * 1000
    while _one._connected is None or not _one._outbox.empty():
        if clock.now_us() >= end:
            return False
        run(20)
    return True


def say(first, count, level=0, pause_ms=None):
    """Log so many lines, which are numbers; pause_ms: let time pass behind each."""

    async def go():
        for i in range(first, first + count):
            _log.add(level, "line %d" % i)
            if pause_ms is not None:
                await asyncio.sleep_ms(pause_ms)

    asyncio.run(go())


def report():
    return _one.report()


def told():
    return _told


def heard():
    return _heard


def obeyed():
    return _obeyed


def lines():
    return [line[3] for line in _log.lines()]


def send(topic, data, retain=False):
    return _one.send(topic, data, retain)


def changed():
    _one.changed()


def goodbye():
    asyncio.run(_one.goodbye())
    return [_one._client.left, _task.done()]


def alive():
    return not _task.done()


def now_ms():
    return clock.now_us() // 1000


def held():
    gc.collect()
    return gc.mem_alloc()


# A broker in here, in virtual time.

GREETING = b"\x20\x02\x00\x00"
_fakes = []
_plan = []  # for each connection to come: how it goes


class Fake(io.IOBase):
    """A socket with a broker at its other end, which does as it should but for its plan.

    greeting, after: bytes in place of the CONNACK, and behind the first SUBACK; limit: of bytes that
    it says at all; deaf: does not acknowledge; mute: does not answer pings; hang_up: behind all that.
    """

    def __init__(self, plan):
        self.plan = plan
        self.out = b""
        self.said = 0
        self.taken = b""  # not parsed yet
        self.got = []  # [first byte, body]
        self.closed = 0
        self.blocked = False

    def setblocking(self, flag):
        pass

    def connect(self, address):
        if self.plan.get("error"):
            raise OSError(self.plan["error"])

    def ioctl(self, request, argument):
        return -22  # never asked: see _Poller

    def ready(self, what):
        return what & ((1 if self.out or self.over() else 0) | (0 if self.blocked else 4))

    def over(self):
        return self.plan.get("hang_up") and not self.out and self.got

    def write(self, data, *size):
        if self.blocked:
            return None
        self.taken += bytes(data)
        while self.parse():
            pass
        return len(data)

    def readinto(self, buffer, *size):
        if not self.out:
            return 0 if self.over() else None
        count = min(len(buffer), len(self.out), self.plan.get("piece", 1 << 20))
        buffer[:count] = self.out[:count]
        self.out = self.out[count:]
        return count

    def close(self):
        self.closed += 1

    def say(self, data):
        limit = self.plan.get("limit")
        if limit is not None:
            data = data[: max(0, limit - self.said)]
        self.said += len(data)
        self.out += data

    def parse(self):
        taken = self.taken
        size = shift = 0
        at = 1
        while True:
            if at >= len(taken):
                return False
            size |= (taken[at] & 0x7F) << shift
            shift += 7
            at += 1
            if taken[at - 1] < 0x80:
                break
        if len(taken) < at + size:
            return False
        body = taken[at : at + size]
        self.taken = taken[at + size :]
        self.answer(taken[0], body)
        if len(self.got) < 40 or taken[0] & 0xF0 != 0x30:
            self.got.append([taken[0], body])
        if len(self.got) > 60:
            del self.got[20:40]
        return True

    def answer(self, first, body):
        plan = self.plan
        kind = first & 0xF0
        if kind == 0x10:
            self.say(plan.get("greeting", GREETING))
        elif kind == 0x80:
            granted = plan.get("granted", b"\1\1\1")
            self.say(b"\x90" + bytes([2 + len(granted)]) + body[:2] + granted)
            self.say(plan.get("after", b""))
        elif kind == 0x30 and not plan.get("deaf"):
            at = 2 + (body[0] << 8 | body[1])
            self.say((b"\x40\x02" if first & 2 else b"\x50\x02") + body[at : at + 2])
        elif kind == 0x60:
            self.say(b"\x70\x02" + body)
        elif kind == 0xC0 and not plan.get("mute"):
            self.say(b"\xd0\x00")


class _Poller:
    """In place of the system's, which takes a millisecond for what has no number."""

    def __init__(self):
        self.map = {}

    def register(self, sock, what):
        self.map[id(sock)] = (sock, what)

    modify = register

    def unregister(self, sock):
        del self.map[id(sock)]

    def ipoll(self, ms):
        return [(sock, sock.ready(what)) for sock, what in list(self.map.values()) if sock.ready(what)]


def _at_once(poll, dt_ms):
    """Nothing here takes real time: where no socket has anything, the clock moves."""
    if poll is None:
        _wait(poll, dt_ms)
    elif not poll(0) and dt_ms:
        clock.advance(1000 * (3600000 if dt_ms < 0 else dt_ms))


_wait = clock.wait


def fake(*plans, **settings):
    """As new(), with connections that go by these plans, the last one for ever."""
    clock.wait = _at_once
    _plan[:] = plans
    _fakes.clear()

    def new_socket(*kind):
        _fakes.append(Fake(_plan.pop(0) if len(_plan) > 1 else _plan[0]))
        if len(_fakes) > 3:
            _fakes.pop(0)
        return _fakes[-1]

    settings = settings or {"broker": "mqtt://broker.example"}
    new(settings, 1, new_socket, lambda host, port: [(2, 1, 0, "", (host, port))])


def inject(data):
    """The broker says this, in the connection that is."""
    _fakes[-1].say(data)


def block(blocked):
    """The connection takes nothing any more."""
    _fakes[-1].blocked = blocked


def got(kind=0):
    """The packets that the connection that is has brought, of that kind."""
    return [one for one in _fakes[-1].got if not kind or one[0] & 0xF0 == kind]


def ends(cases):
    """Connections that say these bytes behind the SUBACK, or else a greeting: [the failure of each], heap."""
    plans = []
    for kind, data, piece in cases:
        plans.append({kind: data, "piece": piece, "mute": True, "hang_up": kind == "greeting"})
    fake({"mute": True}, broker="mqtt://broker.example")
    until("connected", 1000)
    before = held()
    names = []
    room_failed = _one._failed

    def failed(failure):
        names.append([failure.name, failure.detail])
        room_failed(failure)

    _one._failed = failed
    _plan[:] = plans + [{"error": 111}]
    _one._client.end(Failure("connection-lost"))
    while len(names) < len(cases) + 1:
        run(60000)
        if _task.done():
            raise RuntimeError("the duty is dead")
    for book in (_told, _obeyed, _fakes):
        book.clear()
    return names[1 : len(cases) + 1], held() - before


def day(hours, every_ms):
    """Heap in use at each hour, with an application that logs, sends and gets that often."""
    fake({})
    until("connected", 1000)

    async def chatter():
        i = 0
        while True:
            await asyncio.sleep_ms(every_ms)
            _log.info("app: line %d" % i)
            _one.send("value", b"%d" % i)
            _fakes[-1].say(b"\x32\x15\x00\x0flutin/24ab/in/x\x00\x01%02d" % (i % 100))
            i += 1

    task = asyncio.create_task(chatter())
    marks = []
    for _ in range(hours):
        run(3600000)
        marks.append(held())
    task.cancel()
    return marks


def turns_in_flood():
    """How often another duty has its turn until all that was said has been read."""
    count = 0

    async def other():
        nonlocal count
        while _fakes[-1].out or _one._client._reader._start < _one._client._reader._end:
            await asyncio.sleep_ms(0)
            count += 1

    asyncio.run(other())
    return count


def find(address, port):
    """What a look for brokers brings."""

    async def find():
        return address, port

    _one._find = find
    join(True)


def found(messages, asked=7):
    """What a looking device learns from these answers: [[step, port, address] after each]."""
    one = Found()
    out = []
    for message in messages:
        try:
            one.take(memoryview(message), asked)
        except (ValueError, IndexError):
            pass
        out.append([one.step(), one.port, one.address])
    return out


def multicast(port):
    """Datagrams to a group go to this port of this machine."""
    world.multicast = ("127.0.0.1", port)
