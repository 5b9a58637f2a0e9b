"""Rooms: parts of the firmware that are in memory only while somebody is in them.

Bytecode lies in RAM, and a board without PSRAM has some for what always runs and for one room beside
that: BlinkUp, the broker, or a step of a look for an update. Where there is more, nothing ever leaves.
"""

import gc
import sys

from micropython import const

_LARGE = const(262144)  # bytes free before anything is loaded, with which there is room for all

_house = None  # names of the modules that stay; None: all of them


def large():
    """Whether there is memory for all rooms at once. Asked before anything is loaded."""
    return gc.mem_free() >= _LARGE


def furnish():
    """What is loaded now stays; what comes later may have to leave."""
    global _house
    _house = set(sys.modules)


def small():
    """Whether rooms have to leave."""
    return _house is not None


def leave(name, *stay):
    """Unload what has come since: the modules of this name, and of names that begin so and a point.

    But not those to stay. Whoever keeps a function, a class or an object of one keeps it in memory.
    """
    if _house is None:
        return
    name = __name__.replace("rooms", name)
    stay = [name + "." + one for one in stay]
    for module in list(sys.modules):
        known = module in _house or module in stay
        if not known and (module == name or module.startswith(name + ".")):
            del sys.modules[module]
            package, _, own = module.rpartition(".")
            package = sys.modules.get(package)
            if hasattr(package, own):
                delattr(package, own)  # else the package would keep it
    gc.collect()
