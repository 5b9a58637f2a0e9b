"""`lutin listen`: what a board's sensor sees, as a trace for `lutin decode`.

Nothing is kept on the board, which has no room for it: each sample goes out in four characters as it is
taken, two for the time since the last one in units of 8 µs and two for the ADC's 12 bits. A serial line at
115200 baud carries twice as much as the thousand samples a second that are taken.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable

from .line import Line

UNIT = 8  # µs
_BASE = 48  # "0" is no bit set; "o" all six
_GAP = ord("~")  # no sample: 4095 units have gone by
_ON_THE_BOARD = """
import gc, sys, time
from lutin import board, led
def _listen(ms):
    board.status_led().show(0)
    read, feed = board.light_sensor(), _dog.feed
    now, diff, add = time.ticks_us, time.ticks_diff, time.ticks_add
    write, out = sys.stdout.buffer.write, bytearray(4)
    left, count, last = ms * 125, 0, now()
    gc.collect()
    gc.disable()
    while left > 0:
        units = diff(now(), last) >> 3
        if units < 125:
            continue
        value = read() >> 4
        last = add(last, units << 3)
        left -= units
        while units > 4095:
            out[0] = 126
            write(out)
            units -= 4095
        out[0] = 48 + (units >> 6)
        out[1] = 48 + (units & 63)
        out[2] = 48 + (value >> 6)
        out[3] = 48 + (value & 63)
        write(out)
        count += 1
        if not count & 1023:
            feed()
    gc.enable()
"""


class Trace:
    """Samples out of the characters that come."""

    def __init__(self) -> None:
        self.samples: list[tuple[int, int]] = []  # µs, 0 to 65535
        self._units = 0
        self._piece = bytearray()

    def feed(self, data: bytes) -> None:
        """Some of them; what is none of them is passed over."""
        for byte in data:
            if not (_BASE <= byte < _BASE + 64 or byte == _GAP):
                continue
            self._piece.append(byte)
            if len(self._piece) == 4:
                self._take(self._piece)
                self._piece = bytearray()

    def _take(self, piece: bytearray) -> None:
        if piece[0] == _GAP:
            self._units += 4095
            return
        self._units += (piece[0] - _BASE) << 6 | piece[1] - _BASE
        value = (piece[2] - _BASE) << 6 | piece[3] - _BASE
        # As MicroPython's read_u16() widens 12 bits: all ones stay all ones.
        self.samples.append((self._units * UNIT, value << 4 | value >> 8))

    def data(self) -> bytes:
        """As `lutin decode` reads it."""
        return b"".join(struct.pack("<IH", us & 0xFFFFFFFF, value) for us, value in self.samples)


def record(line: Line, seconds: float, show: Callable[[Trace], None]) -> Trace:
    """So many seconds of light; Ctrl-C ends it early. The board is started anew afterwards."""
    trace = Trace()
    shown = time.monotonic()

    def take(data: bytes) -> None:
        nonlocal shown
        trace.feed(data)
        if time.monotonic() - shown > 0.5:
            shown = time.monotonic()
            show(trace)

    with line.stopped():
        try:
            line.run(_ON_THE_BOARD)
            line.run(f"_listen({int(seconds * 1000)})", consumer=take)
        except KeyboardInterrupt:
            line.stop()
    return trace
