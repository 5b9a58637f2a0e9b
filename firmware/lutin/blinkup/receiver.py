"""The whole receiver: samples in, now and then a result out."""

from array import array

from micropython import const

from .bi import Bi
from .packet import PacketError, parse
from .pulses import MOST, Grid, Pulses
from .tri import TriPacket, TriSync

_WIDTHS = (4, 9, 18)  # ms: for quick screens; for lamps of 100 to 120 Hz; for those of 50 to 60 Hz
_BEFORE = const(18)
_CARRIER = const(8)  # equal pulses that make a transmission likely
_FASTEST = const(12)  # ms between pulses; what is faster is a lamp
_QUIET = const(1500)  # ms: no sender makes one wait so long within a packet
_BYTES = const(2)  # a packet that broke off before was perhaps none
_PATIENCE = const(1200)  # ms: lamps can fake a start just before the true one comes
_STEADY = const(400)  # ms without a pulse: nothing is coming any more
_LAST = const(2)  # of the ears
_SOME = const(6)  # ms
_ROOM = const(100)  # ms that may wait to be heard


class Result:
    """What came of a packet: settings, or the stage and the reason why not."""

    def __init__(self, settings, stage, reason, packet):
        self.settings = settings  # dict, or None
        self.stage = stage  # "done", "symbols" or "packet"
        self.reason = reason  # "" or a name
        self.mode = packet.mode
        self.symbol_us = packet.symbol_us()
        self.pulses = packet.pulses
        # Percent of white.
        self.grey = 100 * packet.grey // packet.white if packet.mode == "tri" else None


class _Ear:
    """The light through one filter, heard as three-level and as two-level at once.

    Data can look like a sync (the address 10.0.0.42 does), so several three-level packets
    are read side by side: the CRC decides which was one.
    """

    def __init__(self, width):
        self.at = _BEFORE  # of the next value to hear
        self.pulses = Pulses(width)
        self.sync = TriSync()
        self.bi = Bi()
        self.packets = (TriPacket(), TriPacket(), TriPacket(), self.bi)

    def reset(self):
        self.at = _BEFORE
        self.pulses.reset()
        self.sync.reset()
        self.bi.reset()
        for packet in self.packets:
            packet.active = False


