"""An ESP32 in its boot loader, behind a pseudo terminal: the real esptool talks to it, and writes its flash.

Speaks the serial protocol of Espressif's documentation as far as esptool needs it to detect, load its stub and
write; then it says what it is told to say.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import threading
import tty
import zlib

MAGIC = 0x40001000
ESP32, ESP32S3, ESP32C3 = 0x00F01D83, 9, 5  # a magic value, or the chip's number where it tells that
_SPI_W0 = {ESP32: 0x3FF42080, ESP32S3: 0x60002058, ESP32C3: 0x60002058}
SYNC, WRITE_REG, READ_REG, SECURITY = 0x08, 0x09, 0x0A, 0x14
MEM_BEGIN, MEM_END, MEM_DATA = 0x05, 0x06, 0x07
BAUD, MD5, ERASE_ALL = 0x0F, 0x13, 0xD0
BEGIN, DATA, END = (0x02, 0x10), (0x03, 0x11), (0x04, 0x12)


class FakeChip:
    """One board. `port` is the device to open; `flash` what was written."""

    def __init__(self, chip: int = ESP32, flash_mb: int = 4) -> None:
        self.chip = chip
        self.size_id = {2: 0x15, 4: 0x16, 8: 0x17, 16: 0x18}.get(flash_mb, 0)
        self.flash = bytearray(b"\x55" * (flash_mb << 20 or 4 << 20))  # whatever was on it before
        self.begun: list[tuple[int, int]] = []  # (offset, size) of everything written
        self.erased = 0
        self.baud = 115200
        self.fastest = 1 << 30  # above this it hears and says rubbish
        self.mute = False  # answers nothing at all
        self.greeting = b""  # what it says in place of an answer
        self.goes_after: int | None = None  # blocks of data, and then the plug is pulled
        self._at = 0
        self._packer: zlib._Decompress | None = None
        self._stub = False
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self.port = os.ttyname(slave)
        self._slave: int | None = slave
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def say(self, text: bytes) -> None:
        """On the console."""
        os.write(self._master, text)

    def close(self) -> None:
        """The board is gone, and so is its port."""
        for end in (self._slave, self._master):
            if end is not None:
                with contextlib.suppress(OSError):
                    os.close(end)
        self._slave = None

    def _run(self) -> None:
        frame: bytearray | None = None
        with contextlib.suppress(OSError):
            while True:
                for byte in os.read(self._master, 65536):
                    if byte != 0xC0:
                        if frame is not None:
                            frame.append(byte)
                    elif frame:
                        self._packet(bytes(frame).replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb"))
                        frame = None
                    else:
                        frame = bytearray()

    def _packet(self, packet: bytes) -> None:
        if len(packet) > 1 and packet[1] == SYNC:
            self.baud = 115200  # whoever syncs has reset it
        if self.mute:
            return
        if self.greeting or self.baud > self.fastest:
            self.say(self.greeting or b"\xf8\x80\x78\x1e")
            return
        _, op, length, _ = struct.unpack("<BBHI", packet[:8])
        data = packet[8 : 8 + length]
        value, body = 0, b""
        if op == SYNC:
            self._stub = False
            for _ in range(8):
                self._answer(op, 0x20120707, b"")
            return
        if op == SECURITY:
            if self.chip == ESP32:
                self.say(_slip(struct.pack("<BBHI", 1, op, 2, 0) + b"\x01\x05"))
                return
            body = struct.pack("<IB7sII", 0, 0, bytes(7), self.chip, 0)
        elif op == READ_REG:
            (register,) = struct.unpack("<I", data)
            if register == MAGIC:
                value = self.chip
            elif register == _SPI_W0[self.chip]:
                value = 0x0040EF | self.size_id << 16 if self.size_id else 0
        elif op == BAUD:
            self._answer(op, 0, b"")
            self.baud = struct.unpack("<I", data[:4])[0]
            return
        elif op == MEM_END:
            self._answer(op, 0, b"")
            self._stub = True
            self.say(_slip(b"OHAI"))
            return
        elif op == ERASE_ALL:
            self.flash[:] = b"\xff" * len(self.flash)
            self.erased += 1
        elif op == BEGIN[1]:
            size, _, _, self._at = struct.unpack("<IIII", data[:16])
            self.begun.append((self._at, size))
            self._packer = zlib.decompressobj()
            end = -(-(self._at + size) // 4096) * 4096
            self.flash[self._at : end] = b"\xff" * (end - self._at)
        elif op == DATA[1]:
            if self.goes_after is not None:
                self.goes_after -= 1
                if self.goes_after < 0:
                    self.close()
                    return
            assert self._packer
            plain = self._packer.decompress(data[16:])
            self.flash[self._at : self._at + len(plain)] = plain
            self._at += len(plain)
        elif op == MD5:
            offset, size = struct.unpack("<II", data[:8])
            body = hashlib.md5(self.flash[offset : offset + size]).digest()
        self._answer(op, value, body)

    def _answer(self, op: int, value: int, body: bytes) -> None:
        body += b"\0\0" if self._stub else b"\0\0\0\0"
        self.say(_slip(struct.pack("<BBHI", 1, op, len(body), value) + body))


def _slip(data: bytes) -> bytes:
    return b"\xc0" + data.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0"
