"""`lutin release show` and `check`: whether a release is whole, and what a device would fetch."""

from __future__ import annotations

import base64
import datetime
import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import read
from .read import Blob, Refused, Release

_TIMEOUT = 20  # s


class Place:
    """Where a release lies: a folder or a URL."""

    def __init__(self, where: str | Path, ca: Path | None = None) -> None:
        # ca: a certificate, DER or PEM, that the server's is checked against
        self.where = str(where).removesuffix("release.json")
        self._url = self.where.rstrip("/") + "/" if self.where.startswith(("http://", "https://")) else ""
        self._tls = None
        if ca:
            data = ca.read_bytes()
            self._tls = ssl.create_default_context(cadata=data.decode() if b"-----BEGIN" in data else data)

    def get(self, name: str, most: int) -> bytes | None:
        """A file, or its first most + 1 bytes; None if it is not there."""
        try:
            if not self._url:
                with open(Path(self.where) / name, "rb") as file:
                    return file.read(most + 1)
            with urllib.request.urlopen(self._url + name, timeout=_TIMEOUT, context=self._tls) as answer:
                return answer.read(most + 1)
        except FileNotFoundError:
            return None
        except urllib.error.HTTPError as e:
            if e.code == 404:
                return None
            raise Refused("no-release", f"{self._url}{name}: HTTP status {e.code}") from None
        except (OSError, http.client.HTTPException, ValueError) as e:
            why = e.strerror if not self._url and isinstance(e, OSError) else getattr(e, "reason", e)
            raise Refused("no-release", f"{self._url or self.where + '/'}{name}: {why}") from None

    def release(self) -> Release:
        """What lies here."""
        data = self.get("release.json", read.MOST_ENVELOPE)
        if data is None:
            raise Refused("no-release", f"{self.where} holds no release.json")
        return read.parse(data)

    def extra(self, release: Release) -> int | None:
        """How many blobs of other releases lie beside it; None where that cannot be seen."""
        if self._url:
            return None
        named = {blob.sha256 for blob in release.blobs()}
        folder = Path(self.where) / "blobs"
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        return sum(1 for name in names if read.BLOB.fullmatch(name) and name not in named)


@dataclass
class Report:
    """What `show` says."""

    where: str
    release: Release
    signatures: list[tuple[str, str]]  # key id; valid, invalid, unknown, of ANOTHER
    encoded: list[int | None] = field(default_factory=list)  # bytes of each blob, in order of blobs()
    extra: int | None = None
    problems: list[str] = field(default_factory=list)


def examine(place: Place, trust: Sequence[bytes] = ()) -> Report:
    """Everything that can be verified from here; `trust`: what a device trusts, if not its own keys."""
    release = place.release()
    known = {read.key_id(key): key for key in (*release.keys, *trust)}
    report = Report(place.where, release, [], extra=place.extra(release))
    for signature in release.signatures:
        key = known.get(signature.keyid)
        result = "unknown" if key is None else "invalid"
        if key is not None and read.valid(signature, key, release.payload):
            result = "valid"
        for other in known.values() if key is None else ():
            if read.valid(signature, other, release.payload):
                result = f"of {read.key_id(other)}"  # which no device finds out
        report.signatures.append((signature.keyid, result))
        if result not in ("valid", "unknown"):
            report.problems.append(f"signature-bad: key id {signature.keyid or 'missing'}, {result}")
    for keys, whose in ((trust, "trusted keys"), (release.keys, "keys that hold from this release on")):
        if keys:
            try:
                read.verify(release, keys)
            except Refused as e:
                report.problems.append(f"{e.name}: no valid signature by one of the {whose}")
    if release.expires is not None and release.expires <= time.time():
        report.problems.append(f"expired: on {date(release.expires)}")
    report.encoded = [_weigh(place, blob, report.problems) for blob in release.blobs()]
    if release.base:
        _weigh_base(place, release, report.problems)
    return report


def _weigh(place: Place, blob: Blob, problems: list[str]) -> int | None:
    name = f"blobs/{blob.sha256}"
    data = place.get(name, blob.length)
    if data is None:
        problems.append(f"missing: {name} {_for(blob)}")
        return None
    try:
        read.decode(blob, data)
    except Refused as e:
        problems.append(f"{e}: {name} {_for(blob)}")
    return len(data)


def _weigh_base(place: Place, release: Release, problems: list[str]) -> None:
    assert release.base
    whole = b""
    try:
        for piece in release.base.pieces:
            whole += read.decode(piece, place.get(f"blobs/{piece.sha256}", piece.length) or b"")
    except Refused:
        return  # it has been said of the piece
    if read.sha256(whole) != release.base.sha256:
        problems.append("wrong-hash: of the whole base")


def _for(blob: Blob) -> str:
    return f"({blob.path or 'a piece of the base'})"


def as_text(report: Report) -> str:
    """For people."""
    release = report.release
    lines = [
        f"release {release.number}, version {release.version}, in {report.where}",
        f"  boards     {', '.join(release.boards)}",
        f"  oldest     {release.oldest}",
        f"  expires    {'never' if release.expires is None else date(release.expires)}",
    ]
    lines += [f"  signature  {keyid}  {result}" for keyid, result in report.signatures]
    lines += [f"  key        {read.key_id(key)}" for key in release.keys]
    to_fetch = sum(weight or 0 for weight in report.encoded)
    if release.base:
        base = release.base
        lines.append(
            f"  base       {base.version} for {base.chip}, {base.length} bytes, {len(base.pieces)} pieces"
        )
    if report.extra:
        lines.append(f"  besides    {report.extra} blobs of other releases")
    lines += ["", f"{'bytes':>8} {'fetched':>8}"]
    for file, weight in zip(release.files, report.encoded, strict=False):  # pieces come after the files
        lines.append(f"{file.length:>8} {'-' if weight is None else weight:>8}  {file.path}")
    total = sum(blob.length for blob in release.blobs())
    base_too = " and the base" if release.base else ""
    lines.append(f"{total:>8} {to_fetch:>8}  {count(len(release.files), 'file')}{base_too}")
    lines.append("")
    lines += [f"WRONG  {problem}" for problem in report.problems] or ["all is right"]
    return "\n".join(lines)


