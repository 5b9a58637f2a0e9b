"""firmware/lutin/broker/ with mosquitto at the other end: what arrives there, over links that break."""

from __future__ import annotations

import datetime
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import mqtt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from lutin_tools import certificates
from mqtt import Cutter, Mosquitto, Peer
from unixport import Rig

pytestmark = pytest.mark.skipif(mqtt.MOSQUITTO is None, reason="mosquitto is not installed")

BASE = "lutin/24ab/"
HOUR = 3600000


class Broker(Mosquitto):
    """Its certificates, and the ports on which it wants a password, TLS, and a client's certificate."""

    def __init__(self, folder: Path, *more: str) -> None:
        self.made = certificates.ensure(folder / "tls", ["localhost"], [])
        ca = x509.load_der_x509_certificate(self.made.ca_der.read_bytes())
        (folder / "ca.pem").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
        assert mqtt.PASSWD
        subprocess.run([mqtt.PASSWD, "-c", "-b", folder / "passwords", "lamp", "@1:p/w:ü"], check=True)
        self.locked, self.tls, self.strict = mqtt.free_port(), mqtt.free_port(), mqtt.free_port()
        tls = [f"certfile {self.made.cert}", f"keyfile {self.made.key}"]
        super().__init__(
            folder,
            *more,
            f"listener {self.locked} 127.0.0.1",
            f"password_file {folder / 'passwords'}",
            f"listener {self.tls} 127.0.0.1",
            "allow_anonymous true",
            *tls,
            f"listener {self.strict} 127.0.0.1",
            *tls,
            f"cafile {folder / 'ca.pem'}",
            "require_certificate true",
            "use_identity_as_username true",
        )


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    one = Broker(tmp_path_factory.mktemp("mosquitto"))
    yield one
    one.stop()


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig("broker", heap="8M") as r:
        yield r


@pytest.fixture
def peer(broker: Broker) -> Iterator[Peer]:
    one = Peer(broker.port, "lutin/#")
    yield one
    one.close()


def of_this_life(peer: Peer) -> list[Any]:
    """The log's lines; the broker may first have been told to release what an earlier test left under way."""
    lines = [message.json for message in peer.messages("/log")]
    return [line for line in lines if line["start"] == lines[-1]["start"]]


def numbers(peer: Peer) -> list[int]:
    """Of all lines that came or were said to be lost, as they came; of those that the test has logged."""
    out = []
    for line in of_this_life(peer):
        if "dropped" in line:
            out += [-1] * line["dropped"]
        elif line["text"].startswith("line "):
            out.append(int(line["text"][5:]))
        else:
            out.append(None)
    return out


def heard(peer: Peer) -> list[Any]:
    """What came of the log; each number once, in order, and none is missing that is not said to be lost."""
    peer.settled()
    lines = of_this_life(peer)
    after = 0
    for line in lines:
        assert line["seq"] == after, (line, after)
        after += line.get("dropped", 1)
    return lines


def test_without_memory_for_home_assistants_message_all_the_others_arrive(rig, broker, peer):
    rig.call("new", {"broker": f"mqtt://127.0.0.1:{broker.port}"}, starving=True)
    assert rig.call("until", "connected", 60000)
    assert rig.call("drain", 60000)
    told = [line["text"] for line in heard(peer)]
    assert told.count("broker: no memory for what Home Assistant is told") == 1
    assert peer.messages("status")[-1].json["id"] == "24ab"
    rig.call("goodbye")


def test_status_and_log_arrive_and_the_broker_is_told_when_the_device_goes(rig, broker, peer):
    rig.call("new", {"broker": f"mqtt://127.0.0.1:{broker.port}"})
    assert rig.call("until", "connected", 60000)
    rig.call("say", 0, 10, 1)
    assert rig.call("drain", 60000)
    lines = heard(peer)
    assert [line["text"] for line in lines if line["level"] == "warn"] == [f"line {i}" for i in range(10)]
    assert peer.messages("status")[0].json["id"] == "24ab"
    late = Peer(broker.port, BASE + "availability", BASE + "status")
    assert late.wait(lambda: len(late.messages()) == 2)
    assert [message.data for message in late.messages("availability")] == [b"online"]
    rig.call("say", 10, 3)
    assert rig.call("goodbye")[0]  # and only when the last lines have arrived
    heard(peer)
    assert [line.json["text"] for line in peer.messages("/log")][-1] == "line 12"
    assert late.wait(lambda: len(late.messages("availability")) == 2)
    assert late.messages("availability")[1].data == b"offline"
    late.close()


