"""Makes light: a packet as a screen shows it and a sensor sees it, under any conditions."""

from __future__ import annotations

import random
import struct
import sys
from collections.abc import Iterable

from unixport import ROOT

sys.path.append(str(ROOT / "boards" / "unix"))  # last: it has modules named as some of ours
from sim.optics import Sensor

Trace = list[tuple[int, int]]


def crc16(data: bytes) -> int:
    """The vendor's check, from blinkup.md: its table, and the other direction's update."""
    table = []
    for n in range(256):
        entry = n
        for _ in range(8):
            entry = (entry >> 1) ^ 0xA001 if entry & 1 else entry >> 1
        table.append(entry)
    crc = 0
    for byte in data:
        crc = ((crc << 8) ^ table[(crc >> 8) ^ byte]) & 0xFFFF
    return crc


def packet(records: bytes) -> bytes:
    """0x2A, LEN, records, CRC."""
    body = bytes([len(records)]) + records
    return b"\x2a" + body + crc16(body).to_bytes(2, "big")


def record(kind: int, data: bytes = b"") -> bytes:
    """One record."""
    return bytes([kind, len(data)]) + data


def bits(data: bytes) -> list[int]:
    """Most significant first."""
    return [byte >> i & 1 for byte in data for i in range(7, -1, -1)]


def symbols(data: bytes, mode: str = "tri", grey: float = 0.35, sync: int = 32, end: int = 1) -> list[float]:
    """The light levels of one pass, one a symbol."""
    if mode == "tri":
        out = [0.0, grey] * (sync // 2)
        for bit in bits(data):
            out += [0.0, 1.0 if bit else grey]
        return out + [0.0] * end
    out = [float(bit) for bit in bits(b"\x55" * 8 + data)]
    if mode == "legacy":
        out = [level for level in out for _ in range(2)]
    return out + [0.0] * end


def frames(
    levels: Iterable[float],
    fps: float,
    start_us: int,
    late: float = 0.0,
    jitter_ms: float = 0.0,
    seed: int = 1,
) -> tuple[list[tuple[int, float]], int]:
    """When each level appears; `late` is the share of frames that come a frame later. Also the end."""
    chance = random.Random(seed)
    out = []
    t = float(start_us)
    for level in levels:
        out.append((int(t + chance.uniform(0, jitter_ms) * 1000), level))
        t += 1e6 / fps * (2 if chance.random() < late else 1)
    return out, int(t)


def trace(
    shown: Iterable[tuple[int, float]],
    end_us: int,
    sample_us: int = 1000,
    sample_jitter_us: int = 160,
    gap_every: int = 0,
    gap_ms: float = 0.0,
    seed: int = 1,
    **light: float,
) -> Trace:
    """What the sensor reads of those frames until end_us."""
    random.seed(seed)
    chance = random.Random(seed + 1)
    sensor = Sensor(**light)
    for at, level in shown:
        sensor.show(at, level)
    out = []
    t = 1000.0
    count = 0
    while t < end_us:
        out.append((int(t), sensor.read(int(t))))
        t += sample_us + chance.random() * sample_jitter_us
        count += 1
        if gap_every and count % gap_every == 0:
            t += gap_ms * 1000
    return out


def transmission(
    data: bytes,
    fps: float = 60,
    passes: int = 1,
    mode: str = "tri",
    grey: float = 0.35,
    sync: int = 32,
    end: int = 12,
    idle_s: float = 1.0,
    idle_level: float = 1.0,
    tail_s: float = 0.5,
    late: float = 0.0,
    jitter_ms: float = 0.0,
    seed: int = 1,
    **conditions: float,
) -> Trace:
    """Idle screen, some passes of the packet, idle screen: as the ADC sees it."""
    levels = symbols(data, mode, grey, sync, end) * passes
    shown, stop = frames(levels, fps, int(idle_s * 1e6), late, jitter_ms, seed)
    shown = [(0, idle_level), *shown, (stop, idle_level)]
    return trace(shown, stop + int(tail_s * 1e6), seed=seed, **conditions)  # type: ignore[arg-type]


def pack(light: Trace) -> bytes:
    """As the recorded traces: little-endian <IH pairs."""
    return b"".join(struct.pack("<IH", t & 0xFFFFFFFF, v) for t, v in light)
