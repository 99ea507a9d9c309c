"""The prose beside the code speaks of everything that the code has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest

from voicebot.server.outbox import TOO_SLOW
from voicebot.server.sessions import REPLACED, UNAUTHENTICATED
from voicebot.server.websocket import REFUSED, TOO_MANY, TRY_AGAIN
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


def test_every_error_code_of_signaling_is_in_the_table() -> None:
    table = set(re.findall(r"^\| `(\w+)` \|", TEXT.split("## Errors")[1], re.MULTILINE))
    raised = {"bad_message"}
    wire = ("switchboard", "websocket", "served_lobby", "lobby_agents", "doorway", "moderator")
    for name in (*wire, "negotiations", "peers"):
        raised |= set(re.findall(r'code="(\w+)"', (PACKAGE / f"server/{name}.py").read_text("utf-8")))
    for path in (PACKAGE / "signaling/negotiation.py", *(PACKAGE / "lobby").glob("*.py")):
        raised |= set(re.findall(r'code ?= ?"(\w+)"', path.read_text("utf-8")))
    raised -= {"already_joined"}  # the server never seats anyone twice
    assert len(raised) >= 10
    assert raised <= table


def test_the_numbers_are_those_of_the_code() -> None:
    times = Timeouts()
    waiting = f"{times.offer:.0f} s for the offer, {times.answer:.0f} s for the answer, {times.connect:.0f} s"
    assert waiting in FLAT
    for code in (TOO_SLOW, REPLACED, UNAUTHENTICATED, REFUSED, TOO_MANY, TRY_AGAIN):
        assert f"{code} " in TEXT.split("## Close codes")[1]
