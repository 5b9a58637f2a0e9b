"""A MicroPython image on its way into the OTA partition that does not run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import imagemaker
import pytest
import releasemaker
from unixport import Rig

PIECE = 65536
TORN = ("before", "middle", "noise")
IMAGE = imagemaker.app(2 * PIECE + 9008)
SECTORS = 40  # of each OTA partition


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def about(image: bytes, chip: str = "esp32") -> list[Any]:
    return ["1.28.0", chip, len(image), sha(image), -(-len(image) // PIECE)]


def cut_up(image: bytes) -> list[bytes]:
    return [image[at : at + PIECE] for at in range(0, len(image), PIECE)]


def pieces(image: bytes) -> list[Any]:
    parts = enumerate(cut_up(image))
    return [[i, len(part), sha(part), releasemaker.encode(part)[0] == "zlib"] for i, part in parts]


def blobs(image: bytes) -> dict[str, Any]:
    return {digest: [data, False] for digest, data in releasemaker.blobs({}, image).items()}


def base(rig: Rig, image: bytes, chip: str = "esp32", **how: Any) -> Any:
    return rig.call("base", about(image, chip), pieces(image), how.pop("blobs", blobs(image)), **how)


@pytest.fixture(scope="module")
def process() -> Iterator[Rig]:
    with Rig("update_slots", heap="16M") as r:
        yield r


@pytest.fixture
def rig(process: Rig) -> Rig:
    process.call("new", 24, SECTORS)
    return process


def test_a_base_is_written_verified_and_booted_once(rig: Rig) -> None:
    how, asked = base(rig, IMAGE)
    assert how is None
    assert len(asked) == 3
    assert rig.call("cells", "ota_1", len(IMAGE)) == IMAGE
    assert rig.call("cells", "ota_0", 4096) == b"\xff" * 4096
    assert rig.call("tree") == []
    assert rig.call("boot") == ["ota_1", 1]
    assert rig.call("boot") == ["ota_0", 4]


def test_a_piece_that_is_in_flash_is_neither_asked_for_nor_written(rig: Rig) -> None:
    rig.call("flash", "ota_1", IMAGE[:PIECE])
    how, asked = base(rig, IMAGE)
    assert how is None
    assert len(asked) == 2
    erases = rig.call("erases", "ota_1")
    assert erases == [0] * 16 + [1] * 19 + [0] * 5
    assert base(rig, IMAGE) == [None, []]
    assert rig.call("erases", "ota_1") == erases


def test_a_piece_that_came_in_part_goes_on(rig: Rig) -> None:
    assert base(rig, IMAGE, stop=1000)[0] == "gone"
    how, asked = base(rig, IMAGE, restart=True)
    assert how is None
    assert [offset for _, offset in asked] == [1000, 0, 0]


def test_a_piece_that_came_whole_is_not_asked_for_again(rig: Rig) -> None:
    first = cut_up(IMAGE)[0]
    rig.call("part", sha(first), releasemaker.encode(first)[1])
    how, asked = base(rig, IMAGE)
    assert how is None
    assert len(asked) == 2


WRONG = {
    "esp32-from-0": (imagemaker.full_flash(0x1000, 0), "esp32", "full-flash-image"),
    "esp32-from-0x1000": (imagemaker.full_flash(0x1000, 0x1000), "esp32", "full-flash-image"),
    "c3-from-0": (imagemaker.full_flash(0, 0), "esp32", "full-flash-image"),
    "only-ones": (b"\xff" * 9000, "esp32", "full-flash-image"),
    "boot-loader": (imagemaker.app(9008, descriptor=0x50), "esp32", "not-an-image"),
    "no-magic": (b"\xe8" + imagemaker.app(9008)[1:], "esp32", "not-an-image"),
    "text": (b"<html>" * 2000, "esp32", "not-an-image"),
    "four-bytes": (b"\xe9\x01\x02\x20", "esp32", "not-an-image"),
    "other-chip": (imagemaker.app(9008, "esp32c3"), "esp32", "wrong-chip"),
    "no-such-chip": (imagemaker.app(9008), "esp8266", "wrong-chip"),
    "too-large": (imagemaker.app(SECTORS * 4096 + 16), "esp32", "too-large"),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("already_there", [False, True])
def test_what_is_no_application_for_this_chip_is_named_and_not_written(
    rig: Rig, name: str, already_there: bool
) -> None:
    image, chip, failure = WRONG[name]
    if already_there:
        rig.call("flash", "ota_1", image[: SECTORS * 4096])
    how, asked = base(rig, image, chip)
    assert how[0] == failure
    assert len(asked) <= (0 if already_there else 1)
    assert set(rig.call("erases", "ota_1")) == {0}
    assert rig.call("boot")[0] == "ota_0"


@pytest.mark.parametrize("chip", imagemaker.CHIPS)
def test_each_chip_has_its_number(rig: Rig, chip: str) -> None:
    image = imagemaker.app(9008, chip)
    how, _ = base(rig, image, chip)
    # The simulated board is an esp32, and its boot loader is asked last.
    assert how is None if chip == "esp32" else how == "OSError"
    assert rig.call("cells", "ota_1", len(image)) == image


def test_an_image_that_fills_the_partition_fits(rig: Rig) -> None:
    image = imagemaker.app(SECTORS * 4096)
    assert base(rig, image)[0] is None


def test_bytes_that_only_look_like_a_table_do_no_harm(rig: Rig) -> None:
    """Elsewhere, or with a type that a table does not begin with."""
    image = bytearray(imagemaker.app(40000))
    image[0x8000:0x8003] = b"\xaa\x50\x77"
    image[0x6000:0x6004] = imagemaker.TABLE_ENTRY[:4]
    how, _ = base(rig, bytes(image))
    assert how == "OSError"  # only the boot loader minds: the checksum


def test_nothing_is_written_before_the_beginning_has_been_seen(rig: Rig) -> None:
    how = rig.call("second_first", about(IMAGE), pieces(IMAGE), blobs(IMAGE))
    assert how[0] == "not-an-image"
    assert set(rig.call("erases", "ota_1")) == {0}


def test_a_wrong_piece_is_named_thrown_away_and_not_booted(rig: Rig) -> None:
    wrong = blobs(IMAGE)
    for digest, (data, _) in wrong.items():
        wrong[digest] = [data[:-9] + bytes(9), False]
    how, asked = base(rig, IMAGE, blobs=wrong)
    assert how[0] in ("blob-malformed", "wrong-hash", "wrong-length")
    assert len(asked) == 1
    assert set(rig.call("erases", "ota_1")) == {0}
    assert rig.call("tree") == []
    assert base(rig, IMAGE)[0] is None


def test_a_base_of_which_the_whole_is_wrong_is_not_booted(rig: Rig) -> None:
    image = about(IMAGE)
    image[3] = sha(b"another")
    how, _ = rig.call("base", image, pieces(IMAGE), blobs(IMAGE))
    assert how == ["wrong-hash", "base"]
    assert rig.call("boot")[0] == "ota_0"


def test_verify_reads_every_byte_from_flash(rig: Rig) -> None:
    for at in (0, 70000, len(IMAGE) - 1):
        rig.call("flash", "ota_1", IMAGE)
        assert rig.call("verify", about(IMAGE)) is None
        rig.call("flash", "ota_1", bytes([IMAGE[at] ^ 1]), at)
        assert rig.call("verify", about(IMAGE)) == ["wrong-hash", "base"]


@pytest.mark.parametrize("mode", ["error", "stuck", "frozen", "stale"])
def test_a_worn_partition_is_named(rig: Rig, mode: str) -> None:
    rig.call("flash", "ota_1", bytes(len(IMAGE)))
    rig.call("wear", "ota_1", [18], mode)
    how, _ = base(rig, IMAGE)
    assert how[0] == "flash-error"
    assert rig.call("boot")[0] == "ota_0"


@pytest.mark.parametrize("torn", TORN)
@pytest.mark.parametrize("story", ["one-piece", "second-piece"])
def test_a_base_that_is_cut_at_any_operation_is_never_booted_half_and_is_completed(
    torn: str, story: str
) -> None:
    if story == "one-piece":
        image, start, sectors = imagemaker.app(9008), b"\x5a" * 9008, 4
    else:
        image = imagemaker.app(PIECE + 5008)
        start, sectors = image[:PIECE], 19
    told = (about(image), pieces(image), blobs(image))
    with Rig("update_slots", heap="16M") as rig:
        operations = rig.call("prepare_base", 12, sectors, start, *told)
        cuts = 0
        for label in ("ota_1", "vfs", "otadata"):
            some, requests = rig.call("base_cuts", label, torn, image, *told)
            assert some == operations[label]
            assert requests <= 2
            cuts += some
    print(f"{cuts} cuts, {story}, {torn}: {operations}")
    assert cuts > 25
