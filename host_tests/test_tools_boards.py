"""The boards' folders: descriptions, what is made from them, and what `lutin board check` says of wrong ones."""

from __future__ import annotations

import argparse
import re
import runpy
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lutin_tools.board import check as boardcheck
from lutin_tools.board import commands, folders, made, wiring
from lutin_tools.board.chips import CHIPS
from lutin_tools.board.description import Board, BoardError, Button, Led, Partition, load
from lutin_tools.paths import ROOT
from unixport import Rig

SHIPPED = [folder.name for folder in folders.folders()]
REAL = [name for name in SHIPPED if name != "unix"]


@pytest.fixture(scope="module")
def rig():
    with Rig("tools_boards") as rig:
        yield rig


def run(*words: str) -> int:
    """The command `lutin board …`."""
    parser = argparse.ArgumentParser()
    commands.add_commands(parser.add_subparsers(dest="command"))
    return commands.run(parser.parse_args(["board", *words]))


def complaints(folder: Path, refused: bool = True) -> list[str]:
    return [one.text for one in boardcheck.check(folder) if one.refused == refused]


# The boards that are there


def test_the_boards_that_the_issue_names_are_there():
    assert {"esp32-devkit", "esp32-devkit-single", "esp32-s3-devkitc", "esp32-c3-devkitm"} <= set(REAL)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_board_is_right_down_to_the_files_made_from_its_description(name):
    assert complaints(folders.find(name)) == []


@pytest.mark.parametrize("name", SHIPPED)
def test_the_board_reads_its_pins_as_the_description_has_them(rig, name):
    board = folders.named(name)
    assert rig.call("pins", made.pins_py(board)) == {
        "NAME": name,
        "LED": board.led.kind,
        "LED_PINS": list(board.led.pins),
        "LED_LIT": board.led.lit,
        "SENSOR": board.sensor.pin,
        "BUTTON": board.button.pin if board.button else None,
        "FREE": board.free,
    }


def test_a_board_without_a_button_says_so(rig):
    board = replace(folders.named("esp32-devkit"), button=None)
    assert rig.call("pins", made.pins_py(board))["BUTTON"] is None


def test_the_simulated_board_has_the_partitions_of_its_description(rig):
    board = folders.named("unix")
    described = {
        part.name: [*part.numbers(), part.offset, part.size]
        for part in board.partitions
        if part.name not in ("nvs", "phy_init")
    }
    assert rig.call("table") == described


@pytest.mark.parametrize("name", REAL)
def test_the_table_for_esp_idf_says_what_the_description_says(name):
    board = folders.named(name)
    lines = (folders.find(name) / "partitions.csv").read_text().splitlines()
    rows = [[field.strip() for field in line.split(",")] for line in lines if not line.startswith("#")]
    assert [(row[0], row[1], int(row[3], 0), int(row[4], 0)) for row in rows] == [
        (part.name, part.type, part.offset, part.size) for part in board.partitions
    ]
    assert [row[2] if not row[2].startswith("0x") else int(row[2], 0) for row in rows] == [
        part.subtype for part in board.partitions
    ]


def test_the_list_names_every_board(capsys):
    assert run("list") == 0
    shown = capsys.readouterr().out
    assert [line.split()[0] for line in shown.splitlines()] == SHIPPED


def test_the_table_of_boards_leads_to_every_page():
    text = (ROOT / "boards" / "README.md").read_text()
    for name in REAL:
        assert f"({name}/README.md)" in text


# Wrong descriptions, each with what is said of it

