"""The DSSE envelope of a release.json: whole, and signed by somebody who is trusted.

The file is read several times, so that nothing of it need be kept: to see that it is whole and how
long the payload is, to hash that, to try the signatures, and to read the payload.
"""

import asyncio
from hashlib import sha256

from micropython import const

from .base64 import Base64, decode
from .failure import Failure
from .signature import key_id, verify
from .tokens import Reader

_TYPE = b"application/vnd.lutin.release+json"
_MOST = const(65536)  # bytes of it all
_VALUES = const(256)
_PAYLOAD_VALUES = const(4096)  # 400 files and a base are 2150
_SIGNATURES = const(16)


class Envelope:
    """Where in an open file the parts are. Anybody can have written it."""

    def __init__(self, file):
        self._file = file
        self._reader = Reader(file.readinto, "envelope-malformed", _MOST, _VALUES)
        self._payload = self._signatures = None  # positions; of the payload's first character
        self._length = 0  # of the payload

    def find(self):
        """Only find the payload, in a file that was checked before."""
        reader = self._reader
        reader.object()
        key = reader.key()
        while key is not None and key != "payload":
            for _ in reader.skip():
                pass
            key = reader.key()
        reader.open()
        self._payload = reader.position

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
