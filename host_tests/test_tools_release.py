"""Keys and releases: what the tools make, what they find wrong, and whether the device agrees."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import stat
import struct
import subprocess
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lutin_tools import cli, filesystem
from lutin_tools.paths import micropython
from lutin_tools.release import build, check, compiler, image, keys, names, read, spoil
from lutin_tools.release.read import Refused
from unixport import ROOT, Rig

KEYS = ROOT / "host_tests" / "keys"
ONE, TWO, THREE = (keys.load(KEYS / f"test-key-{n}.pem") for n in (1, 2, 3))


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig("tools_release") as rig:
        yield rig


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A firmware of three files."""
    firmware = tmp_path / "tree"
    write(firmware / "lutin" / "__init__.py", "")
    write(firmware / "lutin" / "a.py", "def f():\n    return 1\n")
    write(firmware / "lutin" / "sub" / "b.py", "TEXT = '" + 40 * "words " + "'\n")
    return firmware


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    """path -> bytes, of everything in it that a device can fetch."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != names.FILE)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


class InMemory(check.Place):
    """A release that needs no disk."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__("memory")
        self.files = files

    def get(self, name: str, most: int) -> bytes | None:
        data = self.files.get(name)
        return None if data is None else data[: most + 1]

    def extra(self, release: read.Release) -> None: ...


# --- building --------------------------------------------------------------------------------------


def test_the_same_tree_number_and_key_give_the_same_bytes_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = []
    for name, umask, when in (("one", 0o022, 1), ("another/deeper", 0o077, 2_000_000_000)):
        # Nothing that was compiled before, so that nothing can agree by having been kept.
        monkeypatch.setattr(compiler, "_seen", {})
        monkeypatch.setattr(compiler, "_KEPT", tmp_path / name / "cache")
        before = os.umask(umask)
        try:
            firmware = tmp_path / name / "firmware"
            shutil.copytree(build.FIRMWARE, firmware)
            for path in firmware.rglob("*.py"):
                os.utime(path, (when, when))
            build.build(tmp_path / name / "out", [ONE, TWO], 7, firmware=firmware)
        finally:
            os.umask(before)
        results.append(contents(tmp_path / name / "out"))
    assert results[0] == results[1]
    assert len(results[0]) > 20


def test_a_release_does_not_tell_where_it_was_made(tmp_path: Path) -> None:
    firmware = tmp_path / "secret-place"
    shutil.copytree(build.FIRMWARE, firmware)
    files = build.tree(firmware)
    assert b"lutin.device" in files["lutin/device.mpy"]
    assert not [path for path, data in files.items() if b"secret-place" in data]


