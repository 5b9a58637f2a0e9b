"""Rig for a device with a broker in its network: that of device.py, and a way to the brokers of this machine."""

import device
from device import *  # noqa: F403
from sim import world


def multicast(port):
    """Datagrams to a group go to this port of this machine."""
    world.multicast = ("127.0.0.1", port)


def opened():
    """Whether the light's window is open."""
    return device._life._window.open()
