"""Rig for update/record.py and update/policy.py: what a board remembers of its releases."""

from lutin.log import Log
from lutin.states import Failure
from lutin.store import POLICY, StoreError
from lutin.update import policy, record
from lutin.update import start as boot
from lutin.update.policy import state_of


def history(steps):
    """Do the steps to one record, through its bytes each time; what each returned, and the record."""
    now = record.Record()
    out = []
    for name, *args in steps:
        now = record.from_bytes(now.to_bytes())
        if name == "start":
            out.append(boot.attempt(now, *args))
        elif name == "set":
            setattr(now, *args)
            out.append(None)
        else:
            out.append(getattr(boot if hasattr(boot, name) else record, name)(now, *args))
    return out, fields(now)


def fields(one):
    names = "home home_number previous previous_number trial trial_number boots base crashes runs suspect rejected"
    return {name: getattr(one, name) for name in (names + " highest floor").split()}


def again(data):
    """Bytes of a stored record, read and written again; and what was read."""
    one = record.from_bytes(data)
    return one.to_bytes(), fields(one)


class _Store:
    def __init__(self, broken=False):
        self.kept = {}
        self.saves = 0
        self.broken = broken

    def load(self, key):
        return self.kept.get(key)

    def save(self, key, data):
        if self.broken:
            raise StoreError("no-sector-left")
        self.saves += 1
        self.kept[key] = bytes(data)


def failing(hours, per_look, restarts=0, told=0, dice=0.5, fruitful=0, broken=False):
    """A server that fails for so long: [ms of each request], looks, saves.

    per_look: requests of each look, of which `fruitful` bring something. restarts, told: minutes
    between restarts, or between somebody's wishes for a look; 0: none.
    """
    store = _Store(broken)
    clock = [0]
    born = [0]
    log = Log(lambda: 0)

    def new():
        born[0] = clock[0]
        return policy.Policy(store, lambda: clock[0] - born[0], log, lambda: dice, lambda: None)

    one = new()
    asked = []
    looks = 0
    while clock[0] < hours * 3600000:
        if restarts and clock[0] - born[0] >= restarts * 60000:
            one = new()
        if told and clock[0] % (told * 60000) == 0:
            one.tell()
        if one.wait() == 0:
            looks += 1
            one.begin()
            name = "timed-out"
            for i in range(per_look):
                if not one.before_request():
                    name = "asked-enough"
                    break
                asked.append(clock[0])
                if i < fruitful:
                    one.fruitful()
            one.failed(Failure(name))
        clock[0] += 15000
    return asked, looks, store.saves


def kept(data=None):
    """What is left after a failure and a restart; data: in place of what was stored."""
    store = _Store()
    log = Log(lambda: 0)
    one = policy.Policy(store, lambda: 5000, log, lambda: 0.5, lambda: 1800000000)
    one.etag, one.etag_number = '"abc"', 7
    for _ in range(3):
        one.before_request()
        one.failed(Failure("http-503", "busy"))
    if data is not None:
        store.kept[POLICY] = data
    two = policy.Policy(store, lambda: 9000, log, lambda: 0.5, lambda: None)
    return two.report(), two.wait(), two.etag, two.etag_number


def success_after(failures):
    """A look that succeeds after so many that did not: (report, ms until the next, saves of a second success)."""
    store = _Store()
    one = policy.Policy(store, lambda: 0, Log(lambda: 0), lambda: 0.5, lambda: None)
    for _ in range(failures):
        one.before_request()
        one.failed(Failure("refused"))
    one.before_request()
    one.succeeded('"x"', 4)
    saves = store.saves
    one.before_request()
    one.succeeded('"x"', 4)
    return one.report(), one.wait(), store.saves - saves


def wait_first(failures):
    """(ms until the next look, the same where a trial or a judgement hangs on it)."""
    one = policy.Policy(_Store(), lambda: 0, Log(lambda: 0), lambda: 0.5, lambda: None)
    for _ in range(failures):
        one.before_request()
        one.failed(Failure("refused"))
    return one.wait(), one.wait(True)


def states_of(names):
    from lutin import states

    return [states.name(state_of(name)) for name in names]
