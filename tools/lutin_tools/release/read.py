"""Reading a release by the rules of the device (firmware/lutin/update/release.py), with its names.

Its details are in more words than the device has room for.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from Crypto.Hash import SHA256
from Crypto.PublicKey import RSA
from Crypto.Signature import pss

PRODUCT = "lutin"
FORMAT = 1
TYPE = "application/vnd.lutin.release+json"
MODULUS = 384  # bytes
EXPONENT = 65537
SALT = 32
MOST_ENVELOPE = 65536
MOST_NUMBER = 0x7FFFFFFF
LATEST = 0xFFFFFFFF  # s since 1970
MOST_STRING = 1024
MOST_DEPTH = 6
MOST_FILES = 400
MOST_FILE = 262144
MOST_PATH = 96
MOST_KEYS = 4
MOST_SIGNATURES = 16  # that a device looks at
MOST_BOARDS = 16
MOST_BASE = 2 * 1024 * 1024
PIECE = 65536
WINDOW = 10  # bits, of zlib
TEXT = re.compile(r"[ -~]{1,64}")
PATH = re.compile(r"(lutin|app)(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+")
BLOB = re.compile(r"[0-9a-f]{64}")


class Refused(Exception):
    """name: the device's, where it would refuse too; detail: what is wrong."""

    def __init__(self, name: str, detail: str = "") -> None:
        super().__init__(name, detail)
        self.name = name
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.name}: {self.detail}" if self.detail else self.name


@dataclass(frozen=True)
class Blob:
    """A file, or with the path "" a piece of a base."""

    path: str
    length: int  # plain
    sha256: str  # of the plain contents, hex
    zlib: bool


@dataclass(frozen=True)
class Base:
    version: str
    chip: str
    length: int
    sha256: str
    pieces: list[Blob]


@dataclass(frozen=True)
class Signature:
    keyid: str
    sig: bytes | None  # None: no base64


