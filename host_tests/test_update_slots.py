"""Slots on LittleFS on the simulated flash: whole or not at all, whatever is cut, sent or worn."""

from __future__ import annotations

import hashlib
import os
import random
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
import releasemaker
from unixport import Rig, RigError

TORN = ("before", "middle", "noise")
NOISE = random.Random(3)
FACTORY = {"lutin/__init__.mpy": b"factory", "lutin/f/x.mpy": b"f" * 500}
OLD = {"lutin/__init__.mpy": b"old", "lutin/same.mpy": b"same" * 100, "lutin/gone.mpy": b"gone" * 50}
NEW = {
    "lutin/__init__.mpy": b"new",
    "lutin/a.mpy": NOISE.randbytes(300),
    "lutin/update/b.mpy": b"text " * 80,
    "lutin/same.mpy": b"same" * 100,
    "lutin/big.mpy": NOISE.randbytes(3000) + b"x" * 3000,
}
BIG = NEW["lutin/big.mpy"]


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def short(data: bytes) -> str:
    return sha(data).hex()[:8]


def entry(path: str, data: bytes) -> list[Any]:
    return [path, len(data), sha(data), releasemaker.encode(data)[0] == "zlib"]


def files(contents: dict[str, bytes]) -> list[Any]:
    return [entry(path, contents[path]) for path in sorted(contents, key=str.encode)]


def blobs(contents: dict[str, bytes], page: bool = False) -> dict[str, Any]:
    return {digest: [data, page] for digest, data in releasemaker.blobs(contents).items()}


def squeeze(data: bytes, bits: int = 10) -> bytes:
    one = zlib.compressobj(9, zlib.DEFLATED, bits)
    return one.compress(data) + one.flush()


@pytest.fixture(scope="module")
def process() -> Iterator[Rig]:
    with Rig("update_slots") as r:
        yield r


@pytest.fixture
def rig(process: Rig) -> Rig:
    """A board with factory and a."""
    process.call("new", 40)
    for slot, contents in (("factory", FACTORY), ("a", OLD)):
        for path, data in contents.items():
            process.call("put", f"{slot}/{path}", data)
        process.call("put", f"{slot}/release.json", b"{}")
    return process


def install(rig: Rig, contents: dict[str, bytes] = NEW, other: str | None = "a", **how: Any) -> Any:
    return rig.call("install", "b", other, files(contents), how.pop("blobs", blobs(contents)), **how)


# ---- power cuts


@pytest.mark.parametrize("torn", TORN)
def test_an_install_that_is_cut_at_any_operation_harms_nothing_and_is_completed_by_the_next(
    torn: str,
) -> None:
    with Rig("update_slots", heap="16M") as rig:
        story = (FACTORY, OLD, NEW, files(NEW), blobs(NEW))
        operations = rig.call("prepare_cuts", 30, FACTORY, OLD, files(NEW), blobs(NEW))
        cuts, requests = rig.call("cuts", torn, *story)
    print(f"{cuts} cuts, {torn}; {operations} operations without one")
    assert cuts == operations > 100
    assert requests <= 5  # four blobs, and again the one that was on its way


@pytest.mark.parametrize("step", [100, 1000, 5000])
def test_a_power_cut_costs_a_part_no_more_than_4_kb_and_a_step(rig: Rig, step: int) -> None:
    sent = 20000 // step * step
    assert sent - rig.call("part_without_close", sha(b"x"), 20000, step) < 4096 + step


# ---- what is fetched, and what is not


def test_only_what_is_not_here_is_asked_for_and_nothing_twice(rig: Rig) -> None:
    missing = [data for path, data in NEW.items() if path != "lutin/same.mpy"]
    how, asked = install(rig)
    assert how is None
    assert sorted(asked) == sorted([short(data), 0] for data in missing)
    assert rig.call("names") == ["factory", "a", "b"]
    assert {path: rig.call("get", "b/" + path) for path in NEW} == NEW
    assert install(rig) == [None, []]
    assert not [name for name in rig.call("tree") if "part" in name or "incoming" in name]


def test_without_another_slot_everything_is_asked_for(rig: Rig) -> None:
    how, asked = install(rig, other=None)
    assert how is None
    assert len(asked) == len(NEW)


def test_a_file_of_the_other_slot_that_has_rotted_is_fetched(rig: Rig) -> None:
    rig.call("put", "a/lutin/same.mpy", b"same" * 99 + b"rot!")
    how, asked = install(rig)
    assert how is None
    assert [short(NEW["lutin/same.mpy"]), 0] in asked
    assert rig.call("get", "b/lutin/same.mpy") == NEW["lutin/same.mpy"]


