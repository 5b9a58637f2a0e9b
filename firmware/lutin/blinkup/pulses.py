"""Samples at any moment -> one value a millisecond -> pulses of light: how high, and when."""

from micropython import const

_FLOOR = const(220)  # 16-bit ADC counts: what is smaller is noise, never a screen
_LOCK = const(4)  # so many equal pulses are a carrier: from then on its own height is the yardstick
_LOSE = const(6)  # so many unequal ones in a row are none
_BIG = const(5)  # so many far higher ones: the carrier was only a lamp (0x2A itself has three)
_RECENT = const(1000)  # ms between two of them at most

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


class Pulses:
    """A boxcar filter, and a search for turning points behind it.

    Turning points need no black or white level, so ambient light and drifting brightness do
    not matter; a turn counts when it is large against the pulses around it, so lamp flicker
    that the filter leaves does not matter either. All heights are in units of
    (ADC counts x width).
    """

    def __init__(self, width):
        # width in ms. 9 removes 100 and 120 Hz lamps to a tenth, 4 does so with 240 Hz dimming.
        self._width = width
        self._floor = _FLOOR * width
        self.reset()

    def reset(self):
        """Forget all light seen so far."""
        self._fill = 0
        self.y = 0  # the filter's output
        self.now = 0  # ms since reset
        self.unit = 0  # height of the carrier's pulses, or of the last pulse
        self.alike = 0  # how many pulses like it came, one after the other
        self.height = 0  # the last pulse: from the valley before it to its peak
        self.time = 0  # when it peaked
        self.middle = 0  # half way up
        self.held = False  # a packet is being read, by its own grey
        self._other = 0
        self._big = 0
        self._bigtime = 0
        self.gap = 0  # ms from one pulse to the next, about
        self._rising = False
        self._extreme = 0
        self._when = 0
        self._valley = 0
        self._high = 0
        self._low = 0

    def run(self, values, i, end, ys):
        """Take values[i:end], one a ms; ys gets the filter's output. Stops where a pulse comes back to black.

        Returns that place, or -1. In front of values[i] stand those of the `width` ms before. This is where
        a board spends its time while it listens: so there are only local variables and small integers,
        and no calls.
        """
        width = self._width
        y = self.y
        start = self.now - i  # so that values[i] has come when it is start + i + 1
        if self._fill < width:
            while i < end and self._fill < width:
                y += values[i] - values[i - width]
                ys[i] = y
                i += 1
                self._fill += 1
            self._extreme = self._valley = self._high = self._low = y
        high = self._high
        low = self._low
        extreme = self._extreme
        rising = self._rising
        when = self._when
        valley = self._valley
        found = -1
        while i < end:
            y += values[i] - values[i - width]
            ys[i] = y
            i += 1

            # The range of the last eighth of a second.
            span = high - low
            if y > high:
                high = y
            else:
                high -= span >> 7
            if y < low:
                low = y
            else:
                low += span >> 7

            if rising:
                if y >= extreme:
                    extreme = y
                    when = start + i
                elif extreme - y > extreme - valley >> 1:
                    rising = False
                    found = i - 1
                    break
            elif y <= extreme:
                extreme = y
            else:
                if self.alike >= _LOCK:
                    turn = self.unit >> 1
                    if not self.held and start + i - self.time > 4 * self.gap + 50:
                        self.alike = 0  # what comes now may be too low for that yardstick
                else:
                    # Three eighths of the range; and bright light carries noise in proportion.
                    turn = max(span * 3 >> 3, self._floor, y >> 5)
                if y - extreme > turn:
                    rising = True
                    valley = extreme
                    extreme = y
                    when = start + i
        self.y = y
        self.now = start + i
        self._high = high
        self._low = low
        self._rising = rising
        self._when = when
        self._valley = valley
        self._extreme = extreme
        if found >= 0:
            self.height = height = extreme - valley
            self.gap += (when - self.time - self.gap) >> 2
            self.time = when
            self.middle = valley + (height >> 1)
            self._extreme = y
            self._count(height)
        return found

    def _count(self, height):
        """Is this pulse like those before it?"""
        off = height - self.unit
        if -self.unit < off * 4 < self.unit:
            self.unit += off >> 2
            self._other = 0
            if self.alike < 255:
                self.alike += 1
            return
        self._other += 1
        if off > self.unit:
            if self.time - self._bigtime > _RECENT:
                self._big = 0
            self._bigtime = self.time
            self._big += 1
        if self.held:
            return
        if self.alike < _LOCK or self._other > _LOSE or self._big == _BIG:
            self.unit = height
            self.alike = 1
            self._other = self._big = 0

    def hold(self, unit):
        """A packet is being read: its grey is the yardstick, whatever the last pulses were."""
        self.unit = unit
        self.alike = _LOCK
        self.held = True
