"""lutin image and lutin flash: from a board's folder to one image, and onto a (fake) bare board."""

import argparse
import hashlib
import http.server
import io
import re
import struct
import threading
import time
import zlib
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import pytest
import wholeboard
from esptool import bin_image, cmds
from fake_chip import ESP32C3, ESP32S3, FakeChip
from lightmaker import packet, record, symbols
from littlefs import LittleFS
from lutin_tools.board import check as boardcheck
from lutin_tools.board import folders
from lutin_tools.flash import commands, image, micropython, mishaps, port, watch, write
from lutin_tools.flash.mishaps import Mishap
from lutin_tools.release import build
from lutin_tools.release.read import Refused
from unixport import Rig
from wholeboard import HOME, KEY, Board

BOARDS = ["esp32-devkit", "esp32-devkit-single", "esp32-s3-devkitc", "esp32-c3-devkitm", "esp32-c3-supermini"]
IMAGES = {
    "esp32": (bin_image.ESP32FirmwareImage, 0x3F400020, 0x40080000),
    "esp32s3": (bin_image.ESP32S3FirmwareImage, 0x3C000020, 0x40378000),
    "esp32c3": (bin_image.ESP32C3FirmwareImage, 0x3C000020, 0x40380000),
}
BANNER = b"MicroPython v1.25.0 on 2025-04-15; Generic board"


def chip_image(chip, size, banner=BANNER, first=b""):
    """An image as esptool writes it: an application, or a boot loader if there is no banner."""
    kind, flash, ram = IMAGES[chip]
    made = kind()
    made.entrypoint = ram
    made.segments = [bin_image.ELFSection(b".iram0.text", ram, bytes(range(256)) * 8, 0)]
    if banner:
        descriptor = (
            struct.pack("<II8x", 0xABCD5432, 0)
            + b"v1.25.0".ljust(32, b"\0")
            + b"micropython".ljust(32, b"\0")
        )
        body = (descriptor.ljust(256, b"\0") + banner + bytes(size))[:size]
        made.segments.insert(0, bin_image.ELFSection(b".flash.appdesc", flash, body, 0))
    return made.save(None)


def download(chip, size=100_000, banner=BANNER, begin=None):
    """A combined image as MicroPython's makeimg.py joins it: boot loader, the official table, application."""
    if begin is None:
        begin = 0x1000 if chip == "esp32" else 0
    at = 0x1000 if chip == "esp32" else 0
    entries = struct.pack("<2sBBII16sI", b"\xaa\x50", 1, 2, 0x9000, 0x6000, b"nvs", 0)
    entries += struct.pack("<2sBBII16sI", b"\xaa\x50", 0, 0, 0x10000, 0x1F0000, b"factory", 0)
    flash = bytearray(b"\xff" * 0x10000)
    loader = chip_image(chip, 0, b"")
    flash[at : at + len(loader)] = loader
    table = entries + b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(entries).digest()
    flash[0x8000 : 0x8000 + len(table)] = table
    return bytes(flash[begin:]) + chip_image(chip, size, banner)


def whole(name, size=100_000):
    """(board, bytes of its image)"""
    board = folders.named(name)
    taken = micropython.taken_apart(download(board.chip.name, size), board, "x.bin")
    return board, image.make(board, taken, KEY)


@pytest.fixture(scope="module")
def devkit():
    return whole("esp32-devkit")


def entries(data):
    """The table at 0x8000, by ESP-IDF's page on partition tables: (name, type, subtype, offset, size)."""
    found = []
    for at in range(0x8000, 0x8C00, 32):
        if data[at : at + 2] == b"\xeb\xeb":
            assert data[at + 16 : at + 32] == hashlib.md5(data[0x8000:at]).digest()
            return found
        assert data[at : at + 2] == b"\xaa\x50"
        kind, subtype, offset, size = struct.unpack("<BBII", data[at + 2 : at + 12])
        found.append((data[at + 12 : at + 28].rstrip(b"\0").decode(), kind, subtype, offset, size))
    raise AssertionError("no MD5")


