"""`lutin settings`: what is set on a board, and setting it through the door that BlinkUp has."""

from __future__ import annotations

import argparse
import base64
import getpass
import sys
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import Encoding

from ..flash.mishaps import Mishap
from .line import Line, Refusal

# What the board's names for a refusal mean, where the name alone does not say what to do.
_REFUSALS = {
    "not-stored": "The board's flash does not take the settings. It joins nothing until they can be stored.",
    "password-too-short": "A password of a network has 8 characters at least.",
    "password-not-hex": "A password of 64 characters is a key in hex.",
    "server-invalid": "An update server is a URL like http://192.168.1.10:8080/.",
    "broker-invalid": "A broker is a URL like mqtt://192.168.1.10 or mqtts://user:password@broker.example.",
    "settings-too-large": "All settings together have room for 4 KB: smaller certificates (EC keys) help.",
    "cert-or-key-missing": "A client certificate and its key belong together.",
    "too-many-networks": "A board keeps eight networks.",
    "led-invalid": "The light is `window` (dark after the first minute) or `always`.",
}


def add_options(command: Any) -> None:
    """What can be set."""
    command.add_argument("--network", metavar="NAME", help="of the WiFi; its password is asked for")
    command.add_argument("--open", action="store_true", help="the network has no password")
    command.add_argument(
        "--password",
        metavar="TEXT",
        help="in the place of asking; the list of processes and your shell's history will show it",
    )
    command.add_argument(
        "--password-stdin", action="store_true", help="the password is the first line of standard input"
    )
    command.add_argument("--add", action="store_true", help="keep the networks that are stored, too")
    command.add_argument(
        "--static",
        metavar="ADDRESSES",
        help="address,netmask,gateway,dns[,dns]: of the network, in place of DHCP",
    )
    command.add_argument("--proxy", metavar="[USER:PASSWORD@]HOST:PORT", help="of the network, for updates")
    command.add_argument("--server", metavar="URL", help='where updates come from; "" for none')
    command.add_argument("--broker", metavar="URL", help='mqtt:// or mqtts://; "" for none')
    command.add_argument("--name", metavar="TEXT", help="of the device")
    command.add_argument("--led", choices=("window", "always"), help="dark after the first minute, or never")
    command.add_argument(
        "--ca", metavar="FILE", help='who signs the certificates of server and broker, PEM or DER; "": none'
    )
    command.add_argument("--cert", metavar="FILE", help="client certificate for the broker, PEM or DER")
    command.add_argument("--key", metavar="FILE", help="and its private key, PEM or DER")
    command.add_argument("--clear", action="store_true", help="forget everything that is set")
    command.add_argument("--json", action="store_true", help="for programs")


def packet(asked: argparse.Namespace) -> dict[str, Any]:
    """What is to be set, as BlinkUp would say it; empty: nothing."""
    out: dict[str, Any] = {}
    of_network = ("open", "password", "password_stdin", "add", "static", "proxy")
    if asked.network is None and any(getattr(asked, name) for name in of_network):
        raise Mishap("--open, --password…, --add, --static and --proxy are about a --network.")
    if sum(map(bool, (asked.open, asked.password, asked.password_stdin))) > 1:
        raise Mishap("One of --open, --password and --password-stdin is enough.")
    if asked.network is not None:
        out["ssid"] = asked.network
        if not asked.open:
            out["password"] = _password(asked)
        if asked.add:
            out["add"] = True
        if asked.static:
            out["static"] = [part.strip() for part in asked.static.split(",")]
        if asked.proxy:
            out["proxy"] = _proxy(asked.proxy)
    for name in ("server", "broker", "name", "led"):
        if getattr(asked, name) is not None:
            out[name] = getattr(asked, name)
    if asked.ca is not None:
        out["ca"] = _base64(_certificate(Path(asked.ca)) if asked.ca else b"")
    if (asked.cert is None) != (asked.key is None):
        raise Mishap(_REFUSALS["cert-or-key-missing"])
    if asked.cert is not None:
        out["cert"] = _base64(_certificate(Path(asked.cert)) if asked.cert else b"")
        out["key"] = _base64(_key(Path(asked.key)) if asked.key else b"")
    if asked.clear:
        if out:
            raise Mishap("--clear stands alone: doing half of it would mean guessing which half was meant.")
        out["clear"] = True
    return out


def change(line: Line, wanted: dict[str, Any]) -> dict[str, Any]:
    """Set it; a refusal in words."""
    try:
        return line.set(wanted)
    except Refusal as e:
        sentence = _REFUSALS.get(e.name, "Nothing was set.")
        raise Mishap(f"The board refuses that: {e}. {sentence}") from None


def lines(found: dict[str, Any]) -> list[str]:
    """What is set, for people; the board never says a password."""
    settings = found["settings"]
    out = []
    for network in settings["networks"]:
        words = [f"network   {network['ssid']}", "with a password" if network["password"] else "open"]
        if network["static"]:
            words.append("address " + ", ".join(network["static"]))
        if network["proxy"]:
            words.append(f"proxy {network['proxy']['server']}:{network['proxy']['port']}")
        out.append(", ".join(words))
    if not settings["networks"]:
        out.append("network   none: the board waits for BlinkUp")
    out += [f"{name:9} {settings[name] or 'none'}" for name in ("server", "broker", "name", "led")]
    held = [
        word
        for key, word in (("ca", "a CA"), ("cert", "a client certificate with its key"))
        if settings.get(key)
    ]
    out.append(f"holds     {' and '.join(held) or 'no certificates'}")
    out.append(f"stored    generation {found['generation']}")
    return out


def _password(asked: argparse.Namespace) -> str:
    """Asked for without echo, unless it comes another way."""
    if asked.password:
        return asked.password
    if asked.password_stdin:
        text = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        text = getpass.getpass(f"Password of {asked.network}: ")
    else:
        raise Mishap("There is nobody to ask for the password: --password-stdin, or --open if it has none.")
    if not text:
        raise Mishap("No password was given. If the network has none: --open.")
    return text


def _proxy(text: str) -> dict[str, Any]:
    login, _, place = text.removeprefix("http://").rstrip("/").rpartition("@")
    user, _, password = login.partition(":")
    server, _, port = place.rpartition(":")
    if not server or not port.isdigit():
        raise Mishap("A proxy is written as host:port, or user:password@host:port.")
    return {"server": server, "port": int(port), "user": user, "password": password}


def _certificate(path: Path) -> bytes:
    """In DER, as a board takes it."""
    data = _read(path)
    try:
        if b"-----BEGIN" in data:
            return x509.load_pem_x509_certificate(data).public_bytes(Encoding.DER)
        x509.load_der_x509_certificate(data)
        return data
    except ValueError:
        raise Mishap(f"{path} is no certificate, neither PEM nor DER.") from None


def _key(path: Path) -> bytes:
    data = _read(path)
    try:
        if b"-----BEGIN" in data:
            key = serialization.load_pem_private_key(data, None)
        else:
            key = serialization.load_der_private_key(data, None)
    except TypeError:
        raise Mishap(f"{path} has a passphrase, which no board can type. Take it off first.") from None
    except ValueError:
        raise Mishap(f"{path} is no private key, neither PEM nor DER.") from None
    kind = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(Encoding.DER, kind, serialization.NoEncryption())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as e:
        raise Mishap(f"{path}: {e.strerror}") from None


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
