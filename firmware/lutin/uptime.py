"""Milliseconds since start that never wrap, out of ticks that do."""


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
