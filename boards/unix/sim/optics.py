"""From a screen's picture to what the ADC reads. Runs on MicroPython and on CPython.

Light is given in fractions of what drives the sensor to 2450 mV, the ADC's upper end.
"""

import math
import random

_DARK = 100 / 2450  # below 100 mV the ESP32's ADC reads 0


class Sensor:
    """A screen seen by a phototransistor, beside lamps and daylight.

    All attributes may be changed at any moment:
    screen      what a white screen gives; a dim or distant one gives less
    tau_ms      how slowly the screen changes (LCD: 1 to 10; OLED: 0.05)
    tail_ms     how slowly the sensor itself gets dark (a phototransistor on a large resistor)
    pwm_hz      pulses by which an OLED is dimmed, pwm_depth of its light (0: none)
    ambient     steady light beside it
    mains       flickering light on top, mains_hz times a second
    noise       standard deviation of what the sensor adds by itself
    ramp        change of the screen's brightness a second, drift of ambient light a second
    """

    def __init__(self, **parameters):
        self.screen = 0.5
        self.tau_ms = 2.0
        self.tail_ms = 0.0
        self.pwm_hz = 0
        self.pwm_depth = 0.0
        self.ambient = 0.0
        self.mains = 0.0
        self.mains_hz = 100
        self.noise = 0.004
        self.ramp = 0.0
        self.drift = 0.0
        for name, value in parameters.items():
            if not hasattr(self, name):
                raise ValueError(name)
            setattr(self, name, value)
        self._frames = []  # (moment in µs, level) still to come
        self._target = 0.0  # what the screen is told to show
        self._shown = 0.0  # what it shows by now
        self._time = 0
        self._seen = 0.0  # what the sensor's slow side makes of it
        self._read = 0

    def show(self, at_us, level):
        """The screen's picture changes to level (0 to 1, linear light) at that moment."""
        self._frames.append((at_us, level))

    def read(self, at_us):
        """What read_u16() of the ADC gives at that moment; moments must not go back."""
        frames = self._frames
        while frames and frames[0][0] <= at_us:
            moment, level = frames.pop(0)
            self._settle(moment)
            self._target = level
        self._settle(at_us)
        seconds = at_us / 1e6
        light = self._shown * self.screen * (1 + self.ramp * seconds)
        if self.pwm_depth and seconds * self.pwm_hz % 1 > 0.7:
            light *= 1 - self.pwm_depth
        light += self.ambient + self.drift * seconds
        if self.mains:
            light += self.mains * (0.5 + 0.5 * math.sin(2 * math.pi * self.mains_hz * seconds))
        if self.tail_ms:
            rest = math.exp((self._read - at_us) / (self.tail_ms * 1000))
            self._seen = light = max(light, light + (self._seen - light) * rest)
            self._read = at_us
        if self.noise:
            # Three uniform numbers make a bell that is good enough, and bounded.
            light += self.noise * 2 * (random.random() + random.random() + random.random() - 1.5)
        volts = (light - _DARK) / (1 - _DARK)
        raw = min(max(int(volts * 4095), 0), 4095)
        return raw << 4 | raw >> 8  # twelve bits as the port stretches them to sixteen

    def _settle(self, at_us):
        """The picture follows what it is told, exponentially."""
        if at_us > self._time:
            if self._shown != self._target:
                rest = math.exp((self._time - at_us) / (self.tau_ms * 1000))
                self._shown = self._target + (self._shown - self._target) * rest
            self._time = at_us
