"""Rig for whole updates on the simulated flash, from boot.py's rules on, with the power cut anywhere.

Releases are tiny and come from memory; everything else is the real thing: LittleFS, store, slots,
record, updater. One call is a whole story of many lives.
"""

import asyncio
import os

import power_on
import vfs
from sim import clock, world
from sim.nor import Nor, PowerCut

power_on.leave_host()

_SECTORS = 40  # of the filesystem: a small one has the same operations

_known = {}  # number -> {"release.json": bytes, "files": {path: bytes}, "blobs": {digest: bytes}}
_said = []  # each life's last failure
_image = {}  # label -> cells before the story


class Answer:
    def __init__(self, status, etag, length):
        self.status, self.etag, self.length, self.page = status, etag, length, False


class _Server:
    """In place of the fetcher: serves one release out of memory."""

    def __init__(self, number, reachable=True):
        self.number = number
        self.reachable = reachable
        self.updater = None

    async def get(self, url, sink, most, offset=0, etag=None, before=None, **_):
        from lutin.states import Failure

        before()
        if etag and self.updater.trial.pending():
            raise AssertionError("a 304, which anybody can say, would decide over a trial")
        await asyncio.sleep_ms(0)
        if not self.reachable:
            raise Failure("timed-out")
        release = _known[self.number]
        name = url.split("/")[-1]
        body = release["release.json"] if name == "release.json" else release["blobs"][name]
        if name == "release.json" and etag == '"%d"' % self.number:
            return Answer(304, etag, 0)
        sink.begin(offset)
        for at in range(offset, len(body), 512):
            sink.write(memoryview(body)[at : min(at + 512, len(body))])
        return Answer(206 if offset else 200, '"%d"' % self.number, len(body))


def know(number, release):
    """A release that may be installed or offered."""
    _known[number] = release


def _fill(slot, number):
    release = _known[number]
    for path, data in list(release["files"].items()) + [("release.json", release["release.json"])]:
        parts = ("/%s/%s" % (slot, path)).split("/")[1:]
        for i in range(1, len(parts)):
            try:
                os.mkdir("/" + "/".join(parts[:i]))
            except OSError:
                pass
        with open("/" + "/".join(parts), "wb") as f:
            f.write(data)


def prepare(factory, home):
    """A board with these releases in factory and a, a confirmed; it is what every story begins with."""
    from esp32 import Partition
    from lutin.log import Log
    from lutin.store import BOOT, Store
    from lutin.update import record

    world.reset()
    world.flash["vfs"] = Nor(_SECTORS)
    vfs.VfsLfs2.mkfs(Partition("vfs"))
    _mount()
    _fill("factory", factory)
    _fill("a", home)
    one = record.Record()
    one.home, one.home_number, one.highest = 1, home, home
    one.previous, one.previous_number = 2, home - 1  # which the update will overwrite
    Store(Partition("lutin"), Log(lambda: 0)).save(BOOT, one.to_bytes())
    for label, nor in world.flash.items():
        _image[label] = bytes(nor.cells)


def _mount():
    from esp32 import Partition

    disk = vfs.VfsLfs2(Partition("vfs"))
    vfs.umount("/")
    vfs.mount(disk, "/")


