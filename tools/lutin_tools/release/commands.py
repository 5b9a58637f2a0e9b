"""What `lutin keys …` and `lutin release …` do and say."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path

from . import build, check, keys, names, read
from .read import Refused


def run(asked: argparse.Namespace) -> int:
    """One of them; its exit code."""
    return {
        ("keys", "new"): keys_new,
        ("keys", "show"): keys_show,
        ("release", "build"): release_build,
        ("release", "show"): release_show,
        ("release", "check"): release_check,
        ("release", "names"): release_names,
    }[asked.command, asked.action](asked)


def keys_new(asked: argparse.Namespace) -> int:
    """Make a pair."""
    folder: Path = asked.folder
    phrase = None
    if asked.passphrase:
        phrase = ask("New passphrase: ")
        if not phrase:
            raise Refused("no-passphrase", "it was empty; leave --passphrase out for a key without one")
        if ask("Once more: ") != phrase:
            raise Refused("no-passphrase", "the two were not the same; no key was made")
    there = folder.is_dir()
    key = keys.new(folder, phrase)
    print(f"key {key.id}")
    print(f"  {folder / keys.SIGNING}  signs releases: keep it secret, keep a copy, and off the server")
    print(f"  {folder / keys.PUBLIC}   is what devices trust")
    if there and folder.stat().st_mode & 0o077:
        print(f"{folder} was there before, and others may look into it: chmod 700 {folder}")
    print(f"Next: lutin release build --key {folder / keys.SIGNING} --number 2 RELEASES")
    return 0


def keys_show(asked: argparse.Namespace) -> int:
    """The key id of each file."""
    for path in asked.file:
        print(f"{read.key_id(keys.public(path, ask))}  {path}")
    return 0


def release_build(asked: argparse.Namespace) -> int:
    """Compile, sign, write."""
    built = build.build(
        asked.out,
        [keys.load(path, ask) for path in asked.key],
        asked.number,
        asked.version,
        app=asked.app,
        boards=asked.board or None,
        oldest=asked.oldest,
        expires=asked.expires,
        trust=[keys.public(path, ask) for path in asked.trust] or None,
        base=asked.base,
        chip=asked.chip,
        prune=asked.prune,
    )
    print(
        f"release {built.number}, version {built.version}, in {built.path}: "
        f"{check.count(built.files, 'file')}, {built.bytes} bytes, {built.encoded} to fetch"
    )
    return 0


def release_show(asked: argparse.Namespace) -> int:
    """Explain and verify."""
    trust = [keys.public(path, ask) for path in asked.trust]
    report = check.examine(check.Place(asked.where, asked.ca), trust)
    print(check.as_json(report) if asked.json else check.as_text(report))
    return 1 if report.problems else 0


def release_check(asked: argparse.Namespace) -> int:
    """What a device would fetch."""
    difference = check.compare(check.Place(asked.old, asked.ca), check.Place(asked.new, asked.ca))
    print(check.difference_text(difference))
    return 1 if difference.refused else 0


def release_names(asked: argparse.Namespace) -> int:
    """A log, readable."""
    table = names.load(asked.file)
    if table is None:
        raise Refused("no-names", f"{asked.file} is not what `lutin release build` writes as {names.FILE}")
    for line in names.restore(sys.stdin, table):
        print(line, end="", flush=True)
    return 0


def ask(question: str) -> str:
    """A passphrase, from the terminal, or from standard input where there is none."""
    if sys.stdin.isatty():
        return getpass.getpass(question)
    return sys.stdin.readline().rstrip("\n")
