"""Everything around the simulated board: air, light, flash, pins. One world at a time."""

from sim import clock

airspace = None  # sim.airspace.Airspace
sensor = None  # sim.optics.Sensor
flash = {}  # partition label -> sim.nor.Nor
pins = {}  # pin number -> level
pixels = {}  # pin number of a WS2812 string -> (r, g, b)
watchers = []  # called as watcher(what) when something changed: "led", "air", "flash"
reset_cause = 1  # machine.PWRON_RESET


def reset(start_us=0):
    """A new world in virtual time, for a test."""
    global pins, pixels, watchers, reset_cause
    clock.virtual(start_us)
    clock._hooks.clear()
    build()
    pins = {}
    pixels = {}
    watchers = []
    reset_cause = 1


def build():
    """Air, light and flash as a new board finds them; callers may replace any of them."""
    global airspace, sensor, flash
    from sim.airspace import Airspace
    from sim.nor import Nor
    from sim.optics import Sensor

    airspace = Airspace()
    sensor = Sensor()
    flash = {"lutin": Nor(8)}


def changed(what):
    """Tell those who watch."""
    for watcher in watchers:
        watcher(what)