@dataclass
class Release:
    number: int
    version: str
    oldest: int
    boards: list[str]
    expires: int | None
    keys: list[bytes]  # moduli
    files: list[Blob]
    base: Base | None
    payload: bytes
    signatures: list[Signature] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Plain bytes of all files."""
        return sum(file.length for file in self.files)

    def blobs(self) -> list[Blob]:
        """All that must lie beside it: files, then pieces."""
        return self.files + (self.base.pieces if self.base else [])


def key_id(modulus: bytes) -> str:
    """The first 16 hex digits of its SHA-256."""
    return sha256(modulus)[:16]


def sha256(data: bytes) -> str:
    """In hex, as releases write it."""
    return hashlib.sha256(data).hexdigest()


def pae(payload: bytes) -> bytes:
    """What is signed (DSSE's pre-authentication encoding)."""
    return b"DSSEv1 %d %b %d %b" % (len(TYPE), TYPE.encode(), len(payload), payload)


def parse(data: bytes) -> Release:
    """All checks but those of signatures, time and place."""
    payload, signatures = envelope(data)
    release = contents(payload)
    release.signatures = signatures
    return release


def envelope(data: bytes) -> tuple[bytes, list[Signature]]:
    """(payload, signatures), nothing verified."""
    name = "envelope-malformed"
    if len(data) > MOST_ENVELOPE:
        raise Refused(name, f"too-large: {len(data)} bytes, {MOST_ENVELOPE} at most")
    found = _object(_json(data, name, free="payload"), name, "the envelope")
    for key in ("payloadType", "payload", "signatures"):
        _field(found, key, name)
    if _string(found["payloadType"], name, "payloadType") != TYPE:
        raise Refused("wrong-format", f"payloadType is not {TYPE}")
    signatures = []
    for each in _list(found["signatures"], name, "signatures"):
        entry = _object(each, name, "a signature")
        keyid = _string(entry.get("keyid", ""), name, "keyid")
        signatures.append(Signature(keyid, unbase64(_string(entry.get("sig", ""), name, "sig"))))
    payload = unbase64(_string(found["payload"], name, "payload"))
    if payload is None:
        raise Refused(name, "bad-base64: the payload")
    return payload, signatures


def contents(payload: bytes) -> Release:
    """The payload, checked by itself."""
    name = "payload-malformed"
    found = _object(_json(payload, name), name, "the payload")
    if _number(_field(found, "format", name), 0, MOST_NUMBER, name, "format") != FORMAT:
        raise Refused("wrong-format", f"format is not {FORMAT}")
    if _string(_field(found, "product", name), name, "product") != PRODUCT:
        raise Refused("wrong-product", found["product"])
    number = _number(_field(found, "number", name), 1, MOST_NUMBER, name, "number")
    boards = [_text(board, name, "a board") for board in _list(_field(found, "boards", name), name, "boards")]
    if not 1 <= len(boards) <= MOST_BOARDS:
        raise Refused(name, f"boards: {len(boards)}, 1 to {MOST_BOARDS} are allowed")
    keys = []
    for each in _list(_field(found, "keys", name), name, "keys"):
        key = unbase64(_string(each, name, "a key"))
        if key is None or len(key) != MODULUS or key[0] < 0x80 or not key[-1] & 1:
            raise Refused(name, f"key: not one of {8 * MODULUS} bits")
        keys.append(key)
    if not 1 <= len(keys) <= MOST_KEYS:
        raise Refused(name, f"keys: {len(keys)}, 1 to {MOST_KEYS} are allowed")
    expires = _field(found, "expires", name)
    return Release(
        number=number,
        version=_text(_field(found, "version", name), name, "version"),
        oldest=_number(_field(found, "oldest", name), 0, number, name, "oldest"),
        boards=boards,
        expires=None if expires is None else _number(expires, 0, LATEST, name, "expires"),
        keys=keys,
        files=_files(_field(found, "files", name), name),
        base=_base(found["base"], name) if "base" in found else None,
        payload=payload,
    )


def unbase64(text: str) -> bytes | None:
    """None if it is not written exactly as base64 is: one contents, one spelling."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return data if base64.b64encode(data).decode() == text else None


def valid(signature: Signature, modulus: bytes, payload: bytes) -> bool:
    """Whether this key made it."""
    key = RSA.construct((int.from_bytes(modulus, "big"), EXPONENT), consistency_check=False)
    try:
        if signature.sig is None:
            return False
        pss.new(key, salt_bytes=SALT).verify(SHA256.new(pae(payload)), signature.sig)
    except ValueError:
        return False
    return True


def verify(release: Release, keys: Iterable[bytes]) -> bytes:
    """The key of the first valid signature by one of `keys`; else signature-unknown or -bad."""
    by_id = {key_id(key): key for key in keys}
    known = False
    for signature in release.signatures[:MOST_SIGNATURES]:
        key = by_id.get(signature.keyid)
        if key is not None:
            known = True
            if valid(signature, key, release.payload):
                return key
    if known:
        raise Refused("signature-bad", "no signature by a trusted key is valid")
    raise Refused("signature-unknown", "no signature is by a trusted key")


def decode(blob: Blob, data: bytes) -> bytes:
    """The plain contents of a blob as it lies on a server, checked against what was signed."""
    if len(data) > blob.length:
        raise Refused("wrong-length", f"{len(data)} bytes, {blob.length} at most")
    if blob.zlib:
        unpack = zlib.decompressobj(WINDOW)
        try:
            data, rest = unpack.decompress(data, blob.length + 1), unpack.unconsumed_tail
        except zlib.error as e:
            raise Refused("wrong-hash", f"not unpackable with a window of {1 << WINDOW} bytes: {e}") from None
        if not unpack.eof or unpack.unused_data or rest:
            raise Refused("wrong-length", "the packed data does not end where it should")
    if len(data) != blob.length:
        raise Refused("wrong-length", f"{len(data)} bytes instead of {blob.length}")
    if sha256(data) != blob.sha256:
        raise Refused("wrong-hash")
    return data


def _files(value: Any, name: str) -> list[Blob]:
    files: list[Blob] = []
    for each in _list(value, name, "files"):
        entry = _object(each, name, "a file")
        path = _string(_field(entry, "path", name), name, "path")
        if len(path) > MOST_PATH or not PATH.fullmatch(path):
            raise Refused("bad-path", path[:MOST_PATH])
        if files and path <= files[-1].path:
            raise Refused("duplicate-path" if path == files[-1].path else "files-unsorted", path)
        if any(path.startswith(file.path + "/") for file in files):
            raise Refused("bad-path", f"{path}: its folder is a file")
        if len(files) == MOST_FILES:
            raise Refused("too-many-files", f"{MOST_FILES} at most")
        length = _length(entry, 0, MOST_FILE, name, path)
        files.append(Blob(path, length, *_hash(entry, name)))
    if not files:
        raise Refused(name, "no-files")
    return files


def _base(value: Any, name: str) -> Base:
    entry = _object(value, name, "base")
    length = _length(entry, 1, MOST_BASE, name, "base")
    pieces = []
    for index, each in enumerate(_list(_field(entry, "pieces", name), name, "pieces")):
        left = length - index * PIECE
        pieces.append(Blob("", min(PIECE, left), *_hash(_object(each, name, "a piece"), name)))
    if len(pieces) != -(-length // PIECE):
        raise Refused(name, f"pieces: {len(pieces)} do not make {length} bytes")
    version, chip = (_text(_field(entry, key, name), name, key) for key in ("version", "chip"))
    return Base(version, chip, length, _sha256(entry, name), pieces)


def _hash(entry: dict[str, Any], name: str) -> tuple[str, bool]:
    encoding = _field(entry, "encoding", name)
    if encoding not in ("zlib", "plain"):
        raise Refused(name, "encoding: neither zlib nor plain")
    return _sha256(entry, name), encoding == "zlib"


def _sha256(entry: dict[str, Any], name: str) -> str:
    value = _string(_field(entry, "sha256", name), name, "sha256")
    if not BLOB.fullmatch(value):
        raise Refused(name, "sha256: not 64 hex digits")
    return value


def _length(entry: dict[str, Any], low: int, most: int, name: str, what: str) -> int:
    length = _number(_field(entry, "length", name), low, MOST_NUMBER, name, "length")
    if length > most:
        raise Refused("too-large", f"{what}: {length} bytes, {most} at most")
    return length


def _field(entry: dict[str, Any], key: str, name: str) -> Any:
    if key not in entry:
        raise Refused(name, f"missing-field: {key}")
    return entry[key]


def _object(value: Any, name: str, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refused(name, f"wrong-type: {what} is no object")
    return value


def _list(value: Any, name: str, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise Refused(name, f"wrong-type: {what} is no array")
    return value


def _string(value: Any, name: str, what: str) -> str:
    if not isinstance(value, str):
        raise Refused(name, f"wrong-type: {what} is no string")
    return value


def _text(value: Any, name: str, what: str) -> str:
    if not TEXT.fullmatch(_string(value, name, what)):
        raise Refused(name, f"text: {what} is not 1 to 64 characters of ASCII")
    return value


def _number(value: Any, low: int, high: int, name: str, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refused(name, f"wrong-type: {what} is no number")
    if not low <= value <= high:
        raise Refused(name, f"number-out-of-range: {what} {value}, {low} to {high} are allowed")
    return value


def _json(data: bytes, name: str, free: str | None = None) -> Any:
    """Strict JSON; the string with the key `free`, at the top, may have any length."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise Refused(name, "bad-utf8") from None
    depth = 0
    for mark in re.sub(r'"(?:[^"\\]|\\.)*"', "", text):
        depth += (mark in "[{") - (mark in "]}")
        if depth > MOST_DEPTH:
            raise Refused(name, "too-deep")

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in items}) != len(items):
            raise Refused(name, "duplicate-key")
        return dict(items)

    def constant(text: str) -> Any:
        raise Refused(name, f"not-json: {text}")

    def whole(text: str) -> int:
        if len(text.lstrip("-")) > 10 or abs(int(text)) > LATEST:
            raise Refused(name, "number-out-of-range")
        return int(text)

    def fraction(text: str) -> Any:
        raise Refused(name, "not-whole")

    try:
        value = json.loads(
            text,
            object_pairs_hook=pairs,
            parse_constant=constant,
            parse_int=whole,
            parse_float=fraction,
        )
    except ValueError as e:
        raise Refused(name, f"not-json: {e}") from None
    bounded = value
    if free and isinstance(value, dict):
        bounded = {key: item for key, item in value.items() if key != free}
    for string in _strings(bounded):
        if len(string.encode(errors="surrogatepass")) > MOST_STRING:
            raise Refused(name, "string-too-long")
        if re.search("[\ud800-\udfff]", string):
            raise Refused(name, "bad-utf8")
    return value


def _strings(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
