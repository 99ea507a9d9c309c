"""The protocol page describes everything in the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest

from voicebot.conversation.notices import WORDS
from voicebot.server.endpoints.http import STATUS
from voicebot.server.net.close_codes import CloseCode
from voicebot.signaling.messages import ClientMessage, Message, ServerMessage
from voicebot.signaling.negotiation import Timeouts

PACKAGE = Path(__file__).parents[2] / "voicebot"
TEXT = (PACKAGE / "signaling/protocol.md").read_text("utf-8")
FLAT = " ".join(TEXT.split())


def members(union: Any) -> list[type[Message]]:
    return list(get_args(get_args(union)[0]))


MODELS = {
    model.model_fields["type"].default: model for model in [*members(ServerMessage), *members(ClientMessage)]
}


@pytest.mark.parametrize("type", sorted(MODELS))
def test_every_message_type_is_described(type: str) -> None:
    assert re.search(rf"`{type}[` ]", FLAT)


def test_described_fields_exist() -> None:
    described = re.findall(r"`(\w+) \{([\w, ]+)", FLAT)
    assert len(described) >= 20
    for type, fields in described:
        if type in MODELS:
            known = MODELS[type].model_fields["data"].annotation
            assert known is not None
            assert {f.strip() for f in fields.split(",")} - {""} <= set(known.model_fields), type


AREAS = ("server", "signaling", "lobby", "agent", "media", "rtc", "persona")
ON_THE_WIRE, OVER_HTTP = TEXT.split("## Errors")[1].split("## Close codes")[0].split("Over HTTP")
NOT_TOLD = {
    "already_joined": "the server never seats anyone twice",
    "bad_id": "the schema has the same rule for a slug; a notebook is told",
    "media_worker": "the server does not start",
    "model_failed": "an event of the conversation",
    "tool": "an event of the conversation",
    "withheld": "an event of the conversation",
    "summary": "an event of the conversation",
    "mcp": "a notebook is told",
    "recording": "an event of the conversation",
    "log": "of reading a conversation in a notebook",
    "settings": "the server does not start",
    "lease_lost": "the lobby ends with `lobby_destroyed` or goes on elsewhere",
}
FAILURES = {"ice_failed", "no_candidates"}
"""Codes of `webrtc_failed`, which the page describes with that message."""


def codes(table: str) -> set[str]:
    """The codes in the first column of a table."""
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    return {code for row in rows for code in re.findall(r"`(\w+)`", row)}


def raised() -> set[str]:
    """The error codes that the code for clients raises itself."""
    files = [path for area in AREAS for path in (PACKAGE / area).rglob("*.py")]
    texts = [path.read_text("utf-8") for path in (*files, PACKAGE / "errors.py", PACKAGE / "store/base.py")]
    assert len(texts) > 100
    found = {code for text in texts for code in re.findall(r'\bcode(?:: str)? ?= ?"(\w+)"', text)}
    found |= set(re.findall(r'_refusal\(\s*\d+,\s*"(\w+)"', "\n".join(texts)))
    return found | set(re.findall(r'\("(\w+)", (?:"|str)', (PACKAGE / "server/app.py").read_text("utf-8")))


def test_every_raised_error_code_is_in_a_table() -> None:
    assert raised() - FAILURES - NOT_TOLD.keys() - codes(ON_THE_WIRE) - codes(OVER_HTTP) == set()
    assert set(re.findall(r"`(\w+)`", TEXT.split("## Negotiation")[1].split("## Errors")[0])) >= FAILURES


def test_every_error_code_in_a_table_is_raised() -> None:
    assert codes(ON_THE_WIRE) | codes(OVER_HTTP) | NOT_TOLD.keys() <= raised()
    assert not codes(ON_THE_WIRE) & codes(OVER_HTTP)
    assert not (codes(ON_THE_WIRE) | codes(OVER_HTTP)) & NOT_TOLD.keys()


def test_broadcast_messages_are_described() -> None:
    assert {f"`{code}`" for code in WORDS if f"`{code}`" not in FLAT} == set()
    assert all(message and hint for message, hint in WORDS.values())


def test_the_http_statuses_match_the_code() -> None:
    rows = re.findall(r"^\| (`.*?) \| (\d+) \|", OVER_HTTP, re.MULTILINE)
    told = {code: int(status) for row, status in rows for code in re.findall(r"`(\w+)`", row)}
    assert {code: STATUS.get(code, status) for code, status in told.items()} == told
    assert STATUS.keys() - NOT_TOLD.keys() <= codes(ON_THE_WIRE) | codes(OVER_HTTP)


def test_each_message_has_its_direction_and_is_described_in_its_phase() -> None:
    table = TEXT.split("## Who sends what")[1].split("## Session phase")[0]
    rows = re.findall(r"^\| (\w+) \|(.*?)\|(.*?)\|$", table, re.MULTILINE)
    sent: tuple[list[str], list[str]] = ([], [])
    for phase, browser, server in rows[1:]:
        section = re.split(rf"^## {phase}(?: phase)?$", TEXT, flags=re.MULTILINE)[1].split("\n## ")[0]
        for cell, types in ((browser, sent[0]), (server, sent[1])):
            types += (here := re.findall(r"`(\w+)`", cell))
            assert [t for t in here if not re.search(rf"`{t}[` ]", " ".join(section.split()))] == []
    assert [len(types) for types in sent] == [len(set(types)) for types in sent]  # each in one phase
    for types, union in zip(sent, (ClientMessage, ServerMessage), strict=True):
        assert set(types) == {model.model_fields["type"].default for model in members(union)}


def test_the_numbers_match_the_code() -> None:
    times = Timeouts()
    waiting = (
        f"{times.offer:.0f} s for the offer, {times.answer:.0f} s for the answer, and {times.connect:.0f} s"
    )
    assert waiting in FLAT
    for code in set(CloseCode) - {CloseCode.ABNORMAL}:
        assert f"{code} " in TEXT.split("## Close codes")[1]
