"""firmware/lutin/broker/ against a broker that is wrong, or slow, or silent; in virtual time."""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqtt import packet
from unixport import Rig

BASE = b"lutin/24ab/"
NAMES = {
    "broker-malformed",
    "broker-refused",
    "not-mqtt",
    "landing-page-http",
    "connection-lost",
    "timed-out",
    "silent",
}


@pytest.fixture(scope="module")
def rig():
    with Rig("broker", heap="4M") as r:
        yield r


def publish(topic: bytes, data: bytes, qos: int = 1, retained: bool = False, number: int = 9) -> bytes:
    body = struct.pack(">H", len(topic)) + topic + (struct.pack(">H", number) if qos else b"") + data
    return packet(0x30 | qos << 1 | retained, body)


def failure(rig: Rig, ms: int = 100000, **plan) -> tuple[str, str]:
    """What a connection that goes by this plan fails with."""
    rig.call("fake", plan, {"hang_up": True, "greeting": b""})
    rig.call("run", ms)
    told = [text for _, _, text, _ in rig.call("told") if text and text != "broker.example"]
    name, _, detail = told[0].partition(" (") if told else ("", "", "")
    return name, detail.rstrip(")")


def test_each_refusal_of_the_login_has_its_name_and_shows_its_light(rig):
    said = {}
    for code in range(1, 6):
        said[code] = failure(rig, 300, greeting=b"\x20\2\0" + bytes([code]))
        assert rig.call("told")[-1][1] == "broker-refused"
    assert set(said.values()) == {
        ("broker-refused", detail)
        for detail in ("protocol", "id rejected", "server unavailable", "bad login", "not authorised")
    }
    assert len(set(said.values())) == 5


