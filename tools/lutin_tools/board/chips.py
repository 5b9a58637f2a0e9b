"""What the chips' pins can do: facts from Espressif's data sheets and ESP-IDF's pages on GPIO and ADC."""

from __future__ import annotations

from dataclasses import dataclass, field


def _pins(text: str) -> frozenset[int]:
    """ "0-3 7" -> 0, 1, 2, 3, 7."""
    numbers: set[int] = set()
    for part in text.split():
        first, _, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return frozenset(numbers)


@dataclass(frozen=True)
class Chip:
    """One kind of chip. Pins are GPIO numbers."""

    name: str  # as esptool and ESP-IDF call it
    title: str  # as people do
    build: str  # how names of MicroPython's official builds for it begin
    exists: frozenset[int]
    adc1: frozenset[int]  # ADC2 stops while WiFi is on
    flash: frozenset[int]
    usb: frozenset[int]  # of the chip's own USB port
    uart0: frozenset[int]  # console, and the boot loader's way in
    strapping: dict[int, str]  # pin -> what happens if something wired to it holds it at reset
    bootloader: int  # where the boot loader is flashed
    input_only: frozenset[int] = frozenset()  # and no pull-up either
    psram: dict[str, frozenset[int]] = field(default_factory=dict)  # quad, octal -> pins that it takes


ESP32 = Chip(
    name="esp32",
    title="ESP32",
    build="ESP32_GENERIC",
    exists=_pins("0-19 21-23 25-27 32-39"),
    adc1=_pins("32-39"),
    flash=_pins("6-11"),
    usb=frozenset(),
    uart0=_pins("1 3"),
    input_only=_pins("34-39"),
    strapping={
        0: "low at reset starts the boot loader in place of lutin",
        2: "high at reset keeps the chip from being flashed",
        5: "at reset it sets the timing of SDIO",
        12: "high at reset gives the flash 1.8 V, and the chip does not start",
        15: "low at reset silences the boot loader",
    },
    bootloader=0x1000,
    psram={"quad": _pins("16-17")},
)

ESP32S3 = Chip(
    name="esp32s3",
    title="ESP32-S3",
    build="ESP32_GENERIC_S3",
    exists=_pins("0-21 26-48"),
    adc1=_pins("1-10"),
    flash=_pins("26-32"),
    usb=_pins("19-20"),
    uart0=_pins("43-44"),
    strapping={
        0: "low at reset starts the boot loader in place of lutin",
        3: "at reset it chooses where JTAG comes from",
        45: "at reset it sets the voltage of the flash",
        46: "high at reset keeps the chip from being flashed",
    },
    bootloader=0,
    psram={"quad": frozenset(), "octal": _pins("33-37")},
)

ESP32C3 = Chip(
    name="esp32c3",
    title="ESP32-C3",
    build="ESP32_GENERIC_C3",
    exists=_pins("0-21"),
    adc1=_pins("0-4"),
    flash=_pins("11-17"),
    usb=_pins("18-19"),
    uart0=_pins("20-21"),
    strapping={
        2: "low at reset keeps the chip from starting",
        8: "low at reset keeps the chip from being flashed",
        9: "low at reset starts the boot loader in place of lutin",
    },
    bootloader=0,
)

CHIPS = {chip.name: chip for chip in (ESP32, ESP32S3, ESP32C3)}
