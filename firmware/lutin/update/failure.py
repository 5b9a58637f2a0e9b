"""Every way in which an update can fail, by name; and what the light says of it."""

from .. import states

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


class Failure(Exception):
    """name: one of a fixed set, kebab-case, kept and shown; detail: a few words, or ""."""

    def __init__(self, name, detail=""):
        super().__init__(name, detail)
        self.name = name
        self.detail = detail

    def __str__(self):
        return "%s (%s)" % (self.name, self.detail) if self.detail else self.name


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
