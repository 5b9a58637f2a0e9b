"""Where things are: the tools work in a checkout of the project."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DESK_PATH = ":".join((str(ROOT / "boards" / "unix"), str(ROOT / "firmware"), ".frozen"))


def micropython() -> str:
    """The unix port: $MICROPYTHON, the one beside this Python, the one in .venv, or on the path."""
    for path in (Path(sys.executable).parent / "micropython", ROOT / ".venv" / "bin" / "micropython"):
        if path.exists():
            return os.environ.get("MICROPYTHON") or str(path)
    return os.environ.get("MICROPYTHON") or shutil.which("micropython") or "micropython"
