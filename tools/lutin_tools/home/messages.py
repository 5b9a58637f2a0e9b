"""What devices say and pages ask: everything is checked here, and only what is known goes on."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any

Message = dict[str, Any]

LEVELS = ("info", "warn", "error")
PREFIX = "lutin"
MOST_DEVICES = 1000
_MOST_BYTES = 16 * 1024  # of a status or a line
_MOST_TEXT = 1000  # characters of a line
_ID = re.compile(r"[0-9A-Za-z_-]{1,32}")
_START = re.compile(r"[0-9A-Za-z]{1,16}")
_COMMANDS = ("restart", "update", "identify", "blinkup")
_FURTHEST = 1 << 53  # what JSON numbers hold everywhere

# What of a status is known: "t" text, "n" number, {…} an object or nothing.
_STATUS: Message = {
    "name": "t",
    "board": "t",
    "state": {"number": "n", "name": "t", "sentence": "t", "detail": "t"},
    "network": {"ssid": "t", "bssid": "t", "channel": "n", "rssi": "n", "address": "t", "since": "n"},
    "release": {
        "number": "n",
        "version": "t",
        "slot": "t",
        "trial": {"number": "n", "boots": "n", "of": "n"},
        "rejected": "n",
        "suspect": "n",
    },
    "update": {"installed": "t", "latest": "t", "percent": "n"},
    "uptime": "n",
    "restart_cause": "t",
    "heap_free": "n",
    "generation": "n",
    "failure": {"what": "t", "name": "t", "detail": "t", "count": "n", "ago": "n"},
    "app": "t",
    "log": {"level": "t", "dropped": "n"},
    "broker": "t",
}


class Refused(Exception):
    """What is not acted on; args[0] says why, for a person."""


@dataclass(frozen=True)
class Line:
    """A line of a device's log. dropped: how many are missing from seq on, in its place."""

    start: str
    seq: int
    up: int  # ms
    level: int
    text: str
    offline: bool = False
    dropped: int = 0


def topic(name: str) -> tuple[str, str] | None:
    """(device, what) of lutin/<device>/<what>, or of a discovery topic: what is "discovery" then."""
    parts = name.split("/")
    if len(parts) == 3 and parts[0] == PREFIX and _ID.fullmatch(parts[1]):
        return parts[1], parts[2]
    if len(parts) == 4 and parts[1] == "device" and parts[3] == "config":
        device = parts[2].removeprefix(f"{PREFIX}-")
        if device != parts[2] and _ID.fullmatch(device):
            return device, "discovery"
    return None


def status(data: bytes) -> Message:
    """A status, of what is known and has the right kind."""
    return _shaped(_object(data), _STATUS)


def line(data: bytes) -> Line:
    """A line of a log."""
    value = _object(data)
    start, text = value.get("start"), value.get("text")
    if not isinstance(start, str) or not _START.fullmatch(start) or not isinstance(text, str):
        raise Refused("no line")
    level = value.get("level")
    dropped = _whole(value.get("dropped", 0), "dropped")
    return Line(
        start,
        _whole(value.get("seq"), "seq"),
        _whole(value.get("up", 0), "up"),
        LEVELS.index(level) if level in LEVELS else 1 if dropped else 0,
        clean(text)[:_MOST_TEXT],
        value.get("offline") is True,
        min(dropped, 1_000_000_000),
    )


def availability(data: bytes) -> bool:
    """Whether it says online."""
    if data not in (b"online", b"offline"):
        raise Refused("neither online nor offline")
    return data == b"online"


def clean(text: str) -> str:
    """Without what moves a cursor or turns the direction of writing."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def _object(data: bytes) -> Message:
    if len(data) > _MOST_BYTES:
        raise Refused("too long")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise Refused("no JSON") from None
    if not isinstance(value, dict):
        raise Refused("no object")
    return value


def _shaped(value: Message, shape: Message) -> Message:
    shaped: Message = {}
    for name, kind in shape.items():
        got = value.get(name)
        if isinstance(kind, dict):
            shaped[name] = _shaped(got, kind) if isinstance(got, dict) else None
        elif kind == "n":
            shaped[name] = got if _is_number(got) else None
        elif isinstance(got, (str, int, float)) and not isinstance(got, bool):
            shaped[name] = clean(str(got))[:200]
        else:
            shaped[name] = None
    return shaped


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return math.isfinite(value) and abs(value) < _FURTHEST


def _whole(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _FURTHEST:
        raise Refused(f"{name} is no count")
    return value


# From a page


@dataclass(frozen=True)
class Filter:
    """Which lines a page wants to see."""

    device: str = ""
    level: int = 0
    words: tuple[str, ...] = ()
    since: float | None = None  # s since 1970
    until: float | None = None

    def fits(self, device: str, level: int, text: str, time: float) -> bool:
        """Whether a line is among them."""
        if (self.device and device != self.device) or level < self.level:
            return False
        if (self.since is not None and time < self.since) or (self.until is not None and time >= self.until):
            return False
        return bool(contains(text, " ".join(self.words)))


def contains(text: str, words: str) -> int:
    """Whether every word is in it, in whatever case; words are lower already."""
    text = text.casefold()
    return int(all(word in text for word in words.split()))


def wanted(message: Message) -> Filter:
    """A search."""
    device, text = message.get("device") or "", message.get("text") or ""
    level = message.get("level") or LEVELS[0]
    if not isinstance(device, str) or (device and not _ID.fullmatch(device)):
        raise Refused("there is no such device")
    if not isinstance(text, str) or len(text) > 200:
        raise Refused("a search has at most 200 characters")
    if level not in LEVELS:
        raise Refused("a level is info, warn or error")
    since, until = (message.get(name) for name in ("since", "until"))
    if not all(moment is None or _is_number(moment) for moment in (since, until)):
        raise Refused("a time is in seconds since 1970")
    return Filter(device, LEVELS.index(level), tuple(text.casefold().split()), since, until)


def before(message: Message) -> tuple[float, int] | None:
    """From where a search goes on, backwards."""
    value = message.get("before")
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2 or not all(map(_is_number, value)):
        raise Refused("before is [time, id]")
    return float(value[0]), int(value[1])


def command(message: Message) -> tuple[str, bytes]:
    """(device, payload of its command topic)"""
    device, name = message.get("id"), message.get("command")
    if not isinstance(device, str) or not _ID.fullmatch(device):
        raise Refused("there is no such device")
    if name == "log":
        level = message.get("level")
        if level not in LEVELS:
            raise Refused("a level is info, warn or error")
        return device, json.dumps({"command": "log", "level": level}).encode()
    if name not in _COMMANDS:
        raise Refused("a device knows no such command")
    return device, name.encode()


def device(message: Message) -> str:
    """The device that a message is about."""
    name = message.get("id")
    if not isinstance(name, str) or not _ID.fullmatch(name):
        raise Refused("there is no such device")
    return name


def version(message: Message) -> str | None:
    """Of a release that is to be published, for people; None if it has no name of its own."""
    text = message.get("version") or None
    if text is not None and (not isinstance(text, str) or not re.fullmatch(r"[ -~]{1,64}", text)):
        raise Refused("a version has 1 to 64 plain characters")
    return text
