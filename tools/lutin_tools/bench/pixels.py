"""Light from painted pixels: raw video of a small patch of a screen becomes levels over time.

The stream is rgb24, 8 x 8, 240 frames a second without gaps, as ffmpeg's x11grab writes it.
Frame count is the clock, so that a late pipe does not bend the light.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

SIDE = 8
RATE = 240
_FRAME = SIDE * SIDE * 3
_KEEP_ALIVE = RATE // 10  # frames: say a level again though it did not change


def linear(value: int) -> float:
    """Linear light, 0 to 1, of an sRGB byte."""
    s = value / 255
    return s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4


_LINEAR = [linear(value) for value in range(256)]
_WEIGHT = (0.2126, 0.7152, 0.0722)


def level(frame: bytes) -> float:
    """The mean luminance of one frame, in linear light."""
    total = 0.0
    for channel, weight in enumerate(_WEIGHT):
        total += weight * sum(_LINEAR[value] for value in frame[channel::3])
    return total / (len(frame) // 3)


class Levels:
    """Turns bytes of video, in pieces of any size, into [µs, level] where the level changes."""

    def __init__(self) -> None:
        self._rest = b""
        self._count = 0
        self._last = -1.0
        self._said = 0
        self._cache: dict[bytes, float] = {}

    def feed(self, data: bytes) -> list[list[float]]:
        """The changes in this piece."""
        data = self._rest + data
        end = len(data) - len(data) % _FRAME
        self._rest = data[end:]
        out: list[list[float]] = []
        for start in range(0, end, _FRAME):
            frame = data[start : start + _FRAME]
            now = self._cache.get(frame)
            if now is None:
                if len(self._cache) > 1000:
                    self._cache.clear()
                now = self._cache[frame] = level(frame)
            if now != self._last or self._count - self._said >= _KEEP_ALIVE:
                out.append([self._count * 1_000_000 // RATE, round(now, 5)])
                self._last = now
                self._said = self._count
            self._count += 1
        return out


def follow(source: str, give: Callable[[list[list[float]]], object]) -> None:
    """Read video in a thread of its own: from stdin ("-"), or a file or FIFO, again and again."""

    def read() -> None:
        while True:
            fd = sys.stdin.fileno() if source == "-" else os.open(source, os.O_RDONLY)
            levels = Levels()
            try:
                while data := os.read(fd, 65536):
                    if frames := levels.feed(data):
                        give(frames)
            finally:
                if source != "-":
                    os.close(fd)
            if source == "-" or not os.path.exists(source) or os.path.isfile(source):
                return

    threading.Thread(target=read, name="pixels", daemon=True).start()
