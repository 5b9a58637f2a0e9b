"""Run by the unix port: a trace on stdin, the receiver's results on stdout, a JSON line each."""

import json
import struct
import sys

from lutin.blinkup.receiver import Receiver

_TICKS = 0x3FFFFFFF  # ticks_us on the board has 30 bits
_TAIL_MS = 2000  # the light is taken to stay as it was last: a broken packet is told within that


def _show(result, at):
    print(
        json.dumps(
            {
                "settings": result.settings,
                "stage": result.stage,
                "reason": result.reason,
                "mode": result.mode,
                "rate": round(1000000 / result.symbol_us, 1),
                "grey": result.grey,
                "pulses": result.pulses,
                "at": round(at / 1e6, 3),
            }
        )
    )


def main():
    """Feed every sample, then a steady tail."""
    receiver = Receiver()
    stream = sys.stdin.buffer
    first = None
    t = value = 0
    while True:
        pair = stream.read(6)
        if len(pair) < 6:
            break
        t, value = struct.unpack("<IH", pair)
        first = t if first is None else first
        result = receiver.feed(t & _TICKS, value)
        if result:
            _show(result, t - first)
    for _ in range(_TAIL_MS):
        t += 1000
        result = receiver.feed(t & _TICKS, value)
        if result:
            _show(result, t - first)


main()
