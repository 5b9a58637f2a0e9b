"""What is to be sent, and in which order: letters about the device, the application's messages, the log.

The log's lines go out in order, each exactly once, and what was lost is said. They wait in the log's
own ring. A few at a time are under way, and are kept until the broker has taken them over, across
connections too. A line gets its number when its turn comes or when it is lost, so that the numbers of
what passes the level have no gap of their own.
"""

import json

from micropython import const

from ..log import INFO, LEVELS
from .packets import PUBREL

# Letters: one of each kind at most waits, and is written when its turn comes, so that it is new.
AVAILABILITY = const(1)
CONFIG = const(2)  # for Home Assistant
STATUS = const(4)

_LETTER = const(5)  # numbers of packets; the log has those below
_MESSAGE = const(6)
_PAUSE = const(1000)  # ms between two letters of status
_MESSAGES = const(8)  # of the application that may wait,
_ROOM = const(4096)  # and bytes

WINDOW = const(4)  # lines under way; the packets' numbers are 1 to 4
_QOS = const(2)

_FORGOTTEN = const(10000)  # ms without a word about a line that was released

_DONE = const(0)
_SENT = const(1)
_RELEASED = const(2)


class Outbox:
    """write(kind): a letter's (topic, data). news(): whether it is time for one of status."""

    def __init__(self, feed, uptime, write, news):
        self._feed = feed
        self._uptime = uptime
        self._write = write
        self._news = news
        self._due = 0  # letters
        self._kind = 0  # of the letter under way
        self._since = 0
        self._stated = None  # ms
        self._messages = []  # (topic, data, retain); the first one may be under way
        self._room = _ROOM
        self._under_way = self._again = False
        self._message_since = 0
        self.wake = _nothing  # called when there is something
        feed.wake = self._woken

    def close(self):
        """This one is not used again; what the next one must know, in plain objects."""
        return self._messages, self._room, self._under_way, self._feed.close()

    def reopen(self, kept):
        """Go on where another one was closed."""
        self._messages, self._room, self._under_way, feed = kept
        self._feed.reopen(feed)

    def begin(self, present, known, letters):
        """A connection; these letters come first."""
        self._due = letters
        self._kind = 0
        self._stated = None
        self._again = self._under_way
        self._under_way = False
        self._feed.begin(present, known)

    def end(self):
        """There is no connection any more."""
        self._feed.end()

    def post(self, kind):
        """This letter is to be sent."""
        self._due |= kind
        self.wake()

    def send(self, topic, data, retain):
        """Queue a message; False: there is no room."""
        size = len(topic) + len(data)
        if len(self._messages) == _MESSAGES or size > self._room:
            return False
        self._room -= size
        self._messages.append((topic, data, retain))
        self.wake()
        return True

    def forget(self):
        """The messages are for nobody any more."""
        self._messages.clear()
        self._room = _ROOM
        self._under_way = self._again = False

    def next(self, writer):
        """Write the next packet; False if there is none now."""
        if not self._kind and self._letter(writer):
            return True
        if self._messages and not self._under_way:
            topic, data, retain = self._messages[0]
            self._under_way = True
            self._message_since = self._uptime()
            writer.publish(topic, data, 1, retain, self._again, _MESSAGE)
            return True
        return self._feed.next(writer)

    def postponed(self):
        """Whether there is something that may be sent within a second."""
        return self._due and not self._kind

    def acknowledged(self, number):
        """PUBACK."""
        if number == _LETTER:
            self._kind = 0
        elif number == _MESSAGE and self._under_way:
            topic, data, _ = self._messages.pop(0)
            self._room += len(topic) + len(data)
            self._under_way = self._again = False

    def received(self, number):
        """PUBREC; False: of nothing that was sent by this life."""
        return self._feed.received(number)

    def completed(self, number):
        """PUBCOMP."""
        self._feed.completed(number)

    def since(self):
        """As Feed.since, of everything."""
        since = self._feed.since()
        if self._kind:
            since = self._since if since is None else min(since, self._since)
        if self._under_way:
            since = self._message_since if since is None else min(since, self._message_since)
        return since

    def empty(self):
        """Whether all has arrived."""
        return not (self._due or self._kind or self._messages) and self._feed.empty()

    def _woken(self):
        self.wake()

    def _letter(self, writer):
        """The first that is due and may be sent now."""
        now = self._uptime()
        if self._news():
            self._due |= STATUS
        for kind in (AVAILABILITY, CONFIG, STATUS):
            if not self._due & kind:
                continue
            if kind == STATUS:
                if self._stated is not None and now - self._stated < _PAUSE:
                    continue
                self._stated = now
            self._due &= ~kind
            self._kind = kind
            self._since = now
            try:
                topic, data = self._write(kind)
                writer.publish(topic, data, 1, True, False, _LETTER)
                return True
            except MemoryError:
                if kind != CONFIG:
                    raise
                # The largest of them, and the only one that a device can do without.
                self._kind = 0
                self._feed.warn("broker: no memory for what Home Assistant is told")
        return False


class _Slot:
    """A line under way: sent, then released when the broker has it, then done."""

    def __init__(self):
        self.state = _DONE
        self.due = False  # there is something to be sent
        self.again = False  # that was sent before
        self.anew = False  # begun anew in this connection
        self.seq = 0
        self.line = None  # None: `lost` lines are spoken of
        self.lost = 0
        self.since = 0  # ms


