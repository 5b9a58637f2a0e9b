"""The life of a device: what happens, in what order. It wires the rooms and owns no detail of theirs."""

import asyncio
import gc
import os
import random
import sys

from micropython import const

from . import states, store
from .application import Application
from .blinkup.listener import Listener
from .blinkup.receiver import Receiver
from .broker.broker import Broker
from .broker.commands import Commands
from .console import Console
from .led import Led
from .log import Log, show
from .net import Dialler
from .settings import Settings, SettingsError
from .update.fetch import Fetcher
from .update.policy import Policy
from .update.slots import Slots
from .update.trial import Trial
from .update.updater import Updater
from .uptime import Uptime
from .wifi import Wifi
from .window import Window

_TICK = const(1000)  # ms
_WATCHDOG = const(30000)  # ms; the longest single step is a scan or a slow name server
_REPEATS = const(30000)  # ms for which a sender may go on after it was understood
_FAILURES = (
    states.NO_NETWORK,
    states.WRONG_PASSWORD,
    states.REFUSED,
    states.NO_ADDRESS,
    states.NO_NAME,
    states.NO_SERVER,
    states.LANDING_PAGE,
    states.UPDATE_REFUSED,
    states.NO_BROKER,
    states.BROKER_REFUSED,
)
_OFF_THE_NET = (states.NO_SETTINGS, states.NOT_STORED, states.NO_MEMORY)


def no_application():
    """There is none."""


async def _find_broker(resolve, new_socket):
    """(address, port) of a broker in the local network, or None."""
    from .broker.mdns import Finder  # no memory for it where a broker is set

    return await Finder(resolve, new_socket, random.random).find()


