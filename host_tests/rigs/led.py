"""Rig for the status light: what a driver is told, in virtual time."""

import asyncio

from lutin import led, log, states, uptime
from sim import clock


class _Recorder:
    def __init__(self):
        self.seen = []

    def show(self, colour):
        at = clock.now_us() // 1000
        if self.seen and self.seen[-1][0] == at:
            self.seen.pop()
        self.seen.append((at, "-RGA"[colour]))


def play(script, ms):
    """[(ms, colour)] of a light to which `script` happens: [[at ms, method, argument]…]."""
    clock.virtual()
    asyncio.new_event_loop()
    recorder = _Recorder()
    light = led.Led(recorder)

    async def main():
        task = asyncio.create_task(light.run())
        for at, method, argument in script:
            await asyncio.sleep_ms(at - clock.now_us() // 1000)
            if method == "close":
                light.open(False, argument)
            else:
                getattr(light, method)(argument)
        await asyncio.sleep_ms(ms - clock.now_us() // 1000)
        task.cancel()

    asyncio.run(main())
    return recorder.seen


def table():
    """Every state: number, name, cells, once, sentence."""
    return [
        [n, states.name(n), states.pattern(n)[0], states.pattern(n)[1], states.sentence(n)]
        for n in range(states.count())
    ]


def numbers():
    """The constants that others use for the states."""
    return {k: v for k, v in states.__dict__.items() if isinstance(v, int)}


def drivers():
    """What each driver does with each colour."""
    levels = {}

    class Pixels:
        def __setitem__(self, i, rgb):
            levels["next"] = rgb

        def write(self):
            levels["rgb"] = levels["next"]

    def pin(name):
        return lambda level: levels.__setitem__(name, level)

    out = {}
    for lit in (0, 1):
        driver = led.Bicolour(pin("red"), pin("green"), lit)
        out["bicolour%d" % lit] = [(driver.show(c), levels["red"], levels["green"])[1:] for c in range(4)]
        driver = led.Single(pin("one"), lit)
        out["single%d" % lit] = [(driver.show(c), levels["one"])[1] for c in range(4)]
    driver = led.Pixel([Pixels()])
    out["pixel"] = [(driver.show(c), levels["rgb"])[1] for c in range(4)]
    return out


def opened(renewals, until):
    """Whether the window is open at each second until then, renewed at these seconds."""
    clock.virtual()
    import time

    up = uptime.Uptime(time)
    w = uptime.Window(up)
    out = []
    for second in range(until):
        if second in renewals:
            w.renew()
        out.append(w.open())
        clock.advance(1000000)
    return out


def long_uptime(start_us, days):
    """Uptime asked once an hour for so many days, with ticks that start anywhere."""
    clock.virtual(start_us)
    import time

    up = uptime.Uptime(time)
    for _ in range(days * 24):
        clock.advance(3600 * 1000000)
        up()
    return up()


def narrow(entries, room, lines):
    """A log with so little room: [what it keeps behind each line], [what it said to be lost]."""
    book = log.Log(lambda: 5, None, lines, 160, room)
    lost = []
    book.lost = lambda line: lost.append(line[0])
    kept = []
    for level, text, mark in entries:
        book.mark = mark
        book.add(level, text)
        kept.append([list(line) for line in book.lines()])
    return kept, lost


def ring(texts, size, since):
    """The lines that a log keeps, and what its listener heard."""
    heard = []
    book = log.Log(lambda: 1234567, None, size, 20)
    book.heard = lambda line: heard.append(line[0])
    for text in texts:
        book.warn(text)
    return (
        [list(line[:4]) for line in book.lines(since)],
        heard,
        [log.show(line) for line in book.lines()][-1:],
    )
