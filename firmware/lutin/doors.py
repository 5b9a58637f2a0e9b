"""Doors of rooms that are not always in memory: console, broker, the application where there is none."""

import asyncio

from micropython import const

from .rooms import leave, small

_LINE = const(250)  # bytes of a command; no more than that waits in the board's serial port
_TICK = const(1000)  # ms
_LOOK = const(600000)  # ms between two looks for a broker that nobody has set
_STEP = const(50)  # ms


class CommandLine:
    """Lines, and their answers."""

    def __init__(self, *more):
        # more: what a Console is made of
        self._more = more
        self._console = None  # stays while a part of new settings is in it

    def answer(self, line):
        """A generator of the lines that answer one line of input."""
        if self._console is None:
            from .console import Console

            self._console = Console(*self._more)
            Console = None  # this would keep it
        yield from self._console.answer(line)
        if not self._console.busy():
            self._console = None
            leave("console")

    async def run(self, stream):
        """Read commands from an asyncio stream of bytes until it ends, print the answers."""
        line = bytearray()
        while True:
            # One at a time: for a whole line the port would wait, and the board with it.
            byte = await stream.read(1)
            if not byte:
                return
            if byte[0] in (10, 13):
                try:
                    for answer in self._read(line):
                        print(answer)
                except MemoryError:
                    self._console = None
                    leave("console")
                    print("no memory for an answer")
                line = bytearray()
            elif len(line) <= _LINE:
                line.extend(byte)

    def _read(self, line):
        if len(line) > _LINE:
            return ("line-too-long: a command has at most %d characters" % _LINE,)
        try:
            return self.answer(str(line, "utf-8"))
        except UnicodeError:
            return self.answer("?")


class Letterbox:
    """What the device and the application know of the broker; it opens and closes the broker's room."""

    def __init__(self, make, find, no_memory):
        # make(handlers): the Broker, loaded; find(): coroutine, (address, port) of one that nobody has set.
        # no_memory(): called when there was none for the broker.
        self._make = make
        self._find = find
        self._no_memory = no_memory
        self._handlers = {}  # of the application, by name
        self._broker = None
        self._kept = None  # of the last one, for the next
        self._settings = None
        self._level = "info"
        self._renewed = asyncio.Event()
        self._holders = set()  # who need its memory
        self._at_once = False
        self._busy = False  # a broker is there, or being looked for
        self._state = "off"  # while none is there

    def use(self, settings):
        """Talk to the broker of these settings; None: there is no network."""
        self._settings = settings
        if self._broker:
            self._broker.use(settings)
        self._renewed.set()

    def send(self, topic, data, retain=False):
        """A message of the application; False: there is no room, or no broker."""
        return self._broker is not None and self._broker.send(topic, data, retain)

    def on(self, topic, handler):
        """Call handler(data) for messages to the application; None: no longer."""
        if handler is None:
            self._handlers.pop(topic, None)
        else:
            self._handlers[topic] = handler

    def level(self, level):
        """Send lines of this level and above."""
        self._level = level
        if self._broker:
            self._broker.level(level)

    def changed(self):
        """Something about the device is not what it was."""
        if self._broker:
            self._broker.changed()

    def report(self):
        """All that can be asked about it."""
        if self._broker:
            return self._broker.report()
        log = {"level": self._level, "dropped": 0}
        return {"state": self._state, "url": "", "since": 0, "failure": None, "log": log}

    def hold(self, who, value, at_once=False):
        """Close it for somebody, where memory is short; or let it open again. at_once: without a goodbye."""
        if value and small():
            self._holders.add(who)
            self._at_once = at_once
        else:
            self._holders.discard(who)
        self._renewed.set()

    async def gone(self):
        """Until it is closed, if it is held."""
        while self._holders and self._busy:
            await asyncio.sleep_ms(_STEP)

    async def goodbye(self):
        """Before a restart."""
        if self._broker:
            await self._broker.goodbye()

    async def run(self):
        """Open and close, for ever."""
        while True:
            self._renewed.clear()
            settings = self._settings
            self._busy = not small() or (settings is not None and not self._holders)
            if not self._busy:
                await self._rest(None)
            elif not await self._opened(settings):
                self._busy = False
                await self._rest(_LOOK)

    async def _opened(self, settings):
        """False: there was no broker, or no memory for it."""
        try:
            if small():
                await asyncio.sleep_ms(_TICK)  # who has just left for it lets go of the memory
                if self._holders or settings is not self._settings:
                    return True
                if not settings.broker and not await self._found():
                    return False
            self._broker = self._make(self._handlers)
        except MemoryError:
            leave("broker")
            leave("net")
            self._state = "no-memory"
            try:
                self._no_memory()
            except MemoryError:
                pass  # not even to say so
            return False
        self._state = "off"
        await self._live(self._broker, settings)
        return True

    async def _live(self, broker, settings):
        if self._kept:
            broker.reopen(self._kept)
        broker.level(self._level)
        broker.use(settings)
        duty = asyncio.create_task(broker.run())
        try:
            while not (self._holders or (small() and broker.idle())):
                if duty.done():
                    await duty  # this says why
                    return
                await self._rest(_TICK)
                self._renewed.clear()
            if not self._at_once:
                await broker.goodbye()
        finally:
            await _ended(duty)
            self._kept = broker.close()
            # Whoever kept one of these would keep the room.
            self._broker = broker = duty = None
            leave("broker")
            leave("net")
            leave("secure")

    async def _found(self):
        """Whether there is a broker that nobody has set; no, where the memory is needed.

        In a small house nobody waits in the broker's room for somebody who may never come.
        """
        looking = asyncio.create_task(self._find())
        while not looking.done() and not self._holders and self._settings:
            await asyncio.sleep_ms(_STEP)
        found = await looking if looking.done() else await _ended(looking)
        looking = None
        leave("broker")
        return found

    async def _rest(self, ms):
        """Until something changes, or ms have passed."""
        try:
            await (self._renewed.wait() if ms is None else asyncio.wait_for_ms(self._renewed.wait(), ms))
        except asyncio.TimeoutError:
            pass


class NoApplication:
    """What the device asks an Application, where there is none. A restart finds one that is deployed."""

    there = given_up = False

    def __init__(self, trial):
        self._trial = trial

    def well(self):
        """Nothing is wrong with it."""
        return True

    def state(self):
        """A word."""
        return "none"

    def report(self):
        """What can be asked beside that."""
        strikes = self._trial.record.strikes
        return {"from": None, "crashes": 0, "restarts": strikes, "error": None, "since": None}

    def joined(self, value):
        """The network is there, or gone."""

    def look(self):
        """Nothing takes its memory."""

    async def ready(self, number):
        """It does not mind."""
        return 0

    async def run(self):
        """A duty does not end."""
        await asyncio.Event().wait()


async def _ended(task):
    """It is over."""
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass


async def find_broker(net):
    """(address, port) of a broker in the local network, or None. net: resolve, new_socket, clock."""
    import random

    from .broker.mdns import Finder

    return await Finder(net[0], net[1], random.random).find()


def fetcher(net, log):
    """What fetches files."""
    from .update.fetch import Fetcher

    return Fetcher(net[0], net[1], net[2], log)


def slots(log):
    """The slots of this board's filesystem."""
    from .update.slots import Slots

    return Slots("", log)
