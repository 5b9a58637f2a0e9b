"""The board's end of the bench: one JSON object a line, over a socket to the bench server.

The bench shows what the board's pins, flash and air do, and lets a person change what is
around the board. The firmware knows nothing of it.
"""

import json
import sys

import pins
import usocket
from uselect import POLLIN, poll

from sim import clock, state, world

_PUMP_US = 5_000
_TRACE_US = 5_000
_TRACE_LENGTH = 20
_REPORT_US = 500_000
_PULSE_US = 1_000_000
_LATE_US = 200_000  # light is played so much later, so that a hurried network does not disturb it
_JUMP_US = 1_000_000


def connect(port):
    """Connect to the bench server on this machine, and be moved by it from now on."""
    Bench(port)


class Bench:
    """Two queues of lines, and what was last said, so that only changes are."""

    def __init__(self, port):
        self._socket = usocket.socket()
        self._socket.connect(usocket.getaddrinfo("127.0.0.1", port)[0][-1])
        self._socket.setblocking(False)
        self._poll = poll()
        self._poll.register(self._socket, POLLIN)
        self._in = b""
        self._out = b""
        self._offset = None
        self._pumped = self._traced = self._reported = self._pulsed = 0
        self._trace = []
        self._said = None
        self._flash_changed = True
        self._rgb = None
        world.watchers.append(self._changed)
        world.airspace.on_change = self._air
        self._air()
        self._led()
        clock.on_idle(self._pump_if_possible)

    def _pump(self):
        now = clock.now_us()
        if now - self._pumped < _PUMP_US:
            return
        self._pumped = now
        if self._poll.poll(0):
            self._hear()
        self._watch(now)
        if now - self._pulsed >= _PULSE_US:
            self._pulsed = now
            self._say({"t": "pulse"})
        device = sys.modules.get("lutin") and sys.modules["lutin"].running()
        if device:
            self._tell(device, now)
        self._flush()

    def _pump_if_possible(self):
        try:
            self._pump()
        except MemoryError:
            pass  # of a release that eats it all: what then happens is the firmware's affair

    def _hear(self):
        data = self._socket.recv(4096)
        if not data:
            sys.exit(0)  # the bench is gone, and nobody else could switch this board off
        self._in += data
        *lines, self._in = self._in.split(b"\n")
        for line in lines:
            if line:
                message = json.loads(line)
                getattr(self, "_do_" + message["t"], self._unknown)(message)

    def _unknown(self, message):
        pass  # a newer bench says more than this board understands

    def _do_light(self, message):
        for us, level in message["frames"]:
            due = clock.now_us() + _LATE_US
            if self._offset is None or abs(us + self._offset - due) > _JUMP_US:
                self._offset = due - us
            world.sensor.show(int(us + self._offset), level)

    def _do_button(self, message):
        world.pins[pins.BUTTON] = 0 if message["down"] else 1

    def _do_air(self, message):
        world.airspace.from_json(message["aps"])

    def _do_wear(self, message):
        nor = world.flash["lutin"]
        if message["worn"]:
            nor.wear(message["sector"])
        else:
            nor.heal(message["sector"])
        state.save_wear(list(nor.worn))
        self._flash_changed = True

    def _do_room(self, message):
        for name in ("ambient", "mains", "mains_hz", "screen"):
            if name in message:
                setattr(world.sensor, name, message[name])

    def _changed(self, what):
        if what == "flash":
            self._flash_changed = True
        elif what == "led":
            self._led()

    def _led(self):
        lit = [world.pins.get(number, 0) for number in pins.LED_PINS]
        rgb = [255 * lit[0], 255 * lit[1], 0]
        if rgb != self._rgb:
            self._rgb = rgb
            self._say({"t": "led", "us": clock.now_us(), "rgb": rgb})

    def _air(self):
        state.save_air()
        self._say({"t": "air", "aps": world.airspace.to_json()})

    def _watch(self, now):
        """What the sensor sees, whether the firmware looks or not."""
        while self._traced + _TRACE_US <= now:
            self._traced += _TRACE_US
            self._trace.append(world.sensor.read(self._traced))
            if len(self._trace) == _TRACE_LENGTH:
                self._say({"t": "trace", "us": self._traced, "dt": _TRACE_US, "v": self._trace})
                self._trace = []

    def _tell(self, device, now):
        said = device.state()
        if said != self._said or now - self._reported >= _REPORT_US:
            self._said = said
            self._reported = now
            self._say({"t": "report", "report": device.report()})
        if self._flash_changed:
            self._flash_changed = False
            nor = world.flash["lutin"]
            found = device.sectors()
            written = state.written([generation for _, _, generation, _ in found])
            self._say(
                {
                    "t": "flash",
                    "sectors": [
                        {
                            "sector": sector,
                            "key": key,
                            "generation": generation,
                            "state": how,
                            "worn": sector in nor.worn,
                            "erases": nor.erases[sector],
                            "written": written[sector],
                        }
                        for sector, key, generation, how in found
                    ],
                }
            )

    def _say(self, message):
        self._out += json.dumps(message) + "\n"

    def _flush(self):
        while self._out:
            try:
                sent = self._socket.send(self._out)
            except OSError as e:
                if e.errno == 11:  # EAGAIN: the rest goes later
                    return
                sys.exit(0)
            self._out = self._out[sent:]