def test_a_connection_that_goes_costs_nothing_of_what_came(rig: Rig) -> None:
    assert install(rig, stop=2000)[0] == "gone"
    assert rig.call("names") == ["factory", "a"]
    how, asked = install(rig, restart=True)
    assert how is None
    assert [short(BIG), 2000] in asked
    assert len(asked) <= 3  # what was finished before that is not asked for again


@pytest.mark.parametrize("data", [BIG, NEW["lutin/a.mpy"]], ids=["zlib", "plain"])
def test_a_part_that_is_complete_is_not_asked_for_again(rig: Rig, data: bytes) -> None:
    rig.call("begin", "b")
    blob = releasemaker.encode(data)[1]
    assert rig.call("part", sha(data), blob) == len(blob)
    assert rig.call("have", "b", None, entry("lutin/x.mpy", data)) is True
    assert rig.call("get", "b/lutin/x.mpy") == data
    assert rig.call("part_length", sha(data)) == 0


@pytest.mark.parametrize("data", [BIG, NEW["lutin/a.mpy"]], ids=["zlib", "plain"])
def test_a_part_that_is_not_complete_is_kept_and_goes_on(rig: Rig, data: bytes) -> None:
    rig.call("begin", "b")
    blob = releasemaker.encode(data)[1]
    assert rig.call("part", sha(data), blob[:200]) == 200
    assert rig.call("have", "b", None, entry("lutin/x.mpy", data)) is False
    assert rig.call("part", sha(data), blob[200:], 200) == len(blob)
    assert rig.call("have", "b", None, entry("lutin/x.mpy", data)) is True


@pytest.mark.parametrize(
    ("data", "poison"),
    [
        (BIG, b"<html>" * 20),
        (BIG, squeeze(BIG)[:1000] + b"\xff" * 1000),
        (BIG, squeeze(BIG[:-1] + b"y")),
        (BIG, squeeze(BIG + b"y")),
        (BIG, squeeze(bytes(1 << 20))),
        (BIG, squeeze(BIG, 11)),
        (BIG, squeeze(BIG[:-1]) + bytes(6000)),
        (NEW["lutin/a.mpy"], NEW["lutin/a.mpy"] + b"x"),
        (NEW["lutin/a.mpy"], bytes(300)),
    ],
    ids=["page", "broken", "other", "longer", "bomb", "window", "padded", "plain-longer", "plain-other"],
)
def test_a_poisoned_part_is_thrown_away(rig: Rig, data: bytes, poison: bytes) -> None:
    rig.call("begin", "b")
    rig.call("part", sha(data), poison)
    assert rig.call("have", "b", None, entry("lutin/x.mpy", data)) is False
    assert rig.call("part_length", sha(data)) == 0
    assert install(rig, {"lutin/x.mpy": data}) == [None, [[short(data), 0]]]


def test_a_part_that_can_grow_no_more_and_is_too_short_is_thrown_away(rig: Rig) -> None:
    """As long as the plain contents, and the stream has not come to its end."""
    rig.call("begin", "b")
    data = b"ab" * 200
    never = zlib.compressobj(0, zlib.DEFLATED, 10)
    poison = (never.compress(data[:100]) + never.flush(zlib.Z_FULL_FLUSH) + bytes([0, 0, 0, 255, 255]) * 100)[
        :400
    ]
    rig.call("part", sha(data), poison[:399])
    assert rig.call("have", "b", None, entry("lutin/x.mpy", data)) is False
    assert rig.call("part", sha(data), poison[399:], 399) == 400
    assert rig.call("have", "b", None, entry("lutin/x.mpy", data)) is False
    assert rig.call("part_length", sha(data)) == 0


def test_an_answer_that_begins_anew_replaces_the_part(rig: Rig) -> None:
    """200 to a Range request."""
    assert rig.call("part", sha(BIG), bytes(500)) == 500
    assert rig.call("part", sha(BIG), b"anew") == 4
    assert rig.call("part", sha(BIG), b", and on", 4) == 12


# ---- blobs that are wrong


