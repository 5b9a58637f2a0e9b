"""What host_tests/boardport.py sends to a board: runs there from RAM, over the modules of the board's filesystem.

Nothing here writes to the board's flash, or to its settings.
"""

import binascii
import gc
import json
import sys
import time

from lutin import board


def _plain(value):
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"hex": binascii.hexlify(bytes(value)).decode()}
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value


def _bytes(value):
    if isinstance(value, dict):
        if len(value) == 1 and "hex" in value:
            return binascii.unhexlify(value["hex"])
        return {k: _bytes(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_bytes(v) for v in value]
    return value


def _ask(text):
    ask = json.loads(text)
    try:
        answer = {"ok": _plain(globals()[ask["call"]](*_bytes(ask["args"]), **_bytes(ask["kwargs"])))}
    except Exception as e:
        sys.print_exception(e)
        answer = {"error": type(e).__name__, "text": str(e), "trace": ""}
    print("\x02" + json.dumps(answer))


class Ram:
    """Eight sectors that are no flash, with its rules: writing clears bits, erasing sets them."""

    def __init__(self, size=512):
        self._size = size
        self._data = bytearray(b"\xff" * 8 * size)

    def readblocks(self, number, buf, offset=0):
        at = number * self._size + offset
        buf[:] = self._data[at : at + len(buf)]

    def writeblocks(self, number, buf, offset=0):
        at = number * self._size + offset
        for i, byte in enumerate(buf):
            self._data[at + i] &= byte

    def ioctl(self, op, arg):
        if op == 4:
            return 8
        if op == 5:
            return self._size
        if op == 6:
            for i in range(arg * self._size, (arg + 1) * self._size):
                self._data[i] = 0xFF
        return 0


class Quiet:
    """A log that nobody reads."""

    def info(self, text):
        pass

    warn = error = info


def begin():
    """The watchdog that the device started runs on, and nobody feeds it now: a new one, for an hour."""
    board.watchdog(3600000)
    return [board.name(), sys.implementation[0], list(sys.implementation[1][:3]), sys.platform]


def home():
    import lutin

    return [lutin.__file__, lutin.slot()]


def numbers():
    """Third, and the highest of the ticks."""
    return ["%r" % (1 / 3), time.ticks_diff(0, -1), time.ticks_add(0, -1)]


def store(data):
    """What comes back from RAM after a save, another one, and a start."""
    from lutin.store import SETTINGS, Store

    ram = Ram()
    Store(ram, Quiet()).save(SETTINGS, b"before")
    Store(ram, Quiet()).save(SETTINGS, data)
    found = Store(ram, Quiet())
    found.repair()
    return found.load(SETTINGS)


def settings(packet):
    """A packet's settings through bytes and back."""
    from lutin.settings import Settings

    return Settings.from_bytes(Settings().apply(packet).to_bytes()).public()


def verify(modulus, signature, digest):
    """[whether it is good, ms]"""
    from lutin.update import envelope as one

    start = time.ticks_ms()
    good = one.verify(modulus, signature, digest)
    return [good, time.ticks_diff(time.ticks_ms(), start)]


def uptime():
    """ms that a clock has counted over two wraps of the board's ticks."""
    from lutin.uptime import Uptime

    class Clock:
        now = time.ticks_add(0, -5)
        ticks_diff = staticmethod(time.ticks_diff)

        def ticks_ms(self):
            return Clock.now

    clock = Clock()
    count = Uptime(clock)
    step = (time.ticks_add(0, -1) + 1) // 4
    for _ in range(8):
        Clock.now = time.ticks_add(Clock.now, step)
        count()
    return count() == 8 * step


def receive(data):
    """Feed a part of a recording (None: begin): what came of it."""
    global _receiver
    from lutin.blinkup.receiver import Receiver

    if data is None:
        _receiver = Receiver()
        return None
    for i in range(0, len(data), 6):
        t = data[i] | data[i + 1] << 8 | data[i + 2] << 16 | (data[i + 3] & 0x3F) << 24
        result = _receiver.feed(t, data[i + 4] | data[i + 5] << 8)
        if result:
            return [result.settings, result.stage, result.reason]
    return None


def sampling(seconds):
    """Samples a second of the sensor through the whole receiver; and the least and the most that was seen."""
    from lutin.blinkup.listener import Listener
    from lutin.blinkup.receiver import Receiver

    read = board.light_sensor()
    seen = [65535, 0]

    listener = Listener(None, None, read, time, None, None, None)
    listener._feed = Receiver().feed
    gc.collect()
    gc.disable()
    start = time.ticks_ms()
    count = 0
    while time.ticks_diff(time.ticks_ms(), start) < seconds * 1000:
        listener._burst(64)
        count += 64
        value = read()
        seen[0] = min(seen[0], value)
        seen[1] = max(seen[1], value)
    took = time.ticks_diff(time.ticks_ms(), start)
    gc.enable()
    return [count * 1000 // took] + seen


def light():
    """Every colour for a moment; off at the end."""
    led = board.status_led()
    for colour in (1, 2, 3, 0):
        led.show(colour)
        time.sleep_ms(300)


def partitions():
    """[type, subtype, address, size, label] of each."""
    from esp32 import Partition

    found = []
    for kind in (Partition.TYPE_APP, Partition.TYPE_DATA):
        for part in Partition.find(kind):
            found.append(list(part.info()[:5]))
    return found


def choose(whole, home, trial, boots):
    """The slot that boot.py's rules choose among those that are whole. The board's own record is not asked."""
    from lutin.update import record as rules
    from lutin.update import start

    record = rules.Record()
    record.home = rules.SLOTS.index(home)
    record.trial = rules.SLOTS.index(trial) if trial else 0
    record.boots = boots
    record.trial_number = 7
    record = rules.from_bytes(record.to_bytes())
    return start.attempt(record, whole)[0]


def files():
    """Those in the root that no update writes, with their lengths."""
    import os

    return {name: os.stat("/" + name)[6] for name in ("boot.py", "main.py", "pins.py")}


def heap():
    """[bytes that are free with every module loaded, the same before]"""
    gc.collect()
    before = gc.mem_free()
    from lutin import device

    gc.collect()
    return [gc.mem_free(), before, device is not None]


def end():
    """Back to work: a moment later, so that the answer is heard."""
    board.deadline(500)
