"""One look for a release after the other: fetched, verified, downloaded, armed; and the trial's end."""

import asyncio
import os
import sys

from micropython import const

from .. import states
from . import release as releases
from .download import Download
from .failure import Failure, state_of

_PRODUCT = "lutin"
_MOST = const(65536)  # of release.json
_WHILE = const(600000)  # ms; as long as a boot on trial lasts
_PROOF = const(60000)  # ms that a release must have run before it is confirmed
_TICK = const(1000)  # ms
_OFF_ONCE = const(3600000)  # ms for which the application may put a restart off,
_OFF_IN_ALL = const(86400000)  # and as often as it likes, as long as it is no more than this


class Updater:
    """Keeps this device on the release that its owner's server offers."""

    def __init__(self, board, slot, trial, policy, fetcher, slots, uptime, log, say, restart, well, ready):
        # slot: that runs, None: not from a release. say(state, detail). restart(): an orderly one.
        # well(): whether the application, if there is one, has run for a minute.
        # ready(number): the seconds for which it wants the restart into that release put off.
        self._board = board
        self._slot = slot
        self._policy = policy
        self._fetcher = fetcher
        self._slots = slots
        self._uptime = uptime
        self._log = log
        self._say = say
        self._restart = restart
        self._well = well
        self._ready = ready
        self._trial = trial
        self._download = Download(slots, board, self._get, policy.fruitful, log)
        self._keys = None  # that are trusted; None: this device takes no releases
        self._number = 0  # of the release that runs
        self._version = ""
        self._oldest = 0
        self._offers = []  # [slot, number, version], for people
        self._settings = None  # with the server to ask; None: nobody
        self._url = ""
        self._proxy = None
        self._renewed = asyncio.Event()
        self._settled = False  # the light has had this connection's result
        self._reached = False  # since start
        self._timeless = False  # and that has been said
        self._offered = 0  # the number that the server showed last
        self._armed = 0  # the number that the restart is for, 0: none
        self._off_until = 0  # ms, until when that is put off

    def use(self, settings, proxy=None):
        """Ask this server from now on; None: nobody, there is no network or no server."""
        self._settings = settings
        self._url = settings.server.rstrip("/") + "/" if settings else ""
        self._proxy = proxy
        self._settled = False
        self._renewed.set()

    def tell(self):
        """Somebody wants a look now."""
        self._policy.tell()
        self._renewed.set()

    def forget(self):
        """The server is another one from now on."""
        self._policy.forget()

    async def run(self):
        """Look, for ever."""
        await self._read_own()
        while True:
            self._renewed.clear()
            self._end_trial()
            busy = self._trial.pending() or self._trial.marked()
            if not self._url:
                await self._rest(_TICK if busy else None)
                continue
            wait = self._policy.wait(self._trial.pending() and not self._reached and not self._settled)
            if not wait:
                await self._look()
                if self._armed:
                    await self._depart()
                continue
            if not self._settled:
                self._settle()
            await self._rest(min(wait, _TICK) if busy else wait)

    def report(self):
        """All that can be asked about releases."""
        report = self._trial.report()
        report["slot"] = self._slot
        report["number"] = self._number
        report["version"] = self._version
        report["offered"] = self._offered or None
        report["slots"] = self._offers
        report["failure"] = self._policy.report()
        report["next"] = self._policy.wait() // 1000 if self._url else None
        report["progress"] = self._download.progress or None
        report["put_off"] = max(0, self._off_until - self._uptime()) // 1000 if self._off_until else None
        return report

    def _end_trial(self):
        """Confirm what has proved itself; acquit what this release could not do better."""
        trial = self._trial
        try:
            if self._reached and trial.record.trial and self._uptime() > _PROOF and self._well():
                trial.confirm(self._oldest)
                if self._offered > self._number:
                    self._policy.tell()
                self._settle()
            elif self._uptime() < _WHILE:
                return
            elif trial.record.suspect:
                trial.acquit()
            elif trial.marked() and not trial.record.trial:
                trial.forgive()
        except Failure as e:
            # Not kept, so not so: the deadline stands, and the release before this one comes back.
            self._log.error("update: %s" % e)
            self._reached = False
            trial.record.suspect = trial.record.crashes = trial.record.strikes = 0  # until the next start

    async def _look(self):
        self._policy.begin()
        try:
            self._ask_time()
            await self._follow(await self._envelope())
        except Failure as e:
            self._fail(e)
        except MemoryError:
            self._fail(Failure("out-of-memory"))
        except OSError as e:
            self._fail(Failure("flash-error", "error %s" % (e.args[0] if e.args else "unknown")))
        except Exception as e:
            # A mistake of ours. As a dead duty it would restart the board at each look, for as long
            # as the server says what brings it out.
            sys.print_exception(e)
            self._fail(Failure("internal-error", repr(e)[:60]))
        finally:
            self._download.end()

    def _ask_time(self):
        """Once it is known, the clock goes on by itself."""
        if self._board.now() is None and not self._board.ask_time() and not self._timeless:
            self._timeless = True
            self._log.info("update: no time from SNTP, so expiry is not checked")

    async def _envelope(self):
        """The verified release that the server offers; None on a device that takes none."""
        policy = self._policy
        incoming = self._slots.INCOMING
        if self._keys is None:
            await self._get("release.json", _Nothing(), _MOST)
            return None
        have = _exists(incoming)
        etag = None
        # On trial a 304 proves nothing: anybody can say it.
        if not self._trial.pending() and (have or policy.etag_number == self._number):
            etag = policy.etag
        sink = _File(incoming + ".new")
        try:
            answer = await self._get("release.json", sink, _MOST, etag=etag)
        finally:
            sink.close()
        if answer.status == 304:
            return await self._read(incoming if have else self._slots.release_path(self._slot))
        release = await self._read(incoming + ".new")
        os.rename(incoming + ".new", incoming)
        policy.etag = answer.etag or ""
        policy.etag_number = release.number
        return release

    async def _follow(self, release):
        """Do what the release asks for."""
        self._reached = True
        record = self._trial.record
        if release is None:
            self._policy.succeeded("", 0)
            self._settle()
            return
        self._offered = release.number
        if record.suspect:
            await self._trial.judge(self._slots, _PRODUCT)
            record = self._trial.record
        if release.number == self._number:
            self._log.info("update: release %d is the latest" % release.number)
        elif release.number == record.rejected:
            self._log.info("update: release %d was rejected before" % release.number)
        elif record.trial:
            self._log.info("update: release %d must wait for the trial's end" % release.number)
        else:
            now = self._board.now()
            releases.allow(release, now, self._number, record.highest, record.rejected, record.floor)
            await self._install(release)
            return
        self._policy.succeeded(self._policy.etag, release.number)
        self._settle()

    async def _install(self, release):
        """Bring everything into the slot that does not run, verify it from flash, arm the trial."""
        slots = self._slots
        target = "b" if self._slot == "a" else "a"
        self._trial.claim(target)
        self._settled = True  # from here on the light is the download's
        self._say(states.DOWNLOADING, "release %d" % release.number)
        base = await self._download.run(release, target, self._slot)
        self._say(states.INSTALLING, "release %d" % release.number)
        if not await slots.whole(target, lambda: releases.files(slots.INCOMING)):
            raise Failure("flash-error", "a file is not what it was")
        slots.seal(target)
        self._policy.succeeded(self._policy.etag, release.number)
        self._trial.arm(target, release.number, base)
        self._log.info("update: release %d is on trial after the restart" % release.number)
        self._armed = release.number

    async def _depart(self):
        """Restart into what was installed; the application may put that off, but not for ever."""
        left = _OFF_IN_ALL
        await asyncio.sleep_ms(2 * _TICK)  # the light has something to say
        while left:
            wanted = await self._ready(self._armed)
            if not wanted:
                break
            # At least a second: an application that is asked without end would never let go.
            off = max(_TICK, int(min(wanted * 1000, _OFF_ONCE, left)))
            left = max(0, left - off)
            self._off_until = self._uptime() + off
            self._settled = False
            self._log.info("update: the application puts the restart off for %d s" % (off // 1000))
            while self._uptime() < self._off_until:
                if self._url and not self._settled:
                    self._settled = True
                    self._say(states.UPDATE_WAITING, "release %d" % self._armed)
                self._renewed.clear()
                await self._rest(min(self._off_until - self._uptime(), 60 * _TICK))
        self._restart()
        await asyncio.sleep_ms(60 * _TICK)

    async def _get(self, name, sink, most, **more):
        settings = self._settings
        if settings is None:
            raise Failure("connection-lost")
        return await self._fetcher.get(
            self._url + name,
            sink,
            most,
            ca=settings.ca or None,
            proxy=self._proxy,
            before=self._count,
            say=self._stage,
            **more,
        )

    def _read(self, path):
        return releases.read(path, self._keys, _PRODUCT, self._board.name())

    def _count(self):
        """Before each request."""
        if not self._policy.before_request():
            raise Failure("asked-enough")

    def _stage(self, state, host):
        if not self._settled:
            self._say(state, host)

    def _settle(self):
        """Say what this connection has come to."""
        self._settled = True
        policy = self._policy
        failed = self._trial.failed()
        if policy.name:
            self._say(state_of(policy.name), str(Failure(policy.name, policy.detail)))
        elif self._keys and failed > self._number:
            self._say(states.ROLLED_BACK, "release %d failed" % failed)
        else:
            self._say(states.CONNECTED, "")

    def _fail(self, failure):
        if self._settings is None:
            return  # the network went, which has a light of its own
        if failure.name == "asked-enough" and self._policy.name:
            self._policy.postpone()  # and what failed before stays what is shown
        else:
            self._policy.failed(failure)
        self._settle()

    async def _rest(self, ms):
        """Until something changes, or ms have passed."""
        try:
            await (asyncio.wait_for_ms(self._renewed.wait(), ms) if ms else self._renewed.wait())
        except asyncio.TimeoutError:
            pass

    async def _read_own(self):
        """Which releases are here, which one runs, and whose keys it trusts."""
        for slot in self._slots.slots() if self._slot else ():
            try:
                path = self._slots.release_path(slot)
                one = await releases.read(path, None, _PRODUCT, self._board.name())
            except Failure as e:
                self._log.error("update: the release of slot %s cannot be read: %s" % (slot, e))
                continue
            self._offers.append({"slot": slot, "number": one.number, "version": one.version})
            if slot == self._slot:
                self._keys, self._number = one.keys, one.number
                self._version, self._oldest = one.version, one.oldest
            elif slot == "factory" and self._keys is None:
                self._keys = one.keys  # better these than no update ever again
                self._number = self._trial.record.home_number
        if self._slot is None:
            self._log.info("update: not from a release, so none is taken")
        else:
            self._log.info("release %d (%s) in slot %s" % (self._number, self._version, self._slot))


class _Nothing:
    """A sink for what is not wanted."""

    def begin(self, start):
        """A body begins."""

    def write(self, view):
        """A part of it."""


class _File:
    """A sink that makes its file when something comes."""

    def __init__(self, path):
        self._path = path
        self._file = None

    def begin(self, start):
        """A body begins."""
        self.close()
        self._file = open(self._path, "wb")  # noqa: SIM115 (until the body has ended)

    def write(self, view):
        """A part of it."""
        if self._file:
            self._file.write(view)

    def close(self):
        """What came is on flash."""
        if self._file:
            self._file.close()
            self._file = None


def _exists(path):
    try:
        os.stat(path)
        return True
    except OSError:
        return False
