"""A release that has been read: what it says of itself, and the list of its files."""

import struct
from hashlib import sha256

from micropython import const

from ..states import Failure

PRODUCT = "lutin"
PIECE = const(65536)  # bytes of a base, but for the last

_HEAD = "<BBI32s"  # length of the path, 0: a piece of the base; zlib?; length; SHA-256
_SIZE = const(38)


class Release:
    """What its payload says, but for the lists of files and pieces."""

    def __init__(self):
        self.number = self.oldest = 0  # oldest: the lowest that may still be installed
        self.version = ""
        self.boards = []
        self.expires = None  # s since 1970, or never
        self.keys = []  # moduli that are trusted from then on
        self.count = 0  # of files
        self.size = 0  # of them all, plain
        self.base = None


class Base:
    """The MicroPython that belongs to a release."""

    def __init__(self):
        self.version = self.chip = ""
        self.length = self.count = 0  # bytes, pieces
        self.sha256 = b""


def allow(release, now, running, highest, rejected, floor=0):
    """Failure where this release must not be installed. now: s since 1970, None: unknown."""
    number = release.number
    if number == rejected:
        raise Failure("rejected-before", "release %d" % number)
    # The floor first: it says more, and what is below it is below the highest too.
    if number < floor:
        raise Failure("older-than-allowed", "%d, %d is allowed" % (number, floor))
    newest = max(running, highest)
    if number < newest:
        raise Failure("older-than-installed", "%d after %d" % (number, newest))
    # Last, so that the failure does not change its name when the time becomes known.
    if now is not None and release.expires is not None and now >= release.expires:
        raise Failure("expired", "release %d" % number)


class Listing:
    """The files of a release, as plain records in a file, which whoever installs it reads again and again.

    They are written while the release is checked, so that installing needs nothing that reads JSON;
    and not believed when they are not what was written.
    """

    def __init__(self, path):
        self._path = path
        self._file = None
        self._digest = sha256()
        self._written = None

    def __enter__(self):
        self._digest = sha256()
        self._file = open(self._path, "wb")
        return self

    def __exit__(self, *_):
        if self._file:
            self._file.close()
            self._file = None
        self._written = self._digest.digest()

    def add(self, entry):
        """As payload.entries() gives it."""
        path, length, digest, packed = entry
        path = path.encode() if path else b""
        data = struct.pack(_HEAD, len(path), packed, length, digest) + path
        self._digest.update(data)
        if self._file:
            self._file.write(data)

    def files(self):
        """Each file: (path, length, sha256, zlib?)."""
        for entry in self._entries():
            if entry[0]:
                yield entry

    def pieces(self):
        """Each piece of the base: (index, length, sha256, zlib?)."""
        index = 0
        for entry in self._entries():
            if not entry[0]:
                yield (index,) + entry[1:]
                index += 1

    def _entries(self):
        read = sha256()
        with open(self._path, "rb") as file:
            while True:
                head = file.read(_SIZE)
                if len(head) < _SIZE:
                    break
                size, packed, length, digest = struct.unpack(_HEAD, head)
                path = file.read(size)
                read.update(head)
                read.update(path)
                yield str(path, "utf-8"), length, digest, bool(packed)
        if read.digest() != self._written:
            raise Failure("flash-error", "the list of files is not what was written")
