"""One look for a release, in steps: ask the server, read what came, install it.

It is in memory only while it lasts. Each step brings its own modules, and where memory is short those
of the step before have left by then: so nothing of theirs is kept here, no object, class or function.
"""

import asyncio
import os

from ..rooms import leave
from ..states import Failure
from .record import INCOMING, release_path, remove

_LIST = "/incoming.list"


class Look:
    """What an Updater has done once in a while; what came of it is in the updater's own attributes."""

    def __init__(self, updater):
        self.updater = updater
        self._fetcher = None

    async def run(self):
        """Whatever there is to do."""
        up = self.updater
        path, etag = await self._ask()
        if path is None:
            self._reached("", 0)
            return
        from .offer import Listing

        # Of the release that runs nothing is to be fetched.
        listing = None if path == release_path(up.slot) else Listing(_LIST)
        try:
            release = await self.read(path, up.keys, listing)
            if etag is not None:
                os.rename(path, INCOMING)
                up.policy.etag = etag
                up.policy.etag_number = release.number
            up.reached = True
            up.offered = release.number
            await self._follow(release, listing)
        finally:
            remove(_LIST)

    async def _ask(self):
        from .ask import ask

        return await ask(self)

    async def read(self, path, keys, listing):
        """The release in this file, signed with one of keys, None: any; its files go into listing."""
        await self._step()
        from .own import PRODUCT, read

        board = self.updater.board.name()
        try:
            if listing is None:
                return await read(path, keys, PRODUCT, board)
            with listing:
                return await read(path, keys, PRODUCT, board, listing)
        finally:
            read = None  # it would keep the room
            leave("update", "look", "offer")

    async def _follow(self, release, listing):
        """Do what the release asks for."""
        up = self.updater
        if up.trial.record.suspect:
            from .own import judge

            await judge(self)
        record = up.trial.record
        number = release.number
        if number == up.number:
            up.log.info("update: release %d is the latest" % number)
        elif number == record.rejected:
            up.log.info("update: release %d was rejected before" % number)
        elif record.trial:
            up.log.info("update: release %d must wait for the trial's end" % number)
        else:
            from .offer import allow

            allow(release, up.board.now(), up.number, record.highest, record.rejected, record.floor)
            if up.elsewhere:
                up.log.info("update: release %d is for a life of its own" % number)
                up.armed, up.errand = number, True
                return
            await self._step()
            from .download import install

            await install(self, release, listing)
            return
        self._reached(up.policy.etag, number)

    def _reached(self, etag, number):
        """The server has answered, and there is nothing to be fetched."""
        up = self.updater
        up.reached = True
        up.policy.succeeded(etag, number)
        up.settle()

    async def _step(self):
        """What only the last step needed leaves."""
        self._fetcher = None
        for _ in range(2):  # what was cancelled ends, and lets go
            await asyncio.sleep_ms(0)
        leave("update", "look", "offer")
        leave("net")
        leave("secure")

    async def get(self, name, sink, most, **more):
        """A request to the server; see Fetcher.get()."""
        up = self.updater
        if up.settings is None:
            raise Failure("connection-lost")
        if self._fetcher is None:
            self._fetcher = up.new_fetcher()
        more["ca"] = up.settings.ca or None
        return await self._fetcher.get(
            up.url + name, sink, most, proxy=up.proxy, before=self._count, say=self._stage, **more
        )

    def _count(self):
        """Before each request."""
        if not self.updater.policy.before_request():
            raise Failure("asked-enough")

    def _stage(self, state, host):
        if not self.updater.settled:
            self.updater.say(state, host)
