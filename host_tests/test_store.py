"""The store: old or new, whole, whatever happens to power and flash."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from unixport import Rig

IMAGES = Path(__file__).parent / "images"
TORN = ["before", "start", "middle", "noise", "end"]
WEAR = ["stuck", "error", "stale", "frozen"]
SECTORS = 5


@pytest.fixture(scope="module")
def rig():
    with Rig("store") as r:
        yield r


def test_a_cut_at_any_operation_and_a_second_one_in_the_recovery_leave_old_or_new_whole(rig):
    cuts = second = 0
    for scene in rig.call("scenes"):
        found = rig.call("every_cut", scene)
        print(scene, found)
        assert found["both"], f"{scene}: the cuts never showed both old and new"
        cuts += found["cuts"]
        second += found["second"]
    print(f"{cuts} cuts, {second} second cuts")
    assert cuts > 500
    assert second > 4000


@pytest.mark.parametrize("order", [list(range(8)), [7, 6, 5, 4, 3, 2, 1, 0], [2, 0, 3, 1, 5, 4, 7, 6]])
@pytest.mark.parametrize("mode", WEAR)
def test_worn_sectors_cost_only_room_until_none_is_left(rig, mode, order):
    stored = rig.call("worn_one_by_one", mode, order)
    # Two of eight hold the live records of two keys: while one more is good, saving must work.
    assert stored[:5] == [True] * 5
    if mode != "stale":  # which still stores where it was blank
        assert stored[-1] is False


@pytest.mark.parametrize("wear", [None, "stuck", "stale"])
def test_rot_of_the_newest_record_never_brings_back_what_it_replaced(rig, wear):
    value = b"the new network"
    assert rig.call("after_rot", value, wear) == [[None], False]


def test_after_a_clear_no_password_is_left_in_the_flash_and_rot_brings_nothing_back(rig):
    assert rig.call("after_rot", b"\x01") == [[None], False]


def test_wear_goes_round_all_sectors_also_across_restarts(rig):
    erases = rig.call("erases", 400)
    assert max(erases) - min(erases) <= 2
    assert sum(erases) <= 2 * 400


@pytest.mark.parametrize("when", ["after boot", "since boot"])
def test_a_sector_that_cannot_be_read_for_a_while_does_not_bring_back_the_old(rig, when):
    # While the sector is silent nothing is known of key 1; after the save only the new is.
    assert rig.call("unreadable", 1, 1, when) == [None, b"of ", b"new", b"new", b"of "]


def test_a_sector_that_cannot_be_read_is_not_erased_as_it_may_be_another_keys(rig):
    assert rig.call("unreadable", 2, 9, "since boot") == [b"old", None, b"new", b"new", b"of "]


@pytest.mark.parametrize("how", ["error", "nonsense"])
def test_nothing_is_given_up_because_it_could_not_be_read_once(rig, how):
    assert rig.call("first_reading_fails", how) == [True, True]


def test_a_save_counts_only_when_the_flash_shows_it(rig):
    assert rig.call("not_seen_in_the_flash") == ["no-sector-left", True]


@pytest.mark.parametrize(
    ("sectors", "size"), [("error", 4096), (8, "error"), (1, 4096), (0, 0), (None, None), (8, 16)]
)
def test_a_flash_of_no_use_is_named(rig, sectors, size):
    assert rig.call("without_memory", sectors, size) == [["no-memory"] * 3, []]


def test_no_flash_at_all_is_named(rig):
    assert rig.call("without_memory", 0, 0, absent=True) == [["no-memory"] * 3, []]


def test_any_length_that_fits_a_sector_is_kept_and_more_is_refused(rig):
    assert rig.call("sizes") == [[0, 1, 255, 256, 257, 4080], "too-long", 4080]


def test_repair_leaves_a_half_record_alone_and_the_next_save_wipes_it(rig):
    half, repaired, saved, clean = rig.call("damaged_claims")
    assert half == ["blank", "live", "damaged", "blank"]
    assert repaired == half
    assert sorted(saved) == ["blank", "blank", "blank", "live"]
    assert clean


def test_the_old_record_is_kept_until_the_repair_has_read_the_new_one_back(rig):
    assert rig.call("old_while_repairing") == [["live", "old", "live", "blank"]] * 2


# ---- the format


def record(key: int, generation: int, data: bytes) -> bytes:
    """A record of format 1, made without the firmware."""
    head = b"LutR" + struct.pack("<BBHI", 1, key, len(data), generation)
    return head + struct.pack("<I", zlib.crc32(head + data)) + data


def image_1() -> bytes:
    """host_tests/images/store-1.bin: sectors from 0 on; the rest of the flash is blank."""
    sectors = [
        record(1, 7, b"settings, replaced"),  # an interrupted save left it
        record(2, 4, b"boot record"),
        record(1, 8, b"settings, newest"),
        record(1, 9, b"settings, cut off")[:-5],
        bytes(4096),  # wiped where erasing failed
        record(3, 0xFFFF_FFFE, b"application")[:-1] + b"N",  # rotten
    ]
    return b"".join(s.ljust(4096, b"\xff") for s in sectors)


def test_flash_images_of_every_format_version_stay_readable(rig):
    images = sorted(IMAGES.glob("store-*.bin"))
    assert [p.name for p in images] == ["store-1.bin"]
    for path in images:
        expected = json.loads(path.with_suffix(".json").read_text())
        found = rig.call("look", path.read_bytes())
        assert found["map"] == expected["map"]
        assert {k: v and v.decode() for k, v in found["records"].items()} == expected["records"]


def test_the_kept_image_is_what_its_maker_says():
    assert (IMAGES / "store-1.bin").read_bytes() == image_1()


@pytest.mark.parametrize("at", range(16 + len(b"settings, newest")))
def test_no_damaged_byte_passes_for_a_record(rig, at):
    whole = bytearray(record(1, 8, b"settings, newest"))
    whole[at] ^= 0x10
    assert rig.call("look", bytes(whole))["records"]["1"] is None


# ---- against a plain model


class Model(RuleBasedStateMachine):
    """Two keys, any order of saves, clears, cuts, wear and restarts, against a dict."""

    rig: Rig

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[int, bytes | None] = {1: None, 2: None}
        self.rig.call("begin", SECTORS)

    keys = st.sampled_from([1, 2])
    values = st.binary(max_size=40) | st.binary(min_size=200, max_size=700)
    cuts = st.integers(0, 12)
    torn = st.sampled_from(TORN)

    def _save(self, key: int, data: bytes, **how: object) -> None:
        before = self.rig.call("room")
        end = self.rig.call("save", key, data, **how)
        now = self.rig.call("load", key)[1]
        if end == "stored":
            assert now == data
        elif end == "cut":
            assert now in (self.kept[key], data)
        else:
            assert end == "no-sector-left"
            assert now == self.kept[key]
            assert not before, f"sectors {before} were good"
        self.kept[key] = now

    @rule(key=keys, data=values)
    def save(self, key: int, data: bytes) -> None:
        self._save(key, data)

    @rule(key=keys)
    def clear(self, key: int) -> None:
        self._save(key, b"\x01")

    @rule(key=keys, data=values, cut=cuts, torn=torn)
    def save_cut(self, key: int, data: bytes, cut: int, torn: str) -> None:
        self._save(key, data, cut=cut, torn=torn)

    @rule()
    def restart(self) -> None:
        self.rig.call("restart")

    @rule(cut=cuts, torn=torn)
    def restart_cut(self, cut: int, torn: str) -> None:
        self.rig.call("repair", cut, torn)

    @rule(sector=st.integers(0, SECTORS - 1), mode=st.sampled_from(WEAR))
    def wear(self, sector: int, mode: str) -> None:
        self.rig.call("wear", sector, mode)

    @rule(sector=st.integers(0, SECTORS - 1))
    def heal(self, sector: int) -> None:
        self.rig.call("wear", sector, None)

    @invariant()
    def both_keys_are_as_the_model_says(self) -> None:
        for key, value in self.kept.items():
            assert self.rig.call("load", key) == [value, value]


def test_any_history_agrees_with_a_plain_model(rig):
    Model.rig = rig
    Model.TestCase.settings = settings(stateful_step_count=25)
    Model.TestCase().runTest()