@pytest.mark.parametrize(
    ("plan", "name", "state"),
    [
        ({"greeting": b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n"}, "landing-page-http", "landing-page"),
        ({"greeting": b"<html>"}, "landing-page-http", "landing-page"),
        ({"greeting": b"SSH-2.0-x\r\n"}, "not-mqtt", "no-broker"),
        ({"greeting": b"\x20\x03\0\0\0"}, "not-mqtt", "no-broker"),
        ({"greeting": b"\x20\2\1\5"}, "broker-malformed", "no-broker"),
        ({"greeting": b"\x20\2\0\x77"}, "broker-malformed", "no-broker"),
        ({"error": 111}, "refused", "no-broker"),
        ({"error": 118}, "no-route", "no-broker"),
        ({"mute": True}, "silent", "no-broker"),
        ({"deaf": True}, "timed-out", "no-broker"),
        ({"granted": b"\1\1"}, "broker-malformed", "no-broker"),
        ({"granted": b"\1\3\1"}, "broker-malformed", "no-broker"),
        ({"after": b"\x62\2\0\1"}, "broker-malformed", "no-broker"),
        ({"after": b"\x40\2\0\0"}, "broker-malformed", "no-broker"),
        ({"after": publish(BASE + b"in/x", b"12345", qos=2)}, "broker-malformed", "no-broker"),
        ({"after": publish(BASE + b"in/\xed\xa0\x80", b"1")}, "broker-malformed", "no-broker"),
        ({"after": publish(BASE + b"in/\xc0\xaf", b"1")}, "broker-malformed", "no-broker"),
        ({"after": publish(BASE + b"in/+", b"1")}, "broker-malformed", "no-broker"),
        ({"after": publish(BASE + b"in/x", b"1", number=0)}, "broker-malformed", "no-broker"),
        ({"after": b"\x30\x80\x80\x80\x80\x01"}, "broker-malformed", "no-broker"),
    ],
)
def test_what_a_broker_does_wrong_has_a_name_and_a_light(rig, plan, name, state):
    assert failure(rig, **plan)[0] == name
    assert state in [told[1] for told in rig.call("told")]
    assert rig.call("alive")


def test_a_landing_page_in_the_brokers_place_is_named_and_shown_as_one(rig):
    rig.call("new", {"broker": "mqtt://broker.example"})
    rig.call("landing", "page")
    rig.call("run", 3000)
    assert rig.call("told")[2][1:3] == ["landing-page", "landing-page-http (instead of the broker)"]
    rig.call("new", {"broker": "mqtts://broker.example"})
    rig.call("landing", "page")
    rig.call("run", 3000)
    assert rig.call("told")[2][1] == "no-broker" and "speaks no TLS" in rig.call("told")[2][2]


def test_a_broker_that_stops_at_any_byte_of_its_answers_is_left_in_time(rig):
    for limit in range(4):
        assert failure(rig, 16000, limit=limit) == ("timed-out", "no answer to the login")
    for limit in range(4, 11):
        assert failure(rig, 70000, limit=limit)[0] in ("silent", "timed-out"), limit
    rig.call("fake", {})
    rig.call("until", "connected", 1000)
    rig.call("block", True)
    rig.call("send", "x", b"1")
    rig.call("run", 20000)
    assert "timed-out (the broker takes nothing)" in [text for _, _, text, _ in rig.call("told")]


WRONG = st.one_of(
    st.binary(max_size=60),
    st.builds(packet, st.integers(0, 255), st.binary(max_size=40)),
    st.builds(
        publish,
        st.sampled_from([BASE + b"command", BASE + b"in/x", b"homeassistant/status", b"\xff", b""]),
        st.binary(max_size=30),
        st.integers(0, 3),
        st.booleans(),
        st.integers(0, 2),
    ),
    st.builds(
        bytes,
        st.lists(st.sampled_from([0x20, 0x30, 0x32, 0x40, 0x50, 0x70, 0x80, 0xFF, 0, 1, 2]), max_size=12),
    ),
)


@given(
    st.lists(
        st.tuples(st.sampled_from(["greeting", "after", "after"]), WRONG, st.integers(1, 40)), max_size=8
    )
)
def test_whatever_a_broker_sends_it_ends_by_name_and_leaves_no_memory_behind(rig, cases):
    ends, grown = rig.call("ends", cases)
    assert len(ends) == len(cases)
    assert {name for name, _ in ends} <= NAMES
    assert grown < 5000  # what the rig notes down


def test_a_message_that_is_too_long_is_skipped_and_named_and_what_follows_it_arrives(rig):
    rig.call("fake", {"after": publish(BASE + b"in/x", bytes(5000)) + publish(BASE + b"in/x", b"0")})
    rig.call("run", 2000)
    assert rig.call("heard") == [1, None]
    assert [body for _, body in rig.call("got", 0x40)] == [b"\0\x09", b"\0\x09"]
    assert any("a message to lutin/24ab/in/x is too long" in line for line in rig.call("lines"))
    assert rig.call("report")["state"] == "connected"


def test_a_command_is_acknowledged_before_it_is_carried_out_and_told_whether_it_was_retained(rig):
    rig.call(
        "fake",
        {"after": publish(BASE + b"command", b"restart") + publish(BASE + b"command", b"x", retained=True)},
    )
    rig.call("run", 100)
    assert rig.call("obeyed") == [[b"restart", False, 1], [b"x", True, 2]]


def test_the_status_is_said_at_most_once_a_second_and_at_least_once_a_minute(rig):
    rig.call("fake", {})
    rig.call("run", 100)

    def said():
        return len([body for _, body in rig.call("got", 0x30) if b"/status" in body[:24]])

    for _ in range(50):
        rig.call("changed")
        rig.call("run", 100)
    assert 5 <= said() <= 7
    before = said()
    rig.call("run", 300000)
    assert 5 <= said() - before <= 6


def test_what_an_earlier_life_left_half_done_is_released_before_any_line_is_sent(rig):
    rig.call("fake", {"greeting": b"\x20\2\1\0"})
    rig.call("run", 100)
    assert [body[1] for _, body in rig.call("got", 0x60)][:4] == [4, 3, 2, 1]
    packets = [kind & 0xF6 for kind, _ in rig.call("got")]
    assert packets.index(0x62) < packets.index(0x34)  # a line


def test_a_broker_that_was_found_and_not_set_is_neither_asked_nor_obeyed(rig):
    rig.call(
        "fake",
        {"after": b"", "greeting": b"\x20\2\0\0" + publish(BASE + b"command", b"restart")},
        server="http://x",
    )
    rig.call("find", "192.168.1.5", 1883)
    assert rig.call("until", "found", 20000)
    rig.call("run", 5000)
    assert rig.call("obeyed") == [] and rig.call("got", 0x80) == []
    topics = {body[2 : 2 + body[1]] for _, body in rig.call("got", 0x30)}
    assert topics == {BASE + b"availability", BASE + b"status", BASE + b"log"}
    assert rig.call("got", 0x10)[0][1][7] & 2  # a clean session
    assert rig.call("told") == []  # and the light knows nothing of it


def test_attempts_come_less_often_up_to_five_minutes_and_the_light_opens_once(rig):
    rig.call("fake", {"error": 111})
    rig.call("run", 7200000)
    told = rig.call("told")
    at = [ms for ms, state, _, _ in told if state == "no-broker"]
    gaps = [b - a for a, b in pairwise(at)]
    assert 500 <= gaps[0] <= 1000 and 150000 <= max(gaps) <= 300000 and 24 <= len(at) <= 60
    assert [news for _, _, _, news in told].count(True) == 1
    assert len([line for line in rig.call("lines") if "refused" in line]) == 1  # not each of them


def test_a_flood_leaves_the_other_duties_their_turns_and_grows_nothing(rig):
    rig.call("fake", {})
    rig.call("until", "connected", 1000)
    rig.call("run", 1000)
    before = rig.call("held")
    for _ in range(20):
        rig.call("inject", b"".join(publish(BASE + b"in/y", b"12345", 0) for _ in range(200)))
        assert rig.call("turns_in_flood") >= 200
    rig.call("run", 1000)
    assert rig.call("held") - before < 1000


def test_memory_is_flat_over_a_day_with_a_chatty_application(rig):
    marks = rig.call("day", 24, 45000)
    assert max(marks[1:]) - marks[1] < 500, marks


PTR, TXT, SRV, A = 12, 16, 33, 1


def name(*labels: bytes) -> bytes:
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


SERVICE = name(b"_lutin", b"_tcp", b"local")
DESK = name(b"Desk", b"_lutin", b"_tcp", b"local")
HOST = name(b"desk", b"local")


def record(owner: bytes, kind: int, data: bytes) -> bytes:
    return owner + struct.pack(">HHIH", kind, 0x8001, 10, len(data)) + data


def answer(*records: bytes, number: int = 7) -> bytes:
    return (
        struct.pack(">HHHHHH", number, 0x8400, 1, len(records), 0, 0)
        + SERVICE
        + b"\0\x0c\0\1"
        + b"".join(records)
    )


WHOLE = [
    record(SERVICE, PTR, b"\4Desk\xc0\x0c"),
    record(DESK, SRV, struct.pack(">HHH", 0, 0, 1884) + HOST),
    record(DESK, TXT, b"\6path=/\3v=1"),
    record(HOST, A, bytes([192, 168, 1, 9])),
]


def test_a_broker_is_found_from_answers_in_any_order_and_in_several_messages(rig):
    assert rig.call("found", [answer(*WHOLE)]) == [[3, 1884, "192.168.1.9"]]
    assert rig.call("found", [answer(*WHOLE[::-1])]) == [[3, 1884, "192.168.1.9"]]
    assert rig.call("found", [answer(one) for one in WHOLE])[-1] == [3, 1884, "192.168.1.9"]
    assert rig.call("found", [answer(*WHOLE, number=8)]) == [[0, 0, ""]]
    other = [*WHOLE[:2], record(DESK, TXT, b"\3v=2"), WHOLE[3]]
    assert rig.call("found", [answer(*other)]) == [[0, 0, ""]]


LOOPS = [b"\xc0\x2b", b"\xc0\x0c", b"\1a\xc0\x28", b"\xff\xff", b"\x40abc", b"\x3f", b""]


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=80).map(lambda data: struct.pack(">H", 7) + data),
            st.tuples(st.permutations(WHOLE), st.integers(0, 200), st.sampled_from(LOOPS)).map(
                lambda t: answer(*t[0])[: t[1]] + t[2]
            ),
            st.sampled_from(LOOPS).map(
                lambda bad: answer(record(SERVICE, PTR, bad), record(bad, SRV, bytes(7)))
            ),
        ),
        max_size=6,
    )
)
def test_no_answer_about_brokers_breaks_the_one_who_asks(rig, messages):
    for step, port, address in rig.call("found", messages):
        assert bool(address) == (step == 3) and 0 <= port < 65536
