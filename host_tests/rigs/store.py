"""Rig for the store: cuts, wear and rot on the NOR model, in loops that would be slow from outside."""

import esp32
from lutin.store import BLANK, LIVE, OLD, Store, StoreError
from sim import world
from sim.nor import SECTOR, TORN, Nor, PowerCut

# Each value is long enough to be found in the flash, and no part of another.
OTHER = b"of another key, never to be lost: 0123456789"
FIRST = b"old network, old password: hunter22 hunter22"
SECOND = b"new network, new password: correct horse battery" * 12
THIRD = b"a third network, a third password: Tr0ub4dor"
CLEAR = b"\x01"

nor = None


class Log:
    """Hears nothing."""

    def info(self, text):
        """One line."""

    warn = error = info


def boot(flash=None):
    """Power on: a store that remembers nothing."""
    global nor
    if flash is not None:
        nor = flash
    nor.power_on()
    world.flash = {"lutin": nor}
    return Store(esp32.Partition("lutin"), Log())


def _whole(store, key):
    return [s for s, k, _, state in store.map() if k == key and state in (LIVE, OLD)]


# ---- every cut

# name: (sectors, saves before, wear by distance from the live record, the save that is cut)
_BEFORE = ((2, OTHER), (1, FIRST))
SCENES = {
    "first": (3, ((2, OTHER),), {}, SECOND),
    "replace": (4, _BEFORE, {}, SECOND),
    "clear": (4, _BEFORE, {}, CLEAR),
    "empty": (3, _BEFORE, {}, b""),
    "no-room-to-spare": (3, _BEFORE, {}, SECOND),
    "eight-sectors-gone-round": (8, _BEFORE * 5, {}, THIRD),
    "next-sector-stuck": (5, _BEFORE, {1: "stuck"}, THIRD),
    "next-sectors-error": (5, _BEFORE, {1: "error", 2: "error"}, THIRD),
    "next-sector-frozen": (4, _BEFORE, {1: "frozen"}, SECOND),
    "live-sector-does-not-erase": (4, _BEFORE, {0: "stale"}, SECOND),
    "live-sector-stuck": (4, _BEFORE, {0: "stuck"}, THIRD),
    "live-sector-error": (4, _BEFORE, {0: "error"}, CLEAR),
}


