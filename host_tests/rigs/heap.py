"""Rig for a whole board in as much memory as a real one has, from power-on to an update.

What a board does not have on its heap is made first: the simulated world, its light as a table, asyncio,
and the modules that are of C on a chip. Then a fence is put around the memory that is left to the firmware:
all the rest is filled up.
"""

import asyncio
import gc
import sys
from array import array

import life
import micropython
from life import *  # noqa: F403
from sim import clock, world

_fence = []  # what fills the memory outside
_outside = 0  # bytes in use there
_most = 0  # in use inside, at worst


def prepare(folder, levels, fps, seconds):
    """Power on, with a packet of light that begins `seconds` after that; ms at which it has ended."""
    life.start(folder)
    life._spare[0] = 0  # inside the fence, it would be the firmware's
    world.watchers.clear()  # nobody notes what the light shows: that would grow
    for name in ("esp32", "machine", "neopixel", "network", "ntptime", "socket"):
        __import__(name)
    for name in ("Event", "Lock", "StreamReader", "wait_for_ms", "open_connection"):
        getattr(asyncio, name)
    for nor in world.flash.values():
        _bare(nor)
    sensor = world.sensor
    for i, level in enumerate(levels):
        sensor.show(seconds * 1000000 + i * 1000000 // fps, level)
    end = seconds * 1000 + len(levels) * 1000 // fps
    sensor.show(end * 1000, 1.0)
    light = array("H", bytes(2 * (end + 500)))
    for ms in range(len(light)):
        light[ms] = sensor.read(ms * 1000)
    # The optics compute with floats, which would lie around: the firmware samples with the collector off.
    sensor.read = lambda at_us: light[min(at_us // 1000, len(light) - 1)]
    return end


def _bare(nor):
    """A chip that neither wears nor checks, and takes no memory for what it does."""
    file = nor.cells._file
    nor.cells._grow(len(nor.cells))
    ones = b"\xff" * 4096

    def read(address, buf):
        file.seek(address)
        file.readinto(buf)

    def write(address, data):
        file.seek(address)
        file.write(data)

    def erase(sector):
        file.seek(sector * 4096)
        file.write(ones)

    nor.read = read
    nor.write = write
    nor.erase = erase


def fence(areas):
    """Leave so many bytes to the firmware, in areas of their own: no object lies in two of them."""
    global _outside
    gc.collect()
    room = bytearray(sum(areas) + 64 * len(areas))
    fill = None
    size = 1 << 20
    while size:
        try:
            fill = (fill, bytearray(size))
        except MemoryError:
            size >>= 1
    while True:
        try:
            fill = (fill,)
        except MemoryError:
            break
    _fence.append(fill)
    del room, fill
    gc.collect()
    for area in areas[:-1]:
        inside = bytearray(area)
        _fence.append(bytearray(64))
        del inside
        gc.collect()
    _outside = gc.mem_alloc()
    return gc.mem_free()


def used():
    """Bytes that the firmware has in use."""
    gc.collect()
    return gc.mem_alloc() - _outside


def free():
    """Bytes that it could still have; the largest piece of them is said by mem_info on the console."""
    gc.collect()
    micropython.mem_info()
    return gc.mem_free()


def watch(every):
    """Look at what is in use at every so many turns of the event loop (0: never), and remember the most."""
    global _most
    _most = 0
    if not every:
        return
    core = asyncio.core
    wait = core.IOQueue.wait_io_event
    turn = 0

    def wait_io_event(self, dt):
        nonlocal turn
        global _most
        turn += 1
        if turn % every == 0:
            gc.collect()
            _most = max(_most, gc.mem_alloc() - _outside)
        wait(self, dt)

    core.IOQueue.wait_io_event = wait_io_event


def most():
    return _most


def state():
    """The name of the device's state."""
    states = sys.modules["lutin"].states
    return states.name(life.device._life.state()[0])


def command(line):
    """A command on the console."""
    for _ in life.device._life._console.answer(line):
        pass


def now_ms():
    return clock.now_us() // 1000


def imports(names):
    """[(module, bytes that its import takes)], each with what it needs that was not there yet."""
    found = []
    for name in names:
        gc.collect()
        before = gc.mem_alloc()
        __import__(name)
        gc.collect()
        found.append((name, gc.mem_alloc() - before))
    return found


def wide():
    """2 where objects are those of 64 bits."""
    return 2 if sys.maxsize > 1 << 31 else 1


def note(at_ms):
    """Look at what is in use at that moment, also while sampling keeps everything else waiting."""

    def look():
        global _most
        gc.collect()
        _most = gc.mem_alloc() - _outside
        micropython.mem_info()

    clock.at(at_ms * 1000, look)
