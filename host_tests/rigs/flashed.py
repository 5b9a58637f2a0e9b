"""Rig for one life of a board that was flashed with a real board's image: life.py, with the image's own pins.py."""

import sys

import life
from life import *  # noqa: F403


def start(*args, **more):
    """Power on, as in life.py; the desk's pins do not stand in for the board's."""
    life.start(*args, **more)
    sys.modules.pop("pins", None)
    sys.path.insert(0, "/")
    import pins

    sys.path.pop(0)
    return pins.NAME
