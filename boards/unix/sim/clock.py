"""The simulated board's one clock, in µs since power on: real, or virtual for the tests.

In virtual mode nothing waits: sleeping and asyncio's idle time move the clock instead.
"""

import utime

_PERIOD_US = 20_000  # how long real idling may last before the hooks run again

_virtual = False
_now = 0  # virtual mode: µs since power on
_origin = utime.ticks_us()  # real mode: the host's clock at power on
_events = []  # (moment in µs, order, callable), sorted
_order = 0
_ended = None  # what the chip's life has ended with
_hooks = []  # called whenever the board idles or samples: the world's chance to move


def virtual(start_us=0):
    """From now on time moves only by sleeping; it starts at start_us."""
    global _virtual, _now, _events, _ended
    _virtual = True
    _ended = None
    _now = start_us
    _events = []


def end(code):
    """The chip restarts. A program that catches this gets no further than its next wait."""
    global _ended
    _ended = code
    raise SystemExit(code)


def is_virtual():
    """True where time is virtual."""
    return _virtual


def now_us():
    """µs since power on; a plain int that never wraps."""
    if _virtual:
        return _now
    return utime.ticks_diff(utime.ticks_us(), _origin)


def at(moment_us, function):
    """Call function() when the clock passes moment_us."""
    global _order
    _order += 1
    entry = (moment_us, _order, function)
    i = len(_events)
    while i and _events[i - 1][:2] > entry[:2]:
        i -= 1
    _events.insert(i, entry)


def on_idle(function):
    """Call function() again and again while the board idles or samples."""
    if function not in _hooks:
        _hooks.append(function)


def run_hooks():
    """Let the world move: due events, then the hooks."""
    if _ended is not None:
        raise SystemExit(_ended)
    while _events and _events[0][0] <= now_us():
        _events.pop(0)[2]()
    for hook in _hooks:
        hook()


def advance(us):
    """Virtual mode: move the clock, calling what comes due on the way."""
    global _now
    end = _now + us
    while _events and _events[0][0] <= end:
        moment, _, function = _events.pop(0)
        _now = max(_now, moment)
        function()
    _now = max(_now, end)


def sleep_us(us):
    """Let `us` pass, as a blocking call on the board does."""
    if us <= 0:
        return
    if _virtual:
        advance(us)
        run_hooks()
        return
    end = now_us() + us
    while True:
        left = end - now_us()
        if left <= 0:
            return
        utime.sleep_us(min(left, _PERIOD_US))
        run_hooks()


def wait(poll, dt_ms):
    """Asyncio's idle time: at most dt_ms (-1: for ever) while poll(ms) watches real streams.

    poll is None where no stream is being waited for. Returns early when anything happened.
    """
    if _ended is not None:
        raise SystemExit(_ended)
    if not _virtual:
        step = _PERIOD_US // 1000
        if dt_ms < 0 or dt_ms > step:
            dt_ms = step
        if poll:
            poll(dt_ms)
        elif dt_ms:
            utime.sleep_ms(dt_ms)
        run_hooks()
        return
    if poll:
        # Real sockets beside virtual time: give the host a moment before time moves.
        if poll(2):
            return
        dt_ms = 20 if dt_ms < 0 else min(dt_ms, 20)
    if dt_ms < 0:
        if not _events:
            raise RuntimeError("virtual time stands still: no task waits for any moment")
        dt_ms = 1 << 30
    if dt_ms == 0:
        return
    target = _now + dt_ms * 1000
    if _events and _events[0][0] < target:
        # Stop at the event: it may wake a task that is due before `target`.
        target = _events[0][0]
    advance(max(0, target - _now))
    run_hooks()
