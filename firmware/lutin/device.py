"""The life of a device: what happens, in what order. It wires the rooms and owns no detail of theirs."""

import asyncio
import gc
import os
import random
import sys

from micropython import const

from . import states, store
from .blinkup.listener import Listener
from .doors import CommandLine, Letterbox, NoApplication, fetcher, find_broker, slots
from .led import Led
from .log import Log, show
from .rooms import leave, small
from .settings import Keeper, SettingsError
from .update.policy import Policy
from .update.trial import Trial
from .update.updater import Updater
from .uptime import Uptime, Window
from .voice import Voice
from .wifi import Wifi

_TICK = const(1000)  # ms
_WATCHDOG = const(30000)  # ms; the longest single step is a scan or a slow name server
_LOG = const(6144)  # bytes of lines
_SMALL_LOG = const(2048)
_BLINKUP = const(24576)  # bytes that receiving takes
_REPEATS = const(30000)  # ms for which a sender may go on after it was understood
_OFF_THE_NET = (states.NO_SETTINGS, states.NOT_STORED, states.NO_MEMORY)


def no_application():
    """There is none."""


class Device:
    """One board. `board` is the module of that name, `clock` the time module, both handed in."""

    def __init__(self, board, clock, new_socket, resolve, console=None, slot=None, load=None):
        # new_socket, resolve: socket.socket and socket.getaddrinfo; console: an asyncio stream, or None;
        # slot: the one that this release runs from, None for a tree of sources;
        # load(): (place, import) of the application, or None
        self._board = board
        self._net = resolve, new_socket, clock
        self._input = console
        self._start = os.urandom(4).hex()  # names this life
        self._cause = board.reset_cause()
        self._id = board.device_id()
        self.uptime = uptime = Uptime(clock)
        self.log = Log(uptime, print, room=_SMALL_LOG if small() else _LOG)
        self.log.mark = True  # until a broker hears it
        self._window = Window(uptime)
        self._led = Led(board.status_led())
        self._voice = Voice(self._led, self.log, self._given_up, self._changed)
        self._button = board.button()
        self._restart = asyncio.Event()
        self._asked = False  # whether somebody, and not the application alone, wants that restart
        self._joined = False
        self._taken = None  # when the last BlinkUp was understood and stored, in ms
        self._pressed = False  # the button, a second ago
        self._duties = []
        self._listening = None  # to the console
        self._looking = False  # for a release
        self._deaf = False  # there is no memory for BlinkUp, and that has been said
        self._unstored = False  # new settings came and could not be stored
        self._watchdog = board.watchdog(_WATCHDOG)
        self._store = store.Store(board.settings_flash(), self.log)
        self._keeper = Keeper(self._store)
        self._load()
        self._listener = Listener(
            self._receiver,
            self._no_receiver,
            board.light_sensor(),
            clock,
            self._watchdog.feed,
            self._on_light,
            self._on_blinkup,
        )
        self._wifi = Wifi(board.station(), uptime, self.log, self._on_wifi, hold=lambda: self._listener.busy)
        self._trial = Trial(board, self._store, self.log)
        self._app = self._application(load or no_application)
        self._updater = Updater(
            board,
            slot,
            self._trial,
            Policy(self._store, uptime, self.log, random.random, board.now),
            lambda: fetcher(self._net, self.log),
            lambda: slots(self.log),
            uptime,
            self.log,
            self._on_update,
            self.restart,
            self._app,
            self._alone,
            small(),
        )
        self._broker = Letterbox(self._make_broker, lambda: find_broker(self._net), self._no_broker)
        self._console = CommandLine(
            self.report, self.log, show, self.restart, self._updater.tell, self._by_hand
        )

    async def run(self):
        """Start every duty and watch over them, until a restart is asked for."""
        self.log.info("start: %s, board %s, id %s" % (self._cause, self._board.name(), self._id))
        if self._voice.state != states.NO_MEMORY:
            self._voice.say(states.SEARCHING if self._keeper.now.networks else states.NO_SETTINGS)
        self._wifi.use(self._keeper.now)
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

    # The rooms: each is loaded here, and by nobody else.

    async def _receiver(self):
        """BlinkUp's room. Nothing is more important: whatever is in its way gives way."""
        if self._short():
            self._broker.hold("blinkup", True, True)
            await self._updater.give_way()
            await self._broker.gone()
        try:
            from .blinkup.receiver import Receiver

            self._deaf = False
            return Receiver()
        except MemoryError:
            if not self._deaf:
                self.log.error("blinkup: no memory to receive")
            self._deaf = True
            self._no_receiver()
            return None

    def _short(self):
        """Whether there is too little memory for BlinkUp beside what is loaded."""
        gc.collect()
        return small() and gc.mem_free() < _BLINKUP

    def _ready(self):
        """Whether BlinkUp's room is open before there is any light."""
        return not small() or (self._updater.begun and not (self._joined or self._looking))

    def _no_receiver(self):
        leave("blinkup")
        self._broker.hold("blinkup", False)

    def _application(self, load):
        try:
            there = load() is not None
        except Exception:  # the application's own doing, which it will be told
            there = True
        if there:
            from .application import Application

            return Application(load, self._imp, self.uptime, self.log, self._on_app, self._trial)
        return NoApplication(self._trial)

    def _imp(self, tasks):
        """What an application is handed."""
        from .imp import Imp

        name = lambda: self._keeper.now.name  # noqa: E731
        more = self._broker, self._wifi.report, name, self.restart
        return Imp(tasks, self.uptime, self._board, self._store, self.log, self._led, *more)

    def _make_broker(self, handlers):
        from .broker.broker import Broker
        from .net import Dialler

        return Broker(
            self._id,
            self._start,
            Dialler(*self._net),
            lambda: find_broker(self._net),
            self.uptime,
            self.log,
            random.random,
            self.report,
            self._obey,
            handlers,
            self._on_broker,
        )

    def _obey(self, data, retained):
        """A command has come."""
        from .broker.commands import Commands

        level = self._broker.level
        commands = Commands(self.restart, self._updater.tell, self._identify, self._window.renew, level)
        Commands = None  # it would keep the room
        answer = commands.obey(data, retained)
        commands = None
        leave("broker.commands")
        return answer

    def _no_broker(self):
        """There is no memory for it."""
        self.log.error("broker: out-of-memory")
        self._on_broker(states.NO_BROKER, "out-of-memory", False)

    async def _alone(self, begins):
        """A look for a release needs the memory of the other rooms; or does so no longer."""
        self._looking = begins
        self._broker.hold("update", begins)
        if begins and small():
            self._listener.open(self._open(), self._ready())
            self._listener.rest()
            await self._broker.gone()

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
        return self._voice.now()

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
            "settings": self._keeper.now.public(),
            "blinkup": {"open": self._open(), "receiving": self._listener.busy},
            "uptime": self.uptime() // 1000,
            "restart_cause": self._cause,
            "heap_free": gc.mem_free(),
            "update": self._updater.report(),
            "broker": self._broker.report(),
            "app": self._app.state(),
            "application": self._app.report(),
            "generation": self._keeper.generation,
            "board": self._board.name(),
            "id": self._id,
        }

    def _load(self):
        """The stored settings; empty ones where there are none that can be used."""
        try:
            self._keeper.load()
        except store.StoreError as e:
            self.log.error("settings: %s" % e)
            self._voice.say(states.NO_MEMORY, str(e))
        except SettingsError as e:
            # Not formatted, not overwritten: a later release may be able to read them.
            self.log.error("settings: stored, but not readable: %s" % e)

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
        always = self._keeper.now.led == 1 or self._voice.state in _OFF_THE_NET
        light = always or self._window.open()
        self._led.open(light, self._voice.failure)  # the last pattern names what failed
        self._listener.open(self._open(), self._ready())

    def _open(self):
        """BlinkUp is open with the light, and for as long as there is no connection."""
        return self._window.open() or self._keeper.now.led == 1 or not self._joined

    def _on_light(self, receiving):
        """A transmission begins or ends."""
        self._led.dark(receiving)

    async def _on_blinkup(self, settings, stage, reason, mode, symbol_us):
        """Something was received: store it, read it back, use it; or say why not."""
        self._window.renew()  # a person is there; a lamp, which can look like a sync, is none
        if settings is None:
            reason = "%s: %s" % (stage, reason)
            if self._taken is not None and self.uptime() - self._taken < _REPEATS:
                # The sender goes on until it is stopped, or carried away in the middle of a pass:
                # who has seen green must not see red for that.
                self.log.info("blinkup: a repetition was %s" % reason)
                return
            self._refuse(reason)
        else:
            self.log.info("blinkup: %s, %d symbols/s" % (mode, 1000000 // symbol_us))
            try:
                self._take(settings)
            except SettingsError as e:
                self._refuse(str(e))
            except store.StoreError as e:
                self._not_stored(e)
            except MemoryError:
                self._refuse("packet: no memory")
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
        return self._keeper.now.public(), self._keeper.generation

    def _not_stored(self, error):
        """Not the old ones in silence, and not the new ones until the next power cut."""
        self._unstored = True
        self.log.error("settings could not be stored: %s" % error)
        self._use(self._keeper.none())
        self._voice.say(states.NOT_STORED, str(error))

    def _refuse(self, reason):
        self.log.warn("blinkup: not understood: %s" % reason)
        self._voice.refuse(reason)

    def _take(self, packet):
        """Store what a packet changes, and use what was read back."""
        stored, same = self._keeper.take(packet)
        if packet.get("upgrade"):
            self.log.info("blinkup: an update is asked for")
            self._updater.tell()
        self._voice.why = ""
        self._taken = self.uptime()
        self._led.show(states.RECEIVED)
        self.log.info("settings %s, generation %d" % ("kept" if same else "stored", self._keeper.generation))
        # The same settings, flashed again: nobody wants a working connection dropped for it.
        if not same or self._unstored or not self._joined:
            self._unstored = False
            self._use(stored)

    def _use(self, settings):
        if settings.server != self._keeper.now.server:
            self._updater.forget()
        self._keeper.now = settings
        self._window.renew()
        self._voice.failure = None
        self._joined = False
        self._updater.use(None)
        self._broker.use(None)
        self._wifi.use(settings)
        self._voice.say(states.SEARCHING if settings.networks else states.NO_SETTINGS)

    def _on_wifi(self, state, detail):
        """The station says what it is doing."""
        if state == states.LOST:
            self._window.renew()
        joined = state == states.CONNECTED
        if joined != self._joined:
            self._joined = joined
            self._app.joined(joined)
            self._voice.wait(self._keeper.now.server, self._keeper.now.broker)
            self._updater.use(self._keeper.now if joined and self._keeper.now.server else None, self._proxy())
            self._broker.use(self._keeper.now if joined else None)
        if joined and (self._keeper.now.server or self._keeper.now.broker):
            return  # connected is said when server and broker have answered
        if self._voice.state not in (states.NOT_STORED, states.NO_MEMORY):
            self._voice.note(state, detail or "")

    def _on_update(self, state, detail):
        """The server answers or does not; an update goes on or fails, which somebody should see."""
        if state not in (states.RESOLVING, states.CONNECTING, states.CONNECTED):
            self._window.renew()
        self._voice.server(state, detail)

    def _on_broker(self, state, detail, news):
        """The broker answers or does not."""
        if news:
            self._window.renew()
        self._voice.broker(state, detail)

    def _identify(self):
        """Somebody asks which device this is."""
        self._led.show(states.IDENTIFY)

    def _given_up(self):
        """Whether the application is."""
        return self._app.given_up

    def _changed(self):
        """The broker is told of a new state."""
        self._broker.changed()

    def _on_app(self):
        """The application is given up, or gets another chance."""
        self._window.renew()
        if self._voice.state in (states.CONNECTED, states.APP_STOPPED):
            self._voice.note(states.CONNECTED, "")

    def _proxy(self):
        """The proxy of the network that is joined."""
        ssid = self._wifi.report()["ssid"]
        return next((network.proxy for network in self._keeper.now.networks if network.ssid == ssid), None)
