"""Brings what a release lists into a slot, as far as it is not there yet."""

from . import release as releases
from .base import PIECE, Base
from .failure import Failure


class Download:
    """From blobs on a server to files in a slot, and pieces in an OTA partition."""

    def __init__(self, slots, board, get, fruitful, log):
        # get(name, sink, most, …): a request. fruitful(): one was worth it.
        self._slots = slots
        self._board = board
        self._get = get
        self._fruitful = fruitful
        self._log = log
        self.progress = []  # bytes here, bytes in all, plain; empty: no download

    async def run(self, release, target, running):
        """Everything of the release at INCOMING; target, running: slots. The base to go to, 0: none."""
        slots = self._slots
        slots.begin(target)
        await slots.tidy(target, self._files, self._pieces)
        base = release.base
        if base and await self._runs(base):
            base = None
        self.progress = [0, release.size + (base.length if base else 0)]
        missing, need = await self._missing(release, target, running)
        slots.room(need, PIECE if base else 0)
        for index, entry in enumerate(self._files()):
            if missing[index // 8] & 1 << index % 8:
                await slots.finish(target, entry, await self._blob(entry[2], entry[1]))
                self._fruitful()
                self.progress[0] += entry[1]
        return await self._bring_base(base) if base else 0

    def end(self):
        """There is no download, or no more."""
        self.progress = []

    def _files(self):
        return releases.files(self._slots.INCOMING)

    def _pieces(self):
        return releases.pieces(self._slots.INCOMING)

    async def _missing(self, release, target, running):
        """(a bit for each file that must be fetched, their bytes)"""
        missing = bytearray((release.count + 7) // 8)
        need = 0
        for index, entry in enumerate(self._files()):
            if await self._slots.have(target, running, entry):
                self.progress[0] += entry[1]
            else:
                missing[index // 8] |= 1 << index % 8
                need += entry[1]
        return missing, need

    async def _runs(self, base):
        """Whether this base is the one that runs."""
        try:
            await Base(self._board.this_base(), base, self._slots, self._log).verify()
            return True
        except Failure:
            return False

    async def _bring_base(self, base):
        number, partition = self._board.next_base()
        if partition is None:
            raise Failure("no-ota-partition")
        image = Base(partition, base, self._slots, self._log)
        for piece in self._pieces():
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
