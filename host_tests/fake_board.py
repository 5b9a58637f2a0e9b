"""A stand-in for the simulated board, in CPython: speaks the bench protocol, does as its console is told.

Console: status, hang, exit CODE, say STATE-NUMBER, release NAME, server URL, many N. What the bench sends is printed as `got {…}`.
"""

from __future__ import annotations

import json
import math
import os
import queue
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

STATES = {
    1: ("no-settings", "No settings: waiting for BlinkUp.", [((255, 255, 0), 0.5), ((0, 0, 0), 0.5)]),
    6: (
        "no-network",
        "Network not found.",
        [((0, 0, 0), 0.5), ((255, 0, 0), 0.5), ((0, 0, 0), 0.5), ((255, 0, 0), 0.25), ((0, 0, 0), 0.25)]
        + [((255, 0, 0), 0.25)],
    ),
    17: ("connected", "Connected.", [((0, 255, 0), 0.5), ((0, 0, 0), 0.5)]),
}
AIR = [
    {"ssid": "workshop", "bssid": "02:4c:55:00:00:01", "channel": 6, "rssi": -48, "password": "correct horse"}
    | {"up": True, "refuse": False, "boot_ms": 0, "dhcp": "ok", "landing": False},
    {"ssid": "Café à l'étage", "bssid": "02:4c:55:00:00:02", "channel": 11, "rssi": -71, "password": ""}
    | {"up": False, "refuse": True, "boot_ms": 30000, "dhcp": "dead", "landing": True},
]
UPDATE: dict[str, Any] = {
    "slot": "factory",
    "number": 1,
    "version": "1",
    "home": "factory",
    "trial": None,
    "suspect": None,
    "rejected": None,
    "highest": 0,
    "failure": None,
    "next": None,
    "progress": None,
    "slots": [{"slot": "factory", "number": 1, "version": "1"}],
    "base": None,
}
_SLOTS = [
    {"slot": slot, "number": number, "version": "0.3"}
    for slot, number in (("factory", 1), ("a", 7), ("b", 8))
]
# What `release NAME` makes of it.
RELEASES: dict[str, dict[str, Any]] = {
    "new": {},
    "downloading": {"next": 0, "progress": [30000, 120000]},
    "trial": {
        "slot": "b",
        "number": 8,
        "version": "0.3",
        "home": "a",
        "highest": 7,
        "trial": {"slot": "b", "number": 8, "boots": 2, "of": 3},
        "slots": _SLOTS,
    },
    "rejected": {
        "slot": "a",
        "number": 7,
        "version": "0.3",
        "home": "a",
        "rejected": 8,
        "highest": 7,
        "next": 21000,
        "slots": _SLOTS,
        "failure": {"name": "landing-page", "detail": "redirect to login.example", "count": 3}
        | {"ago": 75, "at": None},
    },
}


