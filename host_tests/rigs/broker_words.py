"""Rig for what the board says to the broker and takes from it: status, Home Assistant's message, commands."""

import gc

import device
from lutin import states
from lutin.broker import status
from lutin.broker.commands import Commands
from lutin.broker.homeassistant import Config
from lutin.settings import Settings

_done = []


def _decoded(value):
    """Texts travel as bytes: MicroPython's JSON reads what json.dumps makes of an emoji as two halves."""
    if isinstance(value, bytes):
        return str(value, "utf-8")
    if isinstance(value, list):
        return [_decoded(v) for v in value]
    if isinstance(value, dict):
        return {k: _decoded(v) for k, v in value.items()}
    return value


def said(report):
    """The bytes that go out: status, and Home Assistant's message."""
    return _said(_decoded(report))


def _said(report):
    message = Config(report)
    config = b"".join([bytes(piece) for piece in message])
    assert len(config) == len(message)
    return {"status": b"".join(status.message(report)), "topic": message.topic, "config": config}


def names():
    """Of all states."""
    return [states.name(number) for number in range(states.count())]


def same(one, other):
    """Whether nothing has changed from one report to the other."""
    return status.key(_decoded(one)) == status.key(_decoded(other))


def public(packet):
    """How the settings of such a packet are told; to those who may not know everything."""
    return Settings().apply(_decoded(packet)).public()


def live(settings, ms):
    """What a whole device with these settings says after so long; and its log, its report."""
    device.new([{"ssid": "Home", "password": "correct-horse-9"}])
    device.store(settings)
    device.boot()
    device.run(ms)
    report = device.report()
    told = _said(report)
    return {"told": told, "log": [line[3] for line in device._life.log.lines()], "report": report}


def room(report):
    """Bytes of heap that the two messages take at most while they go out: Home Assistant's, status."""
    report = _decoded(report)
    taken = []
    for make in (Config, status.message):
        gc.collect()
        before = gc.mem_alloc()
        most = 0
        for _ in make(report):
            gc.collect()
            most = max(most, gc.mem_alloc() - before)
        taken.append(most)
    return taken


def _note(word):
    return lambda *more: _done.append([word] + list(more))


def obey(messages):
    """[(answer, what was done)] of [(data, retained)]."""
    commands = Commands(
        _note("restart"), _note("update"), _note("identify"), _note("blinkup"), _note("level")
    )
    out = []
    for data, retained in messages:
        _done.clear()
        answer = commands.obey(data, retained)
        out.append([answer.encode(), list(_done)])
    return out