def as_json(report: Report) -> str:
    """For programs."""
    release = report.release
    listed = [
        {
            "path": blob.path,
            "length": blob.length,
            "sha256": blob.sha256,
            "encoding": "zlib" if blob.zlib else "plain",
            "encoded": weight,
        }
        for blob, weight in zip(release.blobs(), report.encoded, strict=True)
    ]
    many = len(release.files)
    base: dict[str, Any] | None = None
    if release.base:
        base = {key: getattr(release.base, key) for key in ("version", "chip", "length", "sha256")}
        base["pieces"] = [{k: v for k, v in piece.items() if k != "path"} for piece in listed[many:]]
    return json.dumps(
        {
            "where": report.where,
            "number": release.number,
            "version": release.version,
            "oldest": release.oldest,
            "boards": release.boards,
            "expires": release.expires,
            "keys": [
                {"id": read.key_id(key), "modulus": base64.b64encode(key).decode()} for key in release.keys
            ],
            "signatures": [{"keyid": keyid, "result": result} for keyid, result in report.signatures],
            "files": listed[:many],
            "base": base,
            "bytes": sum(blob.length for blob in release.blobs()),
            "encoded": sum(weight or 0 for weight in report.encoded),
            "other_blobs": report.extra,
            "problems": report.problems,
        },
        indent=2,
    )


@dataclass
class Difference:
    """What a device on one release would do with another."""

    fetch: list[tuple[Blob, int]]  # files, and their bytes as fetched
    kept: int  # files that are there already
    removed: int  # files that the new one does not have
    pieces: list[tuple[Blob, int]]  # of the base that differ from the old base's
    all_pieces: int  # bytes as fetched of the whole base
    refused: list[str]
    same: bool = False


def compare(old: Place, new: Place, now: float | None = None) -> Difference:
    """Files that differ are fetched; equal ones are copied from the slot that runs."""
    before, after = old.release(), new.release()
    refused = _refusals(before, after, time.time() if now is None else now)
    there = {file.path: file.sha256 for file in before.files}
    missing = [file for file in after.files if there.get(file.path) != file.sha256]
    pieces: list[Blob] = after.base.pieces if after.base else []
    old_pieces = [piece.sha256 for piece in before.base.pieces] if before.base else []
    weights: dict[str, int] = {}
    for blob in (*missing, *pieces):
        data = new.get(f"blobs/{blob.sha256}", blob.length)
        try:
            if data is None:
                raise Refused("missing")
            read.decode(blob, data)
        except Refused as e:
            refused.append(f"{e}: blobs/{blob.sha256} {_for(blob)}")
        weights[blob.sha256] = len(data or b"")
    changed = [piece for index, piece in enumerate(pieces) if old_pieces[index : index + 1] != [piece.sha256]]
    return Difference(
        fetch=[(blob, weights[blob.sha256]) for blob in missing],
        kept=len(after.files) - len(missing),
        removed=len(set(there) - {file.path for file in after.files}),
        pieces=[(blob, weights[blob.sha256]) for blob in changed],
        all_pieces=sum(weights[blob.sha256] for blob in pieces),
        refused=refused,
        same=before.number == after.number,
    )


def _refusals(before: Release, after: Release, now: float) -> list[str]:
    found = []
    for keys, reason in (
        (before.keys, "no valid signature by a key that {} trusts: sign with one of its keys, too"),
        (after.keys, "no valid signature by its own keys: no device could confirm it"),
    ):
        try:
            read.verify(after, keys)
        except Refused as e:
            found.append(f"{e.name}: {reason.format(f'release {before.number}')}")
    missing = [board for board in before.boards if board not in after.boards]
    if missing:
        found.append(f"wrong-board: not for {', '.join(missing)}")
    if after.expires is not None and after.expires <= now:
        found.append(f"expired: on {date(after.expires)}")
    if after.number < before.number:
        found.append(f"older-than-installed: {after.number} is lower than {before.number}")
    if after.number == before.number and after.payload != before.payload:
        found.append(f"older-than-installed: both have the number {after.number}, and differ")
    return found


def difference_text(difference: Difference) -> str:
    """For people."""
    lines = [f"{weight:>8}  {blob.path}" for blob, weight in difference.fetch]
    total = sum(weight for _, weight in difference.fetch)
    lines.append(f"{total:>8}  bytes to fetch, {count(len(difference.fetch), 'file')}")
    lines.append(f"{'':>8}  {count(difference.kept, 'file')} kept, {difference.removed} removed")
    if difference.all_pieces:
        some = sum(weight for _, weight in difference.pieces)
        lines.append(
            f"{some:>8}  bytes of the base, {count(len(difference.pieces), 'piece')}, if the other "
            f"partition holds the old base; {difference.all_pieces} if not"
        )
    if difference.same and not difference.refused:
        lines = ["nothing to fetch: it has the same number"]
    return "\n".join(lines + [f"REFUSED  {why}" for why in difference.refused])


def date(seconds: int) -> str:
    """In words, UTC."""
    try:
        when = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    except (ValueError, OverflowError, OSError):
        return f"second {seconds} since 1970"
    return when.strftime("%Y-%m-%d %H:%M UTC")


def count(number: int, noun: str) -> str:
    """1 file, 2 files."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
