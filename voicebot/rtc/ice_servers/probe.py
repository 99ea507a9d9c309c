"""Ask a STUN or TURN server for what a call will need, and say exactly what is wrong."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass
from typing import Any, Literal, cast

from aioice import stun

from voicebot.clock import Clock, monotonic
from voicebot.rtc.ice import parse_url
from voicebot.rtc.ice_servers.allocation import connect

Outcome = Literal["ok", "unauthorized", "refused", "unreachable", "unknown_host", "tls", "not_an_address"]


@dataclass(frozen=True)
class Probe:
    """The answer of one server on one way (UDP, TCP or TLS)."""

    url: str
    outcome: Outcome
    detail: str
    """One line for people."""
    seconds: float
    relayed: str = ""
    """TURN: the relay's address for us, host:port."""
    mapped: str = ""
    """Our address as the server sees it."""

    @property
    def ok(self) -> bool:
        return self.outcome == "ok"


async def probe(
    url: str,
    username: str | None = None,
    credential: str | None = None,
    *,
    patience: float = 5.0,
    clock: Clock = monotonic,
) -> Probe:
    """One `stun:`, `turn:` or `turns:` URI: a STUN binding, or a TURN allocation that is given back.

    Takes up to `patience` seconds. Raises nothing: every failure is an `outcome`.
    """
    begun = clock()

    def done(outcome: Outcome, detail: str, **more: str) -> Probe:
        return Probe(url, outcome, detail, clock() - begun, **more)

    try:
        parsed = parse_url(url)
    except ValueError as error:
        return done("not_an_address", f"is no STUN or TURN address: {error}")
    if not 0 < parsed["port"] < 1 << 16:
        return done("not_an_address", f"has no port of 1 to 65535: {parsed['port']}")
    way = "TLS" if parsed["scheme"] == "turns" else parsed.get("transport", "udp").upper()
    try:
        async with asyncio.timeout(patience):
            if parsed["scheme"].startswith("stun"):
                mapped = await _bind(parsed["host"], parsed["port"])
                return done("ok", f"answers over {way}, sees us as {mapped}", mapped=mapped)
            relayed, mapped = await _allocate(parsed, username, credential)
            return done("ok", f"relays over {way}, at {relayed}", relayed=relayed, mapped=mapped)
    except TimeoutError:
        return done("unreachable", f"no answer over {way} within {patience:g} s")
    except stun.TransactionTimeout:
        return done("unreachable", f"no answer over {way}")
    except stun.TransactionFailed as error:
        code, reason = error.response.attributes.get("ERROR-CODE", (0, "no reason given"))
        if code in (401, 438, 441):
            return done("unauthorized", f"refuses the credentials ({code} {reason})")
        return done("refused", f"refuses the allocation ({code} {reason})")
    except ssl.SSLError as error:
        return done("tls", f"the TLS handshake failed: {error.reason or error}")
    except (socket.gaierror, UnicodeError):  # the latter for names like "a..b"
        return done("unknown_host", f"the host name {parsed['host']!r} is not known")
    except OSError as error:
        return done("unreachable", f"no connection over {way}: {error.strerror or error}")


async def _allocate(parsed: dict[str, Any], username: str | None, credential: str | None) -> tuple[str, str]:
    client, transport = await connect(parsed, username, credential)
    try:
        relayed = await client.connect()
        await client.delete()
        return _address(relayed), _address(client.mapped_address)
    finally:
        transport.abort()


async def _bind(host: str, port: int) -> str:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(_Binding, remote_addr=(host, port))
    try:
        request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
        protocol.transaction = stun.Transaction(request, (host, port), protocol)
        response, _ = await protocol.transaction.run()
        return _address(response.attributes["XOR-MAPPED-ADDRESS"])
    except KeyError:
        raise OSError("the answer is no STUN binding") from None
    finally:
        transport.close()


class _Binding(asyncio.DatagramProtocol):
    transport: asyncio.DatagramTransport
    transaction: stun.Transaction | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def send_stun(self, message: stun.Message, addr: tuple[str, int]) -> None:
        self.transport.sendto(bytes(message))

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        try:
            message = stun.parse_message(data)
        except ValueError:
            return
        if self.transaction is not None:
            self.transaction.response_received(message, addr)


def _address(address: tuple[str, int] | None) -> str:
    return "" if address is None else f"{address[0]}:{address[1]}"
