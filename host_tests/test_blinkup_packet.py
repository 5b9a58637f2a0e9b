"""firmware/lutin/blinkup/packet.py: what a packet says, and every way in which it says nothing."""

from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lightmaker import crc16, packet, record
from unixport import Rig

NAME = record(1, b"testnet")
PASSWORD = record(6, b"hunter22")
TOKEN = record(5, bytes(range(16)))
STATIC = record(11, bytes([192, 168, 7, 20, 255, 255, 255, 0, 192, 168, 7, 1, 192, 168, 7, 1]))
PROXY = record(13, b"\x78\x1f\x05proxy\x04user\x06secret")


def checked(records):
    """The records with our check behind them."""
    return records + record(0x80, crc32(records).to_bytes(4, "big"))


@pytest.fixture(scope="module")
def rig():
    with Rig("blinkup") as r:
        yield r


@pytest.fixture(scope="module")
def parse(rig):
    def call(records, crc=None):
        body = packet(records)[1:]
        return rig.call("parse", body if crc is None else body[:-2] + crc)

    return call


def test_the_published_vectors_are_understood(rig):
    body = bytes.fromhex("250107746573746e6574060868756e74657232320510ffeeddccbbaa99887766554433221100b4c0")
    assert rig.call("parse", body) == {"ssid": "testnet", "password": "hunter22"}
    records = record(1, b"my home") + record(6, b"correct horse battery")
    whole = packet(records + record(5, bytes.fromhex("ffeeddccbbaa99887766554433221100")))
    assert whole[1] == 0x32 and whole[-2:].hex() == "31c0"
    assert rig.call("parse", whole[1:]) == {"ssid": "my home", "password": "correct horse battery"}
    assert rig.call("parse", bytes.fromhex("0207001d41")) == {"clear": True}


@given(st.binary(max_size=300))
def test_the_vendors_check_is_computed_as_the_vendor_does(rig, data):
    assert rig.call("crc16", data) == crc16(data)


def test_every_record_is_read(parse):
    records = NAME + PASSWORD + STATIC + PROXY + TOKEN + record(4)
    assert parse(records) == {
        "ssid": "testnet",
        "password": "hunter22",
        "static": ["192.168.7.20", "255.255.255.0", "192.168.7.1", "192.168.7.1"],
        "proxy": {"server": "proxy", "port": 8056, "user": "user", "password": "secret"},
        "upgrade": True,
    }
    ours = (
        record(0x81, b"http://u/") + record(0x82, b"mqtt://b") + record(0x83, "Küche".encode()) + record(0x84)
    )
    assert parse(checked(NAME + ours)) == {
        "ssid": "testnet",
        "server": "http://u/",
        "broker": "mqtt://b",
        "name": "Küche",
        "add": True,
        "checked": True,
    }


def test_the_identity_in_the_light_is_forgotten(parse):
    assert parse(NAME + TOKEN) == {"ssid": "testnet"}


def test_unknown_records_are_skipped_and_the_rest_is_kept(parse):
    assert parse(NAME + record(99, b"whatever") + PASSWORD) == {"ssid": "testnet", "password": "hunter22"}


@pytest.mark.parametrize(
    ("records", "name"),
    [
        (b"", "length"),
        (NAME[:-1], "record-overflow"),
        (NAME + b"\x06", "record-overflow"),
        (NAME + NAME, "record-twice"),
        (record(1), "record-length"),
        (record(1, b"x" * 33), "record-length"),
        (record(1, b"\xff\xfe"), "not-utf8"),
        (record(1, b"a\0b"), "not-utf8"),
        (NAME + record(6, b"short77"), "password"),
        (NAME + record(6, b"x" * 65), "password"),
        (NAME + record(6, b"g" * 64), "password"),
        (PASSWORD, "network-missing"),
        (STATIC, "network-missing"),
        (PASSWORD + NAME, "order"),
        (NAME + TOKEN + PASSWORD, "order"),
        (NAME + record(5, b"short"), "enrolment"),
        (NAME + record(11, bytes(12)), "static-address"),
        (NAME + record(13, b"\x00"), "proxy"),
        (NAME + record(13, b"\x00\x50\x09short"), "proxy"),
        (NAME + record(13, b"\x00\x50\x01a\x01b\x01c\x01d"), "proxy"),
        (NAME + record(4, b"x"), "record-length"),
        (NAME + record(7), "clear-with-others"),
        (record(7, b"x"), "clear-with-others"),
        (record(3), "wps"),
        (record(3, b"12345670") + TOKEN, "wps"),
        (record(0x80, bytes(4)) + NAME, "check-not-last"),
        (NAME + record(0x80, bytes(4)), "check"),
        (NAME + record(0x80, bytes(3)), "check"),
        (checked(record(0x83, b"n" * 33)), "record-length"),
    ],
)
def test_each_broken_rule_is_refused_by_its_name(parse, records, name):
    assert parse(records) == {"refused": name}


def test_a_wrong_crc_is_refused(parse):
    assert parse(NAME, crc=b"\0\0") == {"refused": "crc"}


def test_two_flipped_bits_that_the_vendors_check_lets_pass_are_caught_by_ours(rig):
    forged = bytes.fromhex("24010bc86f6d65487562342d3247060f636f72f26563742d686f7273652d3980044e5eec49bd81")
    assert crc16(forged[:-2]) == int.from_bytes(forged[-2:], "big")
    assert rig.call("parse", forged) == {"refused": "check"}


@given(st.binary(max_size=260))
def test_no_bytes_crash_it(rig, data):
    """With a true CRC, so that what lies behind the check is reached."""
    body = packet(data[:255])[1:]
    answer = rig.call("parse", body)
    known = "ssid password static proxy clear upgrade server broker name add checked"
    assert "refused" in answer or answer.keys() <= set(known.split())


@given(
    st.text(min_size=1).filter(lambda s: 1 <= len(s.encode(errors="surrogatepass")) <= 32 and "\0" not in s),
    st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), min_size=8, max_size=63),
    st.binary(max_size=20),
)
def test_what_was_sent_is_what_is_read(rig, name, password, unknown):
    try:
        raw = name.encode()
    except UnicodeEncodeError:
        return
    records = record(1, raw) + record(6, password.encode()) + record(200, unknown)
    expected = {"ssid": name, "password": password}
    assert rig.call("parse", packet(records)[1:]) == expected
    assert rig.call("parse", packet(checked(records))[1:]) == {**expected, "checked": True}


@given(
    st.lists(st.sampled_from([NAME, PASSWORD, STATIC, PROXY, TOKEN, record(4), record(0x84)]), max_size=6),
    st.data(),
)
def test_with_our_check_no_flipped_bits_pass(rig, records, data):
    body = bytearray(packet(checked(NAME + b"".join(records))[:255])[1:-2])
    for _ in range(data.draw(st.integers(1, 4))):
        bit = data.draw(st.integers(8, len(body) * 8 - 1))
        body[bit // 8] ^= 1 << bit % 8
    answer = rig.call("parse", bytes(body) + crc16(bytes(body)).to_bytes(2, "big"))
    original = rig.call("parse", packet(checked(NAME + b"".join(records))[:255])[1:])
    assert "refused" in answer or answer == original or not answer.get("checked")
