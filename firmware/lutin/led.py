"""The status light: plays patterns by priority."""

import asyncio

from micropython import const

from . import states

_UNIT = const(125)  # ms
_COLOURS = "-RGA"  # off, red, green, amber: as the drivers number them


class Bicolour:
    """A red and a green LED close together; amber is both."""

    def __init__(self, red, green, lit=1):
        # red, green: Pin-like callables; lit: the level that lights them
        self._red = red
        self._green = green
        self._lit = lit

    def show(self, colour):
        """colour: 0 off, 1 red, 2 green, 3 amber."""
        self._red(self._lit if colour & 1 else 1 - self._lit)
        self._green(self._lit if colour & 2 else 1 - self._lit)


class Single:
    """One LED: red, green and amber are all on; the flashes' count tells states apart."""

    def __init__(self, pin, lit=1):
        self._pin = pin
        self._lit = lit

    def show(self, colour):
        """As Bicolour."""
        self._pin(self._lit if colour else 1 - self._lit)


class Pixel:
    """A WS2812; several where nobody knows to which of some pins it is soldered."""

    _RGB = ((0, 0, 0), (40, 0, 0), (0, 40, 0), (36, 18, 0))  # not its full, blinding brightness

    def __init__(self, strings):
        # strings: a neopixel.NeoPixel for each pin; the first pixel of each is used
        self._strings = strings

    def show(self, colour):
        """As Bicolour."""
        for pixels in self._strings:
            pixels[0] = self._RGB[colour]
            pixels.write()


class Led:
    """Shows one state: a one-shot result over the stage beneath it; closed, what an application likes."""

    def __init__(self, driver):
        self._driver = driver
        self._open = True
        self._last = None  # to be shown before the light goes dark
        self._dark = False
        self._below = None  # cells of the application
        self._state = states.STARTING
        self.shot = None  # the result that is being shown, if any
        self._changed = asyncio.Event()
        self._over = asyncio.Event()  # no one-shot is being played
        self._over.set()
        self.colour = 0  # what is lit now
        driver.show(0)

    def show(self, state):
        """Show a state; one that is played once leaves the pattern beneath it in place."""
        if states.pattern(state)[1]:
            self.shot = state
            self._over.clear()
        elif state == self._state:
            return  # do not break the rhythm that a person is counting
        else:
            self._state = state
            if self.shot is not None:
                return  # it comes when the one-shot has been seen
        self._changed.set()

    def open(self, value, last=None):
        """Open or close the window in which the light is on; the last pattern is played to its end.

        last: the state that is shown before the light goes dark, None for the one that is shown.
        """
        if self._open != value:
            self._open = value
            self._last = None if value or last == self._state else last
            if value or self._last is not None:
                self._changed.set()

    def dark(self, value):
        """Dark at once, because light is being received and ours would be heard too."""
        if self._dark != value:
            self._dark = value
            if value:
                self._light(0)
            self._changed.set()

    def below(self, cells):
        """The application's pattern, for when nothing else is shown; None: none."""
        if cells != self._below:
            self._below = cells
            if not (self._open or self._dark or self._last is not None or self.shot is not None):
                self._changed.set()

    async def seen(self):
        """Wait until a one-shot result has been shown."""
        await self._over.wait()

    async def run(self):
        """Play, for ever."""
        while True:
            self._changed.clear()
            if self.shot is not None and not self._dark:
                shot = self.shot
                if await self._play(states.pattern(shot)[0]) and self.shot == shot:
                    self.shot = None
                    self._over.set()
            elif self._open and not self._dark:
                await self._play(states.pattern(self._state)[0])
            elif self._last is not None and not self._dark:
                if await self._play(states.pattern(self._last)[0]):
                    self._last = None
            elif self._below and not self._dark:
                await self._play(self._below)
            else:
                self._light(0)
                await self._changed.wait()

    async def _play(self, cells):
        """One round of a pattern; False when something else is to be shown before it ended."""
        i = 0
        while i < len(cells):
            colour = _COLOURS.index(cells[i])
            i += 1
            units = 0
            while i < len(cells) and cells[i].isdigit():
                units = units * 10 + int(cells[i])
                i += 1
            self._light(colour)
            if await self._pause(units * _UNIT):
                return False
        return True

    async def _pause(self, ms):
        """Wait; True when something changed before the time was up."""
        try:
            await asyncio.wait_for_ms(self._changed.wait(), ms)
        except asyncio.TimeoutError:
            return False
        return True

    def _light(self, colour):
        if colour != self.colour:
            self.colour = colour
            self._driver.show(colour)
