"""Rig for the settings: packets in, bytes out and back, and damaged bytes by the thousand."""

import io
import sys

from lutin.settings import Settings, SettingsError, masked


def _all(settings):
    """Every value, passwords too."""
    return {
        "networks": [
            {"ssid": n.ssid, "password": n.password, "static": n.static, "proxy": n.proxy}
            for n in settings.networks
        ],
        "server": settings.server,
        "broker": settings.broker,
        "name": settings.name,
        "led": settings.led,
    }


def _decoded(value):
    """Texts travel as bytes: MicroPython's JSON reads what json.dumps makes of an emoji as two halves."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list):
        return [_decoded(v) for v in value]
    if isinstance(value, dict):
        return {k: _decoded(v) for k, v in value.items()}
    return value


def apply(packets, led=0):
    """Packets one after the other: all values before and after a way through bytes; or the refusal."""
    settings = Settings(led=led)
    try:
        for packet in _decoded(packets):
            before = settings.to_bytes()
            changed = settings.apply(packet)
            if settings.to_bytes() != before:
                raise AssertionError("apply changed what it was called on")
            settings = changed
    except SettingsError as e:
        return {"refused": e.args[0]}
    data = settings.to_bytes()
    again = Settings.from_bytes(data)
    if again.to_bytes() != data or _all(again) != _all(settings):
        raise AssertionError("bytes do not give the same settings back")
    return {"all": _all(again), "public": again.public(), "size": len(data)}


def certificate(der, *packets):
    """A certificate, then packets of light: what is left of it in the stored bytes."""
    try:
        settings = Settings().apply({"ca": der})
        for packet in packets:
            settings = Settings.from_bytes(settings.to_bytes()).apply(_decoded(packet))
        return {"kept": settings.ca, "public": settings.public()["ca"]}
    except SettingsError as e:
        return {"refused": e.args[0]}


def read(data):
    """What stored bytes say, or the refusal."""
    try:
        return _all(Settings.from_bytes(data))
    except SettingsError as e:
        return {"refused": e.args[0]}


def led(value):
    """The refusal of a LED policy, None if it is none."""
    try:
        return Settings(led=value).public()["led"]
    except SettingsError as e:
        return e.args[0]


def mutations(image, seed, count):
    """Damage the image count times; how often that was refused, by name, and how often read."""
    names = {}
    x = seed
    for _ in range(count):
        data = bytearray(image)
        x = (x * 1103515245 + 12345) & 0x7FFFFFFF
        for _ in range(1 + (x >> 8) % 4):
            x = (x * 1103515245 + 12345) & 0x7FFFFFFF
            at = (x >> 8) % len(data)
            x = (x * 1103515245 + 12345) & 0x7FFFFFFF
            kind = (x >> 20) & 3
            if kind == 0:
                data[at] ^= 1 << ((x >> 8) & 7)
            elif kind == 1:
                data[at] = (x >> 8) & 0xFF
            elif kind == 2 and len(data) > 2:
                data = data[:at] + data[at + 1 :]
            else:
                data = data[:at] + data[at : at + 9] + data[at:]
        try:
            settings = Settings.from_bytes(bytes(data))
            name = "read"
            # What is let in must be as good as what was set by hand.
            Settings.from_bytes(settings.to_bytes())
        except SettingsError as e:
            name = e.args[0]
        names[name] = names.get(name, 0) + 1
    return names


def cuts(image):
    """The refusals of every beginning of the image."""
    names = {}
    for n in range(len(image)):
        name = read(image[:n]).get("refused", "read")
        names[name] = names.get(name, 0) + 1
    return names


def hide(url):
    """The URL as people see it."""
    return masked(url)


def everything_shown(packet):
    """All that could reach a log: repr and str of everything, public, and the refusal with its trace."""
    out = io.StringIO()
    try:
        settings = Settings().apply(packet)
        things = [settings, settings.networks, settings.public()]
        things += settings.networks
        out.write(" ".join([repr(t) + str(t) for t in things]))
    except SettingsError as e:
        sys.print_exception(e, out)
        out.write(repr(e) + repr(e.args))
    return out.getvalue()


def pair(*packets):
    """Certificate and key behind these packets and a way through bytes: both, what is public; or the refusal."""
    settings = Settings()
    try:
        for packet in packets:
            settings = Settings.from_bytes(settings.apply(packet).to_bytes())
    except SettingsError as e:
        return {"refused": e.args[0]}
    return {"cert": settings.cert, "key": settings.key, "public": settings.public()}


def read_pair(data):
    """The same of stored bytes."""
    try:
        settings = Settings.from_bytes(data)
    except SettingsError as e:
        return {"refused": e.args[0]}
    return {"cert": settings.cert, "key": settings.key, "public": settings.public()}
