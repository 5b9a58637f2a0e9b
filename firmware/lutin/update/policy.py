"""When to look for a release, and how little to ask of a server that fails.

Kept in the store: how many requests have been fruitless in a row, and the last failure's name,
count and time. So the back-off survives a restart: the pause is set by the requests, not by the
clock, and a board that restarts every minute asks no more than one that does not.
"""

import json

from micropython import const

from .. import states
from ..store import DONE, ERRAND, ORDERED, POLICY, StoreError

_MINUTE = const(60000)  # ms
_HOUR = const(3600000)
_REGULAR = const(6 * 3600000)
_PER_HOUR = const(8)  # fruitless requests, of any kind, whoever asked for them

_NO_NAME = ("name-not-resolved", "bad-address")
_LANDING = "landing-page"  # what begins so is one
# What begins so went wrong on the way, or at the server; all else was refused for what it is.
_NO_SERVER = (
    "no-route",
    "refused",
    "timed-out",
    "connection-lost",
    "tls-",
    "http-",
    "not-http",
    "header-",
    "body-",
    "bad-chunk",
    "content-encoded",
    "redirect-",
    "range-",
    "proxy-",
    "asked-enough",
)


class Policy:
    """Remembers what failed, and says when to ask again."""

    def __init__(self, store, uptime, log, random, now):
        # uptime: ms since start; random(): 0 to 1; now(): s since 1970, or None
        self._store = store
        self._uptime = uptime
        self._log = log
        self._random = random
        self._now = now
        self._asked = []  # ms of the fruitless requests of the last hour
        self._failed_ms = None  # uptime of the last failure, None: before this start
        self._told = False
        self.requests = 0  # fruitless, in a row
        self.name = ""  # of the last failure, "" after a success
        self.detail = ""
        self.count = 0
        self.at = 0  # s since 1970, 0: unknown
        self.etag = ""
        self.etag_number = 0  # the release that this ETag stood for
        self._load()
        # Nothing is known of the time before this start: a pause begins anew, and the requests count
        # as if they were made now. But one is left, since the release that runs may be on trial.
        self._asked += [uptime()] * min(self.requests, _PER_HOUR - 1)
        self.looked = self._looked()
        pause = self._pause() if self.requests else self._spread(_REGULAR) if self.looked else 0
        self._next = self._uptime() + pause

    def wait(self, first=False):
        """ms until the next look, 0: now. first: as soon as there is a network, whatever failed before."""
        if self._told or first:
            return 0
        return max(0, self._next - self._uptime())

    def tell(self):
        """Somebody wants a look now."""
        self._told = True

    def forget(self):
        """Another server: what the old one did does not count."""
        self._asked.clear()
        self.requests = self.count = self.at = self.etag_number = 0
        self.name = self.detail = self.etag = ""
        self._told = True
        self._keep()

    def before_request(self):
        """Count a request; False if there have been enough."""
        now = self._uptime()
        self._asked = [at for at in self._asked if now - at < _HOUR]
        if len(self._asked) >= _PER_HOUR:
            return False
        self._asked.append(now)
        self.requests += 1
        return True

    def fruitful(self):
        """The last request brought something new and verified."""
        if self._asked:
            self._asked.pop()
        self.requests = max(0, self.requests - 1)

    def begin(self):
        """A look begins."""
        self._told = False

    def failed(self, failure):
        """A look has failed; the pause until the next one begins."""
        self.count = self.count + 1 if failure.name == self.name else 1
        self.name = failure.name
        self.detail = failure.detail
        self.at = self._now() or 0
        self._failed_ms = self._uptime()
        pause = self._pause()
        self._next = self._uptime() + pause
        self._log.warn("update: %s, time %d, again in %d s" % (failure, self.count, pause // 1000))
        self._keep()

    def postpone(self, why):
        """Not now: later."""
        self._next = self._uptime() + self._pause()
        self._log.info("update: %s, again in %d s" % (why, self.wait() // 1000))

    def succeeded(self, etag, number):
        """A verified answer; nothing was fruitless."""
        changed = self.name or self.requests > 1 or (etag or "") != self.etag or number != self.etag_number
        self.requests = self.count = self.at = 0
        self.name = self.detail = ""
        self.etag = etag or ""
        self.etag_number = number
        self._asked.clear()
        self._next = self._uptime() + self._spread(_REGULAR)
        if changed:
            self._keep()

    def enough(self):
        """Whether so much was fruitless that nobody may hurry the next look."""
        return self.requests >= _PER_HOUR and self._next > self._uptime()

    def order(self):
        """The next life is for a look alone; StoreError where that cannot be kept."""
        self._keep()  # whoever asks again and again asks in many lives
        self._store.save(ERRAND, ORDERED)

    def _looked(self):
        """Whether the last life was for a look, that went well and brought nothing new."""
        try:
            if self._store.load(ERRAND) != DONE:
                return False
            self._store.save(ERRAND, b"")
            return True
        except StoreError:
            return False

    def report(self):
        """The last failure for people, None after a success."""
        if not self.name:
            return None
        ago = None if self._failed_ms is None else (self._uptime() - self._failed_ms) // 1000
        return {
            "name": self.name,
            "detail": self.detail,
            "count": self.count,
            "ago": ago,
            "at": self.at or None,
        }

    def _pause(self):
        """ms: doubled with each fruitless request, so that eight make it hours."""
        return self._spread(min(_MINUTE << min(max(self.requests, 1) - 1, 9), _REGULAR))

    def _spread(self, ms):
        # Many boards behind one router must not ask in step.
        return ms * 3 // 4 + int(self._random() * (ms // 2))

    def _load(self):
        try:
            data = self._store.load(POLICY)
            if data is None:
                return
            requests, count, at, number, name, detail, etag = json.loads(data)
            self.requests, self.count, self.at = int(requests), int(count), int(at)
            self.name, self.detail, self.etag = str(name), str(detail), str(etag)
            self.etag_number = int(number)
        except (StoreError, ValueError, TypeError):
            self._log.warn("update: what was kept of earlier looks cannot be read")

    def _keep(self):
        fields = (
            min(self.requests, 99),
            min(self.count, 9999),
            self.at,
            self.etag_number,
            self.name,
            self.detail[:80],
            self.etag,
        )
        try:
            self._store.save(POLICY, json.dumps(fields).encode())
        except StoreError as e:
            self._log.error("update: the back-off is not kept: %s" % e)


def state_of(name):
    """The device's state that a failure of this name shows."""
    if name in _NO_NAME:
        return states.NO_NAME
    if name.startswith(_LANDING):
        return states.LANDING_PAGE
    for beginning in _NO_SERVER:
        if name.startswith(beginning):
            return states.NO_SERVER
    return states.UPDATE_REFUSED
