"""The settings: what is refused, by name; what is kept, whole; what is shown, without passwords."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unixport import Rig

IMAGES = Path(__file__).parent / "images"
STATIC = ["192.168.1.50", "255.255.255.0", "192.168.1.1", "192.168.1.1"]
PROXY = {"server": "proxy.lan", "port": 3128, "user": "ann", "password": "proxy secret"}


@pytest.fixture(scope="module")
def rig():
    with Rig("settings") as r:
        yield r


@pytest.fixture(scope="module")
def small_rig():
    # As little memory as a board has left: whatever is thrown at from_bytes must do with it.
    with Rig("settings", heap="160K") as r:
        yield r


def net(ssid: str = "testnet", password: str = "hunter22", **more: Any) -> dict[str, Any]:
    """A packet with a network."""
    return {"ssid": ssid, "password": password, **more}


def encoded(value: Any) -> Any:
    """Texts as the rig expects them."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, (list, tuple)):
        return [encoded(v) for v in value]
    if isinstance(value, dict):
        return {k: encoded(v) for k, v in value.items()}
    return value


def after(rig: Rig, *packets: dict[str, Any], led: int = 0) -> dict[str, Any]:
    """All values after these packets."""
    answer = rig.call("apply", encoded(packets), led)
    assert "refused" not in answer, answer
    return answer["all"]


def refusal(rig: Rig, *packets: dict[str, Any]) -> str | None:
    """The name of the refusal, None if there is none."""
    return rig.call("apply", encoded(packets)).get("refused")


# ---- what a packet does


def test_a_network_replaces_all_others_and_keeps_the_rest(rig):
    first = net("one", server="https://a.example", broker="mqtt://b.example", name="lamp")
    found = after(rig, first, net("two", add=True), net("three"), led=1)
    assert [n["ssid"] for n in found["networks"]] == ["three"]
    assert (found["server"], found["broker"], found["name"]) == (
        "https://a.example",
        "mqtt://b.example",
        "lamp",
    )
    assert found["led"] == 1


def test_add_puts_the_network_first_and_keeps_eight_at_most(rig):
    packets = [net(f"net{i}", add=True) for i in range(10)]
    assert [n["ssid"] for n in after(rig, *packets)["networks"]] == [f"net{i}" for i in range(9, 1, -1)]


def test_add_replaces_a_stored_network_of_the_same_name(rig):
    found = after(rig, net("one"), net("two", add=True), net("one", "another password", add=True))
    assert [(n["ssid"], n["password"]) for n in found["networks"]] == [
        ("one", "another password"),
        ("two", "hunter22"),
    ]


def test_clear_leaves_nothing(rig):
    full = net(static=STATIC, proxy=PROXY, server="http://a", broker="mqtts://b", name="lamp")
    nothing = {"networks": [], "server": "", "broker": "", "name": "", "led": 0}
    assert after(rig, full, {"clear": True, "checked": True}, led=1) == nothing


def test_clear_with_anything_beside_it_is_refused(rig):
    assert refusal(rig, net(clear=True)) == "clear-not-alone"


def test_without_a_network_only_what_the_packet_brings_changes(rig):
    found = after(rig, net(name="lamp", server="http://a"), {"server": "https://b:444/x", "checked": True})
    assert found["networks"][0]["ssid"] == "testnet"
    assert (found["server"], found["name"]) == ("https://b:444/x", "lamp")


def test_an_empty_text_removes_what_was_stored(rig):
    found = after(
        rig, net(name="n", server="http://a", broker="mqtt://b"), {"name": "", "server": "", "broker": ""}
    )
    assert (found["name"], found["server"], found["broker"]) == ("", "", "")
    assert len(found["networks"]) == 1


def test_static_address_and_proxy_belong_to_their_network(rig):
    found = after(rig, net("one", static=STATIC, proxy=PROXY), net("two", add=True))
    assert [n["static"] for n in found["networks"]] == [None, STATIC]
    assert [n["proxy"] for n in found["networks"]] == [None, list(PROXY.values())]


# ---- what is refused


