"""Reading releases: which one runs here, whose keys it trusts, and whether one that failed is whole."""

import asyncio

from ..states import Failure
from .envelope import Envelope
from .offer import PRODUCT, Listing, Release
from .record import release_path, remove, whole

_LIST = "/suspect.list"


async def read(path, keys, product, board, keep=None):
    """The Release in this file, if all is in order and one of keys has signed it; None: whoever did.

    keep: a Listing, which gets its files and the pieces of its base.
    """
    try:
        with open(path, "rb") as file:
            envelope = Envelope(file)
            await envelope.check()
            if keys is not None:
                await envelope.signed(keys)
            # Not before: whoever checks the signature needs memory in large pieces.
            from .release import entries

            release = Release()
            for entry in entries(envelope.inside(), release, product, board):
                if entry and keep:
                    keep.add(entry)
                await asyncio.sleep_ms(0)
            return release
    except OSError as e:
        raise Failure("flash-error", "error %s" % (e.args[0] if e.args else "unknown"))


async def read_own(up):
    """Into the Updater."""
    up.offers.clear()
    for slot in whole() if up.slot else ():
        try:
            one = await read(release_path(slot), None, PRODUCT, up.board.name())
        except Failure as e:
            up.log.error("update: the release of slot %s cannot be read: %s" % (slot, e))
            continue
        up.offers.append({"slot": slot, "number": one.number, "version": one.version})
        if slot == up.slot:
            up.keys, up.number = one.keys, one.number
            up.version, up.oldest = one.version, one.oldest
        elif slot == "factory" and up.keys is None:
            up.keys = one.keys  # better these than no update ever again
            up.number = up.trial.record.home_number
    if up.slot is None:
        up.log.info("update: not from a release, so none is taken")
    else:
        up.log.info("release %d (%s) in slot %s" % (up.number, up.version, up.slot))


async def judge(look):
    """A suspect that is whole is guilty; a slot that has rotted would have failed with any release in it."""
    up = look.updater
    guilty = False
    listing = Listing(_LIST)
    try:
        for slot in whole():
            try:
                other = await look.read(release_path(slot), None, listing)
                if other.number == up.trial.record.suspect:
                    guilty = await up.new_slots().whole(slot, listing.files)
            except Failure as e:
                up.log.warn("update: slot %s: %s" % (slot, e))
    finally:
        remove(_LIST)
    up.trial.judge(guilty)
