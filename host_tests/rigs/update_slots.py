"""Rig for slots and base on LittleFS on the simulated flash. A release comes as lists, blobs from memory."""

import asyncio
import gc
import os

import esp32
import vfs
from lutin.states import Failure
from lutin.update import slots as module
from lutin.update.base import Base
from lutin.update.slots import Slots
from sim import bootloader, world
from sim.nor import Nor, PowerCut

ROOT = "/disk"
TEXT = b'{"the": "release"}'

slots = None
said = []
_images = {}  # label -> cells, as _keep() found them
_asked = []  # (first 8 digits of the hash, offset) of every request


class Log:
    """Keeps what is said."""

    def info(self, text):
        """One line."""
        said.append(text)

    warn = error = info


def _mount():
    """Power on: whatever was in RAM is gone."""
    global slots
    try:
        vfs.umount(ROOT)
    except OSError:
        pass
    vfs.mount(vfs.VfsLfs2(esp32.Partition("vfs")), ROOT)
    slots = Slots(ROOT, Log())


def new(sectors=24, ota=0):
    """A board with an empty filesystem; ota: sectors of each OTA partition."""
    try:
        vfs.umount(ROOT)
    except OSError:
        pass
    gc.collect()
    world.reset()
    world.add_flash("vfs", sectors)
    for label in ("ota_0", "ota_1") if ota else ():
        world.add_flash(label, ota)
    bootloader.start()
    vfs.VfsLfs2.mkfs(esp32.Partition("vfs"))
    _mount()
    del said[:]
    del _asked[:]


def _keep():
    for label, nor in world.flash.items():
        _images[label] = bytes(nor.cells)


