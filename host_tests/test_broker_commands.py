"""firmware/lutin/broker/commands.py: what a broker may order, and what is refused by name."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unixport import Rig

WORDS = ["restart", "update", "identify", "blinkup"]


@pytest.fixture(scope="module")
def rig():
    with Rig("broker_words") as r:
        yield r


def obey(rig, data, retained=False):
    ((answer, done),) = rig.call("obey", [[data, retained]])
    return answer.decode(), done


@pytest.mark.parametrize("word", WORDS)
def test_a_command_is_taken_as_a_word_and_as_json(rig, word):
    for data in (word, f" {word}\n", json.dumps({"command": word})):
        assert obey(rig, data.encode()) == (f"command: {word}", [[word]])


def test_the_level_of_the_log_is_one_of_three(rig):
    for level in ("info", "warn", "error"):
        said = json.dumps({"command": "log", "level": level}).encode()
        assert obey(rig, said) == (f"command: log, level {level}", [["level", level]])
    for level in ('"debug"', "null", "2", '["info"]', "{}"):
        answer, done = obey(rig, b'{"command": "log", "level": %s}' % level.encode())
        assert answer.startswith("command refused: log has no level ") and not done
    assert obey(rig, b"log")[1] == []


REFUSED = {
    b"Restart": "command unknown: 'Restart'",
    b"restart now": "command unknown: 'restart now'",
    b"restart\0": "command unknown: 'restart?'",
    b'"restart"': "command unknown: '\"restart\"'",
    b"x" * 100: f"command unknown: '{'x' * 20}'",
    b"x" * 201: "command refused: 201 bytes",
    b'{"command": "restart"': "command refused: neither a word nor a JSON object",
    b'{"command": "restart"} {}': "command refused: neither a word nor a JSON object",
    b'{"command": ["restart"]}': "command unknown: ''",
    b"{}": "command unknown: ''",
    b'{"command": "restart", "after": 60}': "command refused: restart has no 'after'",
    b'{"command": "log", "level": "warn", "for": 60}': "command refused: log has no 'for'",
    b'{[]: 1, "command": "restart"}': "command refused: neither a word nor a JSON object",
    b"\xff\xfe": "command refused: neither a word nor a JSON object",
    b"\xed\xa0\x80\n\x1b[2J": "command unknown: '??",
}


@pytest.mark.parametrize("data", REFUSED)
def test_what_is_not_wholly_understood_is_refused_by_name_and_not_done(rig, data):
    answer, done = obey(rig, data)
    assert answer.startswith(REFUSED[data]) and not done
    assert answer.isascii() and answer.isprintable() and len(answer) < 100


@pytest.mark.parametrize("word", WORDS)
def test_a_retained_command_is_refused_or_it_would_come_again_for_ever(rig, word):
    assert obey(rig, word.encode(), retained=True) == ("command refused: retained", [])
    assert obey(rig, json.dumps({"command": word}).encode(), retained=True) == (
        "command refused: retained",
        [],
    )


def test_clearing_a_retained_command_is_no_command_and_no_line_in_the_log(rig):
    assert obey(rig, b"") == ("", [])
    assert obey(rig, b"", retained=True) == ("", [])


@pytest.mark.parametrize(
    "bomb", [b"[" * 190, b'{"a":' * 38, b'{"command":' + b"[" * 180, b"9" * 199, b"{" * 100 + b"}" * 100]
)
def test_deeply_nested_json_is_refused(rig, bomb):
    answer, done = obey(rig, bomb)
    assert answer.startswith("command ") and not done


PIECES = st.sampled_from(
    [
        b"restart",
        b"log",
        b"command",
        b"level",
        b"info",
        b'"',
        b"{",
        b"}",
        b":",
        b",",
        b"[",
        b"]",
        b" ",
        b"1e999",
        b"-",
        b"\\u",
        b"null",
        b"\xed\xa0\x80",
    ]
)
BYTES = st.one_of(st.binary(max_size=300), st.lists(PIECES, max_size=30).map(b"".join))


@given(st.lists(st.tuples(BYTES, st.booleans()), max_size=20))
def test_no_bytes_raise_anything_and_only_whole_commands_are_done(rig, messages):
    for (data, retained), (answer, done) in zip(messages, rig.call("obey", messages), strict=True):
        assert len(answer) < 100 and answer.isascii()
        if not done:
            continue
        assert not retained and len(done) == 1
        try:
            said = json.loads(data)
            assert [said["command"]] == done[0] or ["level", said["level"]] == done[0]
        except (ValueError, TypeError, KeyError):
            assert data.strip().decode() == done[0][0]