def part(data, name):
    """The bytes of a partition."""
    (found,) = [entry for entry in entries(data) if entry[0] == name]
    return data[found[3] : found[3] + found[4]]


# The image


@pytest.mark.parametrize("name", BOARDS)
def test_every_boards_image_holds_loader_table_application_and_files_where_they_belong(name, tmp_path):
    board, data = whole(name)
    assert len(data) == board.flash
    assert entries(data) == [(p.name, *p.numbers(), p.offset, p.size) for p in board.partitions]
    for at in (board.chip.bootloader, 0x10000):
        (tmp_path / "image.bin").write_bytes(data[at : 0x8000 if at < 0x8000 else None])
        said = io.StringIO()
        with redirect_stdout(said):
            cmds.image_info(str(tmp_path / "image.bin"), chip=board.chip.name)
        assert len(re.findall(r"(?:Checksum|Validation hash): .* \(valid\)", said.getvalue())) == 2, (
            said.getvalue()
        )
    assert data[board.chip.bootloader + 3] >> 4 == {4: 2, 8: 3}[board.flash >> 20]
    for blank in ("nvs", "otadata", "lutin"):
        if any(entry[0] == blank for entry in entries(data)):
            assert part(data, blank).strip(b"\xff") == b""
    files = part(data, "vfs")
    fs = LittleFS(block_size=4096, block_count=len(files) // 4096, mount=False)
    fs.context.buffer = bytearray(files)
    fs.mount()
    with fs.open("pins.py", "rb") as file:
        assert f'NAME = "{name}"'.encode() in file.read()
    assert "release.json" in fs.listdir("/factory")
    assert image.of(data).board == name


def test_the_image_boots_takes_light_joins_and_updates_itself(devkit, tmp_path, server, monkeypatch):
    """From the very filesystem of the image, under the unix port."""
    monkeypatch.setattr(wholeboard, "Rig", lambda name, heap: Rig("flashed", heap))
    (tmp_path / "board").mkdir()
    board = Board(tmp_path / "board", {})
    (tmp_path / "board" / "vfs.bin").write_bytes(part(devkit[1], "vfs"))
    board.on(2000)
    assert board.state() == "no-settings"
    assert (board.report()["board"], board.update()["slot"]) == ("esp32-devkit", "factory")
    said = "\n".join(board.console()).encode() + b"\n"
    assert watch.Watcher().feed(said.replace(b"\n", b"\r\n")) == watch.Verdict(
        True, "It blinks amber: lutin runs and waits for BlinkUp."
    )
    build.build(server.folder, [KEY], 2, "0.2", boards=["esp32-devkit"])
    records = record(1, HOME["ssid"].encode()) + record(6, HOME["password"].encode())
    records += record(0x81, server.url.encode())
    records += record(0x80, struct.pack(">I", zlib.crc32(records)))
    board.run(board.call("shine", symbols(packet(records), end=6), 60) + 4000)
    assert board.until(
        lambda report: report["update"]["number"] == 2 and report["state"]["name"] == "connected", 180000
    ), board.console()
    # Flashed again, and not erased: the network is known still, and the slot that was is not missed.
    board.off()
    (tmp_path / "board" / "vfs.bin").write_bytes(part(devkit[1], "vfs"))
    board.on(2000)
    assert board.update()["slot"] == "factory"
    assert board.until(lambda report: report["state"]["name"] == "connected", 60000)
    board.off()


def test_the_map_counts_what_is_used_and_what_is_free(devkit):
    shown = image.show(image.of(devkit[1]))
    assert re.search(r"0x001000 +28672 +\d+ +\d+  boot loader", shown)
    assert re.search(r"0x010000 +1572864 +\d+ +\d+  ota_0 +MicroPython 1.25.0", shown)
    ((used, all_),) = [map(int, pair) for pair in re.findall(r"vfs +files: (\d+) of (\d+) blocks", shown)]
    assert all_ == 232
    assert 40 < used < 100
    assert "board esp32-devkit, ESP32, 4 MB" in shown
    assert "release 1 in the factory slot; it trusts the key 4bfa8a672c1338b8" in shown
    assert re.search(rf" {used * 4096} +{(all_ - used) * 4096}  vfs", shown)
    for line in shown.splitlines()[1:-2]:
        _, size, in_use, free = line.split()[:4]
        assert int(size) == int(in_use) + int(free)


def test_an_application_that_does_not_fit_is_refused_with_the_bytes_that_are_too_many():
    board = folders.named("esp32-devkit")
    taken = micropython.taken_apart(download("esp32", 0x190000), board, "big.bin")
    over = len(taken.application) - 0x180000
    numbers = f"big.bin has {len(taken.application)} bytes, and the partition ota_0 {0x180000}, so {over} are too many"
    with pytest.raises(Mishap, match=numbers):
        image.make(board, taken, KEY)


DEVKIT = folders.named("esp32-devkit")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (lambda: download("esp32s3"), "boot loader of x.bin is for the ESP32-S3, and the board has an ESP32"),
        (lambda: download("esp32")[0xF000:], "holds an application alone"),
        (lambda: b"<!DOCTYPE html>" + bytes(100_000), "no MicroPython for an ESP32"),
        (lambda: b"", "no MicroPython for an ESP32"),
        (lambda: download("esp32")[:-5000], "application of x.bin is damaged"),
        (lambda: download("esp32")[:0xF000], "application of x.bin is missing"),
        (
            lambda: flipped(download("esp32"), 0xF000 + 5000),
            "application of x.bin is damaged: its checksum is wrong",
        ),
        (lambda: flipped(download("esp32"), 600), "boot loader of x.bin is damaged"),
        (lambda: flipped(download("esp32"), -1), "application of x.bin is damaged: its hash is wrong"),
        (lambda: flipped(download("esp32"), 0x7000 + 20), "partition table has a wrong MD5"),
        (lambda: download("esp32", banner=b"Tasmota"), "some other application than MicroPython"),
        (lambda: download("esp32", banner=BANNER.replace(b"25", b"24")), "needs 1.25 or later"),
    ],
)
def test_a_file_that_is_no_micropython_for_this_board_is_refused_in_a_sentence(data, said):
    with pytest.raises(Mishap, match=re.escape(said)):
        micropython.taken_apart(data(), DEVKIT, "x.bin")


