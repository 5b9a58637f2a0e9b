"""`socket` behind the simulated air: without an address nothing is reached, and in some networks a
landing page stands before everything.

Beyond the air is the host's own network, loopback included. The host's module stays reachable as
`usocket`, without any air: the bench's own connection uses that.
"""

import io
import select

import network
import usocket
from sim import clock, world
from usocket import (  # noqa: F401 (the module's face)
    AF_INET,
    AF_INET6,
    SO_BROADCAST,
    SO_REUSEADDR,
    SOCK_DGRAM,
    SOCK_RAW,
    SOCK_STREAM,
    SOL_SOCKET,
)

IPPROTO_IP = 0
IPPROTO_TCP = 6
IPPROTO_UDP = 17

_TCP_NODELAY = 1

_EAI_FAIL = -202  # lwIP's: no answer to a name
# newlib's numbers, which the port passes on as they are.
_EHOSTUNREACH = 118
_ECONNABORTED = 113
_ECONNREFUSED = 111

_POLL = 3  # requests of the stream protocol
_CLOSE = 4
_FILENO = 10
_READABLE = 1
_WRITABLE = 4

_MULTICAST = 0xE0  # how the first byte of such addresses begins
_HOST_MS = 20  # real time that the host is given for an answer, where virtual time would pass without any

_REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: http://login.landing/\r\nContent-Length: 0\r\n\r\n"
_PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html>Please log in."
_NO_HTTP = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"


def landing():
    """Whose landing page stands before the internet; OSError where there is no network at all."""
    ap = _joined()
    return ap if ap.landing else None


def _joined():
    if not network.WLAN().isconnected():
        raise OSError(_EHOSTUNREACH)
    return world.airspace.radio.ap


def getaddrinfo(host, port, *hints):
    """As the ESP32's: blocks, one address, names need a network. Numbers do not."""
    if host.replace(".", "").isdigit() or not host:
        return usocket.getaddrinfo(host or "0.0.0.0", port, AF_INET, SOCK_STREAM)
    try:
        ap = _joined()
        if ap.landing:
            host = ap.gateway()
        elif ap.dns:
            host = ap.dns  # if that is no address, nobody answers
            if not host.replace(".", "").isdigit():
                raise OSError(_EAI_FAIL)
        return usocket.getaddrinfo(host, port, AF_INET, SOCK_STREAM)
    except OSError:
        raise OSError(_EAI_FAIL) from None


class socket(io.IOBase):
    """A socket of the host that the air is asked about; or one end of a landing page."""

    def __init__(self, *kind, inner=None):
        self._inner = inner or usocket.socket(*kind)
        self._page = None
        self._stream_kind = kind[1:2] in ((), (SOCK_STREAM,))
        self._closed = False
        self._link = network.WLAN().links  # a lost connection to the network takes its sockets with it

    def connect(self, address):
        """Towards the host, or to the landing page: to that on every port but 443's."""
        ap = landing()
        self._link = network.WLAN().links
        if isinstance(address, tuple):
            address = getaddrinfo(*address)[0][-1]
        if ap is None:
            if self._stream_kind:
                # The host would keep small pieces back for 40 ms of real time, and virtual time not wait.
                self._inner.setsockopt(IPPROTO_TCP, _TCP_NODELAY, 1)
            self._inner.connect(address)
        elif address[2] << 8 | address[3] == 443:
            raise OSError(_ECONNREFUSED)  # it has no certificate to pretend with
        else:
            self._page = _Page(ap.landing)

    def ioctl(self, request, argument):
        """Asked by select and asyncio."""
        if request == _FILENO:
            return -22 if self._page else self._inner.fileno()
        if request == _CLOSE:
            self.close()  # by TLS, which was wrapped around
        if request != _POLL:
            return 0
        if self._page:
            return argument & (_WRITABLE | (_READABLE if self._page.answer is not None else 0))
        poller = select.poll()  # TLS asks here, and not for the number
        poller.register(self._inner, argument)
        ready = poller.poll(0)
        return ready[0][1] if ready else 0

    def _stream(self):
        if self._link != network.WLAN().links or not network.WLAN().isconnected():
            raise OSError(_ECONNABORTED)
        return self._page or self._inner

    def read(self, *size):
        """Up to that many bytes, None when there are none yet."""
        return self._stream().read(*size)

    def readinto(self, buffer, *size):
        """As read, into a buffer."""
        stream = self._stream()
        if not self._stream_kind and clock.is_virtual() and world.multicast:
            poller = select.poll()
            poller.register(self._inner, _READABLE)
            poller.poll(_HOST_MS)
        return stream.readinto(buffer, *size)

    def readline(self, *size):
        """As read, to the end of the line."""
        return self._stream().readline(*size)

    def write(self, data, *size):
        """How many bytes were taken."""
        return self._stream().write(data, *size)

    recv = read
    send = write
    sendall = write

    def accept(self):
        """(socket, address) of who connects."""
        inner, address = self._inner.accept()
        return socket(inner=inner), address

    def sendto(self, data, address):
        """A datagram, lost where a landing page stands; one to a group goes where the world says."""
        if landing():
            return len(data)
        if not isinstance(address, tuple) and address[4] & 0xF0 == _MULTICAST:
            if not world.multicast:
                return len(data)
            address = usocket.getaddrinfo(world.multicast[0], world.multicast[1])[0][-1]
        return self._inner.sendto(data, address)

    def __getattr__(self, name):
        # bind, listen, recvfrom, setblocking, settimeout, setsockopt, fileno
        return getattr(self._inner, name)

    def makefile(self, *mode):
        """The socket is a stream already."""
        return self

    def close(self):
        """The end; a second one must not close who has the number by then."""
        if not self._closed:
            self._closed = True
            self._inner.close()


class _Page:
    """The other end: takes a request, answers as landing pages do."""

    def __init__(self, kind):
        self._kind = kind
        self._request = b""
        self.answer = None

    def write(self, data, *size):
        self._request = (self._request + bytes(data))[-2000:]
        if self.answer is None and not self._request[:1].isalpha():
            self.answer = io.BytesIO(_NO_HTTP)  # TLS, MQTT
        elif self.answer is None and b"\r\n\r\n" in self._request:
            self.answer = io.BytesIO(_PAGE if self._kind == "page" else _REDIRECT)
        return len(data)

    def read(self, *size):
        return self.answer and self.answer.read(*size)

    def readline(self, *size):
        return self.answer and self.answer.readline(*size)

    def readinto(self, buffer, *size):
        return self.answer and self.answer.readinto(buffer, *size)
