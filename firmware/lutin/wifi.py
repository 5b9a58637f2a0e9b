"""Join one of the stored networks, stay joined, and say truly why not.

A try has stages: searching, joining, getting an address; each has its time-out. All known
networks are tried in turn, then there is a pause, longer each time, and so on for ever.
"""

import asyncio
import random

from micropython import const

from . import states
from .known import Known

_POLL_MS = const(250)
_STAY_MS = const(1000)  # how often a connection is looked at
_SETTLE_MS = const(100)  # leaving takes the driver a moment
_SEARCH_MS = const(3000)  # who is still at it by then has found something
_STALE_MS = const(8000)  # by then a try that fails has failed
_JOIN_MS = const(15000)
_ADDRESS_MS = const(20000)
_STEADY_MS = const(10000)  # a shorter connection does not end the back-off
_BACKOFF_MS = const(2000)
_BACKOFF_MAX_MS = const(60000)

# WLAN.status() while nothing is wrong; the reasons when it is are in known.py.
_IDLE = const(1000)
_CONNECTING = const(1001)
_GOT_IP = const(1010)

# What the driver raises; RuntimeError where the port has no text for the number.
_DRIVER = (OSError, RuntimeError, ValueError, MemoryError)


class _Renewed(Exception):
    """Other settings have come: whatever is going on ends here."""


def _never():
    return False