def flipped(data, at):
    made = bytearray(data)
    made[at] ^= 4
    return bytes(made)


def test_a_dump_of_a_whole_flash_serves_as_well_as_a_download():
    taken = micropython.taken_apart(download("esp32", begin=0), DEVKIT, "x.bin")
    assert taken == micropython.Build(
        **{**vars(micropython.taken_apart(download("esp32"), DEVKIT, "x.bin")), "sha256": taken.sha256}
    )


def test_an_image_that_is_damaged_or_none_is_refused(devkit):
    data = devkit[1]
    moved = data[0x1000:0x8000] + b"\xff" * 0x1000 + data[0x8000:]
    damaged = [flipped(data, at) for at in (0x1000 + 900, 0x8000 + 20, 0x10000 + 900)]
    for wrong in (b"", b"\xff" * 100_000, data[0x1000:], moved, *damaged):
        with pytest.raises(Mishap):
            image.of(wrong)
    with pytest.raises(Mishap, match="ends early"):
        image.of(data[:-4096])
    files = data.index(b"release.json", 0x318000) & ~0xFFF
    with pytest.raises((Mishap, Refused)):
        image.of(data[:files] + b"\xff" * 8192 + data[files + 8192 :])


# Fetching


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A web server in micropython.org's place, and an empty cache."""
    folder = tmp_path / "site"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        asked = 0
        short = 0

        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def do_GET(self):
            Handler.asked += 1
            data = (folder / self.path[1:]).read_bytes() if (folder / self.path[1:]).exists() else None
            self.send_response(404 if data is None else 200)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            self.wfile.write((data or b"")[: len(data or b"") - Handler.short])

        def log_message(self, format, *args):
            pass

    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=served.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setenv("LUTIN_MICROPYTHON_URL", f"http://127.0.0.1:{served.server_address[1]}")
    monkeypatch.setattr(micropython, "_CACHE", tmp_path / "cache")
    yield folder, Handler
    served.shutdown()
    served.server_close()


