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
