"""The device and its broker: when to connect, what to say there, whom to obey, what to do when it fails."""

import asyncio
import sys

from micropython import const

from .. import states
from ..log import LEVELS
from ..rooms import leave
from ..settings import masked
from ..states import Failure
from . import packets
from .address import Retry, split, state_of
from .client import KEEPALIVE, Client
from .outbox import AVAILABILITY, CONFIG, STATUS, Feed, Outbox

_LOOK = const(600000)  # ms between looks for a broker that nobody has set
_WELL = const(60000)  # ms of a connection, after which the next failure is the first again
_QUIET = const(600000)  # and after which it is worth a light
_EVERY = const(60000)  # ms between two of status at most
_ASK = const(5000)  # ms between two looks whether it has changed
_GOODBYE = const(3000)  # ms
_OBEYED = "command: "  # how the answer begins when something was done
_NAGGING = const(10000)  # ms between two lines about what the broker sent in vain


class Broker:
    """A duty. The broker is the one that is set; or else one that is found, which is told and not obeyed."""

    def __init__(self, name, start, dialler, find, uptime, log, random, report, obey, handlers, say):
        # name: the device's id. start: names this start. report(): the device's.
        # obey(data, retained): does what a command says, and what came of it.
        # find(): coroutine, (address, port) of a broker that nobody has set, or None.
        # handlers: name -> handler(data), of the application's messages.
        # say(state, detail, news): news: somebody should see it.
        self._base = "lutin/%s/" % name
        self._name = ("lutin-" + name).encode()
        self._find = find
        self._uptime = uptime
        self._log = log
        self._device = report
        self._obey = obey
        self._tell = say
        self._feed = Feed(log, uptime, (self._base + "log").encode(), start)
        self._outbox = Outbox(self._feed, uptime, self._letter, self._news)
        self._client = Client(dialler, uptime, self._outbox, self._deliver, self._denied)
        self._handlers = handlers
        self._settings = None
        self._last = ""  # of the brokers that were set
        self._renewed = asyncio.Event()
        self._state = "off"
        self._since = 0  # ms, of the state
        self._url = ""  # for people
        self._set = False  # whether the broker is one that is set, and so obeyed
        self._known = None  # whose session is the one in our memory
        self._connected = None  # since when, ms
        self._shown = False  # that it fails, by opening the light, and it has not been well for long since
        self._retry = Retry(uptime, random)
        self._said = ""  # what was logged of failures since the last connection
        self._warned = False  # that TLS without a CA checks nobody
        self._nagged = None
        self._leaving = False
        self._key = None  # of the last status
        self._stated = self._asked = 0

    def use(self, settings):
        """Talk to the broker of these settings from now on; None: to nobody, there is no network."""
        if settings is None or self._settings is None or settings.broker != self._settings.broker:
            self._retry.count = 0
            self._said = ""
        if settings is not None and settings.broker != self._last:
            self._last = settings.broker
            self._shown = False
        if settings is not None and not settings.broker:
            self._outbox.forget()
        self._settings = settings
        self._client.end(Failure("connection-lost"))
        self._renewed.set()

    def send(self, topic, data, retain=False):
        """A message of the application; False: there is no room, or no broker."""
        settings = self._settings
        if settings is not None and not settings.broker:
            return False
        return self._outbox.send(("%sout/%s" % (self._base, topic)).encode(), data, retain)

    def level(self, level):
        """Send lines of this level and above."""
        self._feed.level = LEVELS.index(level)
        self.changed()

    def changed(self):
        """Something about the device is not what it was."""
        self._outbox.post(STATUS)

    def report(self):
        """All that can be asked about it."""
        return {
            "state": self._state,
            "url": self._url,
            "since": self._since // 1000,
            "failure": self._retry.report(),
            "log": self._feed.report(),
        }

    def idle(self):
        """Whether there is no broker, and nothing to do but to look for one now and then."""
        return self._settings is None or self._state == "none"

    def close(self):
        """This one is not used again; what the next one must know."""
        failed = self._retry.count, self._said, self._shown
        return self._known, self._last, failed, self._outbox.close()

    def reopen(self, kept):
        """Before run(): go on where another one was closed, as far as a broker can tell."""
        self._known, self._last, failed, outbox = kept
        self._retry.count, self._said, self._shown = failed
        self._outbox.reopen(outbox)

    async def run(self):
        """Stay connected, for ever."""
        while True:
            self._renewed.clear()
            settings = self._settings
            if settings is None or self._leaving:
                self._enter("off", "")
                await self._rest(None)
            elif settings.broker:
                await self._rest(await self._attempt(settings))
            else:
                await self._rest(await self._look(settings))

    async def goodbye(self):
        """Before a restart: the rest of the log, and that nobody needs to wonder."""
        if self._connected is None:
            return
        self._leaving = True
        self._outbox.post(AVAILABILITY)
        self._client.leave()
        begin = self._uptime()
        while self._connected is not None and not self._client.left and self._uptime() - begin < _GOODBYE:
            await asyncio.sleep_ms(50)

    async def _attempt(self, settings):
        """One connection to the broker that is set; ms until the next."""
        self._set = True
        self._enter("connecting", masked(settings.broker))
        secure, host, port, login = split(settings.broker)
        if secure and not settings.ca and not self._warned:
            self._warned = True
            self._log.warn("broker: TLS without a CA in the settings does not say who answers")
        topics = [self._base + "command", self._base + "in/+", "homeassistant/status"]
        tls = (settings.ca, settings.cert, settings.key) if secure else None
        failure = await self._session(settings.broker, (host, port), tls, login, False, topics)
        if self._settings is not settings or not failure or self._leaving:
            return 0
        self._failed(failure)
        return self._retry.wait()

    async def _look(self, settings):
        """Is there a broker that wants to hear of us?"""
        self._set = False
        self._enter("looking", "")
        found = await self._find()
        if found and self._settings is settings:
            url = "mqtt://%s:%d" % found
            self._enter("connecting", url)
            failure = await self._session(url, found, None, (None, None), True, ())
            if self._settings is settings and failure and not self._leaving:
                self._failed(failure)
                return self._retry.wait()
        self._enter("none", "")
        return _LOOK

    async def _session(self, url, place, tls, login, clean, topics):
        """A connection; the Failure that it ends with."""
        will = (self._base + "availability").encode()
        hello = packets.connect(self._name, login, clean, KEEPALIVE, will, b"offline")
        topics = [topic.encode() for topic in topics]
        try:
            await self._client.session(
                place, tls, hello, topics, self._stage, lambda present: self._greeted(url, present)
            )
        except Failure as e:
            return e
        finally:
            if self._connected is not None:
                now = self._uptime()
                if now - self._connected >= _WELL:
                    self._retry.count = 0
                if now - self._connected >= _QUIET:
                    self._shown = False
                self._connected = None

    def _greeted(self, url, present):
        """The broker has taken the login."""
        self._connected = self._uptime()
        letters = AVAILABILITY | STATUS | (CONFIG if self._set else 0)
        self._outbox.begin(present, self._known == url, letters)
        self._known = url
        self._enter("connected" if self._set else "found", self._url)
        self._log.info("broker: connected to %s" % self._url)
        self._said = ""
        if self._set:
            self._tell(states.CONNECTED, "", False)

    def _failed(self, failure):
        """Keep it, and say it where that is news."""
        self._retry.failed(failure)
        self._enter("waiting", self._url)
        text = str(failure)
        if text != self._said:
            self._said = text
            self._log.warn("broker: %s" % text)
        if self._set:
            self._tell(state_of(failure.name), text, not self._shown)
            self._shown = True

    def _stage(self, state, host):
        if self._set and not self._said:
            self._tell(state, host, False)

    def _letter(self, kind):
        """(topic, data) of a letter, written now. Data may be something with a length that gives pieces."""
        leave("broker.homeassistant")  # its message has gone before this one
        if kind == AVAILABILITY:
            return (self._base + "availability").encode(), b"offline" if self._leaving else b"online"
        if kind == CONFIG:
            leave("broker.status")  # one of the two at a time
            from .homeassistant import Config

            config = Config(self._device())
            Config = None  # it would keep the room
            return config.topic.encode(), config
        from .status import key, message

        report = self._device()
        self._key = key(report)
        self._stated = self._asked = self._uptime()
        return (self._base + "status").encode(), packets.Pieces(message(report))

    def _news(self):
        """Whether it is time for a status."""
        now = self._uptime()
        if now - self._stated >= _EVERY:
            return True
        if now - self._asked < _ASK:
            return False
        self._asked = now
        from .status import key

        return key(self._device()) != self._key

    def _deliver(self, topic, data, retained):
        """A message has come, and the broker knows that."""
        if not self._set:
            return  # nothing was asked for
        if data is None:
            self._nag("a message to %s is too long" % topic[:60])
        elif topic == self._base + "command":
            text = self._obey(data, retained)
            if text.startswith(_OBEYED):
                self._log.info("broker: %s" % text)
            elif text:
                self._nag(text)
        elif topic == "homeassistant/status":
            if data == b"online":
                # The configuration is kept by the broker, and large: not as often as somebody likes.
                self._outbox.post(AVAILABILITY | STATUS | (CONFIG if self._due() else 0))
        elif topic.startswith(self._base + "in/"):
            handler = self._handlers.get(topic[len(self._base) + 3 :])
            if handler:
                try:
                    handler(data)
                except Exception as e:  # whatever an owner's program may raise
                    sys.print_exception(e)
                    self._log.error("app: %r at a message" % e)

    def _due(self):
        """Whether what others can bring about may be done again."""
        now = self._uptime()
        if self._nagged is not None and now - self._nagged < _NAGGING:
            return False
        self._nagged = now
        return True

    def _nag(self, text):
        """A line about what came in vain, unless there has just been one: the log is for more than that."""
        if self._due():
            self._log.warn("broker: %s" % text)

    def _denied(self, topic):
        """The broker does not let us hear this."""
        self._log.warn("broker: may not subscribe to %s" % topic)

    def _enter(self, state, url):
        if state != self._state:
            self._state = state
            self._since = self._uptime()
        self._url = url

    async def _rest(self, ms):
        """Until something changes, or ms have passed."""
        try:
            await (self._renewed.wait() if ms is None else asyncio.wait_for_ms(self._renewed.wait(), ms))
        except asyncio.TimeoutError:
            pass
