"""A power cut at every flash operation of an update, a trial, a confirmation and a way back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import releasemaker
from unixport import Rig

KEY = releasemaker.Key.make(1)
TORN = ("before", "middle", "noise")
FACTORY, HOME, NEW = 1, 5, 6


def files(number: int) -> dict[str, bytes]:
    """A release in which one file is always the same, one is new, and one does not fit a page."""
    return {
        "lutin/__init__.mpy": b"release %d" % number,
        "lutin/big.mpy": bytes((i * 7 + number) & 0xFF for i in range(700)),
        "lutin/same.mpy": b"never changes" * 9,
    }


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig("update_cuts", heap="16M") as r:
        for number in (FACTORY, HOME, NEW):
            release = {
                "release.json": releasemaker.envelope(releasemaker.payload(files(number), number), [KEY]),
                "files": files(number),
                "blobs": releasemaker.blobs(files(number)),
            }
            r.call("know", number, release)
        r.call("prepare", FACTORY, HOME)
        yield r


def every_cut(rig: Rig, torn: str, end: dict[str, Any], **story: Any) -> int:
    """The story, cut at each of its flash operations: it always ends in the same way; how many cuts."""
    whole = rig.call("story", NEW, **story)
    assert {key: whole[key] for key in end} == end
    cuts = 0
    for label in ("lutin", "vfs"):
        for n in range(whole["operations"][label]):
            told = rig.call("story", NEW, cut=(label, n), torn=torn, **story)
            assert told["ran"].count("cut") == 1, (label, n)
            assert {key: told[key] for key in end} == end, (label, n, told)
            cuts += 1
    return cuts


def test_the_story_without_a_cut(rig: Rig) -> None:
    told = rig.call("story", NEW)
    assert told["ran"] == [HOME, NEW]
    assert (told["home"], told["trial"], told["rejected"]) == (NEW, 0, 0)


@pytest.mark.parametrize("torn", TORN)
def test_an_update_cut_anywhere_gets_to_the_new_release_without_help(rig: Rig, torn: str) -> None:
    cuts = every_cut(rig, torn, {"home": NEW, "trial": 0, "rejected": 0, "suspect": 0})
    print(f"{cuts} cuts, {torn}")
    assert cuts > 60


@pytest.mark.parametrize("torn", TORN)
def test_a_way_back_cut_anywhere_ends_on_the_release_before(rig: Rig, torn: str) -> None:
    end = {"home": HOME, "trial": 0, "rejected": NEW, "suspect": 0}
    cuts = every_cut(rig, torn, end, bad=[NEW])
    print(f"{cuts} cuts, {torn}")
    assert cuts > 60


def test_a_release_that_dies_is_tried_three_times_and_never_again(rig: Rig) -> None:
    told = rig.call("story", NEW, bad=[NEW])
    assert told["ran"] == [HOME, NEW, NEW, NEW, HOME]
    assert told["rejected"] == NEW
    # It lies where the release before the running one was: nothing may go back there.
    assert told["previous"] == 0


def test_a_release_that_never_reaches_the_network_is_rejected_by_one_that_does(rig: Rig) -> None:
    told = rig.call("story", NEW, unreachable=[NEW])
    assert told["ran"] == [HOME, NEW, NEW, NEW, HOME]
    assert told["rejected"] == NEW


def test_a_download_holds_no_more_memory_than_was_promised(rig: Rig) -> None:
    held, ran = rig.call("memory")
    print(f"{held} bytes held")
    assert ran == [HOME, NEW]
    assert held < 16 * 1024  # here, where objects are twice as large as on a board


def test_a_mistake_of_ours_in_a_look_is_named_and_costs_no_duty(rig: Rig) -> None:
    # The rig fails if the updater ends.
    assert rig.call("blunder") == [[HOME], "internal-error"]
