"""The log: a ring in RAM, the console, and whoever listens."""

from micropython import const

INFO = const(0)
WARN = const(1)
ERROR = const(2)
_LETTERS = "IWE"


class Log:
    """Keeps the last lines; each is (sequence number, uptime in ms, level, text)."""

    def __init__(self, uptime, console=None, lines=40, width=160):
        # uptime: callable, ms since start, never wrapping. console: callable(str) or None.
        self._uptime = uptime
        self._console = console
        self._width = width
        self._ring = [None] * lines  # type: list
        self._next = 0
        self._listeners = []

    def info(self, text):
        """Something that went as it should."""
        self._add(INFO, text)

    def warn(self, text):
        """Something that went wrong and is being dealt with."""
        self._add(WARN, text)

    def error(self, text):
        """Something that the owner has to know."""
        self._add(ERROR, text)

    def listen(self, callback):
        """Call callback(line) for each line from now on."""
        self._listeners.append(callback)

    def lines(self, since=0):
        """The kept lines with sequence number `since` or later, oldest first."""
        size = len(self._ring)
        for i in range(max(since, self._next - size), self._next):
            yield self._ring[i % size]

    def _add(self, level, text):
        # Cut, so that no peer can fill the heap through the log.
        if len(text) > self._width:
            text = text[: self._width]
        line = (self._next, self._uptime(), level, text)
        self._ring[self._next % len(self._ring)] = line
        self._next += 1
        if self._console:
            self._console(show(line))
        for callback in self._listeners:
            callback(line)


def show(line):
    """A line as the console prints it: seconds, level, text."""
    return "%7d.%03d %s %s" % (line[1] // 1000, line[1] % 1000, _LETTERS[line[2]], line[3])
