"""What outlives the board's process: flash, its wear, the air. Kept in a folder."""

import json
import os

from sim import world
from sim.nor import Nor

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
    world.flash = {"lutin": Nor(8, path=folder + "/flash.bin")}
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


def _read(name):
    try:
        with open(_folder + "/" + name) as f:
            return json.load(f)
    except (OSError, ValueError):
        return None


def _write(name, value):
    # Whole or not at all: the power switch may be pressed at any moment.
    path = _folder + "/" + name
    with open(path + ".new", "w") as f:
        json.dump(value, f)
    os.rename(path + ".new", path)
