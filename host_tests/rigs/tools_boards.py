"""Rig for what boards are made with: their pins, and the boot code that is frozen into a MicroPython."""

import sys

import esp32
import vfs
from sim import world

ROOT = __file__.rsplit("/", 3)[0]
sys.path.append(ROOT + "/boards/frozen")

import _boot  # noqa: E402
import boot  # noqa: E402


def pins(text):
    """What the module `pins` of this text has in it."""
    names = {}
    exec(text, names)
    return {name: value for name, value in names.items() if not name.startswith("_")}


def table():
    """The simulated flash: label -> type, subtype, address, size."""
    return {
        label: list(place) + [world.SECTORS[label] * 4096]
        for label, place in esp32._TABLE.items()
        if label in world.SECTORS
    }


def start(state):
    """Boot with a filesystem in this state: what it was, the slot, where lutin comes from, what is in it."""
    world.reset()
    if state != "missing":
        flash = world.add_flash("vfs", 24)
        if state != "blank":
            fs = vfs.VfsLfs2
            fs.mkfs(esp32.Partition("vfs"))
        if state == "damaged":
            # The two blocks that a filesystem begins with, written over as by a stray cable.
            for sector in (0, 1):
                flash.erase(sector)
                flash.write(sector * 4096, b"\x00\x5a" * 2048)
        if state == "unreadable":
            flash.unreadable = {0, 1}
    before = sys.path[:]
    vfs.umount("/")
    # Host files stand for what is frozen, behind everything that the board's own flash has.
    vfs.mount(vfs.VfsPosix(), "/host")
    sys.path[:] = [""] + ["/host" + path if path.startswith("/") else path for path in before if path]
    mounted = False
    try:
        was = _boot.mount()
        mounted = was in ("whole", "new")
        slot = boot.choose()
        sys.path.insert(0, "/" + slot)
        import lutin

        if mounted:
            with open("/kept", "w") as file:
                file.write("kept")
        return was, slot, lutin.__file__
    finally:
        if mounted:
            vfs.umount("/")
        vfs.umount("/host")
        vfs.mount(vfs.VfsPosix(), "/")
        sys.path[:] = before
