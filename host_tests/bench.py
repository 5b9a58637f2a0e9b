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
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "tools")]
import wholeboard  # noqa: E402
from lightmaker import pack, packet, record, symbols, transmission  # noqa: E402
from lutin_tools.release import keys, read  # noqa: E402
from unixport import PATH, ROOT, Rig, micropython  # noqa: E402

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


def device_figures() -> None:
    """Heap of the whole device at each stage; flash operations of a save."""
    with Rig("device", heap="4M") as rig:
        rig.call("new", [HOME])
        empty = rig.call("heap")
        rig.call("boot")
        rig.call("run", 3000)
        waiting = rig.call("heap")
        operations = rig.call("operations")
        ms = rig.call("shine", symbols(PACKET, end=6), 60)
        rig.call("run", ms)
        print(f"flash operations     {rig.call('operations') - operations} for storing one network")
        rig.call("run_until", "connected", 60000)
        print(f"heap, 64-bit objects {waiting - empty} bytes for the whole device waiting for BlinkUp")
        print(
            f"                     {rig.call('heap') - empty} bytes connected (an ESP32's objects have half the size)"
        )


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
    with Rig("blinkup", heap="32M") as rig:
        ratio = rig.call("longest_step", pack(transmission(PACKET, fps=30)))
        print(f"longest step         {ratio} times the usual one (the end of a packet: CRC and records)")
        print(
            f"receiver             {rig.call('receiver_size')} bytes, made once; 0 while sampling (a test says so)"
        )
    device_figures()
    update_figures()
    firmware = sorted((ROOT / "firmware").rglob("*.py"))
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in firmware)
    print(f"firmware             {len(firmware)} files, {lines} lines")


if __name__ == "__main__":
    main()
