"""Three-level symbols: every bit is a pulse that comes back to black; grey is 0, white is 1."""

from array import array

from micropython import const

from .packet import Assembler

_SYNC = const(8)  # so many greys must stand before 0x2A; a sender shows 16 or more
_SEEN = const(16)  # with the eight bits of 0x2A
_FAST = const(14)  # ms from bit to bit: no sender is faster (120 symbols a second), but lamps are
_SLOW = const(240)  # nor slower (10 a second)
_WHITES = const(0b00101010)  # 0x2A itself says which of its pulses are white


class TriSync:
    """Watches the pulses for a sync and the 0x2A behind it, and learns grey and white there."""

    def __init__(self):
        self._heights = array("l", [0] * _SEEN)
        self._times = array("l", [0] * _SEEN)
        self.reset()

    def reset(self):
        """Nothing seen."""
        self._at = 0
        self._seen = 0
        self.grey = 0
        self.white = 0
        self.period = 0  # ms from bit to bit

    def pulse(self, height, time):
        """Take a pulse; True when it is the last one of 0x2A."""
        at = self._at
        heights = self._heights
        heights[at] = height
        self._times[at] = time
        self._at = at = (at + 1) % _SEEN  # now the oldest
        if self._seen < _SEEN:
            self._seen += 1
            return False
        if heights[at - 2] <= height:  # most pulses end here: 0x2A ends with white, grey
            return False
        low = least = 1 << 30
        high = most = grey = white = 0
        for i in range(_SEEN):
            h = heights[(at + i) % _SEEN]
            if i >= _SYNC and _WHITES >> (_SEEN - 1 - i) & 1:
                white += h
                least = min(least, h)
                most = max(most, h)
            else:
                grey += h
                low = min(low, h)
                high = max(high, h)
        grey //= _SEEN - 3
        # White stands clear of grey, by more than either differs from itself; a filter in front
        # of a screen may leave grey little of white, but not nothing: that would be noise.
        gap = least - high
        if gap <= max(high - low, most - least) or gap * 8 < grey or white > grey * 60:
            return False
        period = (time - self._times[at]) // (_SEEN - 1)
        if not _FAST <= period <= _SLOW:
            return False
        self.grey = grey
        self.white = white // 3
        self.period = period
        return True


class TriPacket:
    """One packet being read, from 0x2A to its CRC."""

    mode = "tri"

    def __init__(self):
        self.assembler = Assembler()
        self.active = False
        self.grey = self.white = self.period = self.time = self.pulses = self.doubts = 0

    def begin(self, sync, time):
        """Start behind the 0x2A that `sync` has just seen."""
        self.assembler.reset()
        self.active = True
        self.grey = sync.grey
        self.white = sync.white
        self.period = sync.period  # ms from bit to bit
        self.time = time  # of the last pulse
        self.pulses = _SEEN
        self.doubts = 0  # pulses that were no clear grey or white

    def pulse(self, height, time):
        """Take a pulse; True when the packet is whole, PacketError when it cannot become one."""
        self.pulses += 1
        self.time = time
        step = self.white - self.grey
        off = height - (self.grey + self.white >> 1)
        if -step < off * 8 < step or off > step:
            self.doubts += 1
        # Both levels follow the light: brightness and shadows drift while it flashes.
        if off > 0:
            self.white += (height - self.white) >> 3
            return self.assembler.bit(1)
        self.grey += (height - self.grey) >> 3
        return self.assembler.bit(0)

    def symbol_us(self):
        """How long a symbol lasts, in µs."""
        return self.period * 500
