"""Reports of a device, as rigs/broker_words.py takes them."""

from __future__ import annotations

from typing import Any

ID = "24ab00c0ffee"
REPORT: dict[str, Any] = {
    "id": ID,
    "board": "esp32-devkit",
    "settings": {"name": "Kitchen", "broker": "mqtt://me:***@broker.lan", "server": "http://releases.lan/"},
    "state": {"number": 17, "name": "connected", "sentence": "Connected.", "detail": ""},
    "wifi": {
        "ssid": "Home",
        "state": "connected",
        "since": 5,
        "reason": None,
        "attempts": 0,
        "address": "192.168.1.20",
        "rssi": -61,
        "channel": 6,
        "bssid": "02:00:00:00:00:01",
        "last_failure": None,
        "failed": 5,
    },
    "update": {
        "number": 3,
        "version": "0.3",
        "slot": "a",
        "trial": None,
        "suspect": None,
        "rejected": None,
        "failure": None,
        "progress": None,
        "offered": 3,
    },
    "broker": {"state": "connected", "failure": None, "log": {"level": "info", "dropped": 0}},
    "uptime": 120,
    "restart_cause": "power-on",
    "heap_free": 91000,
    "app": "none",
    "generation": 4,
}


def report(**changed: Any) -> dict[str, Any]:
    """That, with some of it changed: update={"offered": 4} changes one thing of many."""
    new = dict(REPORT)
    for name, value in changed.items():
        new[name] = {**new[name], **value} if isinstance(value, dict) else value
    return new


def failed(name: str, ago: int | None, count: int = 1, detail: str = "") -> dict[str, Any]:
    """The failure of a room."""
    return {"name": name, "detail": detail, "count": count, "ago": ago}


def to_bytes(value: Any) -> Any:
    """Every text as bytes, for the way to the rig."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, dict):
        return {k: to_bytes(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_bytes(v) for v in value]
    return value
