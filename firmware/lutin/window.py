"""When the status light, and the receiver beside it, are on."""

from micropython import const

_MINUTE = const(60000)  # ms


class Window:
    """Open for a minute after power-on, after each first attempt to connect, after a press of the button."""

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
