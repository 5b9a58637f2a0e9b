"""The page's side of MQTT: a client in a thread of its own, whose messages come to the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from ..release.read import Refused

_TOPICS = (
    ("lutin/+/availability", 1),
    ("lutin/+/status", 1),
    ("lutin/+/log", 1),  # at least once is enough: a line has a key
    ("+/device/+/config", 1),
)
_KEEPALIVE = 30  # s
_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True)
class Address:
    """Of a broker."""

    host: str
    port: int
    tls: bool = False
    user: str = ""
    password: str = ""


def address(url: str) -> Address:
    """Of mqtt://user:password@host:port; Refused for anything else."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Refused("no-broker", f"{url} is no address: mqtt://host:port") from None
    if parts.scheme not in _PORTS or not parts.hostname or parts.path not in ("", "/"):
        raise Refused("no-broker", "a broker's address is mqtt://host:port or mqtts://host:port")
    return Address(
        parts.hostname,
        port or _PORTS[parts.scheme],
        parts.scheme == "mqtts",
        unquote(parts.username or ""),
        unquote(parts.password or ""),
    )


@dataclass(frozen=True)
class Heard:
    """A message; done() once it is where it belongs: the broker sends it again otherwise."""

    topic: str
    data: bytes
    retained: bool
    done: Callable[[], object]


class Link:
    """Connects, subscribes, comes back by itself. heard and changed are called in the event loop."""

    def __init__(
        self,
        where: Address,
        client_id: str,
        heard: Callable[[Heard], object],
        changed: Callable[[str], object],
        ca: str | None = None,
    ) -> None:
        self._where = where
        self._heard = heard
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._arrived: deque[Heard] = deque()
        # Kept over there while this one is away, so that nothing is missed by a restart.
        client = self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=False, manual_ack=True
        )
        if where.tls:
            try:
                client.tls_set(ca, cert_reqs=ssl.CERT_REQUIRED)
            except (OSError, ssl.SSLError, ValueError) as e:
                raise Refused("no-broker", f"{ca}: {getattr(e, 'strerror', None) or e}") from None
        if where.user:
            client.username_pw_set(where.user, where.password or None)
        client.reconnect_delay_set(1, 30)
        client.max_queued_messages_set(1000)
        client.on_connect = self._on_connect
        client.on_connect_fail = lambda *_: self._say("it does not answer")
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message

    def start(self) -> None:
        """Begin to connect."""
        self._client.connect_async(self._where.host, self._where.port, _KEEPALIVE)
        self._client.loop_start()

    async def close(self) -> None:
        """Hang up."""
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    def send(self, topic: str, data: bytes, retain: bool = False) -> None:
        """At least once; Refused where nobody is there to take it."""
        if not self._client.is_connected():
            raise Refused("no-broker", "the broker is not there")
        self._client.publish(topic, data, qos=1, retain=retain)

    # In its thread

    def _on_connect(
        self, client: mqtt.Client, _: object, __: object, reason: ReasonCode, ___: object
    ) -> None:
        if reason.is_failure:
            self._say(f"it says: {str(reason).lower()}")
            return
        client.subscribe(list(_TOPICS))
        self._say("")

    def _on_disconnect(self, *arguments: object) -> None:
        self._say("the connection to it was lost")

    def _say(self, trouble: str) -> None:
        self._call(lambda: self._changed(trouble))

    def _on_message(self, client: mqtt.Client, _: object, message: mqtt.MQTTMessage) -> None:
        number, qos = message.mid, message.qos
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        heard = Heard(topic, bytes(message.payload), bool(message.retain), lambda: client.ack(number, qos))
        first = not self._arrived
        self._arrived.append(heard)
        if first:
            self._call(self._drain)

    def _call(self, function: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(function)

    # In the event loop

    def _drain(self) -> None:
        while self._arrived:
            self._heard(self._arrived.popleft())
