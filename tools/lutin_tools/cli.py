"""The command `lutin`."""

from __future__ import annotations

import argparse
import datetime
import sys
from pathlib import Path
from typing import Any

from .board import commands as boards
from .flash import commands as flashing
from .paths import ROOT
from .usb import commands as usb


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = argparse.ArgumentParser(
        prog="lutin", description="The desk side of lutin, a firmware that is set up by light."
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    run = commands.add_parser(
        "run",
        help="the simulated board in a browser",
        description=(
            "Start the simulated board and serve its bench page. The board's memory is kept between runs."
        ),
    )
    run.add_argument("--port", type=int, default=8000, help="of the page on this machine (8000)")
    run.add_argument(
        "--release-port", type=int, metavar="PORT", help="of its release server (the next one, and then kept)"
    )
    run.add_argument(
        "--state", type=Path, default=ROOT / ".desk", help="folder of the board's memory (.desk)"
    )
    run.add_argument("--reset", action="store_true", help="a new board, never used")
    run.add_argument("--no-browser", action="store_true", help="do not open the page")
    run.add_argument(
        "--light",
        default="page",
        metavar="SOURCE",
        help=(
            "what the sensor sees: page (the sender on the page), pixels:- or pixels:FILE (raw video of it)"
        ),
    )

    decode = commands.add_parser(
        "decode",
        help="what recorded light says",
        description=(
            "Run the firmware's own receiver over traces (little-endian pairs of uint32 µs and uint16 ADC "
            "value) and print one JSON line for each."
        ),
    )
    decode.add_argument("trace", nargs="+", type=Path, help="a .bin file; - for standard input")
    decode.add_argument("--show-password", action="store_true", help="print passwords instead of a mask")

    _keys(commands)
    _release(commands)
    _serve(commands)
    boards.add_commands(commands)
    flashing.add_commands(commands)
    usb.add_commands(commands)
    return top


def _keys(commands: Any) -> None:
    keys = commands.add_parser(
        "keys", help="make and look at signing keys", description="The keys that sign releases."
    )
    actions = keys.add_subparsers(dest="action", required=True, metavar="ACTION")
    new = actions.add_parser(
        "new",
        help="make a key pair",
        description=(
            "Make an RSA-3072 key pair: DIR/signing-key.pem, which signs, and DIR/public-key.pem, which "
            "devices trust. Keep DIR off the server. A key that is there is never overwritten."
        ),
    )
    new.add_argument("folder", type=Path, metavar="DIR", help="folder for it, made if it is not there")
    new.add_argument("--passphrase", action="store_true", help="ask for one that protects the signing key")
    show = actions.add_parser(
        "show", help="print key ids", description="Print the key id of each file, signing or public."
    )
    show.add_argument("file", nargs="+", type=Path, metavar="FILE", help="a .pem file")


def _release(commands: Any) -> None:
    release = commands.add_parser(
        "release",
        help="build, explain and compare releases",
        description="Releases are folders that any web server can serve.",
    )
    actions = release.add_subparsers(dest="action", required=True, metavar="ACTION")

    build = actions.add_parser(
        "build",
        help="compile and sign one",
        description=(
            "Compile firmware/lutin, and an application if there is one, and write OUT/release.json and "
            "OUT/blobs. The same tree, number, key and names.json, which is kept in OUT from release to "
            "release, give the same bytes. Blobs of earlier releases stay."
        ),
    )
    build.add_argument("out", type=Path, metavar="OUT", help="folder of the release, made if not there")
    build.add_argument(
        "--key",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="signing key; twice while keys are changed. `lutin keys new DIR` makes one",
    )
    build.add_argument("--number", type=int, required=True, metavar="N", help="higher than every one before")
    build.add_argument("--version", metavar="TEXT", help="for people (the number)")
    build.add_argument("--app", type=Path, metavar="DIR", help="folder of an application")
    build.add_argument(
        "--board", action="append", default=[], metavar="NAME", help="that it is for (all of boards/)"
    )
    build.add_argument(
        "--oldest",
        type=int,
        default=1,
        metavar="N",
        help="lowest number that may be installed from then on (1)",
    )
    build.add_argument("--expires", type=_last_day, metavar="DATE", help="last day, as 2031-12-31, or never")
    build.add_argument(
        "--trust",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="key that holds from this release on; may be repeated (those that sign it)",
    )
    build.add_argument(
        "--base", type=Path, metavar="FILE", help="MicroPython for the board: its application image"
    )
    build.add_argument(
        "--chip", default="auto", help="that the base must be for, as esp32 (auto: what it says)"
    )
    build.add_argument(
        "--prune", action="store_true", help="remove the blobs that only earlier releases name"
    )

    named = actions.add_parser(
        "names",
        help="read a board's traceback",
        description=(
            "Copy a log from standard input, and put the names of the sources back into its tracebacks: a "
            "release has shorter ones, which take no memory on a board."
        ),
    )
    named.add_argument("file", type=Path, metavar="NAMES", help="names.json, which lies beside release.json")

    show = actions.add_parser(
        "show",
        help="explain and verify one",
        description=(
            "Say what a release holds, and verify every signature and every blob. Exit code 1 if anything "
            "is wrong."
        ),
    )
    show.add_argument("where", metavar="DIR|URL", help="where release.json lies")
    show.add_argument(
        "--trust",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a key that devices trust; one must have signed it",
    )
    show.add_argument("--json", action="store_true", help="for programs")

    check = actions.add_parser(
        "check",
        help="what a device on one release would fetch of another",
        description="Say what a device on OLD would fetch of NEW. Exit code 1 if it would refuse it.",
    )
    check.add_argument("old", metavar="OLD", help="folder or URL")
    check.add_argument("new", metavar="NEW", help="folder or URL")
    for command in (show, check):
        command.add_argument(
            "--ca", type=Path, metavar="FILE", help="certificate, DER or PEM, for a server of https://"
        )


def _serve(commands: Any) -> None:
    serve = commands.add_parser(
        "serve",
        help="your own server: releases, a broker, a log of all devices, a page",
        description=(
            "Serve the releases in DIR, with a line for each request; be the MQTT broker of your devices; "
            "keep their logs; show all of it on a page, with a button that publishes. Releases and broker "
            "are there for the network, the page for this machine alone. Any web server and any broker "
            "will do as well."
        ),
    )
    serve.add_argument(
        "folder", type=Path, metavar="DIR", help="folder of releases; one without any will do to begin with"
    )
    serve.add_argument("--port", type=int, default=8080, help="of the releases (8080)")
    serve.add_argument(
        "--bind", default="0.0.0.0", metavar="ADDRESS", help="for releases and broker (all: 0.0.0.0)"
    )
    serve.add_argument(
        "--key", type=Path, metavar="FILE", help="signing key, so that the page's button can publish"
    )
    serve.add_argument(
        "--app", type=Path, metavar="DIR", help="folder of an application that the button publishes, too"
    )
    serve.add_argument("--broker-port", type=int, metavar="PORT", help="(1883; with TLS 8883)")
    serve.add_argument(
        "--broker", metavar="URL", help="use this one, as mqtt://host, in the place of the embedded one"
    )
    serve.add_argument(
        "--broker-ca", metavar="FILE", help="who signed its certificate, in PEM (this system's)"
    )
    serve.add_argument("--no-broker", action="store_true", help="releases alone: no broker, no log, no page")
    serve.add_argument(
        "--user", metavar="NAME", help="demand a login of devices, and of the page if it is open; or, with "
        "--broker, log in there. The password is asked for",
    )  # fmt: skip
    serve.add_argument("--password-file", type=Path, metavar="FILE", help="whose contents it is")
    serve.add_argument(
        "--logs",
        type=Path,
        default=ROOT / ".desk" / "log.sqlite",
        metavar="FILE",
        help="where the logs are kept (.desk/log.sqlite)",
    )
    serve.add_argument(
        "--keep", type=int, default=200_000, metavar="N", help="lines of log; the oldest go (200000)"
    )
    serve.add_argument("--keep-mb", type=float, metavar="N", help="and at most so many megabytes")
    serve.add_argument("--page-port", type=int, metavar="PORT", help="of the page (one above --port)")
    serve.add_argument(
        "--page-bind",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="0.0.0.0 opens the page to the network, with --user behind a login (127.0.0.1)",
    )
    serve.add_argument("--no-mdns", action="store_true", help="do not announce the broker")
    serve.add_argument("--mdns-interface", action="append", metavar="ADDRESS", help=argparse.SUPPRESS)
    serve.add_argument("--tls", action="store_true", help="https and mqtts, with a certificate made here")
    serve.add_argument(
        "--tls-dir",
        type=Path,
        default=ROOT / ".desk" / "tls",
        metavar="DIR",
        help="where it is kept (.desk/tls)",
    )
    serve.add_argument("--cert", type=Path, metavar="FILE", help="https and mqtts, with this one (PEM)")
    serve.add_argument("--cert-key", type=Path, metavar="FILE", help="and its private key (PEM)")


def _last_day(text: str) -> int | None:
    """never, or a date: seconds since 1970 when that day ends in UTC."""
    if text == "never":
        return None
    try:
        day = datetime.datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=datetime.timezone.utc)
        return int((day + datetime.timedelta(days=1)).timestamp())
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a date like 2031-12-31 nor never") from None


