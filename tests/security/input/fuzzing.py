"""Hypothesis strategies: values that a JSON Schema allows, and messages with mistakes."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from voicebot.signaling.schema import protocol_schema

SCHEMA: dict[str, Any] = protocol_schema()
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    [
        "",
        "demo",
        "\0",
        "\u202e",
        "\ud800",
        "é" * 200,
        "x" * 5000,
        "__proto__",
        "constructor",
        "\U0010ffff",
        "null",
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, -1, 1, 2**31, 2**53, 2**53 - 1, 2**63, 10**400, 0.5, 1e308, -0.0])
    | st.floats()
    | TEXT
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def of_schema(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values for the parts of JSON Schema that this project uses; KeyError for others."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        return st.deferred(lambda: of_schema(SCHEMA["$defs"][name]))
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return st.one_of([of_schema(one) for one in schema[union]])
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    return _BY_TYPE[schema["type"]](schema)


def _string(schema: dict[str, Any]) -> st.SearchStrategy[str]:
    low, high = schema.get("minLength", 0), schema.get("maxLength", 200)
    if "pattern" in schema:
        known = st.sampled_from(["demo", "nobody", "other"])
        return known | st.from_regex(schema["pattern"].replace("$", r"\Z")).filter(
            lambda s: low <= len(s) <= high
        )
    return st.text(st.characters(exclude_categories=["Cs"]), min_size=low, max_size=min(high, 200))


def _object(schema: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    fields = schema.get("properties", {})
    if not fields and isinstance(schema.get("additionalProperties"), dict):
        keys = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
        return st.dictionaries(keys, of_schema(schema["additionalProperties"]), max_size=3)
    required = {name: of_schema(fields[name]) for name in schema.get("required", [])}
    optional = {name: of_schema(field) for name, field in fields.items() if name not in required}
    return st.fixed_dictionaries(required, optional=optional)


_BY_TYPE: dict[str, Any] = {
    "null": lambda schema: st.none(),
    "boolean": lambda schema: st.booleans(),
    "integer": lambda schema: st.integers(schema.get("minimum", -5), schema.get("maximum", 300)),
    "number": lambda schema: st.floats(0, 1e6),
    "string": _string,
    "array": lambda schema: st.lists(of_schema(schema["items"]), max_size=4),
    "object": _object,
}

MESSAGES = of_schema(SCHEMA["$defs"]["ClientMessage"])


@st.composite
def frames(draw: st.DrawFn, lobby: str, peers: list[str]) -> str | bytes:
    """A message that names present peers, often with a mistake, and rarely not a message at all."""
    message = draw(MESSAGES)
    for field, known in (("lobby", [lobby]), ("peer", peers)):
        if field in message and draw(st.booleans()):
            message[field] = draw(st.sampled_from(known))
    kind = draw(st.sampled_from(["as it is", "as it is", "a value", "an addition", "the text", "no message"]))
    if kind == "a value":
        _replace(draw, message)
    elif kind == "an addition":
        draw(
            st.sampled_from(
                [message, message["data"]] if isinstance(message.get("data"), dict) else [message]
            )
        )[draw(TEXT)] = draw(JSON)
    elif kind == "no message":
        return draw(st.binary(max_size=100) | JSON.map(json.dumps) | TEXT.map(_sendable))
    text = json.dumps(message)
    if kind == "the text" and text:
        start = draw(st.integers(0, len(text) - 1))
        end = draw(st.integers(start, min(len(text), start + 30)))
        instead = draw(
            st.sampled_from(["", text[start:end] * 2, "{", "[" * 300, '"', "NaN", "\\ud800", "1e999"])
        )
        text = text[:start] + instead + text[end:]
    return text


def _replace(draw: st.DrawFn, message: dict[str, Any]) -> None:
    """Replace a value somewhere in it."""
    at: Any = message
    while True:
        key = draw(st.sampled_from(sorted(at)))
        if not (isinstance(at[key], dict) and at[key]) or draw(st.booleans()):
            at[key] = draw(JSON)
            return
        at = at[key]


def _sendable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