WRONG = [
    # pins
    ("pin = 34 ", "pin = 24 ", r"sensor: the ESP32 has no GPIO24, only 0 to 19, 21 to 23, 25 to 27, 32 to 39"),
    ("pin = 34 ", "pin = 27 ", r"sensor: GPIO27 is no pin of ADC1.* use one of 32 to 39"),
    ("pin = 34 ", "pin = 25 ", r"GPIO25 is used twice, by led and by sensor"),
    ("pins = [25, 26]", "pins = [25, 35]", r"led: GPIO35 can only be input.* none of 34 to 39"),
    ("pins = [25, 26]", "pins = [25, 9]", r"led: GPIO9 is wired to the flash; use another pin"),
    ("pins = [25, 26]", "pins = [25, 16]", r"led: GPIO16 is wired to the quad PSRAM"),
    ("pins = [25, 26]", "pins = [25, 12]", r"led: GPIO12 is a strapping pin \(high at reset gives the flash 1.8 V"),
    ("pins = [25, 26]", "pins = [25, 1]", r"led: GPIO1 belongs to UART0"),
    ("pins = [25, 26]", "pins = [25]", r"led.pins has 1 pins, and a bicolour LED has two, red and green"),
    ("pin = 0 ", "pin = 39 ", r"button: GPIO39 has no pull-up"),
    ("on_board = true", "on_board = false", r"button: GPIO0 is a strapping pin .* or say on_board = true"),
    ("IO4 = 4", "IO4 = 34", r"GPIO34 is used twice, by sensor and by free.IO4"),
    ("IO4 = 4", "IO4 = 6", r"free.IO4: GPIO6 is wired to the flash; leave it out"),
    ('left = ["3V3"', 'left = ["5V"', r"header: there is no '3V3'"),
    ("34, 35, 32", "35, 32", r"sensor: GPIO34 is in neither header.left nor header.right"),
    # words and values
    ('name = "esp32-devkit"', 'name = "other"', r"name is 'other', and must be that of the folder, 'esp32-devkit'"),
    ('name = "esp32-devkit"', 'name = "ESP32 DevKit"', r"must be small letters and digits"),
    ("ESP32_GENERIC-OTA", "ESP32_GENERIC_C3", r"a build for the ESP32 is called ESP32_GENERIC, with a variant"),
    ('psram = "quad"', 'psram = "octal"', r"psram is 'octal'; on the ESP32 it is none or quad"),
    ("ohms = 4700", "ohms = 47", r"sensor.ohms is 47, and must be from 1000 to 1000000"),
    ("ohms = 220", "ohms = 0", r"led.ohms is 0, and must be from 100 to 2200"),
    # what cannot be read
    ('chip = "esp32"', 'chip = "esp8266"', r"chip is 'esp8266', and must be esp32, esp32s3 or esp32c3"),
    ('flash = "4MB"', "flash = 4", r"flash is 4, and must be 2MB, 4MB"),
    ("lit = 1", "lit = true", r"led.lit is True, and must be 0 or 1"),
    ("lit = 1", "light = 1", r"led.light means nothing; did you mean lit\?"),
    ("pins = [25, 26]", "pins = [25, true]", r"led.pins is \[25, True\], and must be a list of GPIO numbers"),
    ("[sensor]", "[censor]", r"sensor is missing; it is a section \[sensor\]"),
    ("pin = 34 ", "", r"sensor.pin is missing; it is a whole number"),
    ('subtype = "fat"', 'subtype = "ext4"', r"partition vfs: subtype is 'ext4', and must be a number or one of ota"),
    ("[[partition]]", "[partition]", r"board.toml is no TOML: "),
    ("[led]", "[led", r"board.toml is no TOML: .*line \d+"),
    # partitions
    ("offset = 0x10000\n", "offset = 0x18000\n", r"ota_0 begins at 0x18000, and must begin at a multiple of 0x10000"),
    ("offset = 0x310000", "offset = 0x310800", r"lutin begins at 0x310800, .* multiple of 0x1000, such as 0x310000"),
    ("size = 0xe8000", "size = 0xe8001", r"vfs has 0xe8001 bytes, and must have a multiple of 0x1000"),
    ("size = 0xe8000", "size = 0xf0000", r"vfs ends at 0x408000, and the flash at 0x400000"),
    ("offset = 0x9000", "offset = 0x8000", r"nvs begins at 0x8000; before 0x9000 are boot loader and table"),
    ("offset = 0x310000", "offset = 0x30f000", r"ota_1 and lutin overlap: lutin begins at 0x30f000"),
    ("size = 0x8000\n", "size = 0x7000\n", r"lutin has 0x7000 bytes, and must have 0x8000 or more"),
    ("size = 0xe8000", "size = 0x60000", r"vfs has 0x60000 bytes, and must have 0x64000 or more"),
    ("subtype = 0x40", "subtype = 0x41", r"lutin is data, 65, and must be data, 0x40"),
    ('name = "lutin"', 'name = "settings"', r"partition lutin is missing: it holds the settings"),
    ('name = "otadata"', 'name = "vfs"', r"partition vfs: the name is there 2 times"),
    ('name = "otadata"', 'name = "elsewhere"', r"partition otadata is missing"),
    ('name = "ota_1"', 'name = "spare"', r"are ota_0, spare, and must be ota_0 and ota_1, or factory alone"),
    ("size = 0x180000\n\n[[partition]]\nname = \"lutin\"", "size = 0x170000\n\n[[partition]]\nname = \"lutin\"",
     r"ota_0 has 0x180000 bytes and ota_1 0x170000; they must be equal"),
    ("ESP32_GENERIC-OTA", "ESP32_GENERIC", r"ota_0 has 0x180000 bytes; ESP32_GENERIC needs 0x1a0000 or more"),
    ('subtype = "ota"\n', 'subtype = "nvs"\n', r"otadata is data, nvs, 0x2000 bytes, and must be data, ota"),
    ("size = 0x2000", "size = 0x1000", r"otadata is data, ota, 0x1000 bytes, and must be data, ota, 0x2000"),
    ('subtype = "ota_1"', 'subtype = "ota_2"', r"partition ota_1 is app, ota_2, and must be app, ota_1"),
    ("offset = 0x10000\n", "offset = 0x20000\n", r"first partition for MicroPython must begin at 0x10000"),
    ("subtype = 0x40", "subtype = 0x140", r"subtype is 320, and must be a number from 0 to 0xFE"),
    ('name = "phy_init"', 'name = "calibration of the radio"', r"a name is 1 to 15 letters, digits and underscores"),
    ("IO4 = 4", '"4" = 4', r"free.4: a name is letters, digits and underscores, a letter first"),
    ("VP = 36,", "VQ = 36,", r"header.names: 'VQ' is in neither left nor right"),
    ("VP = 36,", "VP = 77,", r"header.names: 'VP' is GPIO77, which the ESP32 has not"),
    ("DevKitC with a red", "DevKitC with <b>a</b> red", r"title is .* must be words without quotes or angle brackets"),
]  # fmt: skip


