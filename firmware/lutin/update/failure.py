"""Every way in which an update can fail, by name; and what the light says of it."""

from .. import states
from ..net import Failure  # noqa: F401 (the rooms beside this one take it from here)

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
