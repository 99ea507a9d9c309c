"""Writes the protocol as one JSON Schema: `python -m voicebot.signaling.schema [--out FILE]`.

`$defs` has ClientMessage, ServerMessage and all their parts. The client's TypeScript is generated from it,
and a test fails if the committed schema differs.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from voicebot.signaling.messages import PROTOCOL_VERSION, client_message, server_message


def protocol_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12). It accepts whatever pydantic accepts."""
    adapters: dict[str, TypeAdapter[Any]] = {"ClientMessage": client_message, "ServerMessage": server_message}
    unions, shared = TypeAdapter.json_schemas(
        [(name, "validation", adapter) for name, adapter in adapters.items()],
        ref_template="#/$defs/{model}",
    )
    parts: dict[str, Any] = shared["$defs"]
    for part in parts.values():
        _require_type(part)
        for field in part.get("properties", {}).values():
            field.pop("title", None)  # it would create a TypeScript type for each field
    for name in adapters:
        # `discriminator` is OpenAPI's; JSON Schema validators do not know it
        parts[name] = {"oneOf": unions[(name, "validation")]["oneOf"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "VoicebotProtocol",
        "description": f"Every message between a browser and the server, version {PROTOCOL_VERSION}.",
        "anyOf": [{"$ref": f"#/$defs/{name}"} for name in adapters],
        "$defs": dict(sorted(parts.items())),
    }


def _require_type(part: dict[str, Any]) -> None:
    """Require `type`, although each model has a default for it: it selects the model."""
    field = part.get("properties", {}).get("type", {})
    if "const" in field:
        part["required"] = ["type", *part.get("required", [])]
        field.pop("default", None)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m voicebot.signaling.schema", description=__doc__)
    parser.add_argument("--out", type=Path, help="write to this file instead of the standard output")
    out: Path | None = parser.parse_args(argv).out
    text = json.dumps(protocol_schema(), indent=2, ensure_ascii=False) + "\n"
    if out is None:
        sys.stdout.write(text)
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
