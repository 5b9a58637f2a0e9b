"""The air around the board: access points, and how a station's radio fares among them.

Nothing here runs by itself. Whoever asks the radio first makes it catch up with the clock, and
so does every change of an access point, before it takes effect: what happens, and when, never
depends on how often anybody looks.
"""

from sim import clock

# What the driver tells as the reason of a disconnect (IEEE 802.11 below 200, the driver's own above).
AUTH_EXPIRE = 2  # no answer to the authentication
AUTH_LEAVE = 3  # thrown out by the access point
NOT_AUTHED = 6  # the access point does not know us: it has been restarted
ASSOC_LEAVE = 8  # we left
BEACON_TIMEOUT = 200
NO_AP_FOUND = 201
AUTH_FAIL = 202
ASSOC_FAIL = 203
HANDSHAKE_TIMEOUT = 204
NO_AP_COMPATIBLE = 210  # the name is there, but secured, and no password was given
NO_AP_AUTHMODE = 211  # the name is there, but open, and a password was given

SCAN_US = 2_000_000
_HEARD_US = 700_000  # the first look at the channels
_SEARCHED_US = 2_500_000  # all channels, more than once
_JOIN_US = 800_000  # to 1.8 s: authentication, association, handshake
_LEAVE_US = 10_000
_DEAF_US = 6_000_000  # so long without beacons is a lost connection
_REFUSED_US = {AUTH_FAIL: 400_000, ASSOC_FAIL: 200_000, HANDSHAKE_TIMEOUT: 2_800_000}
_DHCP_US = {"ok": 600_000, "slow": 12_000_000}  # "dead": never
_STATIC_US = 50_000

_DEFAULTS = {
    "ssid": "",
    "bssid": "",
    "channel": 6,
    "rssi": -60,
    "password": "",  # empty: open
    "up": True,
    "refuse": False,  # association fails, whatever the password
    "boot_ms": 0,  # how long after `up` it is on the air
    "dhcp": "ok",  # or "slow", "dead"
    "landing": False,  # True or "redirect": a redirect stands before the internet; "page": a page does
    "dns": "",  # what answers names: "" the host's, an address that is the answer to all of them, or "dead"
    "hidden": False,  # does not tell its name
    "codes": (AUTH_FAIL, HANDSHAKE_TIMEOUT, ASSOC_FAIL),  # how a wrong password shows, by turns
}


class AccessPoint:
    """A router. Assign its fields at any moment; the air reacts as it would to the real thing."""

    def __init__(self, ssid, password="", **fields):
        values = dict(_DEFAULTS)
        for name in fields:
            if name not in values:
                raise ValueError("no such field of an access point: " + name)
        values.update(fields)
        values["ssid"] = ssid
        values["password"] = password
        values["codes"] = tuple(values["codes"])
        self.fields = values
        self.air = None
        self.up_since = None  # None: it has been on for ever
        self.turn = 0

    def __getattr__(self, name):
        if name in _DEFAULTS:
            return self.fields[name]
        raise AttributeError(name)

    def __setattr__(self, name, value):
        if name not in _DEFAULTS:
            object.__setattr__(self, name, value)
        elif self.fields[name] != value:
            if self.air:
                self.air.catch_up()
            self.fields[name] = value
            if name == "up" and value:
                self.up_since = clock.now_us()
            if self.air:
                self.air.changed(self, name)

    def on_air(self, at_us):
        """Whether it can be heard at that moment."""
        return self.up and (self.up_since is None or at_us >= self.heard_from())

    def heard_from(self):
        """When it is, or was, first heard, in µs."""
        return (self.up_since or 0) + self.boot_ms * 1000

    def gateway(self):
        """Its address; each access point has a network of its own, told by its bssid."""
        return "192.168.%d.1" % (int(self.bssid[-2:], 16))

    def wrong_password(self):
        """The code that a wrong password shows this time."""
        code = self.codes[self.turn % len(self.codes)]
        self.turn += 1
        return code


