"""The simulated board's boot ROM: makes the world, then runs the firmware as the chip would.

$LUTIN_STATE is where flash and air are kept, $LUTIN_BENCH the port of the bench that watches.
"""

import os
import sys

from sim import loop, state, world


def main():
    """Boot, and end as the chip would: sys.exit with why."""
    loop.install()
    world.reset_cause = int(os.getenv("LUTIN_RESET_CAUSE") or 1)
    state.load(os.getenv("LUTIN_STATE") or ".desk")
    port = os.getenv("LUTIN_BENCH")
    if port:
        from sim import bench

        bench.connect(int(port))
    for name in ("boot.py", "main.py"):
        path = _firmware() + "/" + name
        try:
            os.stat(path)
        except OSError:
            continue
        with open(path) as f:
            exec(compile(f.read(), path, "exec"), {"__name__": "__main__"})


def _firmware():
    for path in sys.path:
        if path.endswith("firmware"):
            return path
    raise RuntimeError("no firmware on MICROPYPATH")


main()
