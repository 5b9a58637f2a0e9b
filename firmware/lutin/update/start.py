"""What boot.py and main.py do with the boot record. Only the factory's copy of this file ever runs."""

import os

from micropython import const

from .. import board, store
from . import record as rules

_ALIVE_MS = const(60000)  # watchdog of a release on trial until it has made its own
_TRIAL_MS = const(600000)  # a boot on trial that is not confirmed by then has failed


class _Console:
    """The store's log, before there is one."""

    def info(self, text):
        """Print it."""
        print("boot:", text)

    warn = error = info


def choose():
    """The slot to run; a boot on trial is counted before it is believed."""
    records, record = _load()
    whole = [slot for slot in rules.SLOTS if _is_whole(slot)]
    slot, changed, base = rules.start(record, whole, board.running_base(), board.reset_cause() == "watchdog")
    if changed:
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
        rules.crash(record)
        if record.crashes != before:
            _save(records, record)
    except store.StoreError as e:
        print("boot: not counted:", e)
    finally:
        board.reset()


def _home(record, whole):
    """The slot that needs no counting."""
    record.trial = 0
    return rules.start(record, whole)[0]


def _load():
    records = store.Store(board.settings_flash(), _Console())
    try:
        return records, rules.from_bytes(records.load(store.BOOT))
    except store.StoreError as e:
        print("boot:", e)
        return records, rules.Record()


def _save(records, record):
    records.save(store.BOOT, record.to_bytes())


def _is_whole(slot):
    try:
        os.stat("/%s/release.json" % slot)
        return True
    except OSError:
        return False
