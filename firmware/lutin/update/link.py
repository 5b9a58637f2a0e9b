"""Addresses; the request for a file, by proxy or not, encrypted or not. However it ends, it is closed."""

import binascii

from ..net import Dialler, failure, unquote
from ..states import Failure


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


def split(url):
    """(https?, host, port, path, b"user:password" or b""), or ValueError."""
    for char in url:
        if not "!" <= char <= "~":
            raise ValueError  # a line break would be a second request
    scheme, mark, rest = url.partition("://")
    scheme = scheme.lower()
    if scheme not in ("http", "https") or not mark:
        raise ValueError
    rest = rest.partition("#")[0]
    end = min([rest.find(c) for c in "/?" if c in rest] + [len(rest)])
    login, _, host = rest[:end].rpartition("@")
    host, colon, port = host.partition(":")
    if not host.strip(".-_") or not all(c.isalpha() or c.isdigit() or c in ".-_" for c in host):
        raise ValueError
    secure = scheme == "https"
    port = number(port) if colon else 443 if secure else 80
    if port is None or not 0 < port < 65536:
        raise ValueError
    path = rest[end:]
    return secure, host, port, path if path.startswith("/") else "/" + path, unquote(login)


def follow(target, location):
    """Where a redirect from `target` leads: to the same host and no less safe, or a Failure."""
    secure, host, port, path, login = target
    try:
        if not location:
            raise ValueError
        if location.startswith("//"):
            new = split(("https:" if secure else "http:") + location)
        elif ":" in location.partition("/")[0]:
            new = split(location)  # it has a scheme
        else:
            if not location.startswith("/"):
                base = path.partition("?")[0]
                location = (base if location.startswith("?") else base[: base.rfind("/") + 1]) + location
            # Through split, for its rules.
            new = split("http://%s%s" % (host, location))
            new = secure, host, port, new[3], b""
    except ValueError:
        raise Failure("redirect-broken")
    if new[1].lower().rstrip(".") != host.lower().rstrip("."):
        raise Failure("landing-page-redirect", "to " + new[1][:64])
    if secure and not new[0]:
        raise Failure("redirect-insecure")
    return new[:4] + (login,)


def number(text):
    """The whole number that these digits are, str or bytes; None for anything else, 2^30 for all beyond."""
    # int() takes signs, spaces and underscores too.
    if not text.isdigit():
        return None
    return int(text) if len(text) < 10 else 1 << 30
