"""The application's own settings: a dict that can be stored."""

import json

from micropython import const

from . import store
from .tasks import Allowance, ImpError

_MOST = const(4080)  # bytes, which is what a record has room for


class Settings(dict):
    """A dict that can be stored, as JSON, in a record of its own."""

    def __init__(self, records, log, uptime):
        super().__init__()
        self._store = records
        self._saves = Allowance(uptime, 20, 600000)  # flash wears: this is for eight sectors and ten years
        try:
            data = records.load(store.APPLICATION)
            self.update(json.loads(data) if data else {})
        except (store.StoreError, ValueError, TypeError) as e:
            log.warn("app: its settings cannot be read: %s" % e)

    def save(self):
        """Returns when all is stored and read back; ImpError if it is not, and then the old is."""
        data = json.dumps(self).encode()
        try:
            json.loads(data)  # not all that dumps() writes is JSON
        except ValueError:
            raise ImpError("settings-not-json")
        if len(data) > _MOST:
            raise ImpError("settings-too-large", "%d bytes, %d at most" % (len(data), _MOST))
        try:
            if self._store.load(store.APPLICATION) == data:
                return
            if not self._saves.take():
                raise ImpError("saved-too-often")
            self._store.save(store.APPLICATION, data)
            if self._store.load(store.APPLICATION) != data:
                raise ImpError("not-stored")
        except store.StoreError as e:
            raise ImpError(e.args[0])
