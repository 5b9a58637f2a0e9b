"""The wiring drawing of a board, made from its description.

Everything beside the board is placed by `d`, the distance from the board's edge, so that the same drawing
serves boards with their pins on the left or on the right. Each net has a row; rows are in the order of the
pins, and wires change from pin to row in lanes, so that no two of them lie on each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from itertools import pairwise

from .description import Board
from .sketch import STYLE, Sketch, bands, n, ohms

_PITCH = 20  # between pins
_WIDE = 160  # of the board
_LANE = 9  # between the lanes
_ROW = 66  # between rows
_TALL = 118  # between the rows of the phototransistor's ends
_NODE = 176  # d of the phototransistor
_PARTS = 128  # d where resistors of LEDs begin
_GROUND = 392  # d of the ground rail
_SUPPLY = 428  # d of the 3.3 V rail, where there is one
_MARGIN = 30
_TOP = 74  # title


@dataclass
class _Net:
    """A wire from a pin to its row."""

    kind: str  # supply, ground, sense, touch, red, green, amber
    pin: float  # y where it leaves the board
    row: float = 0.0
    lane: float = 0.0
    far: float | None = None  # y of the pin if it is on the other side of the board
    use: str = ""


def svg(board: Board) -> str:
    """The drawing."""
    head = board.header
    left = _outside(board, head.left)
    right = _outside(board, head.right)
    mirror = right > left
    near, other = (head.right, head.left) if mirror else (head.left, head.right)
    rail = _needs_supply(board)
    reach = (_SUPPLY if rail else _GROUND) + 16

    nets = _nets(board, near, other, head.usb)
    around = sum(1 for net in nets if net.far is not None)
    length = max(len(near), len(other)) * _PITCH + 44
    _rows(nets, length)
    above = max(_TOP + (12 * around + 12 if around and head.usb == "bottom" else 0), _TOP - nets[0].row + 26)
    top = above
    for net in nets:
        net.pin += top
        net.row += top
        if net.far is not None:
            net.far += top
    bottom = max(top + length + (24 if head.usb == "bottom" else 8), max(net.row for net in nets) + 40)
    if around and head.usb == "top":
        bottom += 12 * around + 12
    width = _MARGIN + reach + _WIDE + (46 + 12 * around if around else 16) + _MARGIN
    height = bottom + 40

    edge = width - _MARGIN - reach if mirror else _MARGIN + reach
    drawing = Sketch(mirror, edge)
    words = f"Wiring of the {board.title}: " + "; ".join(_words(board)) + "."
    drawing.add(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {n(width)} {n(height)}" width="{n(width)}" '
        f'height="{n(height)}" font-family="system-ui, sans-serif" role="img" aria-labelledby="t">'
    )
    drawing.add(f'<title id="t">{escape(words)}</title>\n<style>{STYLE}</style>')
    drawing.add(f'<rect class="paper" width="{n(width)}" height="{n(height)}" rx="8"/>')
    drawing.words(_MARGIN, 34, board.title[0].upper() + board.title[1:], "", 17, "start")
    drawing.words(
        _MARGIN,
        54,
        "Board seen from the side with the chip. A dot joins wires; where they only cross, they do not.",
        "small",
        12,
        "start",
    )
    _wires(drawing, board, nets, rail)
    _board(drawing, board, nets, near, other, top, length)
    _sensor(drawing, board, nets)
    _leds(drawing, board, nets)
    _button(drawing, board, nets)
    drawing.words(_MARGIN, height - 16, _footer(board), "small", 12, "start")
    drawing.add("</svg>")
    return "\n".join(drawing.out) + "\n"


# What there is to wire


def _wired(board: Board) -> list[tuple[str, int, str]]:
    """(use, GPIO, colour) of every pin that somebody has to wire."""
    wired = [("sensor", board.sensor.pin, "sense")]
    if not board.led.on_board:
        colours = {"bicolour": ("red", "green"), "single": ("amber",), "ws2812": ("amber",)}[board.led.kind]
        wired += [("led", pin, colour) for pin, colour in zip(board.led.pins, colours, strict=True)]
    if board.button and not board.button.on_board:
        wired.append(("button", board.button.pin, "touch"))
    return wired


def _needs_supply(board: Board) -> bool:
    led = board.led
    return not led.on_board and (led.lit == 0 or led.kind == "ws2812")


def _words(board: Board) -> list[str]:
    words = [
        f"the phototransistor from 3V3 to GPIO{board.sensor.pin}",
        f"{ohms(board.sensor.ohms)} from GPIO{board.sensor.pin} to GND",
    ]
    for use, pin, colour in _wired(board)[1:]:
        if use == "button":
            words.append(f"the button from GPIO{pin} to GND")
        else:
            to = "GND" if board.led.lit and board.led.kind != "ws2812" else "3V3"
            name = (
                "WS2812" if board.led.kind == "ws2812" else f"{'' if colour == 'amber' else colour + ' '}LED"
            )
            words.append(f"{ohms(board.led.ohms)} and the {name} from GPIO{pin} to {to}")
    return words


def _footer(board: Board) -> str:
    parts = []
    if board.led.on_board:
        pins = " or ".join(f"GPIO{pin}" for pin in board.led.pins)
        parts.append(f"The status light is on the board ({pins}).")
    if board.button and board.button.on_board:
        parts.append(f"The button is the board's own, {board.button.label} (GPIO{board.button.pin}).")
    return " ".join(parts)


def _outside(board: Board, side: tuple[str | int, ...]) -> int:
    """How many of the pins to be wired are on this side."""
    wired = {pin for _, pin, _ in _wired(board)}
    return sum(1 for label in side if board.header.gpio(label) in wired)


# Where things go


def _pin_y(index: int) -> float:
    return 22 + _PITCH * index + _PITCH / 2


def _nets(board: Board, near: tuple[str | int, ...], other: tuple[str | int, ...], usb: str) -> list[_Net]:
    """All wires in the order in which they leave the board, from top to bottom."""
    wired = [(pin, kind, use) for use, pin, kind in _wired(board)]
    places = [
        _pin_y(index) for index, label in enumerate(near) if board.header.gpio(label) in {w[0] for w in wired}
    ]
    middle = sum(places) / len(places)
    nets: list[_Net] = []
    beyond = 0
    for label, kind in (("3V3", "supply"), ("GND", "ground")):
        here = [_pin_y(index) for index, printed in enumerate(near) if printed == label]
        if here:
            nets.append(_Net(kind, min(here, key=lambda y: abs(y - middle)), use=label))
    for pin, kind, use in wired:
        here = [_pin_y(index) for index, printed in enumerate(near) if board.header.gpio(printed) == pin]
        if here:
            nets.append(_Net(kind, here[0], use=use))
    length = max(len(near), len(other)) * _PITCH + 44
    for label, kind, use in [
        ("3V3", "supply", "3V3"),
        ("GND", "ground", "GND"),
        *((p, k, u) for p, k, u in wired),
    ]:
        if any(net.kind == kind and net.use == use for net in nets):
            continue
        there = [
            _pin_y(index)
            for index, printed in enumerate(other)
            if printed == label or (isinstance(label, int) and board.header.gpio(printed) == label)
        ]
        beyond += 1
        y = -12.0 * beyond if usb == "bottom" else length + 12.0 * beyond
        # The outermost lane must be the outermost all the way round.
        there.sort(reverse=usb == "bottom")
        nets.append(_Net(kind, y, far=there[-1] if usb == "bottom" else there[0], use=use))
    nets.sort(key=lambda net: net.pin)
    # The phototransistor stands between its two rows, so they are neighbours.
    supply, sensor = _net(nets, "3V3"), _net(nets, "sensor")
    nets.remove(supply)
    nets.insert(nets.index(sensor) + (supply.pin > sensor.pin), supply)
    return nets


def _rows(nets: list[_Net], length: float) -> None:
    """Give each net its row and its lane."""
    gaps: list[float] = []
    for upper, lower in pairwise(nets):
        ends = {upper.use, lower.use}
        gaps.append(_TALL if ends == {"3V3", "sensor"} else _ROW)
    total = sum(gaps)
    centre = sum(net.pin for net in nets) / len(nets)
    y = min(max(centre - total / 2, 18), max(18, length - total - 10))
    for net, gap in zip(nets, [*gaps, 0], strict=True):
        net.row = y
        y += gap
    falling = [net for net in reversed(nets) if net.row >= net.pin]
    rising = [net for net in nets if net.row < net.pin]
    # Falling wires and rising ones never meet, unless a net has been taken out of the order of its pin.
    apart = [net.pin for net in nets] != sorted(net.pin for net in nets)
    for index, net in enumerate(falling):
        net.lane = 22 + _LANE * index
    for index, net in enumerate(rising):
        net.lane = 22 + _LANE * (index + (len(falling) if apart else 0))


def _net(nets: list[_Net], use: str, kind: str = "") -> _Net:
    return next(net for net in nets if net.use == use and kind in ("", net.kind))


# Drawing


def _wires(drawing: Sketch, board: Board, nets: list[_Net], rail: bool) -> None:
    ground, supply = _net(nets, "GND"), _net(nets, "3V3")
    turn = 0
    for net in nets:
        if net is ground:
            end = _GROUND
        elif net is supply:
            end = _SUPPLY if rail else _NODE
        elif net.use == "sensor":
            end = _NODE
        else:
            end = _PARTS
        points = [(0.0, net.pin), (net.lane, net.pin), (net.lane, net.row), (end, net.row)]
        if net.far is not None:
            out = -_WIDE - 20 - 12 * turn
            turn += 1
            points = [(-_WIDE, net.far), (out, net.far), (out, net.pin), *points]
        drawing.path(points, f"wire {net.kind}")
    sensor = _net(nets, "sensor")
    led = board.led
    pixel = 10 if led.kind == "ws2812" else 0  # it takes ground below and 3.3 V above its middle
    rows = [sensor.row, ground.row, *(net.row for net in nets if net.use == "button")]
    if pixel or led.lit:
        rows += [net.row + pixel for net in nets if net.use == "led"]
    _rail(drawing, _GROUND, rows, "ground")
    drawing.text(_GROUND - 8, ground.row - 8, "GND", "small halo", 12, "in")
    if rail:
        _rail(
            drawing, _SUPPLY, [supply.row, *(net.row - pixel for net in nets if net.use == "led")], "supply"
        )
        drawing.dot(_NODE, supply.row, "supply")
    drawing.text(_PARTS - 36, supply.row - 8, "3.3 V", "small halo", 12)


def _rail(drawing: Sketch, d: float, rows: list[float], kind: str) -> None:
    """A wire across rows; a dot where one of them goes on."""
    drawing.path([(d, min(rows)), (d, max(rows))], f"wire {kind}")
    for row in sorted(set(rows)):
        if min(rows) < row < max(rows):
            drawing.dot(d, row, kind)


def _board(
    drawing: Sketch,
    board: Board,
    nets: list[_Net],
    near: tuple[str | int, ...],
    other: tuple[str | int, ...],
    top: float,
    length: float,
) -> None:
    """The board with its pins, and what is on it already."""
    x = min(drawing.x(0), drawing.x(-_WIDE))
    middle = x + _WIDE / 2
    usb_low = board.header.usb == "bottom"
    usb_y = top + length - 14 if usb_low else top - 10
    drawing.add(f'<rect class="board" x="{n(x)}" y="{n(top)}" width="{_WIDE}" height="{n(length)}" rx="6"/>')
    drawing.add(f'<rect class="metal" x="{n(middle - 24)}" y="{n(usb_y)}" width="48" height="24" rx="4"/>')
    drawing.words(middle, usb_y + 16, "USB", "", 11, "middle")
    antenna = top + 6 if usb_low else top + length - 18
    zig = " ".join(f"h6 v{12 if i % 2 == 0 else -12}" for i in range(6))
    drawing.add(f'<path class="line" stroke-opacity=".5" d="M{n(middle - 21)} {n(antenna)} {zig} h6"/>')
    here = {net.pin for net in nets if net.far is None}
    there = {net.far for net in nets}
    for side, labels, taken in ((0.0, near, here), (-float(_WIDE), other, there)):
        for index, label in enumerate(labels):
            y = top + _pin_y(index)
            used = y in taken
            style = "pad used" if used else "pad"
            drawing.add(f'<circle class="{style}" cx="{n(drawing.x(side))}" cy="{n(y)}" r="5"/>')
            inward = -11 if side == 0 else -_WIDE + 11
            style, size = ("", 13) if used else ("dim", 12)
            drawing.text(inward, y + 4.5, str(label), style, size, "in" if side == 0 else "out")
    _fitted(drawing, board, middle, top, length)


def _fitted(drawing: Sketch, board: Board, middle: float, top: float, length: float) -> None:
    """LED and button that come with the board."""
    y = top + length / 2 - 20
    drawing.words(middle, y - 34, board.chip.title, "", 14, "middle")
    if board.led.on_board:
        kind = "amber" if board.led.kind != "bicolour" else "red"
        drawing.add(f'<circle class="part lamp {kind}" cx="{n(middle)}" cy="{n(y)}" r="9"/>')
        drawing.words(middle, y + 25, "LED " + ", ".join(map(str, board.led.pins)), "small", 11, "middle")
        y += 64
    if board.button and board.button.on_board:
        drawing.add(
            f'<rect class="metal" x="{n(middle - 12)}" y="{n(y - 12)}" width="24" height="24" rx="3"/>'
        )
        drawing.add(f'<circle class="solid" cx="{n(middle)}" cy="{n(y)}" r="6"/>')
        drawing.words(middle, y + 27, board.button.label, "small", 11, "middle")


def _resistor(drawing: Sketch, d: float, y: float, value: int) -> None:
    """A resistor that begins at d and is 66 long, with its value and rings."""
    x = min(drawing.x(d), drawing.x(d + 66))
    drawing.add(f'<rect class="part" x="{n(x)}" y="{n(y - 9)}" width="66" height="18" rx="3"/>')
    drawing.words(x + 33, y - 15, ohms(value), "halo", 14, "middle")
    drawing.words(x + 33, y + 25, bands(value), "small halo", 11, "middle")


def _sensor(drawing: Sketch, board: Board, nets: list[_Net]) -> None:
    """Phototransistor from 3.3 V to the node, resistor from the node to ground."""
    supply, node = _net(nets, "3V3"), _net(nets, "sensor")
    down = 1 if node.row > supply.row else -1
    centre = (supply.row + node.row) / 2
    drawing.path([(_NODE, supply.row), (_NODE, centre - 24 * down)], "wire supply")
    drawing.path([(_NODE, node.row), (_NODE, centre + 24 * down)], "wire sense")
    x = drawing.x(_NODE + 4)
    drawing.add(f'<circle class="part" cx="{n(x)}" cy="{n(centre)}" r="25"/>')
    base = _NODE + 12
    drawing.path([(base, centre - 14), (base, centre + 14)], "line")
    drawing.path(
        [(base, centre - 6 * down), (_NODE, centre - 18 * down), (_NODE, centre - 24 * down)], "line"
    )
    drawing.path(
        [(base, centre + 6 * down), (_NODE, centre + 18 * down), (_NODE, centre + 24 * down)], "line"
    )
    # The emitter's arrow points away from the base.
    tip = centre + 17 * down
    drawing.path(
        [(_NODE + 1, tip), (_NODE + 9, tip - 1 * down), (_NODE + 4, tip - 8 * down), (_NODE + 1, tip)],
        "solid",
    )
    for shift in (-9, 5):
        y = centre + shift
        drawing.path([(_NODE + 62, y - 16), (_NODE + 40, y - 4)], "ray")
        drawing.path(
            [(_NODE + 34, y - 0.7), (_NODE + 44, y - 1.5), (_NODE + 40, y - 9), (_NODE + 34, y - 0.7)],
            "raytip",
        )
    drawing.text(_NODE + 70, centre - 8, "phototransistor", "halo", 14, "out")
    drawing.text(_NODE - 12, centre - 32 * down + 4, "short leg, flat side", "small halo", 11, "in")
    drawing.text(_NODE - 12, centre + 32 * down + 4, "long leg", "small halo", 11, "in")
    drawing.dot(_NODE, node.row, "sense")
    start = _NODE + 66
    drawing.path([(_NODE, node.row), (start, node.row)], "wire sense")
    drawing.path([(start + 66, node.row), (_GROUND, node.row)], "wire ground")
    _resistor(drawing, start, node.row, board.sensor.ohms)


def _leds(drawing: Sketch, board: Board, nets: list[_Net]) -> None:
    """A resistor and an LED for each pin."""
    if board.led.on_board:
        return
    lit = board.led.lit
    for net in (net for net in nets if net.use == "led"):
        y = net.row
        _resistor(drawing, _PARTS, y, board.led.ohms)
        drawing.path([(_PARTS + 66, y), (_PARTS + 112, y)], f"wire {net.kind}")
        if board.led.kind == "ws2812":
            x = min(drawing.x(_PARTS + 112), drawing.x(_PARTS + 182))
            drawing.path([(_PARTS + 182, y - 10), (_SUPPLY, y - 10)], "wire supply")
            drawing.path([(_PARTS + 182, y + 10), (_GROUND, y + 10)], "wire ground")
            drawing.add(
                f'<rect class="part lamp amber" x="{n(x)}" y="{n(y - 22)}" width="70" height="44" rx="4"/>'
            )
            drawing.words(x + 35, y + 5, "WS2812", "", 13, "middle")
            continue
        rail, kind = (_GROUND, "ground") if lit else (_SUPPLY, "supply")
        drawing.path([(_PARTS + 144, y), (rail, y)], f"wire {kind}")
        wide, point = (_PARTS + 112, _PARTS + 144) if lit else (_PARTS + 144, _PARTS + 112)
        drawing.path([(wide, y - 16), (wide, y + 16), (point, y), (wide, y - 16)], f"part lamp {net.kind}")
        drawing.path([(point, y - 16), (point, y + 16)], "line")
        drawing.text(_PARTS + 160, y - 8, {"amber": "LED"}.get(net.kind, net.kind), "halo", 14, "out")
    _one_part(drawing, board, [net.row for net in nets if net.use == "led"])


def _one_part(drawing: Sketch, board: Board, rows: list[float]) -> None:
    """Which leg is which; and that two LEDs are one thing to buy."""
    if board.led.kind == "single":
        drawing.text(_PARTS + 160, rows[0] + 20, "short leg, flat side", "small halo", 11, "out")
    elif board.led.kind == "bicolour":
        x = min(drawing.x(_PARTS + 98), drawing.x(_PARTS + 208))
        drawing.add(
            f'<rect class="line" stroke-dasharray="5 5" stroke-opacity=".6" x="{n(x)}" '
            f'y="{n(rows[0] - 28)}" width="110" height="{n(rows[-1] - rows[0] + 56)}" rx="8"/>'
        )
        side = "GND" if board.led.lit else "3.3 V"
        drawing.text(_PARTS + 153, rows[-1] + 45, f"one LED, its long leg to {side}", "small halo", 11)


def _button(drawing: Sketch, board: Board, nets: list[_Net]) -> None:
    """A push button to ground, where the board has none."""
    if not board.button or board.button.on_board:
        return
    y = _net(nets, "button").row
    drawing.path([(_PARTS, y), (_PARTS + 50, y)], "wire touch")
    drawing.path([(_PARTS + 90, y), (_GROUND, y)], "wire ground")
    drawing.path([(_PARTS + 50, y), (_PARTS + 86, y - 16)], "line")
    drawing.text(_PARTS + 70, y - 24, "button", "halo", 14)
