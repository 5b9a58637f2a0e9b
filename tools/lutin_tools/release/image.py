"""MicroPython's application image for the boot loader, looked at as closely as the boot loader does."""

from __future__ import annotations

import functools
import hashlib
import operator
import struct
from dataclasses import dataclass
from pathlib import Path

from .read import MOST_BASE, PIECE, Refused

_MAGIC = 0xE9
_DESCRIPTOR = 0xABCD5432  # at 32
_HEADER = 24
_LEAST = 288  # header, a segment's header, descriptor
_TABLE = b"\xaa\x50"  # begins an entry of a partition table; then comes a type, 0 or 1
_TABLES = (0x7000, 0x8000)  # where an image of the whole flash has it, beginning at 0x1000 or 0
_CHIPS = {0: "esp32", 2: "esp32s2", 5: "esp32c3", 9: "esp32s3", 13: "esp32c6"}


@dataclass(frozen=True)
class Image:
    version: str
    chip: str
    data: bytes

    def pieces(self) -> list[bytes]:
        """64 KiB each, the last one shorter."""
        return [self.data[at : at + PIECE] for at in range(0, len(self.data), PIECE)]


def load(path: Path, chip: str = "auto") -> Image:
    """The image in a file; refused by name if a device would (update/base.py), or if it could not boot."""
    try:
        data = path.read_bytes()
    except OSError as e:
        raise Refused("not-an-image", f"{path}: {e.strerror}") from None
    if data[:1] == b"\xff" or any(
        data.startswith(_TABLE, at) and data[at + 2 :][:1] < b"\2" for at in _TABLES
    ):
        raise Refused(
            "full-flash-image",
            f"{path} is an image of a whole flash: boot loader, partition table and application. "
            "Only the application is wanted: micropython.bin of a build, the .app-bin of a download",
        )
    if len(data) < _LEAST or data[0] != _MAGIC or struct.unpack_from("<I", data, 32)[0] != _DESCRIPTOR:
        raise Refused("not-an-image", f"{path} is no application image of an ESP32")
    if len(data) > MOST_BASE:
        raise Refused("too-large", f"{path}: {len(data)} bytes, {MOST_BASE} at most")
    _check(data, path)
    number = struct.unpack_from("<H", data, 12)[0]
    named = _CHIPS.get(number, f"chip {number}")
    if number not in _CHIPS or chip not in ("auto", named):
        wanted = ", ".join(_CHIPS.values()) if chip == "auto" else chip
        raise Refused("wrong-chip", f"{path} is for {named}, not for {wanted}")
    version = data[48:80].split(b"\0")[0].decode(errors="replace")
    return Image(version.removeprefix("v"), named, data)


def _check(data: bytes, path: Path) -> None:
    """Segments, checksum, hash."""
    at, checksum = _HEADER, 0xEF
    for _ in range(data[1]):
        size = struct.unpack_from("<I", data, at + 4)[0] if at + 8 <= len(data) else len(data)
        at += 8 + size
        if at > len(data):
            raise Refused("not-an-image", f"{path} ends early")
        checksum = functools.reduce(operator.xor, data[at - size : at], checksum)
    at += 16 - at % 16
    if at > len(data) or data[at - 1] != checksum:
        raise Refused("not-an-image", f"{path}: its checksum is wrong")
    if data[23] == 1:
        if hashlib.sha256(data[:at]).digest() != data[at : at + 32]:
            raise Refused("not-an-image", f"{path}: its hash is wrong")
        at += 32
    if data[at:].strip(b"\xff"):
        raise Refused("not-an-image", f"{path} goes on after its end, for {len(data) - at} bytes")
