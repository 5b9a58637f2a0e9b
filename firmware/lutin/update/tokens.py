"""Strict JSON, read piece by piece: constant memory, whatever comes, and a refusal by name.

The caller says what it expects: object() and key() until None, array() and more() until False,
string(), number(), null(), skip() for what it does not know, and end(). Whole numbers only: a
float would be another one on every board. Strings longer than string() gives come in chunks.
"""

from binascii import crc32

from micropython import const

from .text import Text

MOST_STRING = const(1024)  # bytes of UTF-8
MOST_NUMBER = const(0x7FFFFFFF)

_DEPTH = const(6)
_KEYS = const(64)  # of all objects that are open
_DIGITS = const(10)


class Reader(Text):
    """A document from readinto(buf) -> count. Its memory, made once: 0.7 KB on a board."""

    def __init__(self, readinto, name, most, values):
        # name: of the Failures. most: bytes; values: how many there may be in all.
        self._most_values = values
        # Per open object or array: how many keys so far, or 1 after the first element.
        self._counts = bytearray(_DEPTH)
        # 30 bits for each key of the open objects: equal keys are always seen.
        self._hashes = [0] * _KEYS
        super().__init__(readinto, name, most)

    def restart(self, position):
        """Begin anew, where the source is now: so many bytes after its start."""
        super().restart(position)
        self._depth = self._keys = self._values = 0

    # Values

    def object(self):
        """The next value is an object: key() gives its keys."""
        self._enter(0x7B)

    def key(self):
        """The next key, whose value is next; None at the object's end."""
        if not self._another(0x7D):
            return None
        self._values -= 1  # a key is no value
        text = self.string()
        if self._next() != 0x3A:
            raise self.failure("not-json")
        self._at += 1
        found = crc32(text) & 0x3FFFFFFF
        count = self._counts[self._depth - 1]
        for i in range(self._keys - count, self._keys):
            if self._hashes[i] == found:
                raise self.failure("duplicate-key")
        if self._keys == _KEYS:
            raise self.failure("too-many-keys")
        self._hashes[self._keys] = found
        self._keys += 1
        self._counts[self._depth - 1] = count + 1
        return text

    def array(self):
        """The next value is an array: more() says whether there is another element."""
        self._enter(0x5B)

    def more(self):
        """Whether there is another element, which is next then."""
        if not self._another(0x5D):
            return False
        self._counts[self._depth - 1] = 1
        return True

    def string(self):
        """The next value, a string of MOST_STRING at most."""
        self.open()
        at = self._at
        stop = self._buf.find(b'"', at, self._end)
        if stop > at and self._buf.find(b"\\", at, stop) < 0:
            view = self._view[at:stop]
            if max(view) < 0x80 and min(view) >= 0x20:
                self._at = stop + 1
                return str(view, "utf-8")  # what nearly all are: plain, and wholly in the buffer
        part = self.chunk()
        if part is None:
            return ""
        text = bytes(part)
        part = self.chunk()
        if part is not None:
            text = bytearray(text)
            while part is not None:
                text.extend(part)
                if len(text) > MOST_STRING:
                    raise self.failure("string-too-long")
                part = self.chunk()
        return str(text, "utf-8")

    def number(self, low, high=MOST_NUMBER):
        """The next value, a whole number."""
        byte = self._begin()
        negative = byte == 0x2D
        if negative:
            self._at += 1
            byte = self._peek()
        elif not 0x30 <= byte <= 0x39:
            raise self._unexpected(byte)
        value = digits = 0
        while 0x30 <= byte <= 0x39:
            if digits and not value:
                raise self.failure("not-json")  # 01
            digits += 1
            if digits > _DIGITS:
                raise self.failure("number-out-of-range")
            value = value * 10 + byte - 0x30
            self._at += 1
            byte = self._peek()
        if not digits:
            raise self.failure("not-json" if byte >= 0 else "ends-early")
        if byte in (0x2E, 0x45, 0x65):
            raise self.failure("not-whole")
        if negative:
            value = -value
        if not low <= value <= high:
            raise self.failure("number-out-of-range")
        return value

    def null(self):
        """Whether the next value is null; if not, it is still next."""
        if self._next() != 0x6E:
            return False
        self._literal()
        return True

    def skip(self):
        """A generator that passes over the next value, whatever it is, and yields None now and then."""
        byte = self._next()
        if byte == 0x7B:
            self.object()
            while self.key() is not None:
                yield from self.skip()
        elif byte == 0x5B:
            self.array()
            while self.more():
                yield from self.skip()
        elif byte == 0x22:
            self.string()
        elif byte in (0x66, 0x6E, 0x74):
            self._literal()
        else:
            self.number(-MOST_NUMBER)
        yield None

    def end(self):
        """Nothing but space may follow."""
        if self._space() >= 0:
            raise self.failure("trailing-text")

    def open(self):
        """The next value is a string: chunk() gives it."""
        byte = self._begin()
        if byte != 0x22:
            raise self._unexpected(byte)
        self._at += 1

    # Structure

    def _enter(self, mark):
        byte = self._begin()
        if byte != mark:
            raise self._unexpected(byte)
        if self._depth == _DEPTH:
            raise self.failure("too-deep")
        self._at += 1
        self._counts[self._depth] = 0
        self._depth += 1

    def _another(self, mark):
        """Past the comma, or past the end mark, where it gives False."""
        byte = self._next()
        count = self._counts[self._depth - 1]
        if byte == mark:
            self._at += 1
            self._depth -= 1
            if mark == 0x7D:
                self._keys -= count
            return False
        if count:
            if byte != 0x2C:
                raise self.failure("not-json")
            self._at += 1
        if mark == 0x7D and self._next() != 0x22:
            raise self.failure("not-json")
        return True

    def _literal(self):
        byte = self._begin()
        for wanted in b"true" if byte == 0x74 else b"false" if byte == 0x66 else b"null":
            if self._byte() != wanted:
                raise self.failure("not-json")

    def _begin(self):
        """The first byte of a value."""
        self._values += 1
        if self._values > self._most_values:
            raise self.failure("too-many-values")
        return self._next()

    def _unexpected(self, byte):
        return self.failure("wrong-type" if byte in b'"{[-0123456789tfn' else "not-json")
