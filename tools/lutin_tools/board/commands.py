"""`lutin board list | check | make`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from . import check, made
from .description import BoardError, load
from .folders import find, folders


def add_commands(subparsers: Any) -> None:
    """`lutin board list | check | make`."""
    board = subparsers.add_parser(
        "board", help="the boards: list, check, make", description="The folders in boards/."
    )
    actions = board.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="what boards there are")
    checker = actions.add_parser("check", help="whether a board's folder is right, and what is not")
    checker.add_argument("folder", nargs="*", help="name or path; all boards if none is given")
    maker = actions.add_parser("make", help="write what is made from board.toml")
    maker.add_argument("folder", nargs="+", help="name or path")


def run(arguments: argparse.Namespace) -> int:
    """Do it; the exit code."""
    if arguments.action == "list":
        return _list()
    asked = [find(name).resolve() for name in arguments.folder] or folders()
    return max([_make(folder) if arguments.action == "make" else _check(folder) for folder in asked])


def _list() -> int:
    wrong = 0
    for folder in folders():
        try:
            board = load(folder)
            print(f"{board.name:22} {board.chip.title:9} {board.flash >> 20:2} MB  {board.title}")
        except BoardError as e:
            wrong = 1
            print(e, file=sys.stderr)
    return wrong


def _check(folder: Path) -> int:
    complaints = check.check(folder)
    for complaint in complaints:
        print(f"{folder.name}: {'' if complaint.refused else 'mind: '}{complaint.text}", file=sys.stderr)
    refused = any(complaint.refused for complaint in complaints)
    if not refused:
        print(f"{folder.name}: right.")
    return 1 if refused else 0


def _make(folder: Path) -> int:
    try:
        changed = made.make(folder)
    except BoardError as e:
        print(e, file=sys.stderr)
        return 1
    print(f"{folder.name}: " + (", ".join(path.name for path in changed) or "nothing to do"))
    return 0
