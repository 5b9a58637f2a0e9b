"""Names that cost a board nothing: our own ones, replaced by names that MicroPython has in its flash.

A name that MicroPython does not know takes some 20 bytes of a board's memory, for ever: text, length,
hash, and a place in a table that doubles. The firmware has over a thousand such names, for a fifth of
the memory that an ESP32 without PSRAM has for it. known.txt lists names that are in every official build.
A name that only one file uses shares its replacement with those of other files.
"""

from __future__ import annotations

import ast
import builtins
import functools
import io
import itertools
import json
import keyword
import re
import string
import tokenize
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ..paths import ROOT
from .compiler import replace
from .read import Refused

FILE = "names.json"  # beside release.json

_KNOWN = Path(__file__).with_name("known.txt")
# Attributes that MicroPython or asyncio look for in any object.
_PROBED = {"value", "errno", "args", "send", "throw", "close", "data", "state", "coro", "ph_key"}
# Modules that are not ours, whose attributes have names of their own.
_FOREIGN = """
asyncio core deflate esp32 gc machine network neopixel ntptime os random socket sys time tls
""".split()  # noqa: SIM905 (a list of them would be as long as this file)
# What applications, tools and people at the REPL call by name.
_OPEN = ("lutin/__init__.py", "lutin/imp.py", "lutin/appsettings.py", "lutin/device.py", "lutin/log.py")
# What tests of a release look at, on the desk or on a board.
_TESTED = """
_broker _burst _console _duties _feed _file _handlers _now _watch _window answer attempt cells clock
deadline device envelope feed flash handlers light_sensor Listener Log now public Receiver Record
record repair save Settings SETTINGS show SLOTS stage status_led Store store trial_number Uptime verify
"""
_OF_ONE_FILE = 64  # of the free names; the others are for what several files use

Table = dict[str, dict[str, str]]


def shorten(sources: Mapping[str, bytes], before: Table | None = None) -> tuple[dict[str, bytes], Table]:
    """The same files, by path, with their own names replaced; and the names by their replacements.

    These are by module, those that are the same in all of them under "". before: those of an earlier
    release; a name keeps its replacement where it can, so that an update brings only files that changed.
    """
    files, table = _shortened(tuple(sources.items()), json.dumps(before or {}))
    return dict(files), dict(table)


@functools.lru_cache(maxsize=8)
def _shortened(sources: tuple[tuple[str, bytes], ...], said: str) -> tuple[dict[str, bytes], Table]:
    before: Table = json.loads(said)
    texts = {path: data.decode() for path, data in sources}
    trees = {path: _parsed(path, text) for path, text in texts.items()}
    users: dict[str, set[str]] = {}
    for path, text in texts.items():
        for token in _names(text):
            users.setdefault(token.string, set()).add(path)
    kept = _kept(trees)
    taken = set(users) | kept | _PROBED
    free = [name for name in _known() if name not in taken] + [name for name in _pairs() if name not in taken]
    ours = {name for tree in trees.values() for name in _stored(tree)} & set(users) - kept - _all_known()
    local = {
        path: {name for name in ours if users[name] <= family} for path, family in _families(trees).items()
    }
    shared = sorted(ours - set().union(*local.values()), key=lambda name: (-len(users[name]), name))
    common = _replacements(shared, free[_OF_ONE_FILE:] + free[:_OF_ONE_FILE], before.get("", {}))
    rest = [name for name in free if name not in common.values()]
    table = {"": {short: name for name, short in sorted(common.items())}}
    files = {}
    for path, text in texts.items():
        own = _replacements(sorted(local[path]), rest, before.get(module(path), {}))
        files[path] = _replaced(text, common | own).encode()
        if own:
            table[module(path)] = {short: name for name, short in sorted(own.items())}
    return files, table


def load(path: Path) -> Table | None:
    """What save() has written; None where there is nothing like that."""
    try:
        table = json.loads(path.read_bytes())
        words = [word for one in table.values() for pair in one.items() for word in pair]
    except (OSError, ValueError, AttributeError):
        return None
    return table if all(isinstance(word, str) and word.isidentifier() for word in words) else None


def save(path: Path, table: Table) -> None:
    """Keep it beside a release: for tracebacks, and for the next release."""
    replace(path, json.dumps(table, indent=0).encode() + b"\n")


