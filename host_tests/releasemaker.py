"""Makes releases for tests, good ones and wrong ones, independent of the tools.

key = Key.make(1)                                     1 to 3 are kept in host_tests/keys, others take a while
write(folder, {"lutin/__init__.py": b""}, 7, [key])   release.json and blobs
envelope(payload(files, number=7), [key])             the bytes of release.json alone
payload(files, number=7, boards=["other"])            a field replaced; with ABSENT, left out
envelope(b"not json", [key])                          any bytes can be signed
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from Crypto.Hash import SHA256
from Crypto.PublicKey import RSA
from Crypto.Signature import pss

KEYS = Path(__file__).parent / "keys"
TYPE = "application/vnd.lutin.release+json"
PIECE = 65536
ABSENT = object()  # as an override: the field is left out


class Key:
    """An RSA-3072 key, for tests only."""

    _made: ClassVar[dict[int, Key]] = {}

    def __init__(self, rsa: RSA.RsaKey) -> None:
        self.rsa = rsa
        self.modulus = int(rsa.n).to_bytes(384, "big")
        self.base64 = base64.b64encode(self.modulus).decode()
        self.id = hashlib.sha256(self.modulus).hexdigest()[:16]

    @classmethod
    def make(cls, seed: int = 1) -> Key:
        """Always the same key for the same seed; kept for this run."""
        if seed not in cls._made:
            path = KEYS / f"test-key-{seed}.pem"
            rsa = RSA.import_key(path.read_bytes()) if path.exists() else RSA.generate(3072, _noise(seed))
            cls._made[seed] = cls(rsa)
        return cls._made[seed]

    def sign(self, message: bytes, salt: int = 32) -> bytes:
        """PSS, SHA-256, a random salt of so many bytes."""
        return pss.new(self.rsa, salt_bytes=salt).sign(SHA256.new(message))

    def raw(self, encoded: int) -> bytes:
        """The private key on any number: to make signatures that are wrong inside."""
        p, q, d = int(self.rsa.p), int(self.rsa.q), int(self.rsa.d)
        high, low = pow(encoded, d % (p - 1), p), pow(encoded, d % (q - 1), q)
        return (low + q * ((high - low) * pow(q, -1, p) % p)).to_bytes(384, "big")


def _noise(seed: int) -> Any:
    state = hashlib.shake_256(b"lutin test key %d" % seed)
    at = 0

    def read(n: int) -> bytes:
        nonlocal at
        at += n
        return state.digest(at)[at - n :]

    return read


def encode(data: bytes) -> tuple[str, bytes]:
    """("zlib" or "plain", the blob): compressed where that is smaller."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 10)
    small = squeeze.compress(data) + squeeze.flush()
    return ("zlib", small) if len(small) < len(data) else ("plain", data)


def entry(path: str, data: bytes) -> dict[str, Any]:
    """A line of `files`."""
    digest = hashlib.sha256(data).hexdigest()
    return {"path": path, "length": len(data), "sha256": digest, "encoding": encode(data)[0]}


def base_of(image: bytes, version: str = "1.28.0", chip: str = "esp32") -> dict[str, Any]:
    """The `base` of a payload."""
    pieces = []
    for piece in _pieces(image):
        pieces.append({"sha256": hashlib.sha256(piece).hexdigest(), "encoding": encode(piece)[0]})
    digest = hashlib.sha256(image).hexdigest()
    return {"version": version, "chip": chip, "length": len(image), "sha256": digest, "pieces": pieces}


def payload(
    files: Mapping[str, bytes],
    number: Any = 1,
    keys: Sequence[Key] | None = None,
    base: bytes | None = None,
    **overrides: Any,
) -> dict[str, Any]:
    """A payload; keys: those that are trusted from then on, else test key 1; base: an image."""
    made: dict[str, Any] = {
        "format": 1,
        "product": "lutin",
        "number": number,
        "version": f"0.{number}.0",
        "oldest": 1,
        "boards": ["unix"],
        "expires": None,
        "keys": [key.base64 for key in (keys or [Key.make(1)])],
        "files": [entry(path, files[path]) for path in sorted(files, key=str.encode)],
    }
    if base is not None:
        made["base"] = base_of(base)
    made.update(overrides)
    return {name: value for name, value in made.items() if value is not ABSENT}


def compact(value: Any) -> bytes:
    """JSON without unneeded whitespace."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def pae(body: bytes, kind: str = TYPE) -> bytes:
    """What is signed."""
    name = kind.encode()
    return b"DSSEv1 %d %s %d %s" % (len(name), name, len(body), body)


def signature(key: Key, body: bytes, kind: str = TYPE, **wrong: Any) -> dict[str, str]:
    """An element of `signatures`; keyid= or sig= replace what is right."""
    return {"keyid": key.id, "sig": base64.b64encode(key.sign(pae(body, kind))).decode(), **wrong}


def envelope(
    payload: Mapping[str, Any] | bytes, keys: Iterable[Key], kind: str = TYPE, **overrides: Any
) -> bytes:
    """release.json; overrides replace fields of the envelope (signatures=[…] too)."""
    body = payload if isinstance(payload, bytes) else compact(payload)
    made: dict[str, Any] = {
        "payloadType": kind,
        "payload": base64.b64encode(body).decode(),
        "signatures": [signature(key, body, kind) for key in keys],
    }
    made.update(overrides)
    return compact({name: value for name, value in made.items() if value is not ABSENT})


def blobs(files: Mapping[str, bytes], base: bytes | None = None) -> dict[str, bytes]:
    """Contents by name, as a server has them under blobs/."""
    plain = [*files.values(), *_pieces(base or b"")]
    return {hashlib.sha256(data).hexdigest(): encode(data)[1] for data in plain}


def write(
    directory: Path,
    files: Mapping[str, bytes],
    number: Any,
    keys: Sequence[Key],
    trusted: Sequence[Key] | None = None,
    base: bytes | None = None,
    **overrides: Any,
) -> dict[str, Any]:
    """A release directory, signed by `keys`; trusted: the keys it carries, else the same. The payload."""
    made = payload(files, number, trusted or keys, base, **overrides)
    (directory / "blobs").mkdir(parents=True, exist_ok=True)
    for name, data in blobs(files, base).items():
        (directory / "blobs" / name).write_bytes(data)
    (directory / "release.json").write_bytes(envelope(made, keys))
    return made


def _pieces(image: bytes) -> list[bytes]:
    return [image[at : at + PIECE] for at in range(0, len(image), PIECE)]
