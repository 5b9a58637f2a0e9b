"""Rig for `socket` behind the simulated air."""

import asyncio
import os
import socket

import lockstep as _lockstep
import network
from sim import clock, world
from sim.airspace import Airspace


def _join(fields):
    clock.virtual()
    clock._hooks.clear()
    air = world.airspace = Airspace()
    wlan = network.WLAN()
    if fields is not None:
        air.add("Home", "secret12", **fields)
        wlan.active(True)
        wlan.connect("Home", "secret12")
        clock.advance(5_000_000)
    return wlan


def bare(host, port, fields=None, join=True, lose=False):
    """What `socket` alone does: (resolve, connect, write, read), each "ok" or the error; and what came."""
    wlan = _join((fields or {}) if join else None)
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


def address(host, fields):
    """The address that a name has in that network."""
    _join(fields)
    try:
        found = socket.getaddrinfo(host, 80)[0][-1]
        return list(found[4:8])
    except OSError as e:
        return "OSError: %s" % e


def closed_by_tls(port):
    """(open before, while TLS is around a socket, after TLS is closed, after the socket is closed too)."""
    import tls  # here: some builds have none

    _join({})
    counts = [_open()]
    s = socket.socket()
    s.connect(socket.getaddrinfo("127.0.0.1", port)[0][-1])
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_NONE
    wrapped = context.wrap_socket(s, do_handshake_on_connect=False)
    counts.append(_open())
    wrapped.close()
    counts.append(_open())
    other = socket.socket()  # which has the number now
    s.close()
    counts.append(_open() - 1)
    other.close()
    return counts


def _open():
    count = 0
    for entry in os.ilistdir("/dev/fd"):
        try:
            os.stat("/dev/fd/" + entry[0])
            count += 1
        except OSError:
            pass
    return count


def slow_line(port, control):
    """A line from a server that takes its virtual time, with a task beside it: (line, ms, turns)."""
    _join({})
    _lockstep.use(control)
    turns = []

    async def beside():
        while True:
            await asyncio.sleep_ms(1000)
            turns.append(None)

    async def main():
        task = asyncio.create_task(beside())
        stream, _ = await asyncio.open_connection("127.0.0.1", port)
        start = clock.now_us()
        line = await stream.readline()
        task.cancel()
        await stream.wait_closed()
        return line, (clock.now_us() - start) // 1000, len(turns)

    asyncio.new_event_loop()
    try:
        return asyncio.run(main())
    finally:
        _lockstep.use(0)