def _restore():
    world.reset()
    for label, cells in _image.items():
        nor = world.flash[label] = Nor(len(cells) // 4096)
        nor.cells[:] = cells


def _operations():
    return {label: nor.operations for label, nor in world.flash.items()}


def _slot_is_whole(slot):
    """The number of the release that is, byte for byte, in the slot; else None."""
    for number, release in _known.items():
        try:
            for path, data in release["files"].items():
                with open("/%s/%s" % (slot, path), "rb") as f:
                    if f.read() != data:
                        break
            else:
                with open("/%s/release.json" % slot, "rb") as f:
                    if f.read() == release["release.json"]:
                        return number
        except OSError:
            pass
    return None


def story(offered, bad=(), unreachable=(), cut=None, torn="middle", most=14):
    """Lives of a board until it stays on a release: what each ran, and the record in the end.

    bad: numbers that die on start. unreachable: numbers that never reach the server. cut: (label,
    n): the power goes at the n-th operation of that flash.
    """
    from esp32 import Partition
    from lutin.log import Log
    from lutin.store import BOOT, Store
    from lutin.update import record

    _restore()
    if cut:
        world.flash[cut[0]].cut_after(cut[1], torn)
    ran = []
    cause = 1
    for _ in range(most):
        try:
            number, settled = _live(offered, bad, unreachable, cause)
            ran.append(number)
            if settled:
                break
            cause = 3 if number in bad else 2
        except PowerCut:
            ran.append("cut")
            cause = 1
            for nor in world.flash.values():
                nor.power_on()
    one = record.from_bytes(Store(Partition("lutin"), Log(lambda: 0)).load(BOOT))
    return {
        "ran": ran,
        "home": one.home_number,
        "trial": one.trial_number,
        "rejected": one.rejected,
        "suspect": one.suspect,
        "previous": one.previous,
        "operations": _operations(),
    }


def _live(offered, bad, unreachable, cause):
    """One life: (number that ran, whether it stays so)."""
    from lutin import board
    from lutin.doors import NoApplication
    from lutin.log import Log
    from lutin.settings import Settings
    from lutin.store import Store
    from lutin.update import start
    from lutin.update.policy import Policy
    from lutin.update.slots import Slots
    from lutin.update.trial import Trial
    from lutin.update.updater import Updater

    clock.virtual()
    clock._hooks.clear()
    world.reset_cause = cause
    asyncio.new_event_loop()
    _mount()
    slot = start.choose()
    number = _slot_is_whole(slot)
    if number is None:
        raise AssertionError("slot %s is not whole: %s" % (slot, os.listdir("/" + slot)))
    if number in bad:
        return number, False
    log = Log(lambda: clock.now_us() // 1000)
    records = Store(board.settings_flash(), log)
    records.repair()

    def uptime():
        return clock.now_us() // 1000

    async def alone(begins):
        pass

    restart = asyncio.Event()
    policy = Policy(records, uptime, log, lambda: 0.5, board.now)
    server = _Server(offered, number not in unreachable)
    said = []
    trial = Trial(board, records, log)
    updater = Updater(
        board,
        slot,
        trial,
        policy,
        lambda: server,
        lambda: Slots("", log),
        uptime,
        log,
        lambda state, detail: said.append(state),
        restart.set,
        NoApplication(trial),
        alone,
        False,
    )

    server.updater = updater
    watchdog = board.watchdog(30000)

    async def main():
        task = asyncio.create_task(updater.run())
        updater.use(Settings(server="http://updates.example"))
        for _ in range(1000):
            await asyncio.sleep_ms(1000)
            watchdog.feed()
            if task.done():
                raise AssertionError("the updater has ended: %s" % [line[3] for line in log.lines()])
            if restart.is_set():
                return False
            report = updater.report()
            pending = report["trial"] or report["suspect"] or report["failure"] or not said
            if not pending and offered in (number, report["rejected"]):
                return True  # this release stays
        return False

    try:
        return number, asyncio.run(main())
    except SystemExit:
        return number, False  # the deadline of a trial
    finally:
        _said.append(policy.name)


def memory():
    """Bytes that a whole look with its download holds at most, above what the updater made at the start."""
    import gc

    sleep = asyncio.sleep_ms
    used = []

    def measured(ms):
        if not ms:  # where something long gives way
            gc.collect()
            used.append(gc.mem_alloc())
        return sleep(ms)

    asyncio.sleep_ms = measured
    try:
        told = story(6)
    finally:
        asyncio.sleep_ms = sleep
    # The first is taken when nothing has begun.
    return max(used) - used[0], told["ran"]


def blunder():
    """A look that runs into a mistake of ours: what the updater says, and whether it goes on."""
    get = _Server.get

    async def broken(self, *args, **more):
        raise IndexError("a mistake")

    _Server.get = broken
    try:
        return story(6, most=1)["ran"], _said[-1]
    finally:
        _Server.get = get
