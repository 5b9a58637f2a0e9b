"""The NOR model and esp32.Partition on it: as strict as the chip, as unhelpful as the port."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from unixport import ROOT, Rig, RigError

SECTOR = 4096


def _load() -> ModuleType:
    # By its path: a package named `sim` belongs to MicroPython's side.
    spec = importlib.util.spec_from_file_location("nor_model", ROOT / "boards/unix/sim/nor.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


nor = _load()


@pytest.fixture(scope="module")
def rig():
    with Rig("nor") as r:
        yield r


def test_a_new_flash_is_all_ones():
    assert nor.Nor(2).cells == b"\xff" * 2 * SECTOR


def test_a_write_that_would_set_a_bit_is_misuse_and_changes_nothing():
    flash = nor.Nor(2)
    flash.write(10, b"\x0f\x00")
    with pytest.raises(nor.NorMisuse):
        flash.write(10, b"\x1f\x00")
    assert flash.cells[10:12] == b"\x0f\x00"
    flash.write(10, b"\x03\x00")
    flash.erase(0)
    flash.write(10, b"\x1f\x00")
    assert flash.cells[10:12] == b"\x1f\x00"


def test_erase_sets_one_sector_only_and_is_counted():
    flash = nor.Nor(3)
    flash.write(0, bytes(3 * SECTOR))
    flash.erase(1)
    assert flash.cells == bytes(SECTOR) + b"\xff" * SECTOR + bytes(SECTOR)
    assert flash.erases == [0, 1, 0]


def test_a_write_is_one_operation_for_each_page():
    flash = nor.Nor(1)
    flash.write(250, bytes(300))  # 6, 256, 38
    assert flash.operations == 3


@pytest.mark.parametrize("n", [0, 1, 2])
@pytest.mark.parametrize("torn", nor.TORN)
def test_a_cut_write_stops_at_that_page_as_far_as_torn_says(n, torn):
    flash = nor.Nor(1)
    flash.cut_after(n, torn)
    with pytest.raises(nor.PowerCut):
        flash.write(0, bytes(768))
    cells = bytes(flash.cells)
    assert cells[: 256 * n] == bytes(256 * n)
    assert cells[256 * (n + 1) :] == b"\xff" * (SECTOR - 256 * (n + 1))
    done = cells[256 * n : 256 * (n + 1)]
    assert {
        "before": done == b"\xff" * 256,
        "start": done == b"\xf0" + b"\xff" * 255,
        "middle": done == bytes(128) + b"\xf0" + b"\xff" * 127,
        "noise": 20 < done.count(0xFF) + done.count(0) < 256 or len(set(done)) > 50,
        "end": done == bytes(256),
    }[torn]


@pytest.mark.parametrize("torn", nor.TORN)
def test_a_cut_erase_leaves_what_torn_says(torn):
    flash = nor.Nor(1)
    flash.write(0, b"\x5a" * SECTOR)
    flash.cut_after(0, torn)
    with pytest.raises(nor.PowerCut):
        flash.erase(0)
    half, old = SECTOR // 2, b"\x5a"
    cells = bytes(flash.cells)
    assert {
        "before": cells == old * SECTOR,
        "start": cells == bytes(half) + old * half,
        "middle": cells == b"\xff" * half + old * half,
        "noise": all(c & 0x5A == 0x5A for c in cells) and len(set(cells)) > 10,
        "end": cells == b"\xff" * SECTOR,
    }[torn]


def test_without_power_nothing_works_until_it_is_back():
    flash = nor.Nor(1)
    flash.cut_after(0)
    for action in (lambda: flash.erase(0), lambda: flash.write(0, b"x"), lambda: flash.read(0, bytearray(1))):
        with pytest.raises(nor.PowerCut):
            action()
    flash.power_on()
    flash.write(0, b"x")
    assert flash.cells[:1] == b"x"


def test_a_power_cut_passes_through_except_exception():
    assert not issubclass(nor.PowerCut, Exception)


def test_a_worn_sector_keeps_what_it_holds_and_fails_as_its_mode_says():
    for mode in nor.WEAR:
        flash = nor.Nor(1)
        flash.write(0, b"\x55" * 64)
        flash.wear(0, mode)
        assert flash.cells[:64] == b"\x55" * 64, mode
        if mode == "error":
            for action in (lambda f=flash: f.erase(0), lambda f=flash: f.write(0, b"\0")):
                with pytest.raises(OSError):
                    action()
            assert flash.cells[:64] == b"\x55" * 64
            continue
        flash.erase(0)
        flash.write(0, b"\xaa" * 64)
        assert flash.cells[:64] != b"\xaa" * 64, mode
        flash.heal(0)
        flash.erase(0)
        flash.write(0, b"\xaa" * 64)
        assert flash.cells[:64] == b"\xaa" * 64, mode


def test_rot_changes_cells_and_an_unreadable_sector_says_so():
    flash = nor.Nor(2)
    flash.rot(5, 0x81)
    assert flash.cells[5] == 0x7E
    flash.unreadable.add(1)
    flash.read(0, bytearray(SECTOR))
    with pytest.raises(OSError):
        flash.read(SECTOR - 1, bytearray(2))


def test_nothing_outside_the_flash_is_touched():
    flash = nor.Nor(1)
    for action in (
        lambda: flash.write(SECTOR - 1, b"ab"),
        lambda: flash.erase(1),
        lambda: flash.read(-1, bytearray(1)),
    ):
        with pytest.raises(ValueError):
            action()


def test_a_flash_in_a_file_survives_its_process_being_killed(tmp_path: Path):
    path = tmp_path / "flash.bin"
    with Rig("nor") as first:
        first.call("open_file", str(path), 2)
        first.call("write", SECTOR + 3, b"kept")
        first.call("write", 0, bytes(10))
        first.call("erase", 0)
        first.process.kill()
        first.process.wait()
    assert path.stat().st_size == 2 * SECTOR
    again = nor.Nor(2, str(path))
    assert again.cells[SECTOR + 3 : SECTOR + 7] == b"kept"
    assert again.cells[:10] == b"\xff" * 10
    with pytest.raises(ValueError):
        nor.Nor(1, str(path))


def test_a_torn_write_is_in_the_file_too(tmp_path: Path):
    flash = nor.Nor(1, str(tmp_path / "flash.bin"))
    flash.cut_after(0, "middle")
    with pytest.raises(nor.PowerCut):
        flash.write(0, bytes(4))
    assert (tmp_path / "flash.bin").read_bytes()[:4] == b"\0\0\xf0\xff"


def test_a_flash_in_a_file_takes_no_memory_and_no_room_for_what_was_never_written(tmp_path: Path):
    path = tmp_path / "flash.bin"
    with Rig("nor", heap="300K") as small:
        small.call("open_file", str(path), 384)
        assert path.stat().st_size == 0
        assert small.call("look", 383 * SECTOR, 300) == [b"\xff" * 300, True]
        small.call("write", 2 * SECTOR + 5, b"kept")
        assert path.stat().st_size == 3 * SECTOR
        assert small.call("look", 2 * SECTOR + 3, 8) == [b"\xff\xffkept\xff\xff", True]
        assert small.call("look", 3 * SECTOR - 4, 8) == [b"\xff" * 8, True]
        small.call("write", 384 * SECTOR - 1, b"\0")
    image = path.read_bytes()
    assert len(image) == 384 * SECTOR
    assert image.count(0xFF) == len(image) - 5


def test_a_file_that_ends_early_goes_on_with_ones(tmp_path: Path):
    path = tmp_path / "flash.bin"
    path.write_bytes(bytes(10))
    flash = nor.Nor(2, str(path))
    assert flash.cells[8:12] == b"\0\0\xff\xff"
    flash.write(SECTOR, b"x")
    assert path.read_bytes() == bytes(10) + b"\xff" * (SECTOR - 10) + b"x" + b"\xff" * (SECTOR - 1)


def test_a_chip_knows_how_often_the_power_came_back():
    flash = nor.Nor(1)
    flash.power_on()
    assert flash.lives == 0
    for _ in range(2):
        flash.cut_after(0)
        with pytest.raises(nor.PowerCut):
            flash.erase(0)
        flash.power_on()
    assert flash.lives == 2


def test_the_model_is_the_same_under_cpython_and_micropython_in_ram_and_in_a_file(rig, tmp_path: Path):
    flash = nor.Nor(2)
    _history(flash)
    assert rig.call("history") == bytes(flash.cells)
    assert rig.call("history", str(tmp_path / "one")) == bytes(flash.cells)
    kept = nor.Nor(2, str(tmp_path / "two"))
    _history(kept)
    assert kept.cells[:] == bytes(flash.cells)
    assert (tmp_path / "two").read_bytes() == bytes(flash.cells)


def _history(flash) -> None:
    """The same steps as rigs/nor.py's history()."""
    flash.wear(1)
    for n, torn in enumerate(nor.TORN):
        flash.cut_after(n, torn)
        try:
            for sector in (0, 1):
                flash.erase(sector)
                flash.write(sector * SECTOR + 7, bytes(range(200)) * 3)
        except nor.PowerCut:
            flash.power_on()


