"""MicroPython for a board: the official build, fetched once, and taken apart."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import struct
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..board.chips import CHIPS
from ..board.description import Board
from ..paths import ROOT
from ..release.compiler import replace
from . import table
from .mishaps import Mishap

# The one official version that has been seen running under a partition table of ours.
VERSION = "1.25.0"
DATE = "20250415"
OLDEST = (1, 25)
# Name of a download -> SHA-256. micropython.org publishes none: whoever has looked makes an entry.
SHA256: dict[str, str] = {}

_URL = "https://micropython.org/resources/firmware/"
_CACHE = ROOT / ".cache" / "micropython"
_TIMEOUT = 30  # s
_MOST = 16 << 20
_IDS = {0: "esp32", 2: "esp32s2", 5: "esp32c3", 9: "esp32s3", 13: "esp32c6"}
_DIGEST = 32
_BANNER = re.compile(rb"MicroPython v(\d+\.\d+[-.\w]*) on \d{4}-\d\d-\d\d")


@dataclass(frozen=True)
class Build:
    """What is taken out of a download."""

    name: str  # of the file
    sha256: str  # of the file
    version: str  # "1.25.0"; "" if it does not say
    loader: bytes
    application: bytes


def name(board: Board) -> str:
    """The pinned download, as micropython.org calls it."""
    return f"{board.micropython}-{DATE}-v{VERSION}.bin"


def get(board: Board, path: Path | None = None) -> Build:
    """The build for this board: from a file, from the cache, or fetched into it."""
    if path:
        return taken_apart(_read(path), board, path.name)
    cached = _CACHE / name(board)
    if cached.exists():
        try:
            return _pinned(_read(cached), board)
        except Mishap as e:
            raise Mishap(f"{e} Remove {cached} and run the same command again.") from None
    data = _fetch(board)
    build = _pinned(data, board)  # before it is kept
    _CACHE.mkdir(parents=True, exist_ok=True)
    replace(cached, data)
    return build


def _pinned(data: bytes, board: Board) -> Build:
    """What was pinned, and nothing else of the same name."""
    build = taken_apart(data, board, name(board))
    wanted = SHA256.get(build.name)
    if wanted and build.sha256 != wanted:
        raise Mishap(f"{build.name} has the SHA-256 {build.sha256}, and must have {wanted}.")
    if build.version != VERSION:
        raise Mishap(f"{build.name} says that it is MicroPython {build.version or 'of no version'}.")
    return build


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as e:
        raise Mishap(f"{path}: {e.strerror}.") from None


def _fetch(board: Board) -> bytes:
    """From micropython.org, or from where $LUTIN_MICROPYTHON_URL says."""
    url = os.environ.get("LUTIN_MICROPYTHON_URL", _URL).rstrip("/") + "/" + name(board)
    print(f"Fetching {url} (once)…")
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:
            data = answer.read(_MOST)
            left = int(answer.headers.get("Content-Length") or len(data)) - len(data)
        if left:
            raise OSError(f"{left} bytes are missing")
    except (OSError, http.client.HTTPException, ValueError) as e:
        why = e if isinstance(e, urllib.error.HTTPError) else getattr(e, "reason", None) or e
        raise Mishap(
            f"{url} could not be fetched: {why}. Without a network, fetch it elsewhere and give "
            "MICROPYTHON=path/to/file.bin (`lutin image --micropython FILE`)."
        ) from None
    return data


def taken_apart(data: bytes, board: Board, called: str) -> Build:
    """Boot loader and application of a combined image; Mishap if it is not one for this board's chip."""
    chip = board.chip
    begin = _begin(data, called)
    at = next(at for at in _loaders() if begin <= at and data[at - begin : at - begin + 1] == b"\xe9")
    loader = image(data[at - begin : table.OFFSET - begin], chip.name, f"The boot loader of {called}")
    apps = [part for part in table.decode(data[table.OFFSET - begin :]) if part.type == "app"]
    if not apps:
        raise Mishap(f"The partition table of {called} has no application.")
    first = min(part.offset for part in apps)
    application = image(data[first - begin :], chip.name, f"The application of {called}")
    if b"MicroPython" not in application:
        raise Mishap(f"{called} holds some other application than MicroPython.")
    banner = _BANNER.search(application)
    version = banner[1].decode() if banner else ""
    if version and tuple(int(word) for word in version.split("-")[0].split(".")[:2]) < OLDEST:
        raise Mishap(f"{called} is MicroPython {version}, and lutin needs {OLDEST[0]}.{OLDEST[1]} or later.")
    return Build(called, hashlib.sha256(data).hexdigest(), version, loader, application)


def _loaders() -> list[int]:
    """Where a boot loader may be, the first first."""
    return sorted({chip.bootloader for chip in CHIPS.values()})


def _begin(data: bytes, called: str) -> int:
    """The address in the flash at which the file begins: that of the boot loader, or 0."""
    for begin in _loaders():
        if data[table.OFFSET - begin :][:2] == b"\xaa\x50" and any(
            data[at - begin :][:1] == b"\xe9" for at in _loaders() if at >= begin
        ):
            return begin
    if data[:1] == b"\xe9":
        raise Mishap(
            f"{called} holds an application alone, and a bare board needs a boot loader too: take the "
            "download that ends in .bin, not .app-bin."
        )
    raise Mishap(
        f"{called} is no MicroPython for an ESP32; from micropython.org, take the one that ends in .bin."
    )


def image(data: bytes, chip: str, what: str) -> bytes:
    """The image at the begin of `data`, checked by esptool's parser, without what lies behind it."""
    if len(data) < 24 or data[0] != 0xE9:
        raise Mishap(f"{what} is missing.")
    number = struct.unpack_from("<H", data, 12)[0]
    if _IDS.get(number) != chip:
        found = CHIPS[_IDS[number]].title if _IDS.get(number) in CHIPS else _IDS.get(number, f"chip {number}")
        raise Mishap(f"{what} is for the {found}, and the board has an {CHIPS[chip].title}.")

    from esptool.bin_image import LoadFirmwareImage
    from esptool.util import FatalError

    try:
        parsed: Any = LoadFirmwareImage(chip, data)
    except (FatalError, struct.error, IndexError, TypeError) as e:
        raise Mishap(f"{what} is damaged: {str(e).rstrip('.') or 'it ends early'}.") from None
    end = max((part.file_offs + 8 + len(part.data) for part in parsed.segments), default=24)
    end += 16 - end % 16
    if end > len(data) or parsed.checksum != parsed.calculate_checksum():
        raise Mishap(f"{what} is damaged: its checksum is wrong.")
    if not parsed.append_digest:
        return data[:end]
    if parsed.stored_digest != parsed.calc_digest:
        raise Mishap(f"{what} is damaged: its hash is wrong.")
    return data[: end + _DIGEST]
