"""What the page may ask of the bench: every message is checked here and refused by name."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

Message = dict[str, Any]

_MAX_FRAMES = 2000  # of light in one message: some 8 s at 240 a second
_MAX_POINTS = 32  # access points in the air
_DHCP = ("ok", "dead", "slow")
# The lamp and the daylight, as the board's optics know them: name -> (least, most).
ROOM = {"ambient": (0.0, 1.0), "mains": (0.0, 1.0), "mains_hz": (0.0, 1000.0)}


class Refused(Exception):
    """A message that the bench does not act on; args[0] says why, for a person."""


def _flag(message: Message, name: str) -> bool:
    value = message.get(name)
    if not isinstance(value, bool):
        raise Refused(f"{name} must be true or false")
    return value


def _number(value: Any, name: str, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise Refused(f"{name} must be a number")
    if not least <= value <= most:
        raise Refused(f"{name} must be {least:g} to {most:g}")
    return value


def _text(value: Any, name: str, most: int) -> str:
    if not isinstance(value, str) or len(value.encode()) > most:
        raise Refused(f"{name} must be text of at most {most} bytes")
    return value


def _light(message: Message) -> Message:
    frames = message.get("frames")
    if not isinstance(frames, list) or len(frames) > _MAX_FRAMES:
        raise Refused(f"frames must be a list of at most {_MAX_FRAMES}")
    checked: list[list[float]] = []
    for frame in frames:
        if not isinstance(frame, list) or len(frame) != 2:
            raise Refused("a frame is [µs, level]")
        moment = _number(frame[0], "a frame's time", 0, 1e15)
        checked.append([int(moment), _number(frame[1], "a frame's level", 0, 1)])
    return {"t": "light", "frames": checked}


def _password(value: Any) -> str:
    text = _text(value, "the password", 64)
    if text and not 8 <= len(text.encode()) <= 64:
        raise Refused("a password has 8 to 63 bytes, or 64 hex digits; an open network has none")
    return text


def _name(value: Any) -> str:
    text = _text(value, "the network's name", 32)
    if not text:
        raise Refused("a network needs a name")
    return text


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Refused("this must be true or false")
    return value


def _landing(value: Any) -> bool | str:
    if not isinstance(value, bool) and value not in ("redirect", "page"):
        raise Refused("the landing page is false, redirect or page")
    return value


def _dhcp(value: Any) -> str:
    if value not in _DHCP:
        raise Refused("DHCP must be ok, slow or dead")
    return value


# What a person can change about an access point.
_FIELDS = {
    "ssid": _name,
    "password": _password,
    "up": _boolean,
    "refuse": _boolean,
    "landing": _landing,
    "dhcp": _dhcp,
    "rssi": lambda value: int(_number(value, "the signal", -100, -20)),
    "channel": lambda value: int(_number(value, "the channel", 1, 14)),
    "boot_ms": lambda value: int(_number(value, "the start-up time", 0, 3_600_000)),
}


def fields(values: Any) -> Message:
    """The fields of an access point that a page wants to set, checked."""
    if not isinstance(values, dict):
        raise Refused("an access point is an object")
    for name in values:
        if name not in _FIELDS:
            raise Refused(f"an access point has no {str(name)[:40]!r}")
    return {name: _FIELDS[name](value) for name, value in values.items()}


def change_air(points: list[Message], message: Message) -> list[Message]:
    """The airspace after one change: add, set or remove an access point."""
    what = message.get("do")
    if what == "add":
        if len(points) >= _MAX_POINTS:
            raise Refused(f"the air holds at most {_MAX_POINTS} access points")
        new = fields(message.get("ap"))
        _name(new.get("ssid"))
        return [*points, {**_new_point(points), **new}]
    bssid = message.get("bssid")
    if all(point.get("bssid") != bssid for point in points):
        raise Refused("that access point is gone")
    if what == "remove":
        return [point for point in points if point.get("bssid") != bssid]
    if what == "set":
        new = fields(message.get("ap"))
        return [{**point, **new} if point.get("bssid") == bssid else point for point in points]
    raise Refused("an access point can be added, set or removed")


def _new_point(points: list[Message]) -> Message:
    """What an access point is unless told otherwise; its address is one that nobody has."""
    taken = {point.get("bssid") for point in points}
    bssid = next(b for b in (f"02:00:00:00:00:{n:02x}" for n in range(1, 256)) if b not in taken)
    return {
        "bssid": bssid,
        "channel": 1 + 5 * (len(points) % 3),
        "rssi": -60,
        "password": "",
        "up": True,
        "refuse": False,
        "boot_ms": 0,
        "dhcp": "ok",
        "landing": False,
    }


def room(message: Message) -> Message:
    """The room's light, checked: only what the message names."""
    return {
        name: _number(message[name], name, least, most)
        for name, (least, most) in ROOM.items()
        if name in message
    }


def for_board(message: Message) -> Message:
    """A message that goes to the board as it stands: light, button or wear."""
    kind = message.get("t")
    if kind == "light":
        return _light(message)
    if kind == "button":
        return {"t": "button", "down": _flag(message, "down")}
    if kind == "wear":
        sector = int(_number(message.get("sector"), "the sector", 0, 1023))
        return {"t": "wear", "sector": sector, "worn": _flag(message, "worn")}
    raise Refused("the bench does not know this message")


def console_line(message: Message) -> str:
    """A line for the board's console."""
    text = _text(message.get("text"), "a line", 256)
    return "".join(c if c.isprintable() else " " for c in text)


def choice(message: Message, name: str, among: Collection[str], otherwise: str) -> str:
    """One of several names; `otherwise` where the message has none."""
    value = message.get(name, otherwise)
    if not isinstance(value, str) or value not in among:
        raise Refused(f"there is no {name} {str(value)[:40]!r}")
    return value


def power(message: Message) -> bool:
    """Whether the power switch goes on."""
    return _flag(message, "on")
