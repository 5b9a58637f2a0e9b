"""Samples the sensor: now and then while nothing happens, without pause while light flickers."""

import asyncio
import gc

from micropython import const

_WATCH = const(20)  # ms between looks; a sync lasts 267 ms at the very least
_CALM = const(600)  # ms without a pulse, then back to looking now and then
_SYNC = const(8000)  # ms: no sync is longer (64 symbols, ten a second)
_FEW = const(8)  # samples between turns of the other duties
_MANY = const(64)  # and while a packet is being read, between looks at what has become of it
_LOOKS = const(4)  # so many looks make the range that is judged
_STEADY = const(250)  # looks without a change: five seconds
_LEAST = const(600)  # ADC counts of 65535: less change than this is no screen


class Listener:
    """Calls `heard` with what comes of each packet.

    While a packet is being read nothing else runs on the board, because any pause loses light:
    sampling is one tight loop, with the collector off, that keeps the watchdog fed.
    """

    def __init__(self, enter, leave, read, clock, feed_watchdog, receiving, heard):
        # enter(): coroutine, a Receiver, None where there is no memory; leave(): it is not used any more.
        # read: callable, 0 to 65535; clock: the time module; receiving: callable(bool), tells when
        # a transmission begins and ends; heard: async callable(settings, stage, reason, mode, symbol_us),
        # as in a Result
        self._enter = enter
        self._leave = leave
        self._receiver = None
        self._feed = _unfed
        self._read = read
        self._clock = clock
        self._ticks_us = clock.ticks_us
        self._feed_watchdog = feed_watchdog
        self._receiving = receiving
        self._heard = heard
        self._carrier = 0  # when something like a sync was first heard, with nothing told since
        self._open = True
        self._ready = False
        self._opened = asyncio.Event()
        self.busy = False  # a transmission is under way

    def open(self, value, ready=True):
        """Open or close the sensor's eye. ready: with a receiver behind it, before there is any light."""
        self._open = value
        self._ready = ready
        if value:
            self._opened.set()
        else:
            self._opened.clear()

    async def run(self):
        """Listen, for ever."""
        self._opened.set()
        while True:
            await self._opened.wait()
            if await self._flicker() and await self.use():
                await self._hear()
            if not self._open:
                self.rest()

    async def _hear(self):
        # Not in run(), which never ends: what it has held once may stay on its stack, and a Result
        # keeps all of its room in memory.
        result = await self._receive()
        if result:
            told = result.settings, result.stage, result.reason, result.mode, result.symbol_us
            result = None
            self.rest()  # new settings need memory too
            await self._heard(*told)

    async def use(self):
        """Have a receiver; whether there is one."""
        if self._receiver is None:
            self._receiver = await self._enter()
            self._ready = self._ready and self._receiver is not None  # else it waits until open() is called
            # Bound once: a bound method is a new object each time it is looked up.
            self._feed = self._receiver.feed if self._receiver else _unfed
        return self._receiver is not None

    def rest(self):
        """Have none, until the light flickers."""
        if self._receiver and not self.busy:
            self._receiver = None
            self._feed = _unfed
            self._leave()

    async def _flicker(self):
        """Look now and then; True when the light changes, False when the eye was closed."""
        read = self._read
        at = steady = 0
        low = high = last = read()
        while self._open:
            if self._ready:
                await self.use()
            else:
                self.rest()
            await asyncio.sleep_ms(_WATCH)
            value = read()
            # Two ranges, so that a slow change is seen and an old one forgotten.
            if at == _LOOKS:
                low = high = last
                at = 0
            low = min(low, value)
            high = max(high, value)
            last = value
            at += 1
            steady += 1
            if steady == _STEADY:
                self._carrier = 0  # whatever lamp there was, it is off
            if high - low > max(_LEAST, high >> 4):
                return True
        return False

    async def _receive(self):
        """Sample until there is a result, or the light is steady again."""
        clock = self._clock
        receiver = self._receiver
        if receiver is None:
            return None
        receiver.reset()
        try:
            while True:
                result = self._burst(_MANY if receiver.reading() else _FEW)
                if result:
                    self._carrier = 0
                    return result
                if receiver.reading():
                    gc.disable()
                    self._say(True)
                    self._feed_watchdog()
                    continue
                gc.enable()
                if receiver.quiet() > _CALM or not self._open:
                    return None
                # A lamp can look like a sync, for ever: only a start behind it earns the board
                # for itself, and only for as long as a sync can last is the light put out.
                now = clock.ticks_ms()
                carrier = receiver.carrier()
                if carrier and not self._carrier:
                    self._carrier = now or 1
                self._say(carrier and clock.ticks_diff(now, self._carrier) < _SYNC)
                await asyncio.sleep_ms(0)
        finally:
            gc.enable()
            self._say(False)

    def _burst(self, samples):
        """A few samples, as fast as they come; allocates nothing until there is a result."""
        read = self._read
        ticks_us = self._ticks_us
        feed = self._feed
        for _ in range(samples):
            value = read()
            result = feed(ticks_us(), value)
            if result:
                return result
        return None

    def _say(self, busy):
        if self.busy != busy:
            self.busy = busy
            if busy:
                gc.collect()  # in the sync a pause does no harm; in the packet it would
            self._receiving(busy)


def _unfed(ticks, value):
    """Nobody takes samples."""
