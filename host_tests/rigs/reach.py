"""Rig for reach.py and for `socket` behind the simulated air."""

import asyncio
import gc
import socket

import network
from lutin.reach import judge as _judge
from lutin.reach import reach, split
from lutin.states import name
from sim import clock, world
from sim.airspace import Airspace


def _run(coroutine):
    # Nothing of an earlier call may be left, also where it failed.
    asyncio.new_event_loop()
    return asyncio.run(coroutine)


def _join(fields, password="secret12"):
    clock.virtual()
    clock._hooks.clear()
    air = world.airspace = Airspace()
    wlan = network.WLAN()
    if fields is not None:
        air.add("Home", "secret12", **fields)
        wlan.active(True)
        wlan.connect("Home", password)
        clock.advance(5_000_000)
    return wlan


def ask(url, fields=None, join=True):
    """reach() in that network; (result, detail, what was said, ms it took, whether it came through tls)."""
    _join(({} if fields is None else fields) if join else None)
    said = []
    opened = []

    def open_connection(host, port, **kwargs):
        opened.append([host, port, kwargs])
        return asyncio.open_connection(host, port, **kwargs)

    start = clock.now_us()
    state, detail = _run(
        reach(
            url, socket.getaddrinfo, open_connection, lambda state, detail: said.append([name(state), detail])
        )
    )
    return name(state), detail, said, (clock.now_us() - start) // 1000, opened


def judge(answer, host, guarded=False):
    """The verdict alone."""
    state, detail = _judge(answer, host, guarded)
    return name(state), detail


def parts(url):
    """What the address says."""
    return split(url)


def bare(host, port, fields=None, join=True, lose=False):
    """What `socket` alone does: (resolve, connect, exchange), each "ok" or the error."""
    wlan = _join(({} if fields is None else fields) if join else None)
    out = []

    def attempt(function, *args):
        try:
            value = function(*args)
            out.append("ok")
            return value
        except OSError as e:
            out.append("OSError: %s" % e)

    found = attempt(socket.getaddrinfo, host, port)
    if not found:
        # What a program does that has resolved the name earlier.
        found = socket.getaddrinfo("127.0.0.1", port)
    s = socket.socket()
    attempt(s.connect, found[0][-1])
    if lose:
        wlan.disconnect()
        clock.advance(50_000)
    if out[-1] == "ok":
        attempt(s.write, b"GET / HTTP/1.1\r\n\r\n")
        out.append(attempt(s.read, 20))
    s.close()
    return out


def heap(url, times):
    """Heap in use after each of so many tries."""
    _join({})
    used = []

    async def main():
        for _ in range(times):
            await reach(url, socket.getaddrinfo, asyncio.open_connection, lambda state, detail: None)
            gc.collect()
            used.append(gc.mem_alloc())

    _run(main())
    return used
