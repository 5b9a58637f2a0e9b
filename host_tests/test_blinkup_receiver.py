"""firmware/lutin/blinkup/: light in, settings out, whatever the light is like."""

import json
import random
import struct
from zlib import crc32

import pytest
from lightmaker import pack, packet, record, symbols, trace, transmission
from unixport import ROOT, Rig

LIGHT = ROOT / "host_tests" / "light"
INDEX = json.loads((LIGHT / "index.json").read_text(encoding="utf-8"))
SETTINGS = {"ssid": "HomeHub4-2G", "password": "correct-horse-9"}
PACKET = packet(record(1, b"HomeHub4-2G") + record(6, b"correct-horse-9"))


@pytest.fixture(scope="module")
def rig():
    with Rig("blinkup", heap="32M") as r:
        yield r


def check(records):
    """Our check record."""
    return record(0x80, crc32(records).to_bytes(4, "big"))


def understood(results):
    """The settings of all packets that were taken, without the note that they were checked."""
    return [
        {k: v for k, v in result["settings"].items() if k != "checked"}
        for result in results
        if result["settings"]
    ]


@pytest.mark.parametrize("entry", INDEX, ids=lambda entry: entry["name"])
def test_recorded_light_gives_the_expected_answer(rig, entry):
    results = rig.call("decode_file", str(LIGHT / f"{entry['name']}.bin"), tail_ms=2000)
    assert understood(results) == ([entry["expect"]] if entry["expect"] else [])


