"""Rig for the receiver: recorded or made light in, results out."""

import struct

from lutin.blinkup import packet as packets
from lutin.blinkup.receiver import Receiver

_receiver = Receiver()


def show(result, at):
    """A result as JSON can say it; `at` in µs since the trace began."""
    return {
        "settings": result.settings,
        "stage": result.stage,
        "reason": result.reason,
        "mode": result.mode,
        "rate": round(1000000 / result.symbol_us, 1),
        "grey": result.grey,
        "pulses": result.pulses,
        "at": at,
    }


def decode(data, tail_ms=0):
    """All results of a trace given as <IH pairs, then tail_ms of its last value."""
    receiver = _receiver
    receiver.reset()
    out = []
    t = v = first = 0
    size = len(data) // 6
    for i in range(size):
        t, v = struct.unpack_from("<IH", data, i * 6)
        if i == 0:
            first = t
        result = receiver.feed(t & 0x3FFFFFFF, v)
        if result:
            out.append(show(result, t - first))
    for i in range(tail_ms):
        result = receiver.feed((t + 1000 * (i + 1)) & 0x3FFFFFFF, v)
        if result:
            out.append(show(result, t - first + 1000 * (i + 1)))
    return out


def decode_file(path, tail_ms=0):
    with open(path, "rb") as f:
        return decode(f.read(), tail_ms)


def parse(data):
    """The packet's settings, or the name of its refusal."""
    try:
        return packets.parse(data)
    except packets.PacketError as e:
        return {"refused": e.args[0]}


def crc16(data):
    return packets.crc16(data)


def decode_locked(data):
    """How many samples could not be taken without memory."""
    import micropython

    receiver = Receiver()
    unpack_from = struct.unpack_from
    failed = 0
    for i in range(len(data) // 6 * 9 // 10):  # not the end, where the result is made
        t, v = unpack_from("<IH", data, i * 6)
        t &= 0x3FFFFFFF
        micropython.heap_lock()
        try:
            receiver.feed(t, v)
        except MemoryError:
            failed += 1
        micropython.heap_unlock()
    return failed


def random_light(kind, seconds, seed):
    """All settings that come of light without meaning: levels, pulses, packets or bits at random."""
    import random

    random.seed(seed)
    receiver = Receiver()
    out = []
    pending = []
    level = 0.0
    shown = 0.0
    for ms in range(seconds * 1000):
        if not pending:
            pending = _nonsense(kind, random)
        level, left = pending[0]
        if left <= 1:
            pending.pop(0)
        else:
            pending[0] = (level, left - 1)
        shown += (level - shown) * 0.4
        value = int(max(0, shown) * 60000) + random.getrandbits(8)
        result = receiver.feed((ms * 1000) & 0x3FFFFFFF, value)
        if result and result.settings:
            out.append(show(result, ms * 1000))
    return out


def _nonsense(kind, random):
    """[(level, ms)] of some seconds."""
    choice = random.choice
    if kind == "levels":
        return [(random.random(), random.randint(1, 300)) for _ in range(30)]
    ms = choice((8, 17, 33, 50))
    if kind == "pulses":
        return [(choice((0.0, 0.35, 1.0)), ms) for _ in range(60)]
    out = []
    if kind == "packets":
        # A true sync and start, and then chance.
        for bit in [0] * 16 + [0, 0, 1, 0, 1, 0, 1, 0] + [random.getrandbits(1) for _ in range(300)]:
            out += [(0.0, ms), (1.0 if bit else 0.35, ms)]
        return out
    stream = [0, 1] * 32 + [0, 0, 1, 0, 1, 0, 1, 0] + [random.getrandbits(1) for _ in range(300)]
    return [(float(bit), ms) for bit in stream]


def receiver_size():
    """Bytes that a receiver takes, here."""
    import gc

    gc.collect()
    before = gc.mem_alloc()
    receiver = Receiver()
    gc.collect()
    size = gc.mem_alloc() - before
    assert receiver
    return size


def longest_step(data):
    """The longest feed() as a multiple of the median; each is the shortest of several runs."""
    import gc

    import utime

    size = len(data) // 6
    best = [1 << 30] * size
    for _ in range(5):
        receiver = Receiver()
        gc.collect()
        gc.disable()
        for i in range(size):
            t, v = struct.unpack_from("<IH", data, i * 6)
            start = utime.ticks_us()
            receiver.feed(t, v)
            best[i] = min(best[i], utime.ticks_us() - start)
        gc.enable()
    order = sorted(best)
    return order[-1] // max(1, order[size // 2])


def decode_natively(sources, data):
    """As decode, with the classes of these sources (pulses.py, bi.py) in place of the plain ones."""
    from lutin.blinkup import receiver as module

    global _receiver
    plain = _receiver
    names = {}
    for source in sources:
        exec(source.replace("from .packet", "from lutin.blinkup.packet"), names)
    kept = module.Pulses, module.Bi
    module.Pulses, module.Bi = names["Pulses"], names["Bi"]
    try:
        _receiver = Receiver()
        return decode(data)
    finally:
        module.Pulses, module.Bi = kept
        _receiver = plain
