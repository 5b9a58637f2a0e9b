"""What an application is handed. docs/applications.md describes it for those who write one."""

import asyncio
import json

from micropython import const

from .tasks import Allowance, ImpError, run

_LEVELS = ("info", "warn", "error")
_MOST = const(4000)  # bytes of a value; the broker has room for one of these
_TOPIC = const(64)  # bytes of a topic's name
_WAITING = const(10)  # messages for a handler that is busy
_DAY = const(86400000)  # ms; sleep_ms() must not be given many more


class Imp:
    """Everything that is the device's to give. One is made for each start of the application."""

    Error = ImpError

    def __init__(self, tasks, uptime, board, records, log, led, broker, wifi, name, restart):
        # tasks: its coroutines; broker: None where there is none; wifi(): the station's report;
        # name(): of the device; restart(asked)
        self._tasks = tasks
        self._uptime = uptime
        self._board = board
        self._store = records
        self._log = log
        self._led = led
        self._broker = broker
        self._wifi = wifi
        self._name = name
        self._restart = restart
        self._settings = None
        self._handlers = {}  # topic -> handler
        self._net = []  # (whether it is for a connection, handler)
        self._ready = None
        self._messages = []
        self._came = asyncio.Event()
        self._lines = Allowance(uptime, 20, 1000)
        self._sent = Allowance(uptime, 60, 100)
        self.id = board.device_id()
        self.board = board.name()

    # Log, messages

    def log(self, text, level="info"):
        """A line in the device's log; False if there were too many."""
        if level not in _LEVELS:
            raise ImpError("no-such-level", ", ".join(_LEVELS))
        lines = self._lines
        refused = lines.refused
        if refused and lines.take():
            lines.refused = 0
            self._log.warn("app: %d lines left out" % refused)
        if not lines.take():
            return False
        text = text if isinstance(text, str) else str(text)
        getattr(self._log, level)("app: " + text[:200].replace("\n", " ").replace("\r", " "))
        return True

    def send(self, topic, value, retain=False):
        """Send bytes and text as they are, anything else as JSON; False if that is not possible now."""
        _check_topic(topic)
        if isinstance(value, str):
            value = value.encode()
        elif not isinstance(value, (bytes, bytearray)):
            value = json.dumps(value).encode()
        if len(value) > _MOST:
            raise ImpError("value-too-large", "%d bytes, %d at most" % (len(value), _MOST))
        if self._broker is None or not self._sent.take():
            return False
        return self._broker.send(topic, bytes(value), retain)

    def on(self, topic, handler):
        """Call handler(value) for each message, one after the other: JSON, else text, else bytes."""
        _check_topic(topic)
        if not self._handlers:
            self._tasks.spawn(self._deliver())
        if self._broker is not None and topic not in self._handlers:
            self._broker.on(topic, lambda data: self._take(topic, data))
        self._handlers[topic] = handler

    # Settings, hardware

    @property
    def settings(self):
        """A dict that outlives restarts once its save() has returned."""
        if self._settings is None:
            from .appsettings import Settings  # not all have any

            self._settings = Settings(self._store, self._log, self._uptime)
        return self._settings

    def pin(self, name, *args, **more):
        """The machine.Pin of this name on the board, made with these arguments."""
        if name not in self._board.free_pins():
            raise ImpError("no-such-pin", ", ".join(sorted(self._board.free_pins())))
        return self._board.free_pin(name, *args, **more)

    def light(self, cells):
        """Show a pattern while the device itself shows nothing: "G1-7", in 125 ms; None: none."""
        if cells is not None:
            _check_cells(cells)
        self._led.below(cells or None)

    # Time, network, restarts

    def wakeup(self, seconds, callback):
        """Call callback() in so many seconds; the task, which has cancel()."""
        return self._tasks.spawn(self._wake(int(seconds * 1000), callback))

    def uptime(self):
        """Seconds since the board started."""
        return self._uptime() // 1000

    def now(self):
        """Seconds since 1970; None while the time is not known."""
        return self._board.now()

    @property
    def name(self):
        """What the owner calls the device; "" if nothing was set."""
        return self._name()

    def connected(self):
        """Whether the board is on the network."""
        return self._wifi()["state"] == "connected"

    def rssi(self):
        """The network's strength in dBm, None without one."""
        return self._wifi()["rssi"]

    def on_connect(self, handler):
        """Call handler() whenever the board has got on the network."""
        self._net.append((True, handler))

    def on_disconnect(self, handler):
        """Call handler() whenever the network has gone."""
        self._net.append((False, handler))

    def update_ready(self, handler):
        """Ask handler(number) before a restart into a new release: it may return seconds to put that off."""
        self._ready = handler

    def restart(self):
        """Restart the board, in an orderly way."""
        self._restart(False)

    # For the device

    def joined(self, value):
        """The network is there, or gone."""
        for wanted, handler in self._net:
            if wanted == value:
                self._call(handler)

    async def ready(self, number, ms):
        """What its handler makes of a restart: seconds; 0 where there is none, and for what is no answer."""
        handler = self._ready
        if handler is None:
            return 0
        answers = []
        done = asyncio.Event()

        async def ask():
            answer = handler(number)
            answers.append(await answer if hasattr(answer, "send") else answer)
            done.set()

        task = self._call(ask)
        try:
            await asyncio.wait_for_ms(done.wait(), ms)
        except asyncio.TimeoutError:
            self._log.warn("app: no answer about the restart")
            if task:
                task.cancel()
        answer = answers[0] if answers else 0
        good = isinstance(answer, (int, float)) and not isinstance(answer, bool) and answer > 0
        return answer if good else 0

    def busy(self):
        """Whether anything of the application may still run."""
        return bool(self._handlers or self._net or self._ready) or self._tasks.alive()

    def close(self):
        """The application is over: nothing that it has left behind may act."""
        self._led.below(None)
        for topic in self._handlers:
            if self._broker is not None:
                self._broker.on(topic, None)
        self._handlers.clear()

    def _call(self, handler, *args):
        try:
            return self._tasks.call(handler, *args)
        except ImpError as e:
            self._tasks.fail(e)
            return None

    def _take(self, topic, data):
        """A message has come, while whatever ran."""
        if len(self._messages) >= _WAITING:
            if self._lines.take():
                self._log.warn("app: a message for %s is lost, its handlers are busy" % topic)
            return
        self._messages.append((topic, bytes(data)))
        self._came.set()

    async def _deliver(self):
        while True:
            await self._came.wait()
            self._came.clear()
            while self._messages:
                topic, data = self._messages.pop(0)
                await run(self._handlers[topic], (_decode(data),))

    async def _wake(self, ms, callback):
        until = self._uptime() + ms
        while True:
            left = until - self._uptime()
            await asyncio.sleep_ms(max(0, min(left, _DAY)))
            if left <= _DAY:
                break
        await run(callback, ())


def _check_topic(topic):
    good = isinstance(topic, str) and 0 < len(topic.encode()) <= _TOPIC
    if not good or any(c in "+#/" or ord(c) < 33 for c in topic):
        raise ImpError("topic-invalid", "without + # / and blanks, %d bytes at most" % _TOPIC)


def _check_cells(cells):
    """Colours with lengths of one or two digits, as in states.py."""
    at = 0
    good = isinstance(cells, str) and 0 < len(cells) <= 64
    while good and at < len(cells):
        end = at + 1
        while end < len(cells) and cells[end].isdigit():
            end += 1
        good = cells[at] in "-RGA" and 1 < end - at <= 3 and int(cells[at + 1 : end]) > 0
        at = end
    if not good:
        raise ImpError("light-invalid", "such as G1-7")


def _decode(data):
    """A message's value."""
    try:
        text = str(data, "utf-8")
    except UnicodeError:
        return data
    try:
        return json.loads(text)
    except ValueError:
        return text
