"""The desk's releases: what a board is flashed with, what is published, and a server that may be wrong."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import json
import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from .. import filesystem
from ..board.description import load
from ..hostile import APPLIES_TO, MODES, HostileServer, Request
from ..paths import ROOT
from ..release import build, keys, names, spoil
from ..release.read import BLOB, Refused
from . import messages

Message = dict[str, Any]

__all__ = ["PortTaken", "Refused", "Releases", "flash", "reset"]

GOOD = "good"
KINDS = {GOOD: "good: this tree's firmware as it is", **spoil.KINDS}
# What a new board begins without, besides the releases. The key stays: it is the person's, not the board's.
STATE_FILES = (
    "vfs.bin",
    "otadata.bin",
    "ota_0.bin",
    "ota_1.bin",
    "flashed.json",
    "published.json",
    "server.json",
)
_BOARD = "unix"
_FLASH = "vfs.bin"
_KEPT = 50  # requests shown
_NEXT_PORTS = 20  # tried where the first is in use


def flash(state: Path, say: Callable[[str], object]) -> None:
    """Flash the board with this tree's firmware if it has none, or that of a tree that has changed.

    The same release is then the one on the server, so that a board that looks finds itself up to date.
    """
    key = _key(state, say)
    image = state / _FLASH
    contents = filesystem.board_files(_BOARD, key)
    print_of = _fingerprint(contents, key)
    if image.exists() and _read(state / "flashed.json").get("contents") == print_of:
        return
    # A board that was flashed anew still knows the highest number that it ever ran.
    number = _highest(state) + 1
    if number > 1:
        contents = filesystem.board_files(_BOARD, key, number)
    built = build.build(state / "releases", [key], number, boards=[_BOARD])
    _note_published(state, number, built, GOOD)
    partitions = load(ROOT / "boards" / _BOARD).partitions
    size = next(partition.size for partition in partitions if partition.name == "vfs")
    _write(image, filesystem.image(contents, size))
    flashed = {"contents": print_of, "number": number, "files": len(contents)}
    _write(state / "flashed.json", _json(flashed))
    say(f"The board was flashed with this tree's firmware (release {number}, {len(contents)} files).")


def reset(state: Path) -> None:
    """Forget the board's flash and the releases, by name; the key stays."""
    for name in STATE_FILES:
        (state / name).unlink(missing_ok=True)
    folder = state / "releases"
    for name in (build.RELEASE, names.FILE):
        (folder / name).unlink(missing_ok=True)
    with contextlib.suppress(FileNotFoundError):
        for path in (folder / build.BLOBS).iterdir():
            if BLOB.fullmatch(path.name):
                path.unlink()


class PortTaken(Exception):
    """The port that was asked for by number cannot be had; args[0] says why."""


