"""What the device says of itself at the topic `status`. No server is named."""

import json

from micropython import const

from .. import states

_DETAIL = const(120)  # characters of a text that others have a hand in
_LONG = const(64)  # of one that is ours, or checked by the settings


def message(report):
    """The object as JSON, in pieces."""
    pieces = []
    for name, value in status(report).items():
        pieces.append((b", " if pieces else b"{") + json.dumps({name: value})[1:-1].encode())
    pieces.append(b"}")
    return pieces


def status(report):
    """The object, which as JSON is never longer than 2500 bytes."""
    state, wifi, update = report["state"], report["wifi"], report["update"]
    settings = report["settings"]
    trial = update["trial"]
    return {
        "id": report["id"],
        "name": _clean(settings["name"], _LONG),
        "board": report["board"],
        "state": {
            "number": state["number"],
            "name": state["name"],
            "sentence": state["sentence"],
            "detail": _clean(state["detail"], _DETAIL),
        },
        "network": {
            "ssid": _clean(wifi["ssid"], _LONG),
            "bssid": wifi["bssid"],
            "channel": wifi["channel"],
            "rssi": wifi["rssi"],
            "address": wifi["address"],
            "since": wifi["since"],
        },
        "release": {
            "number": update["number"],
            "version": _clean(update["version"], _LONG),
            "slot": update["slot"],
            "trial": trial and {"number": trial["number"], "boots": trial["boots"], "of": trial["of"]},
            "rejected": update["rejected"],
            "suspect": update["suspect"],
        },
        "update": {
            "installed": str(update["number"]),
            "latest": _latest(update),
            "percent": _percent(update["progress"]),
        },
        "uptime": report["uptime"],
        "restart_cause": report["restart_cause"],
        "heap_free": report["heap_free"],
        "generation": report["generation"],
        "failure": _failure(report),
        "app": report["app"],
        "broker": "set" if settings["broker"] else "found",
        "log": report["broker"]["log"],
    }


def key(report):
    """What counts as a change; signal, memory and time by themselves are none."""
    state, wifi, update = report["state"], report["wifi"], report["update"]
    failure = _failure(report)
    return (
        (state["number"], state["detail"]),
        (wifi["ssid"], wifi["bssid"], wifi["channel"], wifi["address"], wifi["since"]),
        (update["number"], update["slot"], update["trial"], update["rejected"], update["suspect"]),
        (_latest(update), _percent(update["progress"])),
        failure and (failure["what"], failure["name"], failure["detail"], failure["count"]),
        (report["settings"]["name"], bool(report["settings"]["broker"])),
        (report["generation"], report["app"], report["broker"]["log"]["level"]),
    )


def _latest(update):
    """The number that the server offers, as text; None: it has not been asked yet."""
    offered = update["offered"]
    return str(offered) if offered else None


def _percent(progress):
    """How much of an update is here; None: none is on its way."""
    if not progress:
        return None
    here, all_of_it = progress
    return max(0, min(100 * here // all_of_it, 100)) if all_of_it > 0 else 0


def _failure(report):
    """The last one of network, broker and server; None: there was none."""
    last = what = None
    for room in ("wifi", "broker", "update"):
        one = _of_wifi(report) if room == "wifi" else report[room]["failure"]
        if one and (last is None or _newer(one["ago"], last["ago"])):
            last, what = one, room
    if last is None:
        return None
    return {
        "what": what,
        "name": last["name"],
        "detail": _clean(last["detail"], _DETAIL),
        "count": last["count"],
        "ago": last["ago"],
    }


def _newer(ago, than):
    """None is before this start, and so older than any other."""
    return ago is not None and (than is None or ago < than)


def _of_wifi(report):
    """The station's, which it keeps as a line of text: 'ssid': name (detail)."""
    wifi = report["wifi"]
    text = wifi["last_failure"]
    if not text:
        return None
    name, detail, at = "unknown", text, -1
    for number in range(states.count()):
        one = states.name(number)
        found = text.rfind(": %s (" % one)  # the last one: a network may have any name
        if found > at:
            at = found
            name, detail = one, text[found + len(one) + 4 : -1]
    ago = max(0, report["uptime"] - wifi["failed"])
    return {"name": name, "detail": detail, "count": 1, "ago": ago}


def _clean(text, most):
    """At most so many characters, of those that every reader of JSON takes; None stays None."""
    if text is None:
        return None
    text = text[:most]
    return "".join(["?" if _bad(ord(c)) else c for c in text]) if any(_bad(ord(c)) for c in text) else text


def _bad(n):
    return n < 32 or 127 <= n < 160 or 0xD800 <= n < 0xE000 or n > 0x10FFFF
