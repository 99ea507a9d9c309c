"""A TURN allocation that is told exactly what to ask for, to prove what a server allows and denies.

aiortc's own allocations bind channels as needed; a proof has to ask for any peer, of either family.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

from aioice import stun, turn

from voicebot.rtc.ice import parse_url

FAMILY_MISMATCH = 443
"""The error for a peer of the other address family (RFC 8656, section 19)."""
FAMILY_UNSUPPORTED = 440
LIFETIME = 60

Family = Literal[4, 6]
Address = tuple[str, int]


def _pack_family(family: Family) -> bytes:
    return struct.pack("!B3x", 1 if family == 4 else 2)


# RFC 8656, section 18.6; aioice does not know it
stun.ATTRIBUTES_BY_NAME.setdefault(
    "REQUESTED-ADDRESS-FAMILY", (0x0017, "REQUESTED-ADDRESS-FAMILY", _pack_family, stun.unpack_bytes)
)


class TurnError(Exception):
    """The server answered with an error."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code


class _Receiver(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.received: asyncio.Queue[bytes] = asyncio.Queue(64)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if not self.received.full():
            self.received.put_nowait(data)


class Allocation:
    """One relay address on the server; made by `allocation`."""

    def __init__(self, client: turn.TurnClientProtocol, receiver: _Receiver) -> None:
        self._client, self._receiver = client, receiver
        self._channel = turn.CHANNEL_NUMBER_MAX  # downwards, aioice's own go up
        self.relayed: Address = ("", 0)

    async def permit(self, peer: Address) -> None:
        """CreatePermission for a peer. Raises TurnError."""
        await self._ask(stun.Method.CREATE_PERMISSION, {"XOR-PEER-ADDRESS": peer})

    async def bind(self, peer: Address) -> int:
        """ChannelBind for a peer; the channel's number. Raises TurnError."""
        self._channel -= 1
        attributes = {"CHANNEL-NUMBER": self._channel, "XOR-PEER-ADDRESS": peer}
        await self._ask(stun.Method.CHANNEL_BIND, attributes)
        self._client.channel_to_peer[self._channel] = peer
        return self._channel

    def send(self, channel: int, data: bytes) -> None:
        """To the peer of the channel."""
        self._client._send(struct.pack("!HH", channel, len(data)) + data)

    async def receive(self) -> bytes:
        """The next datagram that a peer sent to the relay address."""
        return await self._receiver.received.get()

    async def _ask(self, method: stun.Method, attributes: dict[str, Any]) -> stun.Message:
        request = stun.Message(method, stun.Class.REQUEST, attributes=attributes)
        try:
            response, _ = await self._client.request_with_retry(request)
        except stun.TransactionFailed as error:
            raise TurnError(*error.response.attributes.get("ERROR-CODE", (0, "no reason given"))) from None
        except stun.TransactionTimeout:
            raise TimeoutError("no answer") from None
        return response

    async def _allocate(self, family: Family) -> None:
        attributes: dict[str, Any] = {"LIFETIME": LIFETIME, "REQUESTED-TRANSPORT": turn.UDP_TRANSPORT}
        if family == 6:
            attributes["REQUESTED-ADDRESS-FAMILY"] = family
        response = await self._ask(stun.Method.ALLOCATE, attributes)
        self.relayed = response.attributes.get("XOR-RELAYED-ADDRESS", ("", 0))
        self._client.receiver = self._receiver


@asynccontextmanager
async def allocation(
    url: str, username: str, credential: str, family: Family = 4
) -> AsyncIterator[Allocation]:
    """An allocation at a `turn:` or `turns:` URL, given back at the end.

    Raises:
        TurnError: the server answered with an error.
        TimeoutError: it did not answer.
        OSError: there is no connection to it, or TLS failed.
    """
    parsed = parse_url(url)
    client, transport = await connect(parsed, username, credential)
    made = Allocation(client, _Receiver())
    try:
        await made._allocate(family)
        yield made
    finally:
        if made.relayed[1]:
            client.receiver = None
            await client.delete()
        transport.abort()  # everything was answered; TLS's farewell would outlive the caller's loop


async def connect(
    parsed: dict[str, Any], username: str | None, credential: str | None
) -> tuple[turn.TurnClientProtocol, asyncio.Transport | asyncio.DatagramTransport]:
    """To the server of a parsed URL, nothing asked for yet; end it by `abort`. Raises OSError."""
    loop, server = asyncio.get_running_loop(), (parsed["host"], parsed["port"])
    options: dict[str, Any] = {
        "username": username,
        "password": credential,
        "lifetime": LIFETIME,
        "channel_refresh_time": turn.DEFAULT_CHANNEL_REFRESH_TIME,
    }
    client: turn.TurnClientProtocol
    transport: asyncio.Transport | asyncio.DatagramTransport
    if parsed["transport"] == "tcp":
        tls = True if parsed["scheme"] == "turns" else None
        transport, client = await loop.create_connection(
            lambda: turn.TurnClientTcpProtocol(server, **options), *server, ssl=tls
        )
    else:
        transport, client = await loop.create_datagram_endpoint(
            lambda: turn.TurnClientUdpProtocol(server, **options), remote_addr=server
        )
    return client, transport
