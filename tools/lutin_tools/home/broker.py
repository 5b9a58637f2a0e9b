"""The embedded broker: amqtt, and what it lacks for boards that come and go.

As it comes (0.12.1), amqtt forgets what it has acknowledged when a client leaves at once, never notices a
client that falls silent, lets a stranger without a password push a device off its session, answers no
second PUBREL, and sends each client everybody's retained messages. The classes below replace those
parts. They use amqtt's own methods, so its version is fixed in pyproject.toml.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import secrets
import socket
import ssl
from functools import partial
from typing import Any, cast

from amqtt import broker as amqtt
from amqtt.adapters import ReaderAdapter, StreamReaderAdapter, StreamWriterAdapter, WriterAdapter
from amqtt.errors import AMQTTError, MQTTError
from amqtt.mqtt.connack import BAD_USERNAME_PASSWORD, NOT_AUTHORIZED, ConnackPacket
from amqtt.mqtt.disconnect import DisconnectPacket
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.mqtt.puback import PubackPacket
from amqtt.mqtt.pubcomp import PubcompPacket
from amqtt.mqtt.publish import PublishPacket
from amqtt.mqtt.pubrec import PubrecPacket
from amqtt.mqtt.pubrel import PubrelPacket
from amqtt.session import IncomingApplicationMessage, Session

MOST_BYTES = 128 * 1024  # of one packet
_MOST_OPEN = 1000  # messages of QoS 2 that one client has begun and not finished
_MOST_KEPT = 1000  # messages for a client that is away; the oldest go
_MOST_WAITING = 30_000  # messages for a client that does not read; then it is cut off
_MOST_RETAINED = 5000  # topics
_FIRST_PACKET = 10  # s
_REST = 30  # s for the next part of a packet that has begun
_SILENCE = 30  # s beyond the client's keepalive: with the usual 60 that is one and a half times
_SESSION = 7 * 86400  # s that one is kept for a client that is away


class _Reader(StreamReaderAdapter):
    """Reads nothing more once a packet claimed to be too long, or did not go on."""

    _over = False

    async def read(self, n: int = -1) -> bytes:
        self._over = self._over or n > MOST_BYTES
        if self._over:
            raise ConnectionResetError
        if n == 1:  # a packet begins, whenever the client likes
            return await super().read(n)
        late = asyncio.get_running_loop().call_later(_REST, self.feed_eof)
        try:
            return await super().read(n)
        finally:
            late.cancel()


class _Handler(BrokerProtocolHandler):
    """One connection."""

    asked: Session  # as CONNECT says it
    waiting = 0  # messages that are on their way to it

    @property
    def _broker(self) -> Broker:
        return cast(Any, self.plugins_manager.context)._broker_instance

    @classmethod
    async def init_from_connect(
        cls, reader: ReaderAdapter, writer: WriterAdapter, plugins_manager: Any, loop: Any = None
    ) -> tuple[Any, Session]:
        """A login is looked at before any session is touched."""
        handler, session = await super().init_from_connect(reader, writer, plugins_manager, loop)
        assert isinstance(handler, _Handler)
        broker = handler._broker
        if not broker.lets_in(session):
            code = BAD_USERNAME_PASSWORD if session.username else NOT_AUTHORIZED
            await ConnackPacket.build(0, code).to_stream(writer)
            raise MQTTError(f"{session.client_id}: login refused")
        handler.asked = session
        await broker.evict(session.client_id or "")
        return handler, session

    def handle_read_timeout(self) -> None:
        if self.reader:
            self.reader.feed_eof()

    async def handle_publish(self, publish_packet: PublishPacket) -> None:
        session, number, qos = self.session, publish_packet.packet_id, publish_packet.qos
        if session is None or publish_packet.topic_name is None:
            return
        if qos not in (0, 1, 2) or len(session.inflight_in) > _MOST_OPEN:
            await self.handle_connection_closed()
            return
        message = IncomingApplicationMessage(
            number, publish_packet.topic_name, qos, publish_packet.data or b"", publish_packet.retain_flag
        )
        message.publish_packet = publish_packet
        if qos == 2 and number is not None:
            session.inflight_in.setdefault(number, message)  # a repetition changes nothing
            await self._send_packet(PubrecPacket.build(number))
            return
        await self._broker.take(session, self, message)
        if qos == 1 and number is not None:
            await self._send_packet(PubackPacket.build(number))

    async def handle_pubrel(self, pubrel: PubrelPacket) -> None:
        session, number = self.session, pubrel.packet_id
        if session is None:
            return
        message = session.inflight_in.pop(number, None)
        if message:
            await self._broker.take(session, self, message)
        # Also where nothing is known of it: then only the answer to an earlier one was lost.
        await self._send_packet(PubcompPacket.build(number))

    async def _handle_qos1_message_flow(self, app_message: Any) -> None:
        """Outgoing. Without an answer it stays in the session and goes again with the next connection."""
        session = self.session
        if session is None:
            return
        number = app_message.packet_id
        session.inflight_out[number] = app_message
        waiter = self._puback_waiters[number] = asyncio.get_running_loop().create_future()
        again = app_message.publish_packet is not None
        app_message.publish_packet = app_message.build_publish_packet(dup=again)
        try:
            await self._send_packet(app_message.publish_packet)
            await waiter
            session.inflight_out.pop(number, None)
        finally:
            self._puback_waiters.pop(number, None)

    async def _retry_deliveries(self) -> None:
        if self.session:
            for message in list(self.session.inflight_out.values()):
                self._broker.spawn(self._handle_qos1_message_flow(message))


class Broker(amqtt.Broker):
    """Listens where it is told, demands a login if there is one, and keeps its promises."""

    def __init__(self, user: str = "", password: str = "", context: ssl.SSLContext | None = None) -> None:
        super().__init__(
            amqtt.BrokerConfig.from_dict(
                {
                    "listeners": {"default": {"type": "tcp"}, "inner": {"type": "tcp"}},
                    "plugins": {},
                    "timeout_disconnect_delay": _SILENCE,
                    "session_expiry_interval": _SESSION,
                }
            )
        )
        self._login = (user, password)
        self._context = context
        self._running: set[asyncio.Task[Any]] = set()
        self._connections: set[asyncio.StreamWriter] = set()
        self._wanted: socket.socket | None = None
        # The page's own way in: another listener, on this machine alone, with a login that nobody knows.
        self.inner = (secrets.token_hex(8), secrets.token_hex(16))
        self.inner_port = 0
        self.port = 0

    async def listen(self, bind: str, port: int) -> None:
        """Start; OSError if the port cannot be had."""
        self._wanted = socket.create_server((bind, port), family=_family(bind), backlog=256)
        self.port = self._wanted.getsockname()[1]
        await self.start()

    async def _start_listeners(self) -> None:
        assert self._wanted
        inner = socket.create_server(("127.0.0.1", 0))
        self.inner_port = inner.getsockname()[1]
        for name, listener, context in (("default", self._wanted, self._context), ("inner", inner, None)):
            accept = partial(self.stream_connected, listener_name=name)
            server = await asyncio.start_server(accept, sock=listener, ssl=context)
            self._servers[name] = amqtt.Server(name, server)

    async def close(self) -> None:
        """Hang up."""
        for writer in list(self._connections):
            writer.transport.abort()
        for task in list(self._running):
            task.cancel()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.shutdown(), 5)

    def spawn(self, coroutine: Any) -> None:
        """Run it; what becomes of it is in the session."""
        task = asyncio.ensure_future(coroutine)
        self._running.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()

    # Connections

    def lets_in(self, session: Session) -> bool:
        """The login is right, or none is demanded."""
        given = (session.username or "", session.password or "")
        if _same(given, self.inner):
            return True
        return not self._login[0] or _same(given, self._login)

    async def stream_connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener_name: str
    ) -> None:
        self._connections.add(writer)
        try:
            await self._client_connected(listener_name, _Reader(reader), StreamWriterAdapter(writer))
        except (ConnectionError, ssl.SSLError, TimeoutError, asyncio.CancelledError):
            pass
        except Exception as e:  # whatever a packet made of it, the others go on
            self.logger.debug("a connection ended: %r", e)
        finally:
            self._connections.discard(writer)
            writer.close()

    async def _initialize_client_session(
        self, reader: ReaderAdapter, writer: WriterAdapter, remote_address: str, remote_port: int
    ) -> tuple[Any, Session]:
        try:
            handler, session = await asyncio.wait_for(
                super()._initialize_client_session(reader, writer, remote_address, remote_port), _FIRST_PACKET
            )
        except asyncio.TimeoutError:
            raise MQTTError("no CONNECT") from None
        session.will_retain = cast(_Handler, handler).asked.will_retain  # of a session that was found, too
        return handler, session

    async def _authenticate(self, session: Session, _: Any) -> bool:
        return True  # done by lets_in, before anything else

    async def evict(self, client_id: str) -> None:
        """An older connection of the same client ends, with its will, before the new one begins."""
        session, handler = self._sessions.get(client_id, (None, None))
        if session is None or handler is None or session.transitions.state != "connected":
            return
        await handler.handle_connection_closed()
        with contextlib.suppress(OSError):
            await asyncio.wait_for(handler.stop(), 1)
        for _ in range(100):
            if session.transitions.state != "connected":
                return
            await asyncio.sleep(0.01)

    # Messages

    async def take(self, session: Session, handler: _Handler, message: IncomingApplicationMessage) -> None:
        """One that is in: to whom it may concern."""
        arrived: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        arrived.set_result(message)
        if not await self._handle_message_delivery(session, handler, arrived):
            await handler.handle_connection_closed()

    async def _broadcast_message(
        self, session: Any, topic: str | None, data: Any, force_qos: int | None = None
    ) -> None:
        for pattern, subscribers in list(self._subscriptions.items()):
            if topic and self._matches(topic, pattern):
                for target, qos in subscribers:
                    self._pass_on(target, topic, data, qos)

    def _pass_on(self, target: Session, topic: str, data: bytes, qos: int, retain: bool = False) -> None:
        handler = self._get_handler(target)
        if target.transitions.state != "connected" or not isinstance(handler, _Handler):
            if qos and not target.clean_session:
                if target.retained_messages.qsize() >= _MOST_KEPT:
                    target.retained_messages.get_nowait()
                target.retained_messages.put_nowait(amqtt.RetainedApplicationMessage(None, topic, data, qos))
        elif handler.waiting >= _MOST_WAITING:
            if handler.reader:
                handler.reader.feed_eof()
        else:
            handler.waiting += 1
            self.spawn(self._send(handler, topic, data, qos, retain))

    async def _send(self, handler: _Handler, topic: str, data: bytes, qos: int, retain: bool) -> None:
        try:
            await handler.mqtt_publish(topic, data, qos, retain)
        finally:
            handler.waiting -= 1

    async def _publish_session_retained_messages(self, session: Session) -> None:
        while not session.retained_messages.empty():
            kept = session.retained_messages.get_nowait()
            self._pass_on(session, kept.topic, bytes(kept.data or b""), kept.qos or 0)

    async def retain_message(
        self, source_session: Any, topic_name: str | None, data: Any, qos: int | None = None
    ) -> None:
        if len(self._retained_messages) < _MOST_RETAINED or topic_name in self._retained_messages:
            await super().retain_message(source_session, topic_name, data, qos)

    async def add_subscription(self, subscription: tuple[str, int], session: Session) -> int:
        # At least once is what it can promise to who listens.
        return await super().add_subscription((subscription[0], min(subscription[1], 1)), session)

    async def _handle_subscription(
        self, client_session: Session, handler: Any, subscribe_waiter: Any
    ) -> None:
        asked = subscribe_waiter.result()
        codes = [await self.add_subscription(one, client_session) for one in asked.topics]
        await handler.mqtt_acknowledge_subscription(asked.packet_id, codes)
        for (pattern, _), code in zip(asked.topics, codes, strict=True):
            for topic, kept in list(self._retained_messages.items()):
                if code <= 2 and self._matches(topic, pattern):
                    self._pass_on(client_session, topic, bytes(kept.data or b""), code, retain=True)

    async def _publish_retained_messages_for_subscription(self, subscription: Any, session: Session) -> None:
        """Not with each connection, and not those of other clients' subscriptions."""

    async def _handle_disconnect(self, client_session: Session, handler: Any, disconnect_waiter: Any) -> None:
        if isinstance(disconnect_waiter.result(), DisconnectPacket):
            client_session.will_flag = False
        await super()._handle_disconnect(client_session, handler, disconnect_waiter)


def _same(given: tuple[str, str], wanted: tuple[str, str]) -> bool:
    return hmac.compare_digest("\0".join(given).encode(), "\0".join(wanted).encode())


def _family(bind: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in bind else socket.AF_INET


def quiet() -> None:
    """amqtt tells much that is no news to the person at the desk."""
    amqtt.BrokerProtocolHandler = _Handler  # pyright: ignore[reportPrivateImportUsage, reportAttributeAccessIssue]
    for name in ("amqtt", "transitions"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.CRITICAL)
        logger.propagate = False


__all__ = ["MOST_BYTES", "AMQTTError", "Broker", "quiet"]