@pytest.mark.parametrize(
    ("packet", "name"),
    [
        (net(""), "network-name-missing"),
        (net("x" * 33), "network-name-too-long"),
        (net("é" * 17), "network-name-too-long"),
        (net("a\nb"), "network-name-invalid"),
        (net("a\x9b2J"), "network-name-invalid"),
        (net(password="1234567"), "password-too-short"),
        (net(password="x" * 64), "password-not-hex"),
        (net(password="x" * 65), "password-too-long"),
        (net(password="é" * 32), "password-not-hex"),
        (net(password="12345678\0"), "password-invalid"),
        ({"password": "hunter22"}, "network-name-missing"),
        ({"static": STATIC}, "network-name-missing"),
        ({"proxy": PROXY}, "network-name-missing"),
        ({"add": True, "server": "http://a"}, "network-name-missing"),
        ({"name": "x" * 33}, "device-name-too-long"),
        ({"name": "a\x1b[31m"}, "device-name-invalid"),
        ({"name": 7}, "device-name-invalid"),
    ],
)
def test_a_wrong_name_or_password_is_refused_by_name(rig, packet, name):
    assert refusal(rig, packet) == name


@pytest.mark.parametrize(
    "password", ["", "12345678", "x" * 63, "0123456789abcdefABCDEF0123456789" * 2, "pässwörd"]
)
def test_every_password_that_wifi_allows_is_kept(rig, password):
    assert after(rig, net(password=password))["networks"][0]["password"] == password


@pytest.mark.parametrize("ssid", ["x", "x" * 32, "Käthe's ☎ 📶", " two  spaces "])
def test_every_network_name_that_people_use_is_kept(rig, ssid):
    assert after(rig, net(ssid))["networks"][0]["ssid"] == ssid


def quads(address="10.0.0.5", netmask="255.255.255.0", gateway="10.0.0.1", *dns: str) -> list[str]:
    return [address, netmask, gateway, *(dns or ("10.0.0.1",))]


@pytest.mark.parametrize(
    ("static", "name"),
    [
        (quads()[:3], "static-address-incomplete"),
        (quads("10.0.0.5", "255.255.255.0", "10.0.0.1", *["1.1.1.1"] * 3), "static-address-incomplete"),
        ("10.0.0.5", "static-address-incomplete"),
        (quads("0.0.0.0"), "address-invalid"),
        (quads("255.255.255.255"), "address-invalid"),
        (quads("127.0.0.1"), "address-invalid"),
        (quads("224.0.0.1"), "address-invalid"),
        (quads("10.0.0.0"), "address-invalid"),
        (quads("10.0.0.255"), "address-invalid"),
        (quads("10.0.0.256"), "address-invalid"),
        (quads("10.0.0"), "address-invalid"),
        (quads("10.0.0.5.6"), "address-invalid"),
        (quads("10.0.0.010"), "address-invalid"),
        (quads("10.0.0.-1"), "address-invalid"),
        (quads("10.0.0.٣"), "address-invalid"),
        (quads("10..0.5"), "address-invalid"),
        (quads(netmask="255.0.255.0"), "netmask-invalid"),
        (quads(netmask="0.0.0.255"), "netmask-invalid"),
        (quads(netmask="0.0.0.0"), "netmask-invalid"),
        (quads(netmask="255.255.255.255"), "netmask-invalid"),
        (quads(netmask="255.255.255.254"), "netmask-invalid"),
        (quads(netmask="254.0.0.0"), "netmask-invalid"),
        (quads(gateway="10.0.1.1"), "gateway-not-in-network"),
        (quads(gateway="10.0.0.255"), "gateway-invalid"),
        (quads(gateway="0.0.0.0"), "gateway-invalid"),
        (quads(gateway="10.0.0.5"), "gateway-is-address"),
        ([*quads()[:3], "255.255.255.255"], "dns-invalid"),
        ([*quads()[:4], "x.1.1.1"], "dns-invalid"),
    ],
)
def test_a_static_address_that_cannot_work_is_refused_by_name(rig, static, name):
    assert refusal(rig, net(static=static)) == name


@pytest.mark.parametrize(
    "static",
    [
        quads(),
        quads("10.0.0.5", "255.0.0.0", "10.200.0.1"),
        quads("10.0.0.5", "255.255.255.252", "10.0.0.6"),
        [*quads(), "8.8.8.8"],
        [*quads()[:3], "9.9.9.9", "0.0.0.0"],
    ],
)
def test_a_static_address_that_works_is_kept(rig, static):
    assert after(rig, net(static=static))["networks"][0]["static"] == static


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a",
        "a.example",
        "http:/a",
        "http://",
        "http:///x",
        "http://:80",
        "http://a:0",
        "http://a:65536",
        "http://a:x",
        "http://a:",
        "http://-",
        "http://a b",
        "http://a/\n",
        "http://a/\x7f",
        "http://bücher.example",
        "http://user@",
        "http://bob:12/34@host",
        "http://bob:12?4@host",
        "mqtt://a",
        7,
    ],
)
def test_a_server_that_cannot_be_reached_by_its_url_is_refused(rig, url):
    assert refusal(rig, {"server": url}) == "server-invalid"