@pytest.mark.parametrize(
    ("data", "blob", "name", "detail"),
    [
        (BIG, squeeze(bytes(10 << 20)), "wrong-length", "too long"),
        (BIG, squeeze(BIG + b"x"), "wrong-length", "too long"),
        (BIG, squeeze(BIG[:-1]), "wrong-length", "too short"),
        (BIG, squeeze(BIG)[:-7], "wrong-length", "too short"),
        (BIG, b"", "wrong-length", "too short"),
        (BIG, squeeze(BIG, 11), "blob-malformed", "window"),
        (BIG, squeeze(BIG, 15), "blob-malformed", "window"),
        (BIG, b"\x18\x19" + bytes(50), "blob-malformed", "zlib"),
        (BIG, squeeze(BIG)[:2] + b"\x07" + bytes(99), "blob-malformed", "zlib"),
        (BIG, squeeze(BIG)[:-1] + b"?", "blob-malformed", "zlib"),
        (BIG, squeeze(BIG[:-1] + b"y"), "wrong-hash", ""),
        (NEW["lutin/a.mpy"], NEW["lutin/a.mpy"] + b"x", "wrong-length", "too long"),
        (NEW["lutin/a.mpy"], NEW["lutin/a.mpy"][:-1], "wrong-length", "too short"),
        (NEW["lutin/a.mpy"], bytes(300), "wrong-hash", ""),
    ],
)
@pytest.mark.parametrize("page", [False, True])
def test_a_wrong_blob_has_a_name_and_leaves_nothing(
    rig: Rig, data: bytes, blob: bytes, name: str, detail: str, page: bool
) -> None:
    rig.call("begin", "b")
    how = ["landing-page-body", name] if page else [name, detail]
    assert rig.call("finish", "b", entry("lutin/x.mpy", data), blob, page) == [how, 0]
    assert rig.call("get", "b/lutin/x.mpy") is None
    assert rig.call("finish", "b", entry("lutin/x.mpy", data), releasemaker.encode(data)[1]) == [None, 0]
    assert rig.call("get", "b/lutin/x.mpy") == data


def test_a_file_that_flash_gives_back_otherwise_is_named_and_removed(rig: Rig) -> None:
    rig.call("begin", "b")
    for data in (BIG, NEW["lutin/a.mpy"]):
        blob = releasemaker.encode(data)[1]
        how, left = rig.call("finish", "b", entry("lutin/x.mpy", data), blob, lie=True)
        assert how == ["flash-error", "not what was written"]
        assert left == len(blob)  # which is right, and need not be fetched again
        assert rig.call("get", "b/lutin/x.mpy") is None


def test_an_empty_file_is_a_file(rig: Rig) -> None:
    assert install(rig, {"app/empty.mpy": b"", "lutin/x.mpy": b"x"})[0] is None
    assert rig.call("get", "b/app/empty.mpy") == b""


@pytest.mark.parametrize("length", [1, 1023, 1024, 1025, 4096, 65536])
@pytest.mark.parametrize("kind", ["zlib", "plain"])
def test_any_length_comes_out_as_it_went_in(rig: Rig, length: int, kind: str) -> None:
    data = (b"0123456789abcdef" * 4097)[:length]
    one = ["lutin/x.mpy", length, sha(data), kind == "zlib"]
    rig.call("new", 50)
    rig.call("begin", "b")
    assert rig.call("finish", "b", one, squeeze(data) if kind == "zlib" else data) == [None, 0]
    assert rig.call("get", "b/lutin/x.mpy") == data


# ---- slots


def test_a_slot_is_whole_only_between_seal_and_begin(rig: Rig) -> None:
    install(rig)
    assert rig.call("names") == ["factory", "a", "b"]
    rig.call("begin", "b")
    assert rig.call("names") == ["factory", "a"]
    rig.call("begin", "b")
    with pytest.raises(RigError, match="ValueError"):
        rig.call("begin", "factory")


@pytest.mark.parametrize("spoil", [b"", NEW["lutin/a.mpy"] + b"x", bytes(300), None])
def test_whole_sees_every_byte(rig: Rig, spoil: bytes | None) -> None:
    install(rig)
    assert rig.call("whole", "b", files(NEW)) is True
    if spoil is None:
        assert rig.call("whole", "b", files({**NEW, "lutin/z.mpy": b"z"})) is False
    else:
        rig.call("put", "b/lutin/a.mpy", spoil)
        assert rig.call("whole", "b", files(NEW)) is False


