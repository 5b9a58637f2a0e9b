"""Makes application images as the boot loader wants them, and what is only like them."""

from __future__ import annotations

import hashlib
import random
import struct

CHIPS = {"esp32": 0, "esp32s2": 2, "esp32c3": 5, "esp32s3": 9, "esp32c6": 13}
DESCRIPTOR = 0xABCD5432
TABLE_ENTRY = b"\xaa\x50\x01\x02" + struct.pack("<II", 0x9000, 0x4000) + b"nvs".ljust(20, b"\0")


def app(size: int, chip: str = "esp32", seed: int = 1, descriptor: int = DESCRIPTOR) -> bytes:
    """An image of so many bytes (48 more than a multiple of 16, at least 128); it compresses well."""
    head = struct.pack("<BBBBI4xHBHH4xB", 0xE9, 1, 2, 0x20, 0x40080000, CHIPS[chip], 0, 0, 399, 1)
    end = size - 32
    assert end % 16 == 0
    length = (end - 1 - len(head) - 8) // 4 * 4  # whole words, as a linker makes them
    noise = random.Random(seed)
    inside = bytearray((struct.pack("<II8x", descriptor, 0) + b"%08d" % seed).ljust(256, b"\0"))
    while len(inside) < length:
        inside += noise.randbytes(16) * 16
    inside = inside[:length]
    checksum = 0xEF
    for byte in inside:
        checksum ^= byte
    image = head + struct.pack("<II", 0x3F400020, length) + inside
    image += bytes(end - 1 - len(image)) + bytes([checksum])
    return image + hashlib.sha256(image).digest()


def full_flash(bootloader_at: int, begins_at: int, size: int = 70000) -> bytes:
    """What a tool makes of boot loader, table and application: not for an OTA partition."""
    flash = bytearray(b"\xff" * size)
    loader = app(4096, descriptor=0x0050)
    flash[bootloader_at : bootloader_at + len(loader)] = loader
    flash[0x8000 : 0x8000 + 32] = TABLE_ENTRY
    return bytes(flash[begins_at:])
