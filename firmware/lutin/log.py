"""The log: a ring in RAM, the console, and who sends it on."""

import struct
from array import array

from micropython import const

INFO = const(0)
WARN = const(1)
ERROR = const(2)
LEVELS = ("info", "warn", "error")
_LETTERS = "IWE"
_HEAD = "<HBQ"  # size, level, uptime
_HEAD_SIZE = const(11)


class Log:
    """Keeps the last lines; each is (number, uptime in ms, level, text, marked).

    They lie in one piece of memory that is made here: lines that live for hours among garbage that
    lives for milliseconds would leave a heap without a large piece in it.
    """

    def __init__(self, uptime, console=None, lines=128, width=160, room=6144):
        # uptime: callable, ms since start, never wrapping. console: callable(str) or None.
        # room: bytes, about a hundred lines as they are; at least twice as many as one line may take.
        self._uptime = uptime
        self._console = console
        self._width = width
        self._ring = bytearray(room)
        self._starts = array("H", bytes(2 * lines))  # of the lines, by number
        self._end = 0  # where the next one goes
        self._first = self._next = 0  # numbers
        self.mark = False  # what the lines from now on are marked with
        self.heard = None  # called with each line
        self.lost = None  # and with each that makes room for a newer one

    def info(self, text):
        """Something that went as it should."""
        self.add(INFO, text)

    def warn(self, text):
        """Something that went wrong and is being dealt with."""
        self.add(WARN, text)

    def error(self, text):
        """Something that the owner has to know."""
        self.add(ERROR, text)

    def first(self):
        """The number of the oldest line that is kept."""
        return self._first

    def lines(self, since=0):
        """The kept lines with this number or a later one, oldest first."""
        while True:
            line = self.line(since)
            if line is None:
                return
            yield line
            since = line[0] + 1

    def line(self, number):
        """The kept line with this number, or else the next; None: there is none yet."""
        number = max(number, self._first)
        if number >= self._next:
            return None
        at = self._starts[number % len(self._starts)]
        size, level, up = struct.unpack_from(_HEAD, self._ring, at)
        at += _HEAD_SIZE
        return number, up, level & 0x7F, str(self._ring[at : at + size], "utf-8"), level > 0x7F

    def add(self, level, text):
        """A line of this level."""
        # Cut, so that no peer can push out all the rest.
        if len(text) > self._width:
            text = text[: self._width]
        up = self._uptime()
        data = text.encode()
        if b"\xed" in data:
            # Perhaps half of a surrogate pair, which an application may have: to others that is no UTF-8.
            text = "".join([c if not 0xD800 <= ord(c) < 0xE000 else "?" for c in text])
            data = text.encode()
        at = self._place(_HEAD_SIZE + len(data))
        struct.pack_into(_HEAD, self._ring, at, len(data), level | self.mark << 7, up)
        at += _HEAD_SIZE
        self._ring[at : at + len(data)] = data
        line = (self._next, up, level, text, self.mark)
        self._next += 1
        if self._console:
            self._console(show(line))
        if self.heard:
            self.heard(line)

    def _place(self, size):
        """Where the next line of that size goes; older ones make room."""
        if self._next - self._first == len(self._starts):
            self._drop()
        if self._end + size > len(self._ring):
            while self._first < self._next and self._oldest() >= self._end:
                self._drop()
            self._end = 0
        at = self._end
        self._end += size
        while self._first < self._next and at <= self._oldest() < self._end:
            self._drop()
        self._starts[self._next % len(self._starts)] = at
        return at

    def _oldest(self):
        return self._starts[self._first % len(self._starts)]

    def _drop(self):
        """The oldest line makes room."""
        line = self.line(self._first) if self.lost else None
        self._first += 1
        if self.lost:
            self.lost(line)


def show(line):
    """A line as the console prints it: seconds, level, text."""
    return "%7d.%03d %s %s" % (line[1] // 1000, line[1] % 1000, _LETTERS[line[2]], line[3])
