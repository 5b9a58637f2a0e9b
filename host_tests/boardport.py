"""A real board for tests: calls functions of host_tests/rigs/onboard.py over its serial line, by mpremote's transport."""

from __future__ import annotations

import json
from typing import Any

from lutin_tools.paths import ROOT
from unixport import RigError, from_wire, to_wire

AGENT = ROOT / "host_tests" / "rigs" / "onboard.py"


class BoardRig:
    """The same face as unixport.Rig. The modules are those of the board's filesystem; nothing is written there."""

    def __init__(self, port: str) -> None:
        from mpremote.transport_serial import SerialTransport  # who has no board does not need it

        self.output: list[str] = []
        self._line = SerialTransport(port, timeout=5)
        # From its soft reset on the board has run boot.py, which has put a slot on the path, and not main.py. The
        # desk's stand-in behind a terminal has no such reset, and nothing in its memory yet.
        self._line.enter_raw_repl(soft_reset=not self._line.is_pty)
        self._line.exec(AGENT.read_bytes())

    def call(self, function: str, *args: Any, **kwargs: Any) -> Any:
        """Call a function of the agent; raises RigError with what MicroPython raised."""
        ask = json.dumps({"call": function, "args": to_wire(args), "kwargs": to_wire(kwargs)})
        said = self._line.exec_raw(f"_ask({ask!r})", timeout=60)
        if said[1]:
            raise RigError("Board", said[1].decode(errors="replace"), "")
        for line in said[0].decode(errors="replace").splitlines():
            if line.startswith("\x02"):
                answer = json.loads(line[1:])
                if "error" in answer:
                    raise RigError(answer["error"], answer["text"], "\n".join(self.output[-12:]))
                return from_wire(answer["ok"])
            self.output.append(line)
        raise RigError("NoAnswer", "", "\n".join(self.output[-12:]))

    def close(self) -> None:
        """The board goes back to its work."""
        try:
            self.call("end")
            self._line.exit_raw_repl()
        finally:
            self._line.close()
