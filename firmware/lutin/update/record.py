"""Which slot runs, and what is known of those that failed: the boot record, and what releases do to it.

Shared by every release that a board will ever run, and by the factory's, which counts the boots
and never changes. So: fields are only ever added at the end, and what is behind the known ones is
kept as it is.
"""

import os
import struct

from micropython import const

SLOTS = ("factory", "a", "b")
BOOTS = const(3)  # that a release on trial gets
CRASHES = const(3)  # in a row, after which a confirmed release is left
INCOMING = "/incoming.json"  # the last release.json that was fetched and verified
STRIKES = const(3)  # restarts that were the application's doing, after which it is left out

_VERSION = const(1)
_FORMAT = "<BBBBBBBBIIIIIII"
_SIZE = const(36)
_MORE = "<BBI"  # what came later, behind it
_MORE_SIZE = const(6)
FACTORY = const(0)


class Record:
    """What must outlive a power cut, in RAM. Numbers are of releases, 0: none."""

    def __init__(self):
        self.home = FACTORY  # the slot that is confirmed; an index of SLOTS
        self.home_number = 0
        self.previous = FACTORY  # home before that one, whole as far as known
        self.previous_number = 0
        self.trial = FACTORY  # the slot on trial; the factory's is never
        self.trial_number = 0
        self.boots = 0  # that the trial has used
        self.base = 0  # OTA partition that belongs to the trial: 1 ota_0, 2 ota_1, 0 none
        self.crashes = 0  # of home, in a row
        self.runs = 0  # of a trial with a base
        self.suspect = 0  # failed, and it is not clear yet whose fault it was
        self.rejected = 0  # never again
        self.highest = 0  # ever confirmed
        self.floor = 0  # the lowest that the highest allows
        self.strikes = 0  # against the application
        self.asked = 0  # 1: the restart that comes was asked for
        self.application = 0  # which one has the strikes
        self._rest = b""

    def to_bytes(self):
        """The record as it is stored."""
        return (
            struct.pack(
                _FORMAT,
                _VERSION,
                self.home,
                self.previous,
                self.trial,
                self.boots,
                self.base,
                self.crashes,
                self.runs,
                self.home_number,
                self.previous_number,
                self.trial_number,
                self.suspect,
                self.rejected,
                self.highest,
                self.floor,
            )
            + struct.pack(_MORE, self.strikes, self.asked, self.application)
            + self._rest
        )


def from_bytes(data):
    """The stored record; a new one where there is none that can be used."""
    record = Record()
    if data is None or len(data) < _SIZE or data[0] != _VERSION or max(data[1:4]) >= len(SLOTS):
        return record
    (
        _,
        record.home,
        record.previous,
        record.trial,
        record.boots,
        record.base,
        record.crashes,
        record.runs,
        record.home_number,
        record.previous_number,
        record.trial_number,
        record.suspect,
        record.rejected,
        record.highest,
        record.floor,
    ) = struct.unpack(_FORMAT, data)
    rest = bytes(data[_SIZE:])
    if len(rest) >= _MORE_SIZE:
        record.strikes, record.asked, record.application = struct.unpack(_MORE, rest)
        rest = rest[_MORE_SIZE:]
    else:
        rest = b""
    record._rest = rest
    return record


def arm(record, slot, number, base=0):
    """A verified release is to be tried at the next start."""
    record.trial = SLOTS.index(slot)
    record.trial_number = number
    record.base = base
    # A base has its attempt when the boot loader is told, since it may die before anything can count.
    record.boots = 1 if base else 0


def claim(record, slot):
    """The slot will be overwritten: nothing may count on what is in it. True if that is new."""
    before = record.to_bytes()
    if SLOTS[record.trial] == slot:
        end(record)
    if SLOTS[record.previous] == slot:
        record.previous = FACTORY
        record.previous_number = 0
    return record.to_bytes() != before


def confirm(record, oldest):
    """The release on trial is good; oldest: the lowest number that it still lets in."""
    if record.home != record.trial:
        record.previous = record.home
        record.previous_number = record.home_number
    record.home = record.trial
    record.home_number = record.trial_number
    record.highest = max(record.highest, record.trial_number)
    record.floor = max(record.floor, oldest)
    record.suspect = 0
    record.crashes = 0
    end(record)


def judge(record, guilty):
    """The release that runs now has, or has not, reached what the suspect did not."""
    if guilty:
        record.rejected = record.suspect
    record.suspect = 0


def end(record):
    """There is no trial any more."""
    record.trial = FACTORY
    record.trial_number = record.boots = record.base = record.runs = 0


def release_path(slot):
    """The slot's own copy of its release.json, which comes last and goes first."""
    return "/%s/release.json" % slot


def whole():
    """Names of the slots that are whole."""
    return [slot for slot in SLOTS if exists(release_path(slot))]


def exists(path):
    """Whether there is such a file."""
    try:
        os.stat(path)
        return True
    except OSError:
        return False


def remove(path):
    """A file that may be there goes."""
    try:
        os.remove(path)
    except OSError:
        pass  # it was not there; or the next look finds it
