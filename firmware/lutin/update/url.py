"""Addresses of servers: taken apart, and where a redirect may lead."""

from ..net import unquote
from .failure import Failure


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
