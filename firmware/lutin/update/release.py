"""What a release says of itself, from JSON: every rule of the format."""

from binascii import unhexlify

from micropython import const

from ..states import Failure
from .envelope import decode, is_key
from .offer import PIECE, Base

_FORMAT = const(1)
_FIELDS = ("format", "product", "number", "version", "oldest", "boards", "expires", "keys", "files")
_LATEST = const(0xFFFFFFFF)  # s since 1970: 2106, and not 2038
_TEXT = const(64)
_BOARDS = const(16)
_KEYS = const(4)
_FILES = const(400)
_FILE = const(262144)  # bytes
_PATH = const(96)
_BASE = const(2097152)

_NAME = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-/"


def entries(reader, release, product=None, board=None):
    """Check it all and fill in the release. Yields (path, length, sha256, zlib?) for each file, the
    same with None for the path for each piece of the base, and None now and then."""
    missing = set(_FIELDS)
    reader.object()
    key = reader.key()
    while key is not None:
        missing.discard(key)
        if key == "format":
            if reader.number(0) != _FORMAT:
                raise Failure("wrong-format")
        elif key == "product":
            if reader.string() != product and product is not None:
                raise Failure("wrong-product")
        elif key == "number":
            release.number = reader.number(1)
        elif key == "version":
            release.version = _text(reader)
        elif key == "oldest":
            release.oldest = reader.number(0)
        elif key == "boards":
            _boards(reader, release, board)
        elif key == "expires":
            release.expires = None if reader.null() else reader.number(0, _LATEST)
        elif key == "keys":
            yield from _trusted(reader, release)
        elif key == "files":
            yield from _files(reader, release)
        elif key == "base":
            release.base = Base()
            yield from _base(reader, release.base)
        else:
            yield from reader.skip()
        key = reader.key()
    reader.end()
    if missing:
        raise reader.failure("missing-field")
    if release.oldest > release.number:
        raise reader.failure("number-out-of-range")


def _boards(reader, release, board):
    reader.array()
    while reader.more():
        release.boards.append(_text(reader))
        if len(release.boards) > _BOARDS:
            raise reader.failure("too-many-boards")
    if not release.boards:
        raise reader.failure("no-boards")
    if board is not None and board not in release.boards:
        raise Failure("wrong-board", "for " + ", ".join(release.boards)[:_TEXT])


def _trusted(reader, release):
    reader.array()
    while reader.more():
        modulus = decode(reader.string().encode())
        if modulus is None or not is_key(modulus):
            raise reader.failure("key")
        release.keys.append(modulus)
        yield None
        if len(release.keys) > _KEYS:
            raise reader.failure("too-many-keys")
    if not release.keys:
        raise reader.failure("no-keys")


def _files(reader, release):
    stems = []  # each one's beginning is the one before; so the last is the last path
    reader.array()
    while reader.more():
        path, length, digest, packed = yield from _entry(reader)
        if path is None or length is None:
            raise reader.failure("missing-field")
        if stems and path <= stems[-1]:
            raise Failure("duplicate-path" if path == stems[-1] else "files-unsorted", path)
        while stems and not path.startswith(stems[-1]):
            stems.pop()
        if stems and path[len(stems[-1])] == "/":
            raise Failure("bad-path", path)  # in a folder that is a file
        stems.append(path)
        release.count += 1
        if release.count > _FILES:
            raise Failure("too-many-files")
        release.size += length
        yield path, length, digest, packed
    if not release.count:
        raise reader.failure("no-files")


def _base(reader, base):
    digest = version = chip = None
    pieces = False
    reader.object()
    key = reader.key()
    while key is not None:
        if key == "version":
            version = _text(reader)
        elif key == "chip":
            chip = _text(reader)
        elif key == "length":
            base.length = _length(reader, 1, _BASE)
        elif key == "sha256":
            digest = _sha256(reader)
        elif key == "pieces":
            pieces = True
            left = base.length
            reader.array()
            while reader.more():
                _, _, piece, packed = yield from _entry(reader)
                if left <= 0:
                    raise reader.failure("pieces")  # also where the length comes behind them
                yield None, min(left, PIECE), piece, packed
                left -= PIECE
                base.count += 1
            if left > 0:
                raise reader.failure("pieces")
        else:
            yield from reader.skip()
        key = reader.key()
    if not pieces or version is None or chip is None or digest is None:
        raise reader.failure("missing-field")
    base.version, base.chip, base.sha256 = version, chip, digest


def _entry(reader):
    """A generator; its value is (path or None, length or None, sha256, zlib?)."""
    path = length = digest = encoding = None
    reader.object()
    key = reader.key()
    while key is not None:
        if key == "path":
            path = _path(reader)
        elif key == "length":
            length = _length(reader, 0, _FILE)
        elif key == "sha256":
            digest = _sha256(reader)
        elif key == "encoding":
            encoding = reader.string()
            if encoding not in ("zlib", "plain"):
                raise reader.failure("encoding")
        else:
            yield from reader.skip()
        key = reader.key()
    if digest is None or encoding is None:
        raise reader.failure("missing-field")
    return path, length, digest, encoding == "zlib"


def _path(reader):
    """Parts with a slash between them, each a plain name on any filesystem."""
    path = reader.string()
    if (
        len(path) > _PATH
        or not path.startswith(("lutin/", "app/"))
        or path.lstrip(_NAME)  # something else is in it
        or "//" in path
        or "/." in path
        or path[-1] == "/"
    ):
        raise Failure("bad-path")  # and not a word of it: it may be anything
    return path


def _text(reader):
    """A short text that can be shown and logged as it is."""
    text = reader.string()
    if not 0 < len(text) <= _TEXT or min(text) < " " or max(text) > "~":
        raise reader.failure("text")
    return text


def _length(reader, low, most):
    length = reader.number(low)
    if length > most:
        raise Failure("too-large")
    return length


def _sha256(reader):
    text = reader.string()
    if len(text) == 64:
        try:
            digest = unhexlify(text)
            if digest.hex() == text:  # lower case
                return digest
        except ValueError:
            pass
    raise reader.failure("sha256")