def _clone(cells, worn):
    copy = Nor(len(cells) // SECTOR)
    copy.cells[:] = cells
    copy.worn = dict(worn)
    return copy


def _expect(condition, *about):
    if not condition:
        raise AssertionError(repr(about))


def _is(seen, value, *about):
    _expect(seen == value, "not the expected value", seen, *about)


def _cut(flash, n, torn, action):
    """Run action(store) with the power cut at operation n; False if it ended before that."""
    store = boot(flash)
    flash.cut_after(n, torn)
    try:
        action(store)
    except PowerCut:
        return True
    flash.power_on()
    return False


def _recover(store):
    store.repair()
    store.save(1, THIRD)


def scenes():
    """The names of all scenes."""
    return sorted(SCENES)


def every_cut(scene):
    """Cut a save at every operation, torn in every way; then its recovery at every operation."""
    sectors, before, worn, value = SCENES[scene]
    flash = Nor(sectors)
    for key, data in before:
        boot(flash).save(key, data)
    store = boot()
    old = store.load(1)
    if worn:
        (live,) = _whole(store, 1)
        worn = {(live + distance) % sectors: mode for distance, mode in worn.items()}
    start = bytes(flash.cells)
    cuts = second_cuts = 0
    seen = set()
    n = 0
    done = False
    while not done:
        for torn in TORN:
            flash = _clone(start, worn)
            if not _cut(flash, n, torn, lambda store: store.save(1, value)):
                done = True
                break
            cuts += 1
            found = boot(flash).load(1)
            _expect(found in (old, value), "neither old nor new", n, torn, found)
            _is(boot().load(2), OTHER, n, torn)
            seen.add(found)
            # Clearing a sector that does not erase takes many operations: there the pairs are thinned.
            if not worn or cuts % 5 == 1:
                second_cuts += _second(bytes(flash.cells), worn, found, (n, torn))
        n += 1
    _is(boot(flash).load(1), value)
    return {"operations": n - 1, "cuts": cuts, "second": second_cuts, "both": seen == {old, value}}


def _second(cells, worn, found, about):
    """Cut repair and the save after it at every operation."""
    cuts = n = 0
    while True:
        for torn in (TORN[n % len(TORN)],) if worn else TORN:
            flash = _clone(cells, worn)
            if not _cut(flash, n, torn, _recover):
                _finished(flash, worn, about)
                return cuts
            cuts += 1
            now = boot(flash).load(1)
            _expect(now in (found, THIRD), "neither old nor new", about, n, torn, now)
            store = boot()
            store.repair()
            _is(store.load(1), now, about, n, torn)
            _is(store.load(2), OTHER, about, n, torn)
            if not worn:
                _expect(len(_whole(store, 1)) < 2, "not repaired", about, n, torn)
        n += 1


def _finished(flash, worn, about):
    store = boot(flash)
    _is(store.load(1), THIRD, about)
    _is(store.load(2), OTHER, about)
    if not worn:
        _is(len(_whole(store, 1)), 1, about)
        for secret in (FIRST[-16:], SECOND[-16:]):
            _expect(secret not in flash.cells, "a password is left", about)


# ---- wear, rot, bad reads


def worn_one_by_one(mode, order):
    """Save after each further sector is worn out; [True where it was stored]."""
    flash = Nor(len(order))
    boot(flash).save(1, FIRST)
    boot().save(2, OTHER)
    last = FIRST
    stored = []
    for i, sector in enumerate(order):
        flash.wear(sector, mode)
        for fresh in (False, True):
            value = b"%d %s " % (i, fresh) + SECOND
            if not fresh:
                store = boot()
            try:
                store.save(1, value)
                last = value
                ok = True
            except StoreError as e:
                _is(e.args[0], "no-sector-left")
                ok = False
            _is(store.load(1), last, mode, i)
            _is(boot().load(1), last, mode, i)
            _is(boot().load(2), OTHER, mode, i)
        stored.append(ok)
    return stored


def after_rot(value, wear=None):
    """Replace FIRST by value, then let each byte of the new record rot: what is loaded then."""
    flash = Nor(4)
    boot(flash).save(1, FIRST)
    if wear:
        flash.wear(_whole(boot(), 1)[0], wear)
    boot().save(1, value)
    (sector,) = _whole(boot(), 1)
    kept = bytes(flash.cells)
    found = []
    for at in range(16 + len(value)):
        for mask in (0x01, 0xFF):
            flash = _clone(kept, flash.worn)
            flash.rot(sector * SECTOR + at, mask)
            store = boot(flash)
            store.repair()
            now = store.load(1)
            if now not in found:
                found.append(now)
    return found, FIRST[-16:] in flash.cells


def erases(saves, sectors=8):
    """How often each sector was erased by that many saves, with a restart between them."""
    flash = Nor(sectors)
    for i in range(saves):
        boot(flash).save(1, b"%d" % i)
    return flash.erases


def unreadable(key, saves, when):
    """The sector of this key's record cannot be read, from `when` on until key 1 has been saved."""
    flash = Nor(4)
    boot(flash).save(2, OTHER)
    for _ in range(3):
        boot().save(1, FIRST)  # its generation is well above that of all others
    store = boot()
    if when == "after boot":
        store.load(1)
    flash.unreadable.add(_whole(boot_beside(), key)[0])
    while_bad = store.load(1), store.load(2)
    for _ in range(saves):
        store.save(1, SECOND)
    during = store.load(1)
    flash.unreadable.clear()
    found = list(while_bad)
    found += [during, boot().load(1), boot().load(2)]
    return [value and value[:3] for value in found]


class Flaky:
    """Passes everything on; each sector's first reading fails, or gives nonsense."""

    def __init__(self, part, how):
        self.part = part
        self.how = how
        self.met = set()
        self.ioctl = part.ioctl
        self.writeblocks = part.writeblocks

    def readblocks(self, block, buf, offset):
        self.part.readblocks(block, buf, offset)
        if block not in self.met:
            self.met.add(block)
            if self.how == "error":
                raise OSError(5)
            for i in range(len(buf)):
                buf[i] ^= 0x55


def first_reading_fails(how):
    """What survives a save on a flash whose every sector is misread once."""
    flash = Nor(3)
    boot(flash).save(1, FIRST)
    boot().save(2, OTHER)
    store = Store(Flaky(esp32.Partition("lutin"), how), Log())
    store.save(1, THIRD)
    return boot().load(1) == THIRD, boot().load(2) == OTHER


class Deaf:
    """Writes arrive, but what is read back comes from before: a stale cache."""

    def __init__(self, part):
        self.part = part
        self.ioctl = part.ioctl
        self.before = bytearray(part.ioctl(4, 0) * SECTOR)
        part.readblocks(0, self.before, 0)
        self.writeblocks = part.writeblocks

    def readblocks(self, block, buf, offset):
        at = block * SECTOR + offset
        buf[:] = self.before[at : at + len(buf)]


def not_seen_in_the_flash():
    """A save whose record cannot be seen in the flash afterwards."""
    boot(Nor(4)).save(1, FIRST)
    store = Store(Deaf(esp32.Partition("lutin")), Log())
    try:
        store.save(1, THIRD)
    except StoreError as e:
        return e.args[0], boot().load(1) == FIRST
    return "stored", False


class Broken:
    """A device whose ioctl answers as told."""

    def __init__(self, sectors, size):
        self.answers = {4: sectors, 5: size}

    def ioctl(self, op, arg):
        if self.answers[op] == "error":
            raise OSError(5)
        return self.answers[op]


def without_memory(sectors, size, absent=False):
    """What load, save, repair and map say where the flash is of no use."""
    store = Store(None if absent else Broken(sectors, size), Log())
    said = []
    for call in (lambda: store.load(1), lambda: store.save(1, b"x"), store.repair):
        try:
            said.append(call())
        except StoreError as e:
            said.append(e.args[0])
    return said, store.map()


def sizes():
    """Lengths that can be saved and read back, and what one more byte gives."""
    store = boot(Nor(3))
    good = []
    for length in (0, 1, 255, 256, 257, 4080):
        store.save(1, bytes([length & 0xFF]) * length)
        if boot().load(1) == bytes([length & 0xFF]) * length:
            good.append(length)
    try:
        store.save(1, bytes(4081))
    except StoreError as e:
        return good, e.args[0], len(boot().load(1))


def look(image):
    """What a stored flash image holds: its map, and the record of each key."""
    flash = Nor(8)
    flash.cells[: len(image)] = image
    before = bytes(flash.cells)
    store = boot(flash)
    answer = {"map": store.map(), "records": {key: store.load(key) for key in (1, 2, 3)}}
    _is(bytes(flash.cells), before, "load has written")
    return answer


def damaged_claims():
    """A half record, and garbage: what repair leaves of them, and what the next save leaves."""
    flash = Nor(4)
    boot(flash).save(1, FIRST)
    flash.cut_after(2, "middle")  # erase and header are done
    try:
        boot_beside().save(1, THIRD)
    except PowerCut:
        pass
    half = [entry[3] for entry in boot().map()]
    boot().repair()
    repaired = [entry[3] for entry in boot().map()]
    boot().save(1, CLEAR)
    clean = all(word not in flash.cells for word in (FIRST[:12], THIRD[:12]))
    return half, repaired, [entry[3] for entry in boot().map()], clean


def old_while_repairing():
    """States of all sectors after a cut that left old and new, and after a cut in the repair of it."""
    flash = Nor(4)
    boot(flash).save(1, FIRST)  # sector 1
    flash.cut_after(3, "before")  # all is written to sector 2, nothing wiped
    try:
        boot_beside().save(1, THIRD)
    except PowerCut:
        flash.power_on()
    boot().save(2, OTHER)
    boot().save(2, OTHER)  # sector 0: sector 1 comes next, sector 3 is blank
    before = [entry[3] for entry in boot().map()]
    flash.cut_after(1, "before")
    try:
        boot_beside().repair()
    except PowerCut:
        flash.power_on()
    return before, [entry[3] for entry in boot().map()]


# ---- the state machine's hands


def begin(sectors):
    """A new flash."""
    global machine
    machine = boot(Nor(sectors))
    machine.repair()


def restart():
    """Power off and on."""
    global machine
    machine = boot()
    machine.repair()


def save(key, data, cut=None, torn="before"):
    """How it ended: stored, cut (and the power is back, without repair), or the StoreError's name."""
    global machine
    if cut is not None:
        nor.cut_after(cut, torn)
    try:
        machine.save(key, data)
        return "stored"
    except StoreError as e:
        return e.args[0]
    except PowerCut:
        machine = boot()
        return "cut"
    finally:
        # A cut that did not come, because there was less to do, does not wait for the next save.
        nor.power_on()


def repair(cut=None, torn="before"):
    """Restart, with the power cut during the repair."""
    global machine
    machine = boot()
    if cut is not None:
        nor.cut_after(cut, torn)
    try:
        machine.repair()
    except PowerCut:
        machine = boot()
    nor.power_on()


def load(key):
    """What the running store and a fresh one say."""
    return machine.load(key), boot_beside().load(key)


def boot_beside():
    """Another store on the same flash, the running one undisturbed."""
    return Store(esp32.Partition("lutin"), Log())


def wear(sector, mode):
    """Wear a sector out; None heals it."""
    if mode:
        nor.wear(sector, mode)
    else:
        nor.heal(sector)


def room():
    """Sectors that are blank and not worn: while there are any, a save must succeed."""
    return [s for s, _, _, state in machine.map() if s not in nor.worn and state == BLANK]
