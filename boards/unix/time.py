"""`time` as the ESP32 port has it: ticks of 30 bits, time() an int from 2000.

The host's own module stays reachable as `utime`.
"""

import utime
from sim import clock as _clock

_PERIOD = 1 << 30
_HALF = _PERIOD // 2
_Y2000 = 946684800  # seconds from 1970 to 2000
_offset = 0  # s between power-on and 2000, once somebody has asked SNTP


def ticks_us():
    """µs, wraps after 17.9 minutes."""
    return _clock.now_us() & (_PERIOD - 1)


def ticks_ms():
    """ms, wraps after 12.4 days."""
    return _clock.now_us() // 1000 & (_PERIOD - 1)


def ticks_cpu():
    """As ticks_us: the simulated core has no cycle counter."""
    return ticks_us()


def ticks_add(ticks, delta):
    """ticks + delta, wrapped."""
    return ticks + delta & (_PERIOD - 1)


def ticks_diff(end, start):
    """end - start, right as long as they are less than half a period apart."""
    return (end - start + _HALF & (_PERIOD - 1)) - _HALF


def sleep_us(us):
    """Block for us."""
    _clock.sleep_us(int(us))


def sleep_ms(ms):
    """Block for ms."""
    _clock.sleep_us(int(ms) * 1000)


def sleep(s):
    """Block for s seconds."""
    _clock.sleep_us(int(s * 1_000_000))


def time():
    """Seconds since 2000, int; since power-on as long as nobody has asked SNTP."""
    return _clock.now_us() // 1_000_000 + _offset


def set_seconds(now):
    """What the port's RTC is set to, in seconds since 2000."""
    global _offset
    _offset = now - _clock.now_us() // 1_000_000


def time_ns():
    """ns since 2000."""
    return time() * 1_000_000_000


def gmtime(seconds=None):
    """(year, month, day, hour, minute, second, weekday, yearday) of seconds since 2000."""
    return utime.gmtime((time() if seconds is None else int(seconds)) + _Y2000)[:8]


localtime = gmtime


def mktime(fields):
    """The inverse of localtime."""
    year, month, day, hour, minute, second = fields[:6]
    # Days from civil, so that the host's time zone plays no part.
    y = year - (month <= 2)
    era = y // 400
    doe = (y - era * 400) * 365 + (y - era * 400) // 4 - (y - era * 400) // 100
    doy = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    days = era * 146097 + doe + doy - 719468 - 10957
    return ((days * 24 + hour) * 60 + minute) * 60 + second
