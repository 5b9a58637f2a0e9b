"""The ESP32 port's `esp32` module, as far as lutin needs it: partitions of the simulated flash.

A label is there when sim.world.flash has a chip of that name.
"""

from sim import world

_APP = 0
_DATA = 1
_ANY = 0xFF
_BLOCK = 4096
# label -> type, subtype, address, as in lutin's partition table
_TABLE = {
    "ota_0": (_APP, 0x10, 0x10000),
    "ota_1": (_APP, 0x11, 0x1B0000),
    "lutin": (_DATA, 0x40, 0x350000),
    "vfs": (_DATA, 0x81, 0x358000),
}


def _refuse(code, name):
    # The port negates ESP-IDF's number and adds its name.
    raise OSError(-code, name)


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
            id = "ota_0"
        if id not in _TABLE or id not in world.flash:
            raise OSError(2)  # ENOENT
        if block_size != _BLOCK:
            raise NotImplementedError("block_size")
        self._label = id
        self._nor = world.flash[id]

    @staticmethod
    def find(type=_APP, subtype=_ANY, label=None, block_size=_BLOCK):
        """All partitions that match, in the table's order."""
        found = []
        for name, (kind, sub, _) in sorted(_TABLE.items(), key=lambda item: item[1][2]):
            if name in world.flash and kind == type and subtype in (_ANY, sub) and label in (None, name):
                found.append(Partition(name, block_size))
        return found

    def info(self):
        """(type, subtype, address, size, label, encrypted)"""
        return _TABLE[self._label] + (self._size(), self._label, False)

    def readblocks(self, block_num, buf, offset=0):
        """Read len(buf) bytes."""
        address = self._check(block_num * _BLOCK + offset, len(buf))
        self._do(self._nor.read, address, memoryview(buf))

    def writeblocks(self, block_num, buf, offset=None):
        """Without an offset whole blocks are erased first; with one, bits are only cleared."""
        address = self._check(block_num * _BLOCK + (offset or 0), len(buf))
        if offset is None:
            if len(buf) % _BLOCK:
                _refuse(0x104, "ESP_ERR_INVALID_SIZE")
            for sector in range(block_num, block_num + len(buf) // _BLOCK):
                self._do(self._nor.erase, sector)
        self._do(self._nor.write, address, buf)
        world.changed("flash")

    # As in the port, the second argument must be there even where nothing is asked of it.
    def ioctl(self, op, arg):
        """4: number of blocks, 5: their size, 6: erase one."""
        if op in (1, 2, 3):
            return 0
        if op == 4:
            return self._size() // _BLOCK
        if op == 5:
            return _BLOCK
        if op == 6:
            self._check(arg * _BLOCK, _BLOCK)
            self._do(self._nor.erase, arg)
            world.changed("flash")
            return 0
        return None

    def _size(self):
        return self._nor.sectors * _BLOCK

    def _check(self, address, size):
        # The port takes the number as unsigned: below zero is far outside.
        if address < 0 or address > self._size():
            _refuse(0x102, "ESP_ERR_INVALID_ARG")
        if address + size > self._size():
            _refuse(0x104, "ESP_ERR_INVALID_SIZE")
        return address

    @staticmethod
    def _do(operation, *args):
        try:
            operation(*args)
        except OSError:
            _refuse(0x6001, "ESP_ERR_FLASH_OP_FAIL")
