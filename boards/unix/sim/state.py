"""What outlives the board's process: flash, its wear, the air. Kept in a folder."""

import json
import os

import utime

from sim import bootloader, world
from sim.nor import Nor

_FILES = {"lutin": "flash.bin"}  # label -> name, where that is not the label

_folder = None


def load(folder):
    """Build the world from the folder's files; new ones where there are none."""
    global _folder
    _folder = folder
    try:
        os.mkdir(folder)
    except OSError:
        pass  # it is there
    world.build()
    for label, sectors in world.SECTORS.items():
        world.flash[label] = Nor(sectors, path=_path(_FILES.get(label, label + ".bin")))
    bootloader.start()
    worn = _read("wear.json")
    for sector in worn or []:
        world.flash["lutin"].wear(sector)
    aps = _read("air.json")
    if aps is None:
        aps = [{"ssid": "Home", "password": "correct-horse-9"}]
    world.airspace.from_json(aps)


def save_air():
    """Keep the airspace."""
    _write("air.json", world.airspace.to_json())


def save_wear(sectors):
    """Keep which sectors are worn."""
    _write("wear.json", sectors)


def written(generations):
    """When each sector was written, in s since 1970; generations: what each holds now, 0 for nothing.

    Kept beside the flash, because a record does not say its age.
    """
    known = _read("written.json") or {}
    now = {}
    for sector, generation in enumerate(generations):
        before = known.get(str(sector))
        if generation:
            now[str(sector)] = before if before and before[0] == generation else [generation, utime.time()]
    if now != known:
        _write("written.json", now)
    return [now[str(sector)][1] if str(sector) in now else None for sector in range(len(generations))]


def _path(name):
    return _folder + "/" + name


def _read(name):
    try:
        with open(_path(name)) as f:
            return json.load(f)
    except (OSError, ValueError):
        return None


def _write(name, value):
    # Whole or not at all: the power switch may be pressed at any moment.
    path = _path(name)
    with open(path + ".new", "w") as f:
        json.dump(value, f)
    os.rename(path + ".new", path)
