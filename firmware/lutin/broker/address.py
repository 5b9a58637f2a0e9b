"""A broker's address taken apart; failures to reach it, what the light says of them, when to try again."""

from micropython import const

from .. import states
from ..net import unquote

_LONGEST = const(300000)  # ms


def split(url):
    """(TLS?, host, port, (user, password)) of a URL that the settings have checked; None: not given."""
    scheme, _, rest = url.partition("://")
    for mark in "/?#":
        rest = rest.partition(mark)[0]
    login, _, host = rest.rpartition("@")
    host, _, port = host.partition(":")
    secure = scheme == "mqtts"
    user, colon, password = login.partition(":")
    names = unquote(user) if login else None, unquote(password) if colon else None
    return secure, host, int(port) if port else 8883 if secure else 1883, names


def state_of(name):
    """The device's state that a failure of this name shows."""
    if name.startswith("landing-page"):
        return states.LANDING_PAGE
    return states.BROKER_REFUSED if name == "broker-refused" else states.NO_BROKER


class Retry:
    """Failures one after the other. count: since all was well; may be set to 0."""

    def __init__(self, uptime, random):
        self._uptime = uptime
        self._random = random
        self._last = None
        self._at = self.count = 0

    def failed(self, failure):
        """One more."""
        self._last, self._at = failure, self._uptime()
        self.count += 1

    def wait(self):
        """ms until the next attempt."""
        longest = min(1000 << min(self.count - 1, 9), _LONGEST)
        return longest // 2 + int(self._random() * longest / 2)

    def report(self):
        """The last one for people; None: there was none."""
        last = self._last
        return last and {
            "name": last.name,
            "detail": last.detail,
            "count": self.count,
            "ago": (self._uptime() - self._at) // 1000,
        }
