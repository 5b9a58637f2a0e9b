"""The owner's program beside the firmware: `async def main(imp)` of the package `app`.

It is started again when it crashes, and left out for a day when it crashes too often. Restarts of the
board that it may have caused are counted by update/start.py, in the boot record.
"""

import asyncio
import gc
import sys

from micropython import const

_WELL = const(60000)  # ms without a crash, after which it counts as running
_CRASHES = const(5)  # within _SPAN: it is left out from then on
_SPAN = const(600000)
_PAUSE = const(1000)  # ms before it is started again, doubled each time
_DAY = const(86400000)  # ms for which it is left out
_LOW = const(4096)  # bytes free: the device itself would be next
_ANSWER = const(5000)  # ms that it has to say whether a restart suits it


class Application:
    """Runs it, and goes on without it."""

    def __init__(self, load, imp, uptime, log, changed, trial):
        # load(): (main, place) of the application, None where there is none; what it raises is a crash.
        # imp(tasks): what main is handed. changed(): called when it is given up or taken back.
        # trial: what is counted against it (update/trial.py).
        self._load = load
        self._make_imp = imp
        self._uptime = uptime
        self._log = log
        self._changed = changed
        self._trial = trial
        self._imp = None  # of the application that runs
        self._tasks = None
        self._main = None  # its task
        self._since = None  # when it was started, None: it does not run
        self._waits = "starting"  # for what, while it does not run
        self._crashes = []  # ms
        self._error = None  # the last one, for people
        self._place = None  # the slot that it is from, or "deployed"
        self.there = False
        self.given_up = False

    def well(self):
        """Whether it has run for a minute, or is not there."""
        if not self.there or self._on_trial():
            return True
        return self._since is not None and self._uptime() - self._since >= _WELL

    def state(self):
        """A word: none, starting, waiting, running, ended, crashed, stopped."""
        if not self.there:
            return "none"
        if self._since is None:
            return "stopped" if self.given_up else self._waits
        ended = self._main and self._main.done() and self._imp and not self._imp.busy()
        return "ended" if ended else "running"

    def report(self):
        """What can be asked beside that."""
        return {
            "from": self._place,
            "crashes": len(self._crashes),
            "restarts": self._trial.record.strikes,
            "error": self._error,
            "since": None if self._since is None else self._since // 1000,
        }

    def joined(self, value):
        """The network is there, or gone."""
        if self._imp:
            self._imp.joined(value)

    def look(self):
        """Now and then: an application that has taken nearly all memory goes before the device does."""
        if self._tasks and gc.mem_free() < _LOW:
            gc.collect()
            if gc.mem_free() < _LOW:
                self._tasks.fail(MemoryError("%d bytes left" % gc.mem_free()))

    async def ready(self, number):
        """The seconds for which it wants the restart into a release put off; 0: it does not mind."""
        return await self._imp.ready(number, _ANSWER) if self._imp else 0

    async def run(self):
        """Run it, for ever."""
        self.there = True  # until it is known: to find it may fail
        while True:
            try:
                found = self._load()
                if found is None:
                    self.there = False
                    break
                self._place, bring = found
                await self._hold()
                error = await self._live(bring)
            except (asyncio.CancelledError, KeyboardInterrupt):
                raise
            except BaseException as e:  # whatever an owner's program may raise
                error = e
            await self._crashed(error)
        await asyncio.Event().wait()  # a duty does not end

    async def _hold(self):
        """Wait for what comes first: a day without it, the end of a release's trial, a minute of BlinkUp."""
        trial = self._trial
        if trial.left_out() and not self.given_up:
            self._error = "the board has restarted %d times while it ran" % trial.record.strikes
            self._give_up()
        if self.given_up:
            await asyncio.sleep_ms(_DAY)
            self._take_back()
        self._waits = "waiting"
        while self._on_trial():
            await asyncio.sleep_ms(1000)
        if trial.record.strikes:
            await asyncio.sleep_ms(max(0, _WELL - self._uptime()))
        self._waits = "starting"

    def _on_trial(self):
        # What was deployed by hand must not make a good release fail.
        return self._place == "deployed" and self._trial.on_trial()

    async def _live(self, bring):
        """From its import to its crash, which is what is returned."""
        from .tasks import Tasks  # no memory for it where there is no application

        main = bring()
        self._tasks = tasks = Tasks(self._uptime)
        try:
            self._imp = self._make_imp(tasks)
            self._log.info("app: started, from %s" % self._place)
            self._since = self._uptime()
            self._main = tasks.call(self._run_main, main)
            await tasks.over.wait()
        finally:
            self._since = None
            if self._imp:
                self._imp.close()
            await tasks.end()
            self._imp = self._tasks = self._main = None
        return tasks.error

    async def _run_main(self, main):
        await main(self._imp)
        self._log.info("app: main has ended")  # what it has left behind goes on: handlers, timers

    async def _crashed(self, error):
        """Count it; wait, or give up."""
        now = self._uptime()
        self._crashes = [at for at in self._crashes if now - at < _SPAN]
        self._crashes.append(now)
        count = len(self._crashes)
        self._error = _describe(error)
        self._log.error("app: %s, time %d" % (self._error, count))
        gc.collect()
        if count >= _CRASHES:
            self._give_up()
            return
        self._waits = "crashed"
        await asyncio.sleep_ms(_PAUSE << count - 1)

    def _give_up(self):
        self._log.error("app: left out for a day, or until another one is deployed")
        self.given_up = True
        self._changed()

    def _take_back(self):
        self._log.info("app: gets another chance")
        self.given_up = False
        self._crashes.clear()
        self._trial.pardon()
        self._changed()


def _describe(error):
    """In a few words, and whole on the console; a class of an application may have a repr that fails."""
    try:
        sys.print_exception(error)
        return repr(error)[:100]
    except Exception:  # whatever an owner's class may raise
        return type(error).__name__
