"""The one door to hardware: everything else is handed what it needs."""

import machine
import neopixel
import network
import pins
from esp32 import Partition

from . import led

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
        return led.Pixel(neopixel.NeoPixel(out[0], 1))
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


def reset():
    """Restart the chip."""
    machine.reset()


def reset_cause():
    """Why the chip started, as a word."""
    return _CAUSES.get(machine.reset_cause(), "unknown")


def name():
    """The board's name."""
    return pins.NAME