# What a room, a screen and a board may do to the light; each with what lightmaker makes of it.
CONDITIONS = {
    **{f"{fps} symbols a second": {"fps": fps} for fps in (10, 15, 20, 24, 30, 45, 60, 72, 90, 120)},
    **{f"grey {grey} at {fps}": {"fps": fps, "grey": grey} for grey in (0.2, 0.52, 0.75) for fps in (20, 60)},
    "50 Hz lamps at 20": {"fps": 20, "mains": 0.15, "mains_hz": 50, "ambient": 0.05},
    "50 Hz lamps at 30": {"fps": 30, "mains": 0.15, "mains_hz": 50, "ambient": 0.05},
    "60 Hz lamps": {"fps": 30, "mains": 0.15, "mains_hz": 60, "ambient": 0.05},
    "100 Hz lamps": {"fps": 60, "mains": 0.2, "mains_hz": 100, "ambient": 0.05},
    "120 Hz lamps": {"fps": 60, "mains": 0.2, "mains_hz": 120, "ambient": 0.05},
    "OLED at 240 Hz": {"fps": 60, "pwm_hz": 240, "pwm_depth": 0.8, "tau_ms": 0.05},
    "OLED at 360 Hz": {"fps": 60, "pwm_hz": 360, "pwm_depth": 0.8, "tau_ms": 0.05},
    "OLED at 480 Hz": {"fps": 30, "pwm_hz": 480, "pwm_depth": 0.6, "tau_ms": 0.05},
    "slow LCD": {"fps": 60, "tau_ms": 8, "grey": 0.52},
    "very slow LCD": {"fps": 30, "tau_ms": 10, "grey": 0.75},
    "dim screen": {"fps": 30, "screen": 0.15, "noise": 0.003},
    "noisy sensor": {"fps": 30, "noise": 0.02},
    "screen getting brighter": {"fps": 30, "ramp": 0.04, "drift": 0.02, "ambient": 0.1},
    "screen getting darker": {"fps": 30, "ramp": -0.02, "drift": -0.005, "ambient": 0.2},
    "late frames": {"fps": 60, "late": 0.2, "jitter_ms": 2},
    "sampling gaps": {"fps": 60, "gap_every": 50, "gap_ms": 4},
    "long sampling gaps": {"fps": 30, "gap_every": 100, "gap_ms": 10},
    "sampling at 500 Hz": {"fps": 60, "sample_us": 2000},
    "sampling at 3 kHz": {"fps": 60, "sample_us": 300},
    "daylight": {"fps": 60, "ambient": 0.5},
    "white beyond the ADC's range": {"fps": 60, "screen": 1.3},
    "dark before it starts": {"fps": 60, "idle_level": 0.0},
    "closing black of one symbol": {"fps": 60, "end": 1, "passes": 2},
    "sync of 64": {"fps": 60, "sync": 64},
    "two-level at 30": {"fps": 30, "mode": "bi"},
    "two-level at 60": {"fps": 60, "mode": "bi"},
    "two-level at 142": {"fps": 142, "mode": "bi"},
    "two-level at 142, OLED": {"fps": 142, "mode": "bi", "pwm_hz": 240, "pwm_depth": 0.6, "tau_ms": 0.05},
    "two-level at 142, slow LCD": {"fps": 142, "mode": "bi", "tau_ms": 5},
    "two-level, lamps": {"fps": 60, "mode": "bi", "mains": 0.1, "ambient": 0.1},
    "two-level, slow LCD": {"fps": 60, "mode": "bi", "tau_ms": 5},
    "two-level, a sensor that is slow to darken": {"fps": 60, "mode": "bi", "tail_ms": 6},
    "a sensor that is slow to darken": {"fps": 60, "tail_ms": 4},
    "two-level, drifting": {"fps": 60, "mode": "bi", "ramp": 0.04, "drift": 0.02, "ambient": 0.1},
    "two-level, each symbol twice": {"fps": 60, "mode": "legacy"},
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_light_is_understood_under(rig, name):
    light = transmission(PACKET, seed=7, **CONDITIONS[name])
    found = understood(rig.call("decode", pack(light)))
    assert found and all(settings == SETTINGS for settings in found)


@pytest.mark.parametrize("mode", ["tri", "bi", "legacy"])
@pytest.mark.parametrize("from_", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_repeating_transmission_may_be_joined_at_any_moment(rig, mode, from_):
    light = transmission(PACKET, mode=mode, passes=2, end=6)
    start = light[-1][0] / 2 * from_
    found = understood(rig.call("decode", pack([s for s in light if s[0] > start])))
    assert found and all(settings == SETTINGS for settings in found)


def test_two_half_passes_never_make_a_packet(rig):
    """The name from one pass, the password from another: what was between is lost."""
    levels = symbols(PACKET)
    half = levels[: len(levels) // 2]
    rest = levels[len(levels) // 2 :]
    for pause in (0, 6, 60, 120):
        shown = [(i * 16667, level) for i, level in enumerate(half + [0.0] * pause + rest[20:] + [0.0] * 10)]
        light = trace(shown, shown[-1][0] + 2_500_000)
        assert understood(rig.call("decode", pack(light), tail_ms=2000)) == []


def test_data_that_looks_like_a_sync_does_not_hide_the_packet(rig):
    """10.0.0.42 holds sixteen zeros and then 0x2A; so do some passwords."""
    address = bytes([10, 0, 0, 42, 255, 0, 0, 0, 10, 0, 0, 42, 10, 0, 0, 42])
    data = packet(record(1, b"barn") + record(6, b"\x01\x01\x01**\x01\x01*") + record(11, address))
    expected = {
        "ssid": "barn",
        "password": "\x01\x01\x01**\x01\x01*",
        "static": ["10.0.0.42", "255.0.0.0", "10.0.0.42", "10.0.0.42"],
    }
    for from_ in (0.0, 0.4, 0.6, 0.75):
        light = transmission(data, passes=2, fps=60)
        start = light[-1][0] / 2 * from_
        found = understood(rig.call("decode", pack([s for s in light if s[0] > start])))
        assert found and all(settings == expected for settings in found), from_


@pytest.mark.parametrize("mode", ["bi", "legacy"])
@pytest.mark.parametrize("byte", [b"\0", b"\xff", b"\x01", b"\xfe"])
def test_long_runs_of_equal_symbols_keep_the_clock(rig, mode, byte):
    data = packet(record(1, b"barn") + record(6, b"hayloft42") + record(5, byte * 5 + b"U" * 11))
    light = transmission(data, mode=mode, fps=60)
    assert understood(rig.call("decode", pack(light))) == [{"ssid": "barn", "password": "hayloft42"}]


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8, 0.97])
@pytest.mark.parametrize("after", [0.0, 1.0])
@pytest.mark.parametrize("mode", ["tri", "bi"])
def test_half_a_packet_is_told_within_two_seconds(rig, share, after, mode):
    levels = symbols(PACKET, mode)
    sync = 64 if mode == "bi" else 32
    cut = sync + int((len(levels) - sync) * share)
    shown = [(i * 16667, level) for i, level in enumerate(levels[:cut])]
    end = shown[-1][0] + 16667
    results = rig.call("decode", pack(trace([*shown, (end, after)], end + 3_000_000)))
    assert [result["settings"] for result in results] == [None]
    assert results[0]["at"] - end < 2_000_000


def test_wps_is_understood_and_refused_by_name(rig):
    light = transmission(packet(record(3, b"12345670")), tail_s=3)
    assert [result["reason"] for result in rig.call("decode", pack(light))] == ["wps"]


def test_a_doubtful_pulse_counts_only_with_our_check(rig):
    """One white is so dull that a shadow may have made it of a grey, or the other way round."""
    records = record(1, b"HomeHub4-2G") + record(6, b"correct-horse-9")
    for data, reasons in ((packet(records), ["doubtful"]), (packet(records + check(records)), [""])):
        levels = symbols(data, end=12)
        whites = [i for i, level in enumerate(levels) if level == 1.0]
        levels[whites[40]] = 0.72
        shown = [(0, 1.0), *((1_000_000 + i * 33333, level) for i, level in enumerate(levels))]
        results = rig.call("decode", pack(trace(shown, shown[-1][0] + 500_000)), tail_ms=2000)
        assert [result["reason"] for result in results] == reasons


def test_ticks_that_wrap_in_the_middle_of_a_packet_do_not_matter(rig):
    light = [((t + (1 << 30) - 5_000_000) & 0x3FFFFFFF, v) for t, v in transmission(PACKET)]
    assert understood(rig.call("decode", pack(light))) == [SETTINGS]


def test_sampling_takes_no_memory(rig):
    """With the heap locked: the collector is off while a packet is being read."""
    assert rig.call("decode_locked", pack(transmission(PACKET))) == 0


def damaged(data, chance):
    """A trace with something done to it that happens to light."""
    size = len(data) // 6
    light = [list(struct.unpack_from("<IH", data, i * 6)) for i in range(size)]
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(size)
        length = chance.choice((10, 40, 150, 1000))
        part = light[at : at + length]
        kind = chance.randrange(6)
        if kind == 0:
            del light[at : at + length]
        elif kind == 1:
            for sample in part:
                sample[1] = chance.choice((0, 11000, 33000, 65535))
        elif kind == 2:
            for sample in part:
                sample[1] = sample[1] * 2 // 5
        elif kind == 3:
            for sample in part:
                sample[1] = chance.randrange(65536)
        elif kind == 4:
            light[at:at] = [list(sample) for sample in part]
            for i in range(at + len(part), len(light)):
                light[i][0] += length * 1080
        else:
            level = chance.choice((0, 8000, 32000))
            for sample in part:
                sample[1] = level
    return b"".join(struct.pack("<IH", t, v) for t, v in light)


@pytest.mark.parametrize("entry", [e for e in INDEX if e["expect"]], ids=lambda entry: entry["name"])
def test_damaged_light_never_gives_false_settings(rig, entry):
    data = (LIGHT / f"{entry['name']}.bin").read_bytes()
    chance = random.Random(entry["name"])
    for _ in range(5):
        found = understood(rig.call("decode", damaged(data, chance)))
        assert all(settings == entry["expect"] for settings in found)


@pytest.mark.parametrize("kind", ["levels", "pulses", "packets", "bits"])
def test_an_hour_of_random_light_gives_no_settings(rig, kind):
    """Fifteen minutes of each of four kinds of light that means nothing."""
    assert rig.call("random_light", kind, 15 * 60, seed=5) == []