WRONG_ELSEWHERE = [
    ("esp32-s3-devkitc", "pin = 4 ", "pin = 20 ", r"sensor: GPIO20 belongs to the chip's USB port"),
    ("esp32-s3-devkitc", "pin = 4 ", "pin = 3 ", r"sensor: GPIO3 is a strapping pin"),
    ("esp32-s3-devkitc", "pin = 4 ", "pin = 11 ", r"on the ESP32-S3 use one of 1 to 10"),
    ("esp32-s3-devkitc", "IO47 = 47", "IO36 = 36", r"free.IO36: GPIO36 is wired to the octal PSRAM"),
    (
        "esp32-s3-devkitc",
        "pins = [48, 38]",
        "pins = [48, 38]\nlit = 0",
        r"a WS2812 has no level that lights it",
    ),
    ("esp32-c3-devkitm", "pin = 3 ", "pin = 2 ", r"sensor: GPIO2 is a strapping pin"),
    ("esp32-c3-devkitm", "pin = 3 ", "pin = 5 ", r"on the ESP32-C3 use one of 0 to 4"),
    (
        "esp32-c3-devkitm",
        'subtype = "factory"',
        'subtype = "test"',
        r"factory is app, test, and must be app, factory",
    ),
    (
        "esp32-c3-supermini",
        "pins = [8]",
        "pins = [8, 10]",
        r"led.pins has 2 pins, and a single LED has one pin",
    ),
]
ALL_WRONG = [("esp32-devkit", *row) for row in WRONG] + WRONG_ELSEWHERE


@pytest.mark.parametrize(
    ("name", "right", "wrong", "said"), ALL_WRONG, ids=[row[3][:40] for row in ALL_WRONG]
)
def test_what_is_wrong_is_said_in_a_sentence(tmp_path, name, right, wrong, said):
    text = (ROOT / "boards" / name / "board.toml").read_text()
    assert right in text
    folder = tmp_path / name
    folder.mkdir()
    (folder / "board.toml").write_text(text.replace(right, wrong, 1))
    found = complaints(folder)
    assert any(re.search(said, one) for one in found), found
    assert all(one.endswith((".", "?")) for one in found)


@pytest.mark.parametrize(
    ("contents", "said"),
    [
        (b"name = \xff\xfe", "is not in UTF-8"),
        (b"a = " + b"[" * 100_000, "is no TOML"),
        (None, "There is no"),
    ],
)
def test_a_description_that_is_none_is_refused_without_a_traceback(tmp_path, capsys, contents, said):
    if contents is not None:
        (tmp_path / "board.toml").write_bytes(contents)
    assert run("check", str(tmp_path)) == 1
    assert run("make", str(tmp_path)) == 1
    shown = capsys.readouterr().err
    assert said in shown
    assert "Traceback" not in shown


