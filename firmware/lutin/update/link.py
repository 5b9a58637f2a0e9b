"""A connection to a server, through a proxy or not, encrypted or not. However it ends, it is closed."""

import asyncio
import binascii
import errno

from .. import states
from . import secure
from .failure import Failure

# Error numbers of newlib, as lwIP gives them, and of Linux. 113 is both: an aborted connection
# there, no route here.
_NO_ROOM = (12, 23, 24, 105)
_TIMED_OUT = (110, 116)
_REFUSED = (111, 104)  # lwIP calls it a reset, where nobody is waiting for it
_NO_ROUTE = (100, 101, 112, 113, 114, 115, 117, 118)


class Link:
    """One connection at a time. `wire` reads what comes, `head` is where a proxy's answer goes."""

    def __init__(self, resolve, new_socket, clock, log, wrap, wire, head):
        self._resolve = resolve
        self._new_socket = new_socket
        self._clock = clock
        self._log = log
        self._wrap = wrap
        self._wire = wire
        self._head = head
        self._warned = False  # that TLS without a CA checks nobody
        self._raw = self._socket = None  # as it is, and as it is used: perhaps wrapped

    async def ask(self, target, fields, ca, proxy, say):
        """Connect and send a GET; target: from split(); fields: more lines of the request."""
        secured, host, port, path, login = target
        place = host if port == (443 if secured else 80) else "%s:%d" % (host, port)
        lines = ["Host: " + place, "User-Agent: lutin", "Accept-Encoding: identity", "Connection: close"]
        lines.extend(fields)
        if login:
            lines.append("Authorization: Basic " + _basic(login))
        admission = ""
        if proxy and (proxy[2] or proxy[3]):
            admission = "Proxy-Authorization: Basic " + _basic(("%s:%s" % (proxy[2], proxy[3])).encode())
        self._dial(proxy[0] if proxy else host, proxy[1] if proxy else port, say)
        if proxy and secured:
            place = "%s:%d" % (host, port)
            await self._send("CONNECT " + place, ["Host: " + place] + ([admission] if admission else []))
            await self._wire.head(self._head)
            self._admitted()
        elif proxy:
            path = "http://" + place + path
            if admission:
                lines.append(admission)
        if secured:
            self._encrypt(host, ca)
        await self._send("GET " + path, lines)

    def close(self):
        """There is no connection any more."""
        for one in (self._socket, self._raw):
            if one:
                try:
                    one.close()
                except OSError:
                    pass
        self._raw = self._socket = None

    def _dial(self, host, port, say):
        """Find the server and begin to connect."""
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
                raise _failure(e, True)

    def _encrypt(self, host, ca):
        if not ca and not self._warned:
            self._warned = True
            self._log.warn("update: without a CA in the settings https hides, but does not say who answers")
        self._socket = self._wrap(self._raw, host, ca)

    async def _send(self, what, lines):
        """Send a request, as soon as there is a connection, and listen."""
        stream = asyncio.StreamWriter(self._socket)  # pyright: ignore[reportCallIssue]
        # Not by write(), which begins at once: lwIP refuses bytes before it is connected.
        request = "%s HTTP/1.1\r\n%s\r\n\r\n" % (what, "\r\n".join(lines))
        stream.out_buf = request.encode()  # pyright: ignore[reportAttributeAccessIssue]
        try:
            await stream.drain()
        except (OSError, ValueError) as e:
            raise (self._socket is not self._raw and secure.refusal(e, self._clock)) or _failure(e, True)
        self._wire.open(stream.readinto, _failure)  # pyright: ignore[reportAttributeAccessIssue]

    def _admitted(self):
        """Has the proxy let us through?"""
        head = self._head
        if head.status == 407:
            raise Failure("proxy-login")
        if head.status == 511:
            raise Failure("landing-page-login")
        if 300 <= head.status < 400:
            raise Failure("landing-page-redirect", "instead of the proxy")
        if head.status >= 300:
            raise Failure("proxy-http-%d" % head.status)
        if self._wire.surplus():
            # Nobody on the other side has anything to say yet.
            raise Failure("landing-page-html" if head.html else "proxy-wrong", "instead of the proxy")


def _failure(error, connecting=False):
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


def _basic(login):
    return binascii.b2a_base64(login).decode().strip()
