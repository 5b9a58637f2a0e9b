"""Has one look for a release after the other; ends the trial of the one that runs; restarts into the next."""

import asyncio
import sys

from micropython import const

from .. import states
from ..rooms import leave
from ..states import Failure
from ..store import StoreError
from .policy import state_of

_WHILE = const(600000)  # ms; as long as a boot on trial lasts
_PROOF = const(60000)  # ms that a release must have run before it is confirmed
_TICK = const(1000)  # ms
_OFF_ONCE = const(3600000)  # ms for which the application may put a restart off,
_OFF_IN_ALL = const(86400000)  # and as often as it likes, as long as it is no more than this

_NO_MEMORY = Failure("out-of-memory")  # made while there is some


class Updater:
    """Keeps this device on the release that its owner's server offers."""

    def __init__(
        self,
        board,
        slot,
        trial,
        policy,
        fetcher,
        slots,
        uptime,
        log,
        say,
        restart,
        app,
        alone,
        elsewhere=False,
    ):
        # slot: that runs, None: not from a release. fetcher(), slots(): a Fetcher, Slots; they load them.
        # say(state, detail). restart(): an orderly one. app: the Application.
        # alone(bool): coroutine; a look begins, for which there must be memory, or it has ended.
        # elsewhere: there is no memory to install anything here, but in a life of its own (errand.py).
        # What has no underline a look reads and changes (look.py).
        self.board = board
        self.slot = slot
        self.trial = trial
        self.policy = policy
        self.new_fetcher = fetcher
        self.new_slots = slots
        self.log = log
        self.say = say
        self.keys = None  # that are trusted; None: this device takes no releases
        self.number = 0  # of the release that runs
        self.version = ""
        self.oldest = 0
        self.offers = []  # slot, number, version of the releases that are here, for people
        self.settings = None  # with the server to ask; None: nobody
        self.url = ""
        self.proxy = None
        self.begun = False  # it is known which releases are here
        self.settled = False  # the light has had this connection's result
        self.reached = policy.looked  # since start, or in the life for a look before it
        self.timeless = False  # and that has been said
        self.offered = 0  # the number that the server showed last
        self.armed = 0  # the number that the restart is for, 0: none
        self.elsewhere = elsewhere
        self.errand = False  # the restart is for a look alone
        self.progress = None  # of a download: [bytes here, in all]
        self._uptime = uptime
        self._restart = restart
        self._app = app
        self._alone = alone
        self._renewed = asyncio.Event()
        self._looking = None  # the task
        self._giving_way = False
        self._off_until = 0  # ms, until when the restart is put off

    def use(self, settings, proxy=None):
        """Ask this server from now on; None: nobody, there is no network or no server."""
        self.settings = settings
        self.url = settings.server.rstrip("/") + "/" if settings else ""
        self.proxy = proxy
        self.settled = False
        self._renewed.set()

    def tell(self):
        """Somebody wants a look now."""
        self.policy.tell()
        self._renewed.set()

    def forget(self):
        """The server is another one from now on."""
        self.policy.forget()

    async def once(self):
        """One look, in a life of its own."""
        await self._begin()
        while not self.url:
            await self._rest(None)
            self._renewed.clear()
        await self._look()

    async def run(self):
        """Look, for ever."""
        await self._begin()
        while True:
            self._renewed.clear()
            self._end_trial()
            busy = self.trial.pending() or self.trial.marked()
            if not self.url:
                await self._rest(_TICK if busy else None)
                continue
            wait = self.policy.wait(self.trial.pending() and not self.reached and not self.settled)
            if not wait:
                await self._look()
                if self.armed or self.errand:
                    await self._depart()
                continue
            if not self.settled:
                self.settle()
            await self._rest(min(wait, _TICK) if busy else wait)

    async def _begin(self):
        while not self.begun:
            try:
                from .own import read_own

                await read_own(self)
                self.begun = True
            except MemoryError:  # BlinkUp has it, for a while
                await asyncio.sleep_ms(_TICK)
            read_own = None  # it would keep the room
            self._leave()

    def report(self):
        """All that can be asked about releases."""
        report = self.trial.report()
        report["slot"] = self.slot
        report["number"] = self.number
        report["version"] = self.version
        report["offered"] = self.offered or None
        report["slots"] = self.offers
        report["failure"] = self.policy.report()
        report["next"] = self.policy.wait() // 1000 if self.url else None
        report["progress"] = self.progress or None
        report["put_off"] = max(0, self._off_until - self._uptime()) // 1000 if self._off_until else None
        return report

    def _end_trial(self):
        """Confirm what has proved itself; acquit what this release could not do better."""
        trial = self.trial
        try:
            if self.reached and trial.record.trial and self._uptime() > _PROOF and self._app.well():
                trial.confirm(self.oldest)
                if self.offered > self.number:
                    self.policy.tell()
                self.settle()
            elif self._uptime() < _WHILE:
                return
            elif trial.record.suspect:
                trial.acquit()
            elif trial.marked() and not trial.record.trial:
                trial.forgive()
        except Failure as e:
            # Not kept, so not so: the deadline stands, and the release before this one comes back.
            self.log.error("update: %s" % e)
            self.reached = False
            trial.record.suspect = trial.record.crashes = trial.record.strikes = 0  # until the next start

    async def give_way(self):
        """Somebody needs the memory of a look more."""
        if self._looking:
            self._giving_way = True
            self._looking.cancel()
            while self._looking:
                await asyncio.sleep_ms(0)

    async def _look(self):
        self.policy.begin()
        failure = None
        try:
            await self._alone(True)
            from .look import Look

            self._looking = asyncio.create_task(Look(self).run())
            Look = None  # it would keep the room
            await self._looking
        except asyncio.CancelledError:
            if not self._giving_way:
                raise
            self._giving_way = False
            self.policy.postpone("gives way to BlinkUp")
        except Failure as e:
            failure = e
        except MemoryError:
            failure = _NO_MEMORY
        except OSError as e:
            failure = Failure("flash-error", "error %s" % (e.args[0] if e.args else "unknown"))
        except Exception as e:
            # A mistake of ours. As a dead duty it would restart the board at each look, for as long
            # as the server says what brings it out.
            sys.print_exception(e)
            failure = Failure("internal-error", repr(e)[:60])
        finally:
            self.progress = self._looking = None
            self._leave()
            await self._alone(False)
        if failure and failure.name == _NO_MEMORY.name and self.elsewhere:
            self.errand = True
            self.log.info("update: no memory for a look, so there is one in a life of its own")
            failure = None
        if self.errand and self.policy.enough():
            self.errand, self.armed = False, 0
            failure = Failure("asked-enough")
        if failure:
            self._fail(failure)

    def _leave(self):
        """What only a look needs goes."""
        leave("update")
        leave("net")
        leave("secure")

    async def _depart(self):
        """Restart into what was installed; the application may put that off, but not for ever."""
        left = _OFF_IN_ALL
        await asyncio.sleep_ms(2 * _TICK)  # the light has something to say
        while left:
            wanted = await self._app.ready(self.armed)
            if not wanted:
                break
            # At least a second: an application that is asked without end would never let go.
            off = max(_TICK, int(min(wanted * 1000, _OFF_ONCE, left)))
            left = max(0, left - off)
            self._off_until = self._uptime() + off
            self.settled = False
            self.log.info("update: the application puts the restart off for %d s" % (off // 1000))
            while self._uptime() < self._off_until:
                if self.url and not self.settled:
                    self.settled = True
                    self.say(states.UPDATE_WAITING, "release %d" % self.armed)
                self._renewed.clear()
                await self._rest(min(self._off_until - self._uptime(), 60 * _TICK))
        try:
            if self.errand:
                self.policy.order()
        except StoreError as e:
            self.log.error("update: no errand: %s" % e)
            self.errand, self.armed = False, 0
            return
        self._restart()
        await asyncio.sleep_ms(60 * _TICK)

    def settle(self):
        """Say what this connection has come to."""
        self.settled = True
        policy = self.policy
        failed = self.trial.failed()
        if policy.name:
            self.say(state_of(policy.name), str(Failure(policy.name, policy.detail)))
        elif self.keys and failed > self.number:
            self.say(states.ROLLED_BACK, "release %d failed" % failed)
        else:
            self.say(states.CONNECTED, "")

    def _fail(self, failure):
        if self.settings is None:
            return  # the network went, which has a light of its own
        if failure.name == "asked-enough" and self.policy.name:
            self.policy.postpone("asked enough for now")  # and what failed before stays what is shown
        else:
            self.policy.failed(failure)
        self.settle()

    async def _rest(self, ms):
        """Until something changes, or ms have passed."""
        try:
            await (asyncio.wait_for_ms(self._renewed.wait(), ms) if ms else self._renewed.wait())
        except asyncio.TimeoutError:
            pass
