"""`machine` as the ESP32 port has it, as far as lutin's boards use it."""

import gc

from sim import clock, world

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5

# What the board's process ends with, so that whoever started it knows why.
EXIT_RESET = 75
EXIT_WATCHDOG = 76

_ADC1 = range(32, 40)
_INPUT_ONLY = range(34, 40)
_FLASH_PINS = range(6, 12)
_SAMPLE_US = 1000  # what a sample costs on the board, with the receiver's work on it
_SWEEP = 100  # samples between collections of this simulation's own garbage


class Pin:
    """A GPIO of the original ESP32."""

    IN = 1
    OUT = 3
    OPEN_DRAIN = 7
    PULL_DOWN = 1
    PULL_UP = 2
    IRQ_RISING = 1
    IRQ_FALLING = 2

    def __init__(self, id, mode=-1, pull=-1, *, value=None, drive=None, hold=None):
        if not 0 <= id < 40 or id in (20, 24, 28, 29, 30, 31) or id in _FLASH_PINS:
            raise ValueError("invalid pin")
        if mode in (Pin.OUT, Pin.OPEN_DRAIN) and id in _INPUT_ONLY:
            raise ValueError("pin can only be input")
        self.id = id
        self.init(mode, pull, value=value)

    def init(self, mode=-1, pull=-1, *, value=None, drive=None, hold=None):
        """Set mode, pull and level."""
        if mode == Pin.IN and pull == Pin.PULL_UP:
            world.pins.setdefault(self.id, 1)
        if value is not None:
            self(value)

    def __call__(self, value=None):
        if value is None:
            return world.pins.get(self.id, 0)
        value = 1 if value else 0
        if world.pins.get(self.id, 0) != value:
            world.pins[self.id] = value
            world.changed("led")
        return None

    def value(self, value=None):
        """Read, or with an argument set, the level."""
        return self(value) if value is not None else self()

    def on(self):
        """Set to 1."""
        self(1)

    def off(self):
        """Set to 0."""
        self(0)


class ADC:
    """One channel of ADC1; ADC2 does not work beside WiFi, so it is refused here at once."""

    ATTN_0DB = 0
    ATTN_2_5DB = 1
    ATTN_6DB = 2
    ATTN_11DB = 3

    def __init__(self, pin, *, atten=ATTN_0DB):
        number = pin.id if isinstance(pin, Pin) else pin
        if number not in _ADC1:
            raise ValueError("invalid pin")
        self._pin = number
        self._count = 0

    def read_u16(self):
        """0 to 65535. Takes the time that the board needs for a sample."""
        if self._pin in world.analog:
            return world.analog[self._pin]
        # The firmware samples with the collector off; what the optics leave is not its garbage.
        self._count += 1
        if self._count % _SWEEP == 0 and not gc.isenabled():
            gc.collect()
        clock.sleep_us(_SAMPLE_US - clock.now_us() % _SAMPLE_US)
        clock.run_hooks()
        return world.sensor.read(clock.now_us())

    def read_uv(self):
        """In microvolts, as the chip is calibrated."""
        return self.read_u16() * 2450000 // 65535


class WDT:
    """Restarts the board when it is not fed in time; there is one, and each new object sets it anew."""

    _timeout = None  # µs
    _fed = 0

    def __init__(self, id=0, timeout=5000):
        if timeout < 1:
            raise ValueError("invalid timeout")
        WDT._timeout = timeout * 1000
        self.feed()
        clock.on_idle(WDT._look)

    def feed(self):
        """Alive."""
        WDT._fed = clock.now_us()

    @staticmethod
    def _look():
        if clock.now_us() - WDT._fed > WDT._timeout:
            clock.end(EXIT_WATCHDOG)


class Timer:
    """A hardware timer; its callback runs between two bytecodes, here while the board idles."""

    ONE_SHOT = 0
    PERIODIC = 1

    _all = {}  # id -> the newest of that number

    def __init__(self, id, **kwargs):
        if not 0 <= id < 4:
            raise ValueError("invalid Timer number")
        self._id = id
        if kwargs:
            self.init(**kwargs)

    def init(self, *, mode=PERIODIC, callback=None, period=-1, freq=0, tick_hz=1000):
        """Start; period is in ms."""
        if mode != Timer.ONE_SHOT:
            raise NotImplementedError("periodic")
        due = Timer._all[self._id] = [callback]

        def fire():
            if Timer._all.get(self._id) is due:
                callback(self)

        clock.at(clock.now_us() + period * 1000, fire)

    def deinit(self):
        """Stop it."""
        Timer._all.pop(self._id, None)


def reset():
    """Restart the chip, at once."""
    clock.end(EXIT_RESET)


def soft_reset():
    """Restart the interpreter."""
    clock.end(EXIT_RESET)


def reset_cause():
    """Why the chip started."""
    return world.reset_cause


def unique_id():
    """The factory's MAC address."""
    return world.mac


def freq(hz=None):
    """The core's clock in Hz."""
    return 160_000_000


def idle():
    """Nothing to do for a moment."""
    clock.run_hooks()