def failures(rig: Rig, url: str, **more: Any) -> list[str]:
    rig.call("new", {"broker": url, **more})
    rig.call("until", "connected", 12000)
    return [text for _, _, text, _ in rig.call("told") if text and text not in ("127.0.0.1", "localhost")]


def test_user_and_password_come_from_the_url_and_wrong_ones_are_named_and_tried_again(rig, broker):
    port = broker.locked
    assert failures(rig, f"mqtt://lamp:%401%3Ap%2Fw:%C3%BC@127.0.0.1:{port}") == []
    said = failures(rig, f"mqtt://lamp:SECRET@127.0.0.1:{port}")
    assert set(said) == {"broker-refused (not authorised)"} and len(said) > 1
    assert rig.call("told")[-1][1] == "broker-refused"
    assert "SECRET" not in str(rig.call("lines")) + str(rig.call("report"))
    assert failures(rig, f"mqtt://127.0.0.1:{port}")[0] == "broker-refused (not authorised)"


def pair(folder: Path) -> dict[str, bytes]:
    """A client's certificate by that CA, and its key."""
    ca = x509.load_der_x509_certificate((folder / "ca.der").read_bytes())
    signer = serialization.load_pem_private_key((folder / "ca-key.pem").read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lamp")]))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(signer, hashes.SHA256())
    )
    return {
        "cert": certificate.public_bytes(serialization.Encoding.DER),
        "key": key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        ),
    }


def test_with_a_ca_the_broker_must_have_its_certificate_and_the_right_name(rig, broker, tmp_path):
    ca = broker.made.ca_der.read_bytes()
    assert failures(rig, f"mqtts://localhost:{broker.tls}", ca=ca) == []
    rig.call("say", 0, 5)
    assert rig.call("drain", 60000)
    assert failures(rig, f"mqtts://127.0.0.1:{broker.tls}", ca=ca)[0] == "tls-wrong-name"
    other = certificates.ensure(tmp_path / "other", ["localhost"], []).ca_der.read_bytes()
    assert failures(rig, f"mqtts://localhost:{broker.tls}", ca=other)[0] == "tls-unknown-issuer"
    assert failures(rig, f"mqtts://localhost:{broker.port}", ca=ca)[0].startswith(
        ("tls-", "connection-lost", "refused")
    )
    assert failures(rig, f"mqtts://127.0.0.1:{broker.tls}") == []
    assert [line for line in rig.call("lines") if "without a CA" in line]


def test_a_client_certificate_is_enough_and_without_one_the_refusal_is_named(rig, broker):
    ca = broker.made.ca_der.read_bytes()
    url = f"mqtts://localhost:{broker.strict}"
    assert failures(rig, url, ca=ca, **pair(broker.made.ca_der.parent)) == []
    assert "as 'lamp'" in broker.log() or "u'lamp'" in broker.log()
    assert failures(rig, url, ca=ca)[0].startswith(("tls-", "connection-lost", "broker-refused"))


def test_ten_thousand_lines_in_a_burst_arrive_in_order_and_gaps_are_said_exactly(rig, broker, peer):
    rig.call("new", {"broker": f"mqtt://127.0.0.1:{broker.port}"})
    assert rig.call("until", "connected", 60000)
    rig.call("say", 0, 9000, 0, 0)
    rig.call("say", 9000, 1000)  # at once: nothing can be sent meanwhile
    assert rig.call("drain", 200000)
    heard(peer)
    got = [number for number in numbers(peer) if number is not None]
    assert len(got) == 10000 and got[-1] == 9999
    assert all(number in (-1, i) for i, number in enumerate(got))
    assert rig.call("report")["log"]["dropped"] == got.count(-1) > 800


def test_ten_thousand_messages_in_a_burst_arrive_once_in_order_and_leave_no_memory_behind(rig, broker, peer):
    rig.call("new", {"broker": f"mqtt://127.0.0.1:{broker.port}"})
    assert rig.call("until", "connected", 60000)
    rig.call("run", 100)
    before = rig.call("held")
    for i in range(10000):
        peer.publish(BASE + "in/x", str(i))
    for _ in range(100):
        rig.call("run", 200)
        if rig.call("heard")[0] == 10000:
            break
    assert rig.call("heard") == [10000, None]
    assert rig.call("held") - before < 2000


