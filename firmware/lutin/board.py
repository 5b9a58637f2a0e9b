"""The one door to hardware: everything else is handed what it needs."""

import time

import machine
import neopixel
import network
import pins
from esp32 import Partition

from . import led

_BASES = ("", "ota_0", "ota_1")
_Y2000 = 946684800  # s from 1970 to 2000, where the board's clock begins
_NOT_SET = 757382400  # s since 2000: before 2024 nobody has set the clock
_CAUSES = {
    machine.PWRON_RESET: "power-on",
    machine.HARD_RESET: "reset",
    machine.WDT_RESET: "watchdog",
    machine.DEEPSLEEP_RESET: "deep-sleep",
    machine.SOFT_RESET: "soft-reset",
}


def status_led():
    """The driver of this board's status light (see led.py)."""
    out = [machine.Pin(number, machine.Pin.OUT) for number in pins.LED_PINS]
    if pins.LED == "bicolour":
        return led.Bicolour(out[0], out[1], pins.LED_LIT)
    if pins.LED == "ws2812":
        return led.Pixel([neopixel.NeoPixel(pin, 1) for pin in out])
    return led.Single(out[0], pins.LED_LIT)


def light_sensor():
    """A callable that gives the light, 0 to 65535, full scale at 2450 mV."""
    return machine.ADC(machine.Pin(pins.SENSOR), atten=machine.ADC.ATTN_11DB).read_u16


def button():
    """A callable that is true while the board's button is pressed; None where it has none."""
    if pins.BUTTON is None:
        return None
    pin = machine.Pin(pins.BUTTON, machine.Pin.IN, machine.Pin.PULL_UP)
    return lambda: not pin()


def free_pins():
    """{name: GPIO} of the pins that are left to an application."""
    ours = (pins.SENSOR, pins.BUTTON) + tuple(pins.LED_PINS)
    # A board that was flashed before there were names has none.
    return {name: pin for name, pin in getattr(pins, "FREE", {}).items() if pin not in ours}


def free_pin(name, *args, **more):
    """A machine.Pin of those; KeyError for any other name."""
    return machine.Pin(free_pins()[name], *args, **more)


def settings_flash():
    """The partition of the settings; None where the board's table has none."""
    try:
        return Partition("lutin")
    except OSError:
        return None


def station():
    """The WiFi station interface."""
    return network.WLAN(network.STA_IF)


def device_id():
    """The chip's own number, in hex: who a device is never comes from the light."""
    return machine.unique_id().hex()


def watchdog(ms):
    """A running watchdog; it cannot be stopped again."""
    return machine.WDT(timeout=ms)


def deadline(ms):
    """Restart the chip after so many ms, whatever it does; in place of an earlier one."""
    # By eval: a function of this module would keep all of it in memory for as long as the deadline
    # stands, and it is the factory's module that sets it.
    callback = eval("lambda _: reset()", {"reset": machine.reset})
    machine.Timer(0, mode=machine.Timer.ONE_SHOT, period=ms, callback=callback)


def no_deadline():
    """There is no deadline any more."""
    machine.Timer(0).deinit()


def running_base():
    """The OTA partition that MicroPython runs from: 1 ota_0, 2 ota_1; 0 if it is none."""
    label = this_base().info()[4]
    return _BASES.index(label) if label in _BASES else 0


def this_base():
    """The partition that MicroPython runs from."""
    return Partition(Partition.RUNNING)  # type: ignore (the stubs know labels only)


def next_base():
    """(number, partition) that a new base goes to; (0, None) where the table has none."""
    if running_base():
        try:
            part = this_base().get_next_update()
            number = _BASES.index(part.info()[4])
            if number != running_base():  # where there is one, the next one is itself
                return number, part
        except (OSError, ValueError):
            pass
    return 0, None


def boot_from(base):
    """Tell the boot loader to try this base once; False if it refuses."""
    try:
        Partition(_BASES[base]).set_boot()
        return True
    except OSError:
        return False


def keep_base():
    """The base that runs is good: the boot loader stays with it."""
    try:
        Partition.mark_app_valid_cancel_rollback()
    except OSError:
        pass  # nothing was on trial


def now():
    """Seconds since 1970; None if the clock was never set."""
    seconds = time.time()
    return seconds + _Y2000 if seconds > _NOT_SET else None


def ask_time():
    """Set the clock by SNTP; True if there was an answer. Blocks for a second at most."""
    import ntptime

    try:
        ntptime.settime()
        return True
    except (OSError, OverflowError):
        return False


def reset():
    """Restart the chip."""
    machine.reset()


def reset_cause():
    """Why the chip started, as a word."""
    return _CAUSES.get(machine.reset_cause(), "unknown")


def name():
    """The board's name."""
    return pins.NAME
