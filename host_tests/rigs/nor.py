"""Rig for the NOR model and the ESP32's Partition on it."""

import esp32
from sim import world
from sim.nor import SECTOR, TORN, Nor, NorMisuse, PowerCut

flash = None


def open_file(path, sectors):
    """A flash in a file."""
    global flash
    flash = Nor(sectors, path)


def write(address, data):
    """Clear bits."""
    flash.write(address, data)


def erase(sector):
    """Set bits."""
    flash.erase(sector)


def look(address, size):
    """What is there, and whether read() says the same."""
    buf = bytearray(size)
    flash.read(address, buf)
    return bytes(buf), flash.cells[address : address + size] == buf


def history(path=None):
    """The same steps as test_nor.py's _history()."""
    chip = Nor(2, path)
    chip.wear(1)
    for n, torn in enumerate(TORN):
        chip.cut_after(n, torn)
        try:
            for sector in (0, 1):
                chip.erase(sector)
                chip.write(sector * SECTOR + 7, bytes(range(200)) * 3)
        except PowerCut:
            chip.power_on()
    return chip.cells[:]


def _part():
    world.flash = {"lutin": Nor(8)}
    world.watchers.clear()
    return esp32.Partition("lutin")


def info():
    """The partition's tuple."""
    return _part().info()


def find(**how):
    """Labels of what is found."""
    _part()
    return [part.info()[4] for part in esp32.Partition.find(**how)]


def ioctls():
    """Answers to all but erase."""
    part = _part()
    return {op: part.ioctl(op, 0) for op in (1, 2, 3, 4, 5, 7)}


def ioctl_without_argument():
    """The port wants one."""
    return _part().ioctl(4)


def write_and_read():
    """What four bytes read as after each kind of write."""
    part = _part()
    buf = bytearray(4)
    seen = []
    part.writeblocks(1, bytes(8), 2)
    part.readblocks(1, buf, 4)
    seen.append(bytes(buf))
    part.writeblocks(1, b"\xff" * SECTOR)
    part.readblocks(1, buf, 4)
    seen.append(bytes(buf))
    part.writeblocks(1, bytes(8), 2)
    try:
        part.writeblocks(1, b"\xff", 2)
    except NorMisuse:
        seen.append("NorMisuse")
    part.ioctl(6, 1)
    part.readblocks(1, buf)
    seen.append(bytes(buf))
    return seen


def refused(action, *args):
    """The arguments of the OSError."""
    part = _part()
    try:
        if action == "open":
            esp32.Partition(*args)
        elif action == "write":
            block, size, offset = args
            if offset is None:
                part.writeblocks(block, bytes(size))
            else:
                part.writeblocks(block, bytes(size), offset)
        elif action == "read":
            block, size, offset = args
            part.readblocks(block, bytearray(size), offset)
        elif action == "erase":
            part.ioctl(6, *args)
        elif action == "worn":
            world.flash["lutin"].wear(3, "error")
            part.ioctl(6, 3)
    except OSError as e:
        return e.args
    return None


def heard():
    """What watchers are told for an erase, a write and a read."""
    part = _part()
    said = []
    world.watchers.append(said.append)
    part.ioctl(6, 0)
    part.writeblocks(0, b"x", 0)
    part.readblocks(0, bytearray(1), 0)
    world.watchers.clear()
    return said
