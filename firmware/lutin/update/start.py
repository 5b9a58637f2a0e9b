"""What boot.py and main.py do with the boot record, and its rules. Only the factory's copy ever runs."""

import os
from binascii import crc32

from micropython import const

from .. import board, store
from .record import BOOTS, CRASHES, FACTORY, SLOTS, STRIKES, Record, end, from_bytes

_ALIVE_MS = const(60000)  # watchdog of a release on trial until it has made its own
_TRIAL_MS = const(600000)  # a boot on trial that is not confirmed by then has failed
_DEPLOYED = "/deployed/app"  # by hand, in place of the slot's
_FOLDER = const(0x4000)
_OTHER_BASE = const(3)  # less the one: 1 and 2


class _Console:
    """The store's log, before there is one."""

    def info(self, text):
        """Print it."""
        print("boot:", text)

    warn = error = info


def choose():
    """The slot to run; a boot on trial is counted before it is believed."""
    records, record = _load()
    before = record.to_bytes()
    whole = [slot for slot in SLOTS if _is_there("/%s/release.json" % slot)]
    cause = board.reset_cause()
    crashed = not _application_answers(record, cause) and cause == "watchdog"
    slot, _, base = attempt(record, whole, board.running_base(), crashed)
    if record.to_bytes() != before:
        try:
            _save(records, record)
        except store.StoreError as e:
            # What cannot be counted is not tried: it might go on for ever.
            print("boot: not counted:", e)
            return _home(record, whole)
    if base:
        if board.boot_from(base):
            board.reset()
        return _home(record, whole)
    if record.trial:
        print("boot: release %d on trial, attempt %d" % (record.trial_number, record.boots))
        board.watchdog(_ALIVE_MS)
        # No release can talk its way out of this: it runs beside whatever the release does.
        board.deadline(_TRIAL_MS)
    print("boot: slot", slot)
    return slot


def crashed():
    """The release could not go on: count it, and start anew."""
    try:
        records, record = _load()
        before = record.crashes
        # Where there is an application, the restart that follows counts against that.
        if not answers(record, _application(record)):
            crash(record)
        if record.crashes != before:
            _save(records, record)
    except store.StoreError as e:
        print("boot: not counted:", e)
    finally:
        board.reset()


def _home(record, whole):
    """The slot that needs no counting."""
    record.trial = 0
    return attempt(record, whole)[0]


def _load():
    records = store.Store(board.settings_flash(), _Console())
    try:
        return records, from_bytes(records.load(store.BOOT))
    except store.StoreError as e:
        print("boot:", e)
        return records, Record()


def _save(records, record):
    records.save(store.BOOT, record.to_bytes())


def _application_answers(record, cause):
    """Whether the last run ended badly, and the application is to blame; it is counted then."""
    asked, record.asked = record.asked, 0
    # A soft reset is somebody at the REPL, and a pulled plug looks like any power-on.
    bad = cause in ("watchdog", "reset") and not asked
    if not bad and not record.strikes:
        return False  # the usual start: nothing of the application is read
    application = _application(record)
    if record.strikes and record.application != application:
        record.strikes = 0  # that was another one
    if not bad or not answers(record, application):
        return False
    strike(record, application)
    print("boot: the application may have caused this restart, time %d" % record.strikes)
    return True


def _application(record):
    """A number for the application that runs, another one after each deploy and update; 0: there is none."""
    if _is_there(_DEPLOYED):
        return _digest(_DEPLOYED) | 1
    number = record.trial_number if record.trial else record.home_number
    slot = SLOTS[record.trial or record.home]
    return (number + 1 << 1) & 0xFFFFFFFF or 2 if _is_there("/%s/app" % slot) else 0


def _digest(folder, crc=0):
    """Of all files below, with what they hold and when they were written."""
    buffer = memoryview(bytearray(256))
    try:
        for entry in os.ilistdir(folder):
            path = folder + "/" + entry[0]
            if entry[1] == _FOLDER:
                crc = _digest(path, crc)
                continue
            crc = crc32("%s %d" % (path, os.stat(path)[8]), crc)
            with open(path, "rb") as file:
                while True:
                    count = file.readinto(buffer)
                    if not count:
                        break
                    crc = crc32(buffer[:count], crc)
    except OSError:
        pass  # what cannot be read makes no difference
    return crc


def _is_there(path):
    try:
        os.stat(path)
        return True
    except OSError:
        return False


def attempt(record, whole, running_base=0, crashed=False):
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


def _fail(record):
    record.suspect = record.trial_number
    end(record)


def _leave(record, whole):
    """Home cannot be run: the one before it, or the factory's."""
    record.suspect = record.home_number
    if SLOTS[record.previous] in whole and record.previous != record.home:
        record.home = record.previous
        record.home_number = record.previous_number
    else:
        record.home = FACTORY
        record.home_number = 0
    record.previous = FACTORY
    record.previous_number = 0
    record.crashes = 0
