"""Releases that are wrong on purpose, each in one way, for the bench and for tests."""

from __future__ import annotations

import functools
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from . import build, keys, read
from .build import Built
from .keys import Key
from .read import Refused

KINDS = {
    "signature-bad": "its signature does not fit its contents",
    "signature-unknown": "it is signed by a key that no device trusts",
    "expired": "it expired at the end of 2024",
    "wrong-board": "it is for another board",
    "wrong-product": "it is for another product",
    "older-than-installed": "its number is lower than that of the release before it",
    "wrong-hash": "a blob on the server has other contents than were signed",
    "wrong-length": "the length that was signed for a file is not the file's",
    "bad-path": "it wants to write outside of its slot",
    "duplicate-path": "it lists a path twice",
    "ten-broken-signatures": "ten signatures are broken, the eleventh is good: it is to be taken",
    "hangs": "it starts, and then does nothing for ever",
    "crashes-at-import": "it cannot be imported",
    "crashes-later": "it crashes after ten seconds",
    "never-reaches-network": "its WiFi never joins",
    "eats-memory": "it takes all memory there is",
    "app-crashes": "its application crashes",
}
_EXPIRED = 1735689600  # 2025-01-01, for a clock that counts from 2024 on as set
_EXTRA = "lutin/spoilt.txt"  # a file that no device has yet

_RUN = r'    async def run\(self\):\n        """Start every duty[^\n]*"""\n'
_TICK = r'    def _tick\(self\):\n        """[^\n]*"""\n'
_WIFI = r'    async def run\(self\):\n        """Join, stay[^\n]*"""\n'
_EAT = """

async def _eat():
    hoard = []
    size = 16384
    while True:
        try:
            hoard.append(bytearray(size))
        except MemoryError:
            if size > 16:
                size //= 2
            else:
                await asyncio.sleep_ms(50)
"""

_APP = """
async def main(imp):
    raise RuntimeError("the application crashes")
"""

# kind -> (file, what stands there, what comes behind it, what comes at the file's end)
_MISBEHAVIOUR = {
    # Asleep, not busy: a simulated watchdog needs a clock that goes on.
    "hangs": (
        "device.py",
        _RUN,
        "        import time\n\n        while True:\n            time.sleep_ms(100)\n",
        "",
    ),
    "crashes-at-import": ("__init__.py", r"\A", "", '\nraise RuntimeError("crashes at import")\n'),
    "crashes-later": (
        "device.py",
        _TICK,
        '        if self.uptime() > 10000:\n            raise RuntimeError("crashes later")\n',
        "",
    ),
    "never-reaches-network": ("wifi.py", _WIFI, "        await asyncio.Event().wait()\n", ""),
    "eats-memory": ("device.py", _RUN, "        asyncio.create_task(_eat())\n", _EAT),
}


def spoil(
    kind: str,
    out: Path,
    signers: Sequence[Key | Path],
    number: int,
    version: str | None = None,
    *,
    boards: Sequence[str] | None = None,
    firmware: Path = build.FIRMWARE,
    app: Path | None = None,
) -> Built:
    """Put a wrong release in the place of the one in `out`; number: that of the next release."""
    if kind not in KINDS:
        raise Refused("no-such-kind", f"{kind}; there are: {', '.join(KINDS)}")
    makers = keys.loaded(signers)
    with tempfile.TemporaryDirectory() as folder:
        if kind in _MISBEHAVIOUR:
            firmware = _patched(kind, firmware, Path(folder))
        if kind == "app-crashes":
            app = Path(folder) / "app"
            app.mkdir()
            (app / "__init__.py").write_text(_APP)
        files = build.tree(firmware, app)
    files[_EXTRA] = f"release {number} is spoilt: {kind}\n".encode()
    content = build.payload(
        files,
        number,
        version,
        list(boards or build.board_names()),
        oldest=1,
        expires=None,
        trusted=[maker.modulus for maker in makers],
    )
    if kind in _IN_PAYLOAD:
        _IN_PAYLOAD[kind](content)
    data = build.envelope(build.to_json(content), makers)
    if kind in _IN_ENVELOPE:
        data = _IN_ENVELOPE[kind](build.to_json(content), makers)
    built = build.write(out, content, data, list(files.values()))
    if kind == "wrong-hash":
        wrong = files[_EXTRA].replace(b"spoilt", b"SPOILT")
        build.place(out, data, {read.sha256(files[_EXTRA]): wrong})
    return built


def _patched(kind: str, firmware: Path, folder: Path) -> Path:
    """A copy of the tree that misbehaves."""
    name, place, behind, at_end = _MISBEHAVIOUR[kind]
    copy = folder / "firmware"
    shutil.copytree(firmware / "lutin", copy / "lutin", ignore=shutil.ignore_patterns("__pycache__"))
    path = copy / "lutin" / name
    text = path.read_text(encoding="utf-8")
    changed, count = re.subn(place, lambda found: found[0] + behind, text)
    assert count == 1, f"{name} has changed: {kind} finds {count} places for {place!r}"
    path.write_text(changed + at_end, encoding="utf-8")
    return copy


def _extra(content: dict[str, Any]) -> dict[str, Any]:
    return next(file for file in content["files"] if file["path"] == _EXTRA)


def _lower(content: dict[str, Any]) -> None:
    # The last one was number - 1.
    content["number"] = max(1, content["number"] - 2)


def _longer(content: dict[str, Any]) -> None:
    _extra(content)["length"] += 1


def _outside(content: dict[str, Any]) -> None:
    _extra(content)["path"] = "lutin/../boot.py"
    content["files"].sort(key=lambda file: file["path"])


def _twice(content: dict[str, Any]) -> None:
    files = content["files"]
    files.insert(files.index(_extra(content)), dict(_extra(content)))


def _broken(signature: bytes, at: int = 0) -> bytes:
    return signature[:at] + bytes([signature[at] ^ 1]) + signature[at + 1 :]


def _badly_signed(content: bytes, makers: Sequence[Key]) -> bytes:
    message = read.pae(content)
    return build.enveloped(content, [(key.id, _broken(key.sign(message))) for key in makers])


def _signed_by_nobody(content: bytes, _: Sequence[Key]) -> bytes:
    return build.envelope(content, [_stranger()])


def _signed_often(content: bytes, makers: Sequence[Key]) -> bytes:
    good = makers[0].sign(read.pae(content))
    broken = [(makers[0].id, _broken(good, 30 * n)) for n in range(10)]
    return build.enveloped(content, [*broken, (makers[0].id, good)])


@functools.cache
def _stranger() -> Key:
    return keys.generate()


_IN_PAYLOAD: dict[str, Callable[[dict[str, Any]], None]] = {
    "expired": lambda content: content.update(expires=_EXPIRED),
    "wrong-board": lambda content: content.update(boards=["another"]),
    "wrong-product": lambda content: content.update(product="another"),
    "older-than-installed": _lower,
    "wrong-length": _longer,
    "bad-path": _outside,
    "duplicate-path": _twice,
}
_IN_ENVELOPE: dict[str, Callable[[bytes, Sequence[Key]], bytes]] = {
    "signature-bad": _badly_signed,
    "signature-unknown": _signed_by_nobody,
    "ten-broken-signatures": _signed_often,
}
