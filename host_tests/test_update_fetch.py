"""update/fetch.py: whatever a server or a network does, a fetch ends with the file, or with a name for what was wrong."""

from __future__ import annotations

import asyncio
import base64
import datetime
import hashlib
import ipaddress
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from lockstep import Lockstep
from lutin_tools.hostile import MODES, HostileServer
from unixport import Rig, RigError

RELEASE = b'{"payload": "' + bytes(range(65, 91)) * 60 + b'"}'
BLOB = hashlib.shake_256(b"a blob").digest(65536)
BLOB_PATH = "blobs/" + hashlib.sha256(BLOB).hexdigest()
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    (folder / "blobs").mkdir()
    (folder / "release.json").write_bytes(RELEASE)
    (folder / BLOB_PATH).write_bytes(BLOB)
    return folder


@pytest.fixture(scope="module")
def net(folder: Path) -> Iterator[Lockstep]:
    with Lockstep(folder) as net:
        yield net


@pytest.fixture(scope="module")
def process(net: Lockstep) -> Iterator[Rig]:
    with Rig("update_fetch") as rig:
        rig.call("lockstep", net.control)
        yield rig


@pytest.fixture
def rig(process: Rig, net: Lockstep) -> Rig:
    net.server.mode, net.server.applies_to = "none", "all"
    net.requests().clear()
    process.call("new")
    return process


@pytest.fixture
def url(net: Lockstep) -> str:
    return f"http://127.0.0.1:{net.port}/"


def good(rig: Rig, net: Lockstep) -> bool:
    """Whether the next good request works, and nothing is left of the ones before."""
    net.server.mode = "none"
    out = rig.call("fetch", f"http://127.0.0.1:{net.port}/release.json")
    return out.get("status") == 200 and out["body"] == RELEASE and out["left"] == 0


# Good servers


def test_a_file_comes_whole_with_its_etag_and_nobody_asks_for_more(rig: Rig, net: Lockstep, url: str) -> None:
    out = rig.call("fetch", url + "release.json")
    assert out["body"] == RELEASE
    assert (out["status"], out["length"], out["page"]) == (200, len(RELEASE), False)
    assert out["starts"] == [0]
    assert (out["requests"], out["left"]) == (1, 0)
    assert out["said"] == [["resolving", "127.0.0.1"], ["connecting", "127.0.0.1"]]
    (request,) = net.requests()
    assert request.fields == {
        "": "",
        "host": f"127.0.0.1:{net.port}",
        "user-agent": "lutin",
        "accept-encoding": "identity",
        "connection": "close",
    }


def test_what_is_not_new_is_not_sent_again(rig: Rig, url: str) -> None:
    etag = rig.call("fetch", url + "release.json")["etag"]
    out = rig.call("fetch", url + "release.json", etag=etag)
    assert (out["status"], out["etag"], out["starts"], out["body"]) == (304, etag, [], b"")
    assert rig.call("fetch", url + "release.json", etag='"another"')["body"] == RELEASE


@pytest.mark.parametrize("etag", ["", "x" * 129, '"a\r\nX: y"', '"é"'])
def test_an_etag_that_cannot_be_sent_is_none(rig: Rig, net: Lockstep, url: str, etag: str) -> None:
    assert rig.call("fetch", url + "release.json", etag=etag)["status"] == 200
    assert "if-none-match" not in net.requests()[0].fields


@pytest.mark.parametrize(
    ("sent", "kept"), [(b'W/"x"', 'W/"x"'), (b'"' + b"x" * 127 + b'"', None), (b"", None), (b'"\xff"', None)]
)
def test_only_an_etag_that_can_be_kept_is_one(rig: Rig, sent: bytes, kept: str | None) -> None:
    assert rig.call("made", [OK + b"ETag: " + sent + b"\r\n\r\n{}"])["etag"] == kept


def test_a_download_goes_on_where_it_stopped(rig: Rig, net: Lockstep, url: str) -> None:
    out = rig.call("fetch", url + BLOB_PATH, offset=40000, page=False)
    assert (out["status"], out["starts"], out["length"]) == (206, [40000], 65536 - 40000)
    assert out["body"] == BLOB[40000:]
    assert net.requests()[0].fields["range"] == "bytes=40000-"


def test_what_is_here_already_is_known_from_the_refusal_of_more(rig: Rig, url: str) -> None:
    out = rig.call("fetch", url + BLOB_PATH, offset=65536, page=False)
    assert (out["status"], out["starts"], out["length"]) == (206, [65536], 0)


def test_chunks_are_put_together(rig: Rig, net: Lockstep, url: str) -> None:
    net.server.mode = "chunked"
    assert rig.call("fetch", url + "release.json")["body"] == RELEASE
    out = rig.call("fetch", url + BLOB_PATH, offset=65000)
    assert (out["starts"], out["body"]) == ([65000], BLOB[65000:])


def test_a_redirect_within_the_host_is_followed_and_counted(rig: Rig, net: Lockstep, url: str) -> None:
    net.server.mode = "moved"
    out = rig.call("fetch", url + "release.json")
    assert (out["body"], out["requests"]) == (RELEASE, 2)
    assert [request.path for request in net.requests()] == ["/release.json", "/moved/release.json"]


def test_an_answer_in_single_bytes_is_understood(rig: Rig) -> None:
    answer = OK + b"Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX: y\r\n\r\n"
    out = rig.call("made", [answer[i : i + 1] for i in range(len(answer))])
    assert out["body"] == b"hello"
    assert out["closed"]
    assert rig.call("made", [b"", answer[:20], b"", b"", answer[20:]])["body"] == b"hello"


def test_headers_that_only_announce_are_passed_over(rig: Rig) -> None:
    hint = b"HTTP/1.1 103 Early Hints\r\nContent-Length: 99\r\nLink: </x>\r\n\r\n"
    assert rig.call("made", [hint * 3 + OK + b"Content-Length: 2\r\n\r\n{}"])["body"] == b"{}"
    assert rig.call("made", [hint * 500])["failure"] == "header-too-large"


