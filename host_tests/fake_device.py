"""A device that speaks MQTT as the firmware does, for tests of the desk's side."""

from __future__ import annotations

import json
import threading
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

DEADLINE = 20  # s

STATUS: dict[str, Any] = {
    "board": "unix",
    "state": {"number": 17, "name": "connected", "sentence": "Connected.", "detail": ""},
    "network": {
        "ssid": "Home",
        "bssid": "02:00:00:00:00:01",
        "channel": 6,
        "rssi": -61,
        "address": "192.168.1.20",
        "since": 100,
    },
    "release": {"number": 3, "version": "0.3", "slot": "a", "trial": None, "rejected": None, "suspect": None},
    "update": {"installed": "3", "latest": "3", "percent": None},
    "uptime": 120,
    "restart_cause": "power-on",
    "heap_free": 91000,
    "generation": 4,
    "failure": None,
    "app": "none",
    "log": {"level": "info", "dropped": 0},
}


class FakeDevice:
    """Connected when it has been made."""

    def __init__(
        self, port: int, device: str, name: str = "", start: str = "0badcafe", mine: bool = True, **login: str
    ) -> None:
        self.id = device
        self.start = start
        self.seq = 0
        self.commands: list[bytes] = []
        self.news = threading.Event()
        self.refused = threading.Event()
        self._name = name
        self._mine = mine
        self._there = threading.Event()
        client = self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=f"lutin-{device}", clean_session=not mine
        )
        if login:
            client.username_pw_set(login["user"], login["password"])
        client.will_set(self.topic("availability"), b"offline", 1, True)
        client.max_queued_messages_set(0)
        client.on_connect = self._connected
        client.on_message = self._command
        client.connect("127.0.0.1", port, 60)
        client.loop_start()

    def there(self) -> FakeDevice:
        """Once it is connected."""
        assert self._there.wait(DEADLINE)
        return self

    def topic(self, what: str) -> str:
        return f"lutin/{self.id}/{what}"

    def _connected(self, client: mqtt.Client, _: object, __: object, reason: Any, ___: object) -> None:
        if reason.is_failure:
            self.refused.set()
            client.disconnect()
            return
        if self._mine:
            client.subscribe(self.topic("command"), 1)
            config = json.dumps({"name": self._name}).encode()
            client.publish(f"homeassistant/device/lutin-{self.id}/config", config, 1, True)
        client.publish(self.topic("availability"), b"online", 1, True)
        self.status()
        self._there.set()

    def _command(self, _: mqtt.Client, __: object, message: mqtt.MQTTMessage) -> None:
        self.commands.append(bytes(message.payload))
        self.news.set()

    def status(self, **changed: Any) -> None:
        status = {"id": self.id, "name": self._name, **STATUS, **changed}
        self.client.publish(self.topic("status"), json.dumps(status).encode(), 1, True)

    def log(self, text: str, level: str = "info", **more: Any) -> mqtt.MQTTMessageInfo:
        self.seq += 1
        line = {"start": self.start, "seq": self.seq, "up": self.seq * 1000, "level": level, "text": text}
        return self.client.publish(self.topic("log"), json.dumps({**line, **more}).encode(), 2)

    def cut(self) -> None:
        """The plug is pulled: no goodbye."""
        self.client.loop_stop()
        sock = self.client.socket()
        if sock:
            sock.close()

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