def test_the_official_build_is_fetched_once(site):
    folder, handler = site
    (folder / "ESP32_GENERIC-OTA-20250415-v1.25.0.bin").write_bytes(download("esp32"))
    first = micropython.get(DEVKIT)
    assert micropython.get(DEVKIT) == first
    assert handler.asked == 1


def test_what_is_not_the_pinned_build_is_not_kept(site, tmp_path, monkeypatch):
    folder, handler = site
    file = folder / micropython.name(DEVKIT)

    def refused(match):
        with pytest.raises(Mishap, match=match):
            micropython.get(DEVKIT)
        assert not list((tmp_path / "cache").glob("*"))

    refused("404.* MICROPYTHON=path/to/file.bin")
    file.write_bytes(b"<html>Welcome to our hotel</html>")
    refused("no MicroPython for an ESP32")
    file.write_bytes(download("esp32", banner=BANNER.replace(b"25.0", b"26.0")))
    refused("says that it is MicroPython 1.26.0")
    file.write_bytes(download("esp32"))
    handler.short = 100
    refused("could not be fetched")
    handler.short = 0
    monkeypatch.setitem(micropython.SHA256, file.name, "0" * 64)
    refused(f"must have {'0' * 64}")
    monkeypatch.setitem(micropython.SHA256, file.name, hashlib.sha256(file.read_bytes()).hexdigest())
    assert micropython.get(DEVKIT).version == "1.25.0"
    (tmp_path / "cache" / file.name).write_bytes(download("esp32")[:-9])
    with pytest.raises(Mishap, match=r"damaged.* Remove .* and run the same command again"):
        micropython.get(DEVKIT)


# The port

CP2102 = port.Port("/dev/ttyUSB0", 0x10C4, 0xEA60)
CH9102 = port.Port("/dev/ttyACM0", 0x1A86, 0x55D4)
OWN = port.Port("/dev/ttyACM1", 0x303A, 0x1001)
MOUSE = port.Port("/dev/ttyACM2", 0x046D, 0xC52B, "Mouse")
BARE = port.Port("/dev/ttyS0")


def test_the_one_port_that_fits_is_found_and_anything_else_is_listed():
    esp32, c3 = folders.named("esp32-devkit").chip, folders.named("esp32-c3-supermini").chip
    assert port.find("/dev/whatever", esp32, []) == "/dev/whatever"
    assert port.find(None, esp32, [BARE, MOUSE, CP2102]) == "/dev/ttyUSB0"
    assert port.find(None, esp32, [OWN, CH9102]) == "/dev/ttyACM0"  # an ESP32 has no USB of its own
    assert port.find(None, c3, [OWN, MOUSE]) == "/dev/ttyACM1"
    with pytest.raises(Mishap, match=r"more than one.*/dev/ttyUSB0 \(CP210x\), /dev/ttyACM0 \(CH9102\)"):
        port.find(None, esp32, [CP2102, CH9102])
    with pytest.raises(Mishap, match=r"None of these looks like an ESP32: /dev/ttyACM2 \(Mouse\)\."):
        port.find(None, esp32, [BARE, MOUSE])
    with pytest.raises(Mishap, match="cable that carries data"):
        port.find(None, esp32, [BARE])


# Writing: the real esptool, and a fake chip


