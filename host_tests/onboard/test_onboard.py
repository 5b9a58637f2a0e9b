"""On a real board (--port): its own modules, from its own filesystem. Its settings and its flash are left alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import pytest
from boardport import BoardRig
from lutin_tools.board import folders
from lutin_tools.paths import ROOT
from releasemaker import Key

LIGHT = ROOT / "host_tests" / "light"
PACKET = {"ssid": "Home", "password": "correct-horse-9", "server": "http://example.org/"}


@pytest.fixture(scope="module")
def board(request: pytest.FixtureRequest) -> Iterator[BoardRig]:
    one = BoardRig(str(request.config.getoption("--port")))
    said = one.call("begin")
    print("board", *said)
    yield one
    one.close()


def test_its_files_are_there_and_the_firmware_comes_from_a_slot(board: BoardRig) -> None:
    assert all(length > 100 for length in board.call("files").values())
    path, slot = board.call("home")
    assert slot in ("factory", "a", "b"), path


def test_its_numbers_are_those_that_the_firmware_expects(board: BoardRig) -> None:
    third, step, highest = board.call("numbers")
    assert third.startswith("0.33333")
    assert (step, highest) == (1, 0x3FFFFFFF)


def test_a_clock_counts_on_when_its_ticks_wrap(board: BoardRig) -> None:
    assert board.call("uptime")


def test_settings_come_back_as_they_were_stored(board: BoardRig) -> None:
    data = bytes(range(256)) + b"what was stored"
    assert board.call("store", data) == data
    public = board.call("settings", PACKET)
    assert public["networks"][0]["ssid"] == "Home"
    assert public["server"] == PACKET["server"]
    assert PACKET["password"] not in json.dumps(public)


def test_a_signature_is_good_and_a_changed_one_is_not(board: BoardRig) -> None:
    key = Key.make(1)
    digest = hashlib.sha256(b"a release").digest()
    signature = key.sign(b"a release")
    good, ms = board.call("verify", key.modulus, signature, digest)
    print("verification", ms, "ms")
    assert good
    assert not board.call("verify", key.modulus, signature[:-1] + bytes([signature[-1] ^ 1]), digest)[0]


@pytest.mark.parametrize("name", ["tri-60-ideal", "bi-60"])
def test_recorded_light_is_understood(board: BoardRig, name: str) -> None:
    expect = next(one for one in json.loads((LIGHT / "index.json").read_text()) if one["name"] == name)[
        "expect"
    ]
    data = (LIGHT / f"{name}.bin").read_bytes()
    board.call("receive", None)
    for at in range(0, len(data), 1200):
        found = board.call("receive", data[at : at + 1200])
        if found:
            break
    assert found and found[1:] == ["done", ""]
    assert {key: found[0][key] for key in expect} == expect


def test_it_samples_five_hundred_times_a_second_with_the_receiver_behind(board: BoardRig) -> None:
    rate, least, most = board.call("sampling", 1)
    print("samples a second", rate, "light", least, "to", most)
    assert rate >= 500
    assert 0 <= least <= most <= 65535


def test_the_status_light_shows_each_colour(board: BoardRig) -> None:
    board.call("light")


def test_the_partition_table_is_that_of_its_description(board: BoardRig) -> None:
    name = board.call("begin")[0]
    expected = {
        p.name: [p.numbers()[0], p.numbers()[1], p.offset, p.size] for p in folders.named(name).partitions
    }
    found = {entry[4]: entry[:4] for entry in board.call("partitions")}
    assert {"lutin", "vfs"} <= set(found)
    assert {label: entry for label, entry in found.items() if expected.get(label) != entry} == {}


@pytest.mark.parametrize(
    ("whole", "home", "trial", "boots", "chosen"),
    [
        (["factory"], "factory", "", 0, "factory"),
        (["factory", "a"], "a", "", 0, "a"),
        (["factory", "b"], "a", "", 0, "factory"),
        (["factory", "a", "b"], "a", "b", 0, "b"),
        (["factory", "a", "b"], "a", "b", 3, "a"),
    ],
)
def test_the_rules_of_boot_choose_the_slot(
    board: BoardRig, whole: list[str], home: str, trial: str, boots: int, chosen: str
) -> None:
    assert board.call("choose", whole, home, trial, boots) == chosen


def test_every_module_loads_and_leaves_memory(board: BoardRig) -> None:
    after, before, loaded = board.call("heap")
    print("heap", before, "free, with every module", after)
    assert loaded
    assert after > 16384