def test_a_name_that_no_board_has_is_answered_with_those_that_there_are():
    with pytest.raises(BoardError, match=r"no board toaster; there are .*esp32-devkit"):
        folders.named("toaster")


def test_what_needs_care_is_said_and_not_refused(tmp_path):
    text = (ROOT / "boards" / "esp32-devkit" / "board.toml").read_text()
    folder = tmp_path / "esp32-devkit"
    folder.mkdir()
    text = text.replace("IO4 = 4", "IO15 = 15\nTX = 1", 1).replace("0x318000", "0x39b000")
    (folder / "board.toml").write_text(text.replace("0xe8000", "0x65000"))
    care = complaints(folder, refused=False)
    assert [one.split(":")[0] for one in care][:2] == ["free.IO15", "free.TX"]
    assert "vfs has 101 blocks" in care[2]


def test_a_folder_that_does_not_follow_its_description_says_how_to_make_it(tmp_path, capsys):
    folder = tmp_path / "esp32-devkit"
    folder.mkdir()
    source = ROOT / "boards" / "esp32-devkit"
    (folder / "board.toml").write_bytes((source / "board.toml").read_bytes())
    page = (source / "README.md").read_text()
    (folder / "README.md").write_text(page.replace("GPIO26", "GPIO 2 6").replace("wiring.svg", ""))
    assert any("pins.py is missing; run `lutin board make esp32-devkit`" in one for one in complaints(folder))
    assert run("make", str(folder)) == 0
    (folder / "partitions.csv").write_text("something else")
    assert complaints(folder) == [
        "partitions.csv is not what board.toml says; run `lutin board make esp32-devkit`.",
        "README.md does not mention GPIO26, the pin of led.",
        "README.md does not show wiring.svg.",
    ]
    capsys.readouterr()
    assert run("make", str(folder)) == 0
    assert capsys.readouterr().out == "esp32-devkit: partitions.csv\n"


def _partition(numbers: tuple[int, int]) -> Partition:
    return Partition("p", "data", "fat", numbers[0], numbers[1])


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 8)).map(_partition), max_size=6).map(tuple))
def test_two_partitions_overlap_exactly_if_they_share_a_byte(table):
    touched = [set(range(part.offset, part.end)) for part in table]
    shared = sum(1 for a, b in combinations(touched, 2) if a & b)
    assert len(boardcheck.overlaps(table)) == shared


def test_the_facts_about_the_chips_do_not_contradict_each_other():
    for chip in CHIPS.values():
        for some in (chip.adc1, chip.flash, chip.usb, chip.uart0, chip.input_only, *chip.psram.values()):
            assert some <= chip.exists
        assert set(chip.strapping) <= chip.exists - chip.flash
        assert not chip.adc1 & (chip.flash | chip.usb | chip.uart0)


# Drawings


def _segments(drawing: str) -> list[tuple[str, tuple[float, float], tuple[float, float]]]:
    """(kind, end, end) of every straight piece of wire."""
    found = []
    for path in ET.fromstring(drawing).iter("{http://www.w3.org/2000/svg}path"):
        kind, *more = path.attrib["class"].split()
        if kind == "wire":
            numbers = [float(number) for number in path.attrib["d"][1:].split()]
            points = list(zip(numbers[::2], numbers[1::2], strict=True))
            found += [(more[0], a, b) for a, b in pairwise(points) if a != b]
    return found


def _lie_on_each_other(one, other) -> bool:
    (_, a, b), (_, c, d) = one, other
    for along, across in ((0, 1), (1, 0)):
        if a[across] == b[across] == c[across] == d[across]:
            low = max(min(a[along], b[along]), min(c[along], d[along]))
            return low + 0.5 < min(max(a[along], b[along]), max(c[along], d[along]))
    return False


