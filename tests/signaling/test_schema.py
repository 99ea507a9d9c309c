"""Pydantic models, JSON Schema and golden messages agree."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import jsonschema_rs
import pytest
from pydantic import TypeAdapter, ValidationError

from voicebot.signaling.frames import Malformed, read
from voicebot.signaling.messages import ClientMessage, ServerMessage, client_message, server_message
from voicebot.signaling.schema import main, protocol_schema

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "client/src/protocol/schema.json"
GOLDEN: list[dict[str, Any]] = json.loads((ROOT / "tests/golden/messages.json").read_text("utf-8"))
ADAPTERS: dict[str, TypeAdapter[Any]] = {"client": client_message, "server": server_message}
READERS: dict[str, Callable[[str], Any]] = {"client": read, "server": server_message.validate_json}


def judge(definition: str) -> Any:
    schema = protocol_schema()
    schema.pop("anyOf")
    return jsonschema_rs.validator_for({**schema, "$ref": f"#/$defs/{definition}"})


JUDGES: dict[str, Any] = {"client": judge("ClientMessage"), "server": judge("ServerMessage")}


def types_of(union: Any) -> set[str]:
    return {member.model_fields["type"].default for member in get_args(get_args(union)[0])}


def python_reads(direction: str, wire: str) -> bool:
    try:
        READERS[direction](wire)
    except (ValidationError, Malformed):
        return False
    return True


def of_type(golden: dict[str, Any]) -> str:
    return f"{golden['direction']} {golden['message'].get('type')}"


@pytest.mark.parametrize("type", sorted({of_type(golden) for golden in GOLDEN}))
def test_models_and_schema_agree_on_golden_messages(type: str) -> None:
    wrong = []
    for golden in GOLDEN:
        if of_type(golden) == type:
            direction, wire = golden["direction"], json.dumps(golden["message"])
            verdicts = (python_reads(direction, wire), JUDGES[direction].is_valid(json.loads(wire)))
            if verdicts != (golden["valid"], golden["valid"]):
                wrong.append((golden["why"], *verdicts))
    assert wrong == []


@pytest.mark.parametrize("direction", ["client", "server"])
def test_every_message_type_has_valid_and_invalid_examples(direction: str) -> None:
    union = {"client": ClientMessage, "server": ServerMessage}[direction]
    counts = Counter(
        (g["message"].get("type"), g["valid"])
        for g in GOLDEN
        if g["direction"] == direction and isinstance(g["message"].get("type"), str)
    )
    assert {type for type in types_of(union) if counts[type, True] < 2} == set()
    assert {type for type in types_of(union) if counts[type, False] < 4} == set()


@pytest.mark.parametrize("direction", ["client", "server"])
def test_every_field_of_every_message_has_an_invalid_example(direction: str) -> None:
    """Each field must be found wrong, not only each message."""
    union = {"client": ClientMessage, "server": ServerMessage}[direction]
    wrong: set[tuple[str, str]] = set()
    for golden in GOLDEN:
        if golden["direction"] == direction and not golden["valid"]:
            for error in JUDGES[direction].iter_errors(golden["message"]):
                for leaf in itertools.chain.from_iterable(getattr(error.kind, "context", ())):
                    path = leaf.instance_path
                    if len(path) >= 2 and path[0] == "data":
                        wrong.add((str(golden["message"].get("type")), str(path[1])))
    fields = {
        (member.model_fields["type"].default, field)
        for member in get_args(get_args(union)[0])
        for field in member.model_fields["data"].annotation.model_fields
    }
    untried = fields - wrong
    assert untried == set()


@pytest.mark.parametrize(("direction", "union"), [("client", ClientMessage), ("server", ServerMessage)])
def test_every_message_type_has_a_golden_example(direction: str, union: Any) -> None:
    shown = {g["message"]["type"] for g in GOLDEN if g["direction"] == direction and g["valid"]}
    assert shown == types_of(union)


@pytest.mark.parametrize("golden", [g for g in GOLDEN if g["valid"]], ids=lambda g: g["why"])
def test_messages_survive_a_round_trip(golden: dict[str, Any]) -> None:
    adapter = ADAPTERS[golden["direction"]]
    message = adapter.validate_json(json.dumps(golden["message"]))
    assert adapter.validate_json(message.model_dump_json(exclude_none=True)) == message


def test_the_committed_schema_is_the_generated_one() -> None:
    assert json.loads(COMMITTED.read_text("utf-8")) == protocol_schema(), (
        "run: python -m voicebot.signaling.schema --out client/src/protocol/schema.json"
    )


def test_the_schema_command_writes_what_it_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([])
    main(["--out", str(tmp_path / "deep" / "schema.json")])
    assert (tmp_path / "deep" / "schema.json").read_text("utf-8") == capsys.readouterr().out