class Feed:
    """What the broker is still to hear of the log. start: names this start of the device."""

    def __init__(self, log, uptime, topic, start):
        self._log = log
        self._uptime = uptime
        self._topic = topic
        self._start = start
        self._at = 0  # the number in the ring of the line that comes next
        self._seq = 0
        self._lost = 0  # lines since the last that was sent
        self._slots = [_Slot() for _ in range(WINDOW)]
        self._oldest = self._count = 0  # of the slots in use
        self._sweep = 0  # numbers that an earlier life may have left half done
        log.mark = True  # what is logged without a connection
        self.level = INFO
        self.dropped = 0
        self.wake = None  # called when there is a new line; see Outbox
        log.lost = self._on_lost
        log.heard = self._on_line
        self._skip()

    def close(self):
        """As Outbox.close."""
        self._log.lost = self._log.heard = None
        self._log.mark = True
        slots = [(slot.state, slot.seq, slot.line, slot.lost) for slot in self._slots]
        return self._at, self._seq, self._lost, self.dropped, self.level, self._oldest, self._count, slots

    def reopen(self, kept):
        """As Outbox.reopen."""
        self._at, self._seq, self._lost, self.dropped, self.level, self._oldest, self._count, slots = kept
        for i, slot in enumerate(self._slots):
            slot.state, slot.seq, slot.line, slot.lost = slots[i]
        self._skip()

    def begin(self, present, known):
        """A connection. present: the broker knows the session; known: so do we, it is of this life."""
        self._log.mark = False
        # What another life has begun cannot be sent again; the broker may take it as it has it.
        self._sweep = WINDOW if present and not known else 0
        for i in range(self._count):
            slot = self._slots[(self._oldest + i) % WINDOW]
            if slot.state != _DONE:
                slot.due = True
                slot.anew = False
                slot.again = present and known
                if not slot.again:
                    slot.state = _SENT
                slot.since = self._uptime()

    def end(self):
        """There is no connection any more."""
        self._log.mark = True

    def next(self, writer):
        """Write the next packet; False if there is none."""
        if self._sweep:
            writer.short(PUBREL, self._sweep)
            self._sweep -= 1
            return True
        for i in range(self._count):
            at = (self._oldest + i) % WINDOW
            if self._slots[at].due or self._forgotten(self._slots[at]):
                self._write(at, writer)
                return True
        if self._count < WINDOW:
            at = (self._oldest + self._count) % WINDOW
            if self._fill(self._slots[at]):
                self._count += 1
                self._write(at, writer)
                return True
        return False

    def received(self, number):
        """PUBREC: the broker has a line. True if it is one of these."""
        if not 1 <= number <= WINDOW:
            return False
        slot = self._slots[number - 1]
        if slot.state == _SENT:
            slot.state = _RELEASED
            slot.due = True
            slot.since = self._uptime()
        return slot.due

    def completed(self, number):
        """PUBCOMP: the broker will not ask about a line again."""
        if 1 <= number <= WINDOW and self._slots[number - 1].state == _RELEASED:
            slot = self._slots[number - 1]
            slot.state = _DONE
            slot.due = False
            slot.line = None
            while self._count and self._slots[self._oldest].state == _DONE:
                self._oldest = (self._oldest + 1) % WINDOW
                self._count -= 1

    def since(self):
        """When that was sent, in ms, which has waited longest for its answer; None: nothing waits."""
        waiting = [slot.since for slot in self._slots if slot.state != _DONE]
        return min(waiting) if waiting else None

    def empty(self):
        """Whether everything has been taken over."""
        return not self._count and not self._lost and self._log.line(self._at) is None

    def warn(self, text):
        """A line of the log."""
        self._log.warn(text)

    def report(self):
        """For the status."""
        return {"level": LEVELS[self.level], "dropped": self.dropped}

    def _on_line(self, line):
        if self.wake:
            self.wake()

    def _skip(self):
        """Lines have made room while nobody looked: of which level, nobody knows."""
        gone = max(0, self._log.first() - self._at)
        self._at += gone
        self._lost += gone
        self.dropped += gone

    def _on_lost(self, line):
        """A line makes room."""
        if line[0] >= self._at:
            self._at = line[0] + 1
            if line[2] >= self.level:
                self._lost += 1
                self.dropped += 1

    def _forgotten(self, slot):
        """Whether the broker seems to know nothing of a line that it had: some forget with the connection.

        Better twice than never: who keeps the log knows a line by its number.
        """
        if slot.state != _RELEASED or slot.anew or self._uptime() - slot.since < _FORGOTTEN:
            return False
        slot.state = _SENT
        slot.again = False
        slot.anew = True
        return True

    def _fill(self, slot):
        """The next line, or what was lost before it."""
        if self._lost:
            slot.line, slot.lost = None, self._lost
            slot.seq = self._seq
            self._seq += self._lost
            self._lost = 0
        else:
            while True:
                line = self._log.line(self._at)
                if line is None:
                    return False
                self._at = line[0] + 1
                if line[2] >= self.level:
                    break
            slot.line = line
            slot.seq = self._seq
            self._seq += 1
        slot.state = _SENT
        slot.again = slot.anew = False
        return True

    def _write(self, at, writer):
        slot = self._slots[at]
        slot.due = False
        slot.since = self._uptime()
        if slot.state == _RELEASED:
            writer.short(PUBREL, at + 1)
            return
        said = {"start": self._start, "seq": slot.seq}
        line = slot.line
        if line is None:
            said["dropped"] = slot.lost
            said["text"] = "%d lines lost" % slot.lost
        else:
            said["up"] = line[1]
            said["level"] = LEVELS[line[2]]
            said["text"] = line[3]
            if line[4]:
                said["offline"] = True
        writer.publish(self._topic, json.dumps(said).encode(), _QOS, False, slot.again, at + 1)


def _nothing():
    """Nobody sends."""
