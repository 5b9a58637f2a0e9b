"""Rig for wifi.py in the simulated air: plays scenarios in virtual time."""

import asyncio
import gc
import random

import network
from lutin import wifi as room
from lutin.known import judge as _judge
from lutin.log import Log
from lutin.states import name
from sim import clock, world
from sim.airspace import Airspace


def _run(coroutine):
    # Nothing of an earlier call may be left, also where it failed.
    asyncio.new_event_loop()
    return asyncio.run(coroutine)


class Network:
    """As settings.Network."""

    def __init__(self, ssid, password="", static=None):
        self.ssid = ssid
        self.password = password
        self.static = static


class Settings:
    """As much of settings.Settings as wifi.py reads."""

    def __init__(self, networks):
        self.networks = [Network(*each) for each in networks]


class Driver:
    """Passes calls on to the WLAN; raises what `faults` says, by method."""

    def __init__(self, wlan, now):
        self._wlan = wlan
        self._now = now
        self.faults = {}
        self.calls = []

    def __getattr__(self, called):
        method = getattr(self._wlan, called)

        def call(*args, **kwargs):
            if called in ("scan", "connect") or (called == "active" and args):
                self.calls.append([self._now(), called] + list(args))
            error, times = self.faults.get(called, (None, 0))
            if times:
                self.faults[called] = (error, times - 1)
                raise RuntimeError(error) if error.startswith("Wifi Unknown") else OSError(error)
            return method(*args, **kwargs)

        return call


def _now():
    return clock.now_us() // 1000


class Player:
    """A Wifi in its air, and everything that could be noticed of it."""

    def __init__(self, networks, aps, start_ms=0):
        clock.virtual()
        clock._hooks.clear()
        random.seed(1)
        air = world.airspace = Airspace()
        for fields in aps:
            air.add(**fields)
        clock.advance(start_ms * 1000)
        self.start_us = clock.now_us()
        self.said = []  # (ms, state, ssid)
        self.tried = []  # (ms, ssid, key) of every attempt of the radio
        self.used = []  # (ms, networks)
        self.console = []
        self.holding = False
        air.radio.on_attempt = lambda ssid, key: self.tried.append([self.ms(), ssid, key])
        self.air = air
        self.wlan = Driver(network.WLAN(network.STA_IF), self.ms)
        self.log = Log(self.ms, self.console.append)
        self.wifi = room.Wifi(self.wlan, self.ms, self.log, self._say)
        self.wifi.hold = lambda: self.holding
        if networks is not None:
            self.wifi.use(Settings(networks))

    def ms(self):
        """Since power on."""
        return (clock.now_us() - self.start_us) // 1000

    def _say(self, state, ssid):
        self.said.append([self.ms(), name(state), ssid])

    def step(self, what, *args):
        """One entry of a script."""
        if what == "use":
            self.used.append([self.ms(), args[0]])
            self.wifi.use(Settings(args[0]))
        elif what == "hold":
            self.holding = args[0]
        elif what == "fault":
            self.wlan.faults[args[0]] = (args[1], args[2])
        elif what == "add":
            self.air.add(**args[0])
        elif what == "remove":
            self.air.remove(self.air.aps[args[0]])
        elif what == "foreign":
            # Somebody else's code: the driver's own default is to reconnect for ever.
            self.wlan._wlan.active(True)
            self.wlan._wlan.config(reconnects=-1)
            self.wlan._wlan.connect(*args)
        elif what == "air":
            setattr(self.air.aps[args[0]], args[1], args[2])
        else:
            raise ValueError(what)

    async def play(self, script, until_ms):
        """Run it; script is a list of [ms, what, …]."""
        task = asyncio.create_task(self.wifi.run())
        for entry in script:
            # The air does not wait for the board; what the board's own code does, waits.
            if entry[1] == "air":
                clock.at(self.start_us + entry[0] * 1000, lambda entry=entry: self.step(*entry[1:]))
        for entry in script:
            if entry[1] != "air":
                await self._until(entry[0])
                self.step(*entry[1:])
        await self._until(until_ms)
        self.alive = not task.done()
        self.final = self.wifi.report()
        self.associated = self.air.radio.associated()
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass

    async def _until(self, ms):
        while self.ms() < ms:
            await asyncio.sleep_ms(min(ms - self.ms(), 100_000_000))

    def result(self):
        """All that was noticed."""
        return {
            "said": self.said,
            "tried": self.tried,
            "used": self.used,
            "calls": self.wlan.calls,
            "console": self.console,
            "report": self.final,
            "alive": self.alive,
            "associated": self.associated,
            "reconnects": self.wlan._wlan.config("reconnects"),
            "ifconfig": self.wlan._wlan.ifconfig(),
        }


