"""The wire's three forms agree: pydantic models, JSON Schema, golden messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
from pydantic import TypeAdapter, ValidationError

from voicebot.signaling.messages import ClientMessage, ServerMessage, client_message, server_message
from voicebot.signaling.schema import main, protocol_schema

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "client/src/protocol/schema.json"
GOLDEN: list[dict[str, Any]] = json.loads((ROOT / "tests/golden/messages.json").read_text("utf-8"))
ADAPTERS: dict[str, TypeAdapter[Any]] = {"client": client_message, "server": server_message}


def types_of(union: Any) -> set[str]:
    return {member.model_fields["type"].default for member in get_args(get_args(union)[0])}


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda g: f"{g['direction']}: {g['why']}")
def test_models_and_schema_judge_golden_messages_alike(golden: dict[str, Any]) -> None:
    wire = json.dumps(golden["message"])
    if golden["valid"]:
        ADAPTERS[golden["direction"]].validate_json(wire)
    else:
        with pytest.raises(ValidationError):
            ADAPTERS[golden["direction"]].validate_json(wire)
    schema = protocol_schema()
    definition = {"client": "ClientMessage", "server": "ServerMessage"}[golden["direction"]]
    schema.pop("anyOf")
    judge = jsonschema.Draft202012Validator({**schema, "$ref": f"#/$defs/{definition}"})
    assert judge.is_valid(json.loads(wire)) == golden["valid"]


@pytest.mark.parametrize(("direction", "union"), [("client", ClientMessage), ("server", ServerMessage)])
def test_every_message_type_has_a_golden_example(direction: str, union: Any) -> None:
    shown = {g["message"]["type"] for g in GOLDEN if g["direction"] == direction and g["valid"]}
    assert shown == types_of(union)


@pytest.mark.parametrize("golden", [g for g in GOLDEN if g["valid"]], ids=lambda g: g["why"])
def test_what_is_sent_is_what_was_meant(golden: dict[str, Any]) -> None:
    adapter = ADAPTERS[golden["direction"]]
    message = adapter.validate_json(json.dumps(golden["message"]))
    assert adapter.validate_json(message.model_dump_json(exclude_none=True)) == message


def test_the_committed_schema_is_the_generated_one() -> None:
    assert json.loads(COMMITTED.read_text("utf-8")) == protocol_schema(), (
        "run: python -m voicebot.signaling.schema --out client/src/protocol/schema.json"
    )


def test_the_schema_command_writes_and_prints_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([])
    main(["--out", str(tmp_path / "deep" / "schema.json")])
    assert (tmp_path / "deep" / "schema.json").read_text("utf-8") == capsys.readouterr().out
