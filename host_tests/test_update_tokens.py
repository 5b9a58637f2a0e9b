"""The strict JSON reader: what CPython takes too, and nothing that is not JSON."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unixport import Rig

STEPS = [1, 2, 7, 256]


@pytest.fixture(scope="module")
def rig():
    with Rig("update_release") as r:
        yield r


def plain(value):
    """A value as the rig gives it: strings as lists of bytes."""
    if isinstance(value, str):
        return list(value.encode())
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return value


# ---- against CPython

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["", "\\", '"', "/", "\u00e9\u20ac\U0001f600", "\x7f", "a" * 300, "\u20ac" * 200]
)
numbers = st.integers(-0x7FFFFFFF, 0x7FFFFFFF)
values = st.recursive(
    texts | numbers | st.booleans() | st.none(),
    lambda v: st.lists(v, max_size=4) | st.dictionaries(texts, v, max_size=4),
    max_leaves=12,
)


def depth(value) -> int:
    """How many objects and arrays are open at most."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


@given(value=values, ascii_only=st.booleans(), indent=st.sampled_from([None, 1]), step=st.sampled_from(STEPS))
def test_every_document_means_what_it_means_to_cpython(rig, value, ascii_only, indent, step):
    document = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    found = rig.call("parse", document, step)
    skipped = rig.call("parse", document, step, skip=True)
    if depth(value) > 6:
        assert found["detail"] == skipped["detail"] == "too-deep"
    else:
        assert found == {"value": plain(value), "position": len(document)}
        assert skipped == {"value": None, "position": len(document)}


marks = st.lists(
    st.sampled_from(
        [
            *'{}[],:" \t\n',
            "{}",
            '"a"',
            '"a":',
            "1",
            "-",
            "0",
            "1.5",
            "true",
            "nul",
            "null",
            '"\\u00e9"',
            '"\\',
        ]
    ),
    max_size=9,
).map("".join)


def strict(document: bytes):
    """("value", …) as CPython says, by the rules of this reader; None where it must be refused."""

    def pairs(items):
        if len({key for key, _ in items}) < len(items):
            raise ValueError("duplicate")
        return dict(items)

    def refuse(text):
        raise ValueError(text)

    try:
        value = json.loads(
            document.decode(), object_pairs_hook=pairs, parse_float=refuse, parse_constant=refuse
        )
        json.dumps(value, ensure_ascii=False).encode()  # no lone surrogates
        return (value,)
    except ValueError:
        return None


@given(document=marks.map(str.encode) | st.binary(max_size=12), step=st.sampled_from(STEPS))
def test_anything_else_is_refused_as_cpython_would(rig, document, step):
    found = rig.call("parse", document, step)
    expected = strict(document)
    if expected is None:
        assert found["name"] == "not-good", found
        assert rig.call("parse", document, step, skip=True)["name"] == "not-good"
    else:
        assert found["value"] == plain(expected[0])


@given(document=st.binary(max_size=6))
def test_text_is_strict_utf_8(rig, document):
    quoted = b'"\xe2' + document + b'"'
    found = rig.call("parse", quoted)
    expected = strict(quoted)
    assert found.get("value") == (plain(expected[0]) if expected else None)


# ---- refusals

