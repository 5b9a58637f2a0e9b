"""The publish button: this tree, signed, as the release with the next number."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from ..release import build, check
from ..release.keys import Key
from ..release.read import Refused
from . import messages
from .messages import Message


class Publisher:
    """One release at a time."""

    def __init__(
        self, folder: Path, key: Key | None, app: Path | None, tell: Callable[[Message], object]
    ) -> None:
        self._folder = folder
        self._key = key
        self._app = app
        self._tell = tell
        self._busy = 0  # the number that is being built
        self._result = ""
        self._failed = False
        self._task: asyncio.Task[None] | None = None
        self._seen: tuple[int, int] | None = None  # of release.json
        self._latest: Message | None = None

    def state(self) -> Message:
        """What is published, and whether this page can publish."""
        self._look()
        return {
            "t": "releases",
            "folder": str(self._folder),
            "latest": self._latest,
            "busy": self._busy,
            "result": self._result,
            "failed": self._failed,
            "can": self._key is not None,
            "app": str(self._app) if self._app else "",
        }

    def changed(self) -> bool:
        """Whether somebody else has published."""
        return self._look()

    def _look(self) -> bool:
        path = self._folder / build.RELEASE
        try:
            stat = path.stat()
        except OSError:
            changed, self._seen, self._latest = self._seen is not None, None, None
            return changed
        seen = (stat.st_mtime_ns, stat.st_size)
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            release = check.Place(self._folder).release()
            self._latest = {
                "number": release.number,
                "version": release.version,
                "boards": list(release.boards),
                "at": stat.st_mtime,
            }
        except Refused as e:
            self._latest = {"number": None, "why": str(e), "at": stat.st_mtime}
        return True

    def publish(self, version: str | None, known: Iterable[int]) -> None:
        """Begin; known: the numbers that devices have heard of, since only a higher one is taken."""
        if self._key is None:
            raise messages.Refused("there is no key to sign with: start with --key FILE")
        if self._busy:
            raise messages.Refused("a release is being built already")
        try:
            number = 1 + max(build.lying(self._folder), *known, 0)
        except Refused as e:
            raise messages.Refused(str(e)) from None
        self._busy, self._result, self._failed = number, "", False
        self._tell(self.state())
        self._task = asyncio.create_task(self._build(self._key, number, version))

    async def _build(self, key: Key, number: int, version: str | None) -> None:
        began = time.monotonic()
        try:
            built = await asyncio.to_thread(build.build, self._folder, [key], number, version, app=self._app)
            took = time.monotonic() - began
            self._result = (
                f"Release {built.number} is published: {built.files} files, {built.encoded // 1000} kB "
                f"to fetch, built in {took:.0f} s. Boards look once in a while; “Update now” asks one."
            )
        except (Refused, OSError) as e:
            self._failed, self._result = True, f"Not published: {getattr(e, 'strerror', None) or e}."
        finally:
            self._busy = 0
            self._tell(self.state())

    async def close(self) -> None:
        """A release that is being built comes to its end."""
        if self._task:
            await asyncio.wait([self._task])