class FakeBoard:
    """Everything in one loop; the two readers only fill a queue."""

    def __init__(self) -> None:
        self.origin = time.monotonic()
        self.inbox: queue.Queue[dict[str, Any]] = queue.Queue()
        self.socket = socket.create_connection(("127.0.0.1", int(os.environ["LUTIN_BENCH"])))
        self.state_dir = Path(os.environ["LUTIN_STATE"])
        self.state = 1
        self.step = -1
        self.step_until = 0.0
        self.level = 0.0
        self.hung = False
        self.release = "new"
        self.server = ""
        self.air = self.load("air.json", AIR)
        self.worn = self.load("wear.json", [])

    def load(self, name: str, default: Any) -> Any:
        path = self.state_dir / name
        return json.loads(path.read_text()) if path.exists() else default

    def us(self) -> int:
        return int((time.monotonic() - self.origin) * 1e6)

    def send(self, **message: Any) -> None:
        self.socket.sendall(json.dumps(message).encode() + b"\n")

    def read(self, stream: Any, wrap: Any) -> None:
        for line in stream:
            self.inbox.put(wrap(line))
        os._exit(0)

    def send_report(self) -> None:
        name, sentence, _ = STATES[self.state]
        up = self.us() // 1_000_000
        joined = self.state == 17
        networks = (
            [] if self.state == 1 else [{"ssid": "workshop", "password": True, "static": None, "proxy": None}]
        )
        wifi: dict[str, Any] = {"ssid": None, "state": name, "since": up, "reason": None, "attempts": 0}
        if self.state != 1:
            wifi.update(
                ssid="workshop", attempts=3, reason=None if joined else "no access point of that name"
            )
            wifi.update(last_failure=None if joined else "no-network")
        if joined:
            wifi.update(address="192.168.4.23", rssi=-48, channel=6, bssid="02:4c:55:00:00:01")
        report = {
            "state": {"number": self.state, "name": name, "sentence": sentence, "detail": ""},
            "wifi": wifi,
            "settings": {"networks": networks, "server": self.server, "broker": "", "name": "", "led": 0},
            "uptime": up,
            "restart_cause": {"1": "power-on", "2": "reset", "3": "watchdog"}[
                os.environ["LUTIN_RESET_CAUSE"]
            ],
            "heap_free": 70000,
            "blinkup": {"open": True, "receiving": self.level > 0.5},
            "update": {**UPDATE, **RELEASES[self.release]},
            "id": "00:11:22:33:44:55",
            "generation": 7,
        }
        self.send(t="report", report=report)

    def send_flash(self) -> None:
        what = ["old", "live", "blank", "live", "damaged", "blank", "blank", "blank"]
        sectors = [
            {
                "sector": n,
                "key": {"live": 1 + n // 3, "old": 1}.get(state),
                "generation": 6 + n,
                "state": state,
                "worn": n in self.worn,
                "erases": 3 * n,
            }
            for n, state in enumerate(what)
        ]
        self.send(t="flash", sectors=sectors)

    def show(self) -> None:
        cells = STATES[self.state][2]
        now = time.monotonic()
        if now >= self.step_until:
            self.step = (self.step + 1) % len(cells)
            rgb, length = cells[self.step]
            self.step_until = now + length
            self.send(t="led", us=self.us(), rgb=list(rgb))

    def command(self, line: str) -> None:
        word, _, rest = line.strip().partition(" ")
        if word == "status":
            print(f"lutin: state {self.state}, {STATES[self.state][0]}", flush=True)
        elif word == "hang":
            self.hung = True
        elif word == "exit":
            os._exit(int(rest))
        elif word == "say":
            self.state, self.step_until = int(rest), 0
            self.send_report()
        elif word == "release":
            self.release = rest
            self.send_report()
        elif word == "server":
            self.server = rest
            self.send_report()
        elif word == "update":
            print("looking", flush=True)
        elif word == "many":
            print("\n".join(f"line {n}" for n in range(int(rest))), flush=True)
        elif word == "rubbish":
            self.socket.sendall(b"this is no JSON\n[1]\n")
        elif word == "prompt":
            print(">>> ", end="", flush=True)
        else:
            print(f"no such command: {word}", flush=True)

    def take(self, message: dict[str, Any]) -> None:
        if message["t"] == "typed":
            self.command(message["line"])
            return
        if message["t"] != "light":
            print("got " + json.dumps(message), flush=True)
        if message["t"] == "light" and message["frames"]:
            if len(message["frames"]) == 1:
                print("got " + json.dumps(message), flush=True)
            self.level = message["frames"][-1][1]
        elif message["t"] == "air":
            self.air = message["aps"]
            (self.state_dir / "air.json").write_text(json.dumps(self.air))
            self.send(t="air", aps=self.air)
        elif message["t"] == "wear":
            self.worn = sorted(
                {*self.worn, message["sector"]} - ({message["sector"]} if not message["worn"] else set())
            )
            (self.state_dir / "wear.json").write_text(json.dumps(self.worn))
            self.send_flash()

    def run(self) -> None:
        typed = lambda line: {"t": "typed", "line": line}  # noqa: E731
        for stream, wrap in ((sys.stdin, typed), (self.socket.makefile(), json.loads)):
            threading.Thread(target=self.read, args=(stream, wrap), daemon=True).start()
        print(f"a fake board, reset cause {os.environ['LUTIN_RESET_CAUSE']}", flush=True)
        self.send(t="air", aps=self.air)
        self.send_flash()
        next_report = next_pulse = next_trace = time.monotonic()
        while True:
            try:
                self.take(self.inbox.get(timeout=0.02))
            except queue.Empty:
                pass
            if self.hung:
                continue
            now = time.monotonic()
            self.show()
            if now >= next_report:
                next_report = now + 0.5
                self.send_report()
            if now >= next_pulse:
                next_pulse = now + 0.2
                self.send(t="pulse")
            if now >= next_trace:
                next_trace = now + 0.1
                us = self.us()
                values = [
                    int(6000 + 50000 * self.level + 900 * math.sin((us + i * 5000) / 9000)) for i in range(20)
                ]
                self.send(t="trace", us=us + 19 * 5000, dt=5000, v=values)


if __name__ == "__main__":
    FakeBoard().run()