def test_tidy_leaves_what_is_listed_and_nothing_else(rig: Rig) -> None:
    listed = {"app/main.mpy": b"1", "lutin/x.mpy": b"2", "lutin/x/y.mpy": b"3"}
    strangers = [
        "app/main.py",
        "lutin/x/y",
        "lutin/x.mp",
        "lutin/deep/er/er/z.mpy",
        "top.mpy",
        "other/lutin/x.mpy",
    ]
    for path in [*listed, *strangers, *(f"many/{i}.mpy" for i in range(40))]:
        rig.call("put", "b/" + path, b"?")
    known, piece, gone = (sha(bytes([i])) for i in range(3))
    for digest in (known, piece, gone):
        rig.call("part", digest, b"half")
    before = [path for path in rig.call("tree") if path.startswith(("a/", "factory/"))]
    one = [*files(listed), ["lutin/half.mpy", 9, known, False]]
    assert rig.call("tidy", "b", one, [[0, 65536, piece, True]]) is None
    parts = ["part-" + digest.hex()[:16] for digest in (known, piece)]
    assert rig.call("tree") == sorted(
        [*before, "b/", "b/app/", "b/lutin/", "b/lutin/x/", *("b/" + path for path in listed), *parts]
    )


def test_a_path_is_known_by_its_own_four_bytes(rig: Rig) -> None:
    """Not by some that lie across those of two others."""
    assert rig.call("marked", "lutin/x.mpy", 0) is True
    assert [rig.call("marked", "lutin/x.mpy", shift) for shift in (1, 2, 3)] == [False] * 3
    assert rig.call("marked", "lutin/x.mpy", 4) is True


def test_a_file_where_there_was_a_folder_and_a_folder_where_there_was_a_file(rig: Rig) -> None:
    assert install(rig, {"lutin/x/y.mpy": b"1", "lutin/z": b"2"})[0] is None
    assert install(rig, {"lutin/x": b"3", "lutin/z/y.mpy": b"4"})[0] is None
    assert rig.call("get", "b/lutin/x") == b"3"


# ---- a full disk, a worn flash


def test_a_full_disk_is_named_before_anything_is_asked_for(rig: Rig) -> None:
    fits = 0
    for sectors in range(24, 40):
        rig.call("new", sectors)
        for path, data in FACTORY.items():
            rig.call("put", "factory/" + path, data)
        rig.call("put", "a/filler", os.urandom(30000))
        how, asked = install(rig)
        if how is None:
            fits += 1
        else:
            assert how[0] == "no-space"
            assert asked == []
            assert not fits
    assert 0 < fits < 16


def test_room_is_made_of_the_release_before(rig: Rig) -> None:
    """Three releases one after the other, on a disk that has room for two and a part."""
    rig.call("new", 30)
    for i in range(3):
        contents = {f"lutin/{i}{j}.mpy": bytes([i, j]) * 3000 for j in range(6)}
        assert install(rig, contents)[0] is None, i


def test_a_file_that_has_changed_does_not_need_room_twice(rig: Rig) -> None:
    rig.call("new", 30)
    for i in range(3):
        contents = {f"lutin/{j}.mpy": bytes([i, j]) * 3000 for j in range(6)}
        assert install(rig, contents)[0] is None, i


def test_a_disk_that_becomes_full_on_the_way_is_named(rig: Rig) -> None:
    rig.call("new", 10)
    rig.call("begin", "b")
    data = NOISE.randbytes(30000)
    how, _ = rig.call("finish", "b", entry("lutin/x.mpy", data), data)
    assert how == ["no-space", ""]


@pytest.mark.parametrize("mode", ["stuck", "frozen", "stale"])
def test_worn_blocks_are_passed_over(rig: Rig, mode: str) -> None:
    used = {0, 1}
    rig.call("wear", "vfs", [s for s in range(12, 34, 3) if s not in used], mode)
    assert install(rig)[0] is None
    assert {path: rig.call("get", "b/" + path) for path in NEW} == NEW


def test_a_flash_that_gives_errors_is_named(rig: Rig) -> None:
    rig.call("wear", "vfs", list(range(40)), "error")
    how, asked = install_only(rig)
    assert how[0] == "flash-error"
    assert asked == []


def install_only(rig: Rig) -> Any:
    """As install(), where nothing can be written beside it."""
    return rig.call("install", "b", "a", files(NEW), blobs(NEW), bare=True)


# ---- memory


def test_memory_is_constant_and_little(rig: Rig) -> None:
    """Deflate's window included. Words of the unix port are twice as large as the board's."""
    rig.call("new", 60)
    small, large = BIG, BIG * 16
    made, most, _ = rig.call("memory", entry("lutin/x.mpy", small), squeeze(small))
    made_large, most_large, _ = rig.call("memory", entry("lutin/x.mpy", large), squeeze(large))
    print(f"{made} bytes made once, {most} while unpacking")
    assert made == made_large < 1800
    assert abs(most - most_large) < 800
    assert max(most, most_large) < 5000
