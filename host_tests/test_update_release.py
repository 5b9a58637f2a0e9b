"""The check of a release.json: good ones are read, all others refused by name, in little memory."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from releasemaker import ABSENT, TYPE, Key, compact, entry, envelope, pae, payload, signature
from unixport import Rig

KEY, OTHER, STRANGER = Key.make(1), Key.make(2), Key.make(3)
TRUSTED = [KEY.modulus, OTHER.modulus]
FILES = {"lutin/__init__.mpy": b"", "lutin/update/slots.mpy": b"M" * 900, "app/main-2.mpy": bytes(range(256))}
IMAGE = bytes(65536) + b"base" * 5000


@pytest.fixture(scope="module")
def rig():
    with Rig("update_release") as r:
        yield r


@pytest.fixture(scope="module")
def check(rig, tmp_path_factory):
    path = tmp_path_factory.mktemp("release") / "release.json"

    def check(data: bytes, keys: Any = TRUSTED, **more: Any) -> dict[str, Any]:
        path.write_bytes(data)
        return rig.call("check", str(path), keys, **more)

    return check


def made(**overrides: Any) -> dict[str, Any]:
    """A payload with any fields replaced; base: an image."""
    about = payload(FILES, 7, [KEY, OTHER], overrides.pop("base", None)) | overrides
    return {name: value for name, value in about.items() if value is not ABSENT}


def name_of(found: dict[str, Any]) -> tuple[str, str]:
    assert "name" in found, found
    assert found["state"] == "update-refused", found
    return found["name"], found["detail"]


# ---- good ones


def expected(about: dict[str, Any]) -> dict[str, Any]:
    base = about.get("base")
    return {
        "number": about["number"],
        "version": about["version"],
        "oldest": about["oldest"],
        "boards": about["boards"],
        "expires": about["expires"],
        "keys": [base64.b64decode(key) for key in about["keys"]],
        "count": len(about["files"]),
        "size": sum(file["length"] for file in about["files"]),
        "base": base
        and [
            base["version"],
            base["chip"],
            base["length"],
            bytes.fromhex(base["sha256"]),
            len(base["pieces"]),
        ],
        "files": [
            [f["path"], f["length"], bytes.fromhex(f["sha256"]), f["encoding"] == "zlib"]
            for f in about["files"]
        ],
        "pieces": [
            [i, min(65536, base["length"] - i * 65536), bytes.fromhex(p["sha256"]), p["encoding"] == "zlib"]
            for i, p in enumerate(base["pieces"])
        ]
        if base
        else [],
    }


@pytest.mark.parametrize(
    "about",
    [
        made(),
        made(base=IMAGE),
        made(base=bytes(65536)),
        made(base=b"x"),
        made(base=bytes(2 << 20)),
        made(expires=1893456000, oldest=7, boards=["esp32-devkit", "unix"]),
        made(expires=0xFFFFFFFF, number=0x7FFFFFFF, oldest=0),
        made(unknown={"a": [1, {"b": None}]}, more="x"),
        dict(reversed(made().items())),
        payload({"app/" + "a" * 92: b""}, 1, [KEY, OTHER, STRANGER, KEY]),
        payload({"lutin/a": b"", "lutin/a-b": b"", "lutin/a.b": b"", "lutin/ab/c": b""}, 1),
    ],
)
def test_a_good_release_is_read_with_its_files_and_pieces(check, about):
    found = check(envelope(about, [KEY]), lists=True)
    assert found.pop("tried") == 1
    assert found == expected(about)


@given(
    files=st.dictionaries(
        st.from_regex(r"(lutin|app)(/[A-Za-z0-9_-][A-Za-z0-9_.-]{0,8}){1,3}", fullmatch=True),
        st.binary(max_size=40),
        min_size=1,
        max_size=30,
    ),
    numbers=st.lists(st.integers(1, 0x7FFFFFFF), min_size=2, max_size=2),
    expires=st.none() | st.integers(0, 0xFFFFFFFF),
)
@settings(max_examples=20)
def test_any_good_release_is_read_as_cpython_reads_it(check, files, numbers, expires):
    if any(path.startswith(other + "/") for path in files for other in files):
        return
    about = payload(files, max(numbers), oldest=min(numbers), expires=expires)
    found = check(envelope(about, [KEY]), lists=True)
    del found["tried"]
    assert found == expected(about)


def test_an_envelope_may_be_written_in_any_way(check):
    about = made()
    good = json.loads(envelope(about, [KEY]))
    turned = dict(reversed(good.items()))
    for text in (
        json.dumps(good, indent=4),
        json.dumps(good).replace("/", "\\/"),
        json.dumps(turned),
        json.dumps({"x": {"payload": "no"}, **turned, "y": [None, True, -1]}),
        "\n\t " + json.dumps(good).replace("payload", "\\u0070ayload") + "\r\n ",
    ):
        found = check(text.encode(), lists=True)
        found.pop("tried")
        assert found == expected(about), text[:60]


# ---- envelopes

GOOD = json.loads(envelope(made(), [KEY]))


def changed(**fields: Any) -> bytes:
    return compact({k: v for k, v in {**GOOD, **fields}.items() if v is not ABSENT})


def twice(field: str) -> bytes:
    return compact(GOOD)[:-1] + b',"%s":%s}' % (field.encode(), compact(GOOD[field]))


ENVELOPES = {
    "nothing": (b"", "envelope-malformed", "ends-early"),
    "a page": (b"<!DOCTYPE html><html>", "envelope-malformed", "not-json"),
    "a list": (b"[]", "envelope-malformed", "wrong-type"),
    "a string": (b'"release"', "envelope-malformed", "wrong-type"),
    "an empty object": (b"{}", "envelope-malformed", "missing-field"),
    "BOM": (b"\xef\xbb\xbf" + compact(GOOD), "envelope-malformed", "not-json"),
    "cut": (compact(GOOD)[:-1], "envelope-malformed", "ends-early"),
    "doubled": (compact(GOOD) * 2, "envelope-malformed", "trailing-text"),
    "text after it": (compact(GOOD) + b" }", "envelope-malformed", "trailing-text"),
    "no type": (changed(payloadType=ABSENT), "envelope-malformed", "missing-field"),
    "no payload": (changed(payload=ABSENT), "envelope-malformed", "missing-field"),
    "no signatures": (changed(signatures=ABSENT), "envelope-malformed", "missing-field"),
    "another type": (changed(payloadType="application/vnd.in-toto+json"), "wrong-format", "payload-type"),
    "type is a number": (changed(payloadType=1), "envelope-malformed", "wrong-type"),
    "payload is an object": (changed(payload=made()), "envelope-malformed", "wrong-type"),
    "payload is no base64": (changed(payload="?"), "envelope-malformed", "bad-base64"),
    "payload with a line break": (
        changed(payload=GOOD["payload"] + "\n"),
        "envelope-malformed",
        "bad-base64",
    ),
    "payload without padding": (changed(payload="e30"), "envelope-malformed", "bad-base64"),
    "payload in the URL alphabet": (changed(payload="__--"), "envelope-malformed", "bad-base64"),
    "payload twice": (twice("payload"), "envelope-malformed", "duplicate-key"),
    "signatures twice": (twice("signatures"), "envelope-malformed", "duplicate-key"),
    "an unknown key twice": (b'{"x":1,"x":1,' + compact(GOOD)[1:], "envelope-malformed", "duplicate-key"),
    "signatures are an object": (changed(signatures={}), "envelope-malformed", "wrong-type"),
    "a signature is a string": (changed(signatures=["x"]), "envelope-malformed", "wrong-type"),
    "sig is a number": (
        changed(signatures=[{"keyid": KEY.id, "sig": 1}]),
        "envelope-malformed",
        "wrong-type",
    ),
    "keyid is null": (changed(signatures=[{"keyid": None, "sig": ""}]), "envelope-malformed", "wrong-type"),
    "keyid twice": (
        compact(GOOD).replace(b'"keyid":', b'"keyid":"","keyid":'),
        "envelope-malformed",
        "duplicate-key",
    ),
    "deep": (changed(x=[[[[[[]]]]]]), "envelope-malformed", "too-deep"),
    "a long string": (changed(x="x" * 1025), "envelope-malformed", "string-too-long"),
    "a float": (changed(x=1.5), "envelope-malformed", "not-whole"),
    "a large number": (changed(x=1 << 31), "envelope-malformed", "number-out-of-range"),
    "a hundred thousand digits": (
        changed(x=0)[:-2] + b"9" * 60000 + b"}",
        "envelope-malformed",
        "number-out-of-range",
    ),
    "NaN": (changed(x=float("nan")), "envelope-malformed", "not-json"),
    "many values": (changed(x=[0] * 256), "envelope-malformed", "too-many-values"),
    "a flood of spaces": (compact(GOOD) + b" " * 60000, "envelope-malformed", "too-much-space"),
    "1 MB of JSON": (changed(payload="QUJD" * 262144), "envelope-malformed", "too-large"),
    "1 MB after it": (compact(GOOD) + b"\n" * (1 << 20), "envelope-malformed", "too-much-space"),
}


@pytest.mark.parametrize(("data", "name", "detail"), ENVELOPES.values(), ids=ENVELOPES.keys())
def test_a_wrong_envelope_is_refused_by_name(check, data, name, detail):
    assert name_of(check(data)) == (name, detail)


def test_the_largest_envelope_is_65536_bytes(check):
    data = envelope(made(), [KEY])
    fill = 65536 - len(data) - len(',"x":[]')
    strings = ['"' + "x" * 500 + '"'] * (fill // 503 - 1)
    strings.append('"' + "x" * (fill - 503 * len(strings) - 2) + '"')
    text = ",".join(strings).encode()
    full = data[:-1] + b',"x":[' + text + b"]}"
    assert len(full) == 65536
    assert check(full)["number"] == 7
    assert name_of(check(full.replace(b"xx", b"xxx", 1))) == ("envelope-malformed", "too-large")


# ---- signatures


def broken(key: Key = KEY, **wrong: Any) -> dict[str, str]:
    return signature(key, b"something else", **wrong)


BODY = compact(made())
GOOD_SIG = signature(KEY, BODY)
BAD, UNKNOWN = "signature-bad", "signature-unknown"
SIGNATURES = {
    "none": ([], UNKNOWN, 0),
    "of a stranger": ([signature(STRANGER, BODY)], UNKNOWN, 0),
    "of a stranger with our key id": ([signature(STRANGER, BODY, keyid=KEY.id)], BAD, 1),
    "good, with a stranger's key id": ([signature(KEY, BODY, keyid=STRANGER.id)], UNKNOWN, 0),
    "good, without a key id": ([{"sig": GOOD_SIG["sig"]}], UNKNOWN, 0),
    "good, with the key id in capitals": ([signature(KEY, BODY, keyid=KEY.id.upper())], UNKNOWN, 0),
    "of something else": ([broken()], BAD, 1),
    "of the payload without DSSE": (
        [{"keyid": KEY.id, "sig": base64.b64encode(KEY.sign(BODY)).decode()}],
        BAD,
        1,
    ),
    "of another payload type": ([signature(KEY, BODY, kind="application/json")], BAD, 1),
    "no base64": ([broken(sig="?")], BAD, 0),
    "empty": ([broken(sig="")], BAD, 0),
    "missing": ([{"keyid": KEY.id}], BAD, 0),
    "short": ([broken(sig="QUJD")], BAD, 1),
    "with a newline": ([signature(KEY, BODY, sig=GOOD_SIG["sig"] + "\n")], BAD, 0),
    "good": ([GOOD_SIG], None, 1),
    "by either key": ([signature(OTHER, BODY)], None, 1),
    "good, with more fields": ([{"cert": ["x", {}], **GOOD_SIG, "when": 1}], None, 1),
    "good, and the key id behind": ([dict(reversed(GOOD_SIG.items()))], None, 1),
    "ten broken and one good": ([broken()] * 10 + [GOOD_SIG], None, 11),
    "ten unknown and one good": ([signature(STRANGER, BODY)] * 10 + [GOOD_SIG], None, 1),
    "one good and ten broken": ([GOOD_SIG] + [broken()] * 10, None, 1),
    "broken in many ways and one good": (
        [broken(sig=""), {}, broken(sig="?"), broken(OTHER), broken(STRANGER), broken(sig="QUJD"), GOOD_SIG],
        None,
        3,
    ),
    "the sixteenth is good": ([broken()] * 15 + [GOOD_SIG], None, 16),
    "the seventeenth is good": ([broken()] * 16 + [GOOD_SIG], BAD, 16),
    "forty": ([broken(sig="QUJD")] * 40, BAD, 16),
}


@pytest.mark.parametrize(("signatures", "name", "tried"), SIGNATURES.values(), ids=SIGNATURES.keys())
def test_one_good_signature_of_a_trusted_key_is_needed_and_enough(check, signatures, name, tried):
    found = check(envelope(BODY, [], signatures=signatures))
    assert found["tried"] == tried
    if name:
        assert name_of(found) == (name, "")
    else:
        assert found["number"] == 7


def test_only_the_keys_that_are_trusted_count_and_not_those_in_the_payload(check):
    data = envelope(made(), [KEY])
    for keys, name in (([], UNKNOWN), ([OTHER.modulus], UNKNOWN), ([KEY.modulus[:-1] + b"\1"], UNKNOWN)):
        assert name_of(check(data, keys))[0] == name
    for keys in ([KEY.modulus], [STRANGER.modulus, OTHER.modulus, KEY.modulus], [KEY.modulus] * 2):
        assert check(data, keys)["number"] == 7
        assert check(data, keys)["tried"] == 1


def test_without_keys_signatures_are_not_looked_at(check):
    for signatures in ([], [broken()], [{"sig": 1}]):
        found = check(envelope(made(), [], signatures=signatures), None)
        assert (found["number"], found["tried"]) == (7, 0)
    assert name_of(check(b"{}", None))[0] == "envelope-malformed"
    assert name_of(check(envelope(made(product="imp"), []), None))[0] == "wrong-product"


def test_a_payload_is_not_read_before_its_signature_is_good(check):
    for body in (b"", b"{", compact(made(product="imp")), compact(made(number="7"))):
        assert name_of(check(envelope(body, [STRANGER])))[0] == UNKNOWN
        assert name_of(check(envelope(body, [], signatures=[broken()])))[0] == BAD


# ---- payloads

LINE = entry("lutin/a.mpy", b"a")


def line(**fields: Any) -> dict[str, Any]:
    return {k: v for k, v in {**LINE, **fields}.items() if v is not ABSENT}


def path(*paths: Any) -> dict[str, Any]:
    return made(files=[line(path=p) for p in paths])


def based(**fields: Any) -> dict[str, Any]:
    base = {**made(base=IMAGE)["base"], **fields}
    return made() | {"base": {k: v for k, v in base.items() if v is not ABSENT}}


MALFORMED = "payload-malformed"
RANGE, WRONG, MISSING = "number-out-of-range", "wrong-type", "missing-field"
PIECE = {"sha256": LINE["sha256"], "encoding": "zlib"}
PAYLOADS: dict[str, tuple[Any, str, str]] = {
    "nothing": (b"", MALFORMED, "ends-early"),
    "not JSON": (b"PK\x03\x04", MALFORMED, "not-json"),
    "a list": (b"[]", MALFORMED, WRONG),
    "an empty object": (b"{}", MALFORMED, MISSING),
    "twice": (compact(made()) * 2, MALFORMED, "trailing-text"),
    "BOM": (b"\xef\xbb\xbf" + compact(made()), MALFORMED, "not-json"),
    "cut": (compact(made())[:-1], MALFORMED, "ends-early"),
    "bad UTF-8": (compact(made())[:-1] + b',"x":"\xff"}', MALFORMED, "bad-utf8"),
    "lone surrogate": (compact(made())[:-1] + b',"x":"\\ud800"}', MALFORMED, "lone-surrogate"),
    "number twice": (compact(made())[:-1] + b',"number":8}', MALFORMED, "duplicate-key"),
    "files twice": (compact(made())[:-1] + b',"files":[]}', MALFORMED, "duplicate-key"),
    "an unknown key twice": (compact(made())[:-1] + b',"x":1,"x":1}', MALFORMED, "duplicate-key"),
    "a path twice in a file": (
        compact(made(files=[line()])).replace(b'"length"', b'"path":"lutin/b","length"'),
        MALFORMED,
        "duplicate-key",
    ),
    "deep": (made(x=[[[[[[]]]]]]), MALFORMED, "too-deep"),
    "long string": (made(x="x" * 1025), MALFORMED, "string-too-long"),
    "another format": (made(format=2), "wrong-format", ""),
    "format 0": (made(format=0), "wrong-format", ""),
    "format is a string": (made(format="1"), MALFORMED, WRONG),
    "format is true": (made(format=True), MALFORMED, WRONG),
    "another format, and all else differs": ({"format": 2, "number": "x"}, "wrong-format", ""),
    "another product": (made(product="imp"), "wrong-product", ""),
    "product in capitals": (made(product="Lutin"), "wrong-product", ""),
    "product is null": (made(product=None), MALFORMED, WRONG),
    "number 0": (made(number=0, oldest=0), MALFORMED, RANGE),
    "number negative": (made(number=-7), MALFORMED, RANGE),
    "number 2^31": (made(number=1 << 31), MALFORMED, RANGE),
    "number 2^32 + 7": (made(number=(1 << 32) + 7), MALFORMED, RANGE),
    "number 2^64 + 7": (made(number=(1 << 64) + 7), MALFORMED, RANGE),
    "number a string": (made(number="7"), MALFORMED, WRONG),
    "number a float": (made(number=7.0), MALFORMED, "not-whole"),
    "number NaN": (made(number=float("nan")), MALFORMED, "not-json"),
    "number null": (made(number=None), MALFORMED, WRONG),
    "number 007": (compact(made()).replace(b'"number":7', b'"number":007'), MALFORMED, "not-json"),
    "oldest above number": (made(oldest=8), MALFORMED, RANGE),
    "oldest negative": (made(oldest=-1), MALFORMED, RANGE),
    "version a number": (made(version=1), MALFORMED, WRONG),
    "version empty": (made(version=""), MALFORMED, "text"),
    "version long": (made(version="1" * 65), MALFORMED, "text"),
    "version with a line break": (made(version="1\n2"), MALFORMED, "text"),
    "version with an escape sequence": (made(version="\x1b[2J"), MALFORMED, "text"),
    "version not ASCII": (made(version="é"), MALFORMED, "text"),
    "another board": (made(boards=["esp32", "esp32-c3"]), "wrong-board", "for esp32, esp32-c3"),
    "board as a part of a name": (made(boards=["unixx", "uni"]), "wrong-board", "for unixx, uni"),
    "no board": (made(boards=[]), MALFORMED, "no-boards"),
    "boards a string": (made(boards="unix"), MALFORMED, WRONG),
    "many boards": (made(boards=["unix"] * 17), MALFORMED, "too-many-boards"),
    "expires negative": (made(expires=-1), MALFORMED, RANGE),
    "expires 2^32": (made(expires=1 << 32), MALFORMED, RANGE),
    "expires a string": (made(expires="2030-01-01"), MALFORMED, WRONG),
    "expires false": (made(expires=False), MALFORMED, WRONG),
    "no keys": (made(keys=[]), MALFORMED, "no-keys"),
    "five keys": (made(keys=[KEY.base64] * 5), MALFORMED, "too-many-keys"),
    "a short key": (made(keys=[KEY.base64[:-4]]), MALFORMED, "key"),
    "an even key": (made(keys=[KEY.base64[:-4] + "AAAA"]), MALFORMED, "key"),
    "a key of 3071 bits": (made(keys=["A" + KEY.base64[1:]]), MALFORMED, "key"),
    "a key that is no base64": (made(keys=["?" * 512]), MALFORMED, "key"),
    "no files": (made(files=[]), MALFORMED, "no-files"),
    "files an object": (made(files={}), MALFORMED, WRONG),
    "a file is a string": (made(files=["lutin/a"]), MALFORMED, WRONG),
    "length negative": (made(files=[line(length=-1)]), MALFORMED, RANGE),
    "length too large": (made(files=[line(length=262145)]), "too-large", ""),
    "length a string": (made(files=[line(length="1")]), MALFORMED, WRONG),
    "sha256 short": (made(files=[line(sha256="00" * 31)]), MALFORMED, "sha256"),
    "sha256 long": (made(files=[line(sha256="00" * 33)]), MALFORMED, "sha256"),
    "sha256 in capitals": (made(files=[line(sha256="AB" * 32)]), MALFORMED, "sha256"),
    "sha256 not hex": (made(files=[line(sha256="0g" * 32)]), MALFORMED, "sha256"),
    "sha256 with spaces": (made(files=[line(sha256="00 " * 21 + "0")]), MALFORMED, "sha256"),
    "sha256 a path": (made(files=[line(sha256="../" * 21 + "x")]), MALFORMED, "sha256"),
    "encoding gzip": (made(files=[line(encoding="gzip")]), MALFORMED, "encoding"),
    "encoding null": (made(files=[line(encoding=None)]), MALFORMED, WRONG),
    "not sorted": (path("lutin/b", "lutin/a"), "files-unsorted", "lutin/a"),
    "sorted like a person would": (path("lutin/a", "lutin/B"), "files-unsorted", "lutin/B"),
    "a path twice": (path("lutin/a", "lutin/a"), "duplicate-path", "lutin/a"),
    "a path twice, not side by side": (path("lutin/a", "lutin/b", "lutin/a"), "files-unsorted", "lutin/a"),
    "a file in a file": (path("lutin/a", "lutin/a/b"), "bad-path", "lutin/a/b"),
    "a file in a file far before": (
        path("lutin/a", "lutin/a-", "lutin/a-b", "lutin/a.b", "lutin/a/b"),
        "bad-path",
        "lutin/a/b",
    ),
    "base null": (made() | {"base": None}, MALFORMED, WRONG),
    "base length 0": (based(length=0, pieces=[]), MALFORMED, RANGE),
    "base too large": (based(length=(2 << 20) + 1), "too-large", ""),
    "base with a piece too many": (based(length=65536), MALFORMED, "pieces"),
    "base with a piece too few": (based(length=131073), MALFORMED, "pieces"),
    "base with the length behind": (
        based(length=ABSENT) | {"base": {"pieces": [PIECE], **based(pieces=ABSENT)["base"]}},
        MALFORMED,
        "pieces",
    ),
    "base with a piece without a hash": (based(pieces=[{"encoding": "zlib"}] * 2), MALFORMED, MISSING),
    "base with a bad hash": (based(sha256="0"), MALFORMED, "sha256"),
    "base with a bad chip": (based(chip="esp\n"), MALFORMED, "text"),
}
for _field in ("format", "product", "number", "version", "oldest", "boards", "expires", "keys", "files"):
    PAYLOADS[f"without {_field}"] = (made(**{_field: ABSENT}), MALFORMED, MISSING)
for _field in LINE:
    PAYLOADS[f"a file without {_field}"] = (made(files=[line(**{_field: ABSENT})]), MALFORMED, MISSING)
for _field in ("version", "chip", "sha256", "pieces"):
    PAYLOADS[f"base without {_field}"] = (based(**{_field: ABSENT}), MALFORMED, MISSING)
PATHS = [
    "", "/", ".", "..", "lutin", "app", "lutin/", "app/", "/lutin/a", "lutin//a", "lutin/a/", "lutin/./a", "lutin/../a",
    "../lutin/a", "lutin/..", "lutin/.a", "lutin/.", "app/a/../../boot.py", "main.py", "boot.py", "factory/lutin/a",
    "a/lutin/a", "b/lutin/a", "Lutin/a", "lutinx/a", "lutin\\a", "lutin/a\\..\\b", "lutin/a b", "lutin/a\x00", "lutin/a\n",
    "lutin/é", "lutin/a:b", "lutin/a*", "lutin/%2e%2e/a", "C:/lutin/a", "~/lutin", "lutin/" + "a" * 91, "x" * 300,
    "lutin/" + "a/" * 150 + "a", "release.json", "lutin/a?b", "lutin/a\x7f",
]  # fmt: skip
for _path in PATHS:
    PAYLOADS[f"path {_path[:20]!r}"] = (path(_path), "bad-path", "")


@pytest.fixture(scope="module")
def refusals(check):
    return {what: check(envelope(body, [KEY])) for what, (body, _, _) in PAYLOADS.items()}


def test_a_wrong_payload_is_refused_by_name(refusals):
    assert {what: name_of(found) for what, found in refusals.items()} == {
        what: (name, detail) for what, (_, name, detail) in PAYLOADS.items()
    }


def test_no_refusal_says_what_cannot_be_printed(refusals):
    for what, found in refusals.items():
        assert len(found["detail"]) <= 100, what
        assert found["detail"].isascii(), what
        assert found["detail"] == "" or found["detail"].isprintable(), what


def test_more_than_400_files_are_too_many(rig):
    lines = [line(path=f"lutin/{i:03d}") for i in range(401)]
    assert rig.call("payload", compact(made(files=lines[:400])))["count"] == 400
    assert name_of(rig.call("payload", compact(made(files=lines))))[0] == "too-many-files"


# ---- any bytes


@given(
    data=st.binary(max_size=80)
    | st.text(alphabet='{}[]",:01\\ payloadsignturesTy', max_size=40).map(str.encode)
)
def test_any_bytes_are_refused_by_name(check, data):
    assert name_of(check(data))[0] == "envelope-malformed"
    assert name_of(check(envelope(data, [KEY])))[0] == MALFORMED


def mutated(draw: Any, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(out)))
        how = draw(st.sampled_from(["flip", "set", "cut", "drop", "double", "insert"]))
        if how == "flip" and at < len(out):
            out[at] ^= 1 << draw(st.integers(0, 7))
        elif how == "set" and at < len(out):
            out[at] = draw(st.sampled_from(b'"{}[],:\\ 0A=/-'))
        elif how == "cut":
            del out[at:]
        elif how == "drop":
            del out[at : at + draw(st.integers(1, 40))]
        elif how == "double":
            out[at:at] = out[at : at + draw(st.integers(1, 600))]
        else:
            out[at:at] = draw(
                st.sampled_from([b" ", b"\n", b",", b'"x":1,', b"\\u0041", b"\xff", b"\0", b"{}", b"e30="])
            )
    return bytes(out)


@settings(max_examples=120)
@given(draw=st.data())
def test_whatever_happens_to_an_envelope_it_is_refused_or_means_the_same(check, draw):
    about = made(base=IMAGE)
    data = mutated(draw.draw, envelope(about, [KEY, STRANGER]))
    found = check(data, lists=True)
    del found["tried"]
    if "name" in found:
        assert found["name"] in ("envelope-malformed", "wrong-format", BAD, UNKNOWN)
    else:
        assert found == expected(about)
        assert base64.b64decode(json.loads(data)["payload"]) == compact(about)


@settings(max_examples=200)
@given(draw=st.data())
def test_whatever_is_signed_it_is_refused_or_read_as_cpython_reads_it(check, draw):
    body = mutated(draw.draw, compact(made(base=b"x")))
    found = check(envelope(body, [], signatures=[]), None, lists=True)
    del found["tried"]
    if "name" in found:
        assert found["state"] == "update-refused"
    else:
        assert found == expected(json.loads(body))


def test_a_file_that_is_not_there_is_a_failure_too(rig, tmp_path):
    assert rig.call("check", str(tmp_path / "none"), None)["name"] == "flash-error"


# ---- whether it may be installed


def test_what_may_be_installed(rig):
    #      number expires  now running highest rejected floor
    table = [
        ((8, None, 9, 7, 7, None, 1), ""),
        ((7, None, 9, 7, 7, None, 7), ""),
        ((8, 100, 99, 7, 7, None, 1), ""),
        ((8, 100, 100, 7, 7, None, 1), "expired"),
        ((8, 100, 1 << 31, 7, 7, None, 1), "expired"),
        ((8, 100, None, 7, 7, None, 1), ""),
        ((8, 0, 0, 7, 7, None, 1), "expired"),
        ((8, None, None, 7, 7, 8, 1), "rejected-before"),
        ((9, None, None, 7, 7, 8, 1), ""),
        ((8, None, None, 7, 7, 9, 1), ""),
        ((8, None, None, 7, 7, 0, 0), ""),
        ((6, None, None, 7, 7, None, 1), "older-than-installed"),
        ((8, None, None, 7, 9, None, 1), "older-than-installed"),
        ((8, None, None, 9, 7, None, 1), "older-than-installed"),
        ((8, None, None, 7, 10, None, 9), "older-than-allowed"),
        ((8, None, None, 1, 1, None, 9), "older-than-allowed"),
        ((9, None, None, 1, 1, None, 9), ""),
        ((1, None, None, 0, 0, None, 0), ""),
        # Several at once: the name does not change when the time becomes known.
        ((8, 100, 200, 7, 7, 8, 9), "rejected-before"),
        ((6, 100, 200, 7, 7, None, 1), "older-than-installed"),
        ((6, 100, 200, 7, 7, None, 7), "older-than-allowed"),
    ]
    for arguments, name in table:
        assert rig.call("allow", *arguments) == name, arguments
    assert rig.call("allow", 8, None, None, 7, 7, None) == ""


# ---- memory and time


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """As many files as 64 KB hold, and four keys."""
    files = {f"lutin/{'abc'[i % 3]}/module_{i:03d}.mpy": bytes([i & 255]) * i for i in range(320)}
    data = envelope(payload(files, 7, [KEY, OTHER, STRANGER, KEY]), [STRANGER, KEY])
    assert 60000 < len(data) <= 65536
    path = tmp_path_factory.mktemp("large") / "release.json"
    path.write_bytes(data)
    return path


def test_the_check_of_the_largest_release_takes_little_memory(large):
    with Rig("update_release", heap="1M") as rig:
        checked, kept, listed, _ = rig.call("heap", str(large), TRUSTED)
    print(f"heap, at most: {checked} bytes in the check, of which {kept} stay; {listed} while listing files")
    # On a board objects are half as large; bytes, as of the four keys, are not.
    assert kept < 4 * 416 + 1024
    assert checked - kept < 6144
    assert listed < 8192


def test_the_memory_does_not_depend_on_the_size(large, tmp_path):
    small = tmp_path / "release.json"
    small.write_bytes(envelope(payload(FILES, 7, [KEY, OTHER, STRANGER, KEY]), [STRANGER, KEY]))
    with Rig("update_release", heap="1M") as rig:
        peaks = [rig.call("heap", str(path), TRUSTED)[0] for path in (small, large)]
    assert abs(peaks[0] - peaks[1]) < 512, peaks


def test_others_have_their_turn_during_a_check(rig, large, tmp_path):
    most, turns, _ = rig.call("gives_way", str(large), TRUSTED)
    assert most <= 1024
    assert turns > 150
    # Also where somebody makes it as slow as can be.
    slow = tmp_path / "slow.json"
    good = json.loads(envelope(made(), [KEY]))
    good = {"x": [["a" * 1000] * 6] * 6, **good, "signatures": [broken()] * 30}
    slow.write_bytes(compact(good).replace(b"/", b"\\u002f"))
    assert rig.call("gives_way", str(slow), TRUSTED)[0] <= 1024 + 256


def test_what_is_signed_has_the_hash_of_the_specification(check):
    # The DSSE text by hand, so that maker and device cannot be wrong in the same way.
    body = compact(made())
    text = b"DSSEv1 34 application/vnd.lutin.release+json " + str(len(body)).encode() + b" " + body
    assert text == pae(body)
    assert len(TYPE) == 34
    sig = base64.b64encode(KEY.sign(text)).decode()
    found = check(
        envelope(body, [], signatures=[{"keyid": hashlib.sha256(KEY.modulus).hexdigest()[:16], "sig": sig}])
    )
    assert found["number"] == 7
