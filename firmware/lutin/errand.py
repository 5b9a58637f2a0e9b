"""A look for a release in a life of its own, on a board whose memory is too small for it beside all the rest.

Light, network and log are there; BlinkUp, broker and application wait for the restart that follows.
"""

import asyncio
import random

from micropython import const

from . import states
from .doors import NoApplication, fetcher, slots
from .led import Led
from .log import Log
from .settings import Keeper, SettingsError
from .states import Failure
from .store import DONE, ERRAND, Store, StoreError
from .update.policy import Policy
from .update.trial import Trial
from .update.updater import Updater
from .uptime import Uptime
from .wifi import Wifi

_WATCHDOG = const(30000)  # ms
_TICK = const(1000)  # ms
_JOIN = const(120)  # s to join the network
_MOST = const(1200)  # s in all; what has come until then is not lost


def _never():
    return 0


class Errand:
    """One board, for minutes. As Device."""

    def __init__(self, board, clock, new_socket, resolve, slot):
        self._board = board
        self._net = resolve, new_socket, clock
        self._uptime = uptime = Uptime(clock)
        self.log = log = Log(uptime, print, 16, 160, 1024)
        self._led = Led(board.status_led())
        self._led.open(True, None)
        self._watchdog = board.watchdog(_WATCHDOG)
        self._store = Store(board.settings_flash(), log)
        self._keeper = Keeper(self._store)
        self._joined = False
        self._wifi = Wifi(board.station(), uptime, log, self._on_wifi)
        self._trial = trial = Trial(board, self._store, log)
        self._policy = Policy(self._store, uptime, log, random.random, board.now)
        app = NoApplication(trial)
        more = uptime, log, self._on_update, _never, app, self._alone, False
        self._updater = Updater(
            board, slot, trial, self._policy, lambda: fetcher(self._net, log), lambda: slots(log), *more
        )

    async def run(self):
        """Look, and restart."""
        self.log.info("start: for an update alone")
        tasks = []
        try:
            self._keeper.load()
            self._wifi.use(self._keeper.now)
            look = asyncio.create_task(self._updater.once())
            tasks = [look, asyncio.create_task(self._led.run()), asyncio.create_task(self._wifi.run())]
            while not look.done() and self._uptime() < (_MOST if self._joined else _JOIN) * 1000:
                self._watchdog.feed()
                await asyncio.sleep_ms(_TICK)
            if not look.done():
                self._policy.failed(self._late())
            elif not self._policy.name and not self._updater.armed:
                # Of a new release this would say that it has reached the server, which it must do itself.
                self._store.save(ERRAND, DONE)
        except (SettingsError, StoreError) as e:
            self.log.error("update: %s" % e)
        for task in tasks:
            task.cancel()
        self.log.info("restart")
        self._trial.expect()
        self._board.reset()

    def _late(self):
        return Failure("timed-out", "too slow") if self._joined else Failure("connection-lost")

    def _on_wifi(self, state, detail):
        joined = state == states.CONNECTED
        if joined != self._joined:
            self._joined = joined
            ssid = self._wifi.report()["ssid"]
            proxy = next((one.proxy for one in self._keeper.now.networks if one.ssid == ssid), None)
            self._updater.use(self._keeper.now if joined else None, proxy)
        if not joined:
            self._led.show(state)

    def _on_update(self, state, detail):
        self.log.info("state: %s%s" % (states.name(state), " (%s)" % detail if detail else ""))
        self._led.show(state)

    async def _alone(self, begins):
        """It is alone."""
