"""Connections to servers, encrypted or not. However one ends, it is closed, and by name."""

import asyncio
import errno

from . import states
from .states import Failure

# Error numbers of newlib, as lwIP gives them, and of Linux. 113 is both: an aborted connection
# there, no route here.
_NO_ROOM = (12, 23, 24, 105)
_TIMED_OUT = (110, 116)
_REFUSED = (111, 104)  # lwIP calls it a reset, where nobody is waiting for it
_NO_ROUTE = (100, 101, 112, 113, 114, 115, 117, 118)


class Dialler:
    """One connection at a time."""

    def __init__(self, resolve, new_socket, clock, wrap=None):
        # resolve, new_socket: socket.getaddrinfo and socket.socket; clock: the time module
        self._resolve = resolve
        self._new_socket = new_socket
        self._clock = clock
        self._wrap = wrap
        self._raw = self._socket = None  # as it is, and as it is used: perhaps wrapped

    def dial(self, host, port, say):
        """Find the server and begin to connect; say(state, host)."""
        say(states.RESOLVING, host)
        try:
            found = self._resolve(host, port)[0]
        except OSError as e:
            raise Failure("name-not-resolved", "error %s" % (e.args[0] if e.args else "unknown"))
        say(states.CONNECTING, host)
        try:
            self._raw = self._socket = self._new_socket(found[0])
            self._raw.setblocking(False)
            self._raw.connect(found[-1])
        except OSError as e:
            if e.errno != errno.EINPROGRESS:
                raise failure(e, True)

    def encrypt(self, host, ca, cert=None, key=None):
        """TLS from here on; see secure.encrypted()."""
        from .secure import encrypted  # no memory for it where nothing is encrypted

        more = (cert, key) if cert else ()
        self._socket = (self._wrap or encrypted)(self._raw, host, ca, *more)

    async def first(self, data):
        """Send this as soon as there is a connection; the stream, to go on with."""
        stream = asyncio.StreamWriter(self._socket)  # pyright: ignore[reportCallIssue]
        # Not by write(), which begins at once: lwIP refuses bytes before it is connected.
        stream.out_buf = data  # pyright: ignore[reportAttributeAccessIssue]
        try:
            await stream.drain()
        except (OSError, ValueError) as e:
            if self._socket is not self._raw:
                from .secure import refusal

                raise refusal(e, self._clock) or failure(e, True)
            raise failure(e, True)
        return stream

    def close(self):
        """There is no connection any more."""
        for one in (self._socket, self._raw):
            if one:
                try:
                    one.close()
                except OSError:
                    pass
        self._raw = self._socket = None


def failure(error, connecting=False):
    """The Failure that an OSError of the network is."""
    code = error.args[0] if isinstance(error, OSError) and error.args else 0  # else TLS's
    name = "connection-lost"
    if code in _NO_ROOM:
        name = "out-of-memory"
    elif code in _TIMED_OUT:
        name = "timed-out"
    elif connecting and code in _REFUSED:
        name = "refused"
    elif connecting and code in _NO_ROUTE:
        name = "no-route"
    return Failure(name, "error %s" % code)


def unquote(text):
    """As bytes, without percent signs: the only way to have an @ or a / in a password."""
    head, *parts = text.split("%")
    out = head.encode()
    for part in parts:
        try:
            out += bytes([int(part[:2], 16)]) + part[2:].encode()
        except ValueError:
            out += b"%" + part.encode()
    return out
