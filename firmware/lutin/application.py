"""The owner's program beside the firmware: `async def main(imp)` of the package `app` in the slot."""

import asyncio
import sys

from micropython import const

_WELL = const(60000)  # ms without a crash, after which it counts as running
_CRASHES = const(5)  # within _SPAN: it is left out from then on
_SPAN = const(600000)
_PAUSE = const(1000)  # ms before it is started again, doubled each time


class Imp:
    """What the application is handed."""

    def __init__(self, log):
        self._log = log

    def log(self, text):
        """A line in the device's log."""
        self._log.info("app: %s" % text)


class Application:
    """Runs it, starts it again when it crashes, and goes on without it when it crashes too often."""

    def __init__(self, load, uptime, log, stopped):
        # load(): its main, None where there is no application; what it raises is a crash.
        # stopped(): called when it is given up.
        self._load = load
        self._uptime = uptime
        self._log = log
        self._stopped = stopped
        self._since = None  # when it was started, None: it does not run
        self._crashes = []  # ms
        self.there = False
        self.given_up = False

    def well(self):
        """Whether it has run for a minute, or is not there."""
        if not self.there:
            return True
        return self._since is not None and self._uptime() - self._since >= _WELL

    async def run(self):
        """Run it, for ever."""
        while not self.given_up:
            try:
                self.there = True  # until it is known: to load it may crash
                main = self._load()
                if main is None:
                    self.there = False
                    break
                self._since = self._uptime()
                await main(Imp(self._log))
                self._log.info("app: has ended")
                break
            except Exception as e:  # whatever an owner's program may raise
                sys.print_exception(e)
                self._since = None
                await self._crashed(e)
        await asyncio.Event().wait()  # a duty does not end

    async def _crashed(self, error):
        """Count it; wait, or give up."""
        now = self._uptime()
        self._crashes = [at for at in self._crashes if now - at < _SPAN]
        self._crashes.append(now)
        count = len(self._crashes)
        self._log.error("app: %r, time %d" % (error, count))
        if count >= _CRASHES:
            self._log.error("app: given up until the next start")
            self.given_up = True
            self._stopped()
            return
        await asyncio.sleep_ms(_PAUSE << count - 1)