def _restore():
    """Chips as they were kept, none of them known to anybody."""
    for label, cells in _images.items():
        if label in world.flash and world.flash[label].cells == cells:
            continue
        nor = world.flash[label] = Nor(len(cells) // 4096)
        nor.cells[:] = cells


def put(path, data):
    """A file, with its folders."""
    path = ROOT + "/" + path
    at = path.find("/", len(ROOT) + 1)
    while at >= 0:
        try:
            os.mkdir(path[:at])
        except OSError:
            pass
        at = path.find("/", at + 1)
    with open(path, "wb") as f:
        f.write(data)


def get(path):
    """A file's contents; None where there is none."""
    try:
        with open(ROOT + "/" + path, "rb") as f:
            return f.read()
    except OSError:
        return None


def tree(top=""):
    """Every path below it; folders end in "/"."""
    found = []
    for entry in os.ilistdir(ROOT + "/" + top):
        path = top + entry[0]
        if entry[1] == 0x4000:
            found.append(path + "/")
            found += tree(path + "/")
        else:
            found.append(path)
    return sorted(found)


def free():
    """Blocks that are free."""
    return os.statvfs(ROOT)[4]


class Gone(Exception):
    """The connection went."""


def _fetch(digest, blobs, most, stop=None, step=500):
    """As the fetcher would; stop: the connection goes after so many bytes. Whether it looked like a page."""
    part = slots.part(digest)
    try:
        blob, page = blobs.get(digest.hex(), (b"<html>", True))
        _asked.append((digest.hex()[:8], part.length))
        if part.length >= max(1, len(blob)):
            raise AssertionError("a range behind the end of the blob")
        part.begin(part.length)
        for at in range(part.length, len(blob), step):
            if stop is not None and at >= stop:
                raise Gone()
            part.write(memoryview(blob)[at : min(at + step, len(blob))])
        return page
    finally:
        part.close()


async def _install(slot, other, files, blobs, stop=None):
    def entries():
        for path, length, digest, packed in files:
            yield path, length, digest, packed

    slots.begin(slot)
    await slots.tidy(slot, entries)
    missing = []
    for entry in entries():
        if not await slots.have(slot, other, entry):
            missing.append(entry)
    slots.room(sum([entry[1] for entry in missing]))
    for entry in missing:
        await slots.finish(slot, entry, _fetch(entry[2], blobs, entry[1], stop))
    if not await slots.whole(slot, entries):
        raise AssertionError("not whole")
    slots.seal(slot)


def _try(coroutine):
    """What it returned; or [the failure's name, its detail]."""
    try:
        return asyncio.run(coroutine)
    except Failure as e:
        return [e.name, e.detail]
    except Gone:
        return "gone"
    except OSError:
        return "OSError"  # from the boot loader: all others have names


def install(slot, other, files, blobs, stop=None, restart=False, bare=False):
    """The whole way of an update: how it ended, and what was asked for."""
    if restart:
        _mount()
    if not bare and get("incoming.json") is None:
        put("incoming.json", TEXT)
    del _asked[:]
    return _try(_install(slot, other, files, blobs, stop)), list(_asked)


def begin(slot):
    slots.begin(slot)


def names():
    """Slots that are whole."""
    return slots.slots()


def have(slot, other, entry):
    return _try(slots.have(slot, other, entry))


def finish(slot, entry, blob, page=False, lie=False):
    """A blob comes whole and is finished: None, or how it failed; how much of its part is still there.

    lie: flash holds something else afterwards.
    """
    if lie:
        _lie()
    try:
        part = slots.part(entry[2])
        part.begin(0)
        part.write(memoryview(blob))
        part.close()
    except Failure as e:
        return [e.name, e.detail], None
    return _try(slots.finish(slot, entry, page)), slots.part(entry[2]).length


def _lie():
    unpack = slots.parts.unpack

    async def lies(length, digest, packed, write, page=False):
        def wrongly(view, at):
            write(bytes(len(view)), at)

        slots.parts.unpack = unpack
        await unpack(length, digest, packed, wrongly, page)

    slots.parts.unpack = lies


def marked(path, shift):
    """Whether a path is known where its four bytes are so far from the beginning."""
    return module._marked(path, b"#" * shift + module._mark(path) + b"#" * 8)


def part_length(digest):
    """How much of a part there is."""
    return slots.part(digest).length


def part(digest, data, start=0):
    """Bytes of a part, and how many there are then after a restart."""
    sink = slots.part(digest)
    sink.begin(start)
    sink.write(memoryview(data))
    sink.close()
    _mount()
    return slots.part(digest).length


def part_without_close(digest, size, step):
    """How much of a part there is when the power goes in the middle."""
    sink = slots.part(digest)
    sink.begin(0)
    data = memoryview(bytes(step))
    for _ in range(0, size, step):
        sink.write(data)
    nor = world.flash["vfs"]
    nor.cut_after(0)
    try:
        nor.erase(0)
    except PowerCut:
        nor.power_on()
    _mount()
    return slots.part(digest).length


def tidy(slot, files, pieces=()):
    return _try(slots.tidy(slot, lambda: iter(files), lambda: iter(pieces)))


def whole(slot, files):
    return _try(slots.whole(slot, lambda: iter(files)))


def room(need, part=0):
    """None, or the failure."""
    try:
        return slots.room(need, part)
    except Failure as e:
        return [e.name, e.detail]


def wear(label, sectors, mode):
    for sector in sectors:
        world.flash[label].wear(sector, mode)


def lines():
    return said


def memory(entry, blob):
    """Bytes of heap that making Slots takes, and that unpacking takes at most; in units of a word's size."""
    gc.collect()
    before = gc.mem_alloc()
    one = Slots(ROOT, Log())
    gc.collect()
    made = gc.mem_alloc() - before
    slots.begin("b")
    part = slots.part(entry[2])
    part.begin(0)
    part.write(blob)
    part.close()
    most = [0]
    unpack = slots.parts.unpack

    async def unpacks(length, digest, packed, write, page=False):
        gc.collect()
        before = gc.mem_alloc()

        def look(view, at):
            gc.collect()
            most[0] = max(most[0], gc.mem_alloc() - before)
            write(view, at)

        await unpack(length, digest, packed, look, page)

    slots.parts.unpack = unpacks
    asyncio.run(slots.finish("b", entry))
    return made, most[0], one is not None


# ---- every cut


def prepare_cuts(sectors, factory, old, files, blobs, ota=0):
    """factory and slot a hold releases; b holds another, whole. It is where every cut begins."""
    new(sectors, ota)
    for slot, contents in (("factory", factory), ("a", old), ("b", factory)):
        for path, data in contents.items():
            put(slot + "/" + path, data)
        put(slot + "/release.json", b"old " + slot.encode())
    put("incoming.json", TEXT)
    _keep()
    before = world.flash["vfs"].operations
    asyncio.run(_install("b", "a", files, blobs))
    return world.flash["vfs"].operations - before


def _same(slot, contents):
    for path, data in contents.items():
        if get(slot + "/" + path) != data:
            raise AssertionError("%s/%s has changed" % (slot, path))
    if get(slot + "/release.json") != b"old " + slot.encode():
        raise AssertionError("release.json of %s has changed" % slot)


def _all_right(factory, old, plain):
    """What must be true at any moment."""
    _same("factory", factory)
    _same("a", old)
    whole = slots.slots()
    if whole[:2] != ["factory", "a"]:
        raise AssertionError(whole)
    if "b" not in whole:
        return False
    if get("b/release.json") == TEXT:
        for path, data in plain.items():
            if get("b/" + path) != data:
                raise AssertionError("b is not whole: %s" % path)
        return True
    _same("b", factory)
    return False


def cut(n, torn, factory, old, plain, files, blobs):
    """The n-th operation of an install is cut, then it is begun anew: (whether it was cut, what it asked for)."""
    _restore()
    _mount()
    nor = world.flash["vfs"]
    nor.cut_after(n, torn)
    del _asked[:]
    try:
        asyncio.run(_install("b", "a", files, blobs))
        return False, 0
    except PowerCut:
        nor.power_on()
    _mount()
    if not _all_right(factory, old, plain):
        if get("incoming.json") != TEXT:
            raise AssertionError("the verified release.json is lost")
        asyncio.run(_install("b", "a", files, blobs))
        if not _all_right(factory, old, plain):
            raise AssertionError("b is not whole")
    strangers = [name for name in os.listdir(ROOT) if name not in ("factory", "a", "b")]
    if strangers:
        raise AssertionError(strangers)
    return True, len(_asked)


def cuts(torn, *story):
    """Cut each operation: how many, and the most requests that one took."""
    n = 0
    most = 0
    while True:
        done, asked = cut(n, torn, *story)
        if not done:
            return n, most
        n += 1
        most = max(most, asked)


# ---- base


class Release:
    """What base.py wants to know of a release's base."""

    def __init__(self, image):
        self.version, self.chip, self.length, self.sha256, self.count = image


def flash(label, data, at=0):
    """Put bytes into a partition, around all rules."""
    world.flash[label].cells[at : at + len(data)] = data


def cells(label, length):
    return world.flash[label].cells[:length]


async def _base(image, pieces, blobs, stop=None):
    running = esp32.Partition(esp32.Partition.RUNNING)
    partition = running.get_next_update()
    if partition.info()[4] == running.info()[4]:
        raise AssertionError("the one that runs")
    base = Base(partition, Release(image), slots, Log())
    for piece in pieces:
        if not await base.have(piece):
            await base.write(piece, _fetch(piece[2], blobs, piece[1], stop))
    await base.verify()
    partition.set_boot()


def base(image, pieces, blobs, stop=None, restart=False):
    """The whole way of a base: how it ended, and what was asked for."""
    if restart:
        _mount()
    del _asked[:]
    return _try(_base(image, pieces, blobs, stop)), list(_asked)


def second_first(image, pieces, blobs):
    """Write the second piece before anybody has seen the first: how it ended."""

    async def go():
        one = Base(esp32.Partition("ota_1"), Release(image), slots, Log())
        await one.write(pieces[1], _fetch(pieces[1][2], blobs, pieces[1][1]))

    return _try(go())


def verify(image):
    """Whether flash holds the image."""

    async def go():
        await Base(esp32.Partition("ota_1"), Release(image), slots, Log()).verify()

    return _try(go())


def boot():
    """Power on: what the boot loader runs, and what it thinks of ota_1 then."""
    bootloader.start()
    return world.running, bootloader.state("ota_1")


def erases(label):
    return world.flash[label].erases


def prepare_base(sectors, ota, start, image, pieces, blobs):
    """OTA partitions of so many sectors, ota_1 begins with `start`; operations that the base takes, by label."""
    new(sectors, ota)
    flash("ota_0", b"\xe9 what runs now" * 99)
    world.flash["ota_0"].cells[:] = b"\xff" + world.flash["ota_0"].cells[1:]
    flash("ota_1", start)
    _keep()
    before = {label: nor.operations for label, nor in world.flash.items()}
    asyncio.run(_base(image, pieces, blobs))
    return {label: nor.operations - before[label] for label, nor in world.flash.items()}


def base_cuts(label, torn, plain, *story):
    """Cut each operation on that flash: how many, and the most requests that one took."""
    n = most = 0
    while True:
        asked = _cut_base(label, n, torn, plain, *story)
        if asked is None:
            return n, most
        n += 1
        most = max(most, asked)


def _cut_base(label, n, torn, plain, image, pieces, blobs):
    """The n-th operation on that flash is cut, then all begins anew: requests; None where it was not cut."""
    _restore()
    bootloader.start()
    _mount()
    chip = world.flash[label]
    chip.cut_after(n, torn)
    del _asked[:]
    try:
        asyncio.run(_base(image, pieces, blobs))
        return None
    except PowerCut:
        chip.power_on()
    bootloader.start()
    _mount()
    if world.running == "ota_1":
        _is_whole(plain)  # the very last operation came to its end
        return len(_asked)
    asyncio.run(_base(image, pieces, blobs))
    _is_whole(plain)
    bootloader.start()
    if world.running != "ota_1" or os.listdir(ROOT):
        raise AssertionError((world.running, os.listdir(ROOT)))
    return len(_asked)


def _is_whole(plain):
    if world.flash["ota_1"].cells[: len(plain)] != plain:
        raise AssertionError("booted, and not whole")
    if world.flash["ota_0"].cells != _images["ota_0"]:
        raise AssertionError("the one that runs was written")
