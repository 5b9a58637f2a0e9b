"""lutin: an ESP32 that is set up by light."""

_device = None


def start():
    """Be this board's firmware, for ever."""
    global _device
    import gc

    # What stays for ever is laid down without gaps: modules leave a lot of garbage when they are loaded.
    gc.threshold(16384)
    import asyncio
    import socket
    import sys
    import time

    from . import board
    from .device import Device

    console = asyncio.StreamReader(sys.stdin.buffer)
    _device = Device(board, time, socket.socket, socket.getaddrinfo, console, slot(), load_application)
    gc.threshold(-1)
    asyncio.run(_device.run())


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

    if _device is None:
        print("not started: lutin.start()")
        return
    for line in screen(_device.report()):
        print(line)