def test_a_long_field_of_no_interest_does_no_harm(rig: Rig) -> None:
    policy = b"Content-Security-Policy: " + b"default-src 'none'; " * 200 + b"\r\n"
    out = rig.call("made", [OK + policy + b"Content-Length: 2\r\n" + policy[:2000] + b"\r\n\r\n{}"])
    assert (out["body"], out["status"]) == (b"{}", 200)


def test_a_body_that_ends_with_the_connection_is_taken(rig: Rig) -> None:
    out = rig.call("made", [b"HTTP/1.0 200\n\n", b"{}", b" "])
    assert (out["body"], out["length"]) == (b"{} ", 3)
    assert rig.call("made", [OK + b"\r\n"])["starts"] == [0]


# Wrong servers: (mode, name, offset)

WRONG = [
    ("redirect-elsewhere", "landing-page-redirect", 0),
    ("redirect-same-host", "landing-page-html", 0),
    ("page-200", "landing-page-html", 0),
    ("page-disguised", "landing-page-html", 0),
    ("page-511", "landing-page-login", 0),
    ("page-200", "landing-page-html", 500),
    ("redirect-elsewhere", "landing-page-redirect", 500),
    ("redirect-loop", "redirect-too-often", 0),
    ("redirect-nowhere", "redirect-broken", 0),
    ("not-found", "http-404", 0),
    ("login", "http-401", 0),
    ("server-error", "http-500", 0),
    ("server-error", "http-500", 500),
    ("not-modified", "http-304", 0),
    ("close-at-once", "connection-lost", 0),
    ("no-answer", "timed-out", 0),
    ("slow", "timed-out", 0),
    ("stall-in-header", "timed-out", 0),
    ("stall-in-body", "timed-out", 0),
    ("stall-in-body", "timed-out", 500),
    ("truncated", "body-too-short", 0),
    ("truncated", "body-too-short", 500),
    ("too-long", "body-too-long", 0),
    ("endless", "body-too-large", 0),
    ("endless-headers", "header-too-large", 0),
    ("long-header-line", "header-line-too-long", 0),
    ("header-broken", "header-malformed", 0),
    ("wrong-length", "body-too-short", 0),
    ("huge-length", "body-too-large", 0),
    ("negative-length", "header-length-invalid", 0),
    ("length-no-number", "header-length-invalid", 0),
    ("two-lengths", "header-length-invalid", 0),
    ("bad-chunks", "bad-chunk", 0),
    ("chunk-too-long", "bad-chunk", 0),
    ("chunk-line-endless", "bad-chunk", 0),
    ("chunks-truncated", "body-too-short", 0),
    ("chunks-endless", "body-too-large", 0),
    ("trailers-endless", "bad-chunk", 0),
    ("length-and-chunks", "header-length-invalid", 0),
    ("content-encoded", "content-encoded", 0),
    ("gzip-bomb", "content-encoded", 0),
    ("range-416", "range-refused", 500),
    ("range-overlapping", "range-wrong", 500),
    ("range-shifted", "range-wrong", 500),
    ("range-unsaid", "range-wrong", 500),
    ("part-unasked", "range-wrong", 0),
    ("part-unasked", "range-wrong", 500),
    ("not-http", "not-http", 0),
    ("noise", "not-http", 0),
]


@pytest.mark.parametrize(("mode", "name", "offset"), WRONG)
def test_a_wrong_server_is_named_and_leaves_nothing_behind(
    rig: Rig, net: Lockstep, url: str, mode: str, name: str, offset: int
) -> None:
    net.server.mode = mode
    out = rig.call("fetch", url + "release.json", 8000, offset=offset)
    assert out.get("failure") == name
    assert out["left"] == 0
    assert len(out["body"]) <= 8000 - offset
    assert out["requests"] == len(net.requests()) <= 3
    assert out["ms"] < 70_000
    expected = "landing-page" if name.startswith("landing") else "no-server"
    assert out["state"] == expected
    assert good(rig, net)


def test_every_wrong_server_has_a_sentence_and_is_tried_here() -> None:
    tried = {mode for mode, _, _ in WRONG}
    harmless = {"none", "moved", "chunked", "range-ignored"}
    told_by_the_hash = {"empty", "wrong-bytes", "zlib-bomb"}
    assert tried | harmless | told_by_the_hash == set(MODES)
    assert all(mode.sentence[0].isupper() and mode.sentence.endswith(".") for mode in MODES.values())


def test_what_only_a_hash_can_tell_is_delivered(rig: Rig, net: Lockstep, url: str) -> None:
    for mode in ("empty", "wrong-bytes", "zlib-bomb"):
        net.server.mode = mode
        assert rig.call("fetch", url + BLOB_PATH, page=False)["status"] == 200
    net.server.mode = "wrong-bytes"
    assert rig.call("fetch", url + BLOB_PATH, page=False)["body"] != BLOB


def test_a_server_is_wrong_only_where_it_is_told_to_be(rig: Rig, net: Lockstep, url: str) -> None:
    net.server.mode, net.server.applies_to = "not-found", "blobs"
    assert rig.call("fetch", url + "release.json")["status"] == 200
    assert rig.call("fetch", url + BLOB_PATH)["failure"] == "http-404"
    net.server.applies_to = "release.json"
    assert rig.call("fetch", url + "release.json")["failure"] == "http-404"
    assert rig.call("fetch", url + BLOB_PATH)["status"] == 200


def test_a_server_that_ignores_ranges_costs_a_beginning_and_no_more(
    rig: Rig, net: Lockstep, url: str
) -> None:
    net.server.mode = "range-ignored"
    out = rig.call("fetch", url + BLOB_PATH, offset=500, page=False)
    assert (out["status"], out["starts"], out["body"]) == (200, [0], BLOB)


