"""ESP-IDF's boot loader with rollback, and the part of its OTA library that writes for it.

`otadata` is two sectors, an entry in each: the application with the higher number is booted. An
entry is NEW when it was chosen, PENDING once it was booted, VALID when that application has said
that it is well; one found PENDING at the next start is ABORTED, and the other entry counts again.
"""

import struct
from binascii import crc32
from hashlib import sha256

from sim import world
from sim.nor import SECTOR

NEW, PENDING, VALID, INVALID, ABORTED = range(5)
CHIP = 0  # of the simulated board: esp32

NOT_FOUND = 0x105
INVALID_ARG = 0x102
FAIL = -1
VALIDATE_FAILED = 0x1503

_ENTRY = "<I20sII"  # number, label (unused), state, CRC of the number
_NAMES = ("ota_0", "ota_1")
_NOTHING = 0xFFFFFFFF


def start():
    """Power on: choose the application, and note what must be noted."""
    otadata = world.flash.get("otadata")
    world.running = choose(otadata) if otadata else _NAMES[0]


def choose(otadata):
    """The label that is booted; otadata: a Nor, which is written to."""
    entries = [_read(otadata, 0), _read(otadata, 1)]
    for i, (number, state) in enumerate(entries):
        if state == PENDING:
            entries[i] = number, ABORTED
            _write(otadata, i, number, ABORTED)
    apps = _apps()
    active = _active(entries)
    index = (entries[active][0] - 1) % len(apps) if active >= 0 and apps else 0
    if active >= 0 and entries[active][1] == NEW:
        _write(otadata, active, entries[active][0], PENDING)
    # One that does not load is passed over, downwards first.
    for i in list(range(index, -1, -1)) + list(range(index + 1, len(apps))):
        if _loads(apps[i]):
            if all(number == _NOTHING for number, _ in entries):
                _write(otadata, 0, i + 1, VALID)
            return apps[i]
    if apps:
        raise RuntimeError("no application can be booted")
    return _NAMES[0]


def selected():
    """The label that would be booted next, nothing being written."""
    apps = _apps()
    otadata = world.flash.get("otadata")
    if otadata and apps:
        entries = [_read(otadata, 0), _read(otadata, 1)]
        active = _active(entries)
        if active >= 0:
            return apps[(entries[active][0] - 1) % len(apps)]
    return _NAMES[0]


def select(label):
    """esp_ota_set_boot_partition(): 0, or an error."""
    apps = _apps()
    if not check(world.flash[label]):
        return VALIDATE_FAILED
    if label not in _NAMES:
        return INVALID_ARG
    otadata = world.flash.get("otadata")
    if not otadata:
        return NOT_FOUND
    entries = [_read(otadata, 0), _read(otadata, 1)]
    active = _active(entries)
    number = apps.index(label) + 1
    if active >= 0:
        number %= len(apps)
        while number < entries[active][0]:
            number += len(apps)
    # The entry that counts now is not touched: a cut leaves it.
    _write(otadata, 1 - active if active >= 0 else 0, number, NEW)
    return 0


def confirm():
    """esp_ota_mark_app_valid_cancel_rollback(): 0, or an error.

    As in the real one, it is the entry that counts that becomes valid, whichever application runs;
    and it is erased before it is written again, so that a cut between the two loses it.
    """
    otadata = world.flash.get("otadata")
    if not otadata:
        return NOT_FOUND
    entries = [_read(otadata, 0), _read(otadata, 1)]
    active = _active(entries)
    if active < 0:
        return FAIL
    number, state = entries[active]
    if state != VALID:
        _write(otadata, active, number, VALID)
    return 0


def state(label):
    """State of the newest entry for this label, whether it counts or not; None without one. For tests."""
    apps = _apps()
    found = []
    for i in range(2):
        number, what = _read(world.flash["otadata"], i)
        if number != _NOTHING and apps[(number - 1) % len(apps)] == label:
            found.append((number, what))
    return max(found)[1] if found else None


def check(nor):
    """Whether this partition holds an application image that is whole."""
    try:
        head = nor.cells[0:24]
        if head[0] != 0xE9 or not 0 < head[1] <= 16 or struct.unpack("<H", head[12:14])[0] != CHIP:
            return False
        end = 24
        total = 0
        for _ in range(head[1]):
            _, length = struct.unpack("<II", nor.cells[end : end + 8])
            end += 8
            if end + length > nor.sectors * SECTOR:
                return False
            total ^= _xor(nor, end, length)
            end += length
        end = (end + 16) & ~15
        if total ^ 0xEF != nor.cells[end - 1 : end][0]:
            return False
        if head[23] != 1:
            return True
        digest = sha256()
        for at in range(0, end, SECTOR):
            digest.update(nor.cells[at : min(at + SECTOR, end)])
        return digest.digest() == bytes(nor.cells[end : end + 32])
    except (ValueError, IndexError):  # it ends too early
        return False


def _xor(nor, at, length):
    """All bytes, exclusive-or; as one number it takes no time."""
    total = 0
    for start in range(at, at + length, 256):
        total ^= int.from_bytes(nor.cells[start : min(start + 256, at + length)], "little")
    for shift in (1024, 512, 256, 128, 64, 32, 16, 8):
        total = (total >> shift) ^ (total & ((1 << shift) - 1))
    return total


def _apps():
    return [label for label in _NAMES if label in world.flash]


def _loads(label):
    # What the board came with is not simulated: where nothing was ever written, it is good.
    nor = world.flash[label]
    return check(nor) or (label == _NAMES[0] and nor.cells[0:1] == b"\xff")


def _active(entries):
    """0 or 1, -1 where none counts. Of equals the first."""
    best = -1
    for i, (number, how) in enumerate(entries):
        if number == _NOTHING or how in (INVALID, ABORTED):
            continue
        if best < 0 or number > entries[best][0]:
            best = i
    return best


def _read(otadata, i):
    """(number, state); one whose CRC is wrong is as good as none."""
    data = otadata.cells[i * SECTOR : i * SECTOR + 32]
    number, _, how, crc = struct.unpack(_ENTRY, data)
    return (number, how) if crc == _crc(number) else (_NOTHING, _NOTHING)


def _write(otadata, i, number, how):
    otadata.erase(i)
    otadata.write(i * SECTOR, struct.pack(_ENTRY, number, b"\xff" * 20, how, _crc(number)))
    world.changed("otadata")


def _crc(number):
    return crc32(struct.pack("<I", number), 0xFFFFFFFF)