def test_a_url_of_more_than_255_bytes_is_refused(rig):
    assert refusal(rig, {"server": "http://a/" + "x" * 246}) is None
    assert refusal(rig, {"server": "http://a/" + "x" * 247}) == "server-too-long"
    assert refusal(rig, {"broker": "mqtt://a/" + "x" * 247}) == "broker-too-long"


def test_a_broker_speaks_mqtt(rig):
    assert refusal(rig, {"broker": "https://a"}) == "broker-invalid"
    assert after(rig, {"broker": "mqtts://u:p@a.example:8883"})["broker"] == "mqtts://u:p@a.example:8883"


def test_a_scheme_that_a_phone_has_capitalised_is_accepted(rig):
    assert after(rig, {"server": "Https://A.example/X"})["server"] == "https://A.example/X"


@pytest.mark.parametrize(
    "change",
    [
        {"server": ""},
        {"server": "a b"},
        {"server": "x" * 129},
        {"port": 0},
        {"port": 65536},
        {"port": "80"},
        {"user": "x" * 65},
        {"password": "a\0b"},
    ],
)
def test_a_wrong_proxy_is_refused(rig, change):
    assert str(refusal(rig, net(proxy={**PROXY, **change}))).startswith("proxy-")


def test_the_led_policy_is_one_that_there_is(rig):
    assert [rig.call("led", v) for v in (0, 1, 2, -1, "x")] == ["window", "always"] + ["led-invalid"] * 3


# ---- bytes

hosts = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?", fullmatch=True)
printable = st.characters(exclude_categories=("Cc", "Cs"))


def texts(low: int, high: int) -> st.SearchStrategy[str]:
    return st.text(printable, min_size=low, max_size=high).filter(lambda s: low <= len(s.encode()) <= high)


ports = st.integers(1, 65535)
networks = st.fixed_dictionaries(
    {
        "ssid": texts(1, 32),
        "password": st.just("") | texts(8, 63) | st.from_regex(r"[0-9a-fA-F]{64}", fullmatch=True),
    },
    optional={
        "static": st.sampled_from([STATIC, [*STATIC, "8.8.8.8"], quads("10.1.2.3", "255.0.0.0", "10.9.9.9")]),
        "proxy": st.fixed_dictionaries(
            {"server": hosts, "port": ports, "user": texts(0, 64), "password": texts(0, 64)}
        ),
        "add": st.just(True),
    },
)
others = st.fixed_dictionaries(
    {},
    optional={
        "server": st.builds("{}://{}:{}/{}".format, st.sampled_from(["http", "https"]), hosts, ports, hosts),
        "broker": st.builds("{}://{}:{}".format, st.sampled_from(["mqtt", "mqtts"]), hosts, ports),
        "name": texts(0, 32),
    },
)
packets = st.lists(networks | others | st.builds(lambda a, b: {**a, **b}, networks, others), max_size=9)


@given(packets=packets, led=st.sampled_from([0, 1]))
def test_whatever_can_be_set_comes_back_from_its_bytes(rig, packets, led):
    model: dict[str, Any] = {"networks": [], "server": "", "broker": "", "name": "", "led": led}
    for packet in packets:
        if "ssid" in packet:
            proxy = packet.get("proxy")
            network = {
                "ssid": packet["ssid"],
                "password": packet["password"],
                "static": packet.get("static"),
                "proxy": proxy and [proxy[k] for k in ("server", "port", "user", "password")],
            }
            old = model["networks"] if "add" in packet else []
            model["networks"] = [network, *(n for n in old if n["ssid"] != network["ssid"])][:8]
        model.update({k: packet[k] for k in ("server", "broker", "name") if k in packet})
    assert after(rig, *packets, led=led) == model


def test_the_fullest_settings_fit_a_flash_sector(rig):
    proxy = {"server": "x" * 128, "port": 65535, "user": "x" * 64, "password": "x" * 64}
    full = [
        net(f"{i}" + "x" * 31, "0" * 64, static=[*STATIC, "8.8.8.8"], proxy=proxy, add=True) for i in range(8)
    ]
    rest = {"server": "http://" + "x" * 248, "broker": "mqtt://" + "x" * 248, "name": "x" * 32}
    answer = rig.call("apply", [*full, rest])
    assert len(answer["all"]["networks"]) == 8
    assert answer["size"] <= 4096 - 16


