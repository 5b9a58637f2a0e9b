"""update/fetch.py against a server that nobody here wrote."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import releasemaker
from lockstep import Lockstep
from test_update_fetch import Issuer
from unixport import Rig

NGINX = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
FILES = {
    "lutin/device.mpy": b"M\x06\0\x1f" + bytes(range(256)) * 40,
    "lutin/led.mpy": b"M\x06" + os.urandom(3000),
}

pytestmark = pytest.mark.skipif(
    NGINX is None, reason="nginx is not installed (Debian: apt install nginx-light)"
)


class Nginx(NamedTuple):
    folder: Path
    ports: dict[str, int]
    ca: bytes

    def url(self, path: str, server: str = "off") -> str:
        return f"http{'s' if server == 'tls' else ''}://127.0.0.1:{self.ports[server]}/{path}"


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    work = tmp_path_factory.mktemp("nginx")
    folder = work / "release"
    releasemaker.write(folder, FILES, 7, [releasemaker.Key.make(1)])
    for path in [folder / "release.json", *(folder / "blobs").iterdir()]:
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
    ca = Issuer("a CA")
    ca.context(work, "127.0.0.1").load_cert_chain(next(work.glob("127*.pem")))
    next(work.glob("127*.pem")).rename(work / "server.pem")
    names = ("off", "on", "always", "moved", "tls")
    # All open at once, so that they are different ones.
    holders = [socket.create_server(("127.0.0.1", 0)) for _ in names]
    ports = {name: holder.getsockname()[1] for name, holder in zip(names, holders, strict=True)}
    for holder in holders:
        holder.close()
    config = work / "nginx.conf"
    template = (Path(__file__).parent / "nginx.conf").read_text()
    config.write_text(template.format(work=work, folder=folder, **ports))
    command = [str(NGINX), "-c", str(config), "-p", str(work), "-e", str(work / "error.log")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", ports["tls"]), 1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > end:
                    process.kill()
                    pytest.fail(f"nginx did not start: {process.communicate()[0].decode()}")
                time.sleep(0.01)
        yield Nginx(folder, ports, ca.der)
    finally:
        process.terminate()
        process.communicate(timeout=10)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Lockstep(tmp_path_factory.mktemp("nothing")) as net, Rig("update_fetch") as rig:
        rig.call(
            "lockstep", net.control
        )  # which has no part in this but to keep the clock from running ahead
        rig.call("new")
        yield rig


@pytest.mark.parametrize("server", ["off", "on", "tls", "moved"])
def test_a_whole_release_comes_from_nginx(rig: Rig, nginx: Nginx, server: str) -> None:
    def fetch(path: str, **more: Any) -> bytes:
        out = rig.call("fetch", nginx.url(path, server), ca=nginx.ca, **more)
        assert "failure" not in out, out
        assert out["left"] == 0
        return out["body"]

    envelope = fetch("release.json")
    assert envelope == (nginx.folder / "release.json").read_bytes()
    payload = json.loads(base64.b64decode(json.loads(envelope)["payload"]))
    assert [entry["path"] for entry in payload["files"]] == sorted(FILES)
    for entry in payload["files"]:
        blob = fetch("blobs/" + entry["sha256"], most=entry["length"], page=False)
        assert blob == releasemaker.encode(FILES[entry["path"]])[1]


@pytest.mark.parametrize("server", ["off", "on", "tls"])
def test_nginx_says_when_nothing_is_new(rig: Rig, nginx: Nginx, server: str) -> None:
    url = nginx.url("release.json", server)
    etag = rig.call("fetch", url, ca=nginx.ca)["etag"]
    assert etag
    assert rig.call("fetch", url, ca=nginx.ca, etag=etag)["status"] == 304
    assert rig.call("fetch", url, ca=nginx.ca, etag='"other"')["status"] == 200


@pytest.mark.parametrize("server", ["off", "on", "tls"])
def test_nginx_goes_on_where_it_stopped(rig: Rig, nginx: Nginx, server: str) -> None:
    data = releasemaker.encode(FILES["lutin/led.mpy"])[1]
    url = nginx.url("blobs/" + hashlib.sha256(FILES["lutin/led.mpy"]).hexdigest(), server)
    for offset in (1, 1000, len(data) - 1):
        out = rig.call("fetch", url, ca=nginx.ca, offset=offset, page=False)
        assert (out["status"], out["starts"], out["body"]) == (206, [offset], data[offset:])
    out = rig.call("fetch", url, ca=nginx.ca, offset=len(data), page=False)
    assert (out["status"], out["starts"], out["length"]) == (206, [len(data)], 0)
    assert rig.call("fetch", url, ca=nginx.ca, offset=len(data) + 1, page=False)["failure"] == "range-refused"


def test_what_is_not_there_is_named(rig: Rig, nginx: Nginx) -> None:
    assert rig.call("fetch", nginx.url("blobs/" + "0" * 64))["failure"] == "http-404"
    assert rig.call("fetch", nginx.url("blobs/"))["failure"] == "http-403"


def test_files_that_nginx_compresses_unasked_are_refused_by_name(rig: Rig, nginx: Nginx) -> None:
    out = rig.call("fetch", nginx.url("release.json", "always"))
    assert (out["failure"], out["detail"]) == ("content-encoded", "gzip")


def test_http_and_https_are_told_apart(rig: Rig, nginx: Nginx) -> None:
    place = f"127.0.0.1:{nginx.ports['tls']}"
    assert rig.call("fetch", f"http://{place}/release.json")["failure"] == "http-400"
    out = rig.call("fetch", f"https://127.0.0.1:{nginx.ports['off']}/release.json")
    assert (out["failure"], out["left"]) == ("tls-handshake", 0)
