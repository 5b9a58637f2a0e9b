"""One value a millisecond -> pulses of light: how high, and when."""

from array import array

from micropython import const

_FLOOR = const(220)  # 16-bit ADC counts: what is smaller is noise, never a screen
_LOCK = const(4)  # so many equal pulses are a carrier: from then on its own height is the yardstick
_LOSE = const(6)  # so many unequal ones in a row are none
_BIG = const(5)  # so many far higher ones: the carrier was only a lamp (0x2A itself has three)
_RECENT = const(1000)  # ms between two of them at most


class Pulses:
    """A boxcar filter, and a search for turning points behind it.

    Turning points need no black or white level, so ambient light and drifting brightness do
    not matter; a turn counts when it is large against the pulses around it, so lamp flicker
    that the filter leaves does not matter either. All heights are in units of
    (ADC counts x width).
    """

    def __init__(self, width):
        # width in ms. 9 removes 100 and 120 Hz lamps to a tenth, 4 does so with 240 Hz dimming.
        self._ring = array("H", bytes(2 * width))
        self._width = width
        self._floor = _FLOOR * width
        self.reset()

    def reset(self):
        """Forget all light seen so far."""
        for i in range(self._width):
            self._ring[i] = 0
        self._fill = 0
        self._at = 0
        self.y = 0  # the filter's output
        self.now = 0  # ms since reset
        self.unit = 0  # height of the carrier's pulses, or of the last pulse
        self.run = 0  # how many pulses like it came, one after the other
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

    def step(self, value):
        """Take the next millisecond's value; True when a pulse has just come back to black."""
        at = self._at
        ring = self._ring
        y = self.y + value - ring[at]
        ring[at] = value
        at += 1
        self._at = 0 if at == self._width else at
        self.y = y
        self.now += 1
        if self._fill < self._width:
            self._fill += 1
            self._extreme = self._valley = self._high = self._low = y
            return False

        # The range of the last eighth of a second.
        range_ = self._high - self._low
        ease = range_ >> 7
        if y > self._high:
            self._high = y
        else:
            self._high -= ease
        if y < self._low:
            self._low = y
        else:
            self._low += ease

        if self._rising:
            if y >= self._extreme:
                self._extreme = y
                self._when = self.now
                return False
            height = self._extreme - self._valley
            if self._extreme - y <= height >> 1:
                return False  # not back to black yet
            self._rising = False
            self.height = height
            self.gap += (self._when - self.time - self.gap) >> 2
            self.time = self._when
            self.middle = self._valley + (height >> 1)
            self._extreme = y
            self._count(height)
            return True

        if y <= self._extreme:
            self._extreme = y
            return False
        if self.run >= _LOCK:
            turn = self.unit >> 1
            if not self.held and self.now - self.time > 4 * self.gap + 50:
                self.run = 0  # what comes now may be too low for that yardstick
        else:
            # Three eighths of the range; and bright light carries noise in proportion.
            turn = max(range_ * 3 >> 3, self._floor, y >> 5)
        if y - self._extreme > turn:
            self._rising = True
            self._valley = self._extreme
            self._extreme = y
            self._when = self.now
        return False

    def _count(self, height):
        """Is this pulse like those before it?"""
        off = height - self.unit
        if -self.unit < off * 4 < self.unit:
            self.unit += off >> 2
            self._other = 0
            if self.run < 255:
                self.run += 1
            return
        self._other += 1
        if off > self.unit:
            if self.time - self._bigtime > _RECENT:
                self._big = 0
            self._bigtime = self.time
            self._big += 1
        if self.held:
            return
        if self.run < _LOCK or self._other > _LOSE or self._big == _BIG:
            self.unit = height
            self.run = 1
            self._other = self._big = 0

    def hold(self, unit):
        """A packet is being read: its grey is the yardstick, whatever the last pulses were."""
        self.unit = unit
        self.run = _LOCK
        self.held = True
