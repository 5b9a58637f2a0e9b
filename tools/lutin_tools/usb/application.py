"""`lutin app`: the owner's program onto a board, beside what its release brings."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from ..flash.mishaps import Mishap
from ..release import build
from .line import Line

_PIECE = 192  # bytes that are written at once
# On the board. Nothing that is there is touched before the new one is whole.
_PREPARE = """
import os, hashlib
def _rm(path):
    try:
        kind = os.stat(path)[0]
    except OSError:
        return
    if kind & 0x4000:
        for name in os.listdir(path):
            _rm(path + "/" + name)
        os.rmdir(path)
    else:
        os.remove(path)
def _sum(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while True:
            data = f.read(512)
            if not data:
                return h.digest().hex()
            h.update(data)
_rm("/deployed.new")
"""
_SWAP = """
_rm("/deployed")
os.rename("/deployed.new", "/deployed")
"""
_ROOM = "s = os.statvfs('/')\nprint(s[0] * s[3])"


def files(folder: Path) -> dict[str, bytes]:
    """path on the board, beneath /deployed -> contents: as they would be in a release."""
    if not (folder / "__init__.py").is_file():
        raise Mishap(f"{folder} is no application: it has no __init__.py, with `async def main(imp)` in it.")
    return {path: data for path, data in build.tree(app=folder).items() if path.startswith("app/")}


def deploy(line: Line, wanted: Mapping[str, bytes], show: Callable[[str], None]) -> None:
    """Write it, read it back, put it in place of what was deployed before, and start the board anew."""
    with line.stopped():
        line.run(_PREPARE)
        free = int(line.run(_ROOM))
        # A file takes whole blocks, and so does a folder.
        needed = sum(-(-len(data) // 4096) * 4096 for data in wanted.values()) + 4 * 4096
        if needed > free:
            raise Mishap(f"There is no room: it needs {needed} bytes of flash, and {free} are free.")
        made: set[str] = set()
        for name, data in wanted.items():
            show(f"{name}, {len(data)} bytes")
            _folders(line, f"/deployed.new/{name}", made)
            _write(line, f"/deployed.new/{name}", data)
        line.run(_SWAP)


def remove(line: Line) -> bool:
    """Whether there was one."""
    with line.stopped():
        line.run(_PREPARE)
        was = line.run("print('deployed' in os.listdir('/'))").strip() == "True"
        line.run('_rm("/deployed")')
        return was


def _folders(line: Line, path: str, made: set[str]) -> None:
    parts = path.split("/")[1:-1]
    for i in range(len(parts)):
        folder = "/" + "/".join(parts[: i + 1])
        if folder not in made:
            made.add(folder)
            line.run(f"os.mkdir({folder!r})")


def _write(line: Line, path: str, data: bytes) -> None:
    line.run(f"f = open({path!r}, 'wb')")
    for i in range(0, len(data), _PIECE):
        line.run(f"f.write({data[i : i + _PIECE]!r})")
        if i % (32 * _PIECE) == 0:
            line.feed()
    line.run("f.close()")
    line.feed()
    if line.run(f"print(_sum({path!r}))").strip() != hashlib.sha256(data).hexdigest():
        raise Mishap(f"{path} is not what was written: the flash or the line is bad. Nothing has changed.")
