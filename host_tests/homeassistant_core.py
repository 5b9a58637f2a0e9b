"""Home Assistant itself, with its MQTT integration and nothing else; run by a Python of its own, with a broker's port.

Each line of input is a JSON list and is answered by one line: ["states"], ["devices"] or
["call", domain, service, entity]. What Home Assistant logs as a warning or worse goes to stderr.
"""

import asyncio
import inspect
import json
import logging
import sys
import tempfile
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from unittest.mock import MagicMock

# What MQTT does not need, and what Home Assistant imports all the same: cloud, supervisor, backups,
# logins, web pages. Nothing of Home Assistant's own is replaced.
ABSENT = {
    "OpenSSL",
    "acme",
    "aiodns",
    "aiohasupervisor",
    "aiohttp_cors",
    "aiohttp_fast_zlib",
    "bcrypt",
    "cryptography",
    "hass_nabucasa",
    "jwt",
    "requests",
    "securetar",
    "snitun",
    "sqlalchemy",
    "webrtc_models",
}


class Absent(ModuleType):
    """A module in which everything is there and does nothing."""

    def __getattr__(self, name):
        if name == "__path__":
            return []
        if name.startswith("__"):
            raise AttributeError(name)
        value = (
            type(name, (Exception,), {}) if name.endswith(("Error", "Exception")) else MagicMock(name=name)
        )
        setattr(self, name, value)
        return value


class Finder:
    """Finds those modules, and those in them."""

    def find_spec(self, name, path=None, target=None):
        return ModuleSpec(name, self, is_package=True) if name.partition(".")[0] in ABSENT else None

    def create_module(self, spec):
        return Absent(spec.name)

    def exec_module(self, module):
        pass


sys.meta_path.insert(0, Finder())

from homeassistant import config_entries, core, loader  # noqa: E402
from homeassistant.helpers import (  # noqa: E402
    area_registry,
    category_registry,
    device_registry,
    entity,
    entity_registry,
    floor_registry,
    frame,
    issue_registry,
    label_registry,
    restore_state,
    translation,
)

# What bootstrap.py loads first; that file itself brings the cloud and half the world with it.
BASE = (
    area_registry,
    category_registry,
    device_registry,
    entity_registry,
    floor_registry,
    issue_registry,
    label_registry,
    restore_state,
)


def _entry(port):
    """The configuration entry that a person makes by naming the broker."""
    more = {
        "version": 1,
        "minor_version": 2,
        "domain": "mqtt",
        "title": "broker",
        "source": "user",
        "options": {},
    }
    more.update(data={"broker": "127.0.0.1", "port": port}, unique_id=None)
    for name in ("discovery_keys", "subentries_data"):  # by Home Assistant's version
        if name in inspect.signature(config_entries.ConfigEntry).parameters:
            more[name] = {}
    return config_entries.ConfigEntry(**more)


async def _start(folder, port):
    hass = core.HomeAssistant(folder)
    loader.async_setup(hass)
    hass.config.skip_pip = True
    hass.config_entries = config_entries.ConfigEntries(hass, {})
    if hasattr(frame, "async_setup"):  # since 2025.2
        frame.async_setup(hass)
    entity.async_setup(hass)
    translation.async_setup(hass)
    for part in BASE:
        await part.async_load(hass)
    hass.config.components |= {"http", "file_upload"}  # for its web pages only
    await hass.config_entries.async_add(_entry(port))
    await hass.async_start()
    return hass


def _states(hass):
    entries = entity_registry.async_get(hass).entities.values()
    told = {}
    for entry in entries:
        state = hass.states.get(entry.entity_id)
        told[entry.unique_id] = {
            "entity": entry.entity_id,
            "name": entry.original_name,
            "category": entry.entity_category,
            "device_class": entry.original_device_class,
            "state": state and state.state,
            "attributes": dict(state.attributes) if state else {},
        }
    return told


def _devices(hass):
    return [
        {
            "identifiers": sorted(map(list, device.identifiers)),
            "name": device.name,
            "model": device.model,
            "manufacturer": device.manufacturer,
            "sw_version": device.sw_version,
        }
        for device in device_registry.async_get(hass).devices.values()
    ]


async def _main(port):
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "configuration.yaml").touch()
        hass = await _start(folder, port)
        reader = asyncio.StreamReader()
        await hass.loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        print("ready", flush=True)
        async for line in reader:
            what, *rest = json.loads(line)
            await hass.async_block_till_done()
            answer = None
            if what == "states":
                answer = _states(hass)
            elif what == "devices":
                answer = _devices(hass)
            elif what == "call":
                domain, service, entity = rest
                await hass.services.async_call(domain, service, {"entity_id": entity}, blocking=True)
            print(json.dumps(answer, default=str), flush=True)
        await hass.async_stop()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
