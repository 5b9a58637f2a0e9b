"""The simulated board's boot ROM: makes the world, then runs the firmware as the chip would.

$LUTIN_STATE is where flash and air are kept, $LUTIN_BENCH the port of the bench that watches,
$LUTIN_MULTICAST the host:port that multicast goes to (without it: to nobody), $LUTIN_MAC the chip's
number in hex. The board's own filesystem is the root, as on the board; this machine's files are then
under /host.
"""

import os
import sys

import vfs

HOST = "/host"


def leave_host():
    """This machine's files move to /host, which the path follows."""
    vfs.mount(vfs.VfsPosix(), HOST)  # with a root of its own, its rename() mixes up the two names
    here = os.getcwd()
    full = [here + "/" + path if path and path[0] not in "/." else path for path in sys.path]
    sys.path[:] = [HOST + path if path.startswith("/") else path for path in full]
    for module in sys.modules.values():
        if getattr(module, "__path__", "").startswith("/"):
            module.__path__ = HOST + module.__path__


def mount():
    """The filesystem of the flash becomes the root; OSError if there is none."""
    from esp32 import Partition

    flash = vfs.VfsLfs2(Partition("vfs"))
    vfs.umount("/")
    vfs.mount(flash, "/")
    # Where the port looks; the simulated board's own modules stand in for those that are built in.
    sys.path[:] = [path for path in sys.path if path.startswith((HOST, ".")) and not _is_firmware(path)] + [
        ""
    ]


def execute(path):
    """Run a file as the port runs boot.py and main.py: both in the one __main__."""
    with open(path) as f:
        code = f.read()
    exec(compile(code, path, "exec"), {"__name__": "__main__"})


def _is_firmware(path):
    return path.endswith("/firmware")


def main():
    """Boot, and end as the chip would: sys.exit with why."""
    leave_host()
    from sim import loop, state, world

    loop.install()
    group, _, number = (os.getenv("LUTIN_MULTICAST") or "").rpartition(":")
    world.multicast = (group, int(number)) if group else None
    world.mac = bytes.fromhex(os.getenv("LUTIN_MAC") or world.mac.hex())
    world.reset_cause = int(os.getenv("LUTIN_RESET_CAUSE") or 1)
    folder = os.getenv("LUTIN_STATE") or ".desk"
    state.load(HOST + (folder if folder.startswith("/") else os.getcwd() + "/" + folder))
    port = os.getenv("LUTIN_BENCH")
    if port:
        from sim import bench

        bench.connect(int(port))
    mount()
    for path in ("/boot.py", "/main.py"):
        execute(path)


if __name__ == "__main__":
    main()