def play(networks, aps, script, until_ms, start_ms=0):
    """Play a scenario; returns what was noticed."""
    player = Player(networks, aps, start_ms)
    _run(player.play(script, until_ms))
    return player.result()


def judge(codes, secured, proven):
    """The rule alone, by name."""
    state = _judge(codes, secured, proven)
    return None if state is None else name(state)


def long_life(hours, aps, networks, cycle_ms):
    """The access point goes off and on for hours; heap in use after each cycle, and how it went."""
    player = Player(networks, aps)
    heap = []
    counts = {}

    def say(state, ssid):
        word = name(state)
        counts[word] = counts.get(word, 0) + 1

    player.wifi._say = say
    player.air.radio.on_attempt = None
    player.wlan = player.wifi._wlan = player.wlan._wlan
    player.log._console = None

    async def main():
        task = asyncio.create_task(player.wifi.run())
        up = True
        while player.ms() < hours * 3_600_000:
            await asyncio.sleep_ms(cycle_ms)
            up = not up
            player.air.aps[0].up = up
            gc.collect()
            heap.append(gc.mem_alloc())
        await asyncio.sleep_ms(180_000)
        done = task.done()
        state = player.wifi.report()["state"]
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass
        return done, state

    done, state = _run(main())
    return {"heap": heap, "counts": counts, "done": done, "state": state}


def drive(aps, steps):
    """Calls of the bare WLAN and moments between; the answer, or error text, of each call."""
    clock.virtual()
    clock._hooks.clear()
    air = world.airspace = Airspace()
    for fields in aps:
        air.add(**fields)
    wlan = network.WLAN(network.STA_IF)
    answers = []
    for what, *args in steps:
        if what == "wait":
            clock.advance(args[0] * 1000)
        elif what == "look":
            # Look often on the way, to see that looking changes nothing.
            for _ in range(args[0] // 50):
                clock.advance(50_000)
                wlan.isconnected()
        elif what == "air":
            setattr(air.aps[args[0]], args[1], args[2])
        elif what == "json":
            air.from_json(args[0])
        elif what == "remove":
            air.remove(air.aps[args[0]])
        elif what == "time":
            answers.append(clock.now_us() // 1000)
        elif what == "attempts":
            air.catch_up()
            answers.append(air.radio.attempts)
        elif what == "set":
            wlan.config(**args[0])
        elif what == "ipconfig":
            wlan.ipconfig(**args[0])
        else:
            try:
                answers.append(getattr(wlan, what)(*args))
            except (OSError, ValueError, RuntimeError, TypeError) as e:
                answers.append("%s: %s" % (type(e).__name__, e))
    return answers


def to_json(aps):
    """What an airspace of these access points says of itself."""
    clock.virtual()
    air = Airspace()
    air.from_json(aps)
    return air.to_json()


def clear_without_run(networks, aps):
    """Whether the station is joined, and whether it still is right after a clear, with no task running."""
    player = Player(networks, aps)
    _run(player.play([], 10_000))
    before = player.associated
    player.step("use", [])
    clock.advance(20_000)
    player.air.catch_up()
    return before, player.air.radio.associated()
