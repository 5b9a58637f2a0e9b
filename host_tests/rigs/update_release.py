"""Rig for releases: the JSON reader, signatures, and the whole check of a release.json."""

import asyncio
import gc
import hashlib
import io
import os
import time

from lutin.states import Failure
from lutin.states import name as state_name
from lutin.update import envelope, offer, own, release
from lutin.update.offer import Listing
from lutin.update.policy import state_of
from lutin.update.tokens import Reader

_verify = envelope.verify

STATE_FIELDS = ("number", "version", "oldest", "boards", "expires", "keys", "count", "size")


def _source(document, step):
    """A readinto that gives `step` bytes at most."""
    stream = io.BytesIO(document)

    def readinto(buf):
        return stream.readinto(memoryview(buf)[:step])

    return readinto


def _refusal(failure):
    return {"name": failure.name, "detail": failure.detail, "state": state_name(state_of(failure.name))}


# ---- JSON


def _value(reader):
    byte = reader._next()
    if byte == 0x7B:
        reader.object()
        found = {}
        key = reader.key()
        while key is not None:
            found[key] = _value(reader)
            key = reader.key()
        return found
    if byte == 0x5B:
        reader.array()
        found = []
        while reader.more():
            found.append(_value(reader))
        return found
    if byte == 0x22:
        return list(reader.string().encode())  # JSON on the way back would hide what it cannot say
    if byte == 0x6E:
        return reader.null() and None
    if byte in (0x74, 0x66):
        for _ in reader.skip():
            pass
        return byte == 0x74
    return reader.number(-0x7FFFFFFF)


def parse(document, step=256, skip=False, most=65536, values=4096):
    """{"value"} of it all, strings as lists of bytes; or the refusal. skip: pass over it instead."""
    reader = Reader(_source(document, step), "not-good", most, values)
    try:
        if skip:
            value = None
            for _ in reader.skip():
                pass
        else:
            value = _value(reader)
        reader.end()
        return {"value": value, "position": reader.position}
    except Failure as e:
        return _refusal(e)


