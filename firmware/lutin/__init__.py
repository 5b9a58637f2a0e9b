"""lutin: an ESP32 that is set up by light."""

_device = None


def start():
    """Be this board's firmware, for ever."""
    global _device
    import gc

    from . import rooms

    large = rooms.large()
    # What stays for ever is laid down without gaps: modules leave a lot of garbage when they are loaded.
    gc.threshold(16384 if large else 2048)
    import asyncio
    import socket
    import sys
    import time

    from . import board

    if not large and _errand(board):
        from .errand import Errand

        rooms.furnish()
        one = Errand(board, time, socket.socket, socket.getaddrinfo, slot())
        gc.threshold(4096)
        asyncio.run(one.run())
    from .device import Device

    if not large:
        rooms.furnish()
    console = asyncio.StreamReader(sys.stdin.buffer)
    _device = Device(board, time, socket.socket, socket.getaddrinfo, console, slot(), load_application)
    gc.collect()
    gc.threshold(-1 if large else 4096)
    asyncio.run(_device.run())


def _errand(board):
    """Whether the last life has ordered that this one be for a look alone; said once."""
    from .log import Log
    from .store import ERRAND, ORDERED, Store, StoreError

    records = Store(board.settings_flash(), Log(lambda: 0, print, 2, 60, 256))
    try:
        if records.load(ERRAND) != ORDERED:
            return False
        records.save(ERRAND, b"")
        return True
    except StoreError:
        return False  # it would be ordered for ever


def slot():
    """The slot that this release runs from, None for a tree of sources."""
    # "/a/lutin/__init__.mpy": boot.py has put "/a" on the path.
    parts = __file__.split("/")
    return parts[1] if len(parts) == 4 and parts[1] in ("factory", "a", "b") else None


def load_application():
    """(place, function that imports its main) of the application; None where there is none.

    What was deployed by hand comes before what is in the slot.
    """
    # No name of a module of ours: importing that would put the module in this function's place.
    import os

    for place in ("deployed", slot()):
        try:
            if place and "app" in os.listdir("/" + place):
                return place, lambda place=place: _import_application("/" + place)
        except OSError:
            pass  # no such folder
    return None


def _import_application(folder):
    """main of the package `app` in this folder, imported anew."""
    import sys

    for name in list(sys.modules):
        if name.split(".")[0] == "app":
            del sys.modules[name]
    sys.path.insert(0, folder)
    try:
        return __import__("app").main
    finally:
        sys.path.remove(folder)  # the first that is the same


def running():
    """The running device, None before start()."""
    return _device


def status():
    """Print what the device is doing; for the REPL, after Ctrl-C too."""
    from .console import screen
    from .rooms import leave

    if _device is None:
        print("not started: lutin.start()")
        return
    for line in screen(_device.report()):
        print(line)
    screen = None  # it would keep the room
    leave("console")
