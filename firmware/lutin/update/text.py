"""Bytes from a source, spaces, and the inside of JSON strings, in one small buffer."""

from micropython import const

from ..states import Failure

_BUFFER = const(256)
_SPACE = const(4096)  # in all: a flood of it only costs time

_ESCAPES = {34: b'"', 92: b"\\", 47: b"/", 98: b"\b", 102: b"\f", 110: b"\n", 114: b"\r", 116: b"\t"}


class Text:
    """JSON text from readinto(buf) -> count. What a Reader is made of."""

    def __init__(self, readinto, name, most):
        # name: of the Failures. most: bytes.
        self._readinto = readinto
        self._name = name
        self._most = most
        self._buf = bytearray(_BUFFER)
        self._view = memoryview(self._buf)
        self.restart(0)

    def restart(self, position):
        """Begin anew, where the source is now: so many bytes after its start."""
        self._at = self._end = 0
        self._taken = position
        self._spaces = 0
        self._utf8(0, 0)

    @property
    def position(self):
        """Of the next byte, in the source."""
        return self._taken - self._end + self._at

    def failure(self, detail):
        """What to raise where the document is wrong."""
        return Failure(self._name, detail)

    def chunk(self, check=True):
        """The next bytes of the open string, good until the next call; None at its end. check: not
        needed where what they mean is checked byte by byte in any case."""
        byte = self._peek()
        at = self._at
        if byte == 0x22:
            if self._missing:
                raise self.failure("bad-utf8")
            self._at = at + 1
            return None
        if byte == 0x5C:
            if self._missing:
                raise self.failure("bad-utf8")
            self._at = at + 1
            return self._escape()
        if byte < 0:
            raise self.failure("ends-early")
        # As far as it goes without looking at each byte.
        stop = self._buf.find(b'"', at, self._end)
        if stop < 0:
            stop = self._end
        slash = self._buf.find(b"\\", at, stop)
        if slash >= 0:
            stop = slash
        self._at = stop
        view = self._view[at:stop]
        if check:
            if self._missing or max(view) > 0x7F:
                self._check(view)
            elif min(view) < 0x20:
                raise self.failure("not-json")
        return view

    def _escape(self):
        byte = self._byte()
        if byte in _ESCAPES:
            return _ESCAPES[byte]
        if byte != 0x75:
            raise self.failure("bad-escape")
        code = self._hex()
        if 0xD800 <= code < 0xDC00:
            if self._byte() != 0x5C or self._byte() != 0x75:
                raise self.failure("lone-surrogate")
            low = self._hex()
            if not 0xDC00 <= low < 0xE000:
                raise self.failure("lone-surrogate")
            code = 0x10000 + (code - 0xD800 << 10) + low - 0xDC00
        elif 0xDC00 <= code < 0xE000:
            raise self.failure("lone-surrogate")
        return chr(code).encode()

    def _hex(self):
        # int() would take signs, spaces and underscores.
        value = 0
        for _ in range(4):
            byte = self._byte()
            if 0x30 <= byte <= 0x39:
                byte -= 0x30
            elif 0x61 <= byte | 0x20 <= 0x66:
                byte = (byte | 0x20) - 0x57
            else:
                raise self.failure("bad-escape")
            value = value << 4 | byte
        return value

    def _check(self, view):
        """Strict UTF-8, which MicroPython's own check is not: it takes surrogates and overlong forms."""
        for byte in view:
            if self._missing:
                if not self._low <= byte <= self._high:
                    raise self.failure("bad-utf8")
                self._utf8(self._missing - 1, 0)
            elif byte < 0x20:
                raise self.failure("not-json")
            elif byte > 0x7F:
                if not 0xC2 <= byte <= 0xF4:
                    raise self.failure("bad-utf8")
                self._utf8(1 + (byte >= 0xE0) + (byte >= 0xF0), byte)

    def _utf8(self, missing, first):
        self._missing = missing
        self._low = 0xA0 if first == 0xE0 else 0x90 if first == 0xF0 else 0x80
        self._high = 0x9F if first == 0xED else 0x8F if first == 0xF4 else 0xBF

    # Bytes

    def _next(self):
        """The next byte that is no space; it stays."""
        if self._at < self._end:
            byte = self._buf[self._at]
            if byte > 0x20:
                return byte  # nearly always, and this is the innermost loop
        byte = self._space()
        if byte < 0:
            raise self.failure("ends-early")
        return byte

    def _space(self):
        while True:
            byte = self._peek()
            if byte not in (0x20, 0x0A, 0x0D, 0x09):
                return byte
            self._at += 1
            self._spaces += 1
            if self._spaces > _SPACE:
                raise self.failure("too-much-space")

    def _byte(self):
        byte = self._peek()
        if byte < 0:
            raise self.failure("ends-early")
        self._at += 1
        return byte

    def _peek(self):
        """The next byte, -1 at the end; it stays."""
        if self._at == self._end:
            self._at = 0
            self._end = self._readinto(self._buf) or 0
            self._taken += self._end
            if self._taken > self._most:
                raise self.failure("too-large")
            if not self._end:
                return -1
        return self._buf[self._at]