@pytest.mark.parametrize("mode", ["range-416", "range-overlapping", "range-shifted", "part-unasked"])
def test_a_part_that_does_not_fit_is_begun_anew_next_time(
    rig: Rig, net: Lockstep, url: str, mode: str
) -> None:
    net.server.mode = mode
    out = rig.call("fetch", url + BLOB_PATH, offset=500, page=False)
    assert (out["starts"], out["body"]) == ([0], b"")


@pytest.mark.parametrize("mode", ["page-200", "redirect-elsewhere", "page-511", "server-error", "no-answer"])
def test_a_part_that_is_here_outlives_a_landing_page(rig: Rig, net: Lockstep, url: str, mode: str) -> None:
    net.server.mode = mode
    assert rig.call("fetch", url + BLOB_PATH, offset=500, page=False)["starts"] == []


def test_a_page_in_place_of_a_blob_is_noted_for_whoever_looks_at_the_hash(
    rig: Rig, net: Lockstep, url: str
) -> None:
    net.server.mode = "page-disguised"
    out = rig.call("fetch", url + BLOB_PATH, page=False)
    assert (out["status"], out["page"]) == (200, True)
    net.server.mode = "page-200"
    assert rig.call("fetch", url + BLOB_PATH, page=False)["failure"] == "landing-page-html"


def test_waiting_has_an_end_and_says_what_was_waited_for(rig: Rig, net: Lockstep, url: str) -> None:
    for mode, detail, least, most in (
        ("no-answer", "no answer", 15_000, 16_000),
        ("stall-in-header", "silence", 15_000, 16_000),
        ("stall-in-body", "silence", 15_000, 16_000),
        ("slow", "too slow", 60_000, 62_000),
    ):
        net.server.mode = mode
        out = rig.call("fetch", url + "release.json")
        assert (out["failure"], out["detail"]) == ("timed-out", detail)
        assert least <= out["ms"] <= most


def test_a_slow_line_is_given_time_by_what_it_brings(rig: Rig, net: Lockstep) -> None:
    async def steady(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"Content-Length: 65536\r\n\r\n")
        for at in range(0, 65536, 8192):
            writer.write(BLOB[at : at + 8192])
            await net.sleep(14)

    out = rig.call("fetch", f"http://127.0.0.1:{net.listen(steady)}/x")
    assert out["body"] == BLOB
    assert out["ms"] >= 90_000


def test_a_slow_name_server_takes_nothing_from_the_servers_time(rig: Rig, net: Lockstep) -> None:
    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await net.sleep(10)
        writer.write(OK + b"\r\n{}")

    rig.call("new", None, True, 14_000)
    out = rig.call("fetch", f"http://127.0.0.1:{net.listen(late)}/x")
    assert (out["body"], out["ms"]) == (b"{}", 24_000)


def test_a_server_that_takes_no_connection_is_given_up(rig: Rig, net: Lockstep) -> None:
    with socket.socket() as listener, net.still():
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = []
        for _ in range(4):  # who fill the queue
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(address)
        out = rig.call("fetch", f"http://127.0.0.1:{address[1]}/x")
        assert (out["failure"], out["detail"], out["left"]) == ("timed-out", "connecting", 0)
        assert 15_000 <= out["ms"] <= 16_000
        for each in waiting:
            each.close()
    assert good(rig, net)


def test_who_cancels_a_fetch_gets_no_failure_of_a_server(rig: Rig, net: Lockstep, url: str) -> None:
    net.server.mode = "no-answer"
    out = rig.call("fetch", url + "release.json", cancel_ms=3000)
    assert out.get("cancelled")
    assert (out["left"], out["ms"]) == (0, 3000)
    assert good(rig, net)


def test_whoever_counts_the_requests_may_refuse_one(rig: Rig, net: Lockstep, url: str) -> None:
    net.server.mode = "redirect-loop"
    out = rig.call("fetch", url + "release.json", limit=2)
    assert (out["failure"], out["requests"], len(net.requests())) == ("asked-enough", 2, 2)
    assert rig.call("fetch", "http://no-such-name.invalid/", limit=0)["failure"] == "asked-enough"


# Wrong networks


def test_without_a_network_nothing_is_resolved_or_reached(rig: Rig, net: Lockstep, url: str) -> None:
    for fields, join in ((None, False), ({"dhcp": "dead"}, True)):
        rig.call("new", fields, join)
        assert rig.call("fetch", url + "release.json")["failure"] == "no-route"
        out = rig.call("fetch", f"http://localhost:{net.port}/x")
        assert (out["failure"], out["state"]) == ("name-not-resolved", "no-name")
        assert out["said"] == [["resolving", "localhost"]]


def test_a_name_that_nobody_knows_is_told_apart_from_a_server_that_is_away(rig: Rig) -> None:
    for fields in ({}, {"dns": "dead"}):
        rig.call("new", fields)
        out = rig.call("fetch", "http://no-such-name.invalid/release.json")
        assert (out["failure"], out["requests"]) == ("name-not-resolved", 1)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        out = rig.call("fetch", f"http://127.0.0.1:{listener.getsockname()[1]}/release.json")
    assert (out["failure"], out["left"]) == ("refused", 0)


def test_names_that_all_lead_to_one_address_lead_to_its_landing_page(rig: Rig, net: Lockstep) -> None:
    rig.call("new", {"dns": "127.0.0.1"})
    for mode, name in (
        ("page-200", "landing-page-html"),
        ("redirect-elsewhere", "landing-page-redirect"),
        ("page-511", "landing-page-login"),
    ):
        net.server.mode = mode
        assert rig.call("fetch", f"http://updates.example:{net.port}/release.json")["failure"] == name
        out = rig.call("fetch", f"https://updates.example:{net.port}/release.json")
        assert (out["failure"], out["left"]) == ("tls-handshake", 0)


