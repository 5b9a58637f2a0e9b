"""Samples at any moment -> one value for each millisecond."""

from micropython import const

_WRAP = const(0x3FFFFFFF)  # ticks_us has 30 bits
_STEP = const(1000)  # µs
_GAP = const(60)  # ms without a sample: what was heard before is worth nothing


class Grid:
    """Means of the samples in each ms; a short gap is bridged by a straight line.

    What follows needs neither time stamps nor a steady sampler, and works in small integers.
    """

    def __init__(self):
        # All fields from the start: a new one takes memory, and there is none while sampling.
        self._from = 0
        self._slope = 0
        self._steps = 1
        self.reset()

    def reset(self):
        """Forget; the next sample starts the first millisecond."""
        self._start = -1
        self._sum = 0
        self._count = 0

    def feed(self, t, value):
        """Take a sample (ticks_us, 0 to 65535). Returns how many values are ready: 0, a few, or -1.

        -1 says that the gap was too long to be bridged. The values come from value().
        """
        if self._start < 0:
            self._start = t
        steps = ((t - self._start) & _WRAP) // _STEP
        if steps == 0:
            self._sum += value
            self._count += 1
            return 0
        if steps > _GAP:
            self.reset()
            self._start = t
            self._sum = value
            self._count = 1
            return -1
        self._from = self._sum // self._count
        self._slope = value - self._from
        self._steps = steps
        self._start = (self._start + steps * _STEP) & _WRAP
        self._sum = value
        self._count = 1
        return steps

    def value(self, i):
        """The i-th of the values that the last feed() made ready."""
        if i == 0:
            return self._from
        return self._from + self._slope * i // self._steps
