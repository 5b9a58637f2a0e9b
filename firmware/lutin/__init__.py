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
    _device = Device(board, time, asyncio.open_connection, socket.getaddrinfo, console)
    asyncio.run(_device.run())


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
