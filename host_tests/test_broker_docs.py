"""docs/broker.md: the configurations in it, with the real mosquitto and nginx; its examples, with the firmware."""

from __future__ import annotations

import getpass
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import mqtt
import paho.mqtt.client as paho
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from lutin_tools import certificates
from lutin_tools.paths import ROOT
from paho.mqtt.enums import CallbackAPIVersion
from unixport import Rig
from words import failed, report, to_bytes

TEXT = (ROOT / "docs" / "broker.md").read_text()
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin:/opt/homebrew/bin")
BOARD = "240ac4123456"  # the simulated one's id


@pytest.fixture(scope="module")
def rig():
    with Rig("broker_words") as r:
        yield r


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    return found


def test_the_example_of_a_status_is_what_a_board_says(rig):
    (example,) = re.findall(r"### status\n\n(.*?)\n\n", TEXT, re.DOTALL)
    loading = report(
        state={
            "number": 18,
            "name": "downloading",
            "sentence": "Downloading an update.",
            "detail": "release 4",
        },
        update={"offered": 4, "progress": [400, 1000]},
        wifi={"last_failure": "'Home': wrong-password (202)"},
        broker={"failure": failed("timed-out", 118)},
    )
    assert json.loads(example) == json.loads(rig.call("said", to_bytes(loading))["status"])


def test_each_command_of_the_table_is_obeyed(rig):
    (table,) = re.findall(r"\| message \| \|\n\|---\|---\|\n(.*?)\n\n", TEXT, re.DOTALL)
    commands = re.findall(r"^\| `(.*?)` \|", table, re.MULTILINE)
    assert len(commands) == 5
    assert all(done for _, done in rig.call("obey", [[command.encode(), False] for command in commands]))


@pytest.mark.skipif(not NGINX, reason="nginx is not installed")
def test_nginx_takes_its_configuration(tmp_path):
    whole = f"pid {tmp_path}/pid; error_log {tmp_path}/log; events {{}} http {{ access_log off; {block('nginx')} }}"
    (tmp_path / "nginx.conf").write_text(whole)
    done = subprocess.run(
        [str(NGINX), "-t", "-c", str(tmp_path / "nginx.conf")], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


class House(mqtt.Mosquitto):
    """As the page says, with its files here."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self._process = folder, mqtt.free_port(), None
        self.made = made = certificates.ensure(folder / "tls", ["localhost"], [])
        self.ca, passwords, rights = folder / "ca.crt", folder / "passwd", folder / "lutin.acl"
        ca = x509.load_der_x509_certificate(made.ca_der.read_bytes())
        self.ca.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
        rights.write_text(block("acl"))
        rights.chmod(0o600)
        for user in ("owner", "homeassistant", BOARD):
            more = [] if passwords.exists() else ["-c"]
            command = [str(mqtt.PASSWD), "-b", *more, str(passwords), user, f"secret of {user}"]
            subprocess.run(command, check=True, capture_output=True)
        config = block("mosquitto").replace("listener 8883", f"listener {self.port} 127.0.0.1")
        for name, path in {
            "cafile": self.ca,
            "certfile": made.cert,
            "keyfile": made.key,
            "password_file": passwords,
            "acl_file": rights,
        }.items():
            config, count = re.subn(rf"^{name} .*$", f"{name} {path}", config, flags=re.MULTILINE)
            assert count == 1
        (folder / "mosquitto.conf").write_text(f"user {getpass.getuser()}\n{config}")
        self.start()


class Client:
    """With a login."""

    def __init__(self, broker: House, user: str, client: str, *topics: str) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client)
        self._client.username_pw_set(user, f"secret of {user}")
        self._client.tls_set(str(broker.ca))
        self._client.on_message = lambda _, __, message: self.heard.append(
            (message.topic, bytes(message.payload))
        )
        self._client.connect("localhost", broker.port)
        for topic in topics:
            self._client.subscribe(topic, 1)

    def publish(self, topic: str, data: str = "x") -> None:
        """Returns when the broker has it, and whatever else it had to say by then is here."""
        done = self._client.publish(topic, data, 1)
        self._until(done.is_published)

    def _until(self, enough: Any) -> None:
        for _ in range(1000):
            if enough():
                return
            assert self._client.loop(0.05) == 0
        raise AssertionError(self.heard)

    def until(self, *topics: str) -> None:
        self._until(lambda: set(topics) <= {topic for topic, _ in self.heard})

    def close(self) -> None:
        self._client.disconnect()


@pytest.mark.skipif(not (mqtt.MOSQUITTO and mqtt.PASSWD), reason="mosquitto is not installed")
def test_with_the_configuration_for_mosquitto_a_board_may_do_what_it_must_and_not_more(rig, tmp_path):
    broker = House(tmp_path)
    topic = f"lutin/{BOARD}/"
    try:
        owner = Client(broker, "owner", "owner", "#")
        login = f"secret%20of%20{BOARD}"
        settings = {
            "ssid": "Home",
            "password": "correct-horse-9",
            "broker": f"mqtts://{BOARD}:{login}@localhost:{broker.port}",
            "ca": broker.made.ca_der.read_bytes(),
        }
        with Rig("broker_words") as board:
            assert board.call("live", settings, 5000)["report"]["broker"]["state"] == "connected"
            discovery = f"homeassistant/device/lutin-{BOARD}/config"
            owner.until(topic + "availability", topic + "status", topic + "log", discovery)

        # Somebody with that board's login, and what others say to other boards.
        thief = Client(
            broker, BOARD, f"lutin-{BOARD}", topic + "command", "lutin/+/command", "lutin/+/status", "#"
        )
        home = Client(broker, "homeassistant", "homeassistant", "lutin/+/status")
        home.publish(topic + "command", "identify")
        home.publish(topic + "status", "not for Home Assistant")
        owner.publish("lutin/other/command", "restart")
        owner.publish("homeassistant/status", "online")
        owner.publish(topic + "in/lamp", "on")
        for denied in ("lutin/other/status", "lutin/other/command", "lutin/other/log", topic + "command"):
            thief.publish(denied, "forged")
        thief.publish("homeassistant/device/lutin-other/config", "forged")
        thief.publish(topic + "out/lamp", "is on")
        thief.until(topic + "command", topic + "in/lamp", "homeassistant/status")
        owner.until(topic + "out/lamp")
        assert [data for name, data in owner.heard if data in (b"forged", b"not for Home Assistant")] == []
        assert {name for name, _ in thief.heard} == {
            topic + "command",
            topic + "in/lamp",
            "homeassistant/status",
        }
        for client in (owner, thief, home):
            client.close()
    finally:
        broker.stop()
