"""Rig for update/fetch.py: over real sockets behind the simulated air, and over ones made of bytes."""

import asyncio
import gc
import io
import os
import socket
import time

import lockstep as _lockstep
import network
from lutin.states import Failure, name
from lutin.update.fetch import Fetcher
from lutin.update.link import follow, split
from lutin.update.policy import state_of
from sim import clock, world
from sim.airspace import Airspace

_log = []
_fetcher = None


class _Log:
    def warn(self, text):
        _log.append(text)

    info = error = warn


class _Sink:
    def __init__(self, keep=True, error=None):
        self.keep = keep
        self.error = error
        self.starts = []
        self.body = b""
        self.length = 0

    def begin(self, start):
        self.starts.append(start)

    def write(self, view):
        if self.error:
            raise self.error
        self.length += len(view)
        if self.keep:
            self.body += bytes(view)


def lockstep(port):
    """Time is agreed with that server."""
    _lockstep.use(port)


def new(fields=None, join=True, resolving_ms=0):
    """A fetcher in that network, whose name server takes its time."""
    global _fetcher
    clock.virtual()
    clock._hooks.clear()
    _log.clear()
    air = world.airspace = Airspace()
    wlan = network.WLAN()
    if join:
        air.add("Home", "secret12", **(fields or {}))
        wlan.active(True)
        wlan.connect("Home", "secret12")
        clock.advance(5_000_000)

    def resolve(*asked):
        clock.advance(1000 * resolving_ms)
        return socket.getaddrinfo(*asked)

    _fetcher = Fetcher(resolve, socket.socket, time, _Log())


def _run(coroutine):
    # Nothing of an earlier call may be left, also where it failed.
    asyncio.new_event_loop()
    return asyncio.run(coroutine)


def _sockets():
    """How many are open."""
    count = 0
    for entry in os.ilistdir("/dev/fd"):
        try:
            os.stat("/dev/fd/" + entry[0])
            count += 1
        except OSError:
            pass
    return count


async def _attempt(fetcher, url, sink, most, **more):
    try:
        answer = await fetcher.get(url, sink, most, **more)
        return {
            "status": answer.status,
            "etag": answer.etag,
            "length": answer.length,
            "page": answer.page,
        }
    except Failure as e:
        return {"failure": e.name, "detail": e.detail, "state": name(state_of(e.name))}


def fetch(url, most=65536, limit=None, cancel_ms=None, **more):
    """One get(): how it ended, and what was seen on the way. limit: so many requests may go out."""
    sink = _Sink()
    said = []
    asked = []

    def before():
        if limit is not None and len(asked) >= limit:
            raise Failure("asked-enough")
        asked.append(None)

    async def main():
        job = _attempt(
            _fetcher,
            url,
            sink,
            most,
            before=before,
            say=lambda state, host: said.append([name(state), host]),
            **more,
        )
        if cancel_ms is None:
            return await job
        task = asyncio.create_task(job)
        await asyncio.sleep_ms(cancel_ms)
        task.cancel()
        try:
            return await task
        except asyncio.CancelledError:
            return {"cancelled": True}

    opened = _sockets()
    start = clock.now_us()
    out = _run(main())
    out["ms"] = (clock.now_us() - start) // 1000
    out["starts"] = sink.starts
    out["body"] = sink.body
    out["said"] = said
    out["requests"] = len(asked)
    out["left"] = _sockets() - opened
    return out


def logged():
    """What was logged since new()."""
    return _log


def parts(url):
    """split()"""
    return split(url)


def where(url, location):
    """follow(): the new target, or the name of the failure."""
    try:
        return follow(split(url), location)
    except Failure as e:
        return e.name


def side_by_side(url):
    """How often another task has its turn while a file is fetched."""
    turns = []

    async def other():
        while True:
            await asyncio.sleep_ms(0)
            turns.append(None)

    async def main():
        task = asyncio.create_task(other())
        out = await _attempt(_fetcher, url, _Sink(False), 1 << 20)
        out["turns"] = len(turns)
        task.cancel()
        return out

    return _run(main())


