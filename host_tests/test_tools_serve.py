"""`lutin serve`: what a device and its owner may rely on."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import queue
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from lutin_tools import certificates, cli
from lutin_tools.release import build, check
from lutin_tools.release.check import Place
from unixport import ROOT

KEY = ROOT / "host_tests" / "keys" / "test-key-1.pem"
DEADLINE = 20  # s


class Served:
    """`lutin serve` as a process."""

    def __init__(self, *arguments: object) -> None:
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "lutin_tools.cli",
                "serve",
                "--no-broker",
                "--port",
                "0",
                *map(str, arguments),
            ],
            env={**os.environ, "PYTHONPATH": str(ROOT / "tools")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.said: list[str] = []
        while not (found := re.fullmatch(r"(https?)://127\.0\.0\.1:(\d+)/", self.line())):
            pass
        self.url = found[0]
        self.port = int(found[2])

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put("")

    def line(self) -> str:
        """The next one that it prints."""
        line = self._lines.get(timeout=DEADLINE)
        assert line or self.process.poll() is None, self.said
        self.said.append(line)
        return line

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        """(status, headers, body)"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        with contextlib.closing(connection):
            connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()

    def close(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=DEADLINE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release, and secrets around it."""
    top = tmp_path_factory.mktemp("serve")
    folder = top / "releases"
    build.build(folder, [KEY], 3, boards=["unix"])
    (top / "secret.txt").write_text("secret")
    (folder / "signing-key.pem").write_text("secret")
    (folder / "blobs" / "secret.txt").write_text("secret")
    (folder / "blobs" / (64 * "0" + ".bak")).write_text("secret")
    return folder


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Served]:
    with contextlib.closing(Served(folder, "--bind", "0.0.0.0")) as served:
        yield served


def blob_of(folder: Path) -> tuple[str, bytes]:
    """(path, contents) of the longest."""
    path = max((folder / "blobs").iterdir(), key=lambda path: path.stat().st_size)
    return f"/blobs/{path.name}", path.read_bytes()


def test_it_says_what_it_serves_and_where(served: Served) -> None:
    assert served.said[0] == "release 3, version 3, for unix"
    assert all(re.fullmatch(r"http://[\d.]+:\d+/", line) for line in served.said[1:])
    assert check.examine(Place(served.url)).problems == []
    for _ in check.examine(Place(served.url)).encoded:
        served.line()


def test_a_release_and_its_blobs_come_with_type_length_and_etag(served: Served, folder: Path) -> None:
    for path, kind, cache in (
        ("/release.json", "application/json", "no-cache"),
        (blob_of(folder)[0], "application/octet-stream", "max-age=31536000, immutable"),
    ):
        status, headers, body = served.ask(path)
        assert (status, body) == (200, (folder / path[1:]).read_bytes())
        assert headers["content-type"].split(";")[0] == kind
        assert headers["content-length"] == str(len(body))
        assert headers["cache-control"] == cache
        assert headers["accept-ranges"] == "bytes"
        assert "content-encoding" not in served.ask(path, Accept_Encoding="gzip, br")[1]
        head = served.ask(path, "HEAD")
        assert (head[0], head[2]) == (200, b"")
        assert {k: v for k, v in head[1].items() if k != "date"} == {
            k: v for k, v in headers.items() if k != "date"
        }


def test_who_has_it_already_is_told_so(served: Served, folder: Path) -> None:
    etag = served.ask("/release.json")[1]["etag"]
    for asked in (etag, f'"other", {etag}', "W/" + etag, "*"):
        status, headers, body = served.ask("/release.json", If_None_Match=asked)
        assert (status, body, headers["etag"]) == (304, b"", etag)
    assert served.ask("/release.json", If_None_Match='"other"')[0] == 200
    # Its contents count, and not when they were written.
    os.utime(folder / "release.json", (1, 1))
    assert served.ask("/release.json", If_None_Match=etag)[0] == 304


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [("bytes=0-", 0, None), ("bytes=10-19", 10, 20), ("bytes=500-", 500, None), ("bytes=-7", -7, None), ("bytes=5-999999999", 5, None)],
)  # fmt: skip
def test_a_part_can_be_had(served: Served, folder: Path, asked: str, start: int, stop: int | None) -> None:
    path, whole = blob_of(folder)
    status, headers, body = served.ask(path, Range=asked)
    first, last, _ = slice(start, stop).indices(len(whole))
    assert (status, body) == (206, whole[start:stop])
    assert headers["content-range"] == f"bytes {first}-{last - 1}/{len(whole)}"
    assert headers["content-length"] == str(len(body))
    etag = headers["etag"]
    assert served.ask(path, Range=asked, If_Range=etag)[0] == 206
    assert served.ask(path, Range=asked, If_Range='"other"')[::2] == (200, whole)


@pytest.mark.parametrize(
    ("asked", "status"),
    [("bytes=LENGTH-", 416), ("bytes=-0", 416), ("bytes=5-2", 200), ("lines=1-2", 200), ("bytes=0-1,4-5", 200), ("bytes=a-", 200)],
)  # fmt: skip
def test_a_part_that_is_not_there_is_refused_and_one_that_is_not_understood_is_none(
    served: Served, folder: Path, asked: str, status: int
) -> None:
    path, whole = blob_of(folder)
    got, headers, body = served.ask(path, Range=asked.replace("LENGTH", str(len(whole))))
    assert got == status
    if status == 416:
        assert (headers["content-range"], body) == (f"bytes */{len(whole)}", b"")
    else:
        assert body == whole


@pytest.mark.parametrize(
    "path",
    ["/", "/blobs", "/blobs/", "/signing-key.pem", "/blobs/secret.txt", "/blobs/" + 64 * "0", "/blobs/" + 64 * "0" + ".bak", "/../secret.txt", "/blobs/../signing-key.pem",
     "/%2e%2e/secret.txt", "/blobs/..%2fsigning-key.pem", "//release.json", "/release.json/", "/release.json%00", "/blobs/" + 64 * "A",
     "/blobs/%0a" + 64 * "0", "/./release.json", "/etc/passwd"],
)  # fmt: skip
def test_nothing_else_is_ever_served(served: Served, path: str) -> None:
    status, _, body = served.ask(path)
    assert status == 404
    assert b"secret" not in body
    assert b"blobs" not in body


def test_nothing_can_be_sent_to_it(served: Served) -> None:
    for method in ("POST", "PUT", "DELETE"):
        assert served.ask("/release.json", method)[0] == 405


def test_each_request_is_a_line_that_no_visitor_can_forge(folder: Path) -> None:
    path, _ = blob_of(folder)
    with contextlib.closing(Served(folder, "--bind", "127.0.0.1")) as served:
        served.ask(path, Range="bytes=10-19")
        assert re.fullmatch(rf"\d\d:\d\d:\d\d 127\.0\.0\.1 GET {path} 206 10 bytes=10-19", served.line())
        served.ask(path, "HEAD")
        assert served.line().endswith(f"HEAD {path} 200 0")
        served.ask("/release.json", If_None_Match="*")
        assert served.line().endswith("GET /release.json 304 0")
        # Whatever it is, HTTP or not: no traceback, and no line of the visitor's making.
        for path, asked in (
            (b"\x1b[31m", b""),
            (b"\xff\xc2\x9b", b""),
            (b"x", b"\x1b]0;x"),
            (b"x", b"\xff\xc2\x9b"),
            (b" x y", b""),
        ):
            with socket.create_connection(("127.0.0.1", served.port)) as raw:
                raw.sendall(
                    b"GET /%b HTTP/1.1\r\nHost: x\r\nRange: %b\r\nConnection: close\r\n\r\n" % (path, asked)
                )
                while raw.recv(1000):
                    pass
        served.ask("/last")
        lines = [served.line()]
        while "/last" not in lines[-1]:
            lines.append(served.line())
        assert all(line.isprintable() and re.match(r"\d\d:\d\d:\d\d ", line) for line in lines), lines
        assert 2 <= len(lines) <= 6


def test_a_release_that_is_replaced_is_served_at_once(tmp_path: Path) -> None:
    build.build(tmp_path / "r", [KEY], 1)
    with contextlib.closing(Served(tmp_path / "r", "--bind", "127.0.0.1")) as served:
        etag = served.ask("/release.json")[1]["etag"]
        build.build(tmp_path / "r", [KEY], 2)
        status, headers, body = served.ask("/release.json", If_None_Match=etag)
        assert (status, body) == (200, (tmp_path / "r" / "release.json").read_bytes())
        assert headers["etag"] != etag


# --- TLS -------------------------------------------------------------------------------------------


def test_with_its_own_ca_it_is_trusted_by_name_and_by_address_and_by_nobody_else(
    folder: Path, tmp_path: Path
) -> None:
    tls = tmp_path / "tls"
    with contextlib.closing(Served(folder, "--tls", "--tls-dir", tls, "--bind", "127.0.0.1")) as served:
        assert any(str(tls / "ca.der") in line for line in served.said)
        context = ssl.create_default_context(cadata=(tls / "ca.der").read_bytes())
        for name in ("localhost", "127.0.0.1", socket.gethostname()):
            with socket.create_connection(("127.0.0.1", served.port)) as raw:
                context.wrap_socket(raw, server_hostname=name).close()
        strangers = (("example.org", context), ("localhost", ssl.create_default_context()))
        for name, other in strangers:
            raw = socket.create_connection(("127.0.0.1", served.port))
            with raw, pytest.raises(ssl.SSLCertVerificationError):
                other.wrap_socket(raw, server_hostname=name)
        assert check.examine(Place(served.url, tls / "ca.der")).problems == []
        assert cli.main(["release", "show", served.url]) == 1
    assert all(path.stat().st_mode & 0o077 == 0 for path in tls.glob("*key.pem"))
    assert tls.stat().st_mode & 0o077 == 0


def test_the_ca_is_made_once_and_the_certificate_anew_when_names_change(tmp_path: Path) -> None:
    def made(*names: str) -> list[str]:
        certificates.ensure(tmp_path, names, ["127.0.0.1"])
        return [
            hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
            for name in ("ca.der", "ca-key.pem", "server.pem")
        ]

    first = made("a", "b")
    assert made("b", "a") == first
    assert made("a") == first
    second = made("a", "c")
    assert second[:2] == first[:2] and second[2] != first[2]
    (tmp_path / "server.pem").write_bytes(b"damaged")
    third = made("a", "c")
    assert third[:2] == first[:2] and third[2] not in (first[2], second[2])


def test_options_that_do_not_go_together_are_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for arguments, why in (
            (["--cert", str(KEY)], "belong together"),
            (["--cert", str(KEY), "--cert-key", str(KEY)], "cannot be used"),
            (["--tls", "--cert", str(KEY), "--cert-key", str(KEY)], "belong together"),
            (["--tls", "--tls-dir", str(folder / "tls")], "private keys"),
            ([], "in use"),
        ):
            where = ["--no-broker", "--bind", "127.0.0.1", "--port", port]
            assert cli.main(["serve", str(folder), *where, *arguments]) == 1
            error = capsys.readouterr().err
            assert why in error and error.count("\n") == 1
    assert not (folder / "tls").exists()
