"""The rules that settings keep, and the bytes that they are stored as. In memory only while they are needed.

Bytes: the version, then fields of type (1 byte), length (2 bytes, little endian) and value. A field
of unknown type is skipped. A network is a field of fields.
"""

import struct

from micropython import const

from .settings import LEDS, MAX_NETWORKS, Network, Settings, SettingsError, split

_VERSION = const(1)
_MAX_SIZE = const(4080)  # what a record of the store has room for

_NETWORK = const(1)
_SERVER = const(2)
_BROKER = const(3)
_NAME = const(4)
_LED = const(5)
_CA = const(6)
_CERT = const(7)
_KEY = const(8)

_SSID = const(1)  # fields of a network
_PASSWORD = const(2)
_STATIC = const(3)
_PROXY = const(4)


def network(ssid, password, static, proxy):
    """The same, if all of it may be; else SettingsError."""
    _text(ssid, 32, "network-name")
    if not ssid:
        raise SettingsError("network-name-missing")
    static = None if static is None else _static(static)
    return ssid, _password(password), static, None if proxy is None else _proxy(*proxy)


def settings(networks, server, broker, name, led, ca, cert, key):
    """The same, in its final form, if all of it may be; else SettingsError."""
    if len(networks) > MAX_NETWORKS:
        raise SettingsError("too-many-networks")
    if len({network.ssid for network in networks}) < len(networks):
        raise SettingsError("network-twice")
    server = _url(server, ("http", "https"), "server")
    broker = _url(broker, ("mqtt", "mqtts"), "broker")
    name = _text(name, 32, "device-name")
    if led not in range(len(LEDS)):
        raise SettingsError("led-invalid")
    ca, cert, key = _der(ca, "ca"), _der(cert, "cert"), _der(key, "key")
    if bool(cert) != bool(key):
        raise SettingsError("cert-or-key-missing")
    return networks, server, broker, name, led, ca, cert, key


def apply(settings, packet):
    """New Settings: these, changed as a packet's dict says."""
    if packet.get("clear"):
        # Doing half of it would mean guessing which half was meant.
        if any(key not in ("clear", "checked") for key in packet):
            raise SettingsError("clear-not-alone")
        return Settings()
    networks = settings.networks
    if "ssid" in packet:
        proxy = packet.get("proxy")
        if proxy is not None:
            proxy = [proxy.get(key, "") for key in ("server", "port", "user", "password")]
        network = Network(packet["ssid"], packet.get("password", ""), packet.get("static"), proxy)
        kept = networks if packet.get("add") else ()
        networks = [network] + [other for other in kept if other.ssid != network.ssid]
    elif any(key in packet for key in ("password", "static", "proxy", "add")):
        raise SettingsError("network-name-missing")
    if ("cert" in packet) != ("key" in packet):
        raise SettingsError("cert-or-key-missing")
    others = ("server", "broker", "name", "led", "ca", "cert", "key")
    others = {key: packet.get(key, getattr(settings, key)) for key in others}
    new = Settings(networks[:MAX_NETWORKS], **others)
    if len(to_bytes(new)) > _MAX_SIZE:
        raise SettingsError("settings-too-large")
    return new


def to_bytes(settings):
    """What the store keeps."""
    out = bytes([_VERSION])
    for network in settings.networks:
        out += _field(_NETWORK, _network_to_bytes(network))
    for kind, text in ((_SERVER, settings.server), (_BROKER, settings.broker), (_NAME, settings.name)):
        out += _field(kind, text.encode())
    out += _field(_LED, bytes([settings.led]))
    for kind, der in ((_CA, settings.ca), (_CERT, settings.cert), (_KEY, settings.key)):
        if der:
            out += _field(kind, der)
    return out


def from_bytes(data):
    """The inverse of to_bytes; SettingsError for anything else."""
    if not data or len(data) > _MAX_SIZE:
        raise SettingsError("settings-damaged")
    if data[0] != _VERSION:
        raise SettingsError("settings-version-unknown")
    got = {}
    networks = []
    for kind, value in _fields(data[1:]):
        got[kind] = value
        if kind == _NETWORK:
            networks.append(_network_from_bytes(value))
    texts = [_decode(got.get(kind, b"")) for kind in (_SERVER, _BROKER, _NAME)]
    led = int.from_bytes(got.get(_LED, b""), "little")
    ca, cert, key = [got.get(kind, b"") for kind in (_CA, _CERT, _KEY)]
    return Settings(networks, *texts, led=led, ca=ca, cert=cert, key=key)


def _network_to_bytes(network):
    out = _field(_SSID, network.ssid.encode()) + _field(_PASSWORD, network.password.encode())
    if network.static:
        out += _field(_STATIC, bytes([int(n) for quad in network.static for n in quad.split(".")]))
    if network.proxy:
        server, port, user, password = network.proxy
        out += _field(_PROXY, struct.pack("<H", port) + "\0".join((server, user, password)).encode())
    return out


