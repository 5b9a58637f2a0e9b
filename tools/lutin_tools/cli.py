"""The command `lutin`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .paths import ROOT


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
    return top


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
            )
        from . import decode

        return decode.run(asked.trace, asked.show_password)
    except (KeyboardInterrupt, BrokenPipeError):
        return 130


if __name__ == "__main__":
    sys.exit(main())