# ---- esp32.Partition


def test_the_partition_is_found_by_label_and_by_type(rig):
    assert rig.call("info") == [1, 0x40, 0x310000, 8 * SECTOR, "lutin", False]
    assert rig.call("find", type=1) == ["lutin"]
    assert rig.call("find", type=1, subtype=0x40) == ["lutin"]
    assert rig.call("find", type=1, label="lutin") == ["lutin"]
    assert (
        rig.call("find") == rig.call("find", type=1, subtype=2) == rig.call("find", type=1, label="x") == []
    )


@pytest.mark.parametrize("label", ["nothing", "vfs"])
def test_an_unknown_partition_is_enoent(rig, label):
    assert rig.call("refused", "open", label) == [2]


def test_ioctl_answers_as_the_port_does(rig):
    assert rig.call("ioctls") == {"1": 0, "2": 0, "3": 0, "4": 8, "5": SECTOR, "7": None}
    with pytest.raises(RigError, match="TypeError"):
        rig.call("ioctl_without_argument")


def test_writeblocks_without_offset_erases_first_and_with_offset_does_not(rig):
    assert rig.call("write_and_read") == [b"\x00" * 4, b"\xff" * 4, "NorMisuse", b"\xff" * 4]


@pytest.mark.parametrize(
    ("action", "args", "error"),
    [
        ("write", [8, 4096, None], [-0x104, "ESP_ERR_INVALID_SIZE"]),
        ("write", [9, 4096, None], [-0x102, "ESP_ERR_INVALID_ARG"]),
        ("write", [0, 100, None], [-0x104, "ESP_ERR_INVALID_SIZE"]),
        ("write", [7, 2, 4095], [-0x104, "ESP_ERR_INVALID_SIZE"]),
        ("read", [7, 2, 4095], [-0x104, "ESP_ERR_INVALID_SIZE"]),
        ("read", [-1, 2, 0], [-0x102, "ESP_ERR_INVALID_ARG"]),
        ("erase", [8], [-0x104, "ESP_ERR_INVALID_SIZE"]),
        ("worn", [], [-0x6001, "ESP_ERR_FLASH_OP_FAIL"]),
    ],
)
def test_what_the_port_refuses_is_refused_with_its_numbers(rig, action, args, error):
    assert rig.call("refused", action, *args) == error


def test_watchers_hear_of_every_change(rig):
    assert rig.call("heard") == ["flash", "flash"]


def test_nor_needs_nothing_that_only_one_python_has():
    code = "import sys; sys.path.insert(0, 'boards/unix/sim'); import nor; nor.Nor(1).erase(0)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=20)
