"""Everything around the simulated board: air, light, flash, pins. One world at a time."""

from sim import clock

# label -> size of the partition, as in lutin's partition table
SECTORS = {"otadata": 2, "lutin": 8, "vfs": 232, "ota_0": 384, "ota_1": 384}

airspace = None  # sim.airspace.Airspace
sensor = None  # sim.optics.Sensor
flash = {}  # partition label -> sim.nor.Nor
running = "ota_0"  # the partition that the boot loader has chosen
pins = {}  # pin number -> level
pixels = {}  # pin number of a WS2812 string -> (r, g, b)
analog = {}  # pin number -> what its ADC reads, 0 to 65535
watchers = []  # called as watcher(what): "led", "air", "flash" (lutin's), another label
reset_cause = 1  # machine.PWRON_RESET
mac = b"\x24\x0a\xc4\x12\x34\x56"  # what the chip is known by
multicast = None  # (host, port) that datagrams to a group go to; None: nobody hears them
ntp = None  # what SNTP answers in virtual time, s since 1970; None: nobody answers


def reset(start_us=0):
    """A new world in virtual time, for a test."""
    global pins, pixels, analog, watchers, reset_cause, multicast
    clock.virtual(start_us)
    clock._hooks.clear()
    build()
    pins = {}
    pixels = {}
    analog = {}
    watchers = []
    reset_cause = 1
    multicast = None


def build():
    """Air, light and flash as a new board finds them; callers may replace any of them."""
    global airspace, sensor, flash, running
    from sim.airspace import Airspace
    from sim.optics import Sensor

    airspace = Airspace()
    sensor = Sensor()
    flash = {}
    running = "ota_0"
    add_flash("lutin")


def add_flash(label, sectors=None):
    """A new chip in RAM for this partition, and for what the boot loader keeps beside it; the chip."""
    from sim.nor import Nor

    flash[label] = Nor(sectors or SECTORS[label])
    if label.startswith("ota_") and "otadata" not in flash:
        add_flash("otadata")
    return flash[label]


def changed(what):
    """Tell those who watch."""
    for watcher in watchers:
        watcher(what)
