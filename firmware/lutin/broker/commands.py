"""What the broker may tell the device to do: a word, or {"command": word} with what belongs to it."""

import json

from micropython import const

from ..log import LEVELS

_LONGEST = const(200)  # bytes
_SHOWN = const(20)  # characters of what was not understood


class Commands:
    """Each is a callable; level takes one of log.LEVELS."""

    def __init__(self, restart, update, identify, blinkup, level):
        self._plain = {"restart": restart, "update": update, "identify": identify, "blinkup": blinkup}
        self._level = level

    def obey(self, data, retained):
        """Do what the message says; what came of it, for the log; "" where there is nothing to say."""
        if not data:
            return ""  # somebody has cleared a retained one
        if retained:
            # It would come again at each connection: a restart for ever.
            return "command refused: retained"
        if len(data) > _LONGEST:
            return "command refused: %d bytes" % len(data)
        try:
            word, more = _parse(data)
        except ValueError:
            return "command refused: neither a word nor a JSON object"
        level = None
        if word == "log":
            level = more.pop("level", None)
            if level not in LEVELS:
                return "command refused: log has no level %s" % _show(level)
        elif word not in self._plain:
            return "command unknown: %s" % _show(word)
        if more:
            # Half of what was meant may be worse than nothing.
            return "command refused: %s has no %s" % (word, _show(more.popitem()[0]))
        if word == "log":
            self._level(level)
            return "command: log, level %s" % level
        self._plain[word]()
        return "command: " + word


def _parse(data):
    """(word, what else the object has)"""
    text = str(data, "utf-8").strip()
    if not text.startswith("{"):
        return text, {}
    if not text.endswith("}"):
        raise ValueError  # which MicroPython 1.25 does not see
    said = json.loads(text)
    word = said.pop("command", None)
    return word if isinstance(word, str) else "", said


def _show(value):
    """Enough of it to recognise, on one line."""
    if not isinstance(value, str):
        return type(value).__name__
    return "'%s'" % "".join([c if 32 <= ord(c) < 127 else "?" for c in value[:_SHOWN]])