class Receiver:
    """Feed it samples; it needs no clock and makes all its memory here (8 KB on an ESP32)."""

    def __init__(self):
        self._grid = Grid()
        # The light, a value for each ms. In front stands what the filters still need of what has been heard.
        self._values = array("H", bytes(2 * (_BEFORE + _ROOM)))
        self._ys = array("l", [0] * (_BEFORE + _ROOM))  # the same through an ear's filter
        self._end = _BEFORE
        self._turn = 0
        self._ears = tuple(_Ear(width) for width in _WIDTHS)
        self._failed = None  # the failure of the packet that got furthest
        self._bytes = 0
        self._wait = 0  # ms until it is told

    def reset(self):
        """Forget all light seen so far."""
        self._grid.reset()
        self._end = _BEFORE
        for i in range(_BEFORE):
            self._values[i] = 0
        for ear in self._ears:
            ear.reset()
        self._failed = None
        self._bytes = self._wait = 0

    def carrier(self):
        """Whether a transmission seems to be under way."""
        for ear in self._ears:
            if ear.pulses.alike >= _CARRIER and ear.pulses.gap >= _FASTEST:
                return True
        return self.reading()

    def quiet(self):
        """ms since the last pulse of light, whatever it was."""
        return min(ear.pulses.now - ear.pulses.time for ear in self._ears)

    def reading(self):
        """Whether the start of a packet has been heard and its end not yet."""
        for ear in self._ears:
            for packet in ear.packets:
                if packet.active:
                    return True
        return False

    def feed(self, t, value):
        """Take a sample: ticks_us, 0 to 65535. Returns a Result when there is one, else None."""
        end = self._end
        steps = self._grid.feed(t, value, self._values, end)
        if steps <= 0:
            return self._gap() if steps else None
        self._end = end + steps
        # One ear after the other, some ms at once: that costs less than each ms by itself, and all
        # ears at once would keep the next sample waiting.
        result = None
        turn = self._turn
        ear = self._ears[turn]
        if end + steps - ear.at >= _SOME:
            self._turn = turn - 1 if turn else _LAST
            result = self._hear(ear)
        if not result and end + steps > _BEFORE + _ROOM - MOST:
            result = self._wrap()
        if result:
            return result
        return self._report(steps) if self._failed else None

    def _wrap(self):
        """All ears hear what is left, and the room for what comes is free again."""
        result = self._hear_out()
        if not result:
            values = self._values
            end = self._end - _BEFORE
            for i in range(_BEFORE):
                values[i] = values[end + i]
            self._end = _BEFORE
            for ear in self._ears:
                ear.at = _BEFORE
        return result

    def _hear_out(self):
        """Every ear hears what it has not heard yet. Returns a Result or None."""
        for ear in self._ears:
            result = self._hear(ear)
            if result:
                return result
        return None

    def _hear(self, ear):
        """An ear hears what it has not heard yet. Returns a Result or None."""
        pulses = ear.pulses
        bi = ear.bi
        i = ear.at
        end = self._end
        start = pulses.now - i
        result = None
        while i < end:
            unit = pulses.unit
            at = pulses.run(self._values, i, end, self._ys)
            if bi.middle:
                result = self._levels(bi, i, at if at >= 0 else end, unit, start)
            if at < 0 or result:
                break
            result = self._pulse(ear)
            if bi.middle:
                result = self._levels(bi, at, at + 1, pulses.unit, start) or result
            if result:
                break
            i = at + 1
        if result:
            self.reset()
            return result
        if start + ear.at >> 6 != start + end >> 6:
            self._tidy(ear)
        ear.at = end
        return None

    def _levels(self, bi, i, end, unit, start):
        """The two-level packet of an ear hears self._ys[i:end]."""
        result = None
        while True:
            i = bi.skip(self._ys, i, end, unit, start)
            if i >= end:
                break
            try:
                if bi.step(self._ys[i], unit, start + i + 1):
                    result = self._whole(bi) or result
            except PacketError as e:
                self._fail(bi, "packet", e.args[0])
            i += 1
        return result

    def _pulse(self, ear):
        """A pulse has come back to black: for the packets that are being read, or as part of a sync."""
        pulses = ear.pulses
        bi = ear.bi
        height = pulses.height
        time = pulses.time
        grey = 0
        result = None
        for packet in ear.packets:
            if packet.active and packet is not bi:
                try:
                    if packet.pulse(height, time):
                        result = self._whole(packet) or result
                except PacketError as e:
                    self._fail(packet, "packet", e.args[0])
                if packet.active:
                    grey = max(grey, packet.grey)
        if ear.sync.pulse(height, time):
            self._free(ear).begin(ear.sync, time)
            grey = max(grey, ear.sync.grey)
        if grey:
            pulses.hold(grey)
        else:
            pulses.held = False
        if pulses.alike >= _CARRIER - 2:
            bi.level(pulses.middle)
        elif not bi.active:
            bi.lose()
        return result

    def _free(self, ear):
        """Room for one more packet: a free one, or the one with the most still to come.

        Where data looked like a start, the length that follows is chance, and often long.
        """
        worst = ear.packets[0]
        for packet in ear.packets:
            if packet is ear.bi:
                continue
            if not packet.active:
                return packet
            if packet.assembler.left() > worst.assembler.left():
                worst = packet
        return worst

    def _whole(self, packet):
        """All bytes are there: do they mean anything?"""
        try:
            settings = parse(packet.assembler.packet())
            if packet.doubts and "checked" not in settings:
                # The vendor's CRC lets one in a thousand pass; only clear light may rely on it.
                raise PacketError("doubtful")
        except PacketError as e:
            self._fail(packet, "packet", e.args[0])
            return None
        return Result(settings, "done", "", packet)

    def _fail(self, packet, stage, reason):
        """Note why this one came to nothing, if it got further than those before."""
        packet.active = False
        count = packet.assembler.count
        if count >= _BYTES and count > self._bytes:
            self._bytes = count
            self._failed = Result(None, stage, reason, packet)
            self._wait = 0 if stage == "symbols" else _PATIENCE

    def _report(self, ms):
        """The failure, once no other packet is being read that could still succeed."""
        self._wait -= ms
        if self.reading() or (self._wait > 0 and self.quiet() < _STEADY):
            return None
        failed = self._failed
        self.reset()
        return failed

    def _tidy(self, ear):
        """Packets whose light has stopped are broken off."""
        for packet in ear.packets:
            if packet.active and ear.pulses.now - packet.time > _QUIET:
                self._fail(packet, "symbols", "broken-off")
                ear.pulses.held = False

    def _gap(self):
        """The sampler was away for too long."""
        result = self._hear_out()  # what came before
        if result:
            return result
        for ear in self._ears:
            for packet in ear.packets:
                if packet.active:
                    self._fail(packet, "symbols", "sampling-gap")
        failed = self._failed
        self.reset()
        return failed
