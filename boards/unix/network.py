"""`network` as the ESP32 port has it, in the simulated air: one station, one access point at a time.

What it does in which order, its status codes and its errors follow ports/esp32/network_wlan.c and
network_common.c of MicroPython 1.25 to 1.29. Two things there surprise and are kept: status() goes
on telling 201, 202, 210 or 211 of an earlier attempt while the next one is under way, until that
one ends; and after disconnect() it says 1000 while a connect is pending. While the driver
reconnects by itself, which is its default, other failures than these show as 1001 for ever.
"""

from sim import airspace as _air
from sim import clock as _clock
from sim import world as _world

STA_IF = 0
AP_IF = 1

STAT_IDLE = 1000
STAT_CONNECTING = 1001
STAT_GOT_IP = 1010
STAT_BEACON_TIMEOUT = 200
STAT_NO_AP_FOUND = 201
STAT_WRONG_PASSWORD = 202
STAT_ASSOC_FAIL = 203
STAT_CONNECT_FAIL = 203
STAT_HANDSHAKE_TIMEOUT = 204
STAT_NO_AP_FOUND_W_COMPATIBLE_SECURITY = 210
STAT_NO_AP_FOUND_IN_AUTHMODE_THRESHOLD = 211
STAT_NO_AP_FOUND_IN_RSSI_THRESHOLD = 212

AUTH_OPEN = 0
AUTH_WPA2_PSK = 3
AUTH_WPA_WPA2_PSK = 4

# Told by status() whatever else is going on; 8 (we left) is told as STAT_IDLE.
_STICKY = (201, 202, 210, 211, 212)
_NOWHERE = "0.0.0.0"
_CONFIG = ("txpower", "pm", "protocol", "channel", "bandwidth")

_hostname = "mpy-esp32"
_country = "XX"


