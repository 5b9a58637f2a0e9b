"""lutin: an ESP32 that is set up by light."""

_device = None


def start():
    """Be this board's firmware, for ever."""
    global _device
    import asyncio
    import socket
    import sys
    import time

    from . import board
    from .device import Device

    console = asyncio.StreamReader(sys.stdin)
    _device = Device(board, time, socket.socket, socket.getaddrinfo, console, slot(), load_application)
    asyncio.run(_device.run())


def slot():
    """The slot that this release runs from, None for a tree of sources."""
    # "/a/lutin/__init__.mpy": boot.py has put "/a" on the path.
    parts = __file__.split("/")
    return parts[1] if len(parts) == 4 and parts[1] in ("factory", "a", "b") else None


def load_application():
    """main of the package `app` that came in the slot; None where none did."""
    # No name of a module of ours: importing that would put the module in this function's place.
    import os

    home = slot()
    if home is None or "app" not in os.listdir("/" + home):
        return None
    return __import__("app").main


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
