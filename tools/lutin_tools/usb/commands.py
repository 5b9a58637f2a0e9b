"""`lutin status | log | settings | update | listen | app`: for a board on a serial line."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ..flash.mishaps import Mishap
from ..release.read import Refused

NAMES = ("status", "log", "settings", "update", "listen", "app")
_OHMS = 4700  # of the boards' drawings


def add_commands(subparsers: Any) -> None:
    """Their options."""
    status = _command(
        subparsers, "status", "what a board is doing, and why", "All that the board says of itself."
    )
    status.add_argument("--json", action="store_true", help="for programs")
    log = _command(subparsers, "log", "a board's log", "The last lines of the board's log.")
    log.add_argument("--follow", action="store_true", help="go on with what is new, until Ctrl-C")
    settings = _command(
        subparsers,
        "settings",
        "what is set on a board, and setting it",
        "Show what is set; or set it, through the door that BlinkUp has: stored, read back, and only then "
        "good. A --network takes the place of those before it. Passwords are asked for, never shown.",
    )
    from .settings import add_options

    add_options(settings)
    update = _command(
        subparsers,
        "update",
        "tell a board to look for a release now",
        "Tell the board to look for a release, and say what becomes of it: until the new one is confirmed.",
    )
    update.add_argument("url", nargs="?", metavar="URL", help="its update server from now on")
    update.add_argument("--quiet", action="store_true", help="without the board's log")
    listen = _command(
        subparsers,
        "listen",
        "record what a board's sensor sees",
        "Record light as a trace for `lutin decode`, and say whether the sensor is too dark, saturated or "
        "flickering. lutin is stopped meanwhile, and started anew.",
    )
    listen.add_argument("--seconds", type=float, default=20, metavar="N", help="how long at most (20)")
    listen.add_argument(
        "-o", "--output", type=Path, default=Path("trace.bin"), metavar="FILE", help="the trace (trace.bin)"
    )
    listen.add_argument(
        "--ohms", type=int, default=_OHMS, metavar="N", help=f"the sensor's resistor ({_OHMS})"
    )
    listen.add_argument("--decode", action="store_true", help="say at once what `lutin decode` says of it")
    app = subparsers.add_parser(
        "app", help="an application onto a board, and off it", description="Your own program beside lutin."
    )
    actions = app.add_subparsers(dest="action", required=True, metavar="ACTION")
    deploy = _command(
        actions,
        "deploy",
        "compile it and put it onto the board",
        "Compile the application and put it onto the board, where it comes before the release's own.",
    )
    deploy.add_argument("folder", type=Path, metavar="DIR", help="with __init__.py: async def main(imp)")
    _command(
        actions, "remove", "take it off again", "Remove what was deployed; the release's own comes back."
    )


def run(asked: argparse.Namespace) -> int:
    """One of them; its exit code."""
    try:
        return _DO[asked.command](asked)
    except (Mishap, Refused) as e:
        print(f"lutin: {e}", file=sys.stderr)
    except OSError as e:
        print(f"lutin: {e.filename or ''}: {e.strerror or e}", file=sys.stderr)
    return 1


def _command(subparsers: Any, name: str, short: str, long: str) -> argparse.ArgumentParser:
    command = subparsers.add_parser(name, help=short, description=long)
    command.add_argument("--port", metavar="PORT", help="as /dev/ttyUSB0 (the one where a board may be)")
    return command


def _status(asked: argparse.Namespace) -> int:
    from .line import LOG, Line

    with Line(asked.port) as line:
        if asked.json:
            print(json.dumps(line.report(), indent=2, ensure_ascii=False))
            return 0
        for text in line.text("status"):
            if not LOG.match(text):
                print(text)
    return 0


def _log(asked: argparse.Namespace) -> int:
    from .line import LOG, Line

    with Line(asked.port) as line:
        for text in line.text("log"):
            if LOG.match(text):
                print(text, flush=True)
        while asked.follow:
            for text in line.lines(3600):
                print(text, flush=True)
    return 0


def _settings(asked: argparse.Namespace) -> int:
    from . import settings
    from .line import Line

    wanted = settings.packet(asked)  # before the board is bothered
    with Line(asked.port) as line:
        found = settings.change(line, wanted) if wanted else line.settings()
    if asked.json:
        print(json.dumps(found, ensure_ascii=False))
        return 0
    if wanted:
        print("Stored, and read back from the board's flash.")
    print("\n".join(settings.lines(found)))
    return 0


def _update(asked: argparse.Namespace) -> int:
    from . import settings, update
    from .line import Line

    with Line(asked.port) as line:
        if asked.url:
            settings.change(line, {"server": asked.url})
            print("The board has stored its update server.")
        outcome = update.follow(
            line,
            lambda text: print(text, flush=True),
            lambda text: None if asked.quiet or text.startswith("{") else print(f"    {text}", flush=True),
        )
    print(outcome.text, file=sys.stdout if outcome.good else sys.stderr)
    return 0 if outcome.good else 1


def _listen(asked: argparse.Namespace) -> int:
    from . import sensor
    from .line import Line
    from .listen import Trace, record

    if asked.seconds <= 0 or asked.ohms <= 0:
        raise Mishap("Seconds and ohms are more than none.")

    def show(trace: Trace) -> None:
        values = [value for _, value in trace.samples[-500:]] or [0]
        print(
            f"\r{len(trace.samples):7} samples, light {min(values) * 100 // sensor.FULL:3} to "
            f"{max(values) * 100 // sensor.FULL:3} %",
            end="",
            file=sys.stderr,
            flush=True,
        )

    print("Hold the sending screen at the sensor, until you are told, or press Ctrl-C.", file=sys.stderr)
    with Line(asked.port) as line:
        trace = record(line, asked.seconds, show)
    print(file=sys.stderr)
    if not trace.samples:
        raise Mishap("The board has sent no samples.")
    asked.output.write_bytes(trace.data())
    span = (trace.samples[-1][0] - trace.samples[0][0]) / 1e6
    rate = len(trace.samples) / max(span, 0.001)
    print(f"{asked.output}: {len(trace.samples)} samples in {span:.1f} s, {rate:.0f} a second")
    found = sensor.judge(trace.samples, asked.ohms)
    for verdict in found:
        print(verdict.text)
    if asked.decode:
        from .. import decode

        print(json.dumps(decode.masked(decode.decode(asked.output)), ensure_ascii=False))
    return 0 if all(verdict.good for verdict in found) else 1


def _app(asked: argparse.Namespace) -> int:
    from . import application
    from .line import Line

    if asked.action == "remove":
        with Line(asked.port) as line:
            there = application.remove(line)
        print("It is gone." if there else "There was none that was deployed by hand.")
        return 0
    wanted = application.files(asked.folder)  # before the board is bothered
    with Line(asked.port) as line:
        application.deploy(line, wanted, lambda text: print(f"    {text}", flush=True))
    print(f"Deployed: {len(wanted)} files, read back. The board starts anew; `lutin log` shows how it fares.")
    return 0


_DO = {
    "status": _status,
    "log": _log,
    "settings": _settings,
    "update": _update,
    "listen": _listen,
    "app": _app,
}
