"""esp32.Partition's OTA side, and the boot loader: one attempt for what is new, then back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import imagemaker
import pytest
from unixport import Rig

GOOD = imagemaker.app(9008)


@pytest.fixture(scope="module")
def process() -> Iterator[Rig]:
    with Rig("partitions") as r:
        yield r


@pytest.fixture
def rig(process: Rig) -> Rig:
    """Two OTA partitions, a good image in the second."""
    assert process.call("new", ["ota_0", "ota_1"]) == "ota_0"
    process.call("put", "ota_1", GOOD)
    return process


def test_a_board_that_was_never_updated_runs_the_first_and_notes_it(rig: Rig) -> None:
    assert rig.call("states") == ["valid", None]
    assert [rig.call("info", which) for which in (0, 1)] == ["ota_0", "ota_0"]


def test_what_is_new_has_one_attempt(rig: Rig) -> None:
    assert rig.call("set_boot", "ota_1") is None
    assert rig.call("states") == ["valid", "new"]
    assert [rig.call("info", which) for which in (0, 1)] == ["ota_1", "ota_0"]
    assert rig.call("boot") == "ota_1"
    assert rig.call("states") == ["valid", "pending"]
    assert rig.call("boot") == "ota_0"
    assert rig.call("states") == ["valid", "aborted"]
    assert rig.call("boot") == "ota_0"


def test_what_is_marked_as_valid_stays(rig: Rig) -> None:
    rig.call("set_boot", "ota_1")
    rig.call("boot")
    assert rig.call("mark") is None
    assert rig.call("states") == ["valid", "valid"]
    assert [rig.call("boot") for _ in range(3)] == ["ota_1"] * 3


def test_an_aborted_one_may_be_chosen_again(rig: Rig) -> None:
    for _ in range(3):
        rig.call("set_boot", "ota_1")
        assert rig.call("boot") == "ota_1"
        assert rig.call("boot") == "ota_0"


def test_updates_go_to_and_fro(rig: Rig) -> None:
    rig.call("put", "ota_0", GOOD)
    for label in ("ota_1", "ota_0", "ota_1"):
        assert rig.call("next_update", 1) == label
        rig.call("set_boot", label)
        assert rig.call("boot") == label
        rig.call("mark")
        assert rig.call("boot") == label


def test_mark_before_the_restart_takes_away_the_new_ones_way_back(rig: Rig) -> None:
    """As ESP-IDF does: it is the entry that counts that becomes valid, whoever runs."""
    rig.call("set_boot", "ota_1")
    rig.call("mark")
    assert [rig.call("boot") for _ in range(2)] == ["ota_1", "ota_1"]


def spoilt(image: bytes, at: int, *values: int) -> bytes:
    made = bytearray(image)
    made[at : at + len(values)] = bytes(values)
    return bytes(made)


@pytest.mark.parametrize(
    "image",
    [
        b"\xff" * 100,
        bytes(9008),
        spoilt(GOOD, 0, 0xE8),
        spoilt(GOOD, 1, 0),
        spoilt(GOOD, 1, 2),
        spoilt(GOOD, 1, 17),
        spoilt(GOOD, 12, 5),
        spoilt(GOOD, 28, 0xFF, 0xFF, 0xFF, 0x7F),
        spoilt(GOOD, 5000, GOOD[5000] ^ 1),
        spoilt(GOOD, len(GOOD) - 33, GOOD[-33] ^ 1),
        spoilt(GOOD, len(GOOD) - 1, GOOD[-1] ^ 1),
        spoilt(spoilt(GOOD, 5000, GOOD[5000] ^ 1), 5001, GOOD[5001] ^ 1),  # the checksum is right
        spoilt(spoilt(GOOD, 23, 0), 5000, GOOD[5000] ^ 1),  # there is no hash, only a checksum
        imagemaker.app(9008, "esp32c3"),
    ],
)
def test_set_boot_refuses_an_image_that_is_not_whole(rig: Rig, image: bytes) -> None:
    rig.call("put", "ota_1", image)
    assert rig.call("set_boot", "ota_1") == [-0x1503, "ESP_ERR_OTA_VALIDATE_FAILED"]
    assert rig.call("states") == ["valid", None]


def test_set_boot_takes_an_image_without_a_hash(rig: Rig) -> None:
    rig.call("put", "ota_1", spoilt(GOOD, 23, 0)[:-32])
    assert rig.call("set_boot", "ota_1") is None


def test_a_chosen_image_that_has_rotted_is_passed_over(rig: Rig) -> None:
    rig.call("set_boot", "ota_1")
    rig.call("put", "ota_1", spoilt(GOOD, 5000, GOOD[5000] ^ 1))
    assert rig.call("boot") == "ota_0"


def test_only_an_application_can_be_chosen(rig: Rig) -> None:
    assert rig.call("set_boot", "lutin") == [-0x1503, "ESP_ERR_OTA_VALIDATE_FAILED"]


def test_where_there_is_one_partition_the_next_is_the_one_that_runs(process: Rig) -> None:
    """As in ESP-IDF, so whoever writes to the next must look."""
    process.call("new", ["ota_0"])
    assert process.call("next_update", 1) == "ota_0"


def test_a_table_without_ota_says_so(process: Rig) -> None:
    assert process.call("new", []) == "ota_0"
    assert process.call("info", 1) == "ota_0"
    assert process.call("size", 1) == 0x180000
    assert process.call("next_update", 1) == [2]
    assert process.call("mark") == [-0x105, "ESP_ERR_NOT_FOUND"]
    assert process.call("read", 1) == [-0x6001, "ESP_ERR_FLASH_OP_FAIL"]
    assert process.call("info", "ota_1") == [2]


CUTS = {
    # what is cut last: what may run then, at each of three starts
    ("boot",): ["000"],
    ("set_boot",): ["000", "100"],
    ("set_boot", "boot"): ["000", "100"],
    ("set_boot", "boot", "mark"): ["000", "111"],
    ("set_boot", "boot", "boot"): ["000"],
}


@pytest.mark.parametrize("steps", CUTS)
def test_the_boot_loaders_notes_may_be_cut_anywhere(rig: Rig, steps: tuple[str, ...]) -> None:
    cuts = 0
    for torn in ("before", "start", "middle", "noise", "end"):
        n = 0
        while True:
            ran = rig.call("cut", steps, n, torn)
            if ran is None:
                break
            assert "".join(label[-1] for label in ran) in CUTS[steps], (torn, n)
            cuts += 1
            n += 1
    assert cuts == 10


def test_a_partition_from_before_a_power_cut_is_good_for_nothing(rig: Rig) -> None:
    """Files that were open then are closed when their memory is swept up, long after."""
    said, cells = rig.call("after_the_cut")
    assert said == ["cut"] * 6
    assert cells == b"new\xff"


def test_the_flash_of_a_board_is_in_its_folder_and_takes_no_more_room_than_was_written(
    process: Rig, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    assert process.call("load", str(state)) == ["ota_0", "ota_0", 5]
    process.call("put", "ota_1", GOOD)
    process.call("set_boot", "ota_1")
    assert process.call("load", str(state))[0] == "ota_1"
    assert process.call("load", str(state))[0] == "ota_0"
    sizes = {path.name: path.stat().st_size for path in state.glob("*.bin")}
    assert sizes == {"otadata.bin": 8192, "flash.bin": 0, "vfs.bin": 0, "ota_0.bin": 0, "ota_1.bin": 12288}
