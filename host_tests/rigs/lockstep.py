"""The board's end of host_tests/lockstep.py: its clock asks over there before it moves."""

import usocket
from sim import clock

_PATIENCE = 1000  # times 10 ms of real time in which nothing may happen, where nobody sleeps

_peer = None
_wait = clock.wait


def use(port):
    """From now on idle time with open streams is agreed with whoever listens there; 0: no longer."""
    global _peer
    if _peer:
        _peer.close()
    _peer = None
    clock.wait = _wait
    if port:
        _peer = usocket.socket()
        _peer.connect(usocket.getaddrinfo("127.0.0.1", port)[0][-1])
        clock.wait = _agreed


def _agreed(poll, dt_ms):
    if poll is None or not clock.is_virtual():
        _wait(poll, dt_ms)
        return
    wish = 3_600_000 if dt_ms < 0 else dt_ms
    for _ in range(_PATIENCE):
        if poll(0) or dt_ms == 0:
            return
        asleep = _ask(0) >= 0  # it has done by now what it had to do
        if poll(0 if asleep else 10):
            return
        if asleep:
            clock.advance(_ask(wish * 1000))
            return
    # The other side does not even sleep: it has been left, and the board must find that out.
    clock.advance(wish * 1000)


def _ask(us):
    _peer.write(b"%d\n" % us)
    return int(_peer.readline())