@pytest.fixture
def chip(monkeypatch):
    made = []

    def new(*args):
        made.append(FakeChip(*args))
        return made[-1]

    monkeypatch.setattr(write, "ATTEMPTS", 1)
    yield new
    for each in made:
        each.close()


def test_writing_leaves_the_settings_alone_and_makes_everything_else_as_the_image(chip, devkit):
    one, (board, data) = chip(), devkit
    said = []
    console = write.write(one.port, board, image.of(data), say=said.append)
    assert console.baudrate == 115200
    console.close()
    assert said == [f"{one.port}: ESP32, 4 MB of flash."]
    for name in ("nvs", "otadata", "phy_init", "vfs"):
        assert part(one.flash, name) == part(data, name), name
    assert one.flash[0x1000:0x8000] == data[0x1000:0x8000]
    assert entries(one.flash) == entries(data)
    home = part(data, "ota_0").rstrip(b"\xff")
    assert part(one.flash, "ota_0").startswith(home)
    assert set(part(one.flash, "lutin")) == {0x55}
    assert one.baud == 460800
    assert not one.erased


def test_erase_takes_everything_away_first(chip, devkit):
    one = chip()
    write.write(one.port, devkit[0], image.of(devkit[1]), erase=True).close()
    assert one.erased == 1
    assert one.flash == devkit[1]
    assert {at for at, _ in one.begun} == {0x1000, 0x10000, 0x318000}  # blank is blank already


def test_the_same_command_again_mends_a_board_that_is_half_written(chip, devkit, monkeypatch):
    board, data = devkit
    one = chip()
    one.goes_after = 2
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda s: sleep(min(s, 0.001)))
    with pytest.raises(Mishap, match=r"has gone.*Plug it in.*Run the same command again"):
        write.write(one.port, board, image.of(data), say=lambda line: None)
    again = chip()
    again.flash = one.flash
    write.write(again.port, board, image.of(data)).close()
    assert part(again.flash, "vfs") == part(data, "vfs")


def test_a_speed_that_is_too_high_is_lowered_by_itself(chip, devkit):
    one, said = chip(), []
    one.fastest = 230400
    write.write(one.port, devkit[0], image.of(devkit[1]), say=said.append).close()
    assert one.baud == 230400
    assert any("did not go well at 460800 baud" in line and "slower" in line for line in said)
    assert part(one.flash, "vfs") == part(devkit[1], "vfs")


def test_writing_that_breaks_off_at_every_speed_says_so(chip, devkit, monkeypatch):
    one = chip()
    monkeypatch.setattr(
        cmds,
        "write_flash",
        lambda *_, **__: (_ for _ in ()).throw(cmds.FatalError("MD5 of file does not match\nx")),
    )
    with pytest.raises(
        Mishap, match=r"broke off \(MD5 of file does not match\), also at the lowest speed.*again"
    ):
        write.write(one.port, devkit[0], image.of(devkit[1]), say=lambda line: None)


@pytest.mark.parametrize(("number", "found"), [(ESP32C3, "ESP32-C3"), (ESP32S3, "ESP32-S3")])
def test_a_wrong_chip_is_refused_and_nothing_written(chip, devkit, number, found):
    one = chip(number)
    with pytest.raises(Mishap, match=f"is an {found}, and esp32-devkit has an ESP32.*nothing was written"):
        write.write(one.port, devkit[0], image.of(devkit[1]))
    assert not one.begun


@pytest.mark.parametrize(
    ("megabytes", "said"),
    [(2, "has 2 MB of flash, and esp32-devkit is made for 4 MB"), (0, "flash does not answer")],
)
def test_too_small_or_silent_a_flash_is_refused_and_nothing_written(chip, devkit, megabytes, said):
    one = chip(0x00F01D83, megabytes)
    with pytest.raises(Mishap, match=said):
        write.write(one.port, devkit[0], image.of(devkit[1]))
    assert not one.begun