def test_after_an_hour_without_network_every_line_that_was_kept_comes_once_in_order_and_marked(
    rig, broker, peer
):
    rig.call("new", {"broker": f"mqtt://127.0.0.1:{broker.port}"})
    assert rig.call("until", "connected", 60000)
    rig.call("say", 0, 5)
    assert rig.call("drain", 60000)
    rig.call("air", False)
    rig.call("say", 5, 360, 0, 10000)
    rig.call("air", True)
    assert rig.call("until", "connected", 60000)
    assert rig.call("drain", 60000)
    rig.call("say", 365, 5)
    assert rig.call("drain", 60000)
    lines = heard(peer)
    got = [number for number in numbers(peer) if number is not None]
    assert len(got) == 370 and all(number in (-1, i) for i, number in enumerate(got))
    lost = got.count(-1)
    assert 200 < lost < 300 and -1 not in got[:5] and -1 not in got[5 + lost :]
    marked = {int(line["text"][5:]) for line in lines if line.get("offline") and "line " in line["text"]}
    assert marked >= set(range(5 + lost, 365)) and not marked & {0, 1, 2, 3, 4, *range(365, 370)}


@pytest.mark.parametrize("kept", [True, False])
def test_a_restart_of_the_broker_loses_nothing_and_doubles_nothing_that_it_remembers(rig, tmp_path, kept):
    # Without a limit to what is under way to the peer: it hears all that has come before the broker ends.
    more = f"persistence {'true' if kept else 'false'}", f"persistence_location {tmp_path}/"
    one = Mosquitto(tmp_path, *more, "max_inflight_messages 0")
    try:
        lines: list[Any] = []
        rig.call("new", {"broker": f"mqtt://127.0.0.1:{one.port}"})
        for i in range(4):
            peer = Peer(one.port, "lutin/#")
            assert rig.call("until", "connected", 400000)
            rig.call("say", i * 20, 20, 0, 0 if i & 1 else None)  # in the middle of them
            if i == 3:
                assert rig.call("drain", 60000)
            one.stop()
            peer.ended()
            lines += [message.json for message in peer.messages("/log")]
            peer.close()
            rig.call("run", 1000)
            rig.call("say", 1000, 2)
            one.start()
        seqs = [line["seq"] for line in lines]
        assert sorted(set(seqs)) == list(range(max(seqs) + 1)) and {line["text"] for line in lines} >= {
            "line 79"
        }
        doubled = len(seqs) - len(set(seqs))
        # What a broker has forgotten comes again, under the same number: no more than was under way.
        assert doubled == 0 if kept else doubled <= 4 * 3
        assert all(b > a for a, b in pairwise(seqs)) or not kept
    finally:
        one.stop()


def test_a_link_that_is_cut_behind_any_packet_loses_nothing_and_doubles_nothing(rig, broker, peer):
    cutter = Cutter(broker.port)
    rig.call("new", {"broker": f"mqtt://127.0.0.1:{cutter.port}"})
    cut = 0
    for packets in range(1, 80):
        rig.call("join", False)
        rig.call("say", packets * 3, 3)
        cutter.left = packets
        rig.call("join", True)
        rig.call("run", 250)
        cut += cutter.left == 0
        cutter.left = None
        rig.call("join", False)
    assert 40 < cut < 79  # so that every packet of a session has been the last
    rig.call("join", True)
    assert rig.call("drain", 60000)
    heard(peer)
    assert [number for number in numbers(peer) if number is not None] == list(range(3, 240))
    cutter.close()


def test_who_restarts_in_the_middle_of_a_line_has_it_heard_once_and_those_of_the_next_life_too(
    rig, broker, peer
):
    cutter = Cutter(broker.port)
    starts = set()
    for packets in (12, 13, 14, 15, 16, 17):
        cutter.left = packets
        rig.call("new", {"broker": f"mqtt://127.0.0.1:{cutter.port}"})  # knows nothing of what was under way
        rig.call("say", 0, 4)
        rig.call("run", 400)
    cutter.left = None
    rig.call("new", {"broker": f"mqtt://127.0.0.1:{cutter.port}"})
    rig.call("say", 0, 4)
    assert rig.call("drain", 60000)
    peer.settled()
    lines = [message.json for message in peer.messages("/log")]
    keys = [(line["start"], line["seq"]) for line in lines]
    assert len(keys) == len(set(keys))
    starts = [line["start"] for line in lines]
    last = [line["text"] for line in lines if line["start"] == starts[-1]]
    assert [text for text in last if "line" in text] == [f"line {i}" for i in range(4)]
    cutter.close()
