"""Records in flash sectors that survive power cuts and bad sectors.

A sector holds one record: a header, then data. The rules, and the failures they are for:

* A save writes to a sector in which nothing is wanted, reads it back through the flash, and only
  then counts. Until that moment the record before it is not touched: a cut leaves one or the other.
* The CRC covers header and data, so half a record is never a record, whichever half it is. What a
  cut leaves behind is ignored, and wiped by the next save: half a password does not outlive a clear.
* Once the new record counts, the older ones of its key are wiped. If the new one rots, nothing is
  better than a network that its owner has replaced.
* A sector that fails is passed over. One that cannot be read, or that claims to be another key's,
  is left alone: it may be that key's last good record on a bad day. It costs room, nothing else.
"""

import struct
from binascii import crc32

from micropython import const

# Keys
SETTINGS = const(1)
BOOT = const(2)
APPLICATION = const(3)
POLICY = const(4)  # update/policy.py
ERRAND = const(5)  # errand.py:
ORDERED, DONE = b"\1", b"\2"

# States of a sector
LIVE = "live"  # the newest whole record of its key
OLD = "old"  # a whole record, but not the newest
BLANK = "blank"
DAMAGED = "damaged"

_HEADER = "<4sBBHII"  # magic, version, key, length of data, generation; CRC-32 of these and the data
_SIZE = const(16)
_MAGIC = b"LutR"
_VERSION = const(1)
_CHUNK = const(256)
_UNREAD = const(-1)  # "key" of a sector that cannot be read
_LEAP = const(65536)  # more saves than a board is likely to see
_COUNT = const(4)  # of ioctl
_BLOCK = const(5)
_ERASE = const(6)


class StoreError(Exception):
    """args[0]: "no-memory", "no-sector-left" or "too-long"."""


