"""The partition table as it lies in the flash at 0x8000, by ESP-IDF's documentation."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence

from ..board.description import SUBTYPES, TYPES, Partition
from .mishaps import Mishap

OFFSET = 0x8000
ROOM = 0x1000  # its sector
_MOST = 95  # entries; the MD5 is the 96th
_ENTRY = struct.Struct("<2sBBII16sI")
_MAGIC = b"\xaa\x50"
_MD5 = b"\xeb\xeb" + b"\xff" * 14  # and then 16 bytes of MD5 over all entries before it


def encode(partitions: Sequence[Partition]) -> bytes:
    """Entries, their MD5, and nothing behind it."""
    if len(partitions) > _MOST:
        raise Mishap(f"A partition table has {_MOST} entries at most, and not {len(partitions)}.")
    entries = b"".join(
        _ENTRY.pack(_MAGIC, *part.numbers(), part.offset, part.size, part.name.encode(), 0)
        for part in partitions
    )
    return entries + _MD5 + hashlib.md5(entries).digest()


def decode(data: bytes) -> list[Partition]:
    """What a table says; Mishap if it is none."""
    found: list[Partition] = []
    for at in range(0, min(len(data), ROOM) - 31, 32):
        entry = data[at : at + 32]
        if entry.startswith(_MD5):
            if hashlib.md5(data[:at]).digest() != entry[16:]:
                raise Mishap("The partition table has a wrong MD5: it is damaged.")
            break
        if entry == b"\xff" * 32:
            break
        magic, kind, subtype, offset, size, name, _ = _ENTRY.unpack(entry)
        words = {number: word for word, number in TYPES.items()}
        if magic != _MAGIC or kind not in words:
            raise Mishap("There is no partition table where one should be.")
        names = {number: word for word, number in SUBTYPES[words[kind]].items()}
        label = name.split(b"\0")[0].decode("ascii", "replace")
        found.append(Partition(label, words[kind], names.get(subtype) or subtype, offset, size))
    if not found:
        raise Mishap("There is no partition table where one should be.")
    return found
