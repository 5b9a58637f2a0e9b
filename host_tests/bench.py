"""`make bench`: figures that a change may move. Counts and ratios, no seconds.

Instructions are those of the unix port on this machine's processor, counted by callgrind
(Debian's valgrind): the same in every run, and in proportion to what a board has to do.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "tools")]
import heapboard  # noqa: E402
import wholeboard  # noqa: E402
from lightmaker import pack, packet, record, symbols, transmission  # noqa: E402
from lutin_tools.release import build, keys, read  # noqa: E402
from unixport import PATH, ROOT, Rig, micropython  # noqa: E402

# Of an ESP32 at 160 MHz: docs/blinkup.md says where these come from.
BYTECODE_US = (0.72, 1.9)
ADC_US = 100
HOME = {"ssid": "Home", "password": "correct-horse-9"}
PACKET = packet(record(1, b"Home") + record(6, b"correct-horse-9"))
_FEED = """
import sys
from lutin.blinkup.receiver import Receiver
data = open(sys.argv[1], "rb").read()
receiver = Receiver()
import gc
gc.collect()
for i in range(0, int(sys.argv[2]) * 6, 6):
    t = data[i] | data[i + 1] << 8 | data[i + 2] << 16 | data[i + 3] << 24
    v = data[i + 4] | data[i + 5] << 8
    if int(sys.argv[3]):
        receiver.feed(t, v)
