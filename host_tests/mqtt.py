"""What the tests of the broker need on this machine: mosquitto, another client, and a link that can be cut."""

from __future__ import annotations

import contextlib
import getpass
import json
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

_PLACES = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin:/opt/homebrew/sbin:/opt/homebrew/bin"
MOSQUITTO = shutil.which("mosquitto", path=_PLACES)
PASSWD = shutil.which("mosquitto_passwd", path=_PLACES)
_PATIENCE = 10.0  # s


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Mosquitto:
    """A broker in a process, for everybody on the first of its ports; more: lines of its configuration."""

    def __init__(self, folder: Path, *more: str) -> None:
        assert MOSQUITTO
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        lines = [
            f"user {getpass.getuser()}",  # else root's would become one that may not read the folder
            "per_listener_settings true",
            "max_queued_messages 0",  # the other client may be slower than a burst
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous true",
            *more,
        ]
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
        self.start()

    def start(self) -> None:
        assert MOSQUITTO and self._process is None
        with (self.folder / "mosquitto.log").open("ab") as log:
            command = [MOSQUITTO, "-v", "-c", str(self.folder / "mosquitto.conf")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                assert time.monotonic() < end and self._process.poll() is None, self.log()
                time.sleep(0.01)

    def stop(self) -> None:
        """In an orderly way: it writes down what it keeps."""
        if self._process:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def log(self) -> str:
        return (self.folder / "mosquitto.log").read_text(errors="replace")


class Message:
    """One that has come."""

    def __init__(self, topic: str, data: bytes, retained: bool) -> None:
        self.topic, self.data, self.retained = topic, data, retained

    @property
    def json(self) -> Any:
        return json.loads(self.data)


class Peer:
    """Another client of the broker, who hears these topics with QoS 2."""

    def __init__(self, port: int, *topics: str) -> None:
        self._messages: list[Message] = []
        self._news = threading.Condition()
        self._acknowledged = 0
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._file = self._socket.makefile("rb")
        self._number = 0
        name = f"peer-{id(self)}-{time.monotonic_ns()}".encode()
        self._send(0x10, b"\0\4MQTT\4\2\0\0" + _string(name))
        assert self._packet()[0] == 0x20
        if topics:
            self._send(0x82, b"\0\1" + b"".join(_string(topic.encode()) + b"\2" for topic in topics))
            assert self._packet() == (0x90, b"\0\1" + b"\2" * len(topics))
        self._socket.settimeout(None)
        self._ears = threading.Thread(target=self._listen, daemon=True)
        self._ears.start()

    def publish(self, topic: str, data: bytes | str, qos: int = 1, retain: bool = False) -> None:
        """Returns when it has been sent."""
        data = data.encode() if isinstance(data, str) else data
        self._number = self._number % 65535 + 1
        number = struct.pack(">H", self._number) if qos else b""
        self._send(0x30 | qos << 1 | retain, _string(topic.encode()) + number + data)

    def messages(self, topic: str = "") -> list[Message]:
        """Those to topics that end so."""
        with self._news:
            return [message for message in self._messages if message.topic.endswith(topic)]

    def wait(self, enough: Callable[[], Any], seconds: float = _PATIENCE) -> bool:
        """Until that is true of what has come."""
        with self._news:
            return bool(self._news.wait_for(enough, seconds))

    def settled(self) -> None:
        """The broker has done all that was asked of it by now."""
        with self._news:
            before = self._acknowledged
            self._send(0xC0, b"")
            assert self._news.wait_for(lambda: self._acknowledged > before, _PATIENCE)

    def ended(self) -> None:
        """The broker has hung up, and all that it had sent is here."""
        self._ears.join(_PATIENCE)
        assert not self._ears.is_alive()

    def close(self) -> None:
        with contextlib.suppress(OSError):  # it has been closed from the other side
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _listen(self) -> None:
        try:
            while True:
                self._take(*self._packet())
        except (OSError, ValueError, IndexError, struct.error):
            pass  # closed

    def _take(self, first: int, body: bytes) -> None:
        if first & 0xF0 == 0x30:
            size = struct.unpack_from(">H", body)[0]
            at = 2 + size
            qos = first >> 1 & 3
            if qos:
                self._send(0x40 if qos == 1 else 0x50, body[at : at + 2])
            message = Message(body[2 : 2 + size].decode(), body[at + (2 if qos else 0) :], bool(first & 1))
            with self._news:
                self._messages.append(message)
                self._news.notify_all()
        elif first == 0x50:
            self._send(0x62, body)
        elif first == 0x62:
            self._send(0x70, body)
        elif first == 0xD0:
            with self._news:
                self._acknowledged += 1
                self._news.notify_all()

    def _send(self, first: int, body: bytes) -> None:
        self._socket.sendall(packet(first, body))

    def _packet(self) -> tuple[int, bytes]:
        first = self._file.read(1)[0]
        size = shift = 0
        while True:
            byte = self._file.read(1)[0]
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 128:
                break
        return first, self._file.read(size)


class Cutter:
    """A proxy before a broker, which lets so many packets through, of both directions, and then hangs up."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.left: int | None = None  # packets; None: no end
        self.passed = 0
        self._lock = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._open: Sequence[socket.socket] = ()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._server.close()
        self.hang_up()

    def _serve(self) -> None:
        while True:
            try:
                here, _ = self._server.accept()
                there = socket.create_connection(("127.0.0.1", self._port))
            except OSError:
                return
            for one in (here, there):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open = (here, there)
            for source, sink in ((here, there), (there, here)):
                threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        file = source.makefile("rb")
        try:
            while True:
                head = file.read(2)
                while head[-1] & 0x80:
                    head += file.read(1)
                size = sum((byte & 0x7F) << 7 * i for i, byte in enumerate(head[1:]))
                data = head + file.read(size)
                with self._lock:
                    if self.left == 0:
                        break
                    if self.left:
                        self.left -= 1
                    self.passed += 1
                    sink.sendall(data)
        except (OSError, IndexError, ValueError):
            pass
        for one in (source, sink):
            _shut(one)

    def hang_up(self) -> None:
        """The link is cut."""
        for one in self._open:
            _shut(one)


def packet(first: int, body: bytes) -> bytes:
    """With its head."""
    size, head = len(body), bytes([first])
    while True:
        head += bytes([size & 0x7F | (0x80 if size > 0x7F else 0)])
        size >>= 7
        if not size:
            return head + body


def _shut(one: socket.socket) -> None:
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it was


def _string(data: bytes) -> bytes:
    return struct.pack(">H", len(data)) + data
