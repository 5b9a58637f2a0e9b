"""What can be set: validated, to and from bytes; and what is kept of it.

No Network or Settings with a wrong value can be made, whether it comes by light, from the console or
out of the flash. A rule may be loosened later but never tightened: what was stored under the old
rule would be refused, and an update would cost the device its network.

The rules themselves are in rules.py, which is in memory only while settings are made or changed.
"""

from micropython import const

from . import store
from .rooms import leave

MAX_NETWORKS = const(8)
LEDS = ("window", "always")  # Settings.led is an index: dark after the first minute, or never


class SettingsError(Exception):
    """args[0] names what is wrong and never quotes it: it may be a password."""


class Network:
    """A network's name, password ("": open), static address and proxy (None: none)."""

    def __init__(self, ssid, password="", static=None, proxy=None):
        from .rules import network

        self.ssid, self.password, self.static, self.proxy = network(ssid, password, static, proxy)

    def public(self):
        """For people and reports."""
        proxy = None
        if self.proxy:
            server, port, user, password = self.proxy
            proxy = {"server": server, "port": port, "user": user, "password": bool(password)}
        return {"ssid": self.ssid, "password": bool(self.password), "static": self.static, "proxy": proxy}


class Settings:
    """All that can be set. Settings() is a device that knows nothing."""

    def __init__(self, networks=(), server="", broker="", name="", led=0, ca=b"", cert=b"", key=b""):
        from .rules import settings

        checked = settings(list(networks), server, broker, name, led, ca, cert, key)
        self.networks, self.server, self.broker, self.name = checked[:4]  # networks: the best first
        # ca: who signs the servers' certificates, b"": TLS only encrypts. cert: who we are to the
        # broker, b"": it does not matter; and key: what proves it.
        self.led, self.ca, self.cert, self.key = checked[4:]

    def apply(self, packet):
        """New Settings: these, changed as a packet's dict says."""
        from .rules import apply

        return apply(self, packet)

    def to_bytes(self):
        """What the store keeps."""
        from .rules import to_bytes

        return to_bytes(self)

    @staticmethod
    def from_bytes(data):
        """The inverse of to_bytes; SettingsError for anything else."""
        from .rules import from_bytes

        return from_bytes(data)

    def public(self):
        """For console and page: everything, but passwords only as there or not there."""
        return {
            "networks": [network.public() for network in self.networks],
            "server": masked(self.server),
            "broker": masked(self.broker),
            "name": self.name,
            "led": LEDS[self.led],
            "ca": bool(self.ca),
            "cert": bool(self.cert),
        }


class Keeper:
    """The settings that are in force, and those in the store."""

    def __init__(self, records):
        self._store = records
        self.generation = 0  # of the stored ones
        self.now = Settings()  # that are in force

    def load(self):
        """Put those that are stored in force; none where that fails, with a StoreError or SettingsError."""
        try:
            self._store.repair()
            data = self._store.load(store.SETTINGS)
            self._look_up_generation()
            if data is not None:
                self.now = Settings.from_bytes(data)
        finally:
            leave("rules")

    def take(self, packet):
        """Store what a packet changes, read it back: (what was read, whether it was there before)."""
        try:
            data = self.now.apply(packet).to_bytes()
            same = self._store.load(store.SETTINGS) == data
            if not same:
                self._store.save(store.SETTINGS, data)
            stored = Settings.from_bytes(self._store.load(store.SETTINGS))
        finally:
            leave("rules")
        self._look_up_generation()
        return stored, same

    def none(self):
        """The settings of a device that knows nothing."""
        try:
            return Settings()
        finally:
            leave("rules")

    def _look_up_generation(self):
        """Once after each change: it reads the whole flash."""
        for _, key, generation, state in self._store.map():
            if key == store.SETTINGS and state == store.LIVE:
                self.generation = generation


def masked(url):
    """The URL as people may see it: of user:password@ only the user is left."""
    scheme, user, host, rest = split(url)
    if user:
        # A user without a password is often a token.
        name, colon, _ = user.partition(":")
        user = name + ":***@" if colon else "***@"
    return scheme + user + host + rest


def split(url):
    """("https://", "user:password", "host:port", "/path") of a URL."""
    scheme, mark, rest = url.partition("://")
    end = min([rest.find(c) for c in "/?#" if c in rest] + [len(rest)])
    user, _, host = rest[:end].rpartition("@")
    return scheme + mark, user, host, rest[end:]
