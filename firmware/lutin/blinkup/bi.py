"""Two-level symbols: one bit a symbol, black 0, white 1, on the receiver's own clock.

Times are in sixteenths of a millisecond.
"""

from array import array

from micropython import const

from .packet import START, Assembler

_SYNC = const(12)  # so many stretches of one symbol each must stand before 0x2A; a sender shows 63
_SLOW = const(45 * 16)  # no sender's symbol is longer (legacy: 33 ms)
_FAST = const(5 * 16)  # nor shorter (142 a second: 7 ms)


class Bi:
    """Tells black from white half way between the pulses' peaks and troughs."""

    mode = "bi"

    def __init__(self):
        self._runs = array("l", [0] * _SYNC)
        self.assembler = Assembler()
        self.time = self.pulses = self.doubts = 0
        self._symbol = self._bias = self._next = self._start = 0
        self.reset()

    def reset(self):
        """Nothing seen."""
        self._at = 0
        self._seen = 0
        self.middle = 0  # half way between black and white; 0: not known, and step() need not be called
        self._y = 0
        self._light = False
        self._edge = 0
        self.end()

    def end(self):
        """Free for another packet."""
        self.active = False

    def level(self, middle):
        """The middle of the last full pulse; follows brightness."""
        if self.middle:
            self.middle += (middle - self.middle) >> 2
        else:
            self.middle = middle

    def lose(self):
        """There is no carrier: nothing is known of the levels any more."""
        self.middle = 0
        self._seen = 0

    def skip(self, ys, i, end, unit, now):
        """The next place in ys[i:end] that step() must see, or end; ys[0] came at now + 1."""
        start = i
        if self.active:
            # A symbol is judged in its middle.
            end = min(end, max(i, (self._next >> 4) - now))
        middle = self.middle
        if self._light:
            middle -= unit >> 3
            while i < end and ys[i] >= middle:
                i += 1
        else:
            middle += unit >> 3
            while i < end and ys[i] <= middle:
                i += 1
        if i > start:
            self._y = ys[i - 1]
        return i

    def step(self, y, unit, now):
        """Take the next millisecond; True when the packet is whole, PacketError when it cannot be one."""
        middle = self.middle
        before = self._y
        self._y = y
        # An eighth of a pulse of play, so that noise on a slow edge does not count.
        if y < middle - (unit >> 3) if self._light else y > middle + (unit >> 3):
            at = now * 16
            if y != before:
                at -= min(max(16 * (y - middle) // (y - before), 0), 48)
            self._turn(at)
        # Each symbol is judged in its middle, also those that pass without an edge.
        if self.active and now * 16 - self._next > 0:
            self._next += self._symbol
            return self._bit(self._light)
        return False

    def _turn(self, at):
        """An edge, at a moment in 1/16 ms."""
        run = at - self._edge
        self._edge = at
        light = self._light
        self._light = not light
        if self.active:
            # Light lasts longer or shorter than black by the same all the time: the screen's
            # and the sensor's slow edges. The clock starts anew at each edge, thus corrected.
            self._next = at + (self._symbol >> 1) + (-self._bias if light else self._bias)
            self.pulses += light
            self.time = at >> 4
            return
        if self._seen >= _SYNC and not light and self._begin(run, at):
            return
        self._runs[self._at] = run
        self._at = (self._at + 1) % _SYNC
        if self._seen < _SYNC:
            self._seen += 1

    def _begin(self, run, at):
        """Was that black the first two bits of 0x2A, behind a sync?"""
        light = black = 0
        low = 1 << 30
        high = 0
        for i in range(0, _SYNC, 2):
            # The stretch before this black was light; so was every second one.
            dark = self._runs[(self._at + i) % _SYNC]
            lit = self._runs[(self._at + i + 1) % _SYNC]
            black += dark
            light += lit
            low = min(low, dark + lit)
            high = max(high, dark + lit)
        light //= _SYNC // 2
        black //= _SYNC // 2
        symbol = light + black >> 1
        if not _FAST <= symbol <= _SLOW or (high - low) > symbol:
            return False
        bias = light - black >> 1
        run += bias
        if not symbol * 13 >> 3 <= run <= symbol * 19 >> 3 or abs(bias) * 2 > symbol:
            return False
        self.active = True
        self.assembler.reset()
        self._symbol = symbol
        self._bias = bias >> 1
        self._start = 0b1  # becomes 0x2A with a 1 in front
        self._start <<= 2
        self._next = at + (symbol >> 1) + self._bias
        self.time = at >> 4
        self.pulses = _SYNC // 2
        self.doubts = 0  # none are counted: the levels are far apart
        return True

    def _bit(self, bit):
        if self._start < 256:
            self._start = self._start << 1 | bit
            if self._start >= 256 and self._start != 256 | START:
                self.end()  # it was no start: nobody has to hear of it
            return False
        done = self.assembler.bit(1 if bit else 0)
        if self.assembler.count == 2 and not self.assembler.plausible():
            # A lamp flickers like a sync, and one flash that it misses like a start. Nobody has to
            # hear of that either.
            self.end()
        return done

    def symbol_us(self):
        """How long a symbol lasts, in µs."""
        return self._symbol * 125 // 2
