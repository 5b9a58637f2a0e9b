"""`lutin update`: ask a board to look for a release, and say what becomes of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..flash.mishaps import Mishap
from .line import LOG, Line

_LOOK = 120.0  # s for the look to begin and end: a network may have to be joined first
_DOWNLOAD = 900.0  # s without any progress
_TRIAL = 180.0  # s from a restart to the confirmation
_STEP = 2.0  # s between two questions
_ALONE = "start: for an update alone"


@dataclass(frozen=True)
class Outcome:
    """good: the board is on the newest release; text: for people."""

    good: bool
    text: str


class Errand:
    """A life in which a board only fetches a release: it answers nobody, and its log says it all."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self.on = False
        self.news = False  # since somebody looked

    def hear(self, line: str) -> None:
        """A line of the console."""
        match = LOG.match(line)
        text = match[4] if match else ""
        if text.startswith("start: "):
            self.on = text == _ALONE
            self.news = True
        elif self.on and text.startswith("state: "):
            self.news = True
            self._show(f"in a life of its own: {text[7:]}")


class Follower:
    """Is shown one report after the other. No line and no clock in it."""

    def __init__(self, before: dict[str, Any]) -> None:
        self._number = before["update"]["number"]
        self._up = before["uptime"]
        self._failures = _count(before)
        self._next = before["update"]["next"]
        self._rejected = before["update"]["rejected"]
        self.trial = 0  # number of the release that is tried, or was
        self.progress: tuple[int, int] | None = None

    def see(self, report: dict[str, Any]) -> Outcome | None:
        """The outcome, once there is one."""
        update = report["update"]
        self.progress = tuple(update["progress"]) if update["progress"] else None
        restarted = report["uptime"] < self._up
        self._up = report["uptime"]
        if update["slot"] is None:
            return Outcome(False, "The board runs a tree of sources, not a release: it takes no updates.")
        if update["trial"]:
            self.trial = update["number"]
            return None
        if update["number"] == self.trial or (update["number"] != self._number and not self.trial):
            return Outcome(True, f"Release {update['number']} ({update['version']}) runs, and is confirmed.")
        if self.trial or (restarted and update["rejected"] != self._rejected):
            return Outcome(
                False, f"The new release has failed its trial; release {update['number']} runs again."
            )
        if update["put_off"] is not None:
            return Outcome(
                True,
                f"The new release is on the board, and waits: the application has put the restart off, for "
                f"{update['put_off']} s more. `lutin status` shows it.",
            )
        if _count(report) > self._failures:
            failure = update["failure"]
            detail = f" ({failure['detail']})" if failure["detail"] else ""
            return Outcome(False, f"It failed: {failure['name']}{detail}.")
        if update["next"] is not None and (self._next is None or update["next"] > max(self._next, 60)):
            return Outcome(True, f"Nothing new: release {self._number} ({update['version']}) is the newest.")
        if update["next"] is not None:
            self._next = min(update["next"], self._next or 0)
        return None


def follow(
    line: Line,
    show: Callable[[str], None],
    log: Callable[[str], None] = lambda text: None,
    now: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Ask for a look, and watch; show(text): progress, log(text): what the board's log says."""
    before = line.report()
    if not before["settings"]["server"]:
        raise Mishap("No update server is set. `lutin update URL` sets one, `lutin settings --server` too.")
    if not before["settings"]["networks"]:
        raise Mishap("The board knows no network. BlinkUp sets one, `lutin settings --network` too.")
    follower = Follower(before)
    line.say("update")
    end = now() + _LOOK
    seen: object = None
    errand = Errand(show)

    def hear(text: str) -> None:
        errand.hear(text)
        log(text)

    while now() < end:
        for text in line.lines(_STEP):
            hear(text)
        if errand.news:
            errand.news = False
            end = now() + _DOWNLOAD
        if errand.on:
            continue
        try:
            report = line.report(hear)
        except Mishap:
            if errand.on:
                continue  # it has begun in the meantime
            raise
        outcome = follower.see(report)
        if outcome:
            return outcome
        state = (report["state"]["name"], follower.progress, follower.trial)
        if state != seen:
            if seen is not None:
                end = now() + (_TRIAL if follower.trial else _DOWNLOAD)
            seen = state
            show(_words(report, follower))
    return Outcome(False, "It takes too long. `lutin status` says what the board is doing.")


def _words(report: dict[str, Any], follower: Follower) -> str:
    if follower.trial:
        return f"release {report['update']['number']} is on trial, for a minute"
    if follower.progress:
        return f"{follower.progress[0]} of {follower.progress[1]} bytes"
    return report["state"]["sentence"]


def _count(report: dict[str, Any]) -> int:
    failure = report["update"]["failure"]
    return failure["count"] if failure else 0
