"""The log of all devices, in SQLite: each line once, a bound on their number, search."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..release.read import Refused
from . import messages
from .messages import Filter, Line, Message

LINES = 200_000
_FORMAT = 1
_APPLICATION = 0x6C75746E  # "lutn", so that another program's database is not taken for one
_SLACK = 0.02  # of the bound: that many are removed at once, not one with each line
_MOMENT = 0.001  # s by which a gap comes before the line after it
_SAME = 0.25  # s; two estimates of a start that differ by less are one

_TABLES = """
CREATE TABLE lines (
    id INTEGER PRIMARY KEY, device TEXT NOT NULL, start TEXT NOT NULL, seq INTEGER NOT NULL,
    up INTEGER NOT NULL, at REAL NOT NULL, time REAL NOT NULL, level INTEGER NOT NULL, text TEXT NOT NULL,
    offline INTEGER NOT NULL, dropped INTEGER NOT NULL, guessed INTEGER NOT NULL,
    UNIQUE (device, start, seq)
);
CREATE INDEX lines_by_time ON lines (time, id);
CREATE INDEX lines_by_device ON lines (device, time, id);
CREATE TABLE starts (
    device TEXT NOT NULL, start TEXT NOT NULL, boot REAL NOT NULL, next INTEGER NOT NULL,
    PRIMARY KEY (device, start)
);
CREATE TABLE devices (
    device TEXT PRIMARY KEY, status TEXT NOT NULL, seen REAL NOT NULL, claimed INTEGER NOT NULL
);
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_COLUMNS = "id, device, start, seq, up, at, time, level, text, offline, dropped, guessed"


