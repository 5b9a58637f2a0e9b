"""A second encoder, written from docs/blinkup.md alone, to compare the sender page with.

Deliberately built otherwise than encoder.js: no tables, no shared helpers, text as '0' and '1'.
"""

from __future__ import annotations

import ipaddress
import struct
import zlib
from collections.abc import Mapping
from typing import Any

Entries = Mapping[str, Any]


def vendor_crc(data: bytes) -> int:
    """The table of 0xA001, reflected, one entry at a time; the update shifts left."""
    crc = 0
    for byte in data:
        entry = (crc >> 8) ^ byte
        for _ in range(8):
            low = entry & 1
            entry >>= 1
            if low:
                entry ^= 0xA001
        crc = ((crc << 8) & 0xFFFF) ^ entry
    return crc


def tlv(kind: int, data: bytes = b"") -> bytes:
    return struct.pack("BB", kind, len(data)) + data


def counted(text: str) -> bytes:
    data = text.encode()
    return struct.pack("B", len(data)) + data


def network_records(entries: Entries) -> bytes:
    out = tlv(1, entries["ssid"].encode())
    if entries["password"]:
        out += tlv(6, entries["password"].encode())
    if entries["fixed"]:
        quads = [entries[key] for key in ("address", "netmask", "gateway", "dns1", "dns2") if entries[key]]
        out += tlv(11, b"".join(ipaddress.IPv4Address(quad).packed for quad in quads))
    if entries["proxyServer"]:
        proxy = struct.pack("<H", int(entries["proxyPort"])) + counted(entries["proxyServer"])
        proxy += counted(entries["proxyUser"]) if entries["proxyUser"] else b""
        proxy += counted(entries["proxyPassword"]) if entries["proxyPassword"] else b""
        out += tlv(13, proxy)
    return out


def records(entries: Entries) -> bytes:
    """What the form's entries become: the check is always the last record."""
    out = b""
    if entries["mode"] == "clear":
        out = tlv(7)
    else:
        if entries["mode"] == "network":
            out += network_records(entries)
        for kind, key in ((0x81, "server"), (0x82, "broker"), (0x83, "name")):
            if entries[key]:
                out += tlv(kind, entries[key].encode())
        if entries["mode"] == "network" and entries["add"]:
            out += tlv(0x84)
    return out + tlv(0x80, struct.pack(">I", zlib.crc32(out)))


def packet(body: bytes) -> bytes:
    covered = struct.pack("B", len(body)) + body
    return b"\x2a" + covered + struct.pack(">H", vendor_crc(covered))


def symbols(whole: bytes, sync: int = 32, closing: int = 8) -> str:
    """One character a symbol: - black, g grey, W white."""
    bits = "".join(f"{byte:08b}" for byte in whole)
    return "-g" * (sync // 2) + "".join({"0": "-g", "1": "-W"}[bit] for bit in bits) + "-" * closing
