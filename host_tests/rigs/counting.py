"""Rig that counts the bytecodes of the receiver; only in the build of `make micropython-32bit`."""

import bytecodes
from lutin.blinkup.receiver import Receiver

_SYMBOL_US = 16667


def work(data, every):
    """(counts, symbols) of a recording, where only every so many samples are taken.

    counts: [samples, bytecodes, the most for one] while nothing is read, and the same while a packet is.
    """
    count = bytecodes.count
    receiver = Receiver()
    out = ([0, 0, 0], [0, 0, 0])
    first = last = None
    for i in range(0, len(data), 6 * every):
        t = data[i] | data[i + 1] << 8 | data[i + 2] << 16 | (data[i + 3] & 0x3F) << 24
        value = data[i + 4] | data[i + 5] << 8
        before = count()
        result = receiver.feed(t, value)
        used = (count() - before) & 0x3FFFFFFF
        reading = receiver.reading()
        if reading:
            first = first or t
            last = t
        if not result:  # the end of a packet, CRC and records, is another matter
            sums = out[reading]
            sums[0] += 1
            sums[1] += used
            sums[2] = max(sums[2], used)
    return out, (last - first) // _SYMBOL_US


def sampling(samples):
    """Bytecodes that the loop around the receiver takes for a sample."""
    from lutin.blinkup.listener import Listener

    class Nothing:
        def feed(self, t, value):
            return None

    class Clock:
        def ticks_us(self):
            return 0

    class Sensor:
        def read(self):
            return 0

    listener = Listener(None, None, Sensor().read, Clock(), None, None, None)
    listener._feed = Nothing().feed
    burst = listener._burst
    before = bytecodes.count()
    burst(samples)
    whole = bytecodes.count() - before
    before = bytecodes.count()
    Nothing().feed(0, 0)
    Clock().ticks_us()
    Sensor().read()
    return whole // samples - (bytecodes.count() - before) // 3
