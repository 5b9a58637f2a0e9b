"""Blobs on their way: raw bytes in a file each, which a restart does not lose, and what they unpack to."""

import asyncio
import hashlib
import os

import deflate
from micropython import const

from ..states import Failure

CHUNK = const(1024)

_SYNC = const(4096)  # bytes that a power cut may cost
_WINDOW = const(2)  # zlib's CINFO for 1 KB, the most that is unpacked
_EINVAL = const(22)
_ENOSPC = const(28)
_TOO_SHORT = ("wrong-length", "too short")


class _Flash:
    """`with flash:` gives the OSErrors of a filesystem or a partition their names."""

    def __enter__(self):
        return self

    def __exit__(self, kind, e, trace):
        if kind is not None and issubclass(kind, OSError):
            code = e.args[0] if e.args else 0
            raise Failure("no-space") if code == _ENOSPC else Failure("flash-error", "error %s" % code)


flash = _Flash()


class Part:
    """A sink for the raw bytes of one blob; `length` of them are there already."""

    def __init__(self, path):
        self._path = path
        self._file = None
        self._unsafe = 0  # bytes since the last sync
        self.length = size(path) or 0

    def begin(self, start):
        """A body begins: at its beginning, or behind what is there."""
        if start not in (0, self.length):
            raise ValueError(start)
        self.close()
        with flash:
            self._file = open(self._path, "ab" if start else "wb")  # noqa: SIM115 (it stays open)
        self._unsafe = 0
        self.length = start

    def write(self, view):
        """The next bytes of the body."""
        file = self._file
        if file is None:
            raise ValueError("not begun")
        with flash:
            file.write(view)
            self.length += len(view)
            self._unsafe += len(view)
            if self._unsafe >= _SYNC:
                file.flush()
                self._unsafe = 0

    def close(self):
        """What came is on flash."""
        if self._file:
            file, self._file = self._file, None
            with flash:
                file.close()


class Parts:
    """All parts of a filesystem. One chunk of memory, which whoever unpacks or hashes shares."""

    def __init__(self, root):
        self._root = root
        self.chunk = memoryview(bytearray(CHUNK))

    def open(self, digest):
        """The part of the blob with this SHA-256."""
        with flash:
            return Part(self._path(digest))

    def drop(self, digest):
        """The part has served."""
        with flash:
            remove(self._path(digest))

    async def ready(self, length, digest, packed):
        """True if a part is complete and right; one that can never become so is thrown away."""
        with flash:
            there = size(self._path(digest))
            if there is None:
                return False
            wrong = await self._unpack(length, digest, packed, None)
            if wrong and (wrong != _TOO_SHORT or there >= length):
                remove(self._path(digest))
            return not wrong

    async def unpack(self, length, digest, packed, write, page=False):
        """Call write(view, at) with all that the blob holds; Failure, and no part any more, if that is wrong.

        page: the server's answer looked like a web page.
        """
        with flash:
            wrong = await self._unpack(length, digest, packed, write)
            if wrong:
                # Kept, it would be wrong for ever.
                remove(self._path(digest))
                name, detail = wrong
                raise Failure("landing-page-body", name) if page else Failure(name, detail)

    async def remove_strangers(self, known):
        """Throw away the parts of all blobs that known(), a generator of digests, does not give."""
        with flash:
            strangers = {name for name in os.listdir(self._root or "/") if name.startswith("part-")}
            for digest in known() if strangers else ():
                strangers.discard(_name(digest))
                await asyncio.sleep_ms(0)
            for name in strangers:
                os.remove(self._root + "/" + name)

    async def _unpack(self, length, digest, packed, write):
        """None, or what is wrong with the part: (name, detail)."""
        found = hashlib.sha256()
        at = 0
        with open(self._path(digest), "rb") as file:
            stream = file
            if packed:
                first = file.read(1)
                # The window is made when the header is read, so the header is looked at before.
                if first and first[0] >> 4 > _WINDOW:
                    return "blob-malformed", "window"
                file.seek(0)
                stream = deflate.DeflateIO(file, deflate.ZLIB)
            while True:
                try:
                    # One byte more than there should be, to see that there is no more.
                    view = self.chunk[: min(CHUNK, length - at + 1)]
                    view = view[: stream.readinto(view)]
                except EOFError:
                    return _TOO_SHORT
                except OSError as e:
                    if packed and e.args[0] == _EINVAL:
                        return "blob-malformed", "zlib"
                    raise
                if not view:
                    break
                if at + len(view) > length:
                    return "wrong-length", "too long"
                found.update(view)
                if write:
                    write(view, at)
                at += len(view)
                await asyncio.sleep_ms(0)
        if at < length:
            return _TOO_SHORT
        return None if found.digest() == digest else ("wrong-hash", "")

    def _path(self, digest):
        return self._root + "/" + _name(digest)


def size(path):
    """Length of a file; None where there is none."""
    try:
        mode, _, _, _, _, _, length, _, _, _ = os.stat(path)
        return None if mode & 0x4000 else length
    except OSError as e:
        if e.args[0] != 2:  # ENOENT
            raise
        return None


def remove(path):
    """A file is gone, if it was there."""
    try:
        os.remove(path)
    except OSError as e:
        if e.args[0] != 2:  # ENOENT
            raise


def _name(digest):
    return "part-" + digest[:8].hex()
