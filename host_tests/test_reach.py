"""reach.py: whether the owner's server is really there; and `socket` behind the simulated air."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unixport import Rig, RigError

JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
Serve = Callable[..., str]


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig("reach") as r:
        yield r


class Server:
    """Answers each connection with the pieces given, then closes it or keeps silent."""

    def __init__(self, pieces: tuple[bytes, ...], hang: bool) -> None:
        self.requests: list[bytes] = []
        self._pieces = pieces
        self._hang = hang
        self._kept: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            request = b""
            while b"\r\n\r\n" not in request:
                more = connection.recv(1000)
                if not more:
                    break
                request += more
            self.requests.append(request)
            try:
                for piece in self._pieces:
                    connection.sendall(piece)
            except OSError:
                pass
            if self._hang:
                self._kept.append(connection)
            else:
                connection.close()

    def released(self) -> bool:
        """Whether the other side has closed the connection that was kept."""
        self._kept[0].settimeout(3)
        try:
            return self._kept[0].recv(100) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    def close(self) -> None:
        if self._listener.fileno() >= 0:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        for connection in self._kept:
            connection.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def make(*pieces: bytes, hang: bool = False) -> Server:
        servers.append(Server(pieces, hang))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


def test_the_owners_server_is_found_stage_by_stage(rig: Rig, serve: Any) -> None:
    server = serve(JSON)
    result, detail, said, _, opened = rig.call("ask", f"http://127.0.0.1:{server.port}/lutin/")
    assert (result, detail) == ("connected", "")
    assert said == [["resolving", "127.0.0.1"], ["connecting", "127.0.0.1"]]
    assert server.requests[0].startswith(b"GET /lutin/release.json HTTP/1.1\r\nHost: 127.0.0.1:")
    assert opened[0][2] == {}


def test_an_answer_in_single_bytes_is_understood(rig: Rig, serve: Any) -> None:
    server = serve(*(JSON[i : i + 1] for i in range(len(JSON))))
    assert rig.call("ask", f"http://127.0.0.1:{server.port}")[0] == "connected"


def test_https_is_asked_for_by_the_ssl_flag_alone(rig: Rig, serve: Any) -> None:
    server = serve(b"this is no TLS\r\n\r\n")
    result, _, _, _, opened = rig.call("ask", f"https://127.0.0.1:{server.port}")
    assert result == "no-server"
    assert opened == [["127.0.0.1", server.port, {"ssl": True}]]


def test_a_name_that_nobody_knows_is_told_apart_from_a_server_that_is_away(rig: Rig, serve: Any) -> None:
    assert rig.call("ask", "http://no-such-name.invalid/")[:3] == [
        "no-name",
        "error -202",
        [["resolving", "no-such-name.invalid"]],
    ]
    server = serve(JSON)
    server.close()
    assert rig.call("ask", f"http://127.0.0.1:{server.port}")[0] == "no-server"


def test_a_server_that_keeps_silent_is_given_ten_seconds(rig: Rig, serve: Any) -> None:
    for pieces in ((), (JSON[:30],)):
        server = serve(*pieces, hang=True)
        result, detail, _, ms, _ = rig.call("ask", f"http://127.0.0.1:{server.port}")
        assert (result, detail) == ("no-server", "timed-out")
        assert 10_000 <= ms < 10_500
        assert server.released()


@pytest.mark.parametrize("landing", [True, "redirect", "page"])
def test_a_landing_page_is_named_instead_of_the_server(rig: Rig, serve: Any, landing: Any) -> None:
    server = serve(JSON)
    for url in (
        f"http://127.0.0.1:{server.port}",
        "http://updates.invalid/",
        "http://updates.invalid:8080/x",
    ):
        assert rig.call("ask", url, {"landing": landing})[0] == "landing-page"
    assert server.requests == []


@pytest.mark.parametrize(
    ("head", "body", "result", "detail"),
    [
        (b"200 OK", b'\r\n\r\n{"release": 1}', "connected", ""),
        (b"200 OK\r\nContent-Type: text/html", b"\r\n\r\n{}", "landing-page", "page-instead-of-release"),
        (b"200 OK", b"\r\n\r\n \r\n<!DOCTYPE html>", "landing-page", "page-instead-of-release"),
        (b"200 OK", b"\r\n\r\nhello", "no-server", "not-a-release"),
        (b"200 OK", b"", "no-server", "not-a-release"),
        (
            b"302 Found\r\nLocation: http://login.example/x",
            b"\r\n\r\n",
            "landing-page",
            "redirect-to-elsewhere",
        ),
        (b"307 X\r\nLOCATION:https://10.0.0.1:8443", b"\r\n\r\n", "landing-page", "redirect-to-elsewhere"),
        (b"301 X\r\nLocation: https://Server.example/", b"\r\n\r\n", "no-server", "http-301"),
        (b"301 X\r\nLocation: /elsewhere", b"\r\n\r\n", "no-server", "http-301"),
        (b"511 Network Authentication Required", b"\r\n\r\n<html>", "landing-page", "login-wanted"),
        (b"404 Not Found\r\nContent-Type: text/html", b"\r\n\r\n<html>", "no-server", "http-404"),
        (b"\xff\xff\xff", b"\r\n\r\n{}", "no-server", "http-?"),
    ],
)
def test_an_answer_is_judged(rig: Rig, head: bytes, body: bytes, result: str, detail: str) -> None:
    assert rig.call("judge", b"HTTP/1.1 " + head + body, "server.example") == [result, detail]


def test_a_servers_password_is_neither_sent_nor_said(rig: Rig, serve: Any) -> None:
    server = serve(b"HTTP/1.1 401 Unauthorized\r\nContent-Type: text/html\r\n\r\n<html>")
    told = rig.call("ask", f"http://me:secret12@127.0.0.1:{server.port}/")
    assert told[:2] == ["connected", ""]
    assert "secret12" not in str(told)
    assert b"secret12" not in server.requests[0]
    assert b"Authorization" not in server.requests[0]
    assert rig.call("ask", f"http://127.0.0.1:{server.port}/")[:2] == ["no-server", "http-401"]


def test_what_is_not_http_is_no_server(rig: Rig) -> None:
    assert rig.call("judge", b"", "h") == ["no-server", "no-answer"]
    assert rig.call("judge", b"SSH-2.0-OpenSSH\r\n", "h") == ["no-server", "not-http"]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    answer=st.binary(max_size=60)
    | st.lists(
        st.sampled_from(
            [
                b"HTTP/1.1 ",
                b"200",
                b"302",
                b"\r\n",
                b"\r\n\r\n",
                b":",
                b"Location",
                b"content-type",
                b"//",
                b"\xff",
                b"{",
                b"<",
            ]
        ),
        max_size=12,
    ).map(b"".join)
)
def test_no_bytes_of_a_server_are_more_than_a_refusal(rig: Rig, answer: bytes) -> None:
    result, detail = rig.call("judge", answer, "server.example")
    assert result in ("connected", "no-server", "landing-page")
    assert all(" " <= char <= "~" for char in detail)


def test_no_more_than_a_kilobyte_is_read(rig: Rig, serve: Any) -> None:
    server = serve(b"HTTP/1.1 200 OK\r\n", *([b"X-Long: " + b"x" * 1000 + b"\r\n"] * 3000), hang=True)
    assert rig.call("ask", f"http://127.0.0.1:{server.port}")[:2] == ["no-server", "not-a-release"]


@pytest.mark.parametrize(
    "url",
    [
        *("", "server", "ftp://a", "http://", "http:///x", "http://a:b", "http://a:0", "http://a:70000"),
        *("http://a/\r\nX: y", "http://a b", "http://é", "http://me:secret@"),
    ],
)
def test_an_address_that_is_none_is_refused_by_name(rig: Rig, url: str) -> None:
    assert rig.call("ask", url)[:3] == ["no-name", "bad-address", []]
    with pytest.raises(RigError, match="ValueError"):
        rig.call("parts", url)


def test_addresses_are_taken_apart(rig: Rig) -> None:
    assert rig.call("parts", "http://a.example") == [False, "a.example", 80, "/", False]
    assert rig.call("parts", "https://a.example/x/y/") == [True, "a.example", 443, "/x/y/", False]
    assert rig.call("parts", "http://10.0.0.1:8080/x") == [False, "10.0.0.1", 8080, "/x/", False]


def test_trying_again_and_again_takes_no_heap(rig: Rig, serve: Any) -> None:
    server = serve(JSON)
    used = rig.call("heap", f"http://127.0.0.1:{server.port}", 40)
    assert max(used[5:]) - min(used[5:]) < 500


# `socket` behind the air


def test_without_an_address_no_name_and_no_connection(rig: Rig, serve: Any) -> None:
    server = serve(JSON)
    for more in ({"join": False}, {"fields": {"dhcp": "dead"}}):
        assert rig.call("bare", "localhost", server.port, **more) == ["OSError: -202", "OSError: 118"]
        assert rig.call("ask", f"http://localhost:{server.port}", **more)[:2] == ["no-name", "error -202"]
        assert rig.call("ask", f"http://127.0.0.1:{server.port}", **more)[:2] == ["no-server", "error 118"]


def test_with_an_address_the_hosts_network_is_there(rig: Rig, serve: Any) -> None:
    server = serve(JSON)
    assert rig.call("bare", "localhost", server.port) == ["ok", "ok", "ok", "ok", JSON[:20]]


def test_a_lost_network_takes_its_sockets_with_it(rig: Rig, serve: Any) -> None:
    server = serve(JSON)
    aborted = "OSError: [Errno 113] EHOSTUNREACH"  # newlib's ECONNABORTED, under the host's name
    assert rig.call("bare", "localhost", server.port, lose=True)[1:] == ["ok", aborted, aborted, None]


def test_a_landing_page_does_not_pretend_to_be_https(rig: Rig) -> None:
    assert rig.call("bare", "a.invalid", 443, {"landing": True}) == [
        "ok",
        "OSError: [Errno 111] ECONNREFUSED",
    ]
    assert rig.call("ask", "https://a.invalid/", {"landing": True})[0] == "no-server"