@pytest.mark.parametrize(
    ("landing", "name"),
    [(True, "landing-page-redirect"), ("redirect", "landing-page-redirect"), ("page", "landing-page-html")],
)
def test_a_landing_page_in_the_air_is_named(rig: Rig, landing: Any, name: str) -> None:
    rig.call("new", {"landing": landing})
    for url in ("http://updates.invalid/release.json", "http://updates.invalid:8080/x", "http://10.1.2.3/x"):
        assert rig.call("fetch", url)["failure"] == name
    assert rig.call("fetch", "https://updates.invalid/release.json")["failure"] == "refused"
    assert rig.call("fetch", "https://updates.invalid:8443/x")["failure"] == "tls-handshake"


@pytest.mark.parametrize(
    ("number", "connecting", "later"),
    [
        (111, "refused", "connection-lost"),
        (104, "refused", "connection-lost"),  # lwIP's for a refused one
        (113, "no-route", "connection-lost"),  # Linux: no route; newlib: aborted
        (118, "no-route", "connection-lost"),
        (101, "no-route", "connection-lost"),
        (110, "timed-out", "timed-out"),
        (116, "timed-out", "timed-out"),
        (12, "out-of-memory", "out-of-memory"),
        (23, "out-of-memory", "out-of-memory"),
        (9999, "connection-lost", "connection-lost"),
    ],
)
def test_an_error_number_is_named_by_when_it_comes(
    rig: Rig, number: int, connecting: str, later: str
) -> None:
    out = rig.call("made", [], connect=number)
    assert (out["failure"], out["closed"]) == (connecting, True)
    out = rig.call("made", [OK], error=number)
    assert (out["failure"], out["closed"]) == (later, True)


def test_a_lack_of_memory_has_a_name_and_flash_errors_are_not_the_networks(rig: Rig) -> None:
    out = rig.call("made", [OK + b"\r\n{}"], spoil="memory")
    assert (out["failure"], out["closed"]) == ("out-of-memory", True)
    with pytest.raises(RigError, match="OSError"):
        rig.call("made", [OK + b"\r\n{}"], spoil="flash")


# Heads and bodies, byte by byte


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"HTTP/1.1", "not-http"),
        (b"HTTP/1.1 20", "not-http"),
        (b"HTTP/1.1 2000 OK", "not-http"),
        (b"HTTP/1.1 099 OK", "not-http"),
        (b"HTTP/1.1 -20 OK", "not-http"),
        (b"HTTP/2 200 OK", "not-http"),
        (b"http/1.1 200 OK", "not-http"),
        (b"ICY 200 OK", "not-http"),
        (b"x" * 3000, "not-http"),
        (b"HTTP/1.1 204 No Content", "http-204"),
        (b"HTTP/1.1 300 Choices", "http-300"),
        (b"HTTP/1.1 407 Proxy", "proxy-login"),
        (b"HTTP/1.1 999 Hm", "http-999"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5 5", "header-length-invalid"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: +2", "header-length-invalid"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1_0", "header-length-invalid"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0x2", "header-length-invalid"),
        (b"HTTP/1.1 200 OK\r\nContent-Length:", "header-length-invalid"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\ncontent-length: 3", "header-length-invalid"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\nContent-Length: 2", "header-length-invalid"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 30, "body-too-large"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4294967298", "body-too-large"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked", "content-encoded"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "content-encoded"),
        (b"HTTP/1.1 200 OK\r\nCONTENT-ENCODING: br", "content-encoded"),
        (b"HTTP/1.1 200 OK\r\nContent-Length : 2", "header-malformed"),
        (b"HTTP/1.1 200 OK\r\nX: y\r\n folded", "header-malformed"),
        (b"HTTP/1.1 200 OK\r\n: y", "header-malformed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length\t: 2", "header-malformed"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: application/xhtml+xml; charset=HTML", "landing-page-html"),
        (b"HTTP/1.1 302 X\r\nLocation: " + b"/x" * 800, "header-line-too-long"),
        (b"HTTP/1.1 404 X\r\nContent-Encoding: gzip\r\nContent-Length: -1", "http-404"),
    ],
)
def test_a_head_that_is_not_good_is_refused_by_name(rig: Rig, head: bytes, name: str) -> None:
    out = rig.call("made", [head + b"\r\n\r\n{}"])
    assert out.get("failure") == name
    assert out["closed"]
    assert out["body"] == b""


def test_the_same_length_twice_is_one(rig: Rig) -> None:
    out = rig.call("made", [OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}"])
    assert out["body"] == b"{}"


def test_a_head_has_room_for_eight_kilobytes(rig: Rig) -> None:
    field = b"X: " + b"x" * 1018 + b"\r\n"
    for count, failure in ((7, None), (9, "header-too-large")):
        out = rig.call("made", [OK + field * count + b"\r\n{}"])
        assert out.get("failure") == failure


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"", "body-too-short"),
        (b"5\r\nhel", "body-too-short"),
        (b"5\r\nhello", "body-too-short"),
        (b"5\r\nhello\r\n", "body-too-short"),
        (b"5\r\nhello\r\n0\r\n", "body-too-short"),
        (b"\r\n", "bad-chunk"),
        (b"-5\r\nhello", "bad-chunk"),
        (b"+5\r\nhello\r\n0\r\n\r\n", "bad-chunk"),
        (b"0x5\r\nhello\r\n0\r\n\r\n", "bad-chunk"),
        (b"5_\r\nhello\r\n0\r\n\r\n", "bad-chunk"),
        (b";5\r\nhello", "bad-chunk"),
        (b"00000005\r\nhello\r\n0\r\n\r\n", "bad-chunk"),
        (b"fffffff\r\nhello", "body-too-short"),
        (b"5\r\nhellohello\r\n", "bad-chunk"),
        (b"5;" + b"x" * 300 + b"\r\nhello\r\n0\r\n\r\n", "bad-chunk"),
        (b"5\r\nhello\r\n0\r\n\r\nand more", "body-too-long"),
        (b"0\r\n" + b"X: y\r\n" * 3000, "bad-chunk"),
        (b"7d1\r\n" + b"x" * 2001 + b"\r\n0\r\n\r\n", "body-too-large"),
    ],
)
def test_broken_chunks_are_refused_by_name(rig: Rig, body: bytes, name: str) -> None:
    out = rig.call("made", [OK + b"Transfer-Encoding: chunked\r\n\r\n" + body])
    assert out.get("failure") == name
    assert len(out["body"]) <= 2000