class _Counted:
    """A connection that counts what is sent."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.sent = 0

    def write(self, data: bytes) -> None:
        self.sent += len(data)
        self._writer.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)


_connection: ContextVar[_Counted] = ContextVar("connection")  # each has a task, and so a context, of its own


class _Server(HostileServer):
    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        counted = _Counted(writer)
        _connection.set(counted)
        await super()._serve(reader, counted)  # pyright: ignore[reportArgumentType]


class Releases:
    """Publishes, and serves what is published as well or as badly as a person chooses."""

    def __init__(self, state: Path, tell: Callable[[Message], object]) -> None:
        self._state = state
        self._tell = tell
        self._server = _Server(state / "releases", log=self._asked)
        self._requests: deque[Message] = deque(maxlen=_KEPT)
        self._task: asyncio.Task[None] | None = None
        self._busy = ""  # the kind that is being built
        self.url = ""

    async def start(self, beside: int, wanted: int | None = None) -> str:
        """Listen on `wanted`, or on the port of last time, or on the one next to `beside`.

        What a person should know is the answer: the board has stored the address, so it should not change.
        """
        if wanted is not None:
            try:
                port = await self._server.start(wanted)
            except (OSError, OverflowError) as error:
                why = getattr(error, "strerror", None) or error
                if getattr(error, "errno", None) == errno.EADDRINUSE:
                    why = "it is in use"
                raise PortTaken(
                    f"the release server cannot have port {wanted}: {why}. "
                    "Choose another: --release-port PORT, or leave it out"
                ) from None
        else:
            wanted = _read(self._state / "server.json").get("port")
            if not isinstance(wanted, int) or not 0 < wanted < 65536:
                wanted = beside + 1 if 0 < beside < 65535 else 0
            port = await self._free(wanted)
        self.url = f"http://127.0.0.1:{port}/"
        _write(self._state / "server.json", _json({"port": port}))
        if wanted in (0, port):
            return ""
        return f"Port {wanted} is in use, so the release server is at {self.url} and stays there."

    async def _free(self, wanted: int) -> int:
        last = min(wanted + _NEXT_PORTS, 65536)
        for port in [*range(wanted, last), 0] if wanted else [0]:
            with contextlib.suppress(OSError):
                return await self._server.start(port)
        raise PortTaken("the release server finds no free port")

    async def close(self) -> None:
        """Hang up, and let a release that is being built come to its end."""
        await self._server.close()
        if self._task:
            await asyncio.wait([self._task])

    def hello(self) -> Message:
        """What a page needs to begin with."""
        return {
            "kinds": KINDS,
            "modes": {name: mode.sentence for name, mode in MODES.items()},
            "requests": list(self._requests),
            "releases": self.state(),
        }

    def state(self) -> Message:
        """What is published, where, and what is wrong with the server."""
        return {
            "t": "releases",
            "url": self.url,
            "published": _read(self._state / "published.json").get("latest"),
            "busy": self._busy,
            "mode": self._server.mode,
            "applies_to": self._server.applies_to,
        }

    def wrong(self, message: Message) -> None:
        """Be wrong in another way, from the next request on."""
        mode = messages.choice(message, "mode", MODES, self._server.mode)
        applies_to = messages.choice(message, "applies_to", APPLIES_TO, self._server.applies_to)
        self._server.mode, self._server.applies_to = mode, applies_to
        self._tell(self.state())

    def publish(self, message: Message, board: Mapping[str, Any]) -> None:
        """Build this tree as the next release; board: report()["update"], to go above what it knows."""
        kind = messages.choice(message, "kind", KINDS, GOOD)
        if self._busy:
            raise messages.Refused("a release is being built already")
        runs = _number(board.get("number"))
        known = [board.get("highest"), board.get("suspect"), board.get("rejected")]
        known.append((board.get("trial") or {}).get("number"))
        number = 1 + max(_highest(self._state), runs, *map(_number, known))
        if kind == "older-than-installed":
            # One below what the board runs: spoil() takes two from the number that comes next.
            number = (runs or number - 1) + 1
            if number < 3:
                raise messages.Refused("nothing is lower than release 1: publish a good one first")
        self._begin(kind, number)

    def _begin(self, kind: str, number: int) -> None:
        self._busy = kind
        self._tell(self.state())
        self._task = asyncio.create_task(self._publish(kind, number))

    async def _publish(self, kind: str, number: int) -> None:
        try:
            await asyncio.to_thread(_build, self._state, kind, number)
        except (Refused, OSError, AssertionError) as e:
            self._tell({"t": "refused", "why": f"the release was not built: {e}"})
        finally:
            self._busy = ""
            self._tell(self.state())

    def _asked(self, request: Request) -> None:
        message = {
            "t": "request",
            "at": request.time,
            "path": request.path,
            "status": request.status,
            "bytes": _connection.get().sent,
            "range": request.fields.get("range", ""),
        }
        self._requests.append(message)
        self._tell(message)


def _build(state: Path, kind: str, number: int) -> None:
    key = _key(state, lambda text: None)
    out = state / "releases"
    if kind == GOOD:
        built = build.build(out, [key], number, boards=[_BOARD])
    else:
        built = spoil.spoil(kind, out, [key], number, boards=[_BOARD])
    _note_published(state, number, built, kind)


def _note_published(state: Path, number: int, built: build.Built, kind: str) -> None:
    latest = {
        "number": built.number,
        "kind": kind,
        "files": built.files,
        "bytes": built.encoded,
        "at": time.time(),
    }
    known = {"highest": max(number, _highest(state)), "latest": latest}
    _write(state / "published.json", _json(known))


def _highest(state: Path) -> int:
    """The highest number that was ever given away here."""
    return max(_number(_read(state / "published.json").get("highest")), build.lying(state / "releases"))


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _key(state: Path, say: Callable[[str], object]) -> keys.Key:
    """The desk's own; made at the first start."""
    path = state / "keys" / keys.SIGNING
    if not path.exists():
        say("Making a signing key for this desk, and compiling the firmware…")
        return keys.new(path.parent)
    return keys.load(path)


def _fingerprint(contents: Mapping[str, bytes], key: keys.Key) -> str:
    """Of the files and the key that is trusted, whatever the number of the release."""
    whole = hashlib.sha256(key.modulus)
    for path, data in sorted(contents.items()):
        if path != f"{filesystem.FACTORY}/{build.RELEASE}":
            whole.update(f"{path}\0{len(data)}\0".encode() + data)
    return whole.hexdigest()


def _read(path: Path) -> Message:
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _json(value: Message) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all."""
    new = path.with_name(path.name + ".new")
    new.write_bytes(data)
    os.replace(new, path)
