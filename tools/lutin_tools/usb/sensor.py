"""What recorded light says about the sensor: too dark, saturated, flickering; and the resistor to try."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

FULL = 65535  # what the ADC reads from its upper limit on
_CLIPPED = 64500
_TARGET = 42000  # where white should be: room above for a brighter screen
_DARK = 6000  # white below this is too near to where the ADC reads nothing at all
_NOTHING = 700
_LIT = 12000  # black above this is other light
_FLICKERS = (100, 120, 200, 240, 360, 480)  # Hz: lamps, and dimmed OLED screens
_SPAN = 3_000_000  # µs that are looked at for flicker
_E12 = (10, 12, 15, 18, 22, 27, 33, 39, 47, 56, 68, 82)


@dataclass(frozen=True)
class Verdict:
    """good: nothing has to be changed; text: for people; ohms: the resistor to try, None: the same."""

    good: bool
    text: str
    ohms: int | None = None


def judge(samples: Sequence[tuple[int, int]], ohms: int) -> list[Verdict]:
    """samples: (µs, 0 to 65535). ohms: the resistor that is there. At least one verdict."""
    values = sorted(value for _, value in samples)
    if not values:
        return [Verdict(False, "The board has sent no samples.")]
    black, white = _part(values, 0.05), _part(values, 0.98)
    clipped = sum(value >= _CLIPPED for value in values) / len(values)
    found = _level(black, white, clipped, ohms)
    rate = flicker(samples)
    if rate:
        hertz, share = rate
        what = "a lamp" if hertz in (100, 120) else "a dimmed screen"
        found.append(
            Verdict(
                False,
                f"The light flickers at {hertz} Hz, by {share:.0%} of its mean: {what}. The receiver lives "
                "with a good deal of that; shade the sensor from lamps, and turn the screen's brightness up.",
            )
        )
    if not found:
        swing = (white - black) / FULL
        found.append(Verdict(True, f"The sensor is well: light moves it by {swing:.0%} of the ADC's range."))
    return found


def _level(black: int, white: int, clipped: float, ohms: int) -> list[Verdict]:
    if white < _NOTHING:
        return [
            Verdict(
                False,
                "The sensor sees nothing. Was a bright screen held close? If so, it may be the wrong way "
                "round, or on another pin.",
            )
        ]
    if clipped > 0.01 and black > _LIT:
        to = e12(ohms * _LIT / 2 / black)
        return [
            Verdict(
                False,
                f"The sensor is saturated, and bright even when the screen is dark: shade it, or try "
                f"{said(to)} in place of {said(ohms)}.",
                to,
            )
        ]
    if clipped > 0.01:
        to = e12(ohms / 2)
        return [
            Verdict(
                False,
                f"The sensor is saturated in {clipped:.0%} of the samples: grey and white look the same. Try "
                f"{said(to)} in place of {said(ohms)}.",
                to,
            )
        ]
    if white < _DARK:
        to = min(e12(ohms * _TARGET / white), 1_000_000)
        return [
            Verdict(
                False,
                f"Too dark: the brightest light is {white / FULL:.0%} of the ADC's range. Hold the screen "
                f"closer and turn it up; if it was, try {said(to)} in place of {said(ohms)}.",
                to,
            )
        ]
    return []


def flicker(samples: Sequence[tuple[int, int]]) -> tuple[int, float] | None:
    """(Hz, amplitude as a part of the mean) of what flickers most; None: nothing does."""
    if len(samples) < 200:
        return None
    begin = samples[0][0]
    part = [(us, value) for us, value in samples if us - begin < _SPAN]
    mean = sum(value for _, value in part) / len(part)
    if mean < 200:
        return None
    swing = max(value for _, value in part) - min(value for _, value in part)
    best = max(((_amplitude(part, mean, hertz), hertz) for hertz in _FLICKERS), default=(0.0, 0))
    amplitude, hertz = best
    # A sender's own light has parts everywhere, but small ones up here.
    if amplitude < 0.05 * mean or amplitude < 0.12 * swing:
        return None
    return hertz, amplitude / mean


def _amplitude(part: Sequence[tuple[int, int]], mean: float, hertz: int) -> float:
    """Of this frequency, or one that is a little beside it: clocks differ."""
    best = 0.0
    for off in (-0.6, -0.3, 0.0, 0.3, 0.6):
        turn = 2 * math.pi * (hertz + off) / 1e6
        sine = sum((value - mean) * math.sin(turn * us) for us, value in part)
        cosine = sum((value - mean) * math.cos(turn * us) for us, value in part)
        best = max(best, 2 * math.hypot(sine, cosine) / len(part))
    return best


def e12(ohms: float) -> int:
    """The nearest resistor that shops have."""
    decade = 10 ** (math.floor(math.log10(max(ohms, 10))) - 1)
    steps = [round(step * decade) for step in (*_E12, 100)]
    return min(steps, key=lambda step: abs(math.log(step / max(ohms, 10))))


def said(ohms: int) -> str:
    """4.7 kΩ."""
    for limit, unit in ((1_000_000, "MΩ"), (1000, "kΩ")):
        if ohms >= limit:
            return f"{ohms / limit:.3g} {unit}"
    return f"{ohms} Ω"


def _part(values: Sequence[int], share: float) -> int:
    return values[min(int(len(values) * share), len(values) - 1)]