class Airspace:
    """Access points, and the one radio that listens to them."""

    def __init__(self):
        self.aps = []
        self.radio = Radio(self)
        self.on_change = None  # called after every change of an access point

    def add(self, ssid, password="", **fields):
        """A new access point; a bssid is made up where none is given."""
        ap = AccessPoint(ssid, password, **fields)
        if not ap.bssid:
            taken = [other.bssid for other in self.aps]
            number = 1
            while not ap.bssid or ap.bssid in taken:
                ap.fields["bssid"] = "02:00:00:00:00:%02x" % number
                number += 1
        self.catch_up()
        self.aps.append(ap)
        ap.air = self
        # One that is new to a running board has just been plugged in.
        if clock.now_us() and ap.up:
            ap.up_since = clock.now_us()
        self.changed(ap, "up")
        return ap

    def remove(self, ap):
        """Carried away."""
        ap.up = False
        self.aps.remove(ap)
        ap.air = None
        self.changed(ap, "up")

    def find(self, bssid):
        """The access point of that bssid, or None."""
        for ap in self.aps:
            if ap.bssid == bssid:
                return ap
        return None

    def audible(self, ssid, at_us, bssid=None):
        """The strongest one of that name on the air, or None."""
        best = None
        for ap in self.aps:
            fits = ap.ssid == ssid and ap.on_air(at_us) and bssid in (None, ap.bssid)
            if fits and (best is None or ap.rssi > best.rssi):
                best = ap
        return best

    def catch_up(self):
        """Let everything happen that was due by now."""
        self.radio.catch_up()

    def changed(self, ap, name):
        """An access point is no longer what it was."""
        self.radio.notice(ap, name)
        if self.on_change:
            self.on_change()

    def to_json(self):
        """All access points as plain dicts."""
        return [dict(ap.fields) for ap in self.aps]

    def from_json(self, dicts):
        """Make the air as told; who keeps its bssid keeps its life."""
        kept = [fields.get("bssid") for fields in dicts]
        for ap in list(self.aps):
            if ap.bssid not in kept:
                self.remove(ap)
        first = not self.aps
        for fields in dicts:
            ap = fields.get("bssid") and self.find(fields["bssid"])
            if ap:
                for name in fields:
                    setattr(ap, name, tuple(fields[name]) if name == "codes" else fields[name])
            else:
                ap = self.add(**fields)
                if first:
                    ap.up_since = None  # a restart of the board does not restart the routers


# What the radio is doing.
IDLE, SEARCHING, JOINING, FAILING, ASSOCIATED, LEAVING = range(6)


