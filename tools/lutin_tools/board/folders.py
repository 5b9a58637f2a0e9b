"""Where the boards' folders are."""

from __future__ import annotations

from pathlib import Path

from ..paths import ROOT
from .description import DESCRIPTION, Board, BoardError, load

FOLDER = ROOT / "boards"


def folders() -> list[Path]:
    """Every board's folder, by name."""
    return sorted(path.parent for path in FOLDER.glob(f"*/{DESCRIPTION}"))


def find(name: str | Path) -> Path:
    """A board's folder, from its name or its path."""
    path = Path(name)
    return FOLDER / path if len(path.parts) == 1 and not path.is_dir() else path


def named(name: str) -> Board:
    """The board of this name, for programs; BoardError with the names that there are."""
    path = find(name)
    if not (path / DESCRIPTION).exists():
        names = ", ".join(folder.name for folder in folders())
        raise BoardError([f"There is no board {name}; there are {names}."])
    return load(path)