class WLAN:
    """The station. There is one, whoever asks for it."""

    IF_STA = 0
    IF_AP = 1
    PM_NONE = 0
    PM_PERFORMANCE = 1
    PM_POWERSAVE = 2
    SEC_OPEN = 0
    SEC_WPA2 = 3

    _station = None

    def __new__(cls, interface=STA_IF):
        """As on the board, every call gives the same station."""
        if interface == AP_IF:
            raise NotImplementedError("the simulated board has a station only")
        if interface != STA_IF:
            raise ValueError("invalid WLAN interface identifier")
        if WLAN._station is None:
            WLAN._station = object.__new__(cls)
            WLAN._station._reset(None)
        return WLAN._station

    def __init__(self, interface=STA_IF):
        pass

    def active(self, *on):
        """Switch the radio, or ask whether it is on."""
        radio = self._radio()
        if on:
            if not on[0]:
                self._requested = False
                radio.stop()
            elif not self._active:
                self._reconnects = 0
            self._active = bool(on[0])
        return self._active

    def connect(self, ssid=None, key=None, *, bssid=None):
        """Start to join; returns at once."""
        radio = self._radio()
        if not self._active:
            raise OSError("Wifi Not Started")
        # The driver takes neither a new configuration nor a second connect before the first is
        # over. How it takes one in the moments of leaving is not known: refused here, so that
        # nobody depends on it.
        if radio.pending() or radio.associated():
            raise OSError("Wifi Internal Error")
        if ssid is not None:
            if bssid is not None:
                if len(bssid) != 6:
                    raise ValueError()
                bssid = ":".join("%02x" % byte for byte in bssid)
            self._want = (_text(ssid, 32), _text(key or "", 64), bssid)
        self._reconnects = 0
        self._requested = True
        radio.connect(*self._want)

    def disconnect(self):
        """Start to leave, and stop trying."""
        self._requested = False
        radio = self._radio()
        if not self._active:
            raise OSError("Wifi Not Started")
        radio.disconnect()

    def isconnected(self):
        """Whether an access point and an address are there."""
        self._radio()
        return self._connected

    def status(self, *what):
        """How it stands, in the port's order of precedence."""
        radio = self._radio()
        if what:
            if what[0] != "rssi":
                raise ValueError("unknown status param")
            if not radio.associated():
                raise OSError("Wifi Not Connected")
            return radio.ap.rssi
        if self._connected:
            return STAT_GOT_IP
        if self._reason in _STICKY:
            return self._reason
        if self._reason == _air.ASSOC_LEAVE:
            return STAT_IDLE
        if self._requested and (self._retries == 0 or self._reconnects < self._retries):
            return STAT_CONNECTING
        return self._reason or STAT_IDLE

    def scan(self):
        """Listen on all channels; blocks for two seconds. While joining there is no scan: []."""
        radio = self._radio()
        if not self._active:
            raise OSError("STA must be active")
        if radio.pending():
            return []
        _clock.sleep_us(_air.SCAN_US)
        self._radio()
        now = _clock.now_us()
        found = [
            (
                b"" if ap.hidden else ap.ssid.encode(),
                bytes(int(byte, 16) for byte in ap.bssid.split(":")),
                ap.channel,
                ap.rssi,
                AUTH_WPA2_PSK if ap.password else AUTH_OPEN,
                False,
            )
            for ap in _world.airspace.aps
            if ap.on_air(now)
        ]
        return sorted(found, key=lambda record: -record[3])

    def config(self, *what, **values):
        """Ask for one parameter, or set some."""
        global _hostname
        radio = self._radio()
        if values:
            if what:
                raise TypeError("either pos or kw args are allowed")
            if not self._active:
                raise OSError("Wifi Invalid Mode")
            for name, value in values.items():
                if name == "reconnects":
                    self._retries = 0 if value == -1 else value + 1 & 255
                elif name in ("hostname", "dhcp_hostname"):
                    _hostname = value
                elif name == "mac":
                    self._mac = bytes(value)
                elif name in _CONFIG:
                    self._parameters[name] = value
                elif name in ("ssid", "essid", "key", "password", "hidden", "security", "max_clients"):
                    raise OSError("AP required")
                else:
                    raise ValueError("unknown config param")
            return None
        if len(what) != 1:
            raise TypeError("can query only one param")
        name = what[0]
        if name == "mac":
            return self._mac
        if name in ("ssid", "essid"):
            return self._want[0]
        if name in ("hostname", "dhcp_hostname"):
            return _hostname
        if name == "reconnects":
            return self._retries - 1
        if name == "channel" and radio.associated():
            return radio.ap.channel
        if name in _CONFIG:
            return self._parameters.get(name, 1)
        raise ValueError("unknown config param")

    def ifconfig(self, *values):
        """(address, netmask, gateway, dns), to ask, to set, or "dhcp"."""
        self._radio()
        if not values:
            return self._address
        if values[0] == "dhcp":
            self._dhcp(True)
        elif isinstance(values[0], (tuple, list)):
            if len(values[0]) != 4:
                raise ValueError("requested length 4 but object has length %d" % len(values[0]))
            for address in values[0]:
                _check(address)
            self._set_static(tuple(values[0]))
        else:
            raise ValueError("invalid arguments")
        return None

    def ipconfig(self, *what, **values):
        """The newer form of ifconfig: dhcp4, addr4, gw4."""
        self._radio()
        address, mask, gateway, dns = self._address
        if not values:
            if what == ("dhcp4",):
                return self._static is None
            if what == ("addr4",):
                return address, mask
            if what == ("gw4",):
                return gateway
            raise ValueError("unexpected key")
        for name in values:
            if name not in ("dhcp4", "addr4", "gw4"):
                raise ValueError("unexpected key")
        if "dhcp4" in values and bool(values["dhcp4"]) != (self._static is None):
            self._dhcp(bool(values["dhcp4"]))
        if "addr4" in values or "gw4" in values:
            if "addr4" in values:
                address, mask = values["addr4"]
            gateway = values.get("gw4", gateway)
            for each in (address, mask, gateway):
                _check(each)
            self._set_static((address, mask, gateway, dns))
        return None

    # What the radio tells.

    def associated(self):
        """An access point has taken us."""

    def addressed(self):
        """We have an address."""
        gateway = self._at.radio.ap.gateway()
        self._address = self._static or (gateway[:-1] + "23", "255.255.255.0", gateway, gateway)
        self._connected = True
        self._reason = 0
        self.links += 1

    def disconnected(self, reason, at_us):
        """No longer, or not at all; the driver tries again if it has been told to."""
        self._reason = reason
        self._connected = False
        if self._static is None:
            self._address = (_NOWHERE,) * 4
        if not self._requested:
            return
        if self._retries:
            self._reconnects += 1
            if self._reconnects >= self._retries:
                return
        self._at.radio.connect(*self._want, at_us=at_us)

    def _radio(self):
        air = _world.airspace
        if air is not self._at:
            self._reset(air)
        air.radio.catch_up()
        return air.radio

    def _reset(self, air):
        # A new world has a new board in it.
        self._at = air
        self._active = self._connected = self._requested = False
        self._reason = 0
        self._retries = 0  # as the port keeps it: 0 is for ever, n + 1 for n
        self._reconnects = 0
        self._want = ("", "", None)
        self._mac = b"\x24\x0a\xc4\x11\x22\x33"
        self._address = (_NOWHERE,) * 4
        self._static = None
        self._parameters = {}
        self.links = 0  # how often a connection was made: a socket knows its own
        if air:
            air.radio.listener = self

    def _dhcp(self, on):
        if not on:
            self._static = self._address
        elif self._static is not None:
            self._static = None
            self._address = (_NOWHERE,) * 4
        self._at.radio.static = not on
        self._at.radio.addressing()

    def _set_static(self, address):
        self._static = self._address = address
        self._at.radio.static = True
        self._at.radio.addressing()


def _power_on():
    """A power cut: the station knows nothing any more. The board itself has no such function."""
    air = _world.airspace
    heard = air.radio.on_attempt
    air.radio = _air.Radio(air)
    air.radio.on_attempt = heard
    if WLAN._station:
        WLAN._station._reset(air)


def _text(value, size):
    if isinstance(value, str):
        value = value.encode()
    return value[:size].decode()


def _check(address):
    try:
        parts = [int(part) for part in address.split(".")]
    except (ValueError, AttributeError):
        parts = []
    if len(parts) != 4 or min(parts) < 0 or max(parts) > 255:
        raise ValueError("invalid arguments")


def hostname(*name):
    """The name that DHCP is told."""
    global _hostname
    if name:
        if len(name[0]) > 32:
            raise ValueError()
        _hostname = name[0]
        return None
    return _hostname


def country(*code):
    """The country whose rules hold."""
    global _country
    if code:
        _country = code[0]
        return None
    return _country