def test_a_larger_flash_is_no_mishap(chip, devkit):
    one, said = chip(0x00F01D83, 16), []
    write.write(one.port, devkit[0], image.of(devkit[1]), say=said.append).close()
    assert "16 MB of flash, of which 4 MB are used" in said[0]


def test_a_board_that_does_not_answer_needs_its_button(chip, devkit):
    one = chip()
    one.mute = True
    with pytest.raises(Mishap, match=r"does not answer. Hold BOOT, press EN"):
        write.write(one.port, devkit[0], image.of(devkit[1]))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "Failed to connect to ESP32: Wrong boot mode detected (0x13)!",
            "started its own program.*Hold BOOT",
        ),
        (
            "Failed to connect: Download mode successfully detected, … The serial TX path seems to be down.",
            "pin RX",
        ),
        (
            "Unexpected chip magic value 0x12345678. Failed to autodetect chip type.",
            "no chip that lutin knows",
        ),
        ("could not open port /dev/ttyUSB9: [Errno 2] No such file or directory", "There is no /dev/ttyUSB9"),
        ("Something new.\nAnd more", r"No connection with the ESP32 on /dev/ttyUSB9: Something new$"),
    ],
)
def test_what_esptool_says_becomes_a_sentence_with_the_next_thing_to_try(text, said):
    assert re.search(said, str(mishaps.connecting(cmds.FatalError(text), "/dev/ttyUSB9", "ESP32")))


def test_a_port_that_is_in_use_is_refused_with_who_uses_it(chip, devkit):
    import os

    import serial

    one = chip()
    held = serial.Serial(one.port, exclusive=True)
    with pytest.raises(Mishap, match=rf"{one.port} is in use by .*\(process {os.getpid()}\)"):
        write.write(one.port, devkit[0], image.of(devkit[1]))
    assert mishaps.holders(one.port) == [
        f"{Path('/proc/self/comm').read_text().strip()} (process {os.getpid()})"
    ]
    held.close()


def test_a_port_without_permission_names_the_group_and_the_command(chip, devkit, monkeypatch):
    import grp
    import os

    one = chip()
    open_ = os.open

    def refusing(path, *args, **more):
        if path == one.port:
            raise PermissionError(13, "Permission denied", path)
        return open_(path, *args, **more)

    monkeypatch.setattr(os, "open", refusing)
    monkeypatch.setattr(grp, "getgrgid", lambda _: argparse.Namespace(gr_name="dialout"))
    with pytest.raises(Mishap, match=r"belongs to the group dialout.*sudo usermod -aG dialout \$USER"):
        write.write(one.port, devkit[0], image.of(devkit[1]))


def test_a_port_that_is_not_there_is_said(devkit, monkeypatch):
    monkeypatch.setattr(write, "ATTEMPTS", 1)
    with pytest.raises(Mishap, match="There is no /dev/ttyNothing"):
        write.write("/dev/ttyNothing", devkit[0], image.of(devkit[1]))


# Watching

ROM = b"ets Jul 29 2019 12:21:46\r\n\r\nrst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n"
AGAIN = b"rst:0xc (SW_CPU_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n"
LUTIN = ROM + b"      0.010 I start: power-on\r\n"


