"""The whole receiver: samples in, now and then a result out."""

from micropython import const

from .bi import Bi
from .grid import Grid
from .packet import PacketError, parse
from .pulses import Pulses
from .tri import TriPacket, TriSync

_WIDTHS = (4, 9, 18)  # ms: for quick screens; for lamps of 100 to 120 Hz; for those of 50 to 60 Hz
_CARRIER = const(8)  # equal pulses that make a transmission likely
_FASTEST = const(12)  # ms between pulses; what is faster is a lamp
_QUIET = const(1500)  # ms: no sender makes one wait so long within a packet
_BYTES = const(2)  # a packet that broke off before was perhaps none
_PATIENCE = const(1200)  # ms: lamps can fake a start just before the true one comes
_STEADY = const(400)  # ms without a pulse: nothing is coming any more


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
        self.pulses = Pulses(width)
        self.sync = TriSync()
        self.bi = Bi()
        self.packets = (TriPacket(), TriPacket(), TriPacket(), self.bi)

    def reset(self):
        self.pulses.reset()
        self.sync.reset()
        self.bi.reset()
        for packet in self.packets:
            packet.active = False


class Receiver:
    """Feed it samples; it needs no clock and makes all its memory here (6 KB on an ESP32)."""

    def __init__(self):
        self._grid = Grid()
        self._ears = tuple(_Ear(width) for width in _WIDTHS)
        self._failed = None  # the failure of the packet that got furthest
        self._bytes = 0
        self._wait = 0  # ms until it is told

    def reset(self):
        """Forget all light seen so far."""
        self._grid.reset()
        for ear in self._ears:
            ear.reset()
        self._failed = None
        self._bytes = self._wait = 0

    def carrier(self):
        """Whether a transmission seems to be under way."""
        for ear in self._ears:
            if ear.pulses.run >= _CARRIER and ear.pulses.gap >= _FASTEST:
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
        steps = self._grid.feed(t, value)
        if steps <= 0:
            return self._gap() if steps else None
        for i in range(steps):
            value = self._grid.value(i)
            for ear in self._ears:
                result = self._step(ear, value)
                if result:
                    return result
        return self._report(steps) if self._failed else None

    def _step(self, ear, value):
        pulses = ear.pulses
        bi = ear.bi
        result = None
        if pulses.step(value):
            height = pulses.height
            time = pulses.time
            grey = 0
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
            if pulses.run >= _CARRIER - 2:
                bi.level(pulses.middle)
            elif not bi.active:
                bi.lose()
        if bi.middle:
            try:
                if bi.step(pulses.y, pulses.unit, pulses.now):
                    result = self._whole(bi) or result
            except PacketError as e:
                self._fail(bi, "packet", e.args[0])
        if not pulses.now & 63:
            self._tidy(ear)
        if result:
            self.reset()
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
        for ear in self._ears:
            for packet in ear.packets:
                if packet.active:
                    self._fail(packet, "symbols", "sampling-gap")
        failed = self._failed
        self.reset()
        return failed
