"""Which serial port the board is on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..board.chips import Chip
from .mishaps import Mishap

ESPRESSIF = 0x303A
# (vendor, product) -> what people call it; None: any product. From the makers' drivers and the USB ID list.
_BRIDGES: dict[tuple[int, int | None], str] = {
    (0x10C4, 0xEA60): "CP210x",
    (0x10C4, 0xEA70): "CP2105",
    (0x1A86, 0x7523): "CH340",
    (0x1A86, 0x7522): "CH340",
    (0x1A86, 0x5523): "CH341",
    (0x1A86, 0x55D3): "CH343",
    (0x1A86, 0x55D4): "CH9102",
    (0x0403, 0x6001): "FT232R",
    (0x0403, 0x6010): "FT2232",
    (0x0403, 0x6011): "FT4232",
    (0x0403, 0x6014): "FT232H",
    (0x0403, 0x6015): "FT230X",
    (ESPRESSIF, None): "the chip's own USB",
}
_NONE = (
    "No board was found. Plug it in with a cable that carries data: many only charge, and then there is no "
    "port at all."
)


@dataclass(frozen=True)
class Port:
    """A serial port of this machine."""

    device: str
    vid: int | None = None
    pid: int | None = None
    description: str = ""

    @property
    def bridge(self) -> str:
        """What makes USB of it; empty if that is not found on boards."""
        if self.vid is None:
            return ""
        return _BRIDGES.get((self.vid, self.pid)) or _BRIDGES.get((self.vid, None)) or ""

    def fits(self, chip: Chip) -> bool:
        """A board with this chip may be there: not every one has USB of its own."""
        return bool(self.bridge) and (self.vid != ESPRESSIF or bool(chip.usb))

    def __str__(self) -> str:
        words = self.bridge or self.description or "no USB"
        return f"{self.device} ({words})"


def listed() -> list[Port]:
    """What there is."""
    from serial.tools import list_ports

    return [Port(p.device, p.vid, p.pid, p.description or "") for p in sorted(list_ports.comports())]


def find(asked: str | None, chip: Chip, ports: Sequence[Port] | None = None) -> str:
    """The port to use: the one asked for, or the one that fits."""
    if asked:
        return asked
    if ports is None:
        ports = listed()
    fitting = [port for port in ports if port.fits(chip)]
    if len(fitting) == 1:
        return fitting[0].device
    if fitting:
        raise Mishap(
            f"There is more than one port that may be the board: {_names(fitting)}. Name one: "
            "PORT=… (`lutin flash --port`)."
        )
    on_usb = [port for port in ports if port.vid is not None]
    if on_usb:
        raise Mishap(
            f"None of these looks like an {chip.title}: {_names(on_usb)}. If one is, name it: "
            "PORT=… (`lutin flash --port`)."
        )
    raise Mishap(_NONE)


def only(ports: Sequence[Port]) -> str:
    """The one port at which a board may be, whatever its chip."""
    fitting = [port for port in ports if port.bridge]
    if len(fitting) == 1:
        return fitting[0].device
    if fitting:
        raise Mishap(
            f"There is more than one port that may be the board: {_names(fitting)}. Name one: --port …"
        )
    on_usb = [port for port in ports if port.vid is not None]
    if on_usb:
        raise Mishap(f"None of these looks like a board: {_names(on_usb)}. If one is, name it: --port …")
    raise Mishap(_NONE)


def _names(ports: Sequence[Port]) -> str:
    return ", ".join(map(str, ports))