def test_what_was_compiled_once_is_not_compiled_again(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = build.tree(tree)
    monkeypatch.setattr(compiler, "_run", lambda path, data: pytest.fail(f"{path} again"))
    assert build.tree(tree) == before
    monkeypatch.setattr(compiler, "_seen", {})  # another process
    assert build.tree(tree) == before


def test_each_module_has_its_own_name_in_tracebacks_also_where_two_are_equal(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build.tree(tree)
    monkeypatch.setattr(compiler, "_seen", {})
    shutil.copy(tree / "lutin" / "a.py", tree / "lutin" / "copy.py")
    assert b"lutin.copy" in build.tree(tree)["lutin/copy.mpy"]


def test_old_blobs_stay_until_they_are_pruned_and_a_damaged_one_is_mended(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build.build(out, [ONE], 1, firmware=tree)
    first = contents(out)
    write(tree / "lutin" / "a.py", "def f():\n    return 2\n")
    kept = out / "blobs" / hashlib.sha256(build.tree(tree)["lutin/sub/b.mpy"]).hexdigest()
    kept.write_bytes(b"damaged")
    build.build(out, [ONE], 2, firmware=tree)
    second = contents(out)
    assert set(first) < set(second)
    assert check.examine(check.Place(out)).problems == []
    assert check.examine(check.Place(out)).extra == 1
    build.build(out, [ONE], 3, firmware=tree, prune=True)
    assert set(contents(out)) == {name for name in second if name not in first} | {
        f"blobs/{blob.sha256}" for blob in check.Place(out).release().blobs()
    } | {"release.json"}
    assert check.examine(check.Place(out)).problems == []


def test_no_release_json_ever_names_a_blob_that_is_not_there_yet(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    build.build(out, [ONE], 1, firmware=tree)
    write(tree / "lutin" / "a.py", "def f():\n    return 2\n")
    moments = 0

    def watched(path: Path, data: bytes) -> None:
        nonlocal moments
        moments += 1
        assert check.examine(check.Place(out)).problems == []
        compiler.replace(path, data)

    monkeypatch.setattr(build, "replace", watched)
    build.build(out, [ONE], 2, firmware=tree, prune=True)
    assert moments == 2


def test_applications_are_compiled_and_their_other_files_go_as_they_are(tree: Path, tmp_path: Path) -> None:
    app = tmp_path / "an app"
    write(app / "__init__.py", "x = 1\n")
    write(app / "www" / "index.html", "<h1>")
    write(app / ".git" / "config", "hidden")
    write(app / "__pycache__" / "x.pyc", "cached")
    files = build.tree(tree, app)
    assert sorted(path for path in files if path.startswith("app/")) == [
        "app/__init__.mpy",
        "app/www/index.html",
    ]
    assert files["app/www/index.html"] == b"<h1>"


def too_many_files(app: Path) -> None:
    for n in range(398):
        write(app / f"{n}", "")


@pytest.mark.parametrize(
    ("name", "options", "make"),
    [
        ("no-key", {"keys": []}, None),
        ("payload-malformed: number-out-of-range: number", {"number": 2**31}, None),
        ("number-used", {"number": 0}, None),
        ("payload-malformed: number-out-of-range: oldest", {"oldest": 8}, None),
        ("payload-malformed: text: version", {"version": "größer"}, None),
        ("payload-malformed: text: version", {"version": "v" * 65}, None),
        (
            "payload-malformed: keys: 5",
            {"trust": [bytes([0x80, *bytes(382), n]) for n in (1, 3, 5, 7)] + [ONE.modulus]},
            None,
        ),
        ("payload-malformed: keys: one is named twice", {"trust": [ONE.modulus, ONE.modulus]}, None),
        ("payload-malformed: key", {"trust": [ONE.modulus, bytes(384)]}, None),
        ("signature-unknown: who runs this", {"trust": [TWO.modulus]}, None),
        ("wrong-board: unknown is no folder", {"boards": ["unix", "unknown"]}, None),
        ("expired", {"expires": 1_700_000_000}, None),
        ("bad-path: app/a b", {}, lambda app: write(app / "a b", "")),
        ("bad-path: app/é", {}, lambda app: write(app / "é", "")),
        ("bad-path", {}, lambda app: write(app / ("x" * 93), "")),
        (
            "bad-path: app/x.mpy is there twice",
            {},
            lambda app: [write(app / "x.py", ""), write(app / "x.mpy", "")],
        ),
        ("too-large: app/big", {}, lambda app: write(app / "big", bytes(262145))),
        ("too-many-files", {}, too_many_files),
        (
            "envelope-malformed: too-large",
            {},
            lambda app: [write(app / (70 * "x" + str(n)), "") for n in range(300)],
        ),
        ("no-files", {}, lambda app: None),
        ("no-app: .* has no __init__.py", {}, lambda app: write(app / "main.py", "")),
        ("does-not-compile: .*app/x.py", {}, lambda app: write(app / "x.py", "def f(:\n")),
        ("wrong-chip: name the boards", {"base": Path("/nowhere")}, None),
        ("not-an-image: .*No such file", {"base": Path("/nowhere"), "boards": ["unix"]}, None),
    ],
)
def test_what_a_device_would_refuse_is_refused_here_by_name(
    name: str, options: dict[str, Any], make: Callable[[Path], Any] | None, tree: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    options = {"keys": [ONE], "number": 7, "firmware": tree, **options}
    if make:
        options["app"] = tmp_path / "app"
        options["app"].mkdir()
        make(options["app"])
    with pytest.raises(Refused, match=name):
        build.build(out, **options)
    assert not out.exists()


def test_the_largest_that_is_allowed_is_built_and_read_by_the_device(
    rig: Rig, tree: Path, tmp_path: Path
) -> None:
    app = tmp_path / "app"
    write(app / "__init__.py", "")
    write(app / ("x" * 92), bytes(262144))
    write(app / "none", b"")
    out = tmp_path / "out"
    trust = [ONE.modulus, TWO.modulus, THREE.modulus, bytes([0x80, *bytes(382), 1])]
    build.build(
        out,
        [TWO, ONE],
        2**31 - 1,
        64 * "v",
        app=app,
        firmware=tree,
        trust=trust,
        oldest=2**31 - 1,
        expires=2**32 - 1,
    )
    assert check.examine(check.Place(out)).problems == []
    number, listed, _ = rig.call("read", str(out / "release.json"), [ONE.modulus], "unix")
    assert number == 2**31 - 1
    assert [(path, length, bytes(sha).hex(), packed) for path, length, sha, packed in listed] == [
        (file.path, file.length, file.sha256, file.zlib) for file in check.Place(out).release().files
    ]


def test_every_module_of_a_release_can_be_imported_by_micropython(rig: Rig, tmp_path: Path) -> None:
    files = build.tree()
    for path, data in files.items():
        write(tmp_path / path, data)
    modules = [path[:-4].replace("/", ".").removesuffix(".__init__") for path in files]
    assert [Path(path).suffix for path in rig.call("import_all", str(tmp_path), modules)] == [".mpy"] * len(
        files
    )


# --- reading ---------------------------------------------------------------------------------------


def test_show_finds_every_single_flipped_byte(tree: Path, tmp_path: Path) -> None:
    build.build(tmp_path / "out", [ONE], 1, firmware=tree)
    files = contents(tmp_path / "out")
    assert check.examine(InMemory(files)).problems == []
    found = 0
    for name, data in files.items():
        for at in range(len(data)):
            found += is_flip_found(files, name, at)
    assert found > 2000


def test_show_finds_a_flipped_byte_also_in_a_second_signature(tree: Path, tmp_path: Path) -> None:
    build.build(tmp_path / "out", [ONE, TWO], 1, firmware=tree)
    files = contents(tmp_path / "out")
    text = files["release.json"]
    start = text.index(b',{"keyid":', text.index(b'"signatures"'))
    for at in (*range(start, start + 50), start + 200, *range(len(text) - 20, len(text))):
        assert is_flip_found(files, "release.json", at)


def is_flip_found(files: dict[str, bytes], name: str, at: int) -> bool:
    """True: found; False: nothing to find, packed data has several spellings of the same contents."""
    data = files[name]
    wrong = data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]
    try:
        problems = check.examine(InMemory({**files, name: wrong})).problems
    except Refused:
        return True
    if not problems and name != "release.json" and zlib.decompress(wrong) == zlib.decompress(data):
        return False
    assert problems, f"{name}, byte {at}: {wrong[max(0, at - 20) : at + 20]!r}"
    return True


def test_show_finds_blobs_that_are_missing_short_long_or_packed_too_wide(tree: Path, tmp_path: Path) -> None:
    build.build(tmp_path / "out", [ONE], 1, firmware=tree)
    files = contents(tmp_path / "out")
    blob = next(b for b in read.parse(files["release.json"]).files if b.zlib)
    name = f"blobs/{blob.sha256}"
    plain = read.decode(blob, files[name])
    pack = zlib.compressobj(9, zlib.DEFLATED, 15)
    for wrong, why in (
        (None, "missing"),
        (files[name][:-1], "wrong-length"),
        (files[name] + b"x", "wrong-length"),
        (pack.compress(plain) + pack.flush(), "wrong-hash: not unpackable with a window of 1024"),
        (zlib.compress(bytes(1 << 20), 9)[: blob.length], "wrong-"),
    ):
        changed = {k: v for k, v in {**files, name: wrong}.items() if v is not None}
        (problem,) = check.examine(InMemory(changed)).problems
        assert problem.startswith(why)
        assert blob.path in problem


PAYLOADS: list[tuple[str, Callable[[dict[str, Any]], Any]]] = [
    ("as it is", lambda p: None),
    ("unknown keys", lambda p: p.update(future={"deep": [1, [2, {"x": None}]]}, more=True)),
    ("another format", lambda p: p.update(format=2)),
    ("a format that is true", lambda p: p.update(format=True)),
    ("another product", lambda p: p.update(product="ditto")),
    ("no number", lambda p: p.pop("number")),
    ("number 0", lambda p: p.update(number=0)),
    ("number 2^31", lambda p: p.update(number=2**31)),
    ("a negative number", lambda p: p.update(number=-1)),
    ("a number in a string", lambda p: p.update(number="7")),
    ("half a number", lambda p: p.update(number=7.5)),
    ("oldest above", lambda p: p.update(oldest=8)),
    ("no boards", lambda p: p.update(boards=[])),
    ("17 boards", lambda p: p.update(boards=["unix"] + [f"b{n}" for n in range(16)])),
    ("a board without name", lambda p: p.update(boards=["unix", ""])),
    ("expires in a string", lambda p: p.update(expires="2030")),
    ("expires in 2200", lambda p: p.update(expires=7_258_118_400)),
    ("no expires", lambda p: p.pop("expires")),
    ("no keys", lambda p: p.update(keys=[])),
    ("five keys", lambda p: p.update(keys=p["keys"] * 5)),
    ("a short key", lambda p: p.update(keys=[p["keys"][0][:-4]])),
    ("a key of 3071 bits", lambda p: p.update(keys=["A" + p["keys"][0][1:]])),
    ("no files", lambda p: p.update(files=[])),
    ("files backwards", lambda p: p["files"].reverse()),
    ("a path twice", lambda p: p["files"].insert(0, p["files"][0])),
    ("a file in a file", lambda p: p["files"].append({**p["files"][-1], "path": p["files"][-1]["path"] + "/x"})),
    ("a path above", lambda p: p["files"][0].update(path="lutin/../x")),
    ("an absolute path", lambda p: p["files"][0].update(path="/lutin/x")),
    ("a path elsewhere", lambda p: p["files"][0].update(path="boot.py")),
    ("a slot's own release.json", lambda p: p["files"][0].update(path="release.json")),
    ("a hidden file", lambda p: p["files"][0].update(path="lutin/.x")),
    ("an empty part", lambda p: p["files"][0].update(path="lutin//x")),
    ("a backslash", lambda p: p["files"][0].update(path="lutin/a\\x")),
    ("97 characters", lambda p: p["files"][0].update(path="lutin/" + "a" * 91)),
    ("a long file", lambda p: p["files"][0].update(length=262145)),
    ("a negative length", lambda p: p["files"][0].update(length=-1)),
    ("upper-case hash", lambda p: p["files"][0].update(sha256=p["files"][0]["sha256"].upper())),
    ("short hash", lambda p: p["files"][0].update(sha256="ab")),
    ("another encoding", lambda p: p["files"][0].update(encoding="gzip")),
    ("no encoding", lambda p: p["files"][0].pop("encoding")),
    ("too deep", lambda p: p.update(x=[[[[[[1]]]]]])),
    ("a long string", lambda p: p.update(x="x" * 1025)),
    ("a version with a newline", lambda p: p.update(version="1\n2")),
    ("a base without pieces", lambda p: p.update(base={"version": "1", "chip": "esp32", "length": 1, "sha256": "0" * 64, "pieces": []})),
    ("a base of 3 MB", lambda p: p.update(base={"version": "1", "chip": "esp32", "length": 3 << 20, "sha256": "0" * 64, "pieces": []})),
]  # fmt: skip


def changed(payload: dict[str, Any], change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    copy = json.loads(json.dumps(payload))
    change(copy)
    return copy


def test_the_tools_and_the_device_agree_on_what_is_wrong(rig: Rig, tree: Path, tmp_path: Path) -> None:
    build.build(tmp_path / "out", [ONE], 7, firmware=tree)
    whole = json.loads(check.Place(tmp_path / "out").release().payload)
    path = tmp_path / "release.json"
    said = set()
    payloads = [(what, build.to_json(changed(whole, change))) for what, change in PAYLOADS]
    text = build.to_json(whole)
    payloads += [
        ("a key twice", text.replace(b'"number":7', b'"number":6,"number":7')),
        ("a key twice, within", text.replace(b'"length":', b'"length":1,"length":', 1)),
        ("no UTF-8", text.replace(b'"lutin"', b'"lut\xff"')),
        ("text behind it", text + b"{}"),
        ("cut off", text[:-1]),
    ]
    for what, payload in payloads:
        write(path, build.envelope(payload, [ONE]))
        try:
            mine = read.parse(path.read_bytes()).number
        except Refused as e:
            mine = e.name
        theirs = rig.call("read", str(path), [ONE.modulus], "unix")
        assert (theirs if isinstance(theirs, str) else theirs[0]) == mine, what
        said.add(mine)
    assert {7, "payload-malformed", "bad-path", "too-large", "wrong-format", "wrong-product"} < said


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<html>",
        b'{"payloadType":1,"payload":"","signatures":[]}',
        b'{"payload":"","payload":""}',
        b"[" * 60000,
        b'{"payload":"\xff"}',
        b'{"x":NaN}',
        b'{"payloadType":"application/json","payload":"","signatures":[]}',
        b'{"payloadType":"application/vnd.lutin.release+json","payload":"QQ=","signatures":[]}',
        b'{"payloadType":"application/vnd.lutin.release+json","payload":"QR==","signatures":[]}',
        b"{" + b" " * 70000 + b"}",
    ],
)
def test_what_is_no_envelope_is_named_as_the_device_does(rig: Rig, text: bytes, tmp_path: Path) -> None:
    path = write(tmp_path / "release.json", text)
    with pytest.raises(Refused) as refused:
        read.parse(text)
    assert rig.call("read", str(path), [ONE.modulus], "unix") == refused.value.name


def test_a_signature_that_nobody_knows_does_no_harm_and_a_broken_one_is_told(
    tree: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    build.build(out, [ONE, TWO], 1, firmware=tree, trust=[TWO.modulus])
    report = check.examine(check.Place(out))
    assert report.signatures == [(ONE.id, "unknown"), (TWO.id, "valid")]
    assert report.problems == []
    report = check.examine(check.Place(out), [ONE.modulus])
    assert [result for _, result in report.signatures] == ["valid", "valid"]
    assert report.problems == []
    (problem,) = check.examine(check.Place(out), [THREE.modulus]).problems
    assert problem.startswith("signature-unknown")


# --- what a device would fetch ---------------------------------------------------------------------


def test_check_counts_what_is_new_and_what_would_be_refused(tree: Path, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    write(tmp_path / "app" / "__init__.py", "")
    moved = write(tmp_path / "app" / "old.txt", "moved")
    build.build(old, [ONE], 1, firmware=tree, app=tmp_path / "app")
    moved.rename(moved.with_name("new.txt"))
    write(tree / "lutin" / "a.py", "def f():\n    return 2\n")
    write(tree / "lutin" / "c.py", "TEXT = '" + 40 * "more " + "'\n")
    (tree / "lutin" / "sub" / "b.py").unlink()
    build.build(new, [ONE], 2, firmware=tree, app=tmp_path / "app")
    sizes = {
        file.path: len((new / "blobs" / file.sha256).read_bytes())
        for file in check.Place(new).release().files
    }
    difference = check.compare(check.Place(old), check.Place(new))
    assert {blob.path: size for blob, size in difference.fetch} == {
        path: sizes[path] for path in ("app/new.txt", "lutin/a.mpy", "lutin/c.mpy")
    }
    assert (difference.kept, difference.removed, difference.refused) == (2, 2, [])

    assert "older-than-installed" in check.compare(check.Place(new), check.Place(old)).refused[0]
    assert check.compare(check.Place(new), check.Place(new)).refused == []
    build.build(tmp_path / "other key", [TWO], 3, firmware=tree)
    assert (
        "signature-unknown" in check.compare(check.Place(new), check.Place(tmp_path / "other key")).refused[0]
    )
    spoil.spoil("wrong-board", tmp_path / "other board", [ONE], 3, firmware=tree, boards=["unix"])
    boards = ", ".join(build.board_names())
    other = check.Place(tmp_path / "other board")
    assert check.compare(check.Place(new), other).refused == [f"wrong-board: not for {boards}"]
    end = int(time.time()) + 1000
    build.build(tmp_path / "dated", [ONE], 3, firmware=tree, expires=end)
    dated = check.Place(tmp_path / "dated")
    assert check.compare(check.Place(new), dated, end - 1).refused == []
    assert check.compare(check.Place(new), dated, end).refused[0].startswith("expired")
    build.build(new, [ONE], 3, firmware=tree, version="again")
    shutil.rmtree(new / "blobs")
    assert len(check.compare(check.Place(old), check.Place(new)).refused) == 2


# --- images for the boot loader --------------------------------------------------------------------


def application(size: int = 200_000, chip: int = 0, version: str = "v1.28.0") -> bytes:
    """An application image as the boot loader takes it."""
    head = struct.pack(
        "<BBBBIB3sHBHH4sB", 0xE9, 2, 2, 0x20, 0x40081000, 0xEE, bytes(3), chip, 0, 0, 0xFFFF, bytes(4), 1
    )
    descriptor = struct.pack("<II8s32s", 0xABCD5432, 0, bytes(8), version.encode()).ljust(256, b"\0")
    segments = [descriptor, hashlib.shake_256(b"code").digest(size)]
    checksum = 0xEF
    for byte in b"".join(segments):
        checksum ^= byte
    data = head + b"".join(struct.pack("<II", 0x3F400020, len(each)) + each for each in segments)
    data += bytes(15 - len(data) % 16) + bytes([checksum])
    return data + hashlib.sha256(data).digest()


def test_a_base_is_cut_into_pieces_that_the_device_reads(rig: Rig, tree: Path, tmp_path: Path) -> None:
    data = application()
    out = tmp_path / "out"
    built = build.build(out, [ONE], 1, firmware=tree, boards=["unix"], base=write(tmp_path / "app.bin", data))
    base = check.Place(out).release().base
    assert base and (base.version, base.chip, base.length) == ("1.28.0", "esp32", len(data))
    assert [piece.length for piece in base.pieces] == [65536, 65536, 65536, len(data) - 3 * 65536]
    assert built.bytes == check.Place(out).release().size + len(data)
    assert check.examine(check.Place(out)).problems == []
    assert rig.call("read", str(out / "release.json"), [ONE.modulus], "unix")[2] == 4

    payload = json.loads(check.Place(out).release().payload)
    payload["base"]["sha256"] = "0" * 64
    files = {**contents(out), "release.json": build.envelope(build.to_json(payload), [ONE])}
    assert check.examine(InMemory(files)).problems == ["wrong-hash: of the whole base"]

    newer = write(tmp_path / "new.bin", application(version="v1.28.1"))
    build.build(tmp_path / "new", [ONE], 2, firmware=tree, boards=["unix"], base=newer)
    difference = check.compare(check.Place(out), check.Place(tmp_path / "new"))
    assert len(difference.pieces) == 2  # descriptor; checksum and hash
    assert difference.all_pieces > sum(size for _, size in difference.pieces)


@pytest.mark.parametrize(
    ("name", "data", "chip"),
    [
        ("full-flash-image", b"\xff" * 0x1000 + b"\xe9" * 0x7000 + b"\xaa\x50\x01" + bytes(9000), "auto"),
        ("full-flash-image", b"\xe9" + bytes(0x6FFF) + b"\xaa\x50\x01" + bytes(9000), "auto"),
        ("full-flash-image", b"\xe9" + bytes(0x7FFF) + b"\xaa\x50\x01" + application(), "auto"),
        ("full-flash-image", application()[:0x8000] + b"\xaa\x50\x00" + bytes(9000), "auto"),
        ("wrong-chip", application(chip=18), "auto"),
        ("not-an-image", b"", "auto"),
        ("not-an-image", b"MZ" + bytes(5000), "auto"),
        ("not-an-image.*ends early", application()[:150_000], "auto"),
        ("not-an-image.*checksum", application().replace(b"1.28.0", b"1.28.1"), "auto"),
        ("not-an-image.*hash", application()[:-1] + b"?", "auto"),
        ("not-an-image.*goes on", application() + b"more", "auto"),
        ("wrong-chip", application(chip=9), "esp32"),
        ("too-large", application(2 * 1024 * 1024), "auto"),
    ],
)
def test_what_is_no_application_image_is_no_base(
    name: str, data: bytes, chip: str, rig: Rig, tmp_path: Path
) -> None:
    path = write(tmp_path / "app.bin", data)
    with pytest.raises(Refused, match=name):
        image.load(path, chip)
    # The device sees no more than the first piece before it writes, and knows its chip.
    if data and "." not in name and name != "too-large":
        assert rig.call("image", str(path), chip.replace("auto", "esp32")) == name


def test_padding_behind_an_image_is_no_fault_and_the_chip_is_read_from_it(rig: Rig, tmp_path: Path) -> None:
    data = application(5000, chip=5) + b"\xff" * 100
    path = write(tmp_path / "app.bin", data)
    assert image.load(path, "esp32c3").chip == "esp32c3"
    assert rig.call("image", str(path), "esp32c3") == "good"


# --- keys ------------------------------------------------------------------------------------------


def test_keys_are_secret_and_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "keys"
    before = os.umask(0)
    try:
        assert cli.main(["keys", "new", str(folder)]) == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "signing-key.pem").stat().st_mode) == 0o600
    made = contents(folder)
    said = capsys.readouterr().out
    assert "off the server" in said and "lutin release build --key" in said
    assert keys.load(folder / "signing-key.pem").modulus == keys.public(folder / "public-key.pem")
    assert keys.load(folder / "signing-key.pem").id in said

    for missing in (None, "public-key.pem", "signing-key.pem"):
        if missing:
            (folder / missing).rename(tmp_path / missing)
        assert cli.main(["keys", "new", str(folder)]) == 1
        assert "never overwritten" in capsys.readouterr().err
        if missing:
            (tmp_path / missing).rename(folder / missing)
    assert contents(folder) == made


def test_a_passphrase_protects_the_signing_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def type_in(*lines: str) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(line + "\n" for line in lines)))

    monkeypatch.setattr(keys, "generate", lambda: ONE)  # a new one takes its time
    folder = tmp_path / "keys"
    for lines, why in ((("", ""), "empty"), (("a phrase", "another"), "not the same")):
        type_in(*lines)
        assert cli.main(["keys", "new", "--passphrase", str(folder)]) == 1
        assert why in capsys.readouterr().err
        assert not folder.exists()
    type_in("a phrase", "a phrase")
    assert cli.main(["keys", "new", "--passphrase", str(folder)]) == 0
    path = folder / "signing-key.pem"
    assert b"ENCRYPTED" in path.read_bytes()
    assert keys.load(path, lambda _: "a phrase").id == ONE.id
    type_in("a phrase")
    assert cli.main(["keys", "show", str(path), str(folder / "public-key.pem")]) == 0
    assert capsys.readouterr().out.count(ONE.id) == 3  # once of `new`
    type_in("wrong")
    assert cli.main(["release", "build", "--key", str(path), "--number", "1", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert "the passphrase is wrong" in error and "wrong\n" not in error.replace(
        "the passphrase is wrong", ""
    )
    with pytest.raises(Refused, match="has a passphrase"):
        keys.load(path)


# --- commands --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["release", "build", "--number", "1", "OUT"], "`lutin keys new DIR` makes a key pair"),
        (["release", "build", "--key", "NONE/signing-key.pem", "--number", "1", "OUT"], "`lutin keys new .*NONE` makes a key pair"),
        (["release", "build", "--key", "EMPTY", "--number", "1", "OUT"], "no RSA key in PEM"),
        (["release", "build", "--key", "PUBLIC", "--number", "1", "OUT"], "cannot sign"),
        (["release", "build", "--key", "KEY", "--number", "5", "BUILT"], "release 5 lies in .*: give this one the number 6 or a higher"),
        (["release", "build", "--key", "KEY", "--number", "4", "BUILT"], "the number 6 or a higher"),
        (["release", "build", "--key", "KEY", "--number", "9", "BROKEN"], "is no release .* remove it"),
        (["release", "build", "--key", "KEY", "--number", "1", "--app", "NONE", "OUT"], "NONE is no folder"),
        (["release", "build", "--key", "KEY", "--number", "1", "EMPTY/x"], "EMPTY"),
        (["release", "show", "NONE"], "holds no release.json"),
        (["release", "show", "BROKEN"], "envelope-malformed: not-json"),
        (["release", "show", "http://127.0.0.1:1/"], "no-release: http://127.0.0.1:1/release.json: .*refused"),
        (["release", "check", "BUILT", "NONE"], "holds no release.json"),
        (["keys", "show", "NONE"], "NONE is not there"),
        (["keys", "new", "EMPTY"], "EMPTY"),
        (["serve", "NONE", "--no-broker"], "holds no release.json"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_in_one_line(
    arguments: list[str], why: str, tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build.build(tmp_path / "BUILT", [ONE], 5, firmware=tree)
    write(tmp_path / "EMPTY", "")
    write(tmp_path / "BROKEN" / "release.json", "<html>")
    write(tmp_path / "KEY", (KEYS / "test-key-1.pem").read_bytes())
    write(tmp_path / "PUBLIC", ONE._rsa.public_key().export_key())
    before = contents(tmp_path)
    words = [
        re.sub(r"^(NONE|EMPTY|BROKEN|BUILT|OUT|KEY|PUBLIC)(?=/|$)", lambda m: str(tmp_path / m[0]), word)
        for word in arguments
    ]
    assert cli.main(words) == 1
    said = capsys.readouterr()
    assert re.search(why, said.err) and said.err.count("\n") == 1 and said.err.startswith("lutin: ")
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["keys"], "ACTION"),
        (["release", "build", "OUT"], "--number"),
        (["release", "build", "--number", "1", "--expires", "tomorrow", "OUT"], "2031-12-31"),
    ],
)
def test_what_cannot_be_understood_says_how_to_ask(
    arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        cli.main(arguments)
    assert why in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ([], ("keys", "release", "serve")),
        (["keys", "new"], ("--passphrase", "off the server", "never overwritten")),
        (["release", "build"], ("--key", "--number", "--app", "--board", "--oldest", "--expires", "--trust", "--base", "--prune")),
        (["release", "show"], ("--trust", "--json", "Exit code 1")),
        (["release", "check"], ("OLD", "NEW")),
        (["serve"], ("--port", "--bind", "--tls", "--tls-dir", "--cert", "--cert-key", "--key", "--user", "--page-bind", "--logs")),
    ],
)  # fmt: skip
def test_help_names_everything(
    command: list[str], says: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        cli.main([*command, "--help"])
    text = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert all(word in text for word in says)


def test_the_commands_build_show_and_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key, old, new = str(KEYS / "test-key-1.pem"), str(tmp_path / "old"), str(tmp_path / "new")
    for number, out in ((1, old), (2, new)):
        arguments = [
            "release",
            "build",
            "--key",
            key,
            "--number",
            str(number),
            "--expires",
            "2099-12-31",
            "--version",
            "v",
            out,
        ]
        assert cli.main(arguments) == 0
    assert check.Place(new).release().expires == 4102444800  # 2100-01-01 in UTC
    assert re.search(r"release 2, version v, .* \d+ files, \d+ bytes, \d+ to fetch", capsys.readouterr().out)
    assert cli.main(["release", "show", new, "--trust", key]) == 0
    said = capsys.readouterr().out
    assert "all is right" in said and "2100-01-01 00:00 UTC" in said and f"{ONE.id}  valid" in said
    assert cli.main(["release", "show", new, "--trust", str(KEYS / "test-key-2.pem")]) == 1
    assert "WRONG  signature-unknown" in capsys.readouterr().out
    assert cli.main(["release", "show", "--json", new]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["number"], shown["boards"], shown["problems"]) == (2, build.board_names(), [])
    assert shown["encoded"] == sum(file["encoded"] for file in shown["files"])
    assert cli.main(["release", "check", old, new]) == 0
    assert "0  bytes to fetch, 0 files" in capsys.readouterr().out
    assert cli.main(["release", "check", new, old]) == 1
    assert "REFUSED  older-than-installed" in capsys.readouterr().out


# --- wrong on purpose ------------------------------------------------------------------------------

WRONG_BY_ITSELF = {
    "signature-bad": "signature-bad",
    "signature-unknown": "signature-unknown",
    "wrong-board": "wrong-board",
    "wrong-product": "wrong-product",
    "bad-path": "bad-path",
    "duplicate-path": "duplicate-path",
}


@pytest.mark.parametrize("kind", spoil.KINDS)
def test_a_spoilt_release_is_wrong_in_its_own_way_and_in_no_other(
    kind: str, rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spoil, "_stranger", lambda: TWO)  # a new one takes its time
    out = tmp_path / "out"
    build.build(out, [ONE], 6)
    before = contents(out)
    spoil.spoil(kind, out, [ONE], 7)
    assert {
        name: data for name, data in contents(out).items() if name in before and name != "release.json"
    } == {name: data for name, data in before.items() if name != "release.json"}, (
        "the release before it was damaged"
    )
    verdict = rig.call("read", str(out / "release.json"), [ONE.modulus], "unix")
    if kind in WRONG_BY_ITSELF:
        assert verdict == WRONG_BY_ITSELF[kind]
        build.build(out, [ONE], 8)  # which mends it
        assert check.examine(check.Place(out)).problems == []
        return
    assert verdict[0] == (5 if kind == "older-than-installed" else 7)
    problems = {problem.split(":")[0] for problem in check.examine(check.Place(out)).problems}
    expected = {"ten-broken-signatures": {"signature-bad"}, "expired": {"expired"}}
    expected.update({kind: {kind} for kind in ("wrong-hash", "wrong-length")})
    assert problems == expected.get(kind, set())


ONE_LIFE = """
from sim import loop
loop.install()
import device
device.new([{"ssid": "Home", "password": "correct-horse-9"}])
device.boot()
print("ENDS", device.run(100000), device.now_ms() // 1000)
"""


@pytest.mark.parametrize(
    ("kind", "ends"),
    [
        ("hangs", r"^ENDS 76 3\d$"),  # by the watchdog, after 30 s
        ("crashes-at-import", r"^RuntimeError: crashes at import$"),
        ("crashes-later", r"^RuntimeError: crashes later$"),
        ("never-reaches-network", r"^ENDS True 100$"),
        ("eats-memory", r"^ENDS 76 \d+$"),
    ],
)
def test_a_release_that_misbehaves_does_so_when_it_runs(kind: str, ends: str, tmp_path: Path) -> None:
    spoil.spoil(kind, tmp_path, [ONE], 2)
    for file in check.Place(tmp_path).release().files:
        data = read.decode(file, (tmp_path / "blobs" / file.sha256).read_bytes())
        write(tmp_path / "slot" / file.path, data)
    folders = (tmp_path / "slot", ROOT / "host_tests" / "rigs", ROOT / "boards" / "unix")
    done = subprocess.run(
        [micropython(), "-X", "heapsize=1M", "-c", ONE_LIFE],
        env={
            **os.environ,
            "MICROPYPATH": ":".join([*map(str, folders), os.environ.get("MICROPYTHON_LIB", ".frozen")]),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert re.search(ends, done.stdout + done.stderr, re.MULTILINE), (done.stdout + done.stderr)[-500:]


# --- the filesystem of a new board -----------------------------------------------------------------


def test_a_flashed_board_finds_its_files_and_can_write(rig: Rig, tmp_path: Path) -> None:
    files = filesystem.board_files("unix", KEYS / "test-key-1.pem", 3)
    assert {"pins.py", "main.py", "factory/release.json", "factory/lutin/__init__.mpy"} <= set(files)
    # Around all limits within which littlefs keeps a file in its folder's block.
    files.update(
        {
            f"odd/{size}": hashlib.shake_256(b"x").digest(size)
            for size in (0, 1, 127, 128, 129, 511, 512, 513, 1022, 1023, 4096, 4097)
        }
    )
    data = filesystem.image(files, 168 * 4096)
    assert data == filesystem.image(dict(reversed(files.items())), 168 * 4096)
    at = data.index(b"littlefs")
    assert struct.unpack_from("<I", data, at + 12)[0] == 0x00020000
    write(tmp_path / "vfs.bin", data)
    rig.call("flash", str(tmp_path / "vfs.bin"))
    assert rig.call("hashes") == {path: read.sha256(each) for path, each in files.items()}
    for path in ("odd/1", "odd/128", "odd/511", "odd/513", "pins.py", "new"):
        rig.call("write", path, b"more")
        files[path] = files.get(path, b"") + b"more"
    rig.call("remount")
    assert rig.call("hashes") == {path: read.sha256(each) for path, each in files.items()}
    number, listed, _ = rig.call("read", "/flash/factory/release.json", [ONE.modulus], "unix")
    assert number == 3
    assert {f"factory/{entry[0]}" for entry in listed} == {
        path for path in files if path.startswith("factory/") and path != "factory/release.json"
    }


def test_a_filesystem_that_is_too_small_is_refused(tmp_path: Path) -> None:
    for files, size in (({"x": bytes(40000)}, 8 * 4096), ({}, 4095), ({}, 5000)):
        with pytest.raises(Refused, match="no-space"):
            filesystem.image(files, size)
    with pytest.raises(Refused, match="wrong-board"):
        filesystem.board_files("no-such-board", ONE)
