"""Building a release: the same tree, number, keys and names.json give the same bytes."""

from __future__ import annotations

import ast
import base64
import json
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..paths import ROOT
from . import image as images
from . import names, read
from .compiler import compile_all, replace
from .keys import Key, loaded, public
from .read import Refused

RELEASE = "release.json"
BLOBS = "blobs"
FIRMWARE = ROOT / "firmware"
BOARDS = ROOT / "boards"


@dataclass(frozen=True)
class Built:
    """A release as it lies in the folder `path`."""

    number: int
    version: str
    files: int
    bytes: int  # plain, of all files and the base
    encoded: int  # as they are fetched
    path: Path


def build(
    out: Path,
    keys: Sequence[Key | Path],
    number: int,
    version: str | None = None,
    *,
    app: Path | None = None,
    boards: Sequence[str] | None = None,
    firmware: Path = FIRMWARE,
    oldest: int = 1,
    expires: int | None = None,
    trust: Sequence[bytes | Path] | None = None,
    base: Path | None = None,
    chip: str = "auto",
    prune: bool = False,
) -> Built:
    """Compile, sign, and write `out`: release.json and blobs, and names.json, which no device reads.

    version: the number as text if None. boards: all of boards/ if None. expires: seconds since 1970.
    trust: the keys that hold from this release on, moduli or PEM files; those that sign it if None.
    base: a MicroPython application image. prune: remove blobs that this release does not name.
    """
    signers = loaded(keys)
    if not signers:
        raise Refused("no-key", "a release is signed: `lutin keys new DIR` makes a key pair")
    there = lying(out)
    if number <= there:
        raise Refused(
            "number-used", f"release {there} lies in {out}: give this one the number {there + 1} or a higher"
        )
    if expires is not None and expires <= time.time():
        raise Refused("expired", "no device would take a release that has expired already")
    trusted = [k if isinstance(k, bytes) else public(k) for k in trust or [s.modulus for s in signers]]
    if len(set(trusted)) != len(trusted):
        raise Refused("payload-malformed", "keys: one is named twice")
    if not {s.modulus for s in signers} & set(trusted):
        # The device confirms a release by reading its release.json once more, with the new keys.
        raise Refused(
            "signature-unknown",
            "who runs this release could not verify it; sign it with one of the keys to trust, too",
        )
    if base and boards is None and len(board_names()) > 1:
        # Boards with another chip would refuse the release, whole.
        raise Refused("wrong-chip", "name the boards that the base is for: --board NAME")
    files, table = compiled(firmware, app, names.load(out / names.FILE))
    image = images.load(base, chip) if base else None
    content = payload(files, number, version, _known(boards), oldest, expires, trusted, image)
    release = signed(content, signers)
    if app and "app/__init__.mpy" not in files:
        raise Refused(
            "no-app", f"{app} has no __init__.py, in which a device looks for `async def main(imp)`"
        )
    contents = [*files.values(), *(image.pieces() if image else [])]
    built = write(out, content, release, contents, prune)
    names.save(out / names.FILE, table)
    return built


def lying(out: Path) -> int:
    """The number of the release in `out`; 0 if there is none."""
    try:
        data = (out / RELEASE).read_bytes()
    except FileNotFoundError:
        return 0
    except OSError as e:
        raise Refused("no-release", f"{out / RELEASE}: {e.strerror}") from None
    try:
        # Not all its rules: a wrong release may be replaced, but not by a lower number.
        number = json.loads(read.envelope(data)[0])["number"]
        if not isinstance(number, int):
            raise ValueError("its number is none")
        return number
    except (Refused, ValueError, KeyError, TypeError, RecursionError) as e:
        raise Refused(
            "no-release", f"{out / RELEASE} is no release ({e}); remove it if it is to be replaced"
        ) from None


def tree(firmware: Path = FIRMWARE, app: Path | None = None) -> dict[str, bytes]:
    """path in the release -> contents, of firmware/lutin and an application's folder."""
    return compiled(firmware, app)[0]


def compiled(
    firmware: Path = FIRMWARE, app: Path | None = None, before: names.Table | None = None
) -> tuple[dict[str, bytes], names.Table]:
    """As tree(), and the names by what they were replaced with; before: those of an earlier release."""
    sources = {f"lutin/{path}": data for path, data in _walk(firmware / "lutin") if path.endswith(".py")}
    found, table = names.shorten(sources, before)
    if app is not None:
        found.update({f"app/{path}": data for path, data in _walk(app)})
    pieces = compile_all({path: data for path, data in found.items() if path.endswith(".py")})
    files: dict[str, bytes] = {}
    for path, data in found.items():
        name = path[:-3] + ".mpy" if path in pieces else path
        if name in files:
            raise Refused("bad-path", f"{name} is there twice, as .py too")
        files[name] = pieces.get(path, data)
    return files, table


