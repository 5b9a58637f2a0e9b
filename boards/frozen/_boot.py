"""Runs before boot.py, frozen: mounts the filesystem if it can, and goes on if it cannot.

Without a filesystem boot.py finds no slot, and the release that is frozen beside this file runs.
"""


def mount(label="vfs"):
    """Mount the partition at "/"; what it was: "whole", "new", "damaged" or "missing"."""
    import vfs
    from esp32 import Partition

    try:
        flash = Partition(label)
    except OSError:
        return "missing"
    try:
        vfs.mount(vfs.VfsLfs2(flash), "/")
        return "whole"
    except OSError:
        pass
    try:
        if not blank(flash):
            return "damaged"  # nothing is formatted because it could not be read once
        vfs.VfsLfs2.mkfs(flash)
        vfs.mount(vfs.VfsLfs2(flash), "/")
        return "new"
    except OSError:
        return "damaged"


def blank(flash):
    """Whether the two blocks that a filesystem begins with have never been written."""
    buf = bytearray(flash.ioctl(5, 0))
    for block in (0, 1):
        flash.readblocks(block, buf)
        if buf.count(b"\xff") != len(buf):
            return False
    return True


if __name__ == "__main__":
    import gc

    state = mount()
    if state != "whole":
        print("boot: filesystem", state)
    gc.collect()
