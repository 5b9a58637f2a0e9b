"""`lutin image` and `lutin flash`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..board import check, folders
from ..board.description import Board, BoardError
from ..paths import ROOT
from ..release import commands as releases
from ..release import keys, names
from ..release.build import compiled
from ..release.compiler import replace
from ..release.read import Refused
from . import image as images
from . import micropython, watch
from . import port as ports
from .mishaps import Mishap
from .write import write


def add_commands(subparsers: Any) -> None:
    """Their options."""
    image = subparsers.add_parser(
        "image",
        help="join MicroPython and lutin into one image for a board",
        description="Fetch MicroPython for a board (once), join it with lutin, and print the image's map.",
    )
    flash = subparsers.add_parser(
        "flash",
        help="put lutin onto a board",
        description=(
            "Make the image of a board, write it, and watch the board until its light blinks amber. Settings "
            "that the board has are kept."
        ),
    )
    for command in (image, flash):
        command.add_argument("board", metavar="BOARD", help="a folder of boards/; `lutin board list`")
        command.add_argument(
            "--micropython", type=Path, metavar="FILE", help="in place of the official build for the board"
        )
        command.add_argument(
            "--key", type=Path, metavar="FILE", help="signing key, whose releases the board will take"
        )
        command.add_argument("--number", type=int, default=1, metavar="N", help="of the release in it (1)")
        command.add_argument("--version", metavar="TEXT", help="for people (the number)")
        command.add_argument("--app", type=Path, metavar="DIR", help="folder of an application")
        command.add_argument(
            "-o", "--output", type=Path, metavar="FILE", help="where to leave the image (build/BOARD.bin)"
        )
    flash.add_argument(
        "--image", type=Path, metavar="FILE", help="an image made before, in place of a new one"
    )
    flash.add_argument("--port", metavar="PORT", help="as /dev/ttyUSB0 (the one that fits)")
    flash.add_argument("--erase", action="store_true", help="everything first, settings too")
    flash.add_argument("--no-watch", action="store_true", help="do not wait for what the board says")


def run(asked: argparse.Namespace) -> int:
    """One of them; its exit code."""
    try:
        return (flash if asked.command == "flash" else image)(asked)
    except BoardError as e:
        print(e, file=sys.stderr)
    except (Mishap, Refused) as e:
        print(f"lutin: {e}", file=sys.stderr)
    except OSError as e:
        print(f"lutin: {e.filename or ''}: {e.strerror or e}", file=sys.stderr)
    return 1


def image(asked: argparse.Namespace) -> int:
    """Make it and print its map."""
    made(asked, _board(asked.board))
    return 0


def flash(asked: argparse.Namespace) -> int:
    """Make it, write it, watch."""
    board = _board(asked.board)
    device = ports.find(asked.port, board.chip)  # before the work, and before anything is fetched
    whole = _given(asked.image, board) if asked.image else made(asked, board)
    port = write(device, board, whole, asked.erase)
    if asked.no_watch:
        port.close()
        print("Written. Amber, half a second on and half a second off: it waits for BlinkUp.")
        return 0
    print("Written; this is what the board says:")
    verdict = watch.watch(port, lambda: watch.opened(device), lambda line: print(f"    {line}"))
    print(verdict.text, file=sys.stdout if verdict.good else sys.stderr)
    return 0 if verdict.good else 1


def made(asked: argparse.Namespace, board: Board) -> images.Image:
    """The image, left where it was asked for, read again and shown."""
    if not asked.key:
        raise Mishap(
            "The board needs a key: it will take only releases that are signed with it. `lutin keys new "
            "~/.config/lutin/keys` makes one; then give --key ~/.config/lutin/keys/signing-key.pem, or use "
            "`make`, which does both."
        )
    key = keys.load(asked.key, releases.ask)
    build = micropython.get(board, asked.micropython)
    data = images.make(board, build, key, asked.number, asked.version, asked.app)
    out = asked.output or ROOT / "build" / f"{board.name}.bin"
    out.parent.mkdir(parents=True, exist_ok=True)
    replace(out, data)
    names.save(out.with_suffix(f".{names.FILE}"), compiled(app=asked.app)[1])
    whole = images.of(data, out.name)
    print(f"{_shown(out)}: {build.name}, SHA-256 {build.sha256}")
    print(images.show(whole))
    return whole


def _board(name: str) -> Board:
    """One that can be flashed."""
    board = folders.named(name)
    if board.simulated:
        raise Mishap(f"{board.name} is the simulated board: `make run` starts it.")
    wrong = [each.text for each in check.check(folders.find(name)) if each.refused]
    if wrong:
        raise BoardError(wrong)
    return board


def _given(path: Path, board: Board) -> images.Image:
    """An image from a file, if it is for this board."""
    whole = images.of(path.read_bytes(), path.name)
    if whole.board != board.name:
        raise Mishap(f"{path} is for the board {whole.board}, not for {board.name}.")
    if whole.partitions != list(board.partitions):
        raise Mishap(f"{path} has other partitions than {board.name} now: make it again with `lutin image`.")
    print(images.show(whole))
    return whole


def _shown(path: Path) -> str:
    try:
        return str(path.resolve().relative_to(ROOT))
    except ValueError:
        return str(path)
