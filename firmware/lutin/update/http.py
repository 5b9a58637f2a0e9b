"""What a server answers, read through one small buffer: the head, then the body. Nothing is unbounded."""

from micropython import const

from ..states import Failure
from .link import number

_SIZE = const(1024)
_HEAD = const(8192)  # bytes of a whole head, or of all trailers
_CHUNK_LINE = const(256)  # its length, and extensions that nobody uses
_ETAG = const(128)


class Head:
    """A status and the fields that matter; `wrong` is what would make the body unreadable."""

    def __init__(self):
        self.clear()

    def clear(self):
        """The next one."""
        self.status = 0
        self.length = None  # of the body; None: not said
        self.chunked = False
        self.etag = None
        self.location = ""
        self.html = False
        self.range = b""
        self.wrong = None

    def begin(self, line):
        """The first line."""
        version, _, rest = line.partition(b" ")
        code = rest[:3]
        if not version.startswith(b"HTTP/1.") or not code.isdigit() or len(code) < 3 or rest[3:4].strip():
            raise Failure("not-http")
        self.clear()
        self.status = int(code)
        if self.status < 100:
            raise Failure("not-http")

    def add(self, line, cut):
        """A field; of one that is cut short nothing is read but its name."""
        name, colon, value = line.partition(b":")
        # A line that goes on with what was before it begins with a space.
        if not colon or not name or name.strip() != name or b" " in name:
            raise Failure("header-malformed")
        name = name.lower()
        field = _FIELDS.get(name)
        if field is None:
            return
        if cut:
            raise Failure("header-line-too-long", str(name, "ascii"))
        field(self, value.strip())

    def _length(self, value):
        length = number(value)
        if length is None:
            self.wrong = Failure("header-length-invalid", "no number")
        elif self.length not in (None, length):
            self.wrong = Failure("header-length-invalid", "two of them")
        self.length = length

    def _transfer(self, value):
        if self.chunked or value.lower() != b"chunked":
            self.wrong = Failure("content-encoded", "for the transfer")
        self.chunked = True

    def _encoding(self, value):
        if value.lower() not in (b"", b"identity"):
            self.wrong = Failure("content-encoded", _printable(value[:20]))

    def _etag(self, value):
        self.etag = etag(value)

    def _location(self, value):
        self.location = _printable(value)

    def _type(self, value):
        self.html = b"html" in value.lower()

    def _range(self, value):
        self.range = value


_FIELDS = {
    b"content-length": Head._length,
    b"transfer-encoding": Head._transfer,
    b"content-encoding": Head._encoding,
    b"etag": Head._etag,
    b"location": Head._location,
    b"content-type": Head._type,
    b"content-range": Head._range,
}


class Wire:
    """The bytes that a stream brings. Its memory is made once; it serves one stream after the other."""

    def __init__(self, received):
        # received(): called when bytes have come; take(view), below: a Failure ends it.
        self._received = received
        self._buffer = bytearray(_SIZE)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0
        self._readinto = self._lost = _nothing

    def open(self, readinto, lost):
        """Read this stream from now on; lost(exception): the Failure that one of the stream's is."""
        self._start = self._end = 0
        self._readinto = readinto
        self._lost = lost

    def surplus(self):
        """Whether there is more than was asked for."""
        return self._end > self._start

    async def head(self, head):
        """Read a head, behind those that only say that one will come."""
        room = _HEAD
        while True:
            line, _, room = await self._line(room)
            if line is None:
                raise Failure("connection-lost", "no answer")
            head.begin(line)
            while True:
                line, cut, room = await self._line(room)
                if line is None:
                    raise Failure("connection-lost", "in the header")
                if not line:
                    break
                head.add(line, cut)
            if not 100 <= head.status < 200:
                return

    async def body(self, head, take):
        """Give the body to take(), a view at a time."""
        if head.chunked:
            await self._chunks(take)
        elif head.length is None:
            while self._start < self._end or await self._fill():
                self._give(_SIZE, take)
        else:
            await self._exactly(head.length, take)

    async def _chunks(self, take):
        while True:
            line, cut, _ = await self._line(_CHUNK_LINE, "bad-chunk")
            if line is None:
                raise Failure("body-too-short", "between chunks")
            size = line.partition(b";")[0].strip()
            if cut or not 0 < len(size) < 8 or not all(c in b"0123456789abcdefABCDEF" for c in size):
                raise Failure("bad-chunk")
            size = int(size, 16)
            if not size:
                break
            await self._exactly(size, take)
            line, cut, _ = await self._line(_CHUNK_LINE, "bad-chunk")
            if line is None:
                raise Failure("body-too-short", "in a chunk")
            if line:
                raise Failure("bad-chunk", "longer than said")
        room = _HEAD
        while line != b"":
            line, _, room = await self._line(room, "bad-chunk")  # trailers, of no use
            if line is None:
                raise Failure("body-too-short", "in the trailers")

    async def _exactly(self, count, take):
        while count:
            if self._start == self._end and not await self._fill():
                raise Failure("body-too-short", "%d bytes are missing" % count)
            count -= self._give(count, take)

    def _give(self, most, take):
        """Take up to so many of the bytes that are here; how many."""
        count = min(most, self._end - self._start)
        self._start += count
        take(self._view[self._start - count : self._start])
        return count

    async def _line(self, room, too_long="header-too-large"):
        """(line without its end or None where there are no more bytes, cut short?, room that is left)."""
        kept, cut = None, False  # the beginning of a line that is longer than the buffer
        while True:
            at = self._buffer.find(b"\n", self._start, self._end)
            end = self._end if at < 0 else at + 1
            if end - self._start > room:
                raise Failure(too_long)
            if at >= 0 or end - self._start == _SIZE:
                line = bytes(self._view[self._start : end])
                room -= end - self._start
                self._start = end
                if kept is None:
                    kept = line
                    cut = at < 0
                if at >= 0:
                    return kept.rstrip(b"\r\n"), cut, room
            if not await self._fill():
                return None, False, 0

    async def _fill(self):
        """Get more bytes, behind those that are here; False if no more will come."""
        if self._start:
            self._end -= self._start
            self._view[: self._end] = self._view[self._start : self._start + self._end]
            self._start = 0
        while True:
            try:
                count = await self._readinto(self._view[self._end :])
            except (OSError, ValueError) as e:
                raise self._lost(e)
            if count is not None:
                break
        self._end += count
        if count:
            self._received()
        return count > 0


def etag(value):
    """As a str, if it is one that can be kept and sent; else None."""
    value = value.encode() if isinstance(value, str) else value
    if value and len(value) <= _ETAG and all(32 <= c < 127 for c in value):
        return str(value, "ascii")
    return None


def _nothing(_):
    raise RuntimeError


def _printable(value):
    return "".join([chr(c) if 32 < c < 127 else " " for c in value])
