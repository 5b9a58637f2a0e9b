"""`lutin decode`: recorded light through the firmware's own receiver."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from .paths import DESK_PATH, micropython

_SCRIPT = Path(__file__).with_name("decode_on_micropython.py")
_PAIR = 6  # bytes: uint32 µs, uint16 value


def run(traces: list[Path], show_password: bool) -> int:
    """Print a line for each trace; 0 when all could be read, whatever they said."""
    worst = 0
    for trace in traces:
        line = decode(trace)
        worst = worst or (2 if "error" in line else 0)
        print(json.dumps(line if show_password else masked(line), ensure_ascii=False), flush=True)
    return worst


def decode(trace: Path) -> dict[str, Any]:
    """What a trace says: the first packet that was understood, else the last failure.

    Keys: trace, settings (or null), stage ("done", "packet", "symbols" or "sync"), reason, mode, rate
    (symbols a second), grey (percent of white), pulses, at (s), samples, packets (how many were
    understood), failures (the reasons of those that were not); or trace, error.
    """
    name = str(trace)
    try:
        data = sys.stdin.buffer.read() if name == "-" else trace.read_bytes()
    except OSError as error:
        return {"trace": name, "error": error.strerror or str(error)}
    if not data or len(data) % _PAIR:
        return {
            "trace": name,
            "error": f"{len(data)} bytes are no trace: it is made of pairs of {_PAIR} bytes",
        }
    done = subprocess.run(
        [micropython(), "-X", "heapsize=4M", str(_SCRIPT)],
        input=data,
        capture_output=True,
        env={**os.environ, "MICROPYPATH": DESK_PATH},
        check=False,
    )
    if done.returncode:
        return {"trace": name, "error": (done.stdout + done.stderr).decode(errors="replace").strip()}
    results = [json.loads(line) for line in done.stdout.decode().splitlines()]
    understood = [result for result in results if result["settings"] is not None]
    nothing: dict[str, Any] = dict(
        settings=None, stage="sync", reason="no-sync", mode=None, rate=None, grey=None
    )
    best = (understood or results[-1:] or [{**nothing, "pulses": 0, "at": None}])[0]
    return {
        "trace": name,
        **best,
        "samples": len(data) // _PAIR,
        "packets": len(understood),
        "failures": [result["reason"] for result in results if result["settings"] is None],
    }


def masked(value: Any) -> Any:
    """The same, with every password replaced by asterisks that do not tell its length."""
    if isinstance(value, dict):
        return {k: "********" if k == "password" and v else masked(v) for k, v in value.items()}
    if isinstance(value, str):
        return re.sub(r"(://[^/@:]*):[^/@]*@", r"\1:********@", value)
    return value
