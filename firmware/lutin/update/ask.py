"""The first step of a look: ask the server what it offers."""

from micropython import const

from .record import INCOMING, exists, release_path, remove

_MOST = const(65536)  # of release.json


async def ask(look):
    """(path of the release.json to read, its ETag or None: it was read before).

    The path is None on a device that takes no releases, and only sees whether there is a server.
    """
    up = look.updater
    # Once it is known, the clock goes on by itself.
    if up.board.now() is None and not up.board.ask_time() and not up.timeless:
        up.timeless = True
        up.log.info("update: no time from SNTP, so expiry is not checked")
    if up.keys is None:
        await look.get("release.json", _Nothing(), _MOST)
        return None, None
    have = exists(INCOMING)
    etag = None
    # On trial a 304 proves nothing: anybody can say it.
    if not up.trial.pending() and (have or up.policy.etag_number == up.number):
        etag = up.policy.etag
    new = INCOMING + ".new"
    sink = _File(new)
    try:
        answer = await look.get("release.json", sink, _MOST, etag=etag)
    finally:
        sink.close()
    if answer.status == 304:
        return INCOMING if have else release_path(up.slot), None
    return new, answer.etag or ""


class _Nothing:
    """A sink for what is not wanted."""

    def begin(self, start):
        """A body begins."""

    def write(self, view):
        """A part of it."""


class _File:
    """A sink that makes its file when something comes, in place of the last one."""

    def __init__(self, path):
        self._path = path
        self._file = None

    def begin(self, start):
        """A body begins."""
        self.close()
        remove(INCOMING)  # the last one; there may be no room for both
        self._file = open(self._path, "wb")  # noqa: SIM115 (until the body has ended)

    def write(self, view):
        """A part of it."""
        if self._file:
            self._file.write(view)

    def close(self):
        """What came is on flash."""
        if self._file:
            self._file.close()
            self._file = None