def _network_from_bytes(data):
    got = dict(_fields(data))
    static = got.get(_STATIC)
    if static is not None:
        quads = [static[i : i + 4] for i in range(0, len(static), 4)]
        static = [".".join([str(n) for n in quad]) for quad in quads]
    proxy = None
    if _PROXY in got:
        texts = _decode(got[_PROXY][2:]).split("\0")
        if len(texts) != 3:
            raise SettingsError("settings-damaged")
        proxy = (texts[0], struct.unpack("<H", got[_PROXY])[0], texts[1], texts[2])
    return Network(_decode(got.get(_SSID, b"")), _decode(got.get(_PASSWORD, b"")), static, proxy)


def _field(kind, value):
    return struct.pack("<BH", kind, len(value)) + value


def _fields(data):
    """Yield (type, value) of each field."""
    at = 0
    while at < len(data):
        if len(data) - at < 3:
            raise SettingsError("settings-damaged")
        kind, size = struct.unpack_from("<BH", data, at)
        at += 3 + size
        if at > len(data):
            raise SettingsError("settings-damaged")
        yield kind, data[at - size : at]


def _decode(data):
    try:
        return str(data, "utf-8")
    except UnicodeError:
        raise SettingsError("settings-damaged") from None


def _text(text, limit, what):
    """Text of at most `limit` bytes in UTF-8, without control characters."""
    if not isinstance(text, str):
        raise SettingsError(what + "-invalid")
    size = len(text.encode())
    if size > limit:
        raise SettingsError(what + "-too-long")
    for c in text:
        n = ord(c)
        # MicroPython decodes what other programs refuse: half surrogates, longer forms than needed.
        if n < 32 or 127 <= n < 160 or 0xD800 <= n < 0xE000 or n > 0x10FFFF:
            raise SettingsError(what + "-invalid")
        size -= 1 + (n > 0x7F) + (n > 0x7FF) + (n > 0xFFFF)
    if size:
        raise SettingsError(what + "-invalid")
    return text


def _password(text):
    size = len(_text(text, 64, "password").encode())
    if 0 < size < 8:
        raise SettingsError("password-too-short")
    if size == 64 and not all(c in "0123456789abcdefABCDEF" for c in text):
        raise SettingsError("password-not-hex")
    return text


def _quad(text, what):
    """A dotted quad as a number."""
    parts = text.split(".") if isinstance(text, str) and len(text) < 16 else ()
    value = 0
    for part in parts:
        # 010 is ten to some and eight to others.
        if not part.isdigit() or int(part) > 255 or part != str(int(part)):
            raise SettingsError(what + "-invalid")
        value = value << 8 | int(part)
    if len(parts) != 4:
        raise SettingsError(what + "-invalid")
    return value


def _is_one_host(number):
    return 1 <= number >> 24 < 224 and number >> 24 != 127


def _static(quads):
    """(address, netmask, gateway, DNS 1 and perhaps DNS 2) with which a device can be reached."""
    if not isinstance(quads, (list, tuple)) or not 4 <= len(quads) <= 5:
        raise SettingsError("static-address-incomplete")
    names = ("address", "netmask", "gateway", "dns", "dns")
    numbers = [_quad(quads[i], names[i]) for i in range(len(quads))]
    address, mask, gateway = numbers[:3]
    hosts = mask ^ 0xFFFFFFFF
    # Ones, then zeros, with room for at least the device and its gateway: /8 to /30.
    if hosts & (hosts + 1) or not 3 <= hosts <= 0xFFFFFF:
        raise SettingsError("netmask-invalid")
    for number, what in ((address, "address"), (gateway, "gateway")):
        if not _is_one_host(number) or number & hosts in (0, hosts):
            raise SettingsError(what + "-invalid")
    # 0.0.0.0 is how senders say that there is none.
    if not all(number == 0 or _is_one_host(number) for number in numbers[3:]):
        raise SettingsError("dns-invalid")
    if (address ^ gateway) & mask:
        raise SettingsError("gateway-not-in-network")
    if address == gateway:
        raise SettingsError("gateway-is-address")
    return tuple(quads)


def _is_name(host):
    return bool(host.strip("-._")) and all(c.isalpha() or c.isdigit() or c in "-._" for c in host)


def _proxy(server, port, user="", password=""):
    if not (_is_name(_text(server, 128, "proxy")) and isinstance(port, int) and 0 < port < 65536):
        raise SettingsError("proxy-invalid")
    return server, port, _text(user, 64, "proxy-user"), _text(password, 64, "proxy-password")


def _der(der, what):
    """The outside of a certificate or key in DER; what is in it is looked at when it is used."""
    if der and not (der[0] == 0x30 and 64 <= len(der) <= 2048):
        raise SettingsError(what + "-invalid")
    return bytes(der)


def _url(url, schemes, what):
    """A URL with a host, its scheme in lower case; or "", no URL."""
    if not _text(url, 255, what):
        return ""
    scheme, _, host, rest = split(url)
    host, colon, port = host.partition(":")
    good = scheme.lower() in [name + "://" for name in schemes] and _is_name(host)
    good = good and (not colon or (port.isdigit() and 0 < int(port) < 65536))
    # An @ further on is a password with a slash in it: "host" would be its first half.
    if not good or "@" in rest or any(not 32 < ord(c) < 127 for c in url):
        raise SettingsError(what + "-invalid")
    return scheme.lower() + url[len(scheme) :]
