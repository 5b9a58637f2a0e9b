"""Time since power-on: in milliseconds that never wrap, and as a minute in which somebody may be there."""

from micropython import const

_MINUTE = const(60000)  # ms


class Uptime:
    """Call it for the ms since it was made; at least once in six days."""

    def __init__(self, clock):
        # clock: the time module
        self._clock = clock
        self._last = clock.ticks_ms()
        self._ms = 0

    def __call__(self):
        now = self._clock.ticks_ms()
        self._ms += self._clock.ticks_diff(now, self._last)
        self._last = now
        return self._ms


class Window:
    """Open for a minute after power-on, each first attempt to connect, and a press of the button."""

    def __init__(self, uptime):
        # uptime: callable, ms since start, never wrapping
        self._uptime = uptime
        self._until = 0
        self.renew()

    def renew(self):
        """A minute from now on; what was open for longer stays so."""
        self._until = max(self._until, self._uptime() + _MINUTE)

    def open(self):
        """Whether it is open now."""
        return self._uptime() < self._until