@pytest.mark.parametrize(
    ("said", "more", "name"),
    [
        (b"bytes 5-9/10", b"", None),
        (b"bytes 5-9/*", b"", None),
        (b"bytes 5-9/10", b"Content-Length: 5\r\n", None),
        (b"bytes 5-9/10", b"Content-Length: 4\r\n", "range-wrong"),
        (b"bytes 4-9/10", b"", "range-wrong"),
        (b"bytes 6-10/11", b"", "range-wrong"),
        (b"bytes 0-9/10", b"", "range-wrong"),
        (b"bytes 5-9/11", b"", "range-wrong"),
        (b"bytes 5-9/9", b"", "range-wrong"),
        (b"bytes 5-4/5", b"", "range-wrong"),
        (b"bytes 5-8/9", b"", "range-wrong"),
        (b"bytes 5-10/11", b"", "range-wrong"),
        (b"bytes=5-9/10", b"", "range-wrong"),
        (b"bytes 5-/10", b"", "range-wrong"),
        (b"lines 5-9/10", b"", "range-wrong"),
        (b"", b"", "range-wrong"),
        (b"bytes 5-9/10", b"Transfer-Encoding: chunked\r\n", "range-wrong"),
        (b"bytes 5-5000/5001", b"Content-Length: 4996\r\n", "body-too-large"),
    ],
)
def test_a_part_is_taken_only_where_it_fits(rig: Rig, said: bytes, more: bytes, name: str | None) -> None:
    body = b"4\r\nfghi\r\n0\r\n\r\n" if b"chunked" in more else b"fghij"
    head = b"HTTP/1.1 206 Part\r\nContent-Range: " + said + b"\r\n" + more + b"\r\n"
    out = rig.call("made", [head + body], offset=5)
    assert out.get("failure") == name
    assert out["starts"][-1] == (0 if name else 5)


def test_those_that_were_here_before_count_too(rig: Rig) -> None:
    head = b"HTTP/1.1 206 Part\r\nContent-Range: bytes 5-9/10\r\n\r\n"
    assert rig.call("made", [head + b"fghij"], offset=5, most=10)["status"] == 206
    assert rig.call("made", [head + b"fghij"], offset=5, most=9)["failure"] == "body-too-large"


def test_a_part_of_nothing_fits_nowhere(rig: Rig) -> None:
    head = b"HTTP/1.1 206 Part\r\nContent-Range: bytes 5-4/5\r\nContent-Length: 0\r\n\r\n"
    assert rig.call("made", [head], offset=5)["failure"] == "range-wrong"


def test_nothing_new_is_believed_only_where_it_was_asked_for(rig: Rig) -> None:
    answer = b"HTTP/1.1 304 Not Modified\r\n\r\n"
    assert rig.call("made", [answer], etag='"x"')["etag"] == '"x"'
    assert rig.call("made", [answer])["failure"] == "http-304"
    assert rig.call("made", [answer], etag='"x"', offset=5)["failure"] == "http-304"


def test_a_refused_range_is_the_end_only_where_the_lengths_agree(rig: Rig) -> None:
    head = b"HTTP/1.1 416 No\r\nContent-Range: bytes */"
    assert rig.call("made", [head + b"5\r\n\r\n"], offset=5)["status"] == 206
    for length in (b"4", b"6", b"*", b""):
        assert rig.call("made", [head + length + b"\r\n\r\n"], offset=5)["failure"] == "range-refused"
    assert rig.call("made", [head + b"0\r\n\r\n"])["failure"] == "http-416"


@pytest.mark.parametrize("body", [b"<html>", b"  \r\n\t<!DOCTYPE", b"\xef\xbb\xbf<a", b" " * 1500 + b"<a"])
def test_a_page_is_known_by_its_first_letter(rig: Rig, body: bytes) -> None:
    assert rig.call("made", [OK + b"\r\n" + body])["failure"] == "landing-page-html"
    assert rig.call("made", [OK + b"\r\n" + body], page=False)["page"]


