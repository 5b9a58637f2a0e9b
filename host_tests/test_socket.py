"""`socket` behind the simulated air, and the virtual time that it shares with servers (lockstep.py)."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from lockstep import Lockstep
from unixport import Rig

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig("sockets") as r:
        yield r


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Of a server on this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    if connection.recv(1000):
                        connection.sendall(ANSWER)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]


def test_without_an_address_no_name_and_no_connection(rig: Rig, port: int) -> None:
    assert rig.call("bare", "localhost", port, join=False) == ["OSError: -202", "OSError: 118"]
    assert rig.call("bare", "localhost", port, {"dhcp": "dead"}) == ["OSError: -202", "OSError: 118"]


def test_with_an_address_the_hosts_network_is_there(rig: Rig, port: int) -> None:
    assert rig.call("bare", "localhost", port) == ["ok", "ok", "ok", "ok", ANSWER[:20]]


def test_a_lost_network_takes_its_sockets_with_it(rig: Rig, port: int) -> None:
    aborted = "OSError: [Errno 113] EHOSTUNREACH"  # newlib's ECONNABORTED, under the host's name
    assert rig.call("bare", "localhost", port, lose=True)[1:] == ["ok", aborted, aborted, None]


def test_a_landing_page_stands_before_every_name_and_does_not_pretend_to_be_https(rig: Rig) -> None:
    told = rig.call("bare", "a.invalid", 80, {"landing": True})
    assert told == ["ok", "ok", "ok", "ok", b"HTTP/1.1 302 Found\r\n"]
    told = rig.call("bare", "a.invalid", 443, {"landing": True})
    assert told == ["ok", "OSError: [Errno 111] ECONNREFUSED"]


def test_names_are_what_the_network_says_they_are(rig: Rig) -> None:
    assert rig.call("address", "a.invalid", {}) == "OSError: -202"
    assert rig.call("address", "a.invalid", {"dns": "10.0.0.7"}) == [10, 0, 0, 7]
    assert rig.call("address", "10.0.0.8", {"dns": "10.0.0.7"}) == [10, 0, 0, 8]
    assert rig.call("address", "localhost", {"dns": "dead"}) == "OSError: -202"
    assert rig.call("address", "localhost", {"dns": ""}) == [127, 0, 0, 1]


def test_tls_closes_the_socket_that_it_was_wrapped_around_once(rig: Rig, port: int) -> None:
    before, wrapped, after, last = rig.call("closed_by_tls", port)
    assert wrapped == before + 1
    assert after == last == before


def test_a_server_and_the_board_share_one_virtual_time(rig: Rig, tmp_path: Path) -> None:
    with Lockstep(tmp_path) as net:

        async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for char in b"hello":
                writer.write(bytes([char]))
                await net.sleep(60)
            writer.write(b"\n")

        line, ms, turns = rig.call("slow_line", net.listen(slow), net.control)
    assert line == b"hello\n"
    assert ms == 300_000
    assert 298 <= turns <= 300
