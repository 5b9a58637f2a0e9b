"""RSA-3072 PSS: what pycryptodome signs is good, and nothing else is."""

from __future__ import annotations

import hashlib
import secrets

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from releasemaker import Key
from unixport import Rig

KEY = Key.make(1)
N = int.from_bytes(KEY.modulus, "big")
MESSAGE = b"what was signed"
DIGEST = hashlib.sha256(MESSAGE).digest()


@pytest.fixture(scope="module")
def rig():
    with Rig("update_release") as r:
        yield r


def mask(seed: bytes, length: int) -> bytes:
    """MGF1 with SHA-256."""
    blocks = range(-(-length // 32))
    return b"".join(hashlib.sha256(seed + i.to_bytes(4, "big")).digest() for i in blocks)[:length]


def pss(
    salt: bytes = b"s" * 32,
    zeros: bytes | None = None,
    one: int = 1,
    trailer: int = 0xBC,
    digest: bytes = DIGEST,
    prefix: bytes = bytes(8),
    top: int = 0,
) -> int:
    """An encoded message, made by the book (RFC 8017, 9.1.1), or wrong in one place."""
    found = hashlib.sha256(prefix + digest + salt).digest()
    head = bytes(351 - 1 - len(salt)) if zeros is None else zeros
    data = head + bytes([one]) + salt
    assert len(data) == 351
    masked = bytearray(a ^ b for a, b in zip(data, mask(found, 351), strict=True))
    masked[0] = masked[0] & 0x7F | top
    return int.from_bytes(bytes(masked) + found + bytes([trailer]), "big")


def verdict(rig, sig: bytes, digest: bytes = DIGEST, modulus: bytes = KEY.modulus) -> str:
    return rig.call("verify", modulus, sig, digest)


@settings(max_examples=20)
@given(message=st.binary(max_size=100), seed=st.sampled_from([1, 2, 3]))
def test_what_the_key_has_signed_is_good_and_nothing_beside_it(rig, message, seed):
    key = Key.make(seed)
    sig = key.sign(message)
    digest = hashlib.sha256(message).digest()
    assert verdict(rig, sig, digest, key.modulus) == "good"
    assert verdict(rig, sig, hashlib.sha256(message + b"!").digest(), key.modulus) == "bad"
    assert verdict(rig, sig, digest, Key.make(seed % 3 + 1).modulus) == "bad"


def test_a_message_encoded_by_the_book_is_good(rig):
    assert verdict(rig, KEY.raw(pss())) == "good"
    assert verdict(rig, KEY.raw(pss(salt=bytes(32)))) == "good"
    assert verdict(rig, KEY.raw(pss(salt=secrets.token_bytes(32)))) == "good"


@pytest.mark.parametrize("salt", [0, 20, 31, 33, 64])
def test_a_salt_of_another_length_is_bad(rig, salt):
    assert verdict(rig, KEY.sign(MESSAGE, salt=salt)) == "bad"
    assert verdict(rig, KEY.raw(pss(salt=b"s" * salt))) == "bad"


def _zeros(at: int) -> bytes:
    return bytes(1 if i == at else 0 for i in range(318))


def _top() -> int:
    """With the bit set that 3071 bits have not, and still below n."""
    for i in range(100):
        value = pss(salt=i.to_bytes(32, "big"), top=0x80)
        if value < N:
            return value
    raise AssertionError


@pytest.mark.parametrize(
    ("what", "encoded"),
    [
        ("trailer", pss(trailer=0xBD)),
        ("trailer of a named hash", pss(trailer=0xCC)),
        ("first byte is not zero", pss(zeros=_zeros(0))),
        ("last zero is none", pss(zeros=_zeros(317))),
        ("a zero in the middle is none", pss(zeros=_zeros(100))),
        ("01 is missing", pss(one=0)),
        ("02 for 01", pss(one=2)),
        ("81 for 01", pss(one=0x81)),
        ("hash of another message", pss(digest=bytes(32))),
        ("the eight zeros are none", pss(prefix=b"\x01" * 8)),
        ("top bit", _top()),
        ("0", 0),
        ("1", 1),
        ("n - 1", N - 1),
        ("only a trailer", 0xBC),
        ("PKCS #1 v1.5", int.from_bytes(b"\0\1" + b"\xff" * 330 + b"\0" + bytes(19) + DIGEST, "big")),
    ],
)
def test_what_is_wrong_inside_is_bad(rig, what, encoded):
    assert verdict(rig, KEY.raw(encoded)) == "bad"


def test_every_part_of_the_encoding_counts(rig):
    good = pss()
    for bit in [*range(0, 3071, 307), 7, 8, 263, 264, 3070]:
        assert verdict(rig, KEY.raw(good ^ 1 << bit)) == "bad", bit


def test_a_signature_has_one_spelling_and_one_length(rig):
    sig = KEY.raw(pss(salt=(4).to_bytes(32, "big")))  # a small one, so that s + n still fits
    assert verdict(rig, sig) == "good"
    assert verdict(rig, (int.from_bytes(sig, "big") + N).to_bytes(384, "big")) == "bad"
    assert verdict(rig, (N - int.from_bytes(sig, "big")).to_bytes(384, "big")) == "bad"
    assert verdict(rig, KEY.modulus) == "bad"
    assert verdict(rig, b"\xff" * 384) == "bad"
    for other in (b"", b"\0" + sig, sig + b"\0", sig[:-1], sig[1:], sig * 2):
        assert verdict(rig, other) == "bad"


def test_leading_zeros_are_not_left_out(rig):
    sig = KEY.raw(pss(salt=(385).to_bytes(32, "big")))  # the first of this key that begins so
    assert sig[0] == 0
    assert verdict(rig, sig) == "good"
    assert verdict(rig, sig[1:]) == "bad"


@pytest.mark.parametrize(
    "modulus",
    [
        b"",
        bytes(384),
        b"\0" + KEY.modulus[1:],
        KEY.modulus[:-1] + b"\0",
        KEY.modulus[:256],
        KEY.modulus + b"\1",
    ],
    ids=["none", "zero", "too few bits", "even", "short", "long"],
)
def test_what_cannot_be_a_key_verifies_nothing(rig, modulus):
    assert verdict(rig, KEY.raw(pss()), modulus=modulus) == "bad"


def test_a_digest_of_another_length_is_bad(rig):
    for length in (0, 31, 33):
        assert (
            verdict(
                rig,
                KEY.raw(pss(digest=DIGEST[:length].ljust(length, b"x"))),
                DIGEST[:length].ljust(length, b"x"),
            )
            == "bad"
        )


def test_a_key_is_named_by_its_hash(rig):
    for seed in (1, 2, 3):
        key = Key.make(seed)
        assert rig.call("key_id", key.modulus) == hashlib.sha256(key.modulus).hexdigest()[:16]
