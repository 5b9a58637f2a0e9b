"""The console: a few commands, and the device's status in one screen; the same as JSON, for programs.

A program sends settings as JSON without spaces, in pieces (`put`), because a serial port forgets what
comes while the board is busy; each piece is answered, and then it says `apply`.
"""

import binascii
import json

from micropython import const

from .settings import LEDS, SettingsError
from .store import StoreError

_MOST = const(6144)  # characters of settings on their way
_HELP = (
    "status  what the device is doing\n"
    "log     the last lines\n"
    "update  look for a release now\n"
    "restart restart the board\n"
    "help    this list\n"
    "For programs: report, settings, put, apply"
)
# What may be set here, and its type in JSON; bytes: in base64.
_KEYS = {
    "ssid": str,
    "password": str,
    "static": list,
    "proxy": dict,
    "server": str,
    "broker": str,
    "name": str,
    "led": str,
    "add": bool,
    "clear": bool,
    "ca": bytes,
    "cert": bytes,
    "key": bytes,
}


def screen(report):
    """The report as lines of text, one screen."""
    state = report["state"]
    wifi = report["wifi"]
    settings = report["settings"]
    up = report["uptime"]
    yield "state     %d %s: %s" % (state["number"], state["name"], state["sentence"])
    if state["detail"]:
        yield "          %s" % state["detail"]
    yield "network   %s, %s for %d s, attempts %d" % (
        wifi["ssid"] or "none",
        wifi["state"],
        up - wifi["since"],
        wifi["attempts"],
    )
    if wifi["reason"]:
        yield "because   %s" % wifi["reason"]
    if wifi["address"]:
        yield "address   %s, channel %s, %s dBm" % (wifi["address"], wifi["channel"], wifi["rssi"])
    if wifi["last_failure"]:
        yield "last      %s" % wifi["last_failure"]
    yield "stored    %s" % (", ".join(network["ssid"] for network in settings["networks"]) or "no network")
    yield "server    %s" % (settings["server"] or "none")
    for line in _broker(report["broker"], settings["broker"], up):
        yield line
    yield "device    %s, id %s, board %s" % (settings["name"] or "no name", report["id"], report["board"])
    for line in _release(report["update"]):
        yield line
    if report["app"] != "none":
        for line in _application(report["app"], report["application"]):
            yield line
    yield "settings  generation %d" % report["generation"]
    yield "started   by %s, %d s ago, %d bytes of heap free" % (
        report["restart_cause"],
        up,
        report["heap_free"],
    )
    blinkup = report["blinkup"]
    yield "blinkup   %s" % ("receiving" if blinkup["receiving"] else "open" if blinkup["open"] else "closed")


def _application(state, app):
    """The owner's program: where it is from, and what it died of."""
    where = {None: "nowhere yet", "deployed": "/deployed"}.get(app["from"], "slot %s" % app["from"])
    yield "app       %s, from %s" % (state, where)
    if app["error"]:
        yield "          last crash: %s" % app["error"]


def _broker(broker, stored, up):
    """Which one, how it stands, why not."""
    url = broker["url"] or stored
    yield "broker    %s" % (
        "%s, %s for %d s" % (url, broker["state"], up - broker["since"]) if url else "none"
    )
    failure = broker["failure"]
    if failure:
        more = " (%s)" % failure["detail"] if failure["detail"] else ""
        yield "          last %s%s, %d times, %d s ago" % (
            failure["name"],
            more,
            failure["count"],
            failure["ago"],
        )


def _release(update):
    """What runs, what is on trial, what failed, what comes next."""
    if update["slot"] is None:
        yield "release   none: from a tree of sources"
    else:
        yield "release   %d (%s) in slot %s" % (update["number"], update["version"], update["slot"])
    trial = update["trial"]
    if trial:
        yield "trial     release %d, attempt %d of %d" % (trial["number"], trial["boots"], trial["of"])
    for word in ("suspect", "rejected"):
        if update[word]:
            yield "%-9s release %d" % (word, update[word])
    failure = update["failure"]
    if failure:
        ago = "before this start" if failure["ago"] is None else "%d s ago" % failure["ago"]
        more = " (%s)" % failure["detail"] if failure["detail"] else ""
        yield "update    %s%s, %d times, last %s" % (failure["name"], more, failure["count"], ago)
    if update["put_off"] is not None:
        yield "waiting   the application has put the restart off, %d s more" % update["put_off"]
    elif update["progress"]:
        yield "fetched   %d of %d bytes" % tuple(update["progress"])
    elif update["next"] is not None:
        yield "next look in %d s" % update["next"]


class Console:
    """Answers lines of text."""

    def __init__(self, report, log, show, restart, update, change):
        # report: callable, dict; show(line): a line of the log as text; restart, update: callables;
        # change(packet, None: only look): (settings for people, generation)
        self._report = report
        self._log = log
        self._show = show
        self._restart = restart
        self._update = update
        self._change = change
        self._put = ""  # settings on their way, as far as they have come

    def answer(self, line):
        """The lines that answer one line of input."""
        word, _, rest = line.strip().partition(" ")
        word = word.lower()
        if word == "put":
            return (self._keep(rest.strip()),)
        if rest:
            word = None
        if word == "status":
            return screen(self._report())
        if word == "log":
            return (self._show(entry) for entry in self._log.lines())
        if word == "report":
            return (json.dumps({"report": self._report()}),)
        if word == "settings":
            return (self._set(None),)
        if word == "apply":
            text, self._put = self._put, ""
            return (self._set(text),)
        if word == "restart":
            self._restart()
        if word == "update":
            self._update()
        if word in ("", "restart", "update"):
            return ()
        if word == "help":
            return (_HELP,)
        # Not repeated: it may be the rest of a piece of settings, with a password in it.
        return ("unknown command", _HELP)

    def busy(self):
        """Whether a part of new settings waits for the rest."""
        return bool(self._put)

    def _keep(self, piece):
        """A piece of the settings to come; none: from the beginning."""
        size = len(self._put) + len(piece)
        self._put = self._put + piece if piece and size <= _MOST else ""
        return json.dumps({"put": len(self._put)} if size <= _MOST else {"refused": "settings-too-large"})

    def _set(self, text):
        """Set what the JSON says, None: nothing; what is set then, or why it was refused."""
        try:
            public, generation = self._change(text if text is None else packet(text))
            return json.dumps({"settings": public, "generation": generation})
        except SettingsError as e:
            return json.dumps({"refused": e.args[0]})
        except StoreError as e:
            return json.dumps({"refused": "not-stored", "detail": str(e)})


def packet(text):
    """What BlinkUp would say, out of JSON from a program; SettingsError names what is wrong."""
    try:
        asked = json.loads(text)
    except (ValueError, RuntimeError):  # none at all; nested too deeply
        asked = None
    if not isinstance(asked, dict) or not asked:
        raise SettingsError("settings-malformed")
    out = {}
    for name, value in asked.items():
        kind = _KEYS.get(name)
        if kind is None:
            raise SettingsError("setting-unknown")
        if not isinstance(value, str if kind is bytes else kind):
            raise SettingsError(name + "-invalid")
        if kind is bytes:
            try:
                value = binascii.a2b_base64(value)
            except ValueError:
                raise SettingsError(name + "-invalid")
        if name == "led":
            if value not in LEDS:
                raise SettingsError("led-invalid")
            value = LEDS.index(value)
        out[name] = value
    return out