def main(arguments: list[str] | None = None) -> int:
    """Run the command; its exit code."""
    asked = parser().parse_args(arguments)
    try:
        if asked.command == "run":
            from .bench import server  # aiohttp is slow to import

            return server.run(
                port=asked.port,
                state=asked.state,
                reset=asked.reset,
                open_browser=not asked.no_browser,
                light_source=asked.light,
                release_port=asked.release_port,
            )
        if asked.command == "decode":
            from . import decode

            return decode.run(asked.trace, asked.show_password)
        if asked.command == "board":
            return boards.run(asked)
        if asked.command in ("image", "flash"):
            return flashing.run(asked)
        if asked.command in usb.NAMES:
            return usb.run(asked)
        return _with_releases(asked)
    except (KeyboardInterrupt, BrokenPipeError):
        return 130


def _with_releases(asked: argparse.Namespace) -> int:
    """keys, release and serve: what cannot be done is said in a line."""
    from .release.read import Refused

    try:
        if asked.command == "serve":
            if asked.no_broker:
                from . import serve

                return serve.run(asked)
            from .home import server

            return server.run(asked)
        from .release import commands

        return commands.run(asked)
    except Refused as e:
        print(f"lutin: {e}", file=sys.stderr)
    except OSError as e:
        print(f"lutin: {e.filename or ''}: {e.strerror or e}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
