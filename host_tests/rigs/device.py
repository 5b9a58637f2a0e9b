"""Rig for the whole device: a simulated board in virtual time, with a screen in front of it."""

import asyncio
import gc
import random
import socket
import time

import pins
from sim import clock, world
from sim.nor import PowerCut

_COLOURS = {(0, 0): "-", (1, 0): "R", (0, 1): "G", (1, 1): "A"}

_life = None  # the running device
_task = None
_seen = []  # (ms, colour) at each change of the light
_peeked = []
_joined = []  # every ssid that the radio ever tried


def new(aps=(), start_us=0, seed=1):
    """A new board, never used, among these access points."""
    global _life
    random.seed(seed)
    world.reset(start_us)
    asyncio.new_event_loop()
    world.airspace.radio.on_attempt = _tried
    for ap in aps:
        world.airspace.add(**ap)
    world.watchers.append(_watch)
    _seen.clear()
    _joined.clear()
    _life = None


def _tried(ssid, key):
    _joined.append(ssid)


def _watch(what):
    if what == "led":
        colour = _COLOURS[tuple([world.pins.get(number, 0) for number in pins.LED_PINS])]
        if _seen and _seen[-1][0] == clock.now_us() // 1000:
            _seen.pop()  # two pins never change at once; nobody sees what is between
        if len(_seen) == 2000:
            del _seen[:1000]  # days of light would fill the heap
        _seen.append((clock.now_us() // 1000, colour))


class _Unplugged:
    """A console whose other end is gone."""

    async def read(self, _):
        return b""


def boot(console=False):
    """Power on; console: with one that is unplugged at once."""
    global _life, _task
    from lutin import board
    from lutin.device import Device

    asyncio.new_event_loop()
    clock._hooks.clear()
    clock._ended = None
    world.pins.clear()
    for nor in world.flash.values():
        nor.power_on()
    plug = _Unplugged() if console else None
    _life = Device(board, time, socket.socket, socket.getaddrinfo, plug)
    _task = asyncio.create_task(_life.run())


def run(ms):
    """Let ms pass; True, or why it ended early: an exit code, or "power cut"."""

    async def wait():
        await asyncio.sleep_ms(ms)

    try:
        asyncio.run(wait())
    except SystemExit as e:
        return e.args[0]
    except PowerCut:
        return "power cut"
    return True


def run_until(state, most_ms, step_ms=100):
    """Run until the device is in the state of that name; ms it took, or None."""
    start = clock.now_us()
    while _life.report()["state"]["name"] != state:
        if clock.now_us() - start > most_ms * 1000:
            return None
        if run(step_ms) is not True:
            return None
    return (clock.now_us() - start) // 1000


def shine(levels, fps, idle=1.0):
    """Show these levels from now on, then a white screen; returns how many ms they take."""
    start = clock.now_us() + 500000
    at = start
    world.sensor.show(clock.now_us(), idle)
    for i, level in enumerate(levels):
        at = start + i * 1000000 // fps
        world.sensor.show(at, level)
    at = start + len(levels) * 1000000 // fps
    world.sensor.show(at, idle)
    return (at - clock.now_us()) // 1000


def light(**conditions):
    """Set attributes of the sensor's surroundings."""
    for name, value in conditions.items():
        setattr(world.sensor, name, value)


def peek(ms):
    """Note the state in so many ms from now, also while sampling keeps everything else waiting."""
    _peeked.clear()
    clock.at(clock.now_us() + ms * 1000, lambda: _peeked.append(_life.report()["state"]["name"]))


def peeked():
    return _peeked


def leds(since_ms=0):
    """What the light showed since then: [(ms, colour)]."""
    return [entry for entry in _seen if entry[0] >= since_ms]


def now_ms():
    return clock.now_us() // 1000


def report():
    return _life.report()


def lines():
    """The log's texts."""
    return [line[3] for line in _life.log.lines()]


def joined():
    """Every ssid that the radio tried, in order."""
    return list(_joined)


def air(ssid, **fields):
    """Change an access point."""
    for ap in world.airspace.aps:
        if ap.ssid == ssid:
            for name, value in fields.items():
                setattr(ap, name, value)


def add_ap(**fields):
    world.airspace.add(**fields)


def wear(sectors, mode="stuck"):
    for sector in sectors:
        world.flash["lutin"].wear(sector, mode)


def cut_after(n, torn):
    """Cut the power at the n-th flash operation from now."""
    world.flash["lutin"].cut_after(n, torn)


def operations():
    return world.flash["lutin"].operations


def press(down):
    world.pins[pins.BUTTON] = 0 if down else 1


def console(line):
    return list(_life._console.answer(line))


def store(record):
    """Put settings into the flash as an earlier life would have."""
    from lutin.log import Log
    from lutin.settings import Settings
    from lutin.store import SETTINGS, Store

    flash = __import__("esp32").Partition("lutin")
    settings = Settings().apply(record)
    Store(flash, Log(lambda: 0)).save(SETTINGS, settings.to_bytes())


def heap():
    """Bytes in use, without what this rig has noted down."""
    global _seen, _joined
    _seen = []
    _joined = []
    gc.collect()
    return gc.mem_alloc()


def no_flash():
    """The partition table has no `lutin`."""
    world.flash = {}


def store_bytes(data):
    """A record of settings that is whole, and no settings."""
    from lutin.log import Log
    from lutin.store import SETTINGS, Store

    Store(__import__("esp32").Partition("lutin"), Log(lambda: 0)).save(SETTINGS, data)


def kill_duty():
    """A bug in a duty, as one that nobody has found yet would show itself."""

    def broken(colour):
        raise RuntimeError("a bug")

    _life._led._driver.show = broken


def alive():
    """Whether every duty still runs."""
    return not any(duty.done() for duty in _life._duties)


def collecting():
    return gc.isenabled()


def peek_collecting(ms):
    """Note whether the collector is on in so many ms from now."""
    _peeked.clear()
    clock.at(clock.now_us() + ms * 1000, lambda: _peeked.append(gc.isenabled()))


def count_samples():
    """Count what the sensor is asked from now on."""
    sensor = world.sensor
    read = sensor.read
    sensor.asked = 0

    def counting(at_us):
        sensor.asked += 1
        return read(at_us)

    sensor.read = counting


def samples():
    return world.sensor.asked


def repl_status():
    """What a person types at the REPL."""
    import lutin

    lutin._device = _life
    lutin.status()
