"""firmware/lutin/broker/homeassistant.py: what appears in Home Assistant, asked of Home Assistant itself."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import homeassistant_setup
import mqtt
import pytest
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from unixport import Rig
from words import ID, failed, report, to_bytes

BOUND = 4000
PATIENCE = 20.0  # s

# Of each entity: platform, name, device class, category.
ENTITIES = {
    "connection": ("binary_sensor", "Connection", "connectivity", "diagnostic"),
    "state": ("sensor", "State", "enum", None),
    "failure": ("sensor", "Last failure", None, "diagnostic"),
    "signal": ("sensor", "Signal", "signal_strength", "diagnostic"),
    "network": ("sensor", "Network", None, "diagnostic"),
    "address": ("sensor", "Address", None, "diagnostic"),
    "restart": ("button", "Restart", "restart", "config"),
    "identify": ("button", "Identify", "identify", "diagnostic"),
    "firmware": ("update", "Firmware", "firmware", "config"),
}
GONE = dict.fromkeys(ENTITIES, "unavailable")

CONNECTED = report()
LOADING = report(
    state={"number": 18, "name": "downloading", "sentence": "Downloading an update.", "detail": "release 4"},
    update={"offered": 4, "progress": [400, 1000]},
)
FAILED = report(
    state={
        "number": 20,
        "name": "update-refused",
        "sentence": "Update refused.",
        "detail": "signature-wrong",
    },
    update={"offered": 4, "failure": failed("signature-wrong", 7, 2, "key 1")},
)
UPDATED = report(update={"number": 4, "version": "0.4", "slot": "b", "offered": 4})


@pytest.fixture(scope="module")
def rig():
    with Rig("broker_words") as r:
        yield r


def said(rig, report) -> dict[str, Any]:
    return rig.call("said", to_bytes(report))


def test_the_message_is_one_of_less_than_4_kb_and_never_in_memory_as_a_whole(rig):
    longest = report(
        id="f" * 12,
        board="b" * 32,
        settings={"name": "\\" * 32},
        update={"number": 1 << 30, "version": "v" * 64},
    )
    data = said(rig, longest)
    assert 2500 < len(data["config"]) < BOUND
    config, status = rig.call("room", to_bytes(longest))
    assert config < BOUND // 2 and status < BOUND  # on the desk, where objects are twice as large
    assert data["topic"] == "homeassistant/device/lutin-ffffffffffff/config"


def test_a_name_may_be_anything_and_the_id_holds_where_there_is_none(rig):
    for name in ('a "name" \\', "@@", "{{ value }}", "Küche 😀"):
        assert json.loads(said(rig, report(settings={"name": name}))["config"])["dev"]["name"] == name
    assert json.loads(said(rig, report(settings={"name": ""}))["config"])["dev"]["name"] == f"lutin-{ID}"


def test_every_state_is_an_option_and_every_entity_has_an_id_of_its_own(rig):
    parts = json.loads(said(rig, CONNECTED)["config"])["cmps"]
    assert parts["state"]["ops"] == rig.call("names")
    assert [part["uniq_id"] for part in parts.values()] == [f"lutin-{ID}-{name}" for name in parts]
    assert set(parts) == set(ENTITIES)
    assert [name for name, part in parts.items() if part.get("qos") == 1] == [
        "restart",
        "identify",
        "firmware",
    ]


def test_templates_give_their_values_in_a_sandbox_where_nothing_may_be_undefined(rig):
    # What Home Assistant renders them in; this runs also where it itself cannot.
    sandbox = ImmutableSandboxedEnvironment(undefined=StrictUndefined)

    def values(report):
        data = said(rig, report)
        status = json.loads(data["status"])
        return {
            (name, key): sandbox.from_string(text).render(value_json=status)
            for name, part in json.loads(data["config"])["cmps"].items()
            for key, text in part.items()
            if key.endswith("_tpl")
        }

    got = values(CONNECTED)
    assert got["signal", "val_tpl"] == "-61" and got["failure", "val_tpl"] == "none"
    assert json.loads(got["firmware", "val_tpl"]) == {"installed_version": "3", "update_percentage": None}
    got = values(LOADING)
    assert (
        got["firmware", "l_ver_tpl"] == "4"
        and json.loads(got["firmware", "val_tpl"])["update_percentage"] == 40
    )
    got = values(FAILED)
    assert got["failure", "val_tpl"] == "signature-wrong"
    assert json.loads(got["failure", "json_attr_tpl"])["count"] == 2
    assert values(report(update={"offered": None}))["firmware", "l_ver_tpl"] == ""


class HomeAssistant:
    """The real one, in a process of its own."""

    def __init__(self, command: list[str], env: dict[str, str], port: int, folder: Path) -> None:
        self._errors = folder / "homeassistant.log"
        with self._errors.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, str(port)],
                env=env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout and self.process.stdout.readline() == "ready\n", self._errors.read_text()

    def ask(self, *what: str) -> Any:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline() or "null")

    def until(self, device: str, what: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """The device's entities, once that is true of them."""
        end = time.monotonic() + PATIENCE
        while True:
            states = self.ask("states") or {}
            own = f"lutin-{device}-"
            mine = {name.removeprefix(own): state for name, state in states.items() if name.startswith(own)}
            if mine and what({name: entity["state"] for name, entity in mine.items()}):
                return mine
            assert time.monotonic() < end, (mine, self.complaints())
            time.sleep(0.05)

    def complaints(self) -> list[str]:
        """What it has logged about what it was sent."""
        about = r"^(?:WARNING|ERROR|CRITICAL):homeassistant\.(?:components|helpers\.template|helpers\.entity|core).*"
        return re.findall(about, self._errors.read_text(), re.MULTILINE)

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.mark.skipif(not mqtt.MOSQUITTO, reason="mosquitto is not installed")
def test_home_assistant_shows_the_device_in_every_situation_and_commands_it(rig, tmp_path):
    try:
        command, env = homeassistant_setup.command()
    except homeassistant_setup.Missing as e:
        pytest.skip(str(e))
    broker = mqtt.Mosquitto(tmp_path)
    peer = mqtt.Peer(broker.port, "lutin/+/command")

    def say(report=None, availability=None):
        if report:
            data = said(rig, report)
            peer.publish(data["topic"], data["config"], retain=True)
            peer.publish(f"lutin/{ID}/status", data["status"], retain=True)
        if availability:
            peer.publish(f"lutin/{ID}/availability", availability, retain=True)
        peer.settled()

    # One that was there before: what its own client has said, which the broker kept, and its last will.
    settings = {"ssid": "Home", "password": "correct-horse-9", "broker": f"mqtt://127.0.0.1:{broker.port}"}
    with Rig("broker_words") as pulled:
        seen = pulled.call("live", settings, 5000)["report"]["id"]
    say(CONNECTED, "online")
    home = HomeAssistant(command, env, broker.port, tmp_path)
    try:
        got = home.until(ID, lambda states: states.get("firmware") == "off" and len(states) == len(ENTITIES))
        assert {
            name: (one["entity"].partition(".")[0], one["name"], one["device_class"], one["category"])
            for name, one in got.items()
        } == ENTITIES
        shown = {name: one["state"] for name, one in got.items()}
        assert shown == {
            "connection": "on",
            "state": "connected",
            "failure": "none",
            "signal": "-61",
            "network": "Home",
            "address": "192.168.1.20",
            "restart": "unknown",  # a button's state is when it was last pressed
            "identify": "unknown",
            "firmware": "off",  # nothing newer
        }
        assert got["signal"]["attributes"]["unit_of_measurement"] == "dBm"
        assert got["state"]["attributes"]["sentence"] == "Connected."
        devices = {one["identifiers"][0][1]: one for one in home.ask("devices")}
        assert devices[f"lutin-{ID}"] == {
            "identifiers": [["mqtt", f"lutin-{ID}"]],
            "name": "Kitchen",
            "model": "esp32-devkit",
            "manufacturer": "lutin",
            "sw_version": "3 (0.3)",
        }
        # The real device's own message; it is gone, which its last will has said.
        other = home.until(seen, lambda states: len(states) == len(ENTITIES))
        assert {name: one["state"] for name, one in other.items()} == {**GONE, "connection": "off"}

        say(LOADING)
        got = home.until(ID, lambda states: states["state"] == "downloading")["firmware"]
        assert got["state"] == "on" and got["attributes"]["in_progress"]
        versions = got["attributes"]["installed_version"], got["attributes"]["latest_version"]
        assert (*versions, got["attributes"]["update_percentage"]) == ("3", "4", 40)

        say(FAILED)
        got = home.until(ID, lambda states: states["state"] == "update-refused")
        assert (
            got["failure"]["state"] == "signature-wrong" and got["failure"]["attributes"]["detail"] == "key 1"
        )
        assert not got["firmware"]["attributes"]["in_progress"] and got["firmware"]["state"] == "on"

        say(availability="offline")
        got = home.until(ID, lambda states: states["connection"] == "off")
        assert {name: one["state"] for name, one in got.items()} == {**GONE, "connection": "off"}

        say(UPDATED, "online")
        got = home.until(ID, lambda states: states["firmware"] == "off")
        assert (
            got["firmware"]["attributes"]["installed_version"] == "4" and got["connection"]["state"] == "on"
        )

        for domain, service, name in (
            ("button", "press", "restart"),
            ("button", "press", "identify"),
            ("update", "install", "firmware"),
        ):
            if name == "firmware":
                say(FAILED)
                got = home.until(ID, lambda states: states["firmware"] == "on")
            home.ask("call", domain, service, got[name]["entity"])
        assert peer.wait(lambda: len(peer.messages("command")) == 3)
        commands = [message.data for message in peer.messages(f"lutin/{ID}/command")]
        assert commands == [b"restart", b"identify", b"update"]
        assert home.complaints() == []
    finally:
        home.close()
        peer.close()
        broker.stop()
    assert [done for _, done in rig.call("obey", [[data, False] for data in commands])] == [
        [["restart"]],
        [["identify"]],
        [["update"]],
    ]
