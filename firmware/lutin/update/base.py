"""A MicroPython image for the OTA partition that does not run, written piece by piece.

A piece that is in flash already is not written again, so a cut update goes on. Whether the whole
is an application image for this chip is seen before the first byte is written.
Memory: what the slots have made, and 4 KB at most while a piece is unpacked.
"""

import asyncio
import hashlib
import struct

from micropython import const

from ..states import Failure
from .offer import PIECE
from .parts import CHUNK, flash

_CHIPS = {"esp32": 0, "esp32s2": 2, "esp32c3": 5, "esp32s3": 9, "esp32c6": 13}
_IMAGE = const(0xE9)
_DESCRIPTOR = b"\x32\x54\xcd\xab"  # of an application, at 32
_TABLE = b"\xaa\x50"  # an entry of a partition table begins so
_TABLES = (0x7000, 0x8000)  # where an image of the whole flash has it, beginning at 0x1000 or 0
_COUNT = const(4)  # of ioctl
_SIZE = const(5)
_ERASE = const(6)


class Base:
    """One image on its way into one partition. base: of the release; slots: for the parts."""

    def __init__(self, partition, base, slots, log):
        self._partition = partition
        self._base = base
        self._parts = slots.parts
        self._log = log
        self._looked = False  # the first piece is what it should be
        self._wrong = "not-an-image"  # what is wrong with it, None: nothing
        with flash:
            self._block = partition.ioctl(_SIZE, 0)
            room = partition.ioctl(_COUNT, 0) * self._block
        if base.length > room:
            raise Failure("too-large", "%d KB of %d" % (room // 1024, base.length // 1024))
        if base.chip not in _CHIPS:
            raise Failure("wrong-chip", base.chip)

    async def have(self, piece):
        """True if the piece is in flash; else it may have been in a part, and is now."""
        index, length, digest, packed = piece
        if await self._hash(index * PIECE, length, None if index else self._look) == digest:
            if not index:
                self._judge()
            self._parts.drop(digest)  # the power may have gone before that
            return True
        if await self._parts.ready(length, digest, packed):
            await self.write(piece)
            return True
        return False

    async def write(self, piece, page=False):
        """The part is complete: unpack it into flash, read it back. page: the answer looked like one."""
        index, length, digest, packed = piece
        if not index:
            await self._parts.unpack(length, digest, packed, self._look, page)
            self._judge()
        elif not self._looked:
            raise Failure("not-an-image", "nobody has seen its beginning")
        first = index * PIECE
        await self._parts.unpack(length, digest, packed, lambda view, at: self._write(view, first + at), page)
        if await self._hash(first, length) != digest:
            raise Failure("flash-error", "not what was written")
        self._parts.drop(digest)

    async def verify(self):
        """Failure unless flash holds the whole image."""
        if await self._hash(0, self._base.length) != self._base.sha256:
            raise Failure("wrong-hash", "base")

    def _write(self, view, at):
        with flash:
            if at % self._block == 0:
                self._partition.ioctl(_ERASE, at // self._block)
            self._partition.writeblocks(at // self._block, view, at % self._block)

    async def _hash(self, at, length, look=None):
        """SHA-256 of a stretch of flash."""
        found = hashlib.sha256()
        end = at + length
        while at < end:
            view = self._parts.chunk[: min(CHUNK, end - at)]  # never across blocks
            with flash:
                self._partition.readblocks(at // self._block, view, at % self._block)
            found.update(view)
            if look:
                look(view, at)
            at += len(view)
            await asyncio.sleep_ms(0)
        return found.digest()

    def _look(self, view, at):
        """See what the image is; all of the first piece passes by here."""
        if at == 0:
            if view[0] == 0xFF:
                self._wrong = "full-flash-image"
            elif view[0] != _IMAGE or view[32:36] != _DESCRIPTOR:
                self._wrong = "not-an-image"
            elif struct.unpack_from("<H", view, 12)[0] != _CHIPS[self._base.chip]:
                self._wrong = "wrong-chip"
            else:
                self._wrong = None
        elif at in _TABLES and view[0:2] == _TABLE and view[2] < 2:
            self._wrong = "full-flash-image"

    def _judge(self):
        if self._wrong:
            raise Failure(self._wrong)
        self._looked = True
