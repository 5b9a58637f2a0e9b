"""firmware/lutin/broker/status.py: what a device says of itself, and what it keeps to itself."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unixport import Rig
from words import ID, failed, report, to_bytes

BOUND = 2500


@pytest.fixture(scope="module")
def rig():
    with Rig("broker_words") as r:
        yield r


def status(rig, **changed):
    return json.loads(rig.call("said", to_bytes(report(**changed)))["status"])


def test_the_status_has_these_fields_and_no_others(rig):
    assert status(rig, update={"trial": {"slot": "b", "number": 3, "boots": 1, "of": 3}}) == {
        "id": ID,
        "name": "Kitchen",
        "board": "esp32-devkit",
        "state": {"number": 17, "name": "connected", "sentence": "Connected.", "detail": ""},
        "network": {
            "ssid": "Home",
            "bssid": "02:00:00:00:00:01",
            "channel": 6,
            "rssi": -61,
            "address": "192.168.1.20",
            "since": 5,
        },
        "release": {
            "number": 3,
            "version": "0.3",
            "slot": "a",
            "trial": {"number": 3, "boots": 1, "of": 3},
            "rejected": None,
            "suspect": None,
        },
        "update": {"installed": "3", "latest": "3", "percent": None},
        "uptime": 120,
        "restart_cause": "power-on",
        "heap_free": 91000,
        "generation": 4,
        "failure": None,
        "app": "none",
        "broker": "set",
        "log": {"level": "info", "dropped": 0},
    }


@pytest.mark.parametrize(
    ("progress", "percent"),
    [
        (None, None),
        ([0, 7], 0),
        ([400, 1000], 40),
        ([999, 1000], 99),
        ([7, 7], 100),
        ([9, 7], 100),
        ([0, 0], 0),
    ],
)
def test_an_update_is_told_in_whole_percent_from_0_to_100(rig, progress, percent):
    assert status(rig, update={"progress": progress})["update"]["percent"] == percent


def test_before_the_server_was_asked_nothing_is_said_about_the_latest_release(rig):
    assert status(rig, update={"offered": None})["update"] == {
        "installed": "3",
        "latest": None,
        "percent": None,
    }
    assert status(rig, update={"offered": 0})["update"]["latest"] is None


def test_of_several_failures_the_last_one_is_told(rig):
    def last(wifi=None, broker=None, update=None, since=5):
        told = status(
            rig,
            wifi={"last_failure": wifi, "failed": since},
            broker={"failure": broker},
            update={"failure": update},
        )["failure"]
        return told and (told["what"], told["name"], told["detail"], told["count"], told["ago"])

    lost = "'Home': lost (200)"
    assert last(lost) == ("wifi", "lost", "200", 1, 115)
    assert last(lost, failed("timed-out", 30, 4, "no answer")) == ("broker", "timed-out", "no answer", 4, 30)
    assert last(lost, failed("timed-out", 30), since=100) == ("wifi", "lost", "200", 1, 20)
    assert last(None, failed("timed-out", 30), failed("http-404", 29)) == ("update", "http-404", "", 1, 29)
    # One from before this start is the oldest, and is told if there is no other.
    assert last(None, failed("timed-out", 90), failed("http-404", None)) == ("broker", "timed-out", "", 1, 90)
    assert last(None, None, failed("http-404", None, 2)) == ("update", "http-404", "", 2, None)


def test_a_network_cannot_give_a_failure_another_name_by_its_own(rig):
    for ssid in ("x: refused (1)", "x: wrong-password (1)"):
        told = status(rig, wifi={"last_failure": f"'{ssid}': wrong-password (202)"})["failure"]
        assert (told["name"], told["detail"]) == ("wrong-password", "202")


NO_CHANGE = [
    {"wifi": {"rssi": -80}},
    {"heap_free": 50000},
    {"uptime": 121},
    {"broker": {"log": {"level": "info", "dropped": 9}}},
    {"update": {"failure": failed("http-404", 30)}},
]
CHANGES = [
    {"state": {"number": 18, "name": "downloading"}},
    {"state": {"detail": "release 4"}},
    {"wifi": {"ssid": "Other"}},
    {"wifi": {"bssid": "02:00:00:00:00:02"}},
    {"wifi": {"channel": 11}},
    {"wifi": {"address": "192.168.1.21"}},
    {"wifi": {"since": 119}},
    {"wifi": {"last_failure": "'Home': lost (200)", "failed": 110}},
    {"update": {"number": 4}},
    {"update": {"slot": "b"}},
    {"update": {"trial": {"slot": "b", "number": 3, "boots": 1, "of": 3}}},
    {"update": {"rejected": 4}},
    {"update": {"suspect": 4}},
    {"update": {"offered": 4}},
    {"update": {"progress": [1, 100]}},
    {"update": {"failure": failed("http-404", 20, 2)}},
    {"update": {"failure": failed("http-503", 20)}},
    {"broker": {"failure": failed("timed-out", 3)}},
    {"broker": {"log": {"level": "warn", "dropped": 0}}},
    {"settings": {"name": "Cellar"}},
    {"settings": {"broker": ""}},
    {"generation": 5},
    {"app": "stopped"},
]


def test_signal_memory_and_time_by_themselves_are_no_change_and_everything_else_is(rig):
    before = report(update={"failure": failed("http-404", 20)})

    def same(change):
        after = dict(before)
        for name, value in change.items():
            after[name] = {**after[name], **value} if isinstance(value, dict) else value
        return rig.call("same", to_bytes(before), to_bytes(after))

    assert [change for change in NO_CHANGE if not same(change)] == []
    assert [change for change in CHANGES if same(change)] == []


# What may be in a text that others have a hand in: of any kind, also what JSON has to escape, and what
# MicroPython takes for UTF-8 and nobody else does.
HOSTILE = st.text(st.sampled_from('aé€😀"\\\x00\x1f\x7f\x85\ud800\udfff{%\n'), max_size=400)


@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
def test_whatever_others_say_the_status_is_json_and_bounded(rig, detail, failure, version, reason):
    changed = {
        "state": {"detail": detail},
        "update": {"version": version, "failure": failed("http-404", 1, detail=failure)},
        "wifi": {"last_failure": reason},
    }
    said = rig.call("said", to_bytes(report(**changed)))
    assert len(said["status"]) <= BOUND
    told = json.loads(said["status"])
    assert (
        told["state"]["detail"][:5]
        == "".join("?" if c in "\x00\x1f\x7f\x85\ud800\udfff\n" else c for c in detail)[:5]
    )
    assert len(json.loads(said["config"])["dev"]["ids"]) == 1


def test_at_its_longest_the_status_keeps_to_its_bound(rig):
    big = 1 << 30
    said = rig.call(
        "said",
        to_bytes(
            report(
                id="f" * 32,
                board="b" * 32,
                settings={"name": "\\" * 32},
                state={"number": 16, "name": "n" * 16, "sentence": "s" * 70, "detail": "😀" * 300},
                wifi={
                    "ssid": '"' * 32,
                    "address": "255.255.255.255",
                    "since": big,
                    "channel": 13,
                    "rssi": -100,
                },
                update={
                    "number": big,
                    "version": "😀" * 300,
                    "slot": "factory",
                    "trial": {"number": big, "boots": 3, "of": 3},
                    "rejected": big,
                    "suspect": big,
                    "offered": big,
                    "progress": [big, big],
                    "failure": failed("n" * 32, big, big, "😀" * 300),
                },
                uptime=big,
                heap_free=big,
                generation=big,
                restart_cause="c" * 12,
                app="a" * 12,
            )
        ),
    )
    assert 2000 < len(said["status"]) <= BOUND


SECRET = st.text("aZ0-%&$'\\\"{}", min_size=1, max_size=30).map(lambda text: "Secret-" + text)


@given(SECRET, SECRET, SECRET, SECRET)
def test_no_password_of_any_settings_is_in_what_is_said(rig, wifi, proxy, broker, server):
    settings = {
        "ssid": "Home",
        "password": wifi,
        "proxy": {"server": "proxy", "port": 3128, "user": "me", "password": proxy},
        "broker": f"mqtt://me:{broker}@broker.lan/{server}",
        "server": f"https://{server}@releases.lan/?token={broker}",
        "name": "Kitchen",
    }
    public = rig.call("public", to_bytes(settings))
    said = rig.call("said", to_bytes(report(settings=public)))
    assert b"Secret" not in said["status"] + said["config"]


def test_a_whole_device_that_fails_everywhere_says_no_password_in_status_or_log(rig):
    secrets = ["correct-horse-9", "Broker-secret-1", "Server-secret-2"]
    live = rig.call(
        "live",
        {
            "ssid": "Home",
            "password": secrets[0],
            "broker": f"mqtt://me:{secrets[1]}@127.0.0.1:9",
            "server": f"http://me:{secrets[2]}@127.0.0.1:9/",
        },
        90000,
    )
    told = json.loads(live["told"]["status"])
    assert told["network"]["ssid"] == "Home" and told["failure"]["what"] in ("broker", "update")
    everything = (
        live["told"]["status"] + live["told"]["config"] + json.dumps([live["log"], live["report"]]).encode()
    )
    assert b"127.0.0.1" in everything
    assert [secret for secret in secrets if secret.encode() in everything] == []
