"""Rig for one life of a whole board, from power-on, with its flash in a folder. Time is virtual.

A process is a life: when it ends, whatever was in RAM is gone. boot.py and main.py come from the
board's own filesystem, and so does everything that they import.
"""

import asyncio
import gc as _gc
import socket
import sys

import device
import power_on
from device import add_ap, alive, collecting, console, leds, lines, now_ms, press  # noqa: F401 (functions of this rig)
from sim import clock, state, world
from sim.nor import PowerCut

_pages = [0]
_sent = []
_cut = [None]  # the flash at which power goes
_ballast = []  # for this rig's own answers, beside a firmware that has taken all there is
_spare = [16384]  # bytes of it
_limit = [0]  # µs at which the loop is left


class _Enough(SystemExit):
    """The time asked for is over: no end of the life."""


def start(folder, cause=1, aps=None, ntp=None, seed=1, light=(), small=False):
    """Power on; nothing runs yet. aps: the air from now on, else as it was; ntp: s since 1970 or None.

    small: the firmware finds as little memory as on a board without PSRAM.
    """
    import random

    random.seed(seed)
    power_on.leave_host()
    world.reset()
    state.load(power_on.HOST + folder)
    world.reset_cause = cause
    world.ntp = ntp
    world.airspace.radio.on_attempt = device._tried
    if aps is not None:
        world.airspace.from_json([])
        for ap in aps:
            world.airspace.add(**ap)
        state.save_air()
    world.watchers.append(device._watch)
    _pause_in_the_loop()
    _count_pages()
    power_on.mount()
    if small:
        sys.modules["gc"] = _LittleMemory()


class _LittleMemory:
    """In place of gc, what a board without PSRAM would say; the collector works when this rig's memory is full."""

    free = 100000

    def __getattr__(self, name):
        return getattr(_gc, name)

    def mem_free(self):
        return self.free

    def threshold(self, size):
        pass


def memory(free):
    """What a board without PSRAM says of it from now on."""
    _LittleMemory.free = free


def loaded():
    """The modules of lutin that are in memory."""
    return sorted(name[6:] for name in sys.modules if name.startswith("lutin."))


def _pause_in_the_loop():
    """Only while the loop waits: anywhere else the exception would end the task that runs."""
    core = sys.modules["asyncio"].core
    wait = core.IOQueue.wait_io_event

    def wait_io_event(self, dt):
        if clock.now_us() >= _limit[0]:
            raise _Enough
        if _cut[0] and _cut[0]._dead:
            raise PowerCut  # an application may have caught the one that was raised
        wait(self, dt)

    core.IOQueue.wait_io_event = wait_io_event


def boot(ms):
    """boot.py, main.py, and so many ms of life: True, or why it ended: an exit code, or "power cut"."""

    def go():
        # The console's other end is this rig's; to wait for it would hold up virtual time.
        asyncio.StreamReader = lambda stream: device._Unplugged()
        for path in ("/boot.py", "/main.py"):
            power_on.execute(path)
        return "main.py has ended"

    return _live(ms, go)


def run(ms):
    """So many ms more."""
    return _live(ms, lambda: asyncio.get_event_loop().run_forever())


def _live(ms, go):
    _limit[0] = clock.now_us() + ms * 1000
    try:
        _ballast.append(bytearray(_spare[0]))
    except MemoryError:
        pass
    try:
        end = go()
    except _Enough:
        end = True
    except SystemExit as e:
        end = e.args[0] if e.args else 0
    except PowerCut:
        end = "power cut"
    except MemoryError as e:
        # Not even main.py could go on: MicroPython's prompt, until the watchdog restarts the board.
        import machine

        if machine.WDT._timeout is None:
            raise
        sys.print_exception(e)
        end = machine.EXIT_WATCHDOG
    finally:
        _ballast.clear()
    if "lutin" in sys.modules:
        running = getattr(sys.modules["lutin"], "running", None)
        device._life = running() if running else None
    return end


def leap(ms):
    """So much time at once, in which everything sleeps and somebody feeds the watchdog."""
    import machine

    clock._now += ms * 1000
    machine.WDT._fed += ms * 1000


def running():
    """Whether there is a device."""
    return device._life is not None


def report():
    return device._life.report()


def shine(levels, fps):
    """A screen in front of the sensor; how many ms it takes."""
    return device.shine(levels, fps)


def air(ssid, **fields):
    """Change an access point, for later lives too."""
    device.air(ssid, **fields)
    state.save_air()


def cut_after(label, n, torn):
    _cut[0] = world.flash[label]
    _cut[0].cut_after(n, torn)


def operations():
    return {label: nor.operations for label, nor in world.flash.items()}


def settings(packet):
    """Put settings into the flash, as an earlier life would have; nothing else in this life."""
    sys.path.insert(0, "/factory")
    device.store(packet)


def settle(names, most_ms, step_ms=250):
    """Run until the state is one of these: [name, or why it ended, ms it took]."""
    begin = clock.now_us()
    while clock.now_us() - begin < most_ms * 1000:
        end = run(step_ms)
        if end is not True:
            return end, (clock.now_us() - begin) // 1000
        name = report()["state"]["name"]
        if name in names:
            return name, (clock.now_us() - begin) // 1000
    return None, most_ms


def requests():
    """How many have gone to a landing page."""
    return _pages[0]


def _count_pages():
    page = socket._Page

    def counting(kind):
        _pages[0] += 1
        return page(kind)

    socket._Page = counting


def heap_used():
    _gc.collect()
    return _gc.mem_alloc()


def garble(path):
    """A file on the board's filesystem loses a bit."""
    with open(path, "r+b") as f:
        f.seek(40)
        byte = f.read(1)[0]
        f.seek(40)
        f.write(bytes([byte ^ 0x10]))


def remove(path):
    """A file of the board's filesystem is gone."""
    import os

    os.remove(path)


def wear(label, sectors):
    for sector in sectors:
        world.flash[label].wear(sector, "error")


def volts(pin, value):
    """What the ADC sees on this pin."""
    world.analog[pin] = int(value / 2.45 * 65535)


def level(pin):
    return world.pins.get(pin)


def hear(topic, data):
    """A message of the broker to the application."""
    device._life._broker._handlers[topic](data)


def take_messages():
    """From now on this rig gets what the application sends."""
    _sent.clear()

    def send(topic, data, retain=False):
        _sent.append([topic, data])
        return True

    device._life._broker.send = send


def sent():
    return _sent


def write(path, text):
    """A file on the board's filesystem, with its folders."""
    import os

    at = path.find("/", 1)
    while at > 0:
        try:
            os.mkdir(path[:at])
        except OSError:
            pass  # it is there
        at = path.find("/", at + 1)
    with open(path, "w") as f:
        f.write(text)


def remove_tree(path):
    """A folder of the board's filesystem is gone."""
    import os

    for entry in list(os.ilistdir(path)):
        one = path + "/" + entry[0]
        remove_tree(one) if entry[1] == 0x4000 else os.remove(one)
    os.rmdir(path)


class _Starved:
    """A module for which there is no memory."""

    def __getattr__(self, name):
        raise MemoryError


def starve(module):
    """The next time that somebody wants this module, there is no memory for it."""
    sys.modules[module] = _Starved()
