"""Brings Home Assistant's MQTT integration into .cache/, once, for the tests that talk to the real one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from lutin_tools.paths import ROOT

VERSION = "2025.1.4"  # the last one that Python 3.12 can run
_HERE = Path(__file__).parent
# Of its thousand integrations those that MQTT and its entities import.
_INTEGRATIONS = (
    *("auth", "backup", "binary_sensor", "button", "device_automation", "device_tracker", "diagnostics"),
    *("file_upload", "frontend", "hassio", "homeassistant", "http", "image_upload", "light", "lock", "mqtt"),
    *("network", "onboarding", "panel_custom", "persistent_notification", "person", "scene", "sensor", "sun"),
    *("system_health", "update", "websocket_api", "zone"),
)


class Missing(Exception):
    """Why there is no Home Assistant here, for a person."""


def command() -> tuple[list[str], dict[str, str]]:
    """The command line that runs homeassistant_core.py, before its argument; and its environment."""
    python = _python()
    tag = subprocess.check_output(
        [python, "-c", "import sys; print('%d%d' % sys.version_info[:2])"], text=True
    ).strip()
    folder = ROOT / ".cache" / "homeassistant" / f"{VERSION}-py{tag}"
    if not folder.exists():
        _bring(python, folder)
    return [python, str(_HERE / "homeassistant_core.py")], {**os.environ, "PYTHONPATH": str(folder)}


def _python() -> str:
    """A Python that can run it; pyenv's are found too."""
    found = [sys.executable, *(shutil.which(name) or "" for name in ("python3.13", "python3.12"))]
    found += map(str, sorted(Path.home().glob(".pyenv/versions/3.1[23].*/bin/python3"), reverse=True))
    for one in filter(None, found):
        test = "import sys, pip; sys.exit(not (3, 12) <= sys.version_info[:2] <= (3, 13))"
        if subprocess.run([one, "-c", test], check=False, capture_output=True).returncode == 0:
            return one
    raise Missing("Home Assistant needs Python 3.12 or 3.13, and there is none")


def _bring(python: str, folder: Path) -> None:
    """Whole, or not at all: another run may be doing the same."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        new = Path(place, "new")
        pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        _run([*pip, "install", "--no-deps", "--target", str(new), "-r", str(_HERE / "homeassistant.txt")])
        _run([*pip, "download", "--no-deps", "-d", place, f"homeassistant=={VERSION}"])
        (wheel,) = Path(place).glob("homeassistant-*.whl")
        with zipfile.ZipFile(wheel) as packed:
            for name in packed.namelist():
                parts = name.split("/")
                if (
                    parts[:2] != ["homeassistant", "components"]
                    or len(parts) == 3
                    or parts[2] in _INTEGRATIONS
                ):
                    packed.extract(name, new)
        try:
            new.rename(folder)
        except OSError:
            if not folder.exists():
                raise


def _run(command: list[str]) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        why = (done.stderr.strip() or "pip failed").splitlines()[-1]
        raise Missing(f"Home Assistant {VERSION} cannot be had: {why}")