@pytest.mark.parametrize(
    ("said", "good", "text"),
    [
        (LUTIN + b"      0.020 I state: no-settings\r\n", True, "blinks amber"),
        (
            LUTIN + b"      0.9 I x\n      0.020 I state: joining\r\n      3.120 I state: connected\n",
            True,
            "blinks green",
        ),
        (
            LUTIN + b"      9.020 W state: wrong-password (Home)\r\n",
            True,
            r"not connected: wrong-password \(Home\)",
        ),
        (LUTIN + b"      9.020 I state: joining (Home)\r\n", True, "still at joining"),
        (LUTIN + b"      0.020 E state: not-stored\r\n", False, "not-stored.*--erase"),
        (ROM + b"invalid header: 0xffffffff\r\n" * 3, False, "invalid header.*same command again"),
        (
            ROM + b"flash read err, 1000\r\n" + AGAIN + b"flash read err, 1000\r\n",
            False,
            "finds nothing to start",
        ),
        (ROM + b"E (45) boot: No bootable app partitions in the partition table\r\n", False, "broke off"),
        (ROM + b"E (89) esp_image: Checksum failed. Calculated 0x1 read 0x2\r\n", False, "broke off"),
        (ROM + b"\r\nBrownout detector was triggered\r\n\r\n", False, "brownout.*USB cable"),
        (ROM + b"Guru Meditation Error: Core  0 panic'ed (LoadProhibited). \r\n", False, "panic.*--erase"),
        (
            ROM + b"E (399) spi_flash: Detected size(2048k) smaller than the size in the binary\r\n",
            False,
            "less flash",
        ),
        (
            ROM.replace(b"SPI_FAST_FLASH_BOOT", b"DOWNLOAD_BOOT(UART0)") + b"waiting for download\r\n",
            False,
            "BOOT pin",
        ),
        (
            ROM + b"The filesystem appears to be corrupted. If you had important data there, you\n",
            False,
            "board's files",
        ),
        (
            (ROM + b"Traceback (most recent call last):\r\nImportError: no module named 'pins'\r\n")
            + AGAIN * 3,
            False,
            r"again and again \(SW_CPU_RESET\).*ImportError: no module named 'pins'.*--erase",
        ),
        (
            ROM + b'MicroPython v1.25.0\r\nType "help()" for more information.\r\n>>> ',
            False,
            "lutin does not",
        ),
        (ROM + b"hello world\r\n", False, "does not come to lutin. The last was: hello world"),
        (b"\xf8\x80\x1e\x78" * 100, False, "cannot be read"),
        (b"", False, "says nothing. Press EN"),
    ],
)
@pytest.mark.parametrize("step", [1, 4096])
def test_what_the_board_says_becomes_a_verdict(said, good, text, step):
    watcher = watch.Watcher()
    verdict = None
    for at in range(0, len(said), step):
        verdict = verdict or watcher.feed(said[at : at + step])
    verdict = verdict or watcher.end()
    assert verdict.good == good
    assert re.search(text, verdict.text), verdict.text


def test_one_bad_start_is_no_loop():
    watcher = watch.Watcher()
    assert watcher.feed(ROM + b"invalid header: 0xffffffff\r\n" + AGAIN * 2) is None
    verdict = watcher.feed(b"      0.020 I state: no-settings\r\n")
    assert verdict and verdict.good


class Console:
    """A serial port that says its lines one by one, and can go away between."""

    def __init__(self, clock, *said):
        self.clock = clock
        self.said = list(said)
        self.closed = 0
        self.in_waiting = 0
        self.timeout = None

    def read(self, _):
        if not self.said:
            self.clock[0] += self.timeout
            return b""
        one = self.said.pop(0)
        if isinstance(one, Exception):
            raise one
        return one

    def close(self):
        self.closed += 1


def test_a_port_that_goes_with_the_reset_is_opened_again():
    clock = [0.0]
    first = Console(clock, OSError("device disconnected"))
    second = Console(clock, LUTIN, b"      0.020 I state: no-settings\r\n")
    ports = [None, None, second]
    lines = []

    def sleep(seconds):
        clock[0] += seconds

    verdict = watch.watch(first, lambda: ports.pop(0), lines.append, lambda: clock[0], sleep)
    assert verdict.good
    assert (first.closed, second.closed) == (1, 1)
    assert lines[-1] == "      0.020 I state: no-settings"