class Logs:
    """One thread writes, another may search at the same time."""

    def __init__(self, path: Path, lines: int = LINES, megabytes: float = 0) -> None:
        self._path = path
        self._lines = lines
        self._bytes = int(megabytes * 1e6)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = self._open()
            self._prepare()
            self._reader = self._open()
        except OSError as e:
            raise Refused("no-log", f"{path.parent}: {e.strerror}; name another file: --logs FILE") from None
        except sqlite3.Error as e:
            raise Refused("no-log", f"{path}: {why(e)}") from None

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=5, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.create_function("contains", 2, messages.contains, deterministic=True)
        return connection

    def _prepare(self) -> None:
        db = self._writer
        application = db.execute("PRAGMA application_id").fetchone()[0]
        tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables and application != _APPLICATION:
            raise Refused(
                "no-log", f"{self._path} is the database of something else; name another file: --logs FILE"
            )
        if not tables:
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA journal_size_limit = 8000000")
        if not tables:
            db.executescript(f"BEGIN; {_TABLES} PRAGMA application_id = {_APPLICATION}; "
                             f"PRAGMA user_version = {_FORMAT}; COMMIT;")  # fmt: skip
        found = db.execute("PRAGMA user_version").fetchone()[0]
        if found != _FORMAT:
            raise Refused(
                "no-log", f"{self._path} is of another version of lutin ({found}); name another: --logs FILE"
            )
        damage = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if damage != "ok":
            raise sqlite3.DatabaseError(damage)

    def close(self) -> None:
        """All is in the file then."""
        self._writer.close()
        self._reader.close()

    # Writing

    def add(self, lines: Sequence[tuple[str, Line, float, float | None]]) -> list[Message]:
        """Keep what is not kept yet: (device, line, arrival, when it started or None)… What is new."""
        db = self._writer
        new: list[int] = []
        with _transaction(db):
            for device, line, at, boot in lines:
                new += self._add(db, device, line, at, boot)
            self._forget(db)
            made = [
                row
                for number in new
                for row in db.execute(f"SELECT {_COLUMNS} FROM lines WHERE id = ?", (number,))
            ]
        return [_message(row) for row in made]

    def _add(
        self, db: sqlite3.Connection, device: str, line: Line, at: float, boot: float | None
    ) -> list[int]:
        before = at - line.up / 1000
        known = db.execute(
            "SELECT boot, next FROM starts WHERE device = ? AND start = ?", (device, line.start)
        ).fetchone()
        # A line takes time on its way, so the earliest moment is the nearest to the truth.
        begun = min(before, boot if boot is not None else before, known["boot"] if known else before)
        after = line.seq + max(1, line.dropped)
        gap: list[int] = []
        late: float | None = None
        if known is None:
            db.execute("INSERT INTO starts VALUES (?, ?, ?, ?)", (device, line.start, begun, after))
        else:
            if known["boot"] - begun > _SAME:
                db.execute(
                    "UPDATE lines SET time = ? + up / 1000.0 WHERE device = ? AND start = ? AND offline",
                    (begun, device, line.start),
                )
            if line.seq > known["next"]:
                gap = self._put(db, device, _missing(line, known["next"], line.seq), at, at - _MOMENT, True)
            elif line.seq < known["next"]:
                late = self._fill(db, device, line, at, begun)
            db.execute(
                "UPDATE starts SET boot = ?, next = max(next, ?) WHERE device = ? AND start = ?",
                (begun, after, device, line.start),
            )
        time = min(at, begun + line.up / 1000) if line.offline else at
        return gap + self._put(db, device, line, at, time if late is None else late, False)

    def _put(
        self, db: sqlite3.Connection, device: str, line: Line, at: float, time: float, guessed: bool
    ) -> list[int]:
        put = db.execute(
            "INSERT OR IGNORE INTO lines (device, start, seq, up, at, time, level, text, offline, dropped, "
            "guessed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (device, line.start, line.seq, line.up, at, time, line.level, line.text, line.offline,
             line.dropped, guessed),
        )  # fmt: skip
        return [put.lastrowid] if put.rowcount and put.lastrowid else []

    def _fill(self, db: sqlite3.Connection, device: str, line: Line, at: float, begun: float) -> float | None:
        """A line that was thought to be lost has come after all: the time that puts it into its place."""
        gap = db.execute(
            "SELECT id, seq, dropped, time FROM lines WHERE device = ? AND start = ? AND guessed "
            "AND seq <= ? AND seq + dropped > ?",
            (device, line.start, line.seq, line.seq),
        ).fetchone()
        if gap is None:
            return None
        db.execute("DELETE FROM lines WHERE id = ?", (gap["id"],))
        end = gap["seq"] + gap["dropped"]
        time = min(begun + line.up / 1000, gap["time"] - _MOMENT)
        for first, last, when in (
            (gap["seq"], line.seq, time - _MOMENT),
            (line.seq + max(1, line.dropped), end, gap["time"]),
        ):
            if first < last:
                self._put(db, device, _missing(line, first, last), at, when, True)
        return time

    def _forget(self, db: sqlite3.Connection) -> None:
        """The oldest go when there are too many, or they take too much."""
        first, last = db.execute("SELECT min(id), max(id) FROM lines").fetchone()
        if last is None:
            return
        over = last - first + 1 - self._lines
        if over > self._lines * _SLACK or (over > 0 and self._lines < 1000):
            db.execute("DELETE FROM lines WHERE id <= ?", (last - self._lines,))
        if self._bytes:
            size, pages, free = (
                db.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_size", "page_count", "freelist_count")
            )
            if (pages - free) * size > self._bytes:
                count = db.execute("SELECT count(*) FROM lines").fetchone()[0]
                db.execute(
                    "DELETE FROM lines WHERE id IN (SELECT id FROM lines ORDER BY id LIMIT ?)",
                    (max(1, count // 10),),
                )
        db.execute("PRAGMA incremental_vacuum(200)")

    def note(self, device: str, status: Message, seen: float, claimed: bool) -> None:
        """What a device last said of itself."""
        self._writer.execute(
            "INSERT OR REPLACE INTO devices VALUES (?, ?, ?, ?)",
            (device, json.dumps(status), seen, claimed),
        )

    def forget(self, device: str) -> None:
        """A device that is gone for good, with its lines."""
        with _transaction(self._writer) as db:
            for table in ("lines", "starts", "devices"):
                db.execute(f"DELETE FROM {table} WHERE device = ?", (device,))

    # Reading

    def devices(self) -> list[tuple[str, Message, float, bool]]:
        """What is known of all: (device, status, when it was last heard, claimed)."""
        rows = self._reader.execute("SELECT * FROM devices").fetchall()
        return [(r["device"], json.loads(r["status"]), r["seen"], bool(r["claimed"])) for r in rows]

    def find(self, wanted: Filter, before: tuple[float, int] | None = None, most: int = 200) -> list[Message]:
        """The latest lines that fit, oldest first; before: (time, id) of the one that they precede."""
        where: list[str] = ["level >= ?"]
        values: list[Any] = [wanted.level]
        for condition, value in (
            ("device = ?", wanted.device or None),
            ("time >= ?", wanted.since),
            ("time < ?", wanted.until),
            ("contains(text, ?)", " ".join(wanted.words) or None),
        ):
            if value is not None:
                where.append(condition)
                values.append(value)
        if before is not None:
            where.append("(time, id) < (?, ?)")
            values += before
        rows = self._reader.execute(
            f"SELECT {_COLUMNS} FROM lines WHERE {' AND '.join(where)} ORDER BY time DESC, id DESC LIMIT ?",
            (*values, most),
        ).fetchall()
        return [_message(row) for row in reversed(rows)]

    def count(self) -> int:
        """How many lines are kept."""
        return self._reader.execute("SELECT count(*) FROM lines").fetchone()[0]

    def fact(self, name: str, make: Callable[[], str]) -> str:
        """Something that is made once and kept."""
        row = self._writer.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        if row is None:
            self._writer.execute("INSERT INTO facts VALUES (?, ?)", (name, value := make()))
            return value
        return row["value"]


class _transaction:
    """All of it or nothing."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> sqlite3.Connection:
        self._db.execute("BEGIN IMMEDIATE")
        return self._db

    def __exit__(self, kind: Any, *_: object) -> None:
        if kind is None:
            self._db.execute("COMMIT")
        elif self._db.in_transaction:
            self._db.execute("ROLLBACK")


def _missing(line: Line, first: int, last: int) -> Line:
    lost = last - first
    text = f"{lost} line{'' if lost == 1 else 's'} lost"
    return Line(line.start, first, line.up, 1, text, line.offline, lost)


def _message(row: sqlite3.Row) -> Message:
    message = {name: row[name] for name in ("id", "device", "seq", "time", "text", "dropped")}
    message["level"] = messages.LEVELS[row["level"]]
    message["offline"] = bool(row["offline"])
    return message


def why(error: sqlite3.Error) -> str:
    """An error of the database, and what to do."""
    text = str(error)
    if "full" in text:
        return "the disk is full; make room, and what came meanwhile is written then"
    if "locked" in text:
        return "another program holds it; end that one"
    if "readonly" in text or "unable to open" in text:
        return f"it cannot be written ({text}); see to its permissions, or name another: --logs FILE"
    if isinstance(error, sqlite3.OperationalError):
        return text
    return f"it is damaged, or no log ({text}); move it away, or name another: --logs FILE"
