"""The ESP32 port's `esp32` module, as far as lutin needs it: partitions of the simulated flash.

A label is there when sim.world.flash has a chip of that name. What the board runs from is always
there, if need be with nothing to read in it.
"""

from sim import bootloader, world
from sim.nor import PowerCut

_APP = 0
_DATA = 1
_ANY = 0xFF
_BLOCK = 4096
# label -> type, subtype, address, as in lutin's partition table; sizes are in sim.world
_TABLE = {
    "otadata": (_DATA, 0x00, 0xD000),
    "ota_0": (_APP, 0x10, 0x10000),
    "ota_1": (_APP, 0x11, 0x190000),
    "lutin": (_DATA, 0x40, 0x310000),
    "vfs": (_DATA, 0x81, 0x318000),
}


_NAMES = {
    bootloader.FAIL: "ESP_FAIL",
    bootloader.INVALID_ARG: "ESP_ERR_INVALID_ARG",
    bootloader.NOT_FOUND: "ESP_ERR_NOT_FOUND",
    bootloader.VALIDATE_FAILED: "ESP_ERR_OTA_VALIDATE_FAILED",
    0x104: "ESP_ERR_INVALID_SIZE",
    0x6001: "ESP_ERR_FLASH_OP_FAIL",
}


def _succeed(code):
    if code:
        _refuse(code)


def _refuse(code):
    # The port negates ESP-IDF's number and adds its name.
    raise OSError(-code, _NAMES[code])


class Partition:
    """A part of the flash, with MicroPython's block device protocol."""

    TYPE_APP = _APP
    TYPE_DATA = _DATA
    BOOT = 0
    RUNNING = 1

    def __init__(self, id, block_size=_BLOCK):
        if isinstance(id, int):
            if id not in (self.BOOT, self.RUNNING):
                raise ValueError()
            id = bootloader.selected() if id == self.BOOT else world.running
        if id not in _TABLE or (id not in world.flash and id != world.running):
            raise OSError(2)  # ENOENT
        if block_size != _BLOCK:
            raise NotImplementedError("block_size")
        self._label = id
        self._nor = world.flash.get(id)
        self._life = self._nor.lives if self._nor else 0
        self._size = (self._nor.sectors if self._nor else world.SECTORS[id]) * _BLOCK

    @staticmethod
    def find(type=_APP, subtype=_ANY, label=None, block_size=_BLOCK):
        """All partitions that match, in the table's order."""
        found = []
        for name, (kind, sub, _) in sorted(_TABLE.items(), key=lambda item: item[1][2]):
            if name in world.flash and kind == type and subtype in (_ANY, sub) and label in (None, name):
                found.append(Partition(name, block_size))
        return found

    @staticmethod
    def mark_app_valid_cancel_rollback():
        """The application that runs is well."""
        _succeed(bootloader.confirm())

    def set_boot(self):
        """Boot from here, from the next start on; once, unless it is then marked as valid."""
        self._chip()
        _succeed(bootloader.select(self._label))

    def get_next_update(self):
        """The OTA partition behind this one, going round: where there is only one, itself."""
        labels = [label for label in ("ota_0", "ota_1") if label in world.flash]
        if not labels:
            raise OSError(2)
        at = labels.index(self._label) + 1 if self._label in labels else 0
        return Partition(labels[at % len(labels)])

    def info(self):
        """(type, subtype, address, size, label, encrypted)"""
        return _TABLE[self._label] + (self._size, self._label, False)

    def readblocks(self, block_num, buf, offset=0):
        """Read len(buf) bytes."""
        address = self._check(block_num * _BLOCK + offset, len(buf))
        self._do(self._chip().read, address, memoryview(buf))

    def writeblocks(self, block_num, buf, offset=None):
        """Without an offset whole blocks are erased first; with one, bits are only cleared."""
        address = self._check(block_num * _BLOCK + (offset or 0), len(buf))
        if offset is None:
            if len(buf) % _BLOCK:
                _refuse(0x104)
            for sector in range(block_num, block_num + len(buf) // _BLOCK):
                self._do(self._chip().erase, sector)
        self._do(self._chip().write, address, buf)
        self._changed()

    # As in the port, the second argument must be there even where nothing is asked of it.
    def ioctl(self, op, arg):
        """4: number of blocks, 5: their size, 6: erase one."""
        if op in (1, 2, 3):
            return 0
        if op == 4:
            return self._size // _BLOCK
        if op == 5:
            return _BLOCK
        if op == 6:
            self._check(arg * _BLOCK, _BLOCK)
            self._do(self._chip().erase, arg)
            self._changed()
            return 0
        return None

    def _changed(self):
        world.changed("flash" if self._label == "lutin" else self._label)

    def _chip(self):
        """A power cut ends a life: what is left of it in RAM, such as open files, touches nothing more."""
        if self._nor is None:
            _refuse(0x6001)
        if self._nor.lives != self._life:
            raise PowerCut()
        return self._nor

    def _check(self, address, size):
        # The port takes the number as unsigned: below zero is far outside.
        if address < 0 or address > self._size:
            _refuse(0x102)
        if address + size > self._size:
            _refuse(0x104)
        return address

    @staticmethod
    def _do(operation, *args):
        try:
            operation(*args)
        except OSError:
            _refuse(0x6001)
