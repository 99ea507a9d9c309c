"""Asks a STUN or TURN server for what a call needs, and explains what is wrong."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass
from typing import Any, Literal

from aioice import stun

from voicebot.clock import monotonic
from voicebot.rtc.ice import parse_url
from voicebot.rtc.ice_servers.allocation import Address, TurnError, allocation, ask, connect

Outcome = Literal["ok", "unauthorized", "refused", "unreachable", "unknown_host", "tls", "not_an_address"]


@dataclass(frozen=True)
class Probe:
    """The result for one server over one transport (UDP, TCP or TLS)."""

    url: str
    outcome: Outcome
    detail: str
    """One line for people."""
    seconds: float
    relayed: str = ""
    """Our relay address (`host:port`) on a TURN server."""
    mapped: str = ""
    """Our address (`host:port`) as the server sees it."""

    @property
    def ok(self) -> bool:
        """Whether the server gave what a call needs."""
        return self.outcome == "ok"


async def probe(
    url: str, username: str | None = None, credential: str | None = None, *, patience: float = 5.0
) -> Probe:
    """Try a `stun:`, `turn:` or `turns:` URI: a STUN binding, or a TURN allocation that is deleted again.

    Takes up to `patience` seconds. Never raises: every failure is an `outcome`.
    """
    begun = monotonic()

    def done(outcome: Outcome, detail: str, **more: str) -> Probe:
        return Probe(url, outcome, detail, monotonic() - begun, **more)

    try:
        parsed = parse_url(url)
    except ValueError as error:
        return done("not_an_address", f"is not a STUN or TURN address: {error}")
    if not 0 < parsed["port"] < 1 << 16:
        return done("not_an_address", f"has the port {parsed['port']}, which must be from 1 to 65535")
    way = "TLS" if parsed["scheme"] == "turns" else parsed.get("transport", "udp").upper()
    try:
        async with asyncio.timeout(patience):
            if parsed["scheme"].startswith("stun"):
                mapped = await _bind(parsed)
                return done("ok", f"answers over {way}, sees us as {mapped}", mapped=mapped)
            async with allocation(url, username, credential) as made:
                relayed, mapped = _address(made.relayed), _address(made.mapped)
            return done("ok", f"relays over {way}, at {relayed}", relayed=relayed, mapped=mapped)
    except TimeoutError:
        return done("unreachable", f"no answer over {way} within {patience:g} s")
    except TurnError as error:
        if error.code in (401, 438, 441):
            return done("unauthorized", f"refuses the credentials ({error})")
        return done("refused", f"refuses the allocation ({error})")
    except ssl.SSLError as error:
        return done("tls", f"the TLS handshake failed: {error.reason or error}")
    except (socket.gaierror, UnicodeError):  # UnicodeError for names like "a..b"
        return done("unknown_host", f"the host name {parsed['host']!r} is not known")
    except OSError as error:
        return done("unreachable", f"no connection over {way}: {error.strerror or error}")


async def _bind(parsed: dict[str, Any]) -> str:
    async with connect(parsed) as client:
        answer = await ask(client, stun.Method.BINDING, {})
    if "XOR-MAPPED-ADDRESS" not in answer:
        raise OSError("the answer is not a STUN binding response")
    return _address(answer["XOR-MAPPED-ADDRESS"])


def _address(address: Address) -> str:
    return f"{address[0]}:{address[1]}"