def payload(
    files: Mapping[str, bytes],
    number: int,
    version: str | None,
    boards: Sequence[str],
    oldest: int,
    expires: int | None,
    trusted: Sequence[bytes],
    image: images.Image | None = None,
) -> dict[str, Any]:
    """The payload as an object, not checked."""
    content: dict[str, Any] = {
        "format": read.FORMAT,
        "product": read.PRODUCT,
        "number": number,
        "version": str(number) if version is None else version,
        "oldest": oldest,
        "boards": list(boards),
        "expires": expires,
        "keys": [base64.b64encode(key).decode() for key in trusted],
        "files": [
            {"path": path, "length": len(data), **_described(data)} for path, data in sorted(files.items())
        ],
    }
    if image:
        content["base"] = {
            "version": image.version,
            "chip": image.chip,
            "length": len(image.data),
            "sha256": read.sha256(image.data),
            "pieces": [_described(piece) for piece in image.pieces()],
        }
    return content


def to_json(value: Any) -> bytes:
    """One spelling for one value."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def signed(content: Mapping[str, Any], signers: Sequence[Key]) -> bytes:
    """release.json. What a device would refuse is refused here, with the device's name for it."""
    data = to_json(content)
    read.contents(data)
    release = envelope(data, signers)
    read.parse(release)
    return release


def envelope(content: bytes, signers: Sequence[Key]) -> bytes:
    """The envelope around a payload that nobody has checked."""
    message = read.pae(content)
    return enveloped(content, [(key.id, key.sign(message)) for key in signers])


def enveloped(content: bytes, signatures: Sequence[tuple[str, bytes]]) -> bytes:
    """An envelope with whatever is given as signatures: (key id, signature)…"""
    return to_json(
        {
            "payloadType": read.TYPE,
            "payload": base64.b64encode(content).decode(),
            "signatures": [
                {"keyid": keyid, "sig": base64.b64encode(signature).decode()}
                for keyid, signature in signatures
            ],
        }
    )


def write(
    out: Path, content: Mapping[str, Any], data: bytes, contents: Sequence[bytes], prune: bool = False
) -> Built:
    """A release directory of a payload, its envelope, and all that it lists, plain."""
    blobs = {read.sha256(plain): encode(plain)[0] for plain in contents}
    place(out, data, blobs, prune)
    return Built(
        number=content["number"],
        version=content["version"],
        files=len(content["files"]),
        bytes=sum(len(plain) for plain in contents),
        encoded=sum(len(blobs[read.sha256(plain)]) for plain in contents),
        path=out,
    )


def place(out: Path, data: bytes, blobs: Mapping[str, bytes], prune: bool = False) -> None:
    """Blobs first, then release.json at once: there is never one without its blobs."""
    folder = out / BLOBS
    folder.mkdir(parents=True, exist_ok=True)
    for name, blob in sorted(blobs.items()):
        path = folder / name
        try:
            if path.read_bytes() == blob:
                continue
        except FileNotFoundError:
            pass
        replace(path, blob)
    replace(out / RELEASE, data)
    if prune:
        for path in folder.iterdir():
            if read.BLOB.fullmatch(path.name) and path.name not in blobs:
                path.unlink()


def encode(plain: bytes) -> tuple[bytes, bool]:
    """(as it is fetched, whether that is zlib)"""
    pack = zlib.compressobj(9, zlib.DEFLATED, read.WINDOW)
    packed = pack.compress(plain) + pack.flush()
    return (packed, True) if len(packed) < len(plain) else (plain, False)


def board_names() -> list[str]:
    """The names that the folders of boards/ give themselves."""
    return sorted(board_name(path) for path in BOARDS.glob("*/pins.py"))


def board_name(pins: Path) -> str:
    """NAME of a pins.py."""
    for node in ast.parse(pins.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "NAME" for target in node.targets
        ):
            return str(ast.literal_eval(node.value))
    raise Refused("wrong-board", f"{pins} has no NAME")


def _known(boards: Sequence[str] | None) -> list[str]:
    """Sorted; a board that nobody knows is a slip of the pen."""
    known = board_names()
    for board in boards or ():
        if board not in known:
            raise Refused("wrong-board", f"{board} is no folder of boards/; there are: {', '.join(known)}")
    return sorted(set(boards or known))


def _described(plain: bytes) -> dict[str, Any]:
    return {
        "sha256": read.sha256(plain),
        "encoding": "zlib" if encode(plain)[1] else "plain",
    }


def _walk(folder: Path) -> list[tuple[str, bytes]]:
    """(path with slashes, contents) of a folder, without what is hidden and without Python's caches."""
    if not folder.is_dir():
        raise Refused("no-files", f"{folder} is no folder")
    found = []
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(part.startswith(".") or part == "__pycache__" for part in parts):
            found.append(("/".join(parts), path.read_bytes()))
    if not found:
        raise Refused("no-files", f"{folder} is empty")
    return found