def memory(url, most, times=1):
    """Bytes of heap: what a Fetcher holds, the most that a get() adds, what is left after so many."""
    held = 0
    for _ in range(2):
        fetcher = None
        gc.collect()
        before = gc.mem_alloc()
        fetcher = Fetcher(socket.getaddrinfo, socket.socket, time, _Log())
        gc.collect()
        held = gc.mem_alloc() - before
    peak = [0]

    class Sink(_Sink):
        def write(self, view):
            gc.collect()
            peak[0] = max(peak[0], gc.mem_alloc())

    async def main():
        sink = Sink()
        await _attempt(fetcher, url, sink, most)
        gc.collect()
        begin = gc.mem_alloc()
        peak[0] = 0
        out = None
        for _ in range(times):
            out = await _attempt(fetcher, url, sink, most)
        gc.collect()
        return out, begin, gc.mem_alloc()

    out, begin, end = _run(main())
    return {"held": held, "peak": max(peak[0] - begin, 0), "left": end - begin, "end": out}


# Always ready; what has no number costs a millisecond each time.
_null = open("/dev/null", "r+b")  # noqa: SIM115


class _Wire(io.IOBase):
    """A socket that answers with these pieces and ends; or with an error of that number."""

    def __init__(self, pieces, error=None, connect=None):
        self._pieces = list(pieces)
        self._error = error
        self._connect = connect
        self.refusal = None
        self.sent = b""
        self.closed = 0

    def setblocking(self, flag):
        pass

    def connect(self, address):
        if self._connect:
            raise OSError(self._connect)

    def ioctl(self, request, argument):
        if request == 10:
            return _null.fileno()
        return argument & 5 if request == 3 else 0

    def write(self, data):
        if self.refusal:
            raise self.refusal
        self.sent += bytes(data)
        return len(data)

    def readinto(self, buffer):
        if not self._pieces:
            if self._error:
                raise OSError(self._error)
            return 0
        piece = self._pieces.pop(0)
        if len(piece) > len(buffer):
            self._pieces.insert(0, piece[len(buffer) :])
            piece = piece[: len(buffer)]
        if not piece:
            return None  # nothing yet
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self):
        self.closed += 1


def made(
    pieces,
    url="http://server.example/release.json",
    most=2000,
    error=None,
    connect=None,
    spoil=None,
    tls=None,
    **more,
):
    """One get() from a socket of bytes: how it ends, what was sent, how the sink was used.

    tls: [kind, argument] of the exception that the handshake ends with.
    """
    wires = []

    def new_socket(*kind):
        wires.append(_Wire(pieces, error, connect))
        return wires[-1]

    sink = _Sink(error={"memory": MemoryError(), "flash": OSError(28)}.get(spoil))
    log = _Log()

    def wrap(sock, host, ca):
        wires.append(_Wire(pieces, error))
        if tls:
            wires[-1].refusal = {"OSError": OSError, "ValueError": ValueError}[tls[0]](tls[1])
        return wires[-1]

    def resolve(host, port):
        return [(2, 1, 0, "", (host, port))]

    fetcher = Fetcher(resolve, new_socket, time, log, wrap)
    out = _run(_attempt(fetcher, url, sink, most, **more))
    out["starts"] = sink.starts
    out["body"] = sink.body
    out["sent"] = [wire.sent for wire in wires]
    out["closed"] = all(wire.closed for wire in wires)
    return out


_frugal = None


def many(answers, offset=0):
    """Each of these bytes as an answer, in pieces; how each ends, and what it has cost of the heap."""
    global _frugal
    clock.virtual()
    ends = []
    wire = [None]
    gc.collect()
    before = gc.mem_alloc()
    if _frugal is None:
        _frugal = Fetcher(
            lambda host, port: [(2, 1, 0, "", (host, port))], lambda *kind: _frugal_wire[0], time, _Log()
        )
    for pieces in answers:
        wire[0] = _frugal_wire[0] = _Wire(pieces)
        sink = _Sink(False)
        out = _run(_attempt(_frugal, "http://server.example/x", sink, 2000, offset=offset, etag='"x"'))
        if sink.length > 2000 or not wire[0].closed:
            raise ValueError("too much, or left open")
        if "failure" not in out and sink.length != out["length"]:
            raise ValueError("not what it says")
        ends.append(out.get("failure") or out["status"])
    gc.collect()
    return ends, gc.mem_alloc() - before


_frugal_wire = [None]
