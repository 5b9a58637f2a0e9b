"""Slots: folders that hold a release each, whole or not at all.

A slot is whole if it holds a release.json, which is the last that comes and the first that goes.
So a power cut anywhere leaves each slot either whole or without one, and all that came before the
cut is found again by its hash.

The way of an update: begin, tidy, have for each file, room, part and finish for those that are
missing, whole, seal. Memory: 1.3 KB made once; beside that 4 KB at most, while something is
unpacked, or 8 bytes a file in tidy.
"""

import asyncio
import hashlib
import os
from binascii import crc32

from micropython import const

from ..states import Failure
from .parts import Parts, flash, remove, size
from .record import SLOTS

_BLOCK = const(4096)
_POINTERS = const(8)  # bytes of a block that LittleFS needs itself, on average
_INLINE = const(128)  # a file up to here lies in its folder's blocks
_SPARE = const(2)  # blocks, for folders and for what is copied on writing
_BATCH = const(16)
_FOLDER = const(0x4000)
_EXISTS = const(17)
_NOT_EMPTY = const(39)


class Slots:
    """The slots of a filesystem, and the way into them. root: prefix of all paths, without "/" at its end."""

    def __init__(self, root, log):
        self._root = root
        self._log = log
        self.parts = Parts(root)
        self.INCOMING = root + "/incoming.json"  # the last release.json that was verified
        self._missing = 0  # blocks for what have() did not find
        self._largest = 0

    def slots(self):
        """Names of the slots that are whole."""
        with flash:
            return [slot for slot in SLOTS if size(self.release_path(slot)) is not None]

    def release_path(self, slot):
        """The slot's own copy of its release.json."""
        return self._path(slot, "release.json")

    def begin(self, slot):
        """From here on the slot is not whole."""
        if slot == SLOTS[0]:
            raise ValueError(slot)
        self._missing = self._largest = 0
        with flash:
            remove(self.release_path(slot))
            _make_folder(self._root + "/" + slot)

    async def tidy(self, slot, files, pieces=None):
        """Remove from the slot what files() does not list, and all parts that nobody waits for."""

        def blobs():
            for _, _, digest, _ in files():
                yield digest
            for _, _, digest, _ in pieces() if pieces else ():
                yield digest

        await self.parts.remove_strangers(blobs)
        known = bytearray()
        for path, _, _, _ in files():
            known.extend(_mark(path))
            await asyncio.sleep_ms(0)
        with flash:
            await self._sweep(self._root + "/" + slot, bytes(known))

    async def have(self, slot, other, entry):
        """True if the file is there; also if it was in a part or in slot `other` (None: no such), and is now.

        What is there instead is removed.
        """
        path, length, digest, packed = entry
        target = self._path(slot, path)
        if await self._is(target, length, digest):
            self.parts.drop(digest)  # the power may have gone before that
            return True
        with flash:
            remove(target)
        if await self.parts.ready(length, digest, packed):
            await self.finish(slot, entry)
            return True
        if other and await self._is(self._path(other, path), length, digest):
            with flash:
                await self._copy(self._path(other, path), target)
            if await self._is(target, length, digest):
                return True
            self._log.warn("update: %s was not copied well" % target)
        self._missing += _blocks(length)
        self._largest = max(self._largest, length)
        return False

    def room(self, need, part=0):
        """Failure where what have() has missed since begin() does not fit; part: the largest other blob.

        need: bytes of all of it. A file takes whole blocks, so they are not what counts.
        """
        with flash:
            # statvfs counts folders twice, and may so come to less than nothing.
            free = os.statvfs(self._root or "/")[2] - _used(self._root)
        blocks = max(self._missing, _blocks(need))
        largest = max(self._largest, part)
        if largest:
            blocks += _blocks(largest) + _SPARE
        if blocks > free:
            raise Failure("no-space", "%d KB of %d" % (free * _BLOCK // 1024, blocks * _BLOCK // 1024))

    def part(self, digest):
        """The sink for a blob, which may have come in part before."""
        return self.parts.open(digest)

    async def finish(self, slot, entry, page=False):
        """The part is complete: unpack it into its place, read it back. page: the answer looked like one."""
        path, length, digest, packed = entry
        target = self._path(slot, path)
        try:
            with flash:
                self._make_way(target)
                with open(target, "wb") as file:
                    await self.parts.unpack(length, digest, packed, lambda view, at: file.write(view), page)
            if not await self._is(target, length, digest):
                raise Failure("flash-error", "not what was written")
        except Failure:
            with flash:
                remove(target)
            raise
        self.parts.drop(digest)

    async def whole(self, slot, files):
        """True if every file has its length and hash, from flash."""
        for path, length, digest, _ in files():
            if not await self._is(self._path(slot, path), length, digest):
                self._log.warn("update: %s/%s is not what it should be" % (slot, path))
                return False
        return True

    def seal(self, slot):
        """The slot is whole."""
        with flash:
            os.rename(self.INCOMING, self.release_path(slot))

    def _path(self, slot, path):
        return "%s/%s/%s" % (self._root, slot, path)

    async def _is(self, path, length, digest):
        """Whether flash holds this file. One that cannot be read is none."""
        try:
            if size(path) != length:
                return False
            found = hashlib.sha256()
            with open(path, "rb") as file:
                while True:
                    count = file.readinto(self.parts.chunk)
                    if not count:
                        return found.digest() == digest
                    found.update(self.parts.chunk[:count])
                    await asyncio.sleep_ms(0)
        except OSError as e:
            self._log.error("update: %s cannot be read: %s" % (path, e))
            return False

    async def _copy(self, source, target):
        self._make_way(target)
        with open(source, "rb") as old, open(target, "wb") as new:
            while True:
                count = old.readinto(self.parts.chunk)
                if not count:
                    return
                new.write(self.parts.chunk[:count])
                await asyncio.sleep_ms(0)

    def _make_way(self, path):
        """The folders above a file."""
        at = path.find("/", len(self._root) + 1)
        while at >= 0:
            _make_folder(path[:at])
            at = path.find("/", at + 1)

    async def _sweep(self, top, known):
        folders = [top]
        for folder in folders:  # it grows
            strangers = [""]
            while strangers:
                # A few at a time; the listing must come to its end before anything is removed.
                strangers = []
                for entry in os.ilistdir(folder):
                    path = folder + "/" + entry[0]
                    if entry[1] == _FOLDER:
                        if path not in folders:
                            folders.append(path)
                    elif len(strangers) < _BATCH and not _marked(path[len(top) + 1 :], known):
                        strangers.append(path)
                for path in strangers:
                    os.remove(path)
                await asyncio.sleep_ms(0)
        for folder in reversed(folders[1:]):
            try:
                os.rmdir(folder)
            except OSError as e:
                if e.args[0] != _NOT_EMPTY:
                    raise


def _make_folder(path):
    try:
        os.mkdir(path)
    except OSError as e:
        if e.args[0] != _EXISTS:
            raise


def _blocks(length):
    return -(-length // (_BLOCK - _POINTERS)) if length > _INLINE else 0


def _used(root):
    """Blocks in use, or a few less."""
    blocks = 0
    folders = [root]
    for folder in folders:  # it grows
        blocks += 2
        for entry in os.ilistdir(folder or "/"):
            if entry[1] != _FOLDER:
                blocks += _blocks(entry[-1])  # its length
            elif folder != root or entry[0] in SLOTS:  # other folders here may be other filesystems
                folders.append(folder + "/" + entry[0])
    return blocks


def _mark(path):
    """Four bytes for a path: two of the same kind leave a file that does no harm."""
    return crc32(path.encode()).to_bytes(4, "little")


def _marked(path, known):
    mark = _mark(path)
    at = known.find(mark)
    while at >= 0 and at % 4:
        at = known.find(mark, at + 1)
    return at >= 0
