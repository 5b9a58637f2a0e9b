"""The filesystem that a board is flashed with: LittleFS, with a factory slot in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from littlefs import LittleFS
from littlefs.errors import LittleFSError

from .paths import ROOT
from .release import build
from .release.keys import Key, loaded
from .release.read import Refused

FACTORY = "factory"
_BLOCK = 4096
# As MicroPython mounts it, so that these files are laid out like those that the board writes.
_READ = 32
_CACHE = 4 * _READ
_DISK_VERSION = 0x00020000  # older MicroPythons know no 2.1


def image(files: Mapping[str, bytes], size: int) -> bytes:
    """A filesystem of `size` bytes with these files, by path; the same files give the same bytes."""
    if size % _BLOCK or size < 4 * _BLOCK:
        raise Refused("no-space", f"{size} bytes are no filesystem: it is made of blocks of {_BLOCK}")
    fs = LittleFS(
        block_size=_BLOCK,
        block_count=size // _BLOCK,
        read_size=_READ,
        prog_size=_READ,
        cache_size=_CACHE,
        lookahead_size=_READ,
        disk_version=_DISK_VERSION,
    )
    try:
        for path, data in sorted(files.items()):
            folder = str(PurePosixPath(path).parent)
            if folder != ".":
                fs.makedirs(folder, exist_ok=True)
            with fs.open(path, "wb") as file:
                file.write(data)
        fs.unmount()
    except (LittleFSError, OSError) as e:
        if getattr(e, "code", None) == LittleFSError.Error.LFS_ERR_NOSPC:
            raise Refused("no-space", f"the files do not fit into {size} bytes") from None
        raise
    return bytes(fs.context.buffer)


def board_files(
    board: str,
    key: Key | Path,
    number: int = 1,
    version: str | None = None,
    *,
    app: Path | None = None,
    firmware: Path = build.FIRMWARE,
    trust: list[bytes] | None = None,
) -> dict[str, bytes]:
    """What a new board starts with: boot.py, main.py, its pins.py, and a release in the factory slot."""
    pins = ROOT / "boards" / board / "pins.py"
    if not pins.exists():
        raise Refused("wrong-board", f"there is no {pins}")
    (signer,) = loaded([key])
    files = {
        name: (firmware / name).read_bytes() for name in ("boot.py", "main.py") if (firmware / name).exists()
    }
    files["pins.py"] = pins.read_bytes()
    contents = build.tree(firmware, app)
    release = build.payload(
        contents,
        number,
        version,
        [build.board_name(pins)],
        oldest=1,
        expires=None,
        trusted=trust or [signer.modulus],
    )
    files.update({f"{FACTORY}/{path}": data for path, data in contents.items()})
    files[f"{FACTORY}/{build.RELEASE}"] = build.signed(release, [signer])
    return files


def read(image: bytes) -> dict[str, bytes]:
    """All files of a filesystem, by path."""
    fs = LittleFS(block_size=_BLOCK, block_count=len(image) // _BLOCK, mount=False)
    fs.context.buffer = bytearray(image)
    fs.mount()
    found: dict[str, bytes] = {}
    for folder, _, names in fs.walk("/"):
        for name in names:
            path = f"{folder.rstrip('/')}/{name}"
            with fs.open(path, "rb") as file:
                found[path.lstrip("/")] = file.read()
    return found
