"""Samples at any moment -> one value for each millisecond."""

from micropython import const

_WRAP = const(0x3FFFFFFF)  # ticks_us has 30 bits
_STEP = const(1000)  # µs
MOST = const(60)  # ms without a sample; after more, what was heard before is worth nothing


class Grid:
    """Means of the samples in each ms; a short gap is bridged by a straight line.

    What follows needs neither time stamps nor a steady sampler, and works in small integers.
    """

    def __init__(self):
        self.reset()

    def reset(self):
        """Forget; the next sample starts the first millisecond."""
        self._start = -1
        self._sum = 0
        self._count = 0

    def feed(self, t, value, values, at):
        """Take a sample (ticks_us, 0 to 65535). Returns how many values it has put to values[at:], or -1.

        -1 says that the gap was too long to be bridged; more than MOST there never are.
        """
        start = self._start
        if start < 0:
            self._start = start = t
        steps = ((t - start) & _WRAP) // _STEP
        if steps == 0:
            self._sum += value
            self._count += 1
            return 0
        if steps > MOST:
            self._start = t
            self._sum = value
            self._count = 1
            return -1
        count = self._count
        values[at] = before = self._sum if count == 1 else self._sum // count
        for i in range(1, steps):
            values[at + i] = before + (value - before) * i // steps
        self._start = (start + steps * _STEP) & _WRAP
        self._sum = value
        self._count = 1
        return steps
