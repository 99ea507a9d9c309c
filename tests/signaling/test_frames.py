"""Which frames are valid messages, beyond what a schema can say."""

from __future__ import annotations

import json

import pytest

from voicebot.signaling.frames import Malformed, read
from voicebot.signaling.messages import ChatMessage, Ping

MALFORMED = {
    "a key twice": '{"type": "ping", "id": "1", "id": "1"}',
    "two types": '{"type": "leave_lobby", "lobby": "demo", "type": "ping"}',
    "a key twice, once escaped": '{"type": "ping", "id": "1", "\\u0069d": "2"}',
    "a key twice inside": '{"type": "chat_message", "lobby": "x", "data": {"text": "a", "text": "b"}}',
    "a key twice in a map": '{"type": "webrtc_offer", "peer": "p", "epoch": 1, '
    '"data": {"sdp": "x", "tracks": {"0": "a", "0": "b"}}}',
    "a hidden nest": '{"type": "ping", "data": ' + "[" * 150 + "]" * 150 + ', "data": {}}',
    "a hidden number": '{"type": "resume", "data": {"last_seq": ' + "9" * 5000 + ', "last_seq": 1}}',
    "true as version": '{"v": true, "type": "ping"}',
    "false as version": '{"v": false, "type": "ping"}',
    "NaN": '{"type": "resume", "data": {"last_seq": NaN}}',
    "Infinity": '{"type": "resume", "data": {"last_seq": Infinity}}',
    "minus Infinity": '{"type": "resume", "data": {"last_seq": -Infinity}}',
    "a number like Infinity": '{"type": "resume", "data": {"last_seq": 1e999}}',
    "a huge number": '{"type": "resume", "data": {"last_seq": 9007199254740992}}',
    "a number of 60,000 digits": '{"type": "resume", "data": {"last_seq": ' + "9" * 60_000 + "}}",
    "a negative number": '{"type": "resume", "data": {"last_seq": -1}}',
    "half a surrogate pair": '{"type": "chat_message", "lobby": "demo", "data": {"text": "\\ud83d"}}',
    "the other half": '{"type": "chat_message", "lobby": "demo", "data": {"text": "\\ude00x"}}',
    "half a pair as a key": '{"type": "webrtc_offer", "peer": "p", "epoch": 1, '
    '"data": {"sdp": "x", "tracks": {"\\ud83d": "a"}}}',
    "a raw control character": '{"type": "chat_message", "lobby": "demo", "data": {"text": "a\x00b"}}',
    "a raw line break": '{"type": "chat_message", "lobby": "demo", "data": {"text": "a\nb"}}',
    "a line break in an id": '{"type": "ping", "id": "a\\n"}',
    "a NUL in an id": '{"type": "ping", "id": "a\\u0000"}',
    "a byte order mark": '\ufeff{"type": "ping"}',
    "single quotes": "{'type': 'ping'}",
    "a comma too many": '{"type": "ping",}',
    "a comment": '{"type": "ping"} // hello',
    "two messages": '{"type": "ping"}{"type": "ping"}',
    "deep lists": "[" * 60_000,
    "deep objects": '{"a":' * 10_000 + "1" + "}" * 10_000,
    "a prototype": '{"type": "ping", "__proto__": {"admin": true}}',
    "an unknown field": '{"type": "ping", "admin": true}',
    "an unknown field inside": '{"type": "ping", "data": {"admin": true}}',
}


@pytest.mark.parametrize("what", MALFORMED)
def test_ambiguous_frames_are_refused(what: str) -> None:
    with pytest.raises(Malformed) as refused:
        read(MALFORMED[what])
    assert refused.value.code in {"bad_message", "unknown_type"}
    assert refused.value.hint
    assert len(refused.value.message) < 300


def test_the_error_of_a_malformed_frame_has_its_id() -> None:
    for frame, id in (
        ('{"type": "ping", "id": "a", "x": 1}', "a"),
        ('{"type": "ping", "id": "a", "ack": 1, "ack": 2}', "a"),
        ('{"type": "ping", "id": "not an id", "x": 1}', None),
        ('{"type": "ping", "x": 1}', None),
        ("[]", None),
    ):
        with pytest.raises(Malformed) as refused:
            read(frame)
        assert refused.value.id == id


def test_a_long_field_name_is_not_repeated() -> None:
    with pytest.raises(Malformed) as refused:
        read(json.dumps({"type": "ping", "data": {"x" * 60_000: 1}}))
    assert len(refused.value.message) < 300


def test_unusual_but_valid_frames_are_accepted() -> None:
    assert read(' {"type" : "ping" }\n') == Ping()
    assert read('{"type": "p\\u0069ng", "v": 1}') == Ping()
    emoji = read('{"type": "chat_message", "lobby": "demo", "data": {"text": "\\ud83d\\ude00 \\u0000"}}')
    assert isinstance(emoji, ChatMessage)
    assert emoji.data.text == "😀 \0"
    longest = json.dumps({"type": "chat_message", "lobby": "d", "data": {"text": "😀" * 4000}})
    assert isinstance(read(longest), ChatMessage)  # counted in characters, not in bytes or code units