class Radio:
    """The station's radio: one state, and the moment when it ends by itself."""

    def __init__(self, air):
        self.air = air
        self.state = IDLE
        self.ap = None  # joining, or joined
        self.want = None  # (ssid, key, bssid)
        self.static = False  # the station brings its own address
        self.addressed = False
        self.attempts = 0
        self.listener = None  # has disconnected(reason), associated(), addressed()
        self.on_attempt = None  # called as on_attempt(ssid, key) for every attempt, also the driver's own
        self._due = None  # when the state ends
        self._deaf = None  # when the lost beacons are noticed
        self._reason = None
        self._began = 0
        self._at = 0

    def associated(self):
        """Whether an access point has accepted us."""
        return self.state == ASSOCIATED

    def pending(self):
        """Whether a connect or a disconnect is under way."""
        return self.state in (SEARCHING, JOINING, FAILING, LEAVING)

    def connect(self, ssid, key, bssid=None, at_us=None):
        """Start searching and joining."""
        self._at = clock.now_us() if at_us is None else at_us
        self.want = (ssid, key, bssid)
        self.attempts += 1
        if self.on_attempt:
            self.on_attempt(ssid, key)
        self._began = self._at
        self._enter(SEARCHING, _HEARD_US)

    def disconnect(self):
        """Leave, which takes a moment; nothing happens where there is nothing to leave."""
        if self.state not in (IDLE, LEAVING):
            self._at = clock.now_us()
            self._deaf = None
            self._enter(LEAVING, _LEAVE_US)

    def stop(self):
        """Power off."""
        if self.state != IDLE:
            self._lost(ASSOC_LEAVE)

    def addressing(self):
        """Ask for an address anew: DHCP or static has changed."""
        if self.state == ASSOCIATED:
            self._at = clock.now_us()
            self.addressed = False
            self._due = self._address_due()

    def catch_up(self):
        """Live up to now."""
        now = clock.now_us()
        while True:
            moments = [t for t in (self._due, self._deaf) if t is not None and t <= now]
            if not moments:
                return
            self._at = min(moments)
            if self._deaf == self._at:
                self._lost(self._reason or BEACON_TIMEOUT)
            else:
                self._due = None
                self._step()

    def notice(self, ap, name):
        """An access point has changed; the radio has caught up before."""
        if ap is not self.ap or self.state != ASSOCIATED:
            return
        self._at = now = clock.now_us()
        if name in ("up", "boot_ms"):
            if not ap.up:
                if self._deaf is None:
                    self._deaf = now + _DEAF_US
                    self._reason = None
            elif self._deaf is not None or name == "boot_ms":
                # It is back, but knows nothing of us: it says so to our first frame.
                back = max(now, ap.heard_from()) + 300_000
                if self._deaf is None:
                    self._deaf = now + _DEAF_US
                if back < self._deaf:
                    self._deaf = back
                    self._reason = NOT_AUTHED
        elif name in ("password", "ssid"):
            self._deaf = now
            self._reason = AUTH_LEAVE
        elif name == "dhcp" and not self.addressed and not self.static:
            self._due = self._address_due()

    def _enter(self, state, us):
        self.state = state
        self._due = self._at + us

    def _step(self):
        if self.state == SEARCHING:
            self._search()
        elif self.state == JOINING:
            self._join()
        elif self.state == FAILING:
            self._lost(self._reason)
        elif self.state == LEAVING:
            self._lost(ASSOC_LEAVE)
        elif self.state == ASSOCIATED:
            self.addressed = True
            self.listener.addressed()

    def _search(self):
        ssid, key, bssid = self.want
        ap = self.air.audible(ssid, self._at, bssid)
        if ap is None:
            if self._at - self._began < _SEARCHED_US:
                self._due = self._began + _SEARCHED_US
            else:
                self._lost(NO_AP_FOUND)
        elif bool(key) != bool(ap.password):
            self._lost(NO_AP_AUTHMODE if key else NO_AP_COMPATIBLE)
        else:
            self.ap = ap
            # Not always the same, but the same in every run.
            self._enter(JOINING, _JOIN_US + self.attempts * 370_000 % 1_000_000)

    def _join(self):
        ap = self.ap
        if not ap.on_air(self._at) or ap.ssid != self.want[0]:
            self._fail(AUTH_EXPIRE, 1_000_000)
        elif ap.refuse:
            self._fail(ASSOC_FAIL, _REFUSED_US[ASSOC_FAIL])
        elif ap.password != self.want[1]:
            code = ap.wrong_password()
            self._fail(code, _REFUSED_US.get(code, 400_000))
        else:
            self.state = ASSOCIATED
            self.addressed = False
            self._due = self._address_due()
            self.listener.associated()

    def _fail(self, reason, us):
        self._reason = reason
        self._enter(FAILING, us)

    def _address_due(self):
        if self.static:
            return self._at + _STATIC_US
        us = _DHCP_US.get(self.ap.dhcp)
        return None if us is None else self._at + us

    def _lost(self, reason):
        self.state = IDLE
        self.ap = None
        self.addressed = False
        self._due = self._deaf = self._reason = None
        self.listener.disconnected(reason, self._at)