class Store:
    """The newest record of each key, on an extended block device."""

    def __init__(self, flash, log):
        self._flash = flash
        self._log = log
        self._head = bytearray(_SIZE)
        self._chunk = memoryview(bytearray(_CHUNK))
        self._ones = b"\xff" * _CHUNK
        self._zeros = bytes(_CHUNK)
        self._bad = set()  # sectors that failed since power on
        self._generation = 0  # the highest seen or used
        self._sectors = self._block = 0
        try:
            if flash is not None:
                self._sectors = flash.ioctl(_COUNT, 0) or 0
                self._block = flash.ioctl(_BLOCK, 0) or 0
        except OSError as e:
            log.error("store: flash does not answer: %s" % e)
        # With one sector, a save would have to erase what it replaces.
        if self._sectors < 2 or self._block < _CHUNK or self._block % _CHUNK:
            self._sectors = 0

    def load(self, key):
        """The data of the key's newest whole record, None if there is none. Never writes."""
        table = enumerate(self._scan())
        whole = [(g, s) for s, (state, owner, g) in table if owner == key and state != DAMAGED]
        for generation, sector in sorted(whole, reverse=True):
            data = bytearray()
            # What is returned is what was checked, not a later reading of it.
            if self._read(sector, data) == (LIVE, key, generation):
                return bytes(data)
            self._log.error("store: sector %d was whole and is not now" % sector)
        return None

    def save(self, key, data):
        """Returns when data is stored, read back, and what it replaces is wiped; else StoreError."""
        table = self._scan()
        if len(data) > self._block - _SIZE:
            raise StoreError("too-long")
        if any(owner == _UNREAD for _, owner, _ in table):
            # It may hold a later generation than all that can be read. If it came to itself
            # after this save, its record would win: leap over it.
            self._generation += _LEAP
        # Begin after the sector written last, so that wear goes round.
        start = max(range(self._sectors), key=lambda s: table[s][2]) + 1
        order = list(range(start, self._sectors)) + list(range(start))
        mine = [s for s in order if table[s][1] in (None, key)]
        free = [s for s in mine if table[s][0] != LIVE]
        # Last come those that failed before, and older records: they are what is left if the newest,
        # after a cut, was whole only by luck.
        last = [s for s in free if s in self._bad or table[s][0] == OLD]
        for sector in [s for s in free if s not in last] + last:
            self._generation += 1
            if self._write(sector, key, data):
                break
            self._log.warn("store: sector %d failed" % sector)
            self._bad.add(sector)
            self._wipe(sector)
        else:
            raise StoreError("no-sector-left")
        self._bad.discard(sector)
        for s in mine:
            state = table[s][0]
            # What failed was wiped then as well as it can be; only a whole record is tried again.
            if s != sector and state != BLANK and (state != DAMAGED or s not in self._bad):
                self._wipe(s)

    def repair(self):
        """At boot: finish what an interrupted save left undone. Half records are ignored."""
        for key in {owner for state, owner, _ in self._scan() if state == OLD}:
            self._log.warn("store: finishing an interrupted save of key %d" % key)
            try:
                # Nobody has read the newest record back, and its last bits may be weak: it is
                # written again, with all the checks, before the older ones go.
                self.save(key, self.load(key))
            except StoreError as e:
                self._log.error("store: not finished: %s" % e)

    def map(self):
        """[(sector, key or None, generation, state)], for people."""
        if not self._sectors:
            return []
        table = enumerate(self._scan())
        return [(s, None if key == _UNREAD else key, g, state) for s, (state, key, g) in table]

    def _scan(self):
        """[(state, key, generation)] of all sectors; key None: nobody's."""
        if not self._sectors:
            raise StoreError("no-memory")
        table = [self._read(s) for s in range(self._sectors)]
        # Nothing is given up because it could not be read once.
        table = [self._read(s) if seen[0] == DAMAGED else seen for s, seen in enumerate(table)]  # type: list
        newer = set()
        whole = [(g, s) for s, (state, _, g) in enumerate(table) if state == LIVE]
        for generation, s in sorted(whole, reverse=True):
            self._generation = max(self._generation, generation)
            key = table[s][1]
            if key in newer:
                table[s] = (OLD, key, generation)
            newer.add(key)
        return table

    def _read(self, sector, keep=None):
        """(LIVE, BLANK or DAMAGED, key, generation) of a sector; the record's data is added to keep."""
        try:
            self._flash.readblocks(sector, self._head, 0)
            magic, version, key, length, generation, crc = struct.unpack(_HEADER, self._head)
            if magic != _MAGIC:
                return (BLANK if self._is_blank(sector) else DAMAGED), None, 0
            if version != _VERSION or length > self._block - _SIZE:
                return DAMAGED, key, 0
            found = crc32(self._head[:-4])
            for at in range(0, length, _CHUNK):
                part = self._chunk[: min(_CHUNK, length - at)]
                self._flash.readblocks(sector, part, _SIZE + at)
                found = crc32(part, found)
                if keep is not None:
                    keep.extend(part)
            return (LIVE, key, generation) if found == crc else (DAMAGED, key, 0)
        except OSError:
            return DAMAGED, _UNREAD, 0

    def _is_blank(self, sector):
        """True where there is nothing to read: ones as erased, or zeros as wiped."""
        for at in range(0, self._block, _CHUNK):
            self._flash.readblocks(sector, self._chunk, at)
            if self._chunk != (self._ones if self._chunk[0] else self._zeros):
                return False
        return True

    def _write(self, sector, key, data):
        """Write a record and read it back; False if the sector failed."""
        fields = (_MAGIC, _VERSION, key, len(data), self._generation)
        head = struct.pack(_HEADER, *fields, 0)
        head = struct.pack(_HEADER, *fields, crc32(data, crc32(head[:-4])))
        try:
            self._flash.ioctl(_ERASE, sector)
            self._flash.writeblocks(sector, head, 0)
            self._flash.writeblocks(sector, data, _SIZE)
        except OSError:
            return False
        # The CRC in head came from RAM: if the flash agrees with it, it holds what RAM holds.
        return self._read(sector)[0] == LIVE and self._head == head

    def _wipe(self, sector):
        """Leave nothing to read in a sector."""
        try:
            self._flash.ioctl(_ERASE, sector)
        except OSError:
            pass
        try:
            if not self._is_blank(sector):
                # It does not erase. But bits can always be cleared, the header's first.
                for at in range(0, self._block, _CHUNK):
                    self._flash.writeblocks(sector, self._zeros, at)
            if self._is_blank(sector):
                return
        except OSError:
            pass
        self._bad.add(sector)
        self._log.error("store: sector %d cannot be wiped" % sector)