"""


def instructions(script: Path, *arguments: object) -> int:
    """How many instructions the unix port runs for a script."""
    env = dict(os.environ, MICROPYPATH=":".join([*map(str, PATH), ".frozen"]), PYTHONHASHSEED="0")
    with tempfile.TemporaryDirectory() as folder:
        command = [
            "valgrind",
            "--tool=callgrind",
            f"--callgrind-out-file={folder}/out",
            sys.executable,
            micropython(),
        ]
        done = subprocess.run(
            [*command, str(script), *map(str, arguments)],
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
    found = re.search(r"Collected : (\d+)", done.stderr)
    if not found:
        raise SystemExit(done.stdout + done.stderr)
    return int(found[1])


def receiver_work(folder: Path) -> None:
    """Instructions for a sample, over a quiet second, over the sync and over a packet."""
    if not shutil.which("valgrind"):
        print("work per sample      not counted: valgrind is missing (Debian: apt install valgrind)")
        return
    script = folder / "feed.py"
    script.write_text(_FEED, encoding="utf-8")
    light = folder / "light.bin"
    light.write_bytes(pack(transmission(PACKET, fps=30, idle_s=2)))
    counts = {
        (samples, feed): instructions(script, light, samples, feed)
        for samples in (200, 1700, 5700)
        for feed in (0, 1)
    }
    work = {samples: counts[samples, 1] - counts[samples, 0] for samples in (200, 1700, 5700)}
    print(f"work per sample      {(work[1700] - work[200]) // 1500} instructions while the light is steady")
    print(f"                     {(work[5700] - work[1700]) // 4000} instructions while a packet is read")


def bytecodes() -> None:
    """What the interpreter has to do for a sample, and how many samples a second that allows."""
    if not heapboard.MICROPYTHON_32.exists():
        print("bytecodes            not counted: make micropython-32bit builds what counts them")
        return
    light = pack(transmission(PACKET, fps=60, idle_s=2))
    with using(heapboard.MICROPYTHON_32), Rig("counting", heap="32M") as rig:
        loop = rig.call("sampling", 1000)
        counts = {}
        for ms in (1, 2):
            (watching, reading), shown = rig.call("work", light, ms)
            counts[ms] = reading[1] // reading[0] + loop
            print(
                f"bytecodes            {counts[ms]} a sample with one every {ms} ms while a packet is read,"
                f" {watching[1] // watching[0] + loop} before it, {reading[2] + loop} at most;"
                f" {reading[1] // shown} a symbol"
            )
    each_ms = counts[2] - counts[1]
    each = counts[1] - each_ms
    for cost in BYTECODE_US:
        us = (each * cost + ADC_US) / (1 - each_ms * cost / 1000)
        print(f"samples a second     {1e6 / us:.0f} if a bytecode takes {cost} µs and the ADC {ADC_US} µs")


@contextmanager
def using(micropython: Path) -> Iterator[None]:
    """Rigs run under that build."""
    before = {name: os.environ.get(name) for name in ("MICROPYTHON", "MICROPYTHON_LIB")}
    os.environ["MICROPYTHON"] = str(micropython)
    os.environ.pop("MICROPYTHON_LIB", None)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def heap_figures() -> None:
    """The whole device at each stage, in a memory with a fence around it: the simulated world is outside."""
    builds: list[tuple[str, Path | None]] = [("64-bit objects", None)]
    if heapboard.MICROPYTHON_32.exists():
        builds.insert(0, ("32-bit, as a board", heapboard.MICROPYTHON_32))
    else:
        print("heap, 32-bit         not measured: make micropython-32bit")
    for name, path in builds:
        with using(path) if path else nullcontext(), tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "releases").mkdir()
            (Path(folder) / "board").mkdir()
            server = wholeboard.Server(Path(folder) / "releases")
            board = heapboard.HeapBoard(Path(folder) / "board", server, heapboard.BOARD)
            print(f"heap, {name:<18} {sum(board.areas)} bytes for the firmware, as on an ESP32 without PSRAM")
            for stage in board.story(measure=True):
                free = f", largest free piece {stage.largest}" if stage.largest else ""
                print(f"    {stage.name:<20} {stage.used} in use{free}")
            board.close()
            server.close()


def flash_figures() -> None:
    """What a release takes in the filesystem, by package."""
    sizes: dict[str, list[int]] = {}
    for path, data in build.tree().items():
        sizes.setdefault(str(Path(path).parent), []).append(len(data))
    whole = [size for group in sizes.values() for size in group]
    blocks = sum(blocks_of(size) for size in whole)
    print(
        f"release, uncompressed {sum(whole)} bytes in {len(whole)} files, {blocks} blocks of 4 KB in LittleFS"
    )
    for name, group in sorted(sizes.items()):
        print(f"    {name:<20} {sum(group)} bytes, {sum(map(blocks_of, group))} blocks")


def blocks_of(size: int) -> int:
    """Of LittleFS for a file: small ones lie in their folder's, and each block needs some bytes itself."""
    return -(-size // 4088) if size > 128 else 0


def device_figures() -> None:
    """Flash operations of a save."""
    with Rig("device", heap="4M") as rig:
        rig.call("new", [HOME])
        rig.call("boot")
        rig.call("run", 3000)
        operations = rig.call("operations")
        ms = rig.call("shine", symbols(PACKET, end=6), 60)
        rig.call("run", ms)
        print(f"flash operations     {rig.call('operations') - operations} for storing one network")


def update_figures() -> None:
    """Of one file changed in the tree: what is fetched, verified and written."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        firmware = folder / "firmware"
        shutil.copytree(ROOT / "firmware", firmware)
        releases = folder / "releases"
        releases.mkdir()
        server = wholeboard.Server(releases)
        (folder / "board").mkdir()
        board = wholeboard.new_board(folder / "board", server.url)
        changed = firmware / "lutin" / "led.py"
        changed.write_text(changed.read_text() + "\n\ndef changed():\n    return 1\n")
        built = wholeboard.publish(releases, 2, firmware=firmware)
        board.on(100)
        before = board.call("operations")
        while not board.ends:
            board.run(1000)
        after = board.operations
        asked = [releases / request.path.lstrip("/") for request in server.hostile.requests]
        sent = {path: path.stat().st_size for path in asked}
        blobs = sum(path.parent.name == "blobs" for path in sent)
        print(f"release              {built.files} files, {built.bytes} bytes, {built.encoded} compressed")
        print(f"one file changed     {blobs} blob, {sum(sent.values())} bytes fetched with release.json")
        written = {label: after[label] - before[label] for label in after}
        print(f"flash operations     {written['vfs']} in the filesystem, {written['lutin']} in the store")
        board.off()
        server.close()
        _verification(releases, built.bytes)


def _verification(releases: Path, size: int) -> None:
    """What the check of release.json costs, beside hashing every byte of the release once."""
    envelope = releases / "release.json"
    data = json.loads(envelope.read_bytes())
    signed = read.pae(base64.b64decode(data["payload"]))
    signature = base64.b64decode(data["signatures"][0]["sig"])
    trusted = [keys.public(wholeboard.KEY)]
    with Rig("update_release") as rig:
        digest = hashlib.sha256(signed).digest()
        runs = [rig.call("ratio", str(envelope), trusted, digest, signature) for _ in range(7)]
    check, alone, _, plain = (min(times) for times in zip(*runs, strict=True))
    whole = plain * size / envelope.stat().st_size
    print(
        f"verification         {(check + whole) / whole:.0f} times a plain SHA-256 over the release's files"
    )
    print(f"                     {alone / whole:.1f} times for an RSA-3072 signature alone")


def main() -> None:
    """Print every figure."""
    with tempfile.TemporaryDirectory() as name:
        receiver_work(Path(name))
    bytecodes()
    with Rig("blinkup", heap="32M") as rig:
        ratio = rig.call("longest_step", pack(transmission(PACKET, fps=30)))
        print(f"longest step         {ratio} times the usual one (the end of a packet: CRC and records)")
        print(
            f"receiver             {rig.call('receiver_size')} bytes, made once; 0 while sampling (a test says so)"
        )
    heap_figures()
    flash_figures()
    device_figures()
    update_figures()
    firmware = sorted((ROOT / "firmware").rglob("*.py"))
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in firmware)
    print(f"firmware             {len(firmware)} files, {lines} lines")


if __name__ == "__main__":
    main()