def flood(head, again, most):
    """A document without end: the refusal, and how many bytes of it were taken."""
    taken = [0]

    def readinto(buf):
        text = again * (len(buf) // len(again)) if taken[0] else head
        buf[: len(text)] = text
        taken[0] += len(text)
        return len(text)

    reader = Reader(readinto, "not-good", most, 1 << 20)
    try:
        for _ in reader.skip():
            pass
    except Failure as e:
        return e.detail, taken[0]


def expect(document, method, *args):
    """One method on a document, as for a caller that wants just this."""
    reader = Reader(_source(document, 256), "not-good", 65536, 4096)
    try:
        return {"value": getattr(reader, method)(*args)}
    except Failure as e:
        return _refusal(e)


def long_string(document, step):
    """Length and hash of a string of any length, and the longest chunk."""
    reader = Reader(_source(document, step), "not-good", 1 << 30, 10)
    digest = hashlib.sha256()
    length = longest = 0
    reader.open()
    chunk = reader.chunk()
    while chunk is not None:
        digest.update(chunk)
        length += len(chunk)
        longest = max(longest, len(chunk))
        chunk = reader.chunk()
    reader.end()
    return length, digest.digest(), longest


def base64_string(document, step):
    """What a base64 string holds, or the refusal."""
    reader = Reader(_source(document, step), "not-good", 65536, 10)
    try:
        reader.open()
        source = envelope.Base64(reader)
        found = bytearray()
        buf = bytearray(256)
        count = source.readinto(buf)
        while count:
            found.extend(buf[:count])
            count = source.readinto(buf)
        reader.end()
        return {"value": found}
    except Failure as e:
        return _refusal(e)


def base64_whole(text):
    """The same in one."""
    return envelope.decode(text)


# ---- signatures


def verify(modulus, sig, digest):
    """Whether it is good, always as one of two words."""
    found = envelope.verify(modulus, sig, digest)
    return "good" if found is True else "bad" if found is False else repr(found)


def key_id(modulus):
    """Its name."""
    return envelope.key_id(modulus)


# ---- releases


class _Counted:
    """envelope.verify, counted."""

    def __init__(self):
        self.calls = 0

    def __call__(self, *args):
        self.calls += 1
        return _verify(*args)


def _run(coroutine):
    asyncio.new_event_loop()  # nothing of an earlier call may be left
    return asyncio.run(coroutine)


def _dump(found):
    about = {field: getattr(found, field) for field in STATE_FIELDS}
    base = found.base
    about["base"] = base and [base.version, base.chip, base.length, base.sha256, base.count]
    return about


def check(path, keys, product="lutin", board="unix", lists=False):
    """The release, or the refusal; and how many signatures were tried. lists: its files and pieces too."""
    envelope.verify = counted = _Counted()
    listing = Listing(path + ".list")
    try:
        with listing:
            about = _dump(_run(own.read(path, keys, product, board, listing)))
        if lists:
            about["files"] = list(listing.files())
            about["pieces"] = list(listing.pieces())
    except Failure as e:
        about = _refusal(e)
    finally:
        envelope.verify = _verify
        os.remove(path + ".list")
    about["tried"] = counted.calls
    return about


def payload(document):
    """The rules of the payload alone, where the envelope's size is no limit; the release or the refusal."""
    found = offer.Release()
    reader = Reader(_source(document, 256), "payload-malformed", 1 << 20, 1 << 20)
    try:
        for _ in release.entries(reader, found, "lutin", "unix"):
            pass
        return _dump(found)
    except Failure as e:
        return _refusal(e)


def allow(number, expires, *args):
    """ "" or the name."""
    found = offer.Release()
    found.number = number
    found.expires = expires
    try:
        offer.allow(found, *args)
        return ""
    except Failure as e:
        return e.name


class _Watched:
    """A file that tells what is read of it."""

    def __init__(self, path, tell):
        self._file = open(path, "rb")  # noqa: SIM115
        self._tell = tell
        self.seek = self._file.seek

    def readinto(self, buf):
        count = self._file.readinto(buf)
        self._tell(count)
        return count

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()


def _watch(tell, work):
    """work() with every file of release.py watched."""
    envelope.open = lambda path, mode: _Watched(path, tell)
    try:
        return work()
    finally:
        del envelope.open


def gives_way(path, keys):
    """Most bytes read between two turns of another task; how many turns; bytes in all."""
    seen = [0, 0, 0, 0]  # since the last turn, most, turns, all

    def tell(count):
        seen[0] += count
        seen[3] += count
        seen[1] = max(seen[1], seen[0])

    async def other():
        while True:
            seen[0] = 0
            seen[2] += 1
            await asyncio.sleep_ms(0)

    async def main():
        task = asyncio.create_task(other())
        try:
            await own.read(path, keys, "lutin", "unix")
        except Failure:
            pass
        task.cancel()

    _watch(tell, lambda: _run(main()))
    return seen[1:]


def heap(path, keys):
    """Most bytes in use, above what was before, during the check and while the files are listed; the end's."""
    peak = [0]

    def look(count=0):
        gc.collect()
        peak[0] = max(peak[0], gc.mem_alloc())

    async def main():
        return await own.read(path, keys, "lutin", "unix")

    # The loop itself, and what is made only once.
    found = _run(main())
    found = None
    gc.collect()
    before = gc.mem_alloc()
    found = _watch(look, lambda: _run(main()))
    checked = peak[0] - before
    gc.collect()
    kept = gc.mem_alloc() - before
    found = None
    gc.collect()
    before = gc.mem_alloc()
    peak[0] = 0

    listing = Listing(path + ".list")
    with listing:
        _run(own.read(path, keys, "lutin", "unix", listing))
    gc.collect()
    before = gc.mem_alloc()
    peak[0] = 0
    for _ in listing.files():
        look()
    listed = peak[0] - before
    os.remove(path + ".list")
    return checked, kept, listed, found


def churn(path, keys):
    """Bytes that are made and thrown away by a check."""
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    _run(own.read(path, keys, "lutin", "unix"))
    made = gc.mem_alloc() - before
    gc.enable()
    return made


def ratio(path, keys, digest, sig):
    """us of: a whole check, the signature alone, one list of files, plain SHA-256 over the file."""
    with open(path, "rb") as file:
        data = file.read()
    out = []
    listing = Listing(path + ".list")
    with listing:
        _run(own.read(path, keys, "lutin", "unix", listing))
    for work in (
        lambda: _run(own.read(path, keys, "lutin", "unix")),
        lambda: envelope.verify(keys[0], sig, digest),
        lambda: len(list(listing.files())),
        lambda: hashlib.sha256(data).digest(),
    ):
        start = time.ticks_us()
        work()
        out.append(time.ticks_diff(time.ticks_us(), start))
    os.remove(path + ".list")
    return out