class Device:
    """One board. `board` is the module of that name, `clock` the time module, both handed in."""

    def __init__(self, board, clock, new_socket, resolve, console=None, slot=None, load=None):
        # new_socket, resolve: socket.socket and socket.getaddrinfo; console: an asyncio stream, or None;
        # slot: the one that this release runs from, None for a tree of sources;
        # load(): (place, import) of the application, or None
        self._board = board
        self._input = console
        self._cause = board.reset_cause()
        self._id = board.device_id()
        self.uptime = uptime = Uptime(clock)
        self.log = Log(uptime, print)
        self._window = Window(uptime)
        self._led = Led(board.status_led())
        self._button = board.button()
        self._restart = asyncio.Event()
        self._asked = False  # whether somebody, and not the application alone, wants that restart
        self._joined = False
        self._state = states.STARTING
        self._detail = ""
        self._taken = None  # when the last BlinkUp was understood and stored, in ms
        self._why = ""  # why the last BlinkUp was not understood
        self._pressed = False  # the button, a second ago
        self._duties = []
        self._listening = None  # to the console
        self._failure = None  # what the light says last before it goes dark
        self._generation = 0  # of the stored settings
        self._unstored = False  # new settings came and could not be stored
        self._server_says = self._broker_says = (states.CONNECTED, "")
        self._watchdog = board.watchdog(_WATCHDOG)
        self._store = store.Store(board.settings_flash(), self.log)
        self.settings = self._load()
        self._listener = Listener(
            Receiver(), board.light_sensor(), clock, self._watchdog.feed, self._on_light, self._on_blinkup
        )
        self._wifi = Wifi(board.station(), uptime, self.log, self._on_wifi, hold=lambda: self._listener.busy)
        self._trial = Trial(board, self._store, self.log)
        load = load or no_application
        self._app = Application(load, self._imp, uptime, self.log, self._on_app, self._trial)
        self._updater = Updater(
            board,
            slot,
            self._trial,
            Policy(self._store, uptime, self.log, random.random, board.now),
            Fetcher(resolve, new_socket, clock, self.log),
            Slots("", self.log),
            uptime,
            self.log,
            self._on_update,
            self.restart,
            self._app.well,
            self._app.ready,
        )
        self._broker = Broker(
            self._id,
            os.urandom(4).hex(),
            Dialler(resolve, new_socket, clock),
            lambda: _find_broker(resolve, new_socket),
            uptime,
            self.log,
            random.random,
            self.report,
            Commands(self.restart, self._updater.tell, self._identify, self._window.renew, self._log_level),
            self._on_broker,
        )
        self._console = Console(self.report, self.log, show, self.restart, self._updater.tell, self._by_hand)

    async def run(self):
        """Start every duty and watch over them, until a restart is asked for."""
        self.log.info("start: %s, board %s, id %s" % (self._cause, self._board.name(), self._id))
        if self._state != states.NO_MEMORY:
            self._set(states.SEARCHING if self.settings.networks else states.NO_SETTINGS)
        self._wifi.use(self.settings)
        self._duties = duties = [
            asyncio.create_task(self._duty(name, coroutine))
            for name, coroutine in (
                ("light", self._led.run()),
                ("blinkup", self._listener.run()),
                ("wifi", self._wifi.run()),
                ("update", self._updater.run()),
                ("broker", self._broker.run()),
                ("application", self._app.run()),
            )
        ]
        if self._input:
            # No duty: a console may be unplugged.
            self._listening = asyncio.create_task(self._console.run(self._input))
        try:
            while not self._restart.is_set():
                self._tick()
                # A dead duty cannot be repaired from here: the watchdog restarts the board.
                if not any(duty.done() for duty in duties):
                    self._watchdog.feed()
                try:
                    await asyncio.wait_for_ms(self._restart.wait(), _TICK)
                except asyncio.TimeoutError:
                    pass
            self.log.info("restart")
            await self._broker.goodbye()
        finally:
            for duty in duties:
                duty.cancel()
        if self._asked and self._app.there:
            self._trial.pardon(asked=True)
        self._board.reset()

    def restart(self, asked=True):
        """Restart the board, in an orderly way. asked: not by the application."""
        self._asked = self._asked or asked
        self._restart.set()

    def excuse(self):
        """Somebody has interrupted the device: the restart that comes is not the application's doing."""
        self._trial.pardon(asked=True)

    def state(self):
        """(number, detail): what the light means, also while it is off."""
        if self._listener.busy:
            return states.RECEIVING, ""
        shot = self._led.shot
        if shot is None:
            return self._state, self._detail
        return shot, "" if shot == states.IDENTIFY else self._why

    def sectors(self):
        """[(sector, key or None, generation, state)] of the settings' flash."""
        return self._store.map()

    def report(self):
        """All that can be asked: state, network and why not, settings without passwords."""
        number, detail = self.state()
        return {
            "state": {
                "number": number,
                "name": states.name(number),
                "sentence": states.sentence(number),
                "detail": detail,
            },
            "wifi": self._wifi.report(),
            "settings": self.settings.public(),
            "blinkup": {"open": self._open(), "receiving": self._listener.busy},
            "uptime": self.uptime() // 1000,
            "restart_cause": self._cause,
            "heap_free": gc.mem_free(),
            "update": self._updater.report(),
            "broker": self._broker.report(),
            "app": self._app.state(),
            "application": self._app.report(),
            "generation": self._generation,
            "board": self._board.name(),
            "id": self._id,
        }

    def _load(self):
        """The stored settings; empty ones where there are none that can be used."""
        try:
            self._store.repair()
            data = self._store.load(store.SETTINGS)
            self._look_up_generation()
            return Settings.from_bytes(data) if data is not None else Settings()
        except store.StoreError as e:
            self.log.error("settings: %s" % e)
            self._set(states.NO_MEMORY, str(e))
        except SettingsError as e:
            # Not formatted, not overwritten: a later release may be able to read them.
            self.log.error("settings: stored, but not readable: %s" % e)
        return Settings()

    def _look_up_generation(self):
        """Once after each change: it reads the whole flash."""
        for _, key, generation, state in self._store.map():
            if key == store.SETTINGS and state == store.LIVE:
                self._generation = generation

    def _set(self, state, detail=""):
        """The device's state, on light and log."""
        if state == self._state and detail == self._detail:
            return
        self._state = state
        self._detail = detail
        self._led.show(state)
        self.log.info("state: %s%s" % (states.name(state), " (%s)" % detail if detail else ""))

    async def _duty(self, name, coroutine):
        """A duty that ends says why, before the watchdog does what it must."""
        try:
            await coroutine
            self.log.error("duty %s has ended" % name)
        except Exception as e:
            sys.print_exception(e)
            self.log.error("duty %s has failed: %r" % (name, e))

    def _tick(self):
        """Once a second: the button, the windows."""
        pressed = bool(self._button and self._button())
        if pressed:
            self._window.renew()
        if pressed and not self._pressed:
            self._updater.tell()
        self._pressed = pressed
        self._app.look()
        always = self.settings.led == 1 or self._state in _OFF_THE_NET
        light = always or self._window.open()
        self._led.open(light, self._failure)  # the last pattern names what failed
        self._listener.open(self._open())

    def _open(self):
        """BlinkUp is open with the light, and for as long as there is no connection."""
        return self._window.open() or self.settings.led == 1 or not self._joined

    def _on_light(self, receiving):
        """A transmission begins or ends."""
        self._led.dark(receiving)

    async def _on_blinkup(self, result):
        """Something was received: store it, read it back, use it; or say why not."""
        self._window.renew()  # a person is there; a lamp, which can look like a sync, is none
        if result.settings is None:
            reason = "%s: %s" % (result.stage, result.reason)
            if self._taken is not None and self.uptime() - self._taken < _REPEATS:
                # The sender goes on until it is stopped, or carried away in the middle of a pass:
                # who has seen green must not see red for that.
                self.log.info("blinkup: a repetition was %s" % reason)
                return
            self._refuse(reason)
        else:
            self.log.info("blinkup: %s, %d symbols/s" % (result.mode, 1000000 // result.symbol_us))
            try:
                self._take(result.settings)
            except SettingsError as e:
                self._refuse(str(e))
            except store.StoreError as e:
                self._not_stored(e)
        await self._led.seen()

    def _by_hand(self, packet):
        """Settings from the console, through BlinkUp's door; None: only look. (what is set, generation)."""
        if packet is not None:
            self.log.info("console: new settings")
            try:
                self._take(packet)
            except store.StoreError as e:
                self._not_stored(e)
                raise
        return self.settings.public(), self._generation

    def _not_stored(self, error):
        """Not the old ones in silence, and not the new ones until the next power cut."""
        self._unstored = True
        self.log.error("settings could not be stored: %s" % error)
        self._use(Settings())
        self._set(states.NOT_STORED, str(error))

    def _refuse(self, reason):
        self.log.warn("blinkup: not understood: %s" % reason)
        self._why = reason
        self._led.show(states.NOT_UNDERSTOOD)

    def _take(self, packet):
        """Store what a packet changes, read it back, and use what was read."""
        new = self.settings.apply(packet)
        if packet.get("upgrade"):
            self.log.info("blinkup: an update is asked for")
            self._updater.tell()
        data = new.to_bytes()
        same = self._store.load(store.SETTINGS) == data
        if not same:
            self._store.save(store.SETTINGS, data)
        stored = Settings.from_bytes(self._store.load(store.SETTINGS))
        self._look_up_generation()
        self._why = ""
        self._taken = self.uptime()
        self._led.show(states.RECEIVED)
        self.log.info("settings %s, generation %d" % ("kept" if same else "stored", self._generation))
        # The same settings, flashed again: nobody wants a working connection dropped for it.
        if not same or self._unstored or not self._joined:
            self._unstored = False
            self._use(stored)

    def _use(self, settings):
        if settings.server != self.settings.server:
            self._updater.forget()
        self.settings = settings
        self._window.renew()
        self._failure = None
        self._joined = False
        self._updater.use(None)
        self._broker.use(None)
        self._wifi.use(settings)
        self._set(states.SEARCHING if settings.networks else states.NO_SETTINGS)

    def _on_wifi(self, state, detail):
        """The station says what it is doing."""
        if state == states.LOST:
            self._window.renew()
        joined = state == states.CONNECTED
        if joined != self._joined:
            self._joined = joined
            self._app.joined(joined)
            waiting = (states.CONNECTING, "")
            self._server_says = waiting if self.settings.server else (states.CONNECTED, "")
            self._broker_says = waiting if self.settings.broker else (states.CONNECTED, "")
            self._updater.use(self.settings if joined and self.settings.server else None, self._proxy())
            self._broker.use(self.settings if joined else None)
        if joined and (self.settings.server or self.settings.broker):
            return  # connected is said when server and broker have answered
        if self._state not in (states.NOT_STORED, states.NO_MEMORY):
            self._note(state, detail or "")

    def _on_update(self, state, detail):
        """The server answers or does not; an update goes on or fails, which somebody should see."""
        if state not in (states.RESOLVING, states.CONNECTING, states.CONNECTED):
            self._window.renew()
        self._server_says = state, detail
        self._on_answer()

    def _on_broker(self, state, detail, news):
        """The broker answers or does not."""
        if news:
            self._window.renew()
        self._broker_says = state, detail
        self._on_answer()

    def _on_answer(self):
        """The server's word, where all is well with it the broker's."""
        state, detail = self._server_says
        good = (states.CONNECTED, states.ROLLED_BACK, states.UPDATE_WAITING)
        if state in good and self._broker_says[0] != states.CONNECTED:
            state, detail = self._broker_says
        self._note(state, detail)

    def _identify(self):
        """Somebody asks which device this is."""
        self._led.show(states.IDENTIFY)

    def _log_level(self, level):
        """What the broker hears of the log."""
        self._broker.level(level)

    def _imp(self, tasks):
        """What an application is handed."""
        from .imp import Imp  # no memory for it where there is no application

        name = lambda: self.settings.name  # noqa: E731
        more = self._broker, self._wifi.report, name, self.restart
        return Imp(tasks, self.uptime, self._board, self._store, self.log, self._led, *more)

    def _on_app(self):
        """The application is given up, or gets another chance."""
        self._window.renew()
        if self._state in (states.CONNECTED, states.APP_STOPPED):
            self._note(states.CONNECTED, "")

    def _proxy(self):
        """The proxy of the network that is joined."""
        ssid = self._wifi.report()["ssid"]
        return next((network.proxy for network in self.settings.networks if network.ssid == ssid), None)

    def _note(self, state, detail):
        """A stage or a result of connecting."""
        if state == states.CONNECTED:
            self._failure = None
            if self._app.given_up:
                state = states.APP_STOPPED
        elif state in _FAILURES:
            self._failure = state
        self._set(state, detail)
        self._broker.changed()