ANSWERS = [
    *(OK, b"HTTP/1.1 206 P\r\n", b"HTTP/1.1 302 F\r\n", b"HTTP/1.1 304 N\r\n", b"HTTP/1.1 416 R\r\n"),
    *(b"HTTP/1.1 100 C\r\n\r\n", b"HTTP/1.1 ", b"\r\n", b"\r\n\r\n", b"\n", b":", b"Content-Length: "),
    *(b"2", b"-1", b"65536", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n"),
    *(b"0\r\n", b"0\r\n\r\n", b"ffffffff\r\n", b";", b"Content-Range: bytes 7-11/12\r\n", b"hello"),
    *(b"Location: ", b"//", b"http://server.example/y", b"/login", b"Content-Encoding: gzip\r\n", b"\xff"),
    *(b"Content-Type: text/html\r\n", b"Content-Type: ", b'ETag: "x"\r\n', b"<", b"x" * 1500, b"\0"),
]


@given(
    answers=st.lists(
        st.lists(st.binary(max_size=40) | st.sampled_from(ANSWERS), max_size=8), min_size=3, max_size=10
    ),
    offset=st.sampled_from([0, 7]),
)
def test_no_bytes_of_a_server_are_more_than_a_failure_or_an_answer(
    process: Rig, answers: list[list[bytes]], offset: int
) -> None:
    ends, cost = process.call("many", answers + [[OK, *pieces] for pieces in answers], offset)
    assert all(isinstance(end, str) or end in (200, 206, 304) for end in ends)
    assert cost < 4096


# Addresses


@pytest.mark.parametrize(
    "url",
    [
        *("", "server", "ftp://a", "http://", "http:///x", "http://a:b", "http://a:0", "http://a:70000"),
        *("http://a/\r\nX: y", "http://a b", "http://é", "http://me:secret@", "http://[::1]/", "http://a:"),
        *("http://a:8_0/", "http://...", "http://a\\b/", "//a/b"),
    ],
)
def test_an_address_that_is_none_is_refused_by_name(rig: Rig, url: str) -> None:
    out = rig.call("fetch", url)
    assert (out["failure"], out["state"]) == ("bad-address", "no-name")
    assert (out["said"], out["requests"]) == ([], 0)
    with pytest.raises(RigError, match="ValueError"):
        rig.call("parts", url)


def test_addresses_are_taken_apart(rig: Rig) -> None:
    for url, parts in (
        ("http://a.example", [False, "a.example", 80, "/", b""]),
        ("HTTPS://a.example/x/y.json", [True, "a.example", 443, "/x/y.json", b""]),
        ("http://10.0.0.1:8080?x=y@z", [False, "10.0.0.1", 8080, "/?x=y@z", b""]),
        ("http://a/b#c", [False, "a", 80, "/b", b""]),
        ("http://me:p%40ss%2Fw%C3%B6rt@a/b", [False, "a", 80, "/b", "me:p@ss/wört".encode()]),
        ("http://me:50%@a/b", [False, "a", 80, "/b", b"me:50%"]),
    ):
        assert rig.call("parts", url) == parts


@pytest.mark.parametrize(
    ("url", "location", "target"),
    [
        ("http://a/x/y", "/z", [False, "a", 80, "/z", b""]),
        ("http://a:81/x/y", "z", [False, "a", 81, "/x/z", b""]),
        ("http://a/x/y?q/r", "?z", [False, "a", 80, "/x/y?z", b""]),
        ("http://a/x", "/y?to=http://b/", [False, "a", 80, "/y?to=http://b/", b""]),
        ("http://me:pw@a/x", "https://A:8443/y", [True, "A", 8443, "/y", b"me:pw"]),
        ("http://me:pw@a/x", "http://you:other@a/y", [False, "a", 80, "/y", b"me:pw"]),
        ("https://a/x", "//a/y", [True, "a", 443, "/y", b""]),
        ("https://a/x", "//b/y", "landing-page-redirect"),
        ("https://a/x", "http://a/y", "redirect-insecure"),
        ("http://a/x", "http://a.b/y", "landing-page-redirect"),
        ("http://a/x", "http://a@b/y", "landing-page-redirect"),
        ("http://a/x", "http://b", "landing-page-redirect"),
        ("http://a/x", "javascript:alert()", "redirect-broken"),
        ("http://a/x", "ftp://a/y", "redirect-broken"),
        ("http://a/x", "", "redirect-broken"),
        ("http://a/x", "/y z", "redirect-broken"),
        ("http://a/x", "http://", "redirect-broken"),
        ("http://a/x", "http://a:0/", "redirect-broken"),
    ],
)
def test_a_redirect_leads_to_the_same_host_or_nowhere(rig: Rig, url: str, location: str, target: Any) -> None:
    assert rig.call("where", url, location) == target


def test_a_login_goes_to_its_own_server_and_into_no_log(rig: Rig, net: Lockstep) -> None:
    out = rig.call("fetch", f"http://me:s%65cret12@127.0.0.1:{net.port}/release.json")
    assert out["status"] == 200
    login = net.requests()[0].fields["authorization"]
    assert base64.b64decode(login.removeprefix("Basic ")) == b"me:secret12"
    net.server.mode = "redirect-elsewhere"
    out = rig.call("fetch", f"http://me:secret12@127.0.0.1:{net.port}/release.json")
    assert out["failure"] == "landing-page-redirect"
    for told in (out["detail"], out["said"], rig.call("logged")):
        assert "secret" not in str(told)
        assert "me" not in str(out["said"])


# TLS


class Issuer:
    """Makes certificates."""

    def __init__(self, name: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.der = self._make(self.name, self.key, [], 0, 3650).public_bytes(serialization.Encoding.DER)

    def _make(self, subject: x509.Name, key: Any, hosts: list[str], begin: int, end: int) -> x509.Certificate:
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=begin - 1))
            .not_valid_after(now + datetime.timedelta(days=end))
            .add_extension(x509.BasicConstraints(ca=not hosts, path_length=None), critical=True)
        )
        if hosts:
            names: list[x509.GeneralName] = []
            for host in hosts:
                numeric = host.replace(".", "").isdigit()
                names.append(x509.IPAddress(ipaddress.ip_address(host)) if numeric else x509.DNSName(host))
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def context(self, folder: Path, host: str, begin: int = 0, end: int = 90) -> ssl.SSLContext:
        """Of a server that shows a certificate for this host."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        made = self._make(subject, key, [host], begin, end)
        path = folder / f"{host}{begin}{end}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + made.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


@pytest.fixture(scope="module")
def ca() -> Issuer:
    return Issuer("a CA")


@pytest.fixture(scope="module")
def tls(
    net: Lockstep, folder: Path, ca: Issuer, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[HostileServer, int]]:
    """Servers by what is the matter with them."""
    keys = tmp_path_factory.mktemp("keys")
    stranger = Issuer("a stranger")
    return {
        name: net.add(folder, context)
        for name, context in {
            "good": ca.context(keys, "updates.example"),
            "numeric": ca.context(keys, "127.0.0.1"),
            "expired": ca.context(keys, "updates.example", -60, -30),
            "future": ca.context(keys, "updates.example", 30, 60),
            "other": ca.context(keys, "other.example"),
            "stranger": stranger.context(keys, "updates.example"),
            "stranger-expired": stranger.context(keys, "other.example", -60, -30),
        }.items()
    }


@pytest.mark.parametrize(
    ("server", "name"),
    [
        ("good", None),
        ("expired", "tls-certificate-expired"),
        ("future", "tls-not-yet-valid"),
        ("other", "tls-wrong-name"),
        ("stranger", "tls-unknown-issuer"),
        ("stranger-expired", "tls-unknown-issuer"),
    ],
)
def test_a_certificate_is_checked_against_the_ca_and_the_name(
    rig: Rig, net: Lockstep, tls: Any, ca: Issuer, server: str, name: str | None
) -> None:
    rig.call("new", {"dns": "127.0.0.1"})
    behind, port = tls[server]
    behind.requests.clear()
    out = rig.call("fetch", f"https://updates.example:{port}/release.json", ca=ca.der)
    assert out.get("failure") == name
    assert out["left"] == 0
    assert bool(behind.requests) == (name is None)  # nothing is said to a stranger
    assert rig.call("logged") == []
    assert good(rig, net)


def test_a_self_signed_certificate_is_its_own_ca(
    rig: Rig, net: Lockstep, folder: Path, tls: Any, ca: Issuer
) -> None:
    rig.call("new", {"dns": "127.0.0.1"})
    url = f"https://127.0.0.1:{tls['numeric'][1]}/release.json"
    assert rig.call("fetch", url, ca=ca.der)["status"] == 200
    assert rig.call("fetch", url, ca=Issuer("another").der)["failure"] == "tls-unknown-issuer"


def test_without_a_ca_tls_encrypts_and_the_log_says_once_what_it_does_not(rig: Rig, tls: Any) -> None:
    rig.call("new", {"dns": "127.0.0.1"})
    for server in ("good", "expired", "other", "stranger"):
        out = rig.call("fetch", f"https://updates.example:{tls[server][1]}/release.json")
        assert (out["body"], out["left"]) == (RELEASE, 0)
    (line,) = rig.call("logged")
    assert "without a CA" in line


def test_a_ca_that_is_none_is_refused_by_name(rig: Rig, tls: Any) -> None:
    url = f"https://127.0.0.1:{tls['good'][1]}/release.json"
    out = rig.call("fetch", url, ca=b"0" * 100)
    assert (out["failure"], out["left"]) == ("tls-ca-invalid", 0)


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        ("page-200", "landing-page-html"),
        ("truncated", "body-too-short"),
        ("no-answer", "timed-out"),
        ("slow", "timed-out"),
        ("stall-in-body", "timed-out"),
        ("endless", "body-too-large"),
        ("close-at-once", "connection-lost"),
    ],
)
def test_wrong_servers_are_no_better_behind_tls(rig: Rig, tls: Any, ca: Issuer, mode: str, name: str) -> None:
    server, port = tls["good"]
    rig.call("new", {"dns": "127.0.0.1"})
    server.mode = mode
    try:
        out = rig.call("fetch", f"https://updates.example:{port}/release.json", 8000, ca=ca.der)
    finally:
        server.mode = "none"
    assert (out["failure"], out["left"]) == (name, 0)
    assert out["ms"] < 70_000


def test_a_large_file_comes_whole_through_tls(rig: Rig, tls: Any, ca: Issuer) -> None:
    rig.call("new", {"dns": "127.0.0.1"})
    url = f"https://updates.example:{tls['good'][1]}/{BLOB_PATH}"
    assert rig.call("fetch", url, ca=ca.der, page=False)["body"] == BLOB
    assert rig.call("fetch", url, ca=ca.der, page=False, offset=60000)["body"] == BLOB[60000:]


def test_a_body_that_ends_without_tls_saying_goodbye_has_ended(
    rig: Rig, net: Lockstep, ca: Issuer, tmp_path: Path
) -> None:
    context = ca.context(tmp_path, "127.0.0.1")
    for head, failure in ((b"", None), (b"Content-Length: 9\r\n", "body-too-short")):

        async def abrupt(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes = head
        ) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK + head + b"\r\nhello")
            writer.transport.abort()

        out = rig.call("fetch", f"https://127.0.0.1:{net.listen(abrupt, context)}/x", ca=ca.der)
        assert (out.get("failure"), out["body"]) == (failure, b"hello")


@pytest.mark.parametrize(
    ("error", "name", "detail"),
    [
        (["OSError", -0x7F00], "out-of-memory", "for TLS"),
        (["OSError", 12], "out-of-memory", "error 12"),
        (["OSError", 16], "out-of-memory", "for TLS"),  # -0x10, as MicroPython passes it on
        (["OSError", -0x7780], "tls-handshake", "error -0x7780"),
        (["OSError", 104], "refused", "error 104"),
        (
            ["ValueError", "The certificate validity starts in the future\n"],
            "tls-not-yet-valid",
            "the clock is not set",
        ),
        (
            ["ValueError", "It is signed with an unacceptable hash.\n"],
            "tls-certificate-refused",
            "It is signed with an unacceptable hash.",
        ),
    ],
)
def test_what_a_handshake_ends_with_is_named(rig: Rig, error: Any, name: str, detail: str) -> None:
    out = rig.call("made", [], url="https://server.example/x", tls=error)
    assert (out["failure"], out["detail"], out["closed"]) == (name, detail, True)


def test_an_encrypted_connection_is_closed_on_both_levels_and_named_by_its_host_alone(rig: Rig) -> None:
    out = rig.call("made", [OK + b"\r\n{}"], url="https://server.example/x")
    assert (out["body"], out["closed"]) == (b"{}", True)
    assert out["sent"][0] == b""
    assert b"\r\nHost: server.example\r\n" in out["sent"][1]
    out = rig.call("made", [OK + b"\r\n{}"], url="https://server.example:80/x")
    assert b"\r\nHost: server.example:80\r\n" in out["sent"][1]


def test_a_handshake_that_does_not_happen_is_named(rig: Rig, net: Lockstep) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await net.sleep(1000)

    async def gone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)

    async def alert(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes([21, 3, 3, 0, 2, 2, 40]))
        await reader.read()

    for behaviour, names in (
        (silent, ("timed-out",)),
        (gone, ("tls-handshake", "refused")),  # refused: a reset, where more had been sent than was read
        (alert, ("tls-handshake",)),
    ):
        out = rig.call("fetch", f"https://127.0.0.1:{net.listen(behaviour)}/x")
        assert out["failure"] in names
        assert out["left"] == 0
    assert rig.call("fetch", f"https://127.0.0.1:{net.port}/x")["detail"] == "the other side speaks no TLS"


# Proxies


class Proxy:
    """Lets through whoever brings the right login; everything is on this machine."""

    def __init__(self, net: Lockstep, login: str = "") -> None:
        self.heads: list[str] = []
        self._login = base64.b64encode(login.encode()).decode()
        self.port = net.listen(self._client)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        method, target, _ = head.split(" ", 2)
        if self._login and f"\r\nProxy-Authorization: Basic {self._login}\r\n" not in head:
            writer.write(b"HTTP/1.1 407 Login\r\nContent-Length: 0\r\n\r\n")
            return
        host = target.removeprefix("http://").partition("/")[0]
        try:
            there = await asyncio.open_connection("127.0.0.1", int(host.partition(":")[2]))
        except OSError:
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
            return
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Go on\r\nX-Proxy: yes\r\n\r\n")
        else:
            there[1].write(head.replace(f"http://{host}", "", 1).encode())
        await asyncio.gather(self._copy(reader, there[1]), self._copy(there[0], writer))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(4096):
            writer.write(data)
            await writer.drain()
        writer.close()


def test_a_proxy_is_asked_in_place_of_the_server(rig: Rig, net: Lockstep) -> None:
    proxy = Proxy(net)
    place = f"updates.invalid:{net.port}"  # a name that only the proxy needs to know
    out = rig.call("fetch", f"http://{place}/release.json", proxy=["127.0.0.1", proxy.port, "", ""])
    assert out["body"] == RELEASE
    assert proxy.heads[0].startswith(f"GET http://{place}/release.json HTTP/1.1\r\nHost: {place}\r\n")
    assert "Proxy-Authorization" not in proxy.heads[0]
    assert out["said"] == [["resolving", "127.0.0.1"], ["connecting", "127.0.0.1"]]


def test_a_proxy_is_given_its_login(rig: Rig, net: Lockstep) -> None:
    proxy = Proxy(net, "me:secret12")
    way = ["127.0.0.1", proxy.port, "me", "secret12"]
    assert rig.call("fetch", f"http://updates.invalid:{net.port}/release.json", proxy=way)["body"] == RELEASE


def test_https_goes_through_a_proxy_in_a_tunnel_of_its_own(
    rig: Rig, net: Lockstep, tls: Any, ca: Issuer
) -> None:
    proxy = Proxy(net, "me:secret12")
    place = f"updates.example:{tls['good'][1]}"
    way = ["127.0.0.1", proxy.port, "me", "secret12"]
    out = rig.call("fetch", f"https://you:other@{place}/release.json", ca=ca.der, proxy=way)
    assert "failure" not in out, out
    assert (out["body"], out["requests"], out["left"]) == (RELEASE, 1, 0)
    assert proxy.heads[0].startswith(f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\nProxy-Authorization")
    assert len(proxy.heads) == 1
    assert "\r\nAuthorization" not in proxy.heads[0]
    net.requests()
    inner = tls["good"][0].requests[-1].fields
    assert "proxy-authorization" not in inner
    assert "authorization" in inner
    other = f"https://updates.example:{tls['other'][1]}/x"
    assert rig.call("fetch", other, ca=ca.der, proxy=way)["failure"] == "tls-wrong-name"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_what_a_proxy_does_not_do_is_named(rig: Rig, net: Lockstep, scheme: str) -> None:
    url = f"{scheme}://updates.invalid:1/x"
    guarded = Proxy(net, "me:secret12")
    out = rig.call("fetch", url, proxy=["127.0.0.1", guarded.port, "me", "wrong"])
    assert (out["failure"], out["left"]) == ("proxy-login", 0)
    way = ["127.0.0.1", Proxy(net).port, "", ""]
    assert rig.call("fetch", url, proxy=way)["failure"] == (
        "http-502" if scheme == "http" else "proxy-http-502"
    )
    out = rig.call("fetch", url, proxy=["no-such-name.invalid", 1, "", ""])
    assert out["failure"] == "name-not-resolved"
    assert rig.call("fetch", url, proxy=["127.0.0.1", 1, "", ""])["failure"] == "refused"


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n", "landing-page-redirect"),
        (b"HTTP/1.1 511 Login\r\n\r\n", "landing-page-login"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>", "landing-page-html"),
        (b"HTTP/1.1 200 OK\r\n\r\nand more", "proxy-wrong"),
        (b"HTTP/1.1 403 No\r\n\r\n", "proxy-http-403"),
        (b"SSH-2.0\r\n", "not-http"),
        (b"", "connection-lost"),
    ],
)
def test_a_landing_page_before_the_proxy_is_one(rig: Rig, answer: bytes, name: str) -> None:
    out = rig.call("made", [answer], url="https://server.example/x", proxy=["proxy.example", 8080, "", ""])
    assert (out["failure"], out["closed"]) == (name, True)


# Memory


def test_a_fetcher_holds_its_three_kilobytes_and_a_download_adds_little(
    rig: Rig, net: Lockstep, url: str
) -> None:
    used = rig.call("memory", url + BLOB_PATH, 65536)
    assert used["end"]["length"] == 65536
    assert used["held"] <= 3072
    assert used["peak"] <= 6144
    net.server.mode = "endless-headers"
    assert rig.call("memory", url + "release.json", 65536, 10)["left"] <= 1024
    net.server.mode = "none"
    assert rig.call("memory", url + "release.json", 65536, 10)["left"] <= 1024


def test_others_have_their_turn_while_a_file_comes(rig: Rig, url: str) -> None:
    out = rig.call("side_by_side", url + BLOB_PATH)
    assert out["status"] == 200
    assert out["turns"] >= 64
