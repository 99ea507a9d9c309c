"""How servers describe forwarded connections to each other."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from starlette.types import Scope

EXTENSION = "voicebot.forwarded"
ONWARD = 5000
"""Close code between servers: another server serves the socket from now on. Browsers cannot send it."""
MAX_BODY = 1024 * 1024
"""Bytes of a forwarded request body or response body."""
_PRIVATE_HEADERS = {b"cookie", b"authorization", b"connection", b"upgrade", b"transfer-encoding"}


@dataclass
class Arrival:
    """The state of a socket when a server begins to serve it."""

    established: bool = False
    """The client already got `session_established`."""
    seq: int = 0
    """The last `seq` of the previous server."""
    frame: str = ""
    """The `join_lobby` frame that moved it here."""


@dataclass
class Onward:
    """A socket moves to the server named `to`; None is the server that the client is connected to."""

    to: str | None
    arrival: Arrival


@dataclass
class Forwarded:
    """Marks the scope of a forwarded connection. The other server has checked its cookie."""

    session: str
    """The session's handle."""
    arrival: Arrival
    seq: int | None = None
    """Set when the socket moves on: the last `seq` of this server."""


def forwarded(scope: MutableMapping[str, Any]) -> Forwarded | None:
    """Return the mark of a forwarded connection, or None."""
    found = scope.get("extensions", {}).get(EXTENSION)
    return found if isinstance(found, Forwarded) else None


def describe(scope: Scope) -> dict[str, Any]:
    """Describe a connection to another server, without its cookie."""
    headers = [
        (n.decode("latin-1"), v.decode("latin-1")) for n, v in scope["headers"] if n not in _PRIVATE_HEADERS
    ]
    return {
        "type": scope["type"],
        "method": scope.get("method", "GET"),
        "scheme": scope["scheme"],
        "path": scope["path"],
        "query": scope.get("query_string", b"").decode("latin-1"),
        "client": scope.get("client"),
        "headers": headers,
    }


def scope_of(description: dict[str, Any], by: Forwarded) -> Scope:
    """Turn a description back into a scope for the application."""
    client = description["client"]
    return {
        "type": description["type"],
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": description["method"],
        "scheme": description["scheme"],
        "path": description["path"],
        "raw_path": description["path"].encode(),
        "root_path": "",
        "query_string": description["query"].encode("latin-1"),
        "headers": [(n.encode("latin-1"), v.encode("latin-1")) for n, v in description["headers"]],
        "client": tuple(client) if client else None,
        "server": None,
        "subprotocols": [],
        "extensions": {EXTENSION: by},
    }
