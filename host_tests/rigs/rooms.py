"""Rig for rooms.py: what is in memory, and what leaves."""

import gc
import sys

from lutin import rooms

_kept = []


def large():
    return rooms.large()


def furnish():
    rooms.furnish()


def enter(*names):
    """Load these."""
    for name in names:
        __import__("lutin." + name)


def keep(name):
    """Somebody holds on to the module."""
    _kept.append(sys.modules["lutin." + name])


def leave(name, *stay):
    rooms.leave(name, *stay)


def here():
    """What of lutin is loaded, and what its packages know of it."""
    loaded = [name[6:] for name in sys.modules if name.startswith("lutin.")]
    known = []
    for name in loaded:
        package, _, own = ("lutin." + name).rpartition(".")
        if package in sys.modules and hasattr(sys.modules[package], own):
            known.append(name)
    return loaded, known


def used():
    gc.collect()
    return gc.mem_alloc()