@st.composite
def wired_boards(draw) -> Board:
    """A shipped board with other pins, and with LED and button to be wired."""
    board = folders.named(draw(st.sampled_from(REAL)))
    pins = {board.header.gpio(label) for label in board.header.left + board.header.right} - {None}
    usable = sorted(pin for pin in pins if pin in board.chip.exists - board.chip.flash)  # type: ignore
    sensor = draw(st.sampled_from([pin for pin in usable if pin in board.chip.adc1]))
    kind = draw(st.sampled_from(["bicolour", "single", "ws2812"]))
    others = draw(
        st.lists(
            st.sampled_from([pin for pin in usable if pin != sensor]), unique=True, min_size=3, max_size=3
        )
    )
    count = 2 if kind == "bicolour" else 1
    lit = 1 if kind == "ws2812" else draw(st.sampled_from([0, 1]))
    return replace(
        board,
        sensor=replace(board.sensor, pin=sensor),
        led=Led(kind, tuple(others[:count]), lit, draw(st.booleans()), 220),
        button=draw(st.sampled_from([None, Button(others[2]), Button(others[2], True)])),
    )


@given(wired_boards())
def test_no_two_wires_of_a_drawing_lie_on_each_other(board):
    for one, other in combinations(_segments(wiring.svg(board)), 2):
        assert one[0] == other[0] or not _lie_on_each_other(one, other), (one, other)


def test_a_drawing_has_every_wired_pin_in_words_and_the_rings_of_its_resistors():
    drawing = wiring.svg(folders.named("esp32-devkit"))
    title = ET.fromstring(drawing)[0].text or ""
    for words in (
        "3V3 to GPIO34",
        "4.7 kΩ from GPIO34 to GND",
        "red LED from GPIO25",
        "green LED from GPIO26",
    ):
        assert words in title
    assert "yellow, violet, red" in drawing
    assert "red, red, brown" in drawing


# What is frozen into a MicroPython


@pytest.mark.parametrize(
    ("state", "was"),
    [
        ("whole", "whole"),
        ("blank", "new"),
        ("damaged", "damaged"),
        ("unreadable", "damaged"),
        ("missing", "missing"),
    ],
)
def test_whatever_the_filesystem_is_like_the_frozen_release_starts(rig, state, was):
    said, slot, source = rig.call("start", state)
    assert (said, slot) == (was, "factory")
    assert source.startswith("/host/")


def test_a_manifest_freezes_every_module_of_the_firmware_once_and_the_pins_of_its_board():
    for name in REAL:
        frozen = _frozen(folders.find(name) / "manifest.py", folders.find(name))
        names = [target for target, _ in frozen]
        assert len(names) == len(set(names))
        firmware = {
            str(path.relative_to(ROOT / "firmware")) for path in (ROOT / "firmware" / "lutin").rglob("*.py")
        }
        assert {"_boot.py", "boot.py", "main.py", "pins.py"} | firmware <= set(names)
        assert all(source.is_file() for _, source in frozen)
        assert dict(frozen)["pins.py"] == folders.find(name) / "pins.py"


def _frozen(manifest: Path, board: Path) -> list[tuple[str, Path]]:
    """(name, file) of all that a manifest freezes out of this tree, as makemanifest would find it."""
    found: list[tuple[str, Path]] = []

    def place(path: str) -> Path | None:
        path = path.replace("$(BOARD_DIR)", str(board))
        return None if path.startswith("$(") else (manifest.parent / path).resolve()

    def include(path: str) -> None:
        if where := place(path):
            found.extend(_frozen(where, board))

    def module(name: str, base_path: str = ".") -> None:
        found.append((name, (place(base_path) or Path()) / name))

    def package(name: str, base_path: str = ".") -> None:
        base = place(base_path) or Path()
        found.extend((str(path.relative_to(base)), path) for path in (base / name).rglob("*.py"))

    def freeze(path: str, names: tuple[str, ...]) -> None:
        assert path.startswith("$(PORT_DIR)")
        assert "_boot.py" not in names

    tools = {"include": include, "module": module, "package": package, "freeze": freeze, "require": str}
    runpy.run_path(str(manifest), init_globals=tools)
    return found


@pytest.mark.parametrize("name", REAL)
def test_the_board_definition_names_files_that_are_there_and_the_size_of_the_flash(name):
    folder = folders.find(name)
    board = load(folder)
    cmake = (folder / "mpconfigboard.cmake").read_text()
    assert f"set(IDF_TARGET {board.chip.name})" in cmake
    for path in re.findall(r"include\(\$\{CMAKE_CURRENT_LIST_DIR\}/(.*)\)", cmake):
        assert (folder / path).is_file()
    sizes = re.findall(r"FLASHSIZE_(\w+)=y", (folder / "sdkconfig.board").read_text())
    assert sizes == [f"{board.flash >> 20}MB"]
