"""What comes to a server by way of another one, and how a socket goes from one to the next."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from starlette.types import Scope

EXTENSION = "voicebot.forwarded"
ONWARD = 5000
"""Between servers: this socket goes on at another one. No browser can close with it."""
MAX_BODY = 1024 * 1024
"""Bytes of a request that is forwarded, or of its answer."""
_KEPT_BACK = {b"cookie", b"authorization", b"connection", b"upgrade", b"transfer-encoding"}


@dataclass
class Arrival:
    """How a socket comes to the server that serves it from now on."""

    said: bool = False
    """The browser has been told `session_established`: only what it sends next is new."""
    seq: int = 0
    """Up to which the server before has numbered."""
    frame: str = ""
    """What the browser sent that brought it here."""


@dataclass
class Onward:
    """A socket goes on at another server, which is named, or with None at the one it is connected to."""

    to: str | None
    arrival: Arrival


@dataclass
class Forwarded:
    """In the scope of what another server forwards; that one has checked the cookie."""

    session: str
    """The session's handle."""
    arrival: Arrival
    seq: int | None = None
    """Up to which was numbered here, when the socket goes on elsewhere."""


def forwarded(scope: MutableMapping[str, Any]) -> Forwarded | None:
    """Whether another server forwards this, and for whom."""
    found = scope.get("extensions", {}).get(EXTENSION)
    return found if isinstance(found, Forwarded) else None


def describe(scope: Scope) -> dict[str, Any]:
    """What the other server is told of a connection; no cookie."""
    headers = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in scope["headers"] if n not in _KEPT_BACK]
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
    """The same connection, for this server's application."""
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
