"""Connections to servers, encrypted or not. However one ends, it is closed, and by name."""

import asyncio
import errno

from micropython import const

from . import states

# Error numbers of newlib, as lwIP gives them, and of Linux. 113 is both: an aborted connection
# there, no route here.
_NO_ROOM = (12, 23, 24, 105)
_TIMED_OUT = (110, 116)
_REFUSED = (111, 104)  # lwIP calls it a reset, where nobody is waiting for it
_NO_ROUTE = (100, 101, 112, 113, 114, 115, 117, 118)

_NOT_SET = const(757382400)  # s since 2000, and no less since 1970: before 2024 nobody has set the clock
_NO_MEMORY = (-0x7F00, -0x2880, -0x3F80, -0x6A00, 16)
_NOT_TLS = (-0x7200, -0x7100, -0x7700)
# What mbedTLS says of a certificate: the first that is found names it. Without the issuer's word
# nothing else in it means anything.
_REASONS = (
    ("trusted CA", "tls-unknown-issuer"),
    ("does not match", "tls-wrong-name"),
    ("has expired", "tls-certificate-expired"),
    ("in the future", "tls-not-yet-valid"),
)


class Failure(Exception):
    """name: one of a fixed set, kebab-case, kept and shown; detail: a few words, or ""."""

    def __init__(self, name, detail=""):
        super().__init__(name, detail)
        self.name = name
        self.detail = detail

    def __str__(self):
        return "%s (%s)" % (self.name, self.detail) if self.detail else self.name


class Dialler:
    """One connection at a time."""

    def __init__(self, resolve, new_socket, clock, wrap=None):
        # resolve, new_socket: socket.getaddrinfo and socket.socket; clock: the time module
        self._resolve = resolve
        self._new_socket = new_socket
        self._clock = clock
        self._wrap = wrap or encrypted
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
        """TLS from here on; see encrypted()."""
        if cert:
            self._socket = self._wrap(self._raw, host, ca, cert, key)
        else:
            self._socket = self._wrap(self._raw, host, ca)

    async def first(self, data):
        """Send this as soon as there is a connection; the stream, to go on with."""
        stream = asyncio.StreamWriter(self._socket)  # pyright: ignore[reportCallIssue]
        # Not by write(), which begins at once: lwIP refuses bytes before it is connected.
        stream.out_buf = data  # pyright: ignore[reportAttributeAccessIssue]
        try:
            await stream.drain()
        except (OSError, ValueError) as e:
            raise (self._socket is not self._raw and refusal(e, self._clock)) or failure(e, True)
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


def encrypted(sock, host, ca, cert=None, key=None):
    """The encrypted socket; with a CA (DER) the server's certificate must be by that, and for this host.

    cert, key: DER, with which the server may know us.
    """
    try:
        import tls  # here, so that http needs none in the interpreter
    except ImportError:
        raise Failure("tls-missing")
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    if ca:
        try:
            context.load_verify_locations(ca)
        except ValueError:
            raise Failure("tls-ca-invalid")
    else:
        context.verify_mode = tls.CERT_NONE  # pyright: ignore[reportAttributeAccessIssue]
    if cert:
        try:
            context.load_cert_chain(cert, key)
        except ValueError:
            raise Failure("tls-client-certificate-invalid")
    try:
        return context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
    except (OSError, ValueError) as e:
        raise refusal(e, None) or Failure("tls-handshake")


def refusal(error, clock):
    """The Failure that an error during the handshake is; None: it is the network's, not of TLS."""
    if isinstance(error, ValueError):
        text = str(error)
        for part, name in _REASONS:
            if part in text:
                unset = name == "tls-not-yet-valid" and clock and clock.time() < _NOT_SET
                return Failure(name, "the clock is not set" if unset else "")
        return Failure("tls-certificate-refused", text.partition("\n")[0][:60])
    code = error.args[0] if error.args else 0
    if code in _NO_MEMORY:
        return Failure("out-of-memory", "for TLS")
    if not isinstance(code, int) or code > 0:
        return None
    if code in _NOT_TLS:
        return Failure("tls-handshake", "the other side speaks no TLS")
    return Failure("tls-handshake", "error -0x%x" % -code)


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