def module(path: str) -> str:
    """The name under which a device imports this file, and that its tracebacks show."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def restore(lines: Iterable[str], table: Table) -> Iterator[str]:
    """Lines of a log, with the names of the sources in its tracebacks."""
    common = table.get("", {})
    names = common

    def named(word: re.Match[str]) -> str:
        return word[1] + names.get(word[2], word[2]) + word[3]

    for line in lines:
        place = re.search(r'File "([\w.]+)", line \d+, in ', line)
        if place:
            names = common | table.get(place[1], {})
            yield re.sub(r"(, in )(\w+)()$", named, line)
        elif re.search(r"\w(Error|Exception|Failure)\b", line):
            yield re.sub(r"(')(\w+)(')", named, line)
            names = common
        else:
            yield line


def _parsed(path: str, text: str) -> ast.Module:
    try:
        tree = ast.parse(text)
    except SyntaxError as e:
        raise Refused("does-not-compile", f"{path}:{e.lineno}: {e.msg}") from None
    for node in ast.walk(tree):
        # Names in them are no tokens before Python 3.12.
        if isinstance(node, ast.JoinedStr):
            raise Refused("does-not-compile", f"{path}:{node.lineno}: the firmware has no f-strings, but %")
    return tree


def _kept(trees: Mapping[str, ast.Module]) -> set[str]:
    """Names that stay what they are, and that nothing else is replaced by."""
    kept = {"self", *_TESTED.split(), *dir(builtins), *_fixed()}
    errors = {name for name in dir(builtins) if isinstance(getattr(builtins, name), type)}
    for path, tree in trees.items():
        kept.update(path.removesuffix(".py").split("/"))
        for node in ast.walk(tree):
            kept.update(_strange(node))
            if path in _OPEN:
                kept.update(_public(node))
    classes = [node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    for _ in classes:  # an error's name is in logs; that of one that inherits from ours too
        errors.update(
            node.name
            for node in classes
            if any(isinstance(base, ast.Name) and base.id in errors for base in node.bases)
        )
    return kept | errors


def _strange(node: ast.AST) -> Iterator[str]:
    """Names in this node that are not ours to change."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value  # getattr(), __import__(), keywords in a dict
    elif _calls(node, "eval", "exec"):
        for part in ast.walk(node):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                yield from re.findall(r"\w+", part.value)
    elif isinstance(node, ast.Call) and _calls(node, "dict"):
        yield from (one.arg for one in node.keywords if one.arg)
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in _FOREIGN:
        yield node.attr
    elif isinstance(node, ast.Import):
        yield from (part for alias in node.names for part in alias.name.split("."))
    elif isinstance(node, ast.ImportFrom) and not node.level:
        yield from (node.module or "").split(".")
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.Assign) and _calls(node.value, "const"):
        # The compiler leaves nothing of such a constant, as long as its name begins so.
        yield from (to.id for to in node.targets if isinstance(to, ast.Name) and to.id.startswith("_"))


def _calls(node: ast.AST, *names: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names


def _public(node: ast.AST) -> Iterator[str]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and node.name[0] != "_":
        yield node.name
        if not isinstance(node, ast.ClassDef):
            yield from (argument.arg for argument in [*node.args.args, *node.args.kwonlyargs])
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and node.attr[0] != "_":
        yield node.attr
    if isinstance(node, (ast.Module, ast.ClassDef)):
        yield from (name for name in _assigned(node) if name[0] != "_")


def _stored(tree: ast.Module) -> Iterator[str]:
    """Names that this file makes, and that bytecode keeps: not those of variables in functions."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
        elif isinstance(node, ast.Global):
            yield from node.names
        if isinstance(node, (ast.Module, ast.ClassDef)):
            yield from _assigned(node)


def _assigned(node: ast.Module | ast.ClassDef) -> Iterator[str]:
    """Variables of a module or a class."""
    for target in (target for one in node.body if isinstance(one, ast.Assign) for target in one.targets):
        yield from (part.id for part in ast.walk(target) if isinstance(part, ast.Name))


def _families(trees: Mapping[str, ast.Module]) -> dict[str, set[str]]:
    """path -> the files whose classes inherit from one another: an object of theirs has the names of all."""
    families = {path: {path} for path in trees}
    for path, tree in trees.items():
        bases = {
            base.id
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef)
            for base in node.bases
            if isinstance(base, ast.Name)
        }
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.ImportFrom)
                and node.level
                and bases & {alias.name for alias in node.names}
            ):
                folder = path.split("/")[: -node.level]
                other = "/".join([*folder, *(node.module or "__init__").split(".")]) + ".py"
                merged = families[path] | families.get(other, set())
                for one in merged:
                    families[one] = merged
    return families


def _replacements(names: Iterable[str], free: Sequence[str], before: Mapping[str, str]) -> dict[str, str]:
    """name -> replacement; before: names by their replacements in an earlier release."""
    wanted = set(names)
    found = {name: short for short, name in before.items() if name in wanted and short in free}
    rest = (short for short in free if short not in set(found.values()))
    for name in names:
        if name not in found:
            found[name] = next(rest)
    return found


@functools.cache
def _known() -> tuple[str, ...]:
    """Names that are in every build; short ones first, which take less flash."""
    names = {name for name in _lines() if name[0] not in "~_" and not keyword.iskeyword(name)}
    return tuple(sorted(names, key=lambda name: (len(name), name)))


def _pairs() -> Iterator[str]:
    """For what is left when they have run out; they cost memory, but less than long ones."""
    for pair in map("".join, itertools.product(string.ascii_letters, repeat=2)):
        if not keyword.iskeyword(pair):
            yield pair


@functools.cache
def _all_known() -> frozenset[str]:
    return frozenset(name.lstrip("~") for name in _lines())


def _lines() -> list[str]:
    lines = _KNOWN.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@functools.cache
def _fixed() -> frozenset[str]:
    """Names in files that no update rewrites."""
    paths = [ROOT / "firmware" / "boot.py", ROOT / "firmware" / "main.py", *ROOT.glob("boards/*/pins.py")]
    return frozenset(token.string for path in paths for token in _names(path.read_text(encoding="utf-8")))


def _names(text: str) -> Iterator[tokenize.TokenInfo]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME and not keyword.iskeyword(token.string):
            yield token


def _replaced(text: str, names: Mapping[str, str]) -> str:
    lines = text.splitlines(keepends=True)
    for token in reversed(list(_names(text))):
        if token.string in names:
            row, column = token.start
            line = lines[row - 1]
            lines[row - 1] = line[:column] + names[token.string] + line[column + len(token.string) :]
    return "".join(lines)
