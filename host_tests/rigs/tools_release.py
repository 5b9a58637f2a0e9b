"""Rig for what the tools make: a flashed filesystem, and releases as the device reads them."""

import asyncio
import hashlib
import os

from lutin.states import Failure
from lutin.update import own
from lutin.update.base import Base
from lutin.update.offer import Listing
from lutin.update.slots import Slots

_BLOCK = 4096
_flash = None


class _Flash:
    """A block device in RAM that keeps to NOR's rules: only erasing sets a bit."""

    def __init__(self, image):
        self.data = image

    def readblocks(self, block, buf, offset=0):
        at = block * _BLOCK + offset
        buf[:] = self.data[at : at + len(buf)]

    def writeblocks(self, block, buf, offset=None):
        if offset is None:
            self.ioctl(6, block)
            offset = 0
        at = block * _BLOCK + offset
        for i in range(len(buf)):
            assert buf[i] & ~self.data[at + i] == 0, "a bit was set by writing"
            self.data[at + i] = buf[i]

    def ioctl(self, op, arg):
        if op == 4:
            return len(self.data) // _BLOCK
        if op == 5:
            return _BLOCK
        if op == 6:
            self.data[arg * _BLOCK : (arg + 1) * _BLOCK] = b"\xff" * _BLOCK
        return 0


def flash(path):
    """Mount the image in this file at /flash."""
    global _flash
    with open(path, "rb") as f:
        _flash = _Flash(bytearray(f.read()))
    _mount()


def _mount():
    os.mount(os.VfsLfs2(_flash), "/flash")


def remount():
    """As after a restart."""
    os.umount("/flash")
    _mount()


def hashes(folder="/flash"):
    """path -> SHA-256, of everything below."""
    found = {}
    for entry in os.ilistdir(folder):
        path = folder + "/" + entry[0]
        if entry[1] & 0x4000:
            found.update(hashes(path))
        else:
            with open(path, "rb") as f:
                found[path[len("/flash/") :]] = hashlib.sha256(f.read()).digest().hex()
    return found


def write(path, data):
    """Append to a file, through another name."""
    with open("/flash/" + path, "ab") as f:
        f.write(data)
    os.rename("/flash/" + path, "/flash/" + path + ".new")
    os.rename("/flash/" + path + ".new", "/flash/" + path)


def read(path, keys, board):
    """What the device says of a release.json: [number, files], or the failure's name."""
    listing = Listing(path + ".list")
    try:
        with listing:
            release = asyncio.run(own.read(path, keys, "lutin", board, listing))
        return [release.number, [list(entry) for entry in listing.files()], len(list(listing.pieces()))]
    except Failure as e:
        return e.name
    finally:
        os.remove(path + ".list")


class _Partition:
    """One that holds an image already."""

    def __init__(self, image):
        self.readblocks = _Flash(image + b"\xff" * _BLOCK).readblocks

    def ioctl(self, op, arg):
        return 512 if op == 4 else _BLOCK


class _Base:
    """What a release says of it."""

    def __init__(self, chip, length):
        self.chip = chip
        self.length = length


def image(path, chip):
    """What the device says of the image in this file: good, or the failure's name."""
    with open(path, "rb") as f:
        data = f.read()
    first = data[:65536]
    base = Base(_Partition(data), _Base(chip, len(data)), Slots("", None), None)
    try:
        piece = (0, len(first), hashlib.sha256(first).digest(), False)
        return "good" if asyncio.run(base.have(piece)) else "not there"
    except Failure as e:
        return e.name


def import_all(folder, names):
    """Import every module of a slot."""
    import sys

    ours = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "lutin"}
    for name in ours:
        del sys.modules[name]
    sys.path.insert(0, folder)
    try:
        for name in names:
            __import__(name)
        return [getattr(sys.modules[name], "__file__", "") for name in names]
    finally:
        sys.path.pop(0)
        for name in list(sys.modules):
            if name.split(".")[0] == "lutin":
                del sys.modules[name]
        sys.modules.update(ours)
