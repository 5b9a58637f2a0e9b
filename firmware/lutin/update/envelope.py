"""A release.json, checked as a stream, in constant memory: its DSSE envelope, and who has signed it.

Nothing of the payload is believed, or even read as JSON, before a signature of it is good.

The file is read several times, so that nothing of it need be kept: to see that it is whole and how
long the payload is, to hash that, to try the signatures, and to read the payload.
"""

import asyncio
from binascii import a2b_base64, b2a_base64
from hashlib import sha256

from micropython import const

from ..states import Failure
from .tokens import Reader

_TYPE = b"application/vnd.lutin.release+json"
_MOST = const(65536)  # bytes of it all
_VALUES = const(256)
_PAYLOAD_VALUES = const(4096)  # 400 files and a base are 2150
_SIGNATURES = const(16)
LENGTH = const(384)  # of a modulus and of a signature

_EXPONENT = const(65537)
_HASH = const(32)
_SALT = const(32)
_MASKED = const(351)  # LENGTH - _HASH - 1
_ONE = const(318)  # _MASKED - _SALT - 1: so many zeros come first


class Envelope:
    """Where in an open file the parts are. Anybody can have written it."""

    def __init__(self, file):
        self._file = file
        self._reader = Reader(file.readinto, "envelope-malformed", _MOST, _VALUES)
        self._payload = self._signatures = None  # positions; of the payload's first character
        self._length = 0  # of the payload

    async def check(self):
        """See that it is an envelope, from its first byte to its last."""
        reader = self._reader
        kind = None
        reader.object()
        key = reader.key()
        while key is not None:
            if key == "payloadType":
                kind = reader.string()
            elif key == "payload":
                reader.open()
                self._payload = reader.position
                for data in self._decoded():
                    self._length += len(data)
                    await asyncio.sleep_ms(0)
            else:
                if key == "signatures":
                    self._signatures = reader.position
                for _ in reader.skip():
                    await asyncio.sleep_ms(0)
            key = reader.key()
        reader.end()
        if kind is None or self._payload is None or self._signatures is None:
            raise reader.failure("missing-field")
        if kind.encode() != _TYPE:
            raise Failure("wrong-format", "payload-type")

    async def signed(self, keys):
        """See that one of the keys has signed the payload. At most 16 signatures are looked at."""
        digest = await self._digest()
        # A key id is the key's own hash here: what names another one is not by this key, and is
        # passed over. So a signature costs one pow() at most.
        ids = [key_id(key) for key in keys]
        known = False
        seen = 0
        reader = self._seek(self._signatures)
        reader.array()
        while seen < _SIGNATURES and reader.more():
            seen += 1
            keyid = text = ""
            reader.object()
            key = reader.key()
            while key is not None:
                if key == "keyid":
                    keyid = reader.string()
                elif key == "sig":
                    text = reader.string()
                else:
                    for _ in reader.skip():
                        await asyncio.sleep_ms(0)
                key = reader.key()
            await asyncio.sleep_ms(0)
            if keyid in ids:
                known = True
                signature = decode(text.encode())
                if signature and verify(keys[ids.index(keyid)], signature, digest):
                    return
        raise Failure("signature-bad" if known else "signature-unknown")

    def inside(self):
        """A reader of the payload."""
        self._seek(self._payload)
        return Reader(Base64(self._reader).readinto, "payload-malformed", _MOST, _PAYLOAD_VALUES)

    async def _digest(self):
        """The hash of what is signed: type and payload with their lengths (DSSE's PAE)."""
        self._seek(self._payload)
        state = sha256(b"DSSEv1 %d %s %d " % (len(_TYPE), _TYPE, self._length))
        for data in self._decoded():
            state.update(data)
            await asyncio.sleep_ms(0)
        return state.digest()

    def _decoded(self):
        source = Base64(self._reader)
        data = source.next()
        while data is not None:
            yield data
            data = source.next()

    def _seek(self, position):
        self._file.seek(position)
        self._reader.restart(position)
        return self._reader


class Base64:
    """The open string of a Reader, decoded as it is read."""

    def __init__(self, reader):
        self._reader = reader
        self._carry = b""
        self._ended = False

    def next(self):
        """More of the bytes, perhaps none; None at the end."""
        text = self._reader.chunk(False)
        if text is None:
            if self._carry:
                raise self._reader.failure("bad-base64")
            return None
        if self._ended:
            raise self._reader.failure("bad-base64")  # after the padding
        if self._carry:
            text = self._carry + bytes(text)
        whole = len(text) & ~3
        self._carry = b""
        if whole < len(text):
            self._carry = bytes(text[whole:])
            text = text[:whole]
        data = decode(text)
        if data is None:
            raise self._reader.failure("bad-base64")
        self._ended = len(data) * 4 != whole * 3
        return data

    def readinto(self, buf):
        """For a Reader over what is inside: a chunk is never more than its buffer."""
        while True:
            data = self.next()
            if data is None:
                return 0
            if data:
                buf[: len(data)] = data
                return len(data)


def decode(text):
    """The bytes of standard base64, None if it is not written exactly so."""
    try:
        data = a2b_base64(text)
    except ValueError:
        return None
    # MicroPython passes over what is no base64, and over bits that decode to nothing.
    return data if b2a_base64(data, newline=False) == text else None


def key_id(modulus):
    """What a signature names its key by."""
    return sha256(modulus).digest()[:8].hex()


def is_key(modulus):
    """Whether these bytes can be a modulus of 3072 bits."""
    return len(modulus) == LENGTH and modulus[0] > 0x7F and modulus[-1] & 1 == 1


def verify(modulus, signature, digest):
    """Whether the owner of this key signed what has this SHA-256: RSA-3072, PSS (RFC 8017, 8.1.2)."""
    if not is_key(modulus) or len(signature) != LENGTH or len(digest) != _HASH:
        return False
    number = int.from_bytes(signature, "big")
    n = int.from_bytes(modulus, "big")
    if number >= n:
        return False  # it would have a second spelling
    block = pow(number, _EXPONENT, n).to_bytes(LENGTH, "big")
    # 3071 bits: the highest of the 384 bytes' is not used.
    if block[-1] != 0xBC or block[0] > 0x7F:
        return False
    found = block[_MASKED:-1]
    data = bytearray(block[:_MASKED])
    _unmask(data, found)
    data[0] &= 0x7F
    if any(data[:_ONE]) or data[_ONE] != 1:
        return False
    check = sha256(bytes(8))
    check.update(digest)
    check.update(data[_ONE + 1 :])
    return check.digest() == found


def _unmask(data, seed):
    """Take MGF1's mask off in place."""
    for block in range((len(data) + _HASH - 1) // _HASH):
        at = block * _HASH
        mask = sha256(seed + block.to_bytes(4, "big")).digest()
        for i in range(min(_HASH, len(data) - at)):
            data[at + i] ^= mask[i]