DEEP = b"[" * 6 + b"]" * 6
BAD = {
    b"": "ends-early",
    b" ": "ends-early",
    b"\xef\xbb\xbf{}": "not-json",
    b"{} x": "trailing-text",
    b"{}{}": "trailing-text",
    b'{"a":1': "ends-early",
    b'{"a"': "ends-early",
    b'{"a": ': "ends-early",
    b'["a",': "ends-early",
    b'"abc': "ends-early",
    b'"abc\\': "ends-early",
    b'"\\u12': "ends-early",
    b"tru": "ends-early",
    b"-": "ends-early",
    b"truth": "not-json",
    b"nulL": "not-json",
    b'{"a":1,}': "not-json",
    b"[1,]": "not-json",
    b"[,1]": "not-json",
    b"[1 2]": "not-json",
    b'{"a" 1}': "not-json",
    b'{"a":1 "b":2}': "not-json",
    b"{a:1}": "not-json",
    b"{1:1}": "not-json",
    b"[1}": "not-json",
    b'{"a":1]': "not-json",
    b"'a'": "not-json",
    b"NaN": "not-json",
    b"Infinity": "not-json",
    b"-Infinity": "not-json",
    b"+1": "not-json",
    b".5": "not-json",
    b"01": "not-json",
    b"-01": "not-json",
    b"00": "not-json",
    b"1.0": "not-whole",
    b"1e2": "not-whole",
    b"0E1": "not-whole",
    b"2147483648": "number-out-of-range",
    b"-2147483648": "number-out-of-range",
    b"9" * 5000: "number-out-of-range",
    b'"a\nb"': "not-json",
    b'"a\x00b"': "not-json",
    b'"\xc3\xa9\x1f"': "not-json",
    b'"\\x"': "bad-escape",
    b'"\\U0041"': "bad-escape",
    b'"\\u00g1"': "bad-escape",
    b'"\\u+041"': "bad-escape",
    b'"\\u 041"': "bad-escape",
    b'"\\u0_41"': "bad-escape",
    b'"\\u\x10\x10\x10\x10"': "bad-escape",
    b'"\\u004"': "bad-escape",
    b'"\\ud800"': "lone-surrogate",
    b'"\\ud800\\n"': "lone-surrogate",
    b'"\\ud800\\ud800"': "lone-surrogate",
    b'"\\udc00"': "lone-surrogate",
    b'"\\udc00\\ud800"': "lone-surrogate",
    b'"\x80"': "bad-utf8",
    b'"\xc0\x80"': "bad-utf8",
    b'"\xc1\xbf"': "bad-utf8",
    b'"\xe0\x9f\xbf"': "bad-utf8",
    b'"\xed\xa0\x80"': "bad-utf8",
    b'"\xf0\x8f\xbf\xbf"': "bad-utf8",
    b'"\xf4\x90\x80\x80"': "bad-utf8",
    b'"\xf5\x80\x80\x80"': "bad-utf8",
    b'"\xc3"': "bad-utf8",
    b'"\xe2\x82"': "bad-utf8",
    b'"\xe2\x82\\n"': "bad-utf8",
    b'"\xc3a"': "bad-utf8",
    b'"\xc3a\xa9"': "bad-utf8",
    b'"\xc3\\n\xa9"': "bad-utf8",
    b'{"a":1,"a":1}': "duplicate-key",
    b'{"a":1,"\\u0061":1}': "duplicate-key",
    b'{"":1,"":1}': "duplicate-key",
    b'{"a":{"b":1},"a":1}': "duplicate-key",
    b'[{"x":[{"b":1,"c":2,"b":1}]}]': "duplicate-key",
    b"[" + DEEP + b"]": "too-deep",
    b'{"a":' + DEEP + b"}": "too-deep",
    b"[" * 60000: "too-deep",
    b'{"a":' * 9000: "too-deep",
    b'"' + b"a" * 1025 + b'"': "string-too-long",
    b'{"' + b"a" * 1025 + b'":1}': "string-too-long",
    b'"' + b"\\u0041" * 1025 + b'"': "string-too-long",
    b'"' + "é".encode() * 513 + b'"': "string-too-long",
    b"[" + b" " * 4097 + b"]": "too-much-space",
    b"1" + b" " * 60000: "too-much-space",
    b"[" + b"0," * 4095 + b"0]": "too-many-values",
    json.dumps({str(i): 0 for i in range(65)}).encode(): "too-many-keys",
}


@pytest.mark.parametrize("skip", [False, True], ids=["read", "skipped"])
def test_what_is_wrong_has_its_name(rig, skip):
    for document, detail in BAD.items():
        for step in (1, 256) if len(document) < 3000 else (256,):
            found = rig.call("parse", document, step, skip)
            assert (found.get("name"), found.get("detail")) == ("not-good", detail), (document[:40], step)


def test_the_limits_themselves_are_allowed(rig):
    longest = b'"' + b"\\u0041" * 1024 + b'"'
    keys = {str(i): 0 for i in range(64)}
    for document in (
        DEEP,
        longest,
        b"[" + b"0," * 4094 + b"0]",
        b" " * 4096 + b"0",
        b"[2147483647,-2147483647]",
        json.dumps(keys).encode(),
        json.dumps([keys, keys]).encode(),  # the first one is closed
    ):
        for skip in (False, True):
            assert "value" in rig.call("parse", document, 256, skip), document[:40]
    assert rig.call("parse", longest)["value"] == [65] * 1024
    assert "value" in rig.call("parse", b'{"a":[0,{}]}', values=4)
    assert rig.call("parse", b'{"a":[0,{}]}', values=3)["detail"] == "too-many-values"