@given(data=st.binary(max_size=300) | st.binary(max_size=300).map(lambda b: b"\x01" + b))
def test_random_bytes_are_refused_by_name_or_are_settings(small_rig, data):
    # RigError would be raised for anything but a SettingsError.
    answer = small_rig.call("read", data)
    assert set(answer) in ({"refused"}, {"networks", "server", "broker", "name", "led"})


def test_damaged_images_are_refused_by_name_or_are_settings(small_rig):
    image = (IMAGES / "settings-1.bin").read_bytes()
    found: dict[str, int] = {}
    for seed in range(4):
        for name, count in small_rig.call("mutations", image, seed, 1500).items():
            found[name] = found.get(name, 0) + count
    assert sum(found.values()) == 6000
    assert found["settings-damaged"] > 1000
    assert len(found) > 10, "the damage was too uniform to show much"


def test_every_beginning_of_an_image_is_refused_unless_it_ends_with_a_field(rig):
    image = image_1()
    found = rig.call("cuts", image)
    # The version alone, and each of the 6 whole fields but the last.
    assert found == {"settings-damaged": len(image) - 6, "read": 6}


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"", "settings-damaged"),
        (b"\x02", "settings-version-unknown"),
        (b"\x01" + bytes(5000), "settings-damaged"),
        (b"\x01\x02\xff\xff", "settings-damaged"),
        (b"\x01\x01\x00\x00", "network-name-missing"),
        (b"\x01\x02\x02\x00\xc3\x28", "settings-damaged"),
        # UTF-8 that MicroPython decodes and nobody else: an overlong "/", half a surrogate, beyond Unicode
        (b"\x01\x04\x02\x00\xc0\xaf", "device-name-invalid"),
        (b"\x01\x04\x03\x00\xed\xa0\x80", "device-name-invalid"),
        (b"\x01\x04\x04\x00\xf5\x80\x80\x80", "device-name-invalid"),
        (b"\x01" + b"\x01\x04\x00\x01\x01\x00a" * 2, "network-twice"),
        (
            b"\x01" + b"".join(b"\x01\x04\x00\x01\x01\x00" + bytes([97 + i]) for i in range(9)),
            "too-many-networks",
        ),
        (b"\x01\x01\x07\x00\x01\x01\x00a\x04\x00\x00", "settings-damaged"),
        (b"\x01\x01\x0a\x00\x01\x01\x00a\x04\x03\x00\x00\x00\x00", "settings-damaged"),
        (b"\x01\x01\x09\x00\x01\x01\x00a\x03\x02\x00\x0a\x00", "static-address-incomplete"),
        (b"\x01\x05\x01\x00\x02", "led-invalid"),
        (b"\x01\x05\x09\x00" + b"\xff" * 9, "led-invalid"),
    ],
)
def test_hostile_bytes_are_refused_by_name(small_rig, data, name):
    assert small_rig.call("read", data) == {"refused": name}


def test_more_bytes_than_a_record_holds_are_refused(rig):
    assert "refused" not in rig.call("read", b"\x01" + field(200, bytes(4076)))
    assert rig.call("read", b"\x01" + field(200, bytes(4077))) == {"refused": "settings-damaged"}


# ---- stored images of every version


def field(kind: int, value: bytes) -> bytes:
    return struct.pack("<BH", kind, len(value)) + value


def image_1() -> bytes:
    """host_tests/images/settings-1.bin: format version 1, made without the firmware."""
    home = field(1, "Käthe's ☎".encode()) + field(2, b"correct horse battery")
    home += field(3, bytes([192, 168, 1, 50, 255, 255, 255, 0, 192, 168, 1, 1, 192, 168, 1, 1, 9, 9, 9, 9]))
    home += field(4, struct.pack("<H", 3128) + b"proxy.lan\0ann\0proxy secret")
    cafe = field(9, b"a later version's field") + field(1, b"cafe") + field(2, b"")
    return (
        b"\x01"
        + field(1, home)
        + field(1, cafe)
        + field(200, b"a later version's field")
        + field(2, b"https://bob:secret@lutin.example:8443/r")
        + field(4, b"lamp")
        + field(5, b"\x01")
    )


def test_a_certificate_is_kept_beside_the_settings_and_outlives_what_light_changes(rig):
    der = b"\x30\x82" + bytes(range(200))
    out = rig.call("certificate", der, net())
    assert out == {"kept": der, "public": True}


@pytest.mark.parametrize("der", [b"-----BEGIN CERTIFICATE-----" + b"x" * 99, b"\x30" * 63, b"\x30" * 2049])
def test_what_cannot_be_a_certificate_is_refused(rig, der):
    assert rig.call("certificate", der, net()) == {"refused": "ca-invalid"}