class Wifi:
    """The station."""

    def __init__(self, wlan, uptime, log, say, hold=None):
        # wlan: network.WLAN(STA_IF). uptime: callable, ms since start, never wrapping.
        # say(state, ssid): called at each change. hold: callable; no scan starts while it is true.
        self.hold = hold or _never
        self.state = states.NO_SETTINGS
        self._wlan = wlan
        self._uptime = uptime
        self._log = log
        self._say = say
        self._renewed = asyncio.Event()
        self._known = []
        self._on = None  # the one that is being tried, or joined
        self._errors = 0  # of the driver, in a row
        self._failure = self._warned = self._failed_at = None
        self._begin()

    def use(self, settings):
        """From now on these networks and no others; from any state, at once."""
        self._known = [Known(network) for network in settings.networks]
        self._on = None
        self.state = states.SEARCHING if self._known else states.NO_SETTINGS
        self._renewed.set()
        self._begin()
        self._drop()

    async def run(self):
        """Join, stay, join again."""
        while True:
            self._renewed.clear()
            try:
                await self._live()
            except _Renewed:
                self._log.info("wifi: new settings, networks: %d" % len(self._known))

    def report(self):
        """Which network, since when (seconds of uptime), why not."""
        known = self._on or Known(None)
        on = self.state == states.CONNECTED
        ask, wlan = self._ask, self._wlan
        return {
            "ssid": known.network and known.network.ssid,
            "state": states.name(self.state),
            "since": self._since,
            "reason": None if on else self._reason,
            "attempts": self._attempts,
            "address": ask(lambda: wlan.ifconfig()[0]) if on else None,
            "rssi": ask(wlan.status, "rssi") if on else known.rssi,
            "channel": ask(wlan.config, "channel") if on else known.channel,
            "bssid": known.bssid,
            "last_failure": self._failure,
            "failed": self._failed_at,
        }

    async def _live(self):
        # With these settings, until others come.
        backoff = _BACKOFF_MS
        while True:
            if not self._known:
                await self._leave()
                await self._pause(_BACKOFF_MAX_MS)
            elif await self._round():
                backoff = _BACKOFF_MS  # lost after a good while: again at once
            else:
                await self._pause(backoff - backoff * random.getrandbits(8) // 1024)
                backoff = min(2 * backoff, _BACKOFF_MAX_MS)

    async def _round(self):
        # One try of every network. True after a connection that deserved the name.
        furthest = (-1, None, None)
        for known in await self._order():
            result = await self._try(known)
            if result == states.CONNECTED:
                return await self._stay(known)
            # Numbers of results rise with how far it got; the furthest says best what is wrong.
            if result > furthest[0]:
                furthest = result, known, self._reason
        self._tell(furthest[0], furthest[1])
        self._reason = furthest[2]
        return False

    async def _order(self):
        # The strongest on the air first, then by preference; hidden and unseen ones last.
        if len(self._known) > 1 and not self.hold():
            self._tell(states.SEARCHING, None)
            await self._leave()
            self._scan()
        # sorted() is not stable in MicroPython: the position is part of the key.
        places = [(999 if k.rssi is None else -k.rssi, i) for i, k in enumerate(self._known)]
        return [self._known[i] for _, i in sorted(places)]

    def _scan(self):
        # Blocks for two seconds on the ESP32.
        try:
            self._switch_on()
            found = self._wlan.scan()
        except _DRIVER as e:
            self._trouble(None, e)
            return
        for known in self._known:
            known.heard(found)

    async def _try(self, known):
        # CONNECTED, or what failed.
        self._attempts += 1
        try:
            await self._leave()
            code = await self._join(known, self._connect(known))
            if code is None:
                code = await self._get_address(known)
        except _DRIVER as e:
            return self._trouble(known, e)
        self._errors = 0
        if code == _GOT_IP:
            known.accepted()
            return states.CONNECTED
        self._drop()
        if code == _CONNECTING:
            known.accepted()
            return self._failed(known, states.NO_ADDRESS, "none in time")
        return self._failed(known, known.failed(code) or states.JOINING, code or "timed out")

    def _connect(self, known):
        # Returns the code of an earlier failure: the port may go on telling it during this try.
        network = known.network
        self._tell(states.JOINING if known.there else states.SEARCHING, known)
        self._switch_on()
        if network.static:
            self._wlan.ifconfig(tuple(network.static[:4]))
        else:
            self._wlan.ipconfig(dhcp4=True)
        stale = self._wlan.status()
        self._wlan.connect(network.ssid, network.password or None)
        return stale

    async def _join(self, known, stale):
        # None as soon as an access point has taken us, else the reason why not.
        began = self._uptime()
        while True:
            await self._pause(_POLL_MS)
            if self._associated():
                return None
            ms = self._uptime() - began
            code = self._wlan.status()
            if code in (_IDLE, _CONNECTING):
                if ms >= _SEARCH_MS:
                    self._tell(states.JOINING, known)
            elif code != stale or ms >= _STALE_MS:
                return code
            if ms >= _JOIN_MS:
                return 0

    async def _get_address(self, known):
        # _GOT_IP, _CONNECTING when none came in time, or why the access point has gone.
        self._tell(states.ADDRESS, known)
        began = self._uptime()
        while self._associated():
            code = self._wlan.status()
            if code == _GOT_IP or self._uptime() - began >= _ADDRESS_MS:
                return code if code == _GOT_IP else _CONNECTING
            await self._pause(_POLL_MS)
        code = self._wlan.status()
        return 0 if code in (_IDLE, _CONNECTING) else code

    async def _stay(self, known):
        # Until the connection is lost. True when it had lasted.
        self._begin()
        began = self._uptime()
        self._log.info("wifi: connected to %r" % known.network.ssid)
        self._tell(states.CONNECTED, known)
        while self._ask(self._wlan.isconnected):
            await self._pause(_STAY_MS)
        self._begin()
        self._failed(known, states.LOST, self._ask(self._wlan.status))
        return self._uptime() - began >= _STEADY_MS

    async def _leave(self):
        # Nothing may be pending when the driver is asked for something new.
        self._drop()
        for _ in range(10):
            await self._pause(_SETTLE_MS)
            if not self._ask(self._wlan.isconnected):
                return

    def _drop(self):
        # Whatever the driver is on or trying: it stops. If it does not listen, the radio goes off.
        try:
            if self._wlan.active():
                self._wlan.disconnect()
        except _DRIVER as e:
            self._trouble(self._on, e)
            self._ask(self._wlan.active, False)

    def _switch_on(self):
        if not self._wlan.active():
            self._wlan.active(True)
        # The driver must never go back to a network by itself.
        if self._wlan.config("reconnects") != 0:
            self._wlan.config(reconnects=0)

    def _associated(self):
        # Only an access point that has taken us has a strength.
        return self._ask(self._wlan.status, "rssi") is not None

    def _ask(self, question, *args):
        try:
            return question(*args)
        except _DRIVER:
            return None

    def _trouble(self, known, error):
        # A driver that only ever raises errors is restarted.
        self._errors += 1
        if self._errors % 3 == 0:
            self._ask(self._wlan.active, False)
        return self._failed(known, states.JOINING if known else self.state, "driver: %s" % error)

    def _begin(self):
        # A new chapter: joined, or trying anew.
        self._since = self._uptime() // 1000
        self._attempts = 0
        self._reason = None

    def _failed(self, known, state, detail):
        text = "%r: %s (%s)" % (known and known.network.ssid, states.name(state), detail)
        if state != self._warned or not self._reason:
            self._warned = state
            self._log.warn("wifi: " + text)  # once, not at every try
        self._failure = self._reason = text
        self._failed_at = self._uptime() // 1000
        self._tell(state, known)
        return state

    def _tell(self, state, known):
        if state != self.state or known is not self._on:
            self.state = state
            self._on = known
            self._say(state, known and known.network.ssid)

    async def _pause(self, ms):
        try:
            await asyncio.wait_for_ms(self._renewed.wait(), ms)
        except asyncio.TimeoutError:
            pass
        # Also when they came in the very moment in which the time was over.
        if self._renewed.is_set():
            raise _Renewed
