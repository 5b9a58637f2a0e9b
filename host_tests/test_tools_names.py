"""Names that cost a board nothing: what a release calls things, and how a traceback is read."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from lutin_tools import cli
from lutin_tools.release import build, names
from lutin_tools.release.read import Refused
from unixport import ROOT
from wholeboard import KEY

LAMP = b"""
from micropython import const

from .wall import Socket

_LUMENS = const(800)
BRIGHTNESS = _LUMENS * 2


class LampError(ValueError):
    pass


class Lamp(Socket):
    def __init__(self, filament):
        self._filament = filament

    def glow(self, intensity=1, **surplus):
        return getattr(self, "filaments_left") and surplus["colourfulness"]
"""
WALL = b"""
class Socket:
    def plug_in(self, lamp):
        lamp.glow(intensity=2, colourfulness=3)
        self.filaments_left = 3
"""
SOURCES = {"lutin/lamp.py": LAMP, "lutin/wall.py": WALL}


def firmware() -> dict[str, bytes]:
    root = ROOT / "firmware"
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.glob("lutin/**/*.py"))
    }


def test_a_name_of_ours_becomes_one_that_micropython_knows() -> None:
    files, table = names.shorten(SOURCES)
    text = b"".join(files.values()).decode()
    for name in ("BRIGHTNESS", "Lamp", "Socket", "_filament", "glow", "intensity", "plug_in"):
        assert not re.search(rf"\b{name}\b", text), name
        assert name in {long for one in table.values() for long in one.values()}
    known = set((Path(names.__file__).with_name("known.txt")).read_text().split())
    assert {short for one in table.values() for short in one} <= known


def test_what_others_call_by_name_keeps_it() -> None:
    files, _ = names.shorten(SOURCES)
    assert b"class LampError(ValueError)" in files["lutin/lamp.py"]  # it is in logs
    assert b"_LUMENS = const(800)" in files["lutin/lamp.py"]  # the compiler leaves nothing of it
    assert b'"filaments_left"' in files["lutin/lamp.py"]
    assert b".filaments_left = 3" in files["lutin/wall.py"]
    assert b"colourfulness=3" in files["lutin/wall.py"]


def test_two_names_of_one_object_never_become_the_same() -> None:
    _, table = names.shorten(firmware())
    common = table.pop("")
    for one in table.values():
        assert not set(one) & set(common)
        assert not set(one.values()) & set(common.values())
    # These inherit from one another.
    lamp, wall = (names.shorten(SOURCES)[1].get(module, {}) for module in ("lutin.lamp", "lutin.wall"))
    assert all(lamp[short] == wall[short] for short in set(lamp) & set(wall))


def test_a_name_keeps_its_replacement_in_the_next_release() -> None:
    sources = firmware()
    files, before = names.shorten(sources)
    more = b"\n\ndef a_new_function(a_new_argument):\n    return a_new_argument\n"
    changed, _ = names.shorten(
        {**sources, "lutin/clock.py": LAMP, "lutin/log.py": sources["lutin/log.py"] + more}, before
    )
    assert {path for path in changed if changed[path] != files.get(path)} == {
        "lutin/clock.py",
        "lutin/log.py",
    }


def test_the_same_sources_get_the_same_names() -> None:
    sources = firmware()
    files, table = names.shorten(sources)
    assert names.shorten(dict(reversed(sources.items()))) == (files, table)
    assert names.shorten(sources, table) == (files, table)


def test_all_names_of_the_firmware_find_a_place_in_micropythons_own() -> None:
    _, table = names.shorten(firmware())
    known = names._known()
    assert [short for one in table.values() for short in one if short not in known] == []


def test_more_names_than_micropython_has_get_two_letters() -> None:
    many = "".join(f"def function_{n}(): pass\n" for n in range(1200)).encode()
    files, table = names.shorten({"lutin/one.py": many, "lutin/two.py": many})
    shorts = list(table[""])
    assert len(set(shorts)) == 1200
    compile(files["lutin/one.py"], "one.py", "exec")


@pytest.mark.parametrize(
    "before", [{"": {"def": "BRIGHTNESS"}}, {"": {"print": "glow"}}, {"": {"sleep_ms": "nothing"}}]
)
def test_a_damaged_table_of_an_earlier_release_does_no_harm(before: names.Table) -> None:
    assert names.shorten(SOURCES, before)[0] == names.shorten(SOURCES)[0]


@pytest.mark.parametrize("source", [b"def f(:\n", b'x = f"{x}"\n'])
def test_what_cannot_be_read_is_refused_with_its_line(source: bytes) -> None:
    with pytest.raises(Refused, match=r"does-not-compile.*lutin/bad\.py:1"):
        names.shorten({"lutin/bad.py": source})


def test_an_application_finds_every_name_that_its_page_tells_it() -> None:
    page = (ROOT / "docs" / "applications.md").read_text(encoding="utf-8")
    code = re.findall(r"```python\n(.*?)```", page, re.DOTALL) + re.findall(r"`([^`\n]+)`", page)
    code += [path.read_text(encoding="utf-8") for path in ROOT.glob("examples/**/*.py")]
    told = {
        name
        for text in code
        for name in re.findall(r"\b(?:imp|light|log|led|device|appsettings|update)\.(\w+)", text)
    }
    assert len(told) > 15
    _, table = names.shorten(firmware())
    assert told & {name for one in table.values() for name in one.values()} == set()


def test_a_traceback_is_read_with_the_table_beside_the_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    build.build(tmp_path, [KEY], 1)
    table = names.load(tmp_path / names.FILE)
    assert table
    short = {name: one for one, name in (table[""] | table["lutin.wifi"]).items()}
    log = f"""start: power-on
Traceback (most recent call last):
  File "lutin.wifi", line 1, in {short["_live"]}
AttributeError: 'Wifi' object has no attribute '{short["_order"]}'
it's '{short["_live"]}'
"""
    monkeypatch.setattr("sys.stdin", io.StringIO(log))
    assert cli.main(["release", "names", str(tmp_path / names.FILE)]) == 0
    expected = log.replace(f"in {short['_live']}\n", "in _live\n").replace(
        f"attribute '{short['_order']}'", "attribute '_order'"
    )
    assert capsys.readouterr().out == expected


def test_a_file_that_is_no_table_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("", "[]", "{}x", '{"": 3}', '{"": {"a": 3}}', '{"": {"a b": "c"}}'):
        (tmp_path / "t").write_text(text)
        assert cli.main(["release", "names", str(tmp_path / "t")]) == 1
        assert "no-names" in capsys.readouterr().err
