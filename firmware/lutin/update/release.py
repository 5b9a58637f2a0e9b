"""A release.json, checked as a stream: from an open file, in constant memory.

Nothing of the payload is believed, or even read as JSON, before a signature of it is good.
"""

import asyncio

from .envelope import Envelope
from .failure import Failure
from .payload import Release, entries


async def read(path, keys, product, board):
    """The Release in this file, if all is in order and one of keys has signed it; None: whoever did."""
    try:
        with open(path, "rb") as file:
            envelope = Envelope(file)
            await envelope.check()
            if keys is not None:
                await envelope.signed(keys)
            release = Release()
            for _ in entries(envelope.inside(), release, product, board):
                await asyncio.sleep_ms(0)
            return release
    except OSError as e:
        raise Failure("flash-error", "error %s" % (e.args[0] if e.args else "unknown"))


def files(path):
    """Each file of a release that was checked: (path, length, sha256, zlib?)."""
    for entry in _entries(path):
        if entry and entry[0] is not None:
            yield entry


def pieces(path):
    """Each piece of its base: (index, length, sha256, zlib?)."""
    index = 0
    for entry in _entries(path):
        if entry and entry[0] is None:
            yield (index,) + entry[1:]
            index += 1


def allow(release, now, running, highest, rejected, floor=0):
    """Failure where this release must not be installed. now: s since 1970, None: unknown."""
    number = release.number
    if number == rejected:
        raise Failure("rejected-before", "release %d" % number)
    # The floor first: it says more, and what is below it is below the highest too.
    if number < floor:
        raise Failure("older-than-allowed", "%d, %d is allowed" % (number, floor))
    newest = max(running, highest)
    if number < newest:
        raise Failure("older-than-installed", "%d after %d" % (number, newest))
    # Last, so that the failure does not change its name when the time becomes known.
    if now is not None and release.expires is not None and now >= release.expires:
        raise Failure("expired", "release %d" % number)


def _entries(path):
    with open(path, "rb") as file:
        envelope = Envelope(file)
        envelope.find()
        yield from entries(envelope.inside(), Release())