CERT, KEY = b"\x30\x82" + bytes(range(200)), b"\x30\x77SECRETKEY" + bytes(110)


def test_a_clients_certificate_comes_and_goes_with_its_key_which_is_never_shown(rig):
    out = rig.call("pair", {"cert": CERT, "key": KEY}, {"name": "lamp"})
    assert (out["cert"], out["key"], out["public"]["cert"]) == (CERT, KEY, True)
    assert "key" not in out["public"] and "SECRETKEY" not in str(out["public"])
    stored = rig.call("read_pair", b"\x01" + field(8, KEY) + field(7, CERT))
    assert (stored["cert"], stored["key"]) == (CERT, KEY)
    gone = rig.call("pair", {"cert": CERT, "key": KEY}, {"cert": b"", "key": b""})
    assert (gone["cert"], gone["key"], gone["public"]["cert"]) == (b"", b"", False)
    for half in ({"cert": CERT}, {"key": KEY}, {"cert": CERT, "key": b""}, {"cert": b"", "key": KEY}):
        assert rig.call("pair", half) == {"refused": "cert-or-key-missing"}
    assert rig.call("pair", {"cert": CERT, "key": KEY}, {"cert": CERT}) == {"refused": "cert-or-key-missing"}
    assert rig.call("read_pair", b"\x01" + field(8, KEY)) == {"refused": "cert-or-key-missing"}
    assert rig.call("pair", {"cert": CERT, "key": b"-" + KEY}) == {"refused": "key-invalid"}
    assert rig.call("pair", {"cert": b"-" + CERT, "key": KEY}) == {"refused": "cert-invalid"}


def test_settings_that_no_record_has_room_for_are_refused_before_they_are_stored(rig):
    many = [
        net(ssid=str(i) * 32, password="p" * 63, proxy={**PROXY, "server": "s" * 128}, add=True)
        for i in range(1, 9)
    ]
    out = rig.call("certificate", b"\x30" * 2048, *many)
    assert out == {"refused": "settings-too-large"}


def test_images_of_every_format_version_stay_readable(rig):
    images = sorted(IMAGES.glob("settings-*.bin"))
    assert [p.name for p in images] == ["settings-1.bin"]
    for path in images:
        assert rig.call("read", path.read_bytes()) == json.loads(path.with_suffix(".json").read_text())


def test_the_kept_image_is_what_its_maker_says():
    assert (IMAGES / "settings-1.bin").read_bytes() == image_1()


# ---- what is shown


def test_public_shows_everything_but_passwords(rig):
    packet = net(
        static=STATIC, proxy=PROXY, server="https://bob:secret@h.example/x", broker="mqtt://b", name="lamp"
    )
    assert rig.call("apply", [packet])["public"] == {
        "networks": [
            {
                "ssid": "testnet",
                "password": True,
                "static": STATIC,
                "proxy": {"server": "proxy.lan", "port": 3128, "user": "ann", "password": True},
            }
        ],
        "server": "https://bob:***@h.example/x",
        "broker": "mqtt://b",
        "name": "lamp",
        "led": "window",
        "ca": False,
        "cert": False,
    }
    assert rig.call("apply", [net(password="")])["public"]["networks"][0]["password"] is False


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("", ""),
        ("http://a/x?y#z", "http://a/x?y#z"),
        ("https://bob:secret@a:1/x", "https://bob:***@a:1/x"),
        ("https://bob:sec@ret:s@a/x", "https://bob:***@a/x"),
        ("https://token@a", "https://***@a"),
        ("mqtt://:secret@a", "mqtt://:***@a"),
    ],
)
def test_a_password_in_a_url_is_hidden(rig, url, shown):
    assert rig.call("hide", url) == shown


@pytest.mark.parametrize(
    "packet",
    [
        net(password="SECRET-12", proxy={**PROXY, "password": "SECRET"}, server="http://u:SECRET@a"),
        net(password="SECRET"),
        net(password="SECRET\0SECRET"),
        net(password="SECRET" * 11),
        net(password=("SECRET" * 11)[:64]),
        net(proxy={**PROXY, "password": "SECRET" * 20}),
        net(server="http://u:SECRET@"),
        net(broker="http://u:SECRET@a"),
    ],
)
def test_no_password_is_in_any_text_made_of_settings_or_of_their_refusal(rig, packet):
    shown = rig.call("everything_shown", packet)
    assert "SECRET" not in shown
    assert shown
