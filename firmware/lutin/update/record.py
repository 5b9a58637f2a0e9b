"""Which slot runs, and what is known of those that failed: the boot record and its rules.

Shared by every release that a board will ever run, and by the factory's, which counts the boots
and never changes. So: fields are only ever added at the end, and what is behind the known ones is
kept as it is.
"""

import struct

from micropython import const

SLOTS = ("factory", "a", "b")
BOOTS = const(3)  # that a release on trial gets
CRASHES = const(3)  # in a row, after which a confirmed release is left
STRIKES = const(3)  # restarts that were the application's doing, after which it is left out

_VERSION = const(1)
_FORMAT = "<BBBBBBBBIIIIIII"
_SIZE = const(36)
_MORE = "<BBI"  # what came later, behind it
_MORE_SIZE = const(6)
_FACTORY = const(0)
_OTHER_BASE = const(3)  # less the one: 1 and 2


class Record:
    """What must outlive a power cut, in RAM. Numbers are of releases, 0: none."""

    def __init__(self):
        self.home = _FACTORY  # the slot that is confirmed; an index of SLOTS
        self.home_number = 0
        self.previous = _FACTORY  # home before that one, whole as far as known
        self.previous_number = 0
        self.trial = _FACTORY  # the slot on trial; the factory's is never
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
        _end(record)
    if SLOTS[record.previous] == slot:
        record.previous = _FACTORY
        record.previous_number = 0
    return record.to_bytes() != before


def start(record, whole, running_base=0, crashed=False):
    """At power-on: (slot to run, changed?, base to go to or 0). whole: slots with a release in them.

    crashed: the last run was ended by the watchdog. If there is a base to go to, the boot loader is
    told and the board restarted; else the slot is run.
    """
    before = record.to_bytes()
    if record.trial:
        slot = SLOTS[record.trial]
        if slot not in whole:
            _fail(record)
        elif not record.base:
            if record.boots < BOOTS:
                record.boots += 1
                return slot, True, 0
            _fail(record)
        elif record.base != running_base:
            # The boot loader went back to the old base, as it does after one failed attempt.
            if record.boots < BOOTS:
                record.boots += 1
                return slot, True, record.base
            _fail(record)
        else:
            # A run for each time that the boot loader was told, and a few more: power may go between
            # its being told to keep the base and the confirmation here.
            record.runs += 1
            if record.runs <= 2 * BOOTS:
                return slot, True, 0
            back = _OTHER_BASE - record.base
            _fail(record)
            return SLOTS[record.home], True, back
    elif crashed:
        crash(record)
    if record.home and (record.crashes >= CRASHES or SLOTS[record.home] not in whole):
        _leave(record, whole)
    return SLOTS[record.home], record.to_bytes() != before, 0


def crash(record):
    """A confirmed release could not go on."""
    if not record.trial:
        record.crashes = min(record.crashes + 1, CRASHES)


def answers(record, application):
    """Whether the application (a number of its own, 0: none) has to answer for a bad end, not the release.

    As long as it runs it is the likelier one, and costs less. On trial a release answers for its own.
    """
    if not application or record.trial:
        return False
    return record.strikes < STRIKES or record.application != application


def strike(record, application):
    """A run has ended badly, and this application answers for it."""
    if record.application != application:
        record.application = application
        record.strikes = 0
    record.strikes += 1


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
    _end(record)


def judge(record, guilty):
    """The release that runs now has, or has not, reached what the suspect did not."""
    if guilty:
        record.rejected = record.suspect
    record.suspect = 0


def _end(record):
    record.trial = _FACTORY
    record.trial_number = record.boots = record.base = record.runs = 0


def _fail(record):
    record.suspect = record.trial_number
    _end(record)


def _leave(record, whole):
    """Home cannot be run: the one before it, or the factory's."""
    record.suspect = record.home_number
    if SLOTS[record.previous] in whole and record.previous != record.home:
        record.home = record.previous
        record.home_number = record.previous_number
    else:
        record.home = _FACTORY
        record.home_number = 0
    record.previous = _FACTORY
    record.previous_number = 0
    record.crashes = 0
