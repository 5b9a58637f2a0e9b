"""Rig for application.py and imp.py: an application from text, among stand-ins, in virtual time."""

import asyncio

from esp32 import Partition
from lutin import application, board, imp, led, log, store
from sim import clock, world
from sim.nor import PowerCut

_DAY = 86400000

_here = None


class _Trial:
    """What update/trial.py knows about the application."""

    def __init__(self, strikes, on_trial):
        self.record = self
        self.strikes = strikes
        self.testing = on_trial
        self.pardons = 0

    def left_out(self):
        return self.strikes >= 3

    def on_trial(self):
        return self.testing

    def pardon(self, asked=False):
        self.strikes = 0
        self.pardons += 1


class _Broker:
    def __init__(self):
        self.sent = []
        self.handlers = {}
        self.full = False

    def send(self, topic, data, retain=False):
        if self.full:
            return False
        self.sent.append([topic, data, retain])
        return True

    def on(self, topic, handler):
        self.handlers[topic] = handler


class _Light:
    def __init__(self):
        self.seen = []

    def show(self, colour):
        self.seen.append([clock.now_us() // 1000, "-RGA"[colour]])


class Here:
    """The board around one application."""

    def __init__(self, text, strikes=0, place="a", on_trial=False, tick=10000):
        world.reset()
        asyncio.new_event_loop()
        self.text = text
        self.place = place
        self.starts = []  # ms
        self.restarts = []
        self.changes = 0
        self.network = {"state": "connected", "rssi": -60}
        self.ticks = 0
        self.period = tick
        self.log = log.Log(self.uptime)
        self.light = _Light()
        self.led = led.Led(self.light)
        self.led.open(False)
        self.broker = _Broker()
        self.trial = _Trial(strikes, on_trial)
        self.store = store.Store(Partition("lutin"), self.log)
        self.app = application.Application(
            self.load, self.make, self.uptime, self.log, self.changed, self.trial
        )
        self.tasks = [asyncio.create_task(one) for one in (self.app.run(), self.led.run(), self.tick())]

    def uptime(self):
        return clock.now_us() // 1000

    async def tick(self):
        """What else a device does."""
        while True:
            self.ticks += 1
            self.app.look()
            await asyncio.sleep_ms(self.period)

    def load(self):
        return None if self.text is None else (self.place, self.bring)

    def bring(self):
        self.starts.append(self.uptime())
        names = {"asyncio": asyncio}
        exec(self.text, names)
        return names["main"]

    def make(self, tasks):
        self.imp = imp.Imp(
            tasks,
            self.uptime,
            board,
            self.store,
            self.log,
            self.led,
            self.broker,
            lambda: self.network,
            lambda: "Kitchen",
            self.restarts.append,
        )
        return self.imp

    def changed(self):
        self.changes += 1


def begin(text, ms=0, **conditions):
    """Start an application, and let so many ms pass."""
    global _here
    _here = Here(text, **conditions)
    return run(ms)


def run(ms):
    """So many ms; whether the device has gone on for all of them."""
    before = _here.ticks

    async def wait():
        for begin in range(0, ms, _DAY):  # more than a few days are too long for one sleep
            await asyncio.sleep_ms(min(ms - begin, _DAY))

    asyncio.run(wait())
    return (ms < 2 * _here.period or _here.ticks > before) and not any(task.done() for task in _here.tasks)


def lines():
    """[level, text] of the log."""
    return [["IWE"[line[2]], line[3]] for line in _here.log.lines()]


def told():
    """What can be asked about it."""
    here = _here
    return {
        "state": here.app.state(),
        "well": here.app.well(),
        "given_up": here.app.given_up,
        "starts": here.starts,
        "sent": here.broker.sent,
        "topics": sorted(name for name, handler in here.broker.handlers.items() if handler),
        "restarts": here.restarts,
        "changes": here.changes,
        "pardons": here.trial.pardons,
        "light": here.light.seen,
        "report": here.app.report(),
    }


def change(**attributes):
    """Of the surroundings."""
    for name, value in attributes.items():
        setattr(_here, name, value)


def say(state, open=None):
    """The device's own light."""
    _here.led.show(state)
    if open is not None:
        _here.led.open(open)


def message(topic, data):
    """A message has come; whether anybody listens."""
    handler = _here.broker.handlers.get(topic)
    if handler:
        handler(data)
    return bool(handler)


def join(value):
    _here.network["state"] = "connected" if value else "searching"
    _here.app.joined(value)


def blunder():
    """A task of the device raises what nobody awaits."""

    async def broken():
        raise ValueError("of the device")

    return asyncio.create_task(broken()) is None


def trial_ends():
    _here.trial.testing = False


def ready(number):
    """What the application says to a restart: seconds, and how many ms it took."""
    answers = []
    begin = clock.now_us()

    async def ask():
        answers.append(await _here.app.ready(number))

    asyncio.run(ask())
    return answers[0], (clock.now_us() - begin) // 1000


def pins(**more):
    """Those that an application may have, where the board's file says so of these as well."""
    import pins as file

    named = file.FREE
    file.FREE = dict(named, **more)
    try:
        return board.free_pins()
    finally:
        file.FREE = named


def cuts(torn):
    """Settings replaced, with the power cut at each flash operation: [what the next life finds]."""
    found = []
    n = 0
    while True:
        world.reset()
        nor = world.flash["lutin"]
        book = log.Log(lambda: 0)

        def settings():
            from lutin.appsettings import Settings

            return Settings(store.Store(Partition("lutin"), book), book, lambda: 0)

        first = settings()
        first.update({"setpoint": 20.5, "days": [1, 2]})
        first.save()
        first["setpoint"] = 23
        nor.cut_after(n, torn)
        try:
            first.save()
            return found, settings() == first
        except PowerCut:
            nor.power_on()
            found.append(settings()["setpoint"])
        n += 1


def settings_on(worn, mode):
    """What save() says with so many worn sectors, and what is found afterwards."""
    world.reset()
    book = log.Log(lambda: 0)
    from lutin.appsettings import Settings

    records = store.Store(Partition("lutin"), book)
    one = Settings(records, book, lambda: 0)
    one["a"] = 1
    one.save()
    for sector in range(worn):
        world.flash["lutin"].wear(sector, mode)
    one["a"] = 2
    try:
        one.save()
        said = None
    except imp.ImpError as e:
        said = e.name
    return said, Settings(records, book, lambda: 0).copy()
