"""The last step of a look: what a release lists, as far as it is not there, goes into the other slot."""

from .. import states
from ..states import Failure
from .offer import PIECE


async def install(look, release, listing):
    """Fetch what is missing, verify all of it from flash, arm the trial."""
    up = look.updater
    slots = up.new_slots()
    target = "b" if up.slot == "a" else "a"
    up.trial.claim(target)
    up.settled = True  # from here on the light is the download's
    up.say(states.DOWNLOADING, "release %d" % release.number)
    download = Download(slots, up.board, look.get, up.policy.fruitful, up.log)
    up.progress = download.progress
    base = await download.run(release, listing, target, up.slot)
    up.say(states.INSTALLING, "release %d" % release.number)
    if not await slots.whole(target, listing.files):
        raise Failure("flash-error", "a file is not what it was")
    slots.seal(target)
    up.policy.succeeded(up.policy.etag, release.number)
    up.trial.arm(target, release.number, base)
    up.log.info("update: release %d is on trial after the restart" % release.number)
    up.armed = release.number


class Download:
    """From blobs on a server to files in a slot, and pieces in an OTA partition."""

    def __init__(self, slots, board, get, fruitful, log):
        # get(name, sink, most, …): a request. fruitful(): one was worth it.
        self._slots = slots
        self._board = board
        self._get = get
        self._fruitful = fruitful
        self._log = log
        self.progress = []  # bytes here, bytes in all, plain; empty: it has not begun

    async def run(self, release, listing, target, running):
        """Everything that the release lists; target, running: slots. The base to go to, 0: none."""
        slots = self._slots
        slots.begin(target)
        await slots.tidy(target, listing.files, listing.pieces)
        base = release.base
        if base and await self._runs(base):
            base = None
        self.progress[:] = 0, release.size + (base.length if base else 0)
        missing, need = await self._missing(release, listing, target, running)
        slots.room(need, PIECE if base else 0)
        for index, entry in enumerate(listing.files()):
            if missing[index // 8] & 1 << index % 8:
                await slots.finish(target, entry, await self._blob(entry[2], entry[1]))
                self._fruitful()
                self.progress[0] += entry[1]
        return await self._bring_base(base, listing) if base else 0

    async def _missing(self, release, listing, target, running):
        """(a bit for each file that must be fetched, their bytes)"""
        missing = bytearray((release.count + 7) // 8)
        need = 0
        for index, entry in enumerate(listing.files()):
            if await self._slots.have(target, running, entry):
                self.progress[0] += entry[1]
            else:
                missing[index // 8] |= 1 << index % 8
                need += entry[1]
        return missing, need

    async def _runs(self, base):
        """Whether this base is the one that runs."""
        from .base import Base  # no memory for it where the release has none

        try:
            await Base(self._board.this_base(), base, self._slots, self._log).verify()
            return True
        except Failure:
            return False

    async def _bring_base(self, base, listing):
        from .base import Base

        number, partition = self._board.next_base()
        if partition is None:
            raise Failure("no-ota-partition")
        image = Base(partition, base, self._slots, self._log)
        for piece in listing.pieces():
            if not await image.have(piece):
                await image.write(piece, await self._blob(piece[2], piece[1]))
                self._fruitful()
            self.progress[0] += piece[1]
        await image.verify()
        self._log.info("update: base %s is ready" % base.version)
        return number

    async def _blob(self, digest, most):
        """Fetch what is not here of a blob; whether the answer looked like a page."""
        part = self._slots.part(digest)
        try:
            # Encoded only where that is smaller, so the plain length bounds both.
            answer = await self._get("blobs/" + digest.hex(), part, most, offset=part.length, page=False)
            return answer.page
        finally:
            part.close()