def test_a_document_without_end_is_left_there(rig):
    for head, again in ((b"[", b'"aaaaaaaaaaaa",'), (b"[", b"{},"), (b"[0", b",0")):
        detail, taken = rig.call("flood", head, again, 65536)
        assert detail == "too-large"
        assert 65536 < taken <= 65536 + 256
    for head, again, detail in (
        (b'"', b"a", "string-too-long"),
        (b" ", b" ", "too-much-space"),
        (b"9", b"9", "number-out-of-range"),
    ):
        found, taken = rig.call("flood", head, again, 65536)
        assert found == detail
        assert taken < 4096 + 1024
    document = b'["' + b'a","' * 900 + b'"]'
    for most, name in ((len(document), None), (len(document) - 1, "too-large")):
        assert rig.call("parse", document, 256, False, most).get("detail") == name


@pytest.mark.parametrize(
    ("method", "document"),
    [
        ("number", b'"7"'),
        ("number", b"true"),
        ("number", b"null"),
        ("number", b"[7]"),
        ("string", b"7"),
        ("string", b"-7"),
        ("string", b"null"),
        ("string", b'["a"]'),
        ("object", b"[]"),
        ("object", b'"{}"'),
        ("array", b"{}"),
        ("array", b"0"),
    ],
)
def test_one_type_is_never_taken_for_another(rig, method, document):
    args = [0] if method == "number" else []
    assert rig.call("expect", document, method, *args)["detail"] == "wrong-type"


def test_a_number_out_of_its_range_is_refused(rig):
    for text, low, high, ok in [
        (b"0", 1, 9, False),
        (b"1", 1, 9, True),
        (b"9", 1, 9, True),
        (b"10", 1, 9, False),
        (b"-1", 0, 9, False),
        (b"-1", -1, 9, True),
        (b"4294967295", 0, 0xFFFFFFFF, True),
        (b"4294967296", 0, 0xFFFFFFFF, False),
    ]:
        found = rig.call("expect", text, "number", low, high)
        assert found == {"value": int(text)} if ok else found["detail"] == "number-out-of-range"


# ---- long strings and base64


@pytest.mark.parametrize("step", [1, 100, 256])
def test_a_string_of_any_length_comes_in_small_chunks(rig, step):
    text = "0123456789/+ é€😀\n" * 400
    for document in (json.dumps(text), json.dumps(text, ensure_ascii=False)):
        length, digest, longest = rig.call("long_string", document.encode(), step)
        assert (length, digest) == (len(text.encode()), hashlib.sha256(text.encode()).digest())
        assert longest <= 256


@given(data=st.binary(max_size=600), escaped=st.booleans(), step=st.sampled_from(STEPS))
def test_base64_is_decoded_as_it_comes(rig, data, escaped, step):
    text = base64.b64encode(data)
    if escaped:
        text = text.replace(b"/", b"\\/").replace(b"A", b"\\u0041")
    assert rig.call("base64_string", b'"' + text + b'"', step) == {"value": data}


def test_base64_has_one_spelling_only(rig):
    good = ["", "QUJD", "QQ==", "QUI=", "+/+/"]
    bad = [
        "Q",
        "QU",
        "QUJ",
        "QQ=",
        "QR==",
        "QUJ=",
        "QUJDQ",
        "QQ==QUJD",
        "QQ==QQ==",
        "====",
        "QUJD====",
        "QUJD=",
        "=",
        "QU-_",
        "QUJ.",
        "QU=D",
        "Q===",
        "é",
        "QQ==é",
    ]
    bad += ["QUJD\\n", " QUJD", "QU JD", "QUJD\\u0000"]
    for text in good:
        assert rig.call("base64_string", f'"{text}"'.encode(), 256) == {"value": base64.b64decode(text)}
        assert rig.call("base64_whole", text.encode()) == base64.b64decode(text)
    for text in bad:
        for before in ("", "QUJD" * 63, "QUJD" * 64):  # where a chunk ends
            for step in (1, 256):
                found = rig.call("base64_string", f'"{before}{text}"'.encode(), step)
                assert found.get("detail") == "bad-base64", (len(before), text, step)
        assert rig.call("base64_whole", json.loads(f'"{text}"').encode()) is None, text
    for text, detail in ((b'"QU\nJD"', "bad-base64"), (b'"QUJD', "ends-early"), (b'"QU\\xJD"', "bad-escape")):
        assert rig.call("base64_string", text, 256)["detail"] == detail


@given(data=st.binary(max_size=40), step=st.sampled_from(STEPS))
def test_any_bytes_as_base64_are_taken_as_cpython_takes_them_or_refused(rig, data, step):
    found = rig.call("base64_string", b'"' + data + b'"', step)
    try:
        text = json.loads(b'"' + data + b'"', strict=False)
        plain = base64.b64decode(text, validate=True)
        good = base64.b64encode(plain).decode() == text
    except ValueError:
        good = False
    assert ("value" in found) == good
