"""`ntptime` as frozen into the ESP32 port: sets the clock, or raises OSError after a second."""

import socket
import time

import utime
from sim import clock, world

host = "pool.ntp.org"  # as the port's; not asked here
timeout = 1

_ETIMEDOUT = 116
_Y2000 = 946684800


def settime():
    """Ask the time. Virtual time has its own: world.ntp, s since 1970, or None where nobody answers."""
    now = world.ntp if clock.is_virtual() else int(utime.time())
    # The simulated internet has a time server of its own: the host may be offline.
    if now is None or socket.landing():
        clock.sleep_us(timeout * 1_000_000)
        raise OSError(_ETIMEDOUT)
    time.set_seconds(now - _Y2000)
