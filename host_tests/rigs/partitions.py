"""Rig for the OTA side of esp32.Partition, and for the boot loader beside it."""

import esp32
from sim import bootloader, state, world
from sim.nor import Nor, PowerCut

_STATES = {0: "new", 1: "pending", 2: "valid", 3: "invalid", 4: "aborted", None: None}


def new(labels, sectors=4):
    """A board with these OTA partitions, started once."""
    world.reset()
    for label in labels:
        world.add_flash(label, sectors)
    return boot()


def load(folder):
    """A board with its flash in this folder, started."""
    world.reset()
    state.load(folder)
    return world.running, info(esp32.Partition.RUNNING), len(world.flash)


def info(which):
    """Label of a partition; or the arguments of the OSError."""
    try:
        return esp32.Partition(which).info()[4]
    except OSError as e:
        return e.args


def size(which):
    return esp32.Partition(which).info()[3]


def put(label, data):
    """Bytes into a partition, around all rules."""
    world.flash[label].cells[0 : len(data)] = data


def boot():
    """Power on: what runs."""
    bootloader.start()
    return world.running


def states():
    """What is noted of each."""
    return [_STATES[bootloader.state(label)] for label in ("ota_0", "ota_1")]


def set_boot(label):
    """None, or the arguments of the OSError."""
    try:
        esp32.Partition(label).set_boot()
    except OSError as e:
        return e.args
    return None


def mark():
    """The application is well: None, or the arguments of the OSError."""
    try:
        esp32.Partition.mark_app_valid_cancel_rollback()
    except OSError as e:
        return e.args
    return None


def next_update(label):
    """Label; or the arguments of the OSError."""
    try:
        return esp32.Partition(label).get_next_update().info()[4]
    except OSError as e:
        return e.args


def read(which):
    """The first bytes of a partition; or the arguments of the OSError."""
    try:
        buf = bytearray(4)
        esp32.Partition(which).readblocks(0, buf)
        return bytes(buf)
    except OSError as e:
        return e.args


_STEPS = {
    "set_boot": lambda: esp32.Partition("ota_1").set_boot(),
    "boot": bootloader.start,
    "mark": esp32.Partition.mark_app_valid_cancel_rollback,
}


def cut(steps, n, torn):
    """Power goes at the n-th operation of the last step: what then runs at each of three starts; None: not cut."""
    otadata = world.flash["otadata"] = Nor(2)
    if len(steps) > 1 or steps[0] != "boot":
        bootloader.start()
    for step in steps[:-1]:
        _STEPS[step]()
    otadata.cut_after(n, torn)
    try:
        _STEPS[steps[-1]]()
        return None
    except PowerCut:
        otadata.power_on()
    return [boot(), boot(), boot()]


def after_the_cut():
    """A partition that was opened before a power cut: what it is good for, and whether it changed anything."""
    nor = world.add_flash("vfs", 4)
    part = esp32.Partition("vfs")
    nor.cut_after(0)
    said = []
    for _ in range(2):
        for action in (
            lambda: part.writeblocks(0, b"late", 0),
            lambda: part.ioctl(6, 0),
            lambda: part.readblocks(0, bytearray(1)),
        ):
            try:
                action()
                said.append("done")
            except PowerCut:
                said.append("cut")
        nor.power_on()
    esp32.Partition("vfs").writeblocks(0, b"new", 0)
    return said, nor.cells[:4]
