"""The request for a file: through a proxy or not, encrypted or not. However it ends, it is closed."""

import binascii

from ..net import Dialler, failure
from .failure import Failure


class Link:
    """One connection at a time. `wire` reads what comes, `head` is where a proxy's answer goes."""

    def __init__(self, resolve, new_socket, clock, log, wrap, wire, head):
        self._dialler = Dialler(resolve, new_socket, clock, wrap)
        self._log = log
        self._wire = wire
        self._head = head
        self._warned = False  # that TLS without a CA checks nobody

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
        self._dialler.dial(proxy[0] if proxy else host, proxy[1] if proxy else port, say)
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
        self._dialler.close()

    def _encrypt(self, host, ca):
        if not ca and not self._warned:
            self._warned = True
            self._log.warn("update: without a CA in the settings https hides, but does not say who answers")
        self._dialler.encrypt(host, ca)

    async def _send(self, what, lines):
        """Send a request, as soon as there is a connection, and listen."""
        request = "%s HTTP/1.1\r\n%s\r\n\r\n" % (what, "\r\n".join(lines))
        stream = await self._dialler.first(request.encode())
        self._wire.open(stream.readinto, failure)  # pyright: ignore[reportAttributeAccessIssue]

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


def _basic(login):
    return binascii.b2a_base64(login).decode().strip()
