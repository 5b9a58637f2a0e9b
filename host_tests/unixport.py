"""Runs MicroPython modules under the unix port and calls their functions from pytest."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from typing import Any

from lutin_tools.paths import ROOT, micropython

RIGS = ROOT / "host_tests" / "rigs"
PATH = [RIGS, ROOT / "boards" / "unix", ROOT / "firmware"]


class RigError(Exception):
    """An exception that came out of MicroPython: its class name, text and traceback."""

    def __init__(self, name: str, text: str, trace: str) -> None:
        super().__init__(f"{name}: {text}\n{trace}")
        self.name = name
        self.text = text
        self.trace = trace


def to_wire(value: Any) -> Any:
    """bytes become {"hex": …}, at any depth."""
    if isinstance(value, (bytes, bytearray)):
        return {"hex": bytes(value).hex()}
    if isinstance(value, dict):
        return {k: to_wire(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_wire(v) for v in value]
    return value


def from_wire(value: Any) -> Any:
    """{"hex": …} becomes bytes, at any depth."""
    if isinstance(value, dict):
        if set(value) == {"hex"}:
            return bytes.fromhex(value["hex"])
        return {k: from_wire(v) for k, v in value.items()}
    if isinstance(value, list):
        return [from_wire(v) for v in value]
    return value


class Rig:
    """One process of the unix port that has imported host_tests/rigs/<name>.py."""

    def __init__(self, name: str, heap: str = "8M", options: Sequence[str] = ()) -> None:
        self.name = name
        self.output: list[str] = []  # what it printed beside its answers
        library = os.environ.get("MICROPYTHON_LIB", ".frozen")  # a build without frozen modules has them here
        env = dict(os.environ, MICROPYPATH=":".join([*map(str, PATH), library]))
        self.process = subprocess.Popen(
            [micropython(), "-X", f"heapsize={heap}", *options, str(RIGS / "agent.py"), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env=env,
            text=True,
            encoding="utf-8",
        )

    def call(self, function: str, *args: Any, **kwargs: Any) -> Any:
        """Call a function of the rig; raises RigError with what MicroPython raised."""
        assert self.process.stdin and self.process.stdout
        ask = {"call": function, "args": to_wire(args), "kwargs": to_wire(kwargs)}
        self.process.stdin.write(json.dumps(ask) + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("\x02"):
                answer = json.loads(line[1:])
                if "error" in answer:
                    raise RigError(answer["error"], answer["text"], answer["trace"])
                return from_wire(answer["ok"])
            self.output.append(line.rstrip("\n"))
        raise RigError("ProcessEnded", f"exit code {self.process.wait()}", "\n".join(self.output[-30:]))

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()

    def __enter__(self) -> Rig:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