@pytest.mark.parametrize(
    ("said", "seconds", "text"),
    [
        ([], watch.SILENCE, "says nothing"),
        ([ROM], watch.PATIENCE, "does not come to lutin"),
        (
            [LUTIN + b"      1.0 I state: joining\n      1.000 I state: joining\n"],
            watch.JOINING,
            "still at joining",
        ),
    ],
)
def test_watching_ends_by_itself(said, seconds, text):
    clock = [0.0]
    verdict = watch.watch(Console(clock, *said), lambda: None, now=lambda: clock[0])
    assert text in verdict.text
    assert seconds <= clock[0] < seconds + 1


def test_a_board_cannot_say_anything_that_moves_the_cursor():
    lines = []
    watch.Watcher(lines.append).feed(b"\x1b[31mred\x1b[0m \x07\x1b]0;title\x07\r\n")
    assert all(character.isprintable() for character in "".join(lines))


def test_a_line_without_an_end_fills_no_memory():
    watcher = watch.Watcher()
    watcher.feed(b"x" * 100_000)
    assert len(watcher._rest) <= 200


# The commands


def run(*words):
    parser = argparse.ArgumentParser()
    commands.add_commands(parser.add_subparsers(dest="command"))
    return commands.run(parser.parse_args([*map(str, words)]))


def test_flash_makes_writes_and_watches(chip, tmp_path, capsys, monkeypatch):
    (tmp_path / "official.bin").write_bytes(download("esp32"))
    one = chip()
    started = write._started

    def resetting(esp):
        opened = started(esp)
        one.say(LUTIN + b"      0.020 I state: no-settings\r\n")
        return opened

    monkeypatch.setattr(write, "_started", resetting)
    words = ("flash", "esp32-devkit", "--port", one.port, "--micropython", tmp_path / "official.bin")
    out = tmp_path / "made.bin"
    assert run(*words, "--key", KEY, "--number", 5, "-o", out) == 0
    shown = capsys.readouterr().out
    assert "release 5 in the factory slot" in shown
    assert "It blinks amber" in shown.splitlines()[-1]
    assert part(one.flash, "vfs") == part(out.read_bytes(), "vfs")
    # The same image to another board, which then says nothing good.
    two = chip()
    monkeypatch.setattr(
        write, "_started", lambda esp: (started(esp), two.say(ROM + b"Brownout detector\n"))[0]
    )
    assert run("flash", "esp32-devkit", "--port", two.port, "--image", out) == 1
    assert "brownout" in capsys.readouterr().err
    assert part(two.flash, "vfs") == part(out.read_bytes(), "vfs")
    # And not to a board that it is not for.
    assert run("flash", "esp32-devkit-single", "--port", two.port, "--image", out) == 1
    assert "is for the board esp32-devkit, not for esp32-devkit-single" in capsys.readouterr().err


def test_without_a_key_there_is_no_image_and_the_command_that_makes_one_is_named(capsys, tmp_path):
    assert run("image", "esp32-devkit", "--micropython", tmp_path / "none.bin") == 1
    assert "`lutin keys new ~/.config/lutin/keys`" in capsys.readouterr().err
    assert run("image", "unix") == 1
    assert "`make run`" in capsys.readouterr().err
    assert run("image", "esp33") == 1
    assert "There is no board esp33; there are" in capsys.readouterr().err


def test_an_image_with_other_partitions_than_the_boards_is_refused(devkit, tmp_path):
    board, data = devkit
    (tmp_path / "old.bin").write_bytes(data)
    with pytest.raises(Mishap, match="other partitions than esp32-devkit now"):
        commands._given(tmp_path / "old.bin", replace(board, partitions=board.partitions[:-1]))


def test_a_board_that_is_not_right_is_not_flashed(capsys, monkeypatch):
    complaints = [boardcheck.Complaint("pin 99 is none."), boardcheck.Complaint("tight.", refused=False)]
    monkeypatch.setattr(boardcheck, "check", lambda _: complaints)
    assert run("image", "esp32-devkit", "--key", KEY) == 1
    assert capsys.readouterr().err == "pin 99 is none.\n"
